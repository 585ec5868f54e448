//! What is remembered of places until the end.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use crate::budget::Budget;
use crate::error::Result;
use crate::fs::RootPath;

/// Something known of objects below the root, by their paths without symlinks, within a budget of its own.
pub(super) struct PathMap<T> {
    known: BTreeMap<RootPath, (T, usize)>,
    budget: Budget,
}

impl<T> Default for PathMap<T> {
    fn default() -> Self {
        Self {
            known: BTreeMap::new(),
            budget: Budget::default(),
        }
    }
}

impl<T> PathMap<T> {
    /// Remembers `value`, which takes `bytes` beside the path, in place of what was known.
    pub(super) fn insert(&mut self, path: RootPath, value: T, bytes: usize) -> Result<()> {
        let size = path.as_bytes().len() + bytes;
        self.budget.take(size)?;
        if let Some((_, before)) = self.known.insert(path, (value, size)) {
            self.budget.give_back(before);
        }
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    pub(super) fn get(&self, path: &RootPath) -> Option<&T> {
        self.known.get(path).map(|(value, _)| value)
    }

    /// Whether anything is known at the path or below.
    pub(super) fn has_within(&self, path: &RootPath) -> bool {
        let next = self.known.range(path..).next();
        next.is_some_and(|(known, _)| known.is_within(path))
    }

    /// Whether the path, or a directory above it, is known, provided that none that is known is below another.
    pub(super) fn is_within_one(&self, path: &RootPath) -> bool {
        let before = self.known.range(..=path).next_back();
        before.is_some_and(|(known, _)| path.is_within(known))
    }

    /// Forgets what is at the path and below: it is about to be removed.
    pub(super) fn forget(&mut self, path: &RootPath) {
        let within = self.known.range(path..).map(|(other, _)| other);
        let gone: Vec<RootPath> = within
            .take_while(|other| other.is_within(path))
            .cloned()
            .collect();
        for path in gone {
            if let Some((_, size)) = self.known.remove(&path) {
                self.budget.give_back(size);
            }
        }
    }

    /// All of it, in the order of the paths: a directory comes before what is in it.
    pub(super) fn into_sorted(self) -> impl DoubleEndedIterator<Item = (RootPath, T)> {
        self.known
            .into_iter()
            .map(|(path, (value, _))| (path, value))
    }
}
