//! How much may be remembered to the end of a work.

#![forbid(unsafe_code)]

use thiserror::Error as ThisError;

use crate::error::{self, Kind};

/// How many names (of directories, of files with several names, of what is to be deleted) are remembered at most.
const MAX_NAMES: usize = 4_000_000;
/// How many bytes of them. A few long names would otherwise fill the memory long before their number is too large.
const MAX_BYTES: usize = 256 << 20;

/// What is left of the names, and of the bytes, that one work may remember.
pub(crate) struct Budget {
    names: usize,
    bytes: usize,
}

/// An archive of nothing but names would fill the memory.
#[derive(Debug, ThisError)]
#[error("more than {MAX_NAMES} names, or {} MiB of them, to remember", MAX_BYTES >> 20)]
pub(crate) struct Exceeded;

impl error::Refusal for Exceeded {
    fn kind(&self) -> Kind {
        Kind::Limit
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            names: MAX_NAMES,
            bytes: MAX_BYTES,
        }
    }
}

impl Budget {
    /// Takes the room for one name, with what is remembered of it.
    pub(crate) fn take(&mut self, bytes: usize) -> Result<(), Exceeded> {
        self.names = self.names.checked_sub(1).ok_or(Exceeded)?;
        self.bytes = self.bytes.checked_sub(bytes).ok_or(Exceeded)?;
        Ok(())
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
            budget.take(200_000_000).unwrap();
            budget.give_back(200_000_000);
        }
        budget.take(268_435_456).unwrap();
    }

    #[test]
    fn exceeding_it_is_a_limit() {
        let error = crate::Error::from(Exceeded);
        assert_eq!((error.kind(), error.errno()), (Kind::Limit, 7));
    }
}
