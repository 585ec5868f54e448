//! The result while it grows.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use super::exclude::{Exclude, absolute};
use super::{Change, ChangeKind};
use crate::error::Result;
use crate::fs::{Budget, RootPath};

/// Which directories are listed as modified although nothing about them is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OnTheWay {
    /// Those above any listed object.
    ToAnyChange,
    /// Those above what was added or deleted.
    ToAddedAndDeleted,
}

/// The changes found so far, by path: each once, in the order of the paths' bytes.
pub(super) struct List<'e> {
    changes: BTreeMap<Vec<u8>, ChangeKind>,
    budget: Budget,
    exclude: &'e Exclude,
}

impl<'e> List<'e> {
    pub(super) fn new(exclude: &'e Exclude) -> Self {
        Self {
            changes: BTreeMap::new(),
            budget: Budget::default(),
            exclude,
        }
    }

    /// Lists the object `path`, unless it is excluded. What is listed already stays as it is.
    pub(super) fn push(&mut self, path: &RootPath, kind: ChangeKind) -> Result<()> {
        if self.exclude.leaves_out(path) {
            if kind != ChangeKind::Delete {
                self.open_up(path);
            }
            return Ok(());
        }
        if !self.holds(path.as_bytes()) {
            self.budget.take(path.as_bytes().len())?;
            self.changes.insert(path.as_bytes().to_vec(), kind);
        }
        Ok(())
    }

    /// Makes the added directories above an excluded object modified ones, which don't stand for their content.
    pub(super) fn open_up(&mut self, path: &RootPath) {
        for above in path.steps_down() {
            if let Some(kind @ ChangeKind::Add) = self.changes.get_mut(above.as_bytes()) {
                *kind = ChangeKind::Modify;
            }
        }
    }

    /// Whether the object of this path, without the slash at its beginning, is listed.
    pub(super) fn holds(&self, path: &[u8]) -> bool {
        self.changes.contains_key(path)
    }

    /// The whole list, with the directories on the way.
    pub(super) fn finish(mut self, on_the_way: OnTheWay) -> Result<Vec<Change>> {
        let mut above: Vec<RootPath> = Vec::new();
        for (path, kind) in &self.changes {
            if *kind == ChangeKind::Modify && on_the_way == OnTheWay::ToAddedAndDeleted {
                continue;
            }
            let Some((parent, _)) = RootPath::clean(path)?.split() else {
                continue;
            };
            // Changes come in bunches, directory by directory.
            if above.last() != Some(&parent) && !parent.is_root() {
                above.push(parent);
            }
        }
        for directory in above {
            for step in directory.steps_down() {
                if !self.holds(step.as_bytes()) && !self.exclude.leaves_out(&step) {
                    self.push(&step, ChangeKind::Modify)?;
                }
            }
        }
        Ok(self.changes.into_iter().map(change).collect())
    }
}

fn change((path, kind): (Vec<u8>, ChangeKind)) -> Change {
    let path = absolute(&path);
    Change { path, kind }
}
