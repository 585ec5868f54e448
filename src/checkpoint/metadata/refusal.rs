//! Why a document of a checkpoint isn't read, or what it says isn't believed.

#![forbid(unsafe_code)]

use nix::errno::Errno;
use thiserror::Error as ThisError;

use super::json;
use crate::budget::NoRoom;
use crate::checkpoint::MAX_CONFIG;
use crate::error::{self, Kind};

/// Everything that is refused here. No message repeats content, which may be secret and is the archive's to choose.
#[derive(Clone, Debug, ThisError, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// A document larger than any honest one: all of it is held in memory.
    #[error("larger than {MAX_CONFIG} bytes")]
    TooLarge,
    /// The caller has less memory than it takes.
    #[error(transparent)]
    Room(#[from] NoRoom),
    /// What it holds isn't the JSON that it has to be.
    #[error(transparent)]
    Json(#[from] json::Refusal),
    /// An engine looks a container up by its ID.
    #[error("the container's ID isn't known")]
    NoId,
    /// No engine restores a container whose specification it doesn't have.
    #[error("there is no spec.dump: the container's OCI runtime specification has to be added")]
    NoSpec,
    /// CRI-O makes the restored container of its image.
    #[error("CRI-O restores no container whose image isn't known by name or ID")]
    NoImage,
    /// A runtime is asked for by name, but the checkpoint names none.
    #[error("the checkpoint names no runtime")]
    NoRuntime,
    /// A runtime that is a path: whoever runs what it names lets the archive choose any program of the host.
    #[error("the runtime's name is a path")]
    RuntimePath,
    /// A runtime that begins with a dash: a command line would take it for an option.
    #[error("the runtime's name begins with a dash")]
    RuntimeOption,
    /// A runtime with a control character: it could cut a command or a log line in two, and a NUL would cut the name.
    #[error("the runtime's name holds a control character")]
    RuntimeControl,
}

impl error::Refusal for Refusal {
    fn kind(&self) -> Kind {
        match self {
            Self::TooLarge => Kind::Limit,
            Self::Room(none) => none.kind(),
            Self::Json(refusal) => refusal.kind(),
            Self::NoRuntime | Self::NoId | Self::NoImage | Self::NoSpec => Kind::NotInArchive,
            Self::RuntimePath | Self::RuntimeOption | Self::RuntimeControl => Kind::Forbidden,
        }
    }

    fn errno(&self) -> Errno {
        match self {
            Self::Room(none) => none.errno(),
            _ => self.kind().errno(),
        }
    }
}
