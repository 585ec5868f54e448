//! Names that belong together: hard links.
//!
//! A diff restores the names of one file as links to each other only if it holds all of them, and parts names that were
//! one file only if it holds one of them.

#![forbid(unsafe_code)]

use std::collections::{BTreeMap, HashMap, HashSet};

use super::ChangeKind;
use super::layers::{Object, Origin};
use super::list::List;
use crate::budget::{Budget, Growth, NoRoom, ask_for, push};
use crate::error::Result;
use crate::fs::{Identity, RootPath};

/// The names of files that have several, now or before.
#[derive(Default)]
pub(super) struct Links {
    names: BTreeMap<Vec<u8>, Noted>,
    budget: Budget,
    /// Lower files of which not all names may have been noted.
    lower: HashSet<Identity>,
    /// Upper files that stand for lower ones under all names of those.
    origins: HashMap<Origin, Identity>,
}

struct Noted {
    new: Identity,
    old: Option<Identity>,
}

impl Links {
    /// Notes a name that was looked at. `lower` says that other names of the file may not have been; `origin` is the
    /// lower file that this one stands for under all its names.
    pub(super) fn note(
        &mut self,
        path: &RootPath,
        new: Identity,
        old: Option<Identity>,
        lower: bool,
        origin: Option<Origin>,
    ) -> Result<()> {
        if lower {
            self.lower.try_reserve(1).map_err(|_| NoRoom)?;
            self.lower.insert(new);
        }
        if let Some(origin) = origin {
            self.origins.try_reserve(1).map_err(|_| NoRoom)?;
            self.stands_for(origin, new);
        }
        self.insert(path, Noted { new, old })
    }

    /// Notes that all names of a lower file are those of an upper one, which has changed.
    pub(super) fn stands_for(&mut self, origin: Origin, upper: Identity) {
        self.origins.insert(origin, upper);
    }

    /// Whether there may be names that weren't looked at, of a file that is listed.
    pub(super) fn may_have_more_names(&self, list: &List<'_>) -> bool {
        let is_listed =
            |(path, noted): (&Vec<u8>, &Noted)| self.lower.contains(&noted.new) && list.holds(path);
        !self.origins.is_empty() || self.names.iter().any(is_listed)
    }

    /// Notes a name of a lower file if it belongs to one that was noted.
    pub(super) fn note_more(&mut self, path: &RootPath, object: &Object) -> Result<()> {
        let own = object.identity();
        let stands_for = if self.origins.is_empty() {
            None
        } else {
            Origin::of(&object.node)?.and_then(|origin| self.origins.get(&origin).copied())
        };
        let new = match stands_for {
            Some(upper) => upper,
            None if self.lower.contains(&own) => own,
            None => return Ok(()),
        };
        let old = match self.names.remove(path.as_bytes()) {
            Some(noted) => {
                self.budget.give_back(path.as_bytes().len());
                noted.old
            }
            None => Some(own),
        };
        self.insert(path, Noted { new, old })
    }

    fn insert(&mut self, path: &RootPath, noted: Noted) -> Result<()> {
        self.budget.take(path.as_bytes().len())?;
        self.names.insert(path.as_bytes().to_vec(), noted);
        Ok(())
    }

    /// Lists all names of a file if one is listed, or if they weren't one file before; and what was one file and isn't
    /// any more, but for one part.
    pub(super) fn settle(self, list: &mut List<'_>) -> Result<()> {
        let mut groups: HashMap<Identity, Vec<(&[u8], &Noted)>> = HashMap::new();
        let mut growth = Growth::default();
        for (path, noted) in &self.names {
            growth.by(size_of::<(Identity, &[u8], &Noted)>())?;
            groups.try_reserve(1).map_err(|_| NoRoom)?;
            push(groups.entry(noted.new).or_default(), (path, noted))?;
        }
        let changed = |group: &[(&[u8], &Noted)]| {
            let joined = group.windows(2).any(|pair| pair[0].1.old != pair[1].1.old);
            joined || group.iter().any(|(path, _)| list.holds(path))
        };
        // A table has up to twice the room that it needs, and the one before it until it is filled.
        ask_for(3 * groups.len() * size_of::<Identity>())?;
        let changed: HashSet<Identity> = groups
            .iter()
            .filter_map(|(file, group)| changed(group).then_some(*file))
            .chain(self.origins.values().copied())
            .collect();
        let mut kept: HashMap<Identity, Identity> = HashMap::new();
        for (path, noted) in &self.names {
            kept.try_reserve(1).map_err(|_| NoRoom)?;
            if changed.contains(&noted.new)
                || noted
                    .old
                    .is_some_and(|old| *kept.entry(old).or_insert(noted.new) != noted.new)
            {
                list.push(&RootPath::clean(path)?, ChangeKind::Modify)?;
            }
        }
        Ok(())
    }
}
