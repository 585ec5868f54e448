//! The result while it grows.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use super::exclude::{Exclude, absolute};
use super::{Change, ChangeKind};
use crate::budget::{Budget, Growth, NoRoom, push};
use crate::error::Result;
use crate::fs::{Owner, RootPath};

/// Which directories are listed as modified although nothing about them is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OnTheWay {
    /// Those above any listed object.
    ToAnyChange,
    /// Those above what was added or deleted.
    ToAddedAndDeleted,
}

/// By what a change of a directory can be explained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Explained {
    /// It differs in its times alone: something was made or removed there.
    InTimesAlone,
    /// It is new, belongs to this owner and has nothing of its own: it was made on the way to something.
    OnTheWay(Owner),
}

/// The changes found so far, by path: each once, in the order of the paths' bytes.
pub(super) struct List<'e> {
    changes: BTreeMap<Vec<u8>, ChangeKind>,
    /// What is new and isn't listed, with its owner: an engine has made it to mount something there.
    made: BTreeMap<Vec<u8>, Owner>,
    /// Listed directories of which nothing tells but what is in them.
    explained: BTreeMap<Vec<u8>, Explained>,
    budget: Budget,
    exclude: &'e Exclude,
}

impl<'e> List<'e> {
    pub(super) fn new(exclude: &'e Exclude) -> Self {
        Self {
            changes: BTreeMap::new(),
            made: BTreeMap::new(),
            explained: BTreeMap::new(),
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

    /// Notes that an object which isn't listed is new.
    pub(super) fn note_made(&mut self, path: &RootPath, owner: Owner) -> Result<()> {
        self.budget.take(path.as_bytes().len())?;
        self.made.insert(path.as_bytes().to_vec(), owner);
        Ok(())
    }

    /// Notes how the change of a listed directory can be explained, if there is anything that isn't listed at all.
    pub(super) fn note_explained(&mut self, path: &RootPath, by: Explained) -> Result<()> {
        if self.holds(path.as_bytes()) && !self.exclude.is_empty() {
            self.budget.take(path.as_bytes().len())?;
            self.explained.insert(path.as_bytes().to_vec(), by);
        }
        Ok(())
    }

    /// Takes directories off the list that have changed because of what isn't listed, and of nothing else.
    fn drop_explained(&mut self) {
        // A directory comes before what is in it.
        for (path, by) in std::mem::take(&mut self.explained).into_iter().rev() {
            let below = [path.as_slice(), b"/"].concat();
            let made = self.made.range(below.clone()..);
            let is_cause = |owner: Owner| match by {
                Explained::InTimesAlone => true,
                Explained::OnTheWay(own) => own == owner,
            };
            let mut made = made.take_while(|(path, _)| path.starts_with(&below));
            let has_cause = made.any(|(_, owner)| is_cause(*owner));
            let mut listed = self.changes.range(below.clone()..);
            let has_changes = listed
                .next()
                .is_some_and(|(path, _)| path.starts_with(&below));
            if has_cause && !has_changes {
                self.changes.remove(&path);
            }
        }
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
        self.drop_explained();
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
                push(&mut above, parent)?;
            }
        }
        for directory in above {
            for step in directory.steps_down() {
                if !self.holds(step.as_bytes()) && !self.exclude.leaves_out(&step) {
                    self.push(&step, ChangeKind::Modify)?;
                }
            }
        }
        let mut changes = Vec::new();
        changes
            .try_reserve_exact(self.changes.len())
            .map_err(|_| NoRoom)?;
        let mut growth = Growth::default();
        for (path, kind) in self.changes {
            growth.by(path.len())?;
            changes.push(change((path, kind)));
        }
        Ok(changes)
    }
}

fn change((path, kind): (Vec<u8>, ChangeKind)) -> Change {
    let path = absolute(&path);
    Change { path, kind }
}
