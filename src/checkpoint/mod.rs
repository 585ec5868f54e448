//! Floor 3: what is in a checkpoint archive, and what engines do with it.
//!
//! An engine that restores a container calls, in this order, [`runtime_from_archive`],
//! [`import_checkpoint_config_only`], [`import_checkpoint_without_config`], [`apply_rootfs_diff_tar`] and
//! [`remove_deleted_files`]; one that checkpoints calls [`create_rootfs_diff_tar`].
//!
//! Archives are hostile until proven otherwise: whatever they hold, nothing outside of the named directories is read,
//! created, changed or removed. Host paths that the caller names are trusted and opened once.

#![forbid(unsafe_code)]

mod deleted_files;
mod deleted_list;
mod held;
mod import;
mod label;
mod metadata;
mod probe;
mod rootfs_diff;
mod runtime;
mod selinux;
mod spec;

pub use deleted_files::remove_deleted_files;
pub use import::{import_checkpoint_config_only, import_checkpoint_without_config};
pub use label::create_file_with_label;
pub use metadata::{
    BindMount, BindMounts, ContainerConfig, ContainerdStatus, DocumentKind, Engine, MemberClass,
    Metadata, Mount, Network, NetworkInterface, NetworkStatus, PodOptions, Spec, Subnet, Unknown,
};
pub use probe::{runtime_supports_checkpoint_restore, runtime_supports_pod_checkpoint_restore};
pub use rootfs_diff::{apply_rootfs_diff_tar, create_rootfs_diff_tar};
pub use runtime::runtime_from_archive;
pub use spec::bind_destinations;

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use nix::errno::Errno;

use crate::archive::Input;
use crate::error::{Context as _, Error, Result, quote};
use crate::fs::{Name, open_directory_ambient, open_input_ambient, open_regular_at};
use crate::tar::Reader;

/// The container's configuration as its engine wrote it: JSON, in which `runtime` names the OCI runtime.
const CONFIG_DUMP: &str = "config.dump";
/// The container's OCI runtime specification.
const SPEC_DUMP: &str = "spec.dump";
/// What changed in the container's root file system, but for deletions: a tar archive.
const ROOTFS_DIFF_TAR: &str = "rootfs-diff.tar";
/// What was deleted from the container's root file system: a JSON array of paths.
const DELETED_FILES: &str = "deleted.files";

/// How large config.dump and spec.dump may be: engines write some tens of KiB.
const MAX_CONFIG: u64 = 16 << 20;
/// How large deleted.files may be: a million paths of a usual length.
const MAX_DELETED_FILES: u64 = 64 << 20;

/// Opens the archive that the caller named.
fn open_archive_ambient(input: &Path) -> Result<Reader<Input>> {
    open_input_ambient(input)
        .and_then(Input::new)
        .map(Reader::new)
        .context(|| archive_step(input))
}

/// The step for messages about the archive `input`.
fn archive_step(input: &Path) -> String {
    format!("archive {}", quote(input.as_os_str().as_bytes()))
}

/// Opens the file `name` in a base directory that an import has filled; `None` if file or directory is missing.
fn open_in_base_ambient(base_directory: &Path, name: &str) -> Result<Option<(OwnedFd, File)>> {
    let base = match open_directory_ambient(base_directory, "base_directory") {
        Err(error) if error.is(Errno::ENOENT) => return Ok(None),
        result => result?,
    };
    let step = || {
        format!(
            "base_directory {}",
            quote(base_directory.as_os_str().as_bytes())
        )
    };
    let file = open_regular_at(&base, &file_name(name)?).context(step)?;
    Ok(file.map(|file| (base, file)))
}

/// Refuses a container's root directory that isn't absolute: "" or a relative path would quietly mean some other
/// directory, the host's root in the worst case.
fn check_container_root(path: &Path) -> Result<()> {
    if path.is_absolute() {
        Ok(())
    } else {
        Err(Error::argument(
            "container_root_directory",
            "is not an absolute path",
        ))
    }
}

/// One of the names above, as a component.
fn file_name(name: &str) -> Result<Name> {
    Name::new(name.as_bytes()).ok_or_else(|| Error::argument("file name", "is no single component"))
}
