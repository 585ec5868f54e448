//! The sets of images that a checkpoint may have.

#![forbid(unsafe_code)]

use crate::checkpoint::names::{CHECKPOINT, PRE_CHECKPOINT};

/// Directories of images. The order is that in which they are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Set {
    /// `checkpoint` in an archive or a bundle.
    Checkpoint,
    /// The directory itself.
    Itself,
    /// `pre-checkpoint` in an archive or a bundle.
    PreCheckpoint,
}

impl Set {
    /// In front of the names of the set's files.
    pub(super) fn prefix(self) -> &'static str {
        match self {
            Set::Checkpoint => "checkpoint/",
            Set::Itself => "",
            Set::PreCheckpoint => "pre-checkpoint/",
        }
    }

    /// The set and the name in it of the member at `path`.
    pub(super) fn of(path: &[u8]) -> Option<(Self, &[u8])> {
        let (directory, name) = path.split_at(path.iter().position(|&byte| byte == b'/')?);
        let name = name.get(1..).filter(|name| !name.contains(&b'/'))?;
        Some((Set::of_directory(directory)?, name))
    }

    /// The set whose directory is `name`, at the top.
    pub(super) fn of_directory(name: &[u8]) -> Option<Self> {
        let is = |directory: &str| directory.as_bytes() == name;
        let sets = [
            (CHECKPOINT, Set::Checkpoint),
            (PRE_CHECKPOINT, Set::PreCheckpoint),
        ];
        sets.into_iter()
            .find_map(|(directory, set)| is(directory).then_some(set))
    }
}

/// A file of pages, by its set and number.
pub(super) type PagesKey = (Set, u32);
