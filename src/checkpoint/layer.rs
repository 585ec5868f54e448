//! What the layer of an image can't hold.

#![forbid(unsafe_code)]

use thiserror::Error as ThisError;

use crate::error::{self, Kind, Result};
use crate::fs::RootPath;
use crate::tar::{Member, MemberKind};

/// What a name begins with that removes something of the layers before.
const WHITEOUT: &[u8] = b".wh.";

/// Why an archive can't be a layer.
#[derive(Debug, ThisError)]
enum Refusal {
    /// Whoever unpacks the layer removes another file instead of making this one.
    #[error("can't be in a layer: a name that begins with .wh. removes a file there")]
    Whiteout,
    /// Tools differ in what they make of it: some refuse the image, some leave the file out.
    #[error("can't be in a layer: its name is absolute or has a ..")]
    Name,
    /// The dump that it leads to is in another image, and some engines restore no image with a symlink.
    #[error(
        "leads to a dump that isn't in the image; it is let into one only if that is asked for"
    )]
    Parent,
}

impl error::Refusal for Refusal {
    fn kind(&self) -> Kind {
        match self {
            Self::Whiteout | Self::Parent => Kind::Forbidden,
            Self::Name => Kind::Escape,
        }
    }
}

/// Whether a name, or one on the way to it, says that something is removed.
pub(in crate::checkpoint) fn has_whiteout(path: &[u8]) -> bool {
    let mut names = path.split(|byte| *byte == b'/');
    names.any(|name| name.starts_with(WHITEOUT))
}

/// Refuses a name that means something else in a layer than in an archive.
pub(in crate::checkpoint) fn check_layer_name(path: &[u8]) -> Result<()> {
    if has_whiteout(path) {
        return Err(Refusal::Whiteout.into());
    }
    let climbs = || path.split(|byte| *byte == b'/').any(|name| name == b"..");
    if path.starts_with(b"/") || climbs() {
        return Err(Refusal::Name.into());
    }
    Ok(())
}

/// Refuses a member that can't be in a layer, though it may be in a bundle.
pub(in crate::checkpoint) fn judge_layer_member(
    path: &RootPath,
    member: &Member,
    parent_links: bool,
) -> Result<()> {
    check_layer_name(path.as_bytes())?;
    match member.kind {
        MemberKind::Symlink { .. } if !parent_links => Err(Refusal::Parent.into()),
        _ => Ok(()),
    }
}
