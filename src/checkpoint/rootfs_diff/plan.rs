//! What becomes of the changes of a root file system: what is stored, and what is listed as deleted.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStringExt as _;

use thiserror::Error as ThisError;

use crate::archive::{Creation, Depth, Manner, Stored, Target};
use crate::budget::{Growth, push};
use crate::changes::{Change, ChangeKind};
use crate::checkpoint::{MAX_DELETED_FILES, deleted_list};
use crate::error::{self, Context as _, Error, Kind, Result};
use crate::fs::{Root, RootPath};

/// A list that no import reads would be missed only when the container is restored.
#[derive(Debug, ThisError)]
#[error(
    "the list of deleted paths takes {0} bytes, more than the {MAX_DELETED_FILES} that are read"
)]
struct ListTooLong(usize);

impl error::Refusal for ListTooLong {
    fn kind(&self) -> Kind {
        Kind::Limit
    }
}

/// What is to be stored and listed. Sorted by path, so that a directory that took the place of a file or a symlink
/// comes before what is in it, whatever the order of the changes.
pub(in crate::checkpoint) struct Plan {
    entries: BTreeMap<RootPath, Listed>,
    /// In the caller's order, as the caller wrote them.
    deleted: Vec<Vec<u8>>,
}

/// What came of storing the changes.
pub(in crate::checkpoint) struct StoredDiff<'p> {
    /// Whether there is anything to store, be it gone by now.
    pub wanted: bool,
    /// What sockets have replaced, and what is therefore deleted too.
    replaced_by_sockets: Vec<&'p [u8]>,
}

/// What the changes say of one path; several of them may.
struct Listed {
    /// The path as the caller spelled it first.
    spelled: Vec<u8>,
    added: bool,
    modified: bool,
    deleted: bool,
}

impl Listed {
    /// How much of the object is stored.
    fn depth(&self) -> Depth {
        if self.added {
            Depth::Recursive
        } else {
            Depth::Alone
        }
    }

    /// Whether the object is said to exist, so that there is a tar even if it is gone by now.
    fn exists(&self) -> bool {
        self.added || self.modified
    }
}

impl Plan {
    /// EINVAL for an empty path or a deletion of the root, E2BIG for a path that is too long.
    pub(in crate::checkpoint) fn new(changes: impl IntoIterator<Item = Change>) -> Result<Self> {
        let mut plan = Self {
            entries: BTreeMap::new(),
            deleted: Vec::new(),
        };
        let mut growth = Growth::default();
        for Change { path, kind } in changes {
            let spelled = path.into_vec();
            let path = clean(kind, &spelled).at_entry(&spelled)?;
            growth.by(3 * spelled.len())?;
            plan.add(kind, path, spelled)?;
        }
        Ok(plan)
    }

    fn add(&mut self, kind: ChangeKind, path: RootPath, spelled: Vec<u8>) -> Result<()> {
        if kind == ChangeKind::Delete {
            push(&mut self.deleted, spelled.clone())?;
        }
        let listed = self.entries.entry(path).or_insert(Listed {
            spelled,
            added: false,
            modified: false,
            deleted: false,
        });
        match kind {
            ChangeKind::Modify => listed.modified = true,
            ChangeKind::Add => listed.added = true,
            ChangeKind::Delete => listed.deleted = true,
        }
        Ok(())
    }

    /// Stores what was added and modified below `root`.
    pub(in crate::checkpoint) fn store<T: Target>(
        &self,
        root: &Root,
        target: &mut T,
        manner: Manner<'_>,
    ) -> Result<StoredDiff<'_>> {
        let mut creation = Creation::new(root, target, manner)?;
        let mut wanted = false;
        let mut covered: Option<&RootPath> = None;
        let mut replaced: Option<&RootPath> = None;
        // Deleted, itself or with a directory above it: the image may have another object of the same name.
        let mut deleted: Option<&RootPath> = None;
        let mut replaced_by_sockets = Vec::new();
        for (path, listed) in &self.entries {
            wanted |= listed.exists();
            let is_within =
                |above: Option<&RootPath>| above.is_some_and(|above| path.is_within(above));
            if !is_within(deleted) {
                deleted = listed.deleted.then_some(path);
            }
            // Stored with the directory above, unless it is on another mount.
            if is_within(covered) {
                creation.check_mount(path).at_entry(&listed.spelled)?;
                continue;
            }
            // Gone with the directory that was in the place of what is above now. A symlink there leads to something
            // else.
            if is_within(replaced) && !listed.exists() {
                continue;
            }
            let merges = listed.modified || deleted.is_some() || self.replaces_below(path);
            let stored = creation
                .add(path, listed.depth(), merges)
                .at_entry(&listed.spelled)?;
            wanted |= !matches!(stored, Stored::Nothing | Stored::Socket);
            if stored == Stored::Nothing && listed.exists() {
                creation.tell_gone(path);
            }
            if stored == Stored::Socket && listed.modified {
                // Nothing else takes what the image has there away.
                replaced_by_sockets.push(&*listed.spelled);
            }
            covered = (stored == Stored::Tree).then_some(path);
            if !is_within(replaced) {
                replaced = (stored == Stored::Object).then_some(path);
            }
        }
        Ok(StoredDiff {
            wanted,
            replaced_by_sockets,
        })
    }

    /// The list of deleted paths; `None` if there is none. E2BIG if nobody would read it for its length.
    pub(in crate::checkpoint) fn deleted_list(
        &self,
        stored: &StoredDiff<'_>,
    ) -> Result<Option<Vec<u8>>> {
        if self.deleted.is_empty() && stored.replaced_by_sockets.is_empty() {
            return Ok(None);
        }
        let deleted = self.deleted.iter().map(Vec::as_slice);
        let json = deleted_list::encode(deleted.chain(stored.replaced_by_sockets.iter().copied()))?;
        if json.len() as u64 > MAX_DELETED_FILES {
            return Err(ListTooLong(json.len()).into());
        }
        Ok(Some(json))
    }

    /// Whether the changes say that the image has something below the path.
    fn replaces_below(&self, path: &RootPath) -> bool {
        let below = self
            .entries
            .range(path..)
            .skip(1)
            .take_while(|(other, _)| other.is_within(path));
        below
            .map(|(_, listed)| listed)
            .any(|listed| listed.modified || listed.deleted)
    }
}

/// The path of a change, if it can be one.
fn clean(kind: ChangeKind, spelled: &[u8]) -> Result<RootPath> {
    if spelled.is_empty() {
        return Err(Error::argument("changes", "a path is empty"));
    }
    let path = RootPath::clean(spelled)?;
    if kind == ChangeKind::Delete && path.is_root() {
        return Err(Error::argument(
            "changes",
            "the root itself can't be deleted",
        ));
    }
    Ok(path)
}
