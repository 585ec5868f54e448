//! Importing a checkpoint archive: one session, in which it is looked at and extracted.

#![forbid(unsafe_code)]

mod chain;
mod completeness;
mod contents;
mod extract;
mod image;
mod options;
mod session;
mod targets;
mod verified;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use thiserror::Error as ThisError;

pub use chain::import_chain;
pub use contents::MemberInfo;
pub use extract::Imported;
pub use image::{ListedImage, images};
pub use options::{ImportOptions, Limit};
pub use session::Import;

use crate::archive::Sha256Digest;
use crate::error::{self, Error, Kind, Result};
use crate::fs::{Place, RootPath};
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
    /// Engines remove another file instead of making this one: the image isn't what it seems to be.
    #[error("can't be in a layer: a name that begins with .wh. removes a file there")]
    Whiteout,
    /// A directory was named for it, or it was named itself: an engine would go on without it.
    #[error("is not in the archive")]
    Missing,
    /// Whoever is told that a file is missing looks for the file, and not for the layer that has it.
    #[error(
        "no config.dump in the archive: it is an OCI image layout, whose image can be imported as such"
    )]
    Layout,
    /// What was compared isn't what is extracted.
    #[error("was written to after its SHA-256 was compared")]
    Written,
    /// Another archive than the one that whoever restores it trusts.
    #[error("its SHA-256 is {0}, not {1}")]
    Digest(Sha256Digest, Sha256Digest),
    /// Another image.
    #[error("its digest is sha256:{0}, not sha256:{1}")]
    ImageDigest(Sha256Digest, Sha256Digest),
}

impl error::Refusal for Refusal {
    fn kind(&self) -> Kind {
        match self {
            Self::Twice | Self::Written | Self::Digest(..) | Self::ImageDigest(..) => {
                Kind::Malformed
            }
            Self::NotRegular => Kind::Escape,
            Self::Name | Self::Whiteout => Kind::Forbidden,
            Self::Missing | Self::Layout => Kind::NotInArchive,
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
pub fn import_checkpoint_without_config<'d, 'i>(
    destination: impl Into<Place<'d>>,
    input: impl Into<Place<'i>>,
) -> Result<()> {
    let chosen = |import: &mut Import| import.choose_all_but_configuration(destination.into());
    import(input.into(), chosen)
}

/// Extracts config.dump and spec.dump from the checkpoint archive `input` into the directory `destination`, and
/// nothing else. Reads no further than needed; that one of the two is missing is no error.
///
/// # Errors
///
/// As [`import_checkpoint_without_config`]; E2BIG if one of the two is larger than 16 MiB, EXDEV if it isn't a regular
/// file.
pub fn import_checkpoint_config_only<'d, 'i>(
    destination: impl Into<Place<'d>>,
    input: impl Into<Place<'i>>,
) -> Result<()> {
    let chosen = |import: &mut Import| import.choose_configuration(destination.into());
    import(input.into(), chosen)
}

fn import(input: Place<'_>, choose: impl FnOnce(&mut Import) -> Result<()>) -> Result<()> {
    let mut options = ImportOptions::new();
    options.keep_failed(true);
    // Who can't give files away has a bundle of their own.
    options.ignore_ownership(!nix::unistd::geteuid().is_root());
    let mut import = Import::open_named(input, "input", &options, &Watch::new())?;
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
