//! Why a text isn't read.

#![forbid(unsafe_code)]

use thiserror::Error as ThisError;

use super::MAX_DEPTH;
use super::value::Shape;
use crate::error::{self, Kind};

/// Where in a text something stands, both from 1. A byte that is not UTF-8 counts as three columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// What is wrong with a text. No message repeats content, which may be secret and is the archive's to choose.
#[derive(Clone, Debug, ThisError, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Arrays and objects nested deeper than engines read: what one of them refuses, none takes.
    #[error("the JSON text is nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// A text without its end. What is there may lack the key that mattered.
    #[error("the JSON text ends early (line {}, column {})", .0.line, .0.column)]
    CutShort(Position),
    /// Not JSON, or more than one JSON value: two readers would see two documents.
    #[error("not JSON (line {}, column {})", .0.line, .0.column)]
    Syntax(Position),
    /// The outermost value isn't what this document is made of.
    #[error("not {wanted} (line {}, column {})", .place.line, .place.column)]
    Outermost { wanted: Shape, place: Position },
    /// A value that isn't what its key asks for. Guessing would restore something else than was checkpointed.
    #[error("{field}: a value of the wrong type or form (line {}, column {})", .place.line, .place.column)]
    Value {
        field: &'static str,
        place: Position,
    },
    /// More entries than any honest document has: each takes more memory than the few bytes that ask for it.
    #[error("{field}: too many entries")]
    TooManyEntries { field: &'static str },
}

impl error::Refusal for Refusal {
    fn kind(&self) -> Kind {
        match self {
            Self::TooManyEntries { .. } => Kind::Limit,
            _ => Kind::Malformed,
        }
    }
}
