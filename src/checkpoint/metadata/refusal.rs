//! Why a document of a checkpoint isn't read, or what it says isn't believed.

#![forbid(unsafe_code)]

use thiserror::Error as ThisError;

use super::json::{MAX_DEPTH, Shape};
use crate::checkpoint::MAX_CONFIG;
use crate::error::{self, Kind};

/// Where in a text something stands, both from 1. A byte that is not UTF-8 counts as three columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TextPosition {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// Everything that is refused here. No message repeats content, which may be secret and is the archive's to choose.
#[derive(Clone, Debug, ThisError, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// A document larger than any honest one: all of it is held in memory.
    #[error("larger than {MAX_CONFIG} bytes")]
    TooLarge,
    /// Arrays and objects nested deeper than engines read: what one of them refuses, none takes.
    #[error("the JSON text is nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// A text without its end. What is there may lack the key that mattered.
    #[error("the JSON text ends early (line {}, column {})", .0.line, .0.column)]
    CutShort(TextPosition),
    /// Not JSON, or more than one JSON value: two readers would see two documents.
    #[error("not JSON (line {}, column {})", .0.line, .0.column)]
    Syntax(TextPosition),
    /// The outermost value isn't what this document is made of.
    #[error("not {wanted} (line {}, column {})", .place.line, .place.column)]
    Outermost { wanted: Shape, place: TextPosition },
    /// A value that isn't what its key asks for. Guessing would restore something else than was checkpointed.
    #[error("{field}: a value of the wrong type or form (line {}, column {})", .place.line, .place.column)]
    Value {
        field: &'static str,
        place: TextPosition,
    },
    /// More entries than any honest document has: each takes more memory than the few bytes that ask for it.
    #[error("{field}: too many entries")]
    TooManyEntries { field: &'static str },
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
            Self::TooLarge | Self::TooManyEntries { .. } => Kind::Limit,
            Self::NoRuntime | Self::NoId | Self::NoImage | Self::NoSpec => Kind::NotInArchive,
            Self::RuntimePath | Self::RuntimeOption | Self::RuntimeControl => Kind::Forbidden,
            _ => Kind::Malformed,
        }
    }
}
