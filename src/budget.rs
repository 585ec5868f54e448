//! How much may be remembered to the end of a work, and whether there is memory for it.

#![forbid(unsafe_code)]

use nix::errno::Errno;
use thiserror::Error as ThisError;

use crate::error::{self, Kind};
use crate::sys::has_memory;

/// How many names (of directories, of files with several names, of what is to be deleted) are remembered at most.
const MAX_NAMES: usize = 4_000_000;
/// How many bytes of them. A few long names would otherwise fill the memory long before their number is too large.
const MAX_BYTES: usize = 256 << 20;

/// How much more than what is asked for has to be there: small pieces are taken without a question, and by other threads
/// at the same time.
const SLACK: usize = 4 << 20;
/// How many bytes are taken in small pieces until it is asked again whether there are more.
const STEP: usize = 1 << 20;
/// What a small piece takes beside its bytes: what the allocator adds, and its place in a tree or a table.
const OVERHEAD: usize = 256;

/// There is no memory. Rust ends a process that it has none for, so that what grows with the input is asked for first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ThisError)]
#[error("there is no memory for it")]
pub(crate) struct NoRoom;

impl error::Refusal for NoRoom {
    fn kind(&self) -> Kind {
        Kind::System
    }

    fn errno(&self) -> Errno {
        Errno::ENOMEM
    }
}

/// Finds out whether there are so many bytes of memory, and some more for everything else. They are given back.
pub(crate) fn ask_for(bytes: usize) -> Result<(), NoRoom> {
    if has_memory(bytes.saturating_add(SLACK)) {
        Ok(())
    } else {
        Err(NoRoom)
    }
}

/// Appends to a list that grows with the input.
pub(crate) fn push<T>(list: &mut Vec<T>, value: T) -> Result<(), NoRoom> {
    list.try_reserve(1).map_err(|_| NoRoom)?;
    list.push(value);
    Ok(())
}

/// What is taken in small pieces, whose number depends on the input.
#[derive(Default)]
pub(crate) struct Growth(usize);

impl Growth {
    /// Has to be told before a piece of so many bytes is taken.
    pub(crate) fn by(&mut self, bytes: usize) -> Result<(), NoRoom> {
        let unasked = self.0.saturating_add(bytes).saturating_add(OVERHEAD);
        self.0 = if unasked < STEP {
            unasked
        } else {
            ask_for(bytes)?;
            0
        };
        Ok(())
    }
}

/// What is left of the names, and of the bytes, that one work may remember.
pub(crate) struct Budget {
    names: usize,
    bytes: usize,
    growth: Growth,
}

/// Why nothing more can be remembered.
#[derive(Debug, ThisError)]
pub(crate) enum Exceeded {
    /// An archive of nothing but names would fill the memory.
    #[error("more than {MAX_NAMES} names, or {} MiB of them, to remember", MAX_BYTES >> 20)]
    Limit,
    /// The caller has less memory than that.
    #[error(transparent)]
    Room(#[from] NoRoom),
}

impl error::Refusal for Exceeded {
    fn kind(&self) -> Kind {
        match self {
            Self::Limit => Kind::Limit,
            Self::Room(none) => none.kind(),
        }
    }

    fn errno(&self) -> Errno {
        match self {
            Self::Limit => self.kind().errno(),
            Self::Room(none) => none.errno(),
        }
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            names: MAX_NAMES,
            bytes: MAX_BYTES,
            growth: Growth::default(),
        }
    }
}

impl Budget {
    /// Takes the room for one name, with what is remembered of it.
    pub(crate) fn take(&mut self, bytes: usize) -> Result<(), Exceeded> {
        self.names = self.names.checked_sub(1).ok_or(Exceeded::Limit)?;
        self.bytes = self.bytes.checked_sub(bytes).ok_or(Exceeded::Limit)?;
        Ok(self.growth.by(bytes)?)
    }

    /// Gives the room back.
    pub(crate) fn give_back(&mut self, bytes: usize) {
        self.names += 1;
        self.bytes += bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_limited_to_four_million() {
        let mut budget = Budget::default();
        for _ in 0..4_000_000 {
            budget.take(0).unwrap();
        }
        budget.take(0).unwrap_err();
    }

    #[test]
    fn their_bytes_are_limited_to_256_mebibytes() {
        let mut budget = Budget::default();
        budget.take(268_435_455).unwrap();
        budget.take(1).unwrap();
        budget.take(1).unwrap_err();
        budget.take(usize::MAX).unwrap_err();
        budget.take(0).unwrap();
    }

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let mut budget = Budget::default();
        for _ in 0..4_000_001 {
            budget.take(1).unwrap();
            budget.give_back(1);
        }
        for _ in 0..3 {
            budget.take(200_000_000).unwrap();
            budget.give_back(200_000_000);
        }
        budget.take(268_435_456).unwrap();
    }

    #[test]
    fn exceeding_it_is_a_limit() {
        let error = crate::Error::from(Exceeded::Limit);
        assert_eq!((error.kind(), error.errno()), (Kind::Limit, 7));
    }

    #[test]
    fn what_there_is_no_memory_for_is_an_error() {
        ask_for(1 << 20).unwrap();
        ask_for(usize::MAX / 2 - SLACK).unwrap_err();
        let error = crate::Error::from(ask_for(usize::MAX).unwrap_err());
        assert_eq!((error.kind(), error.errno()), (Kind::System, libc::ENOMEM));
    }

    #[test]
    fn what_grows_in_small_pieces_is_asked_for() {
        let mut growth = Growth::default();
        growth.by(usize::MAX).unwrap_err();
        for _ in 0..STEP / OVERHEAD - 1 {
            growth.by(0).unwrap();
        }
        assert!(growth.0 > 0);
        growth.by(0).unwrap();
        assert_eq!(growth.0, 0, "there was a question");
    }
}
