//! Importing a checkpoint archive: one session, in which it is looked at and extracted.

#![forbid(unsafe_code)]

mod bundle;
mod contents;
mod extract;
mod options;
mod session;
mod targets;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use nix::errno::Errno;
use thiserror::Error as ThisError;

pub(super) use bundle::{check_config, judge_bundle_member};
pub use contents::{MemberInfo, MemberType};
pub use extract::Imported;
pub use options::{ImportOptions, KNOWN_MEMBERS, Limit};
pub use session::Import;

use crate::error::{Error, Kind, Result};
use crate::fs::{Directory, RootPath};
use crate::watch::Watch;

/// Why an archive isn't imported.
#[derive(Debug, ThisError)]
enum Refusal {
    /// Two readers of such an archive disagree on what the container is.
    #[error("is in the archive twice")]
    Twice,
    /// What is applied, and what is read for deletions, are archives and lists of their own; a link or a device can be
    /// neither.
    #[error("is not a regular file")]
    NotRegular,
    /// Whoever named the members that may be there expects harm from others.
    #[error("is not among the names that are allowed")]
    Name,
    /// A directory was named for it, or it was named itself: an engine would go on without it.
    #[error("is not in the archive")]
    Missing,
    /// Whatever was to write the archive into a pipe has failed: an engine would restore a container without files.
    #[error("there is nothing in it, not even an archive without members")]
    Nothing,
    /// Whoever is told that a file is missing looks for the file, and not for the layer that has it.
    #[error(
        "no config.dump in the archive: it is an OCI image layout, and a checkpoint is a layer of the image"
    )]
    Layout,
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let kind = match refusal {
            Refusal::Twice | Refusal::Nothing => Kind::Malformed,
            Refusal::NotRegular | Refusal::Name => Kind::Escape,
            Refusal::Missing | Refusal::Layout => Kind::NotInArchive,
        };
        let error = Error::new(kind, refusal.to_string());
        match refusal {
            Refusal::Name => error.with_errno(Errno::EPERM),
            _ => error,
        }
    }
}

/// Extracts all members of the checkpoint archive `input` into the directory `destination` but for config.dump and
/// spec.dump, which [`import_checkpoint_config_only`] takes.
///
/// The archive may be plain or compressed with gzip, bzip2, xz or zstd. A `destination` that is missing has to be
/// absolute; it is made, with its missing parents, once the archive's first header is understood. An empty file is an
/// archive without members.
///
/// # Errors
///
/// EPERM for config.json, devices and fifos; EXDEV for links other than those CRIU makes (`checkpoint/parent`) and
/// hard links among the archive's own files; EBADMSG for a malformed archive; what the system calls give. What was
/// extracted before stays, but nothing of a file that is incomplete.
pub fn import_checkpoint_without_config<'d>(
    destination: impl Into<Directory<'d>>,
    input: &Path,
) -> Result<()> {
    import(input, |import| import.to_bundle(destination))
}

/// Extracts config.dump and spec.dump from the checkpoint archive `input` into the directory `destination`, and
/// nothing else. Reads no further than needed; that one of the two is missing is no error.
///
/// # Errors
///
/// As [`import_checkpoint_without_config`]; E2BIG if one of the two is larger than 16 MiB, EXDEV if it isn't a regular
/// file.
pub fn import_checkpoint_config_only<'d>(
    destination: impl Into<Directory<'d>>,
    input: &Path,
) -> Result<()> {
    import(input, |import| {
        import.choose_configuration(destination.into())
    })
}

/// Where the files of a container go.
#[derive(Clone, Copy, Debug, Default)]
pub struct Files<'f> {
    /// Everything but config.dump and spec.dump that has no other place; see [`Import::to_bundle`].
    pub bundle: Option<Directory<'f>>,
    /// The changes of the root file system; see [`Import::to_root`].
    pub root: Option<Directory<'f>>,
    /// The container's own /dev/shm; see [`Import::to_shm`].
    pub shm: Option<Directory<'f>>,
    /// Named volumes; see [`Import::to_volume`].
    pub volumes: &'f [(&'f OsStr, Directory<'f>)],
}

/// Restores all files of a container from the checkpoint archive `input`, in one pass over it: a session that does
/// nothing else.
///
/// # Errors
///
/// As [`Import::open`], [`Import::to_bundle`] and its like, and [`Import::extract`].
pub fn import_files(
    input: &Path,
    files: &Files<'_>,
    options: &ImportOptions,
    watch: &Watch,
) -> Result<Imported> {
    let mut import = Import::open(input, options, watch)?;
    if let Some(bundle) = files.bundle {
        import.to_bundle(bundle)?;
    }
    if let Some(root) = files.root {
        import.to_root(root)?;
    }
    if let Some(shm) = files.shm {
        import.to_shm(shm)?;
    }
    for (name, directory) in files.volumes {
        import.to_volume(name, *directory)?;
    }
    import.extract()
}

fn import(input: &Path, choose: impl FnOnce(&mut Import) -> Result<()>) -> Result<()> {
    let mut options = ImportOptions::new();
    options.keep_failed(true);
    let mut import = Import::open(input, &options, &Watch::new())?;
    import.accept_nothing();
    choose(&mut import)?;
    import.extract().map(drop)
}

/// The path of a member that a caller names.
fn member_path(name: &OsStr) -> Result<RootPath> {
    let path = RootPath::clean(name.as_bytes())?;
    if path.is_root() {
        return Err(Error::argument("names", "one of them names no member"));
    }
    Ok(path)
}
