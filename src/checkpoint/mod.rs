//! Floor 3: what is in a checkpoint archive, and what engines do with it.
//!
//! An engine that restores a container opens the archive with [`Import`], looks at its metadata, and extracts bundle,
//! root file system and volumes in one pass; one that checkpoints has an [`Export`] write the whole archive.
//!
//! The same in steps, for engines that have their own way around them: [`runtime_from_archive`],
//! [`import_checkpoint_config_only`], [`import_checkpoint_without_config`], [`apply_rootfs_diff_tar`] and
//! [`remove_deleted_files`], in this order; and [`create_rootfs_diff_tar`].
//!
//! Archives are hostile until proven otherwise: whatever they hold, nothing outside of the named directories is read,
//! created, changed or removed. Host paths that the caller names are trusted and opened once.

#![forbid(unsafe_code)]

mod bind_destinations;
mod bundle;
mod compression;
mod deleted_files;
mod deleted_list;
mod engine;
mod export;
mod feature;
mod held;
mod image;
mod image_writer;
mod import;
pub mod inspect;
mod label;
mod layer;
mod metadata;
mod names;
mod probe;
mod rootfs_diff;
mod runtime;

pub use crate::archive::{IdRange, Sha256Digest, UnsettableXattrs};
pub use crate::tar::MemberType;
pub use bind_destinations::bind_destinations;
pub use compression::{Compression, FrameSize};
pub use deleted_files::remove_deleted_files;
pub use engine::Engine;
pub use export::{Export, ExportOptions, Exported, Presence};
pub use feature::Feature;
pub use image::{Image, ImageForm, ImageLayer, ImageOptions, WrittenImage};
pub use image_writer::image_from_archive;
pub use import::{
    Import, ImportOptions, Imported, Limit, ListedImage, MemberInfo, images, import_chain,
    import_checkpoint_config_only, import_checkpoint_without_config,
};
pub use inspect::{InspectOptions, Inspection};
pub use label::create_file_with_label;
pub use metadata::{
    BindMount, BindMounts, ContainerConfig, ContainerdStatus, Metadata, Mount, Network,
    NetworkInterface, NetworkStatus, PodOptions, Spec, Subnet, Text, Unknown,
};
pub use names::{DocumentKind, KNOWN_MEMBERS, MemberClass};
pub use probe::{runtime_supports_checkpoint_restore, runtime_supports_pod_checkpoint_restore};
pub use rootfs_diff::{apply_rootfs_diff_tar, create_rootfs_diff_tar};
pub use runtime::runtime_from_archive;

use std::fs::File;
use std::os::fd::OwnedFd;

use nix::errno::Errno;

use crate::error::{Context as _, Error, Result};
use crate::fs::{Name, Place, open_regular_at};

/// What messages call the directory that a container's root file system is below.
const CONTAINER_ROOT: &str = "container_root_directory";

/// How large config.dump and spec.dump may be: engines write some tens of KiB.
const MAX_CONFIG: u64 = 16 << 20;
/// How large deleted.files may be: a million paths of a usual length.
const MAX_DELETED_FILES: u64 = 64 << 20;

/// Opens the file `name` in a base directory that an import has filled; `None` if file or directory is missing.
fn open_in_base_ambient(base: Place<'_>, name: &str) -> Result<Option<(OwnedFd, File)>> {
    const BASE: &str = "base_directory";
    let directory = match base.open_directory_ambient(BASE) {
        Err(error) if error.is(Errno::ENOENT) => return Ok(None),
        result => result?,
    };
    let file = open_regular_at(&directory, &file_name(name)?).context(|| base.named(BASE))?;
    Ok(file.map(|file| (directory, file)))
}

/// One of the names that are known, as a component.
fn file_name(name: &str) -> Result<Name> {
    Name::new(name.as_bytes()).ok_or_else(|| Error::argument("file name", "is no single component"))
}
