//! What a rootfs diff holds at or below the paths that are to be deleted.
//!
//! A directory that was deleted and made again is listed as deleted, and its new content is in the diff. Engines apply
//! the diff first and delete second, so that what it has put there must be known when deleting.

#![forbid(unsafe_code)]

use std::collections::{BTreeSet, HashSet};
use std::fs::File;
use std::rc::Rc;

use nix::errno::Errno;

use crate::archive::{Input, Reading};
use crate::error::{Context as _, Result};
use crate::fs::Budget;
use crate::fs::{Keep, Parents, Root, RootPath, names_start};
use crate::tar::{Member, MemberKind, Reader};

/// A listed object that is there.
pub(super) struct Target {
    /// Its path without symlinks.
    pub(super) canonical: RootPath,
    /// The symlinks that the listed path leads through, by their paths without symlinks.
    pub(super) links: Rc<[RootPath]>,
}

/// What stays when the listed paths are removed. Paths are compared without symlinks, so that it doesn't matter which
/// of several the list and the diff use.
#[derive(Default)]
pub(super) struct Held {
    /// What the diff holds at listed paths and below them.
    members: BTreeSet<RootPath>,
    /// The symlinks on the way to listed paths that the diff holds.
    links: HashSet<RootPath>,
}

impl Keep for Held {
    fn keeps(&self, path: &RootPath) -> bool {
        self.members.contains(path)
    }

    fn keeps_below(&self, directory: &RootPath) -> bool {
        let next = self
            .members
            .range(directory..)
            .find(|path| *path != directory);
        next.is_some_and(|path| path.is_within(directory))
    }
}

/// The members of a diff, as far as deletions have to know them.
#[derive(Default)]
pub(super) struct Noted {
    /// Their names as they stand in the archive, and whether they are directories.
    members: Vec<(Vec<u8>, bool)>,
    budget: Budget,
}

impl Noted {
    /// Remembers a member that is being applied.
    pub(super) fn add(&mut self, member: &Member) -> Result<()> {
        self.budget.take(member.path.len())?;
        let is_directory = member.kind == MemberKind::Directory;
        self.members.push((member.path.clone(), is_directory));
        Ok(())
    }
}

impl Held {
    /// Reads the whole diff `tar`, which was applied below `root`. Nothing is changed.
    pub(super) fn read(tar: File, root: &Root, targets: &[Target]) -> Result<Self> {
        let mut search = Search::new(root, targets);
        let mut reader = Reader::new(Input::new(tar, &Reading::default())?);
        while let Some(member) = reader.next_member()? {
            let is_directory = member.kind == MemberKind::Directory;
            search
                .look_at(&member.path, is_directory)
                .at_entry(&member.path)?;
        }
        reader.finish()?;
        Ok(search.held)
    }

    /// The same from the members of a diff that was applied below `root`.
    pub(super) fn of(noted: &Noted, root: &Root, targets: &[Target]) -> Result<Self> {
        let mut search = Search::new(root, targets);
        for (path, is_directory) in &noted.members {
            search.look_at(path, *is_directory).at_entry(path)?;
        }
        Ok(search.held)
    }

    /// Whether the target was found through a symlink that the diff has put there. What was deleted had that path when
    /// a directory was in the symlink's place; what the symlink leads to is something else.
    pub(super) fn leads_elsewhere(&self, target: &Target) -> bool {
        target.links.iter().any(|link| self.links.contains(link))
    }
}

struct Search<'r> {
    parents: Parents<'r>,
    /// The listed paths, without symlinks, but for those below others.
    listed: BTreeSet<&'r RootPath>,
    /// The symlinks on the way to listed paths.
    links: HashSet<&'r RootPath>,
    held: Held,
    budget: Budget,
}

impl<'r> Search<'r> {
    fn new(root: &'r Root, targets: &'r [Target]) -> Self {
        Self {
            parents: Parents::new(root),
            listed: topmost(targets),
            links: targets
                .iter()
                .flat_map(|target| target.links.iter())
                .collect(),
            held: Held::default(),
            budget: Budget::default(),
        }
    }

    fn look_at(&mut self, member: &[u8], is_directory: bool) -> Result<()> {
        if names_start(member) {
            return Ok(());
        }
        let Some((parent, name)) = RootPath::clean(member)?.split() else {
            return Ok(());
        };
        let parent = match self.parents.get(&parent) {
            Ok(parent) => parent,
            // The diff wasn't applied, or somebody has removed it since: nothing there is held.
            Err(error) if error.is_any(&[Errno::ENOENT, Errno::ENOTDIR, Errno::ELOOP]) => {
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let path = parent.canonical().join(&name)?;
        // What is a symlink on disk may be a hard link to one in the archive.
        if !is_directory && self.links.contains(&path) {
            self.held.links.insert(path.clone());
        }
        if self.is_listed(&path) && !self.held.members.contains(&path) {
            self.budget.take(path.as_bytes().len())?;
            self.held.members.insert(path);
        }
        Ok(())
    }

    /// Whether the path is a listed one or below one. A directory comes right before everything below it.
    fn is_listed(&self, path: &RootPath) -> bool {
        let before = self.listed.range::<RootPath, _>(..=path).next_back();
        before.is_some_and(|listed| path.is_within(listed))
    }
}

/// The targets' paths but for those below others.
fn topmost(targets: &[Target]) -> BTreeSet<&RootPath> {
    let sorted: BTreeSet<&RootPath> = targets.iter().map(|target| &target.canonical).collect();
    let mut topmost = BTreeSet::new();
    let mut last: Option<&RootPath> = None;
    for path in sorted {
        if !last.is_some_and(|last| path.is_within(last)) {
            topmost.insert(path);
            last = Some(path);
        }
    }
    topmost
}
