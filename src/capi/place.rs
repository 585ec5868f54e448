//! Places in arrays, and the strings that C gets to keep.

use super::argument::{Array, At, Text};
use crate::Place;
use crate::error::Result;

/// A file or a directory of the host, as openat(2) has it.
#[repr(C)]
#[derive(Debug)]
pub struct CRPlace {
    /// AT_FDCWD, or a descriptor that the path starts from.
    pub at: At,
    /// The path. With "" the descriptor itself is meant.
    pub path: Text,
}

impl Array<CRPlace> {
    /// The places of the array.
    pub(super) fn places(&self, len: usize, name: &str) -> Result<Vec<Place<'_>>> {
        let places = self.slice(len, name)?.iter().enumerate();
        let mut found = Vec::with_capacity(len);
        for (index, place) in places {
            found.push(place.path.place(place.at, &format!("{name}[{index}]"))?);
        }
        Ok(found)
    }
}
