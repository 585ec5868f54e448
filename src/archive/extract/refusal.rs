//! Why a member is refused.

#![forbid(unsafe_code)]

use nix::errno::Errno;
use thiserror::Error as ThisError;

use crate::error::{self, Kind};

/// Why a member, or an archive, is refused.
#[derive(Debug, ThisError)]
pub(crate) enum Refusal {
    /// Making a file, link or device in the root's own place would first remove everything in it.
    #[error("a {0} in the place of the root directory")]
    ReplacesRoot(&'static str),
    /// A symlink in a directory's place can lead to a name that the judgement by path has refused or excluded.
    #[error("leads to a protected name of the top directory")]
    ProtectedName,
    /// What is mounted below the root isn't part of it: a bind mount leads to a directory of the host.
    #[error("leads to something that is mounted below the root directory")]
    OtherMount,
    /// A hard link to a file that was there before shares it with the archive's further members, which then write
    /// to it.
    #[error("hard link to something that is no regular file of this archive")]
    ForeignSource,
    /// An attribute name with a NUL would reach the kernel as another name, an empty one as none.
    #[error("an xattr name is empty or holds a NUL")]
    XattrName,
    /// A name that climbs out, or starts at the top, means one file to a reader that clamps it and another to one that
    /// doesn't: what was checked isn't what is made.
    #[error("the {0} is absolute or has a component \"..\"")]
    NotLocal(String),
    /// A type that the caller has no use for is a way to surprise it.
    #[error("a {0}, which the rules don't allow")]
    Type(&'static str),
    /// A device node gives whoever opens it the device, whatever the directory is for.
    #[error("a device, which the rules don't allow")]
    Device,
    /// An id without a place on the host would have to become another one's, or root's.
    #[error("the {what} {id} isn't in the id map")]
    Unmapped {
        /// Whose id.
        what: &'static str,
        /// The id as the archive has it.
        id: u32,
    },
    /// The ids in an ACL that can't be read can't be mapped, and unmapped they would give others access.
    #[error("the xattr {0} is no POSIX ACL of version 2")]
    Acl(String),
    /// Capabilities whose user id can't be found might be valid in a namespace that isn't the container's.
    #[error("the xattr security.capability is neither of version 2 nor of version 3")]
    Capability,
    /// An archive that was cut between two members looks like a whole one but for its end.
    #[error("the archive has no end marker: it was cut short, or its writer left it out")]
    NoEndMarker,
    /// A file without its end would pass for a whole one.
    #[error("archive is cut short: {0} bytes of data are missing")]
    CutShort(u64),
}

impl error::Refusal for Refusal {
    fn kind(&self) -> Kind {
        match self {
            Self::ReplacesRoot(_)
            | Self::ProtectedName
            | Self::OtherMount
            | Self::ForeignSource
            | Self::NotLocal(_) => Kind::Escape,
            Self::Type(_) | Self::Device => Kind::Forbidden,
            Self::Unmapped { .. } => Kind::Unsupported,
            Self::XattrName
            | Self::Acl(_)
            | Self::Capability
            | Self::NoEndMarker
            | Self::CutShort(_) => Kind::Malformed,
        }
    }

    fn errno(&self) -> Errno {
        match self {
            // What the kernel says of an id that a namespace has no place for.
            Self::Unmapped { .. } => Errno::EOVERFLOW,
            _ => self.kind().errno(),
        }
    }
}
