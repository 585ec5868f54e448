//! What an inspection is asked to heed.

#![forbid(unsafe_code)]

use crate::archive::Reading;
use crate::error::Result;
use crate::fs::{Place, PlaceBuf};
use crate::watch::Watch;

/// How a checkpoint is inspected.
#[derive(Clone, Debug)]
pub struct InspectOptions {
    parents: Vec<PlaceBuf>,
    text: bool,
    max_ratio: u64,
}

impl Default for InspectOptions {
    fn default() -> Self {
        Self {
            parents: Vec::new(),
            text: true,
            max_ratio: u64::MAX,
        }
    }
}

impl InspectOptions {
    /// The usual: arguments and environments are read; there is no previous checkpoint but the one in the input.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Names the previous checkpoint, an archive or a directory, whose memory this one needs. Called again, it names the
    /// one before that. One in the input itself (`pre-checkpoint`) needn't be named.
    ///
    /// # Errors
    ///
    /// EMFILE if a descriptor is named and there is none left for a copy of it.
    pub fn parent<'p>(&mut self, parent: impl Into<Place<'p>>) -> Result<&mut Self> {
        self.parents.push(PlaceBuf::new(parent)?);
        Ok(self)
    }

    /// Whether arguments and environments of processes are read, which lie in their memory.
    pub fn text(&mut self, read: bool) -> &mut Self {
        self.text = read;
        self
    }

    /// How many bytes may come of one byte of a compressed archive, once they are more than 1 MiB.
    pub fn max_ratio(&mut self, ratio: u64) -> &mut Self {
        self.max_ratio = ratio;
        self
    }

    pub(super) fn parents(&self) -> &[PlaceBuf] {
        &self.parents
    }

    pub(super) fn reads_text(&self) -> bool {
        self.text
    }

    pub(super) fn reading(&self, watch: &Watch) -> Reading {
        Reading {
            watch: watch.clone(),
            max_ratio: self.max_ratio,
        }
    }
}
