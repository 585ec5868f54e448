//! What a rootfs diff holds at or below the paths that are to be deleted.
//!
//! A directory that was deleted and made again is listed as deleted, and its new content is in the diff. Engines apply
//! the diff first and delete second, so that what it has put there must be known when deleting.

#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::fs::File;
use std::rc::Rc;

use super::deleted_list::Paths;
use crate::archive::{Input, Reading};
use crate::budget::{Budget, ask_for, push};
use crate::error::{Context as _, Result};
use crate::fs::{Keep, Parents, Root, RootPath, compare_paths, is_path_within, names_start};
use crate::tar::{Member, MemberKind, Reader};

/// The listed objects that are there. There may be millions.
#[derive(Default)]
pub(super) struct Deletions {
    /// Which lines of the list they are.
    listed: Vec<usize>,
    /// Their paths without symlinks.
    canonical: Paths,
    /// The symlinks that listed paths lead through, by their paths without symlinks, and the target that they are first
    /// of; of most there are none.
    links: Vec<(usize, Rc<[RootPath]>)>,
    /// Those that aren't below others, in the order of their paths.
    topmost: Vec<usize>,
    budget: Budget,
}

impl Deletions {
    /// Adds the object `canonical`, line `listed` of the list, which is found through `links`.
    pub(super) fn add(
        &mut self,
        listed: usize,
        canonical: &RootPath,
        links: &Rc<[RootPath]>,
    ) -> Result<()> {
        let target = self.listed.len();
        if target > 0 && self.canonical.get(target - 1) == canonical.as_bytes() {
            return Ok(());
        }
        self.budget.take(canonical.as_bytes().len())?;
        if !self
            .last_links()
            .is_some_and(|last| Rc::ptr_eq(last, links))
        {
            let bytes = links.iter().map(|link| link.as_bytes().len()).sum();
            if bytes > 0 || self.last_links().is_some_and(|last| !last.is_empty()) {
                self.budget.take(bytes)?;
                push(&mut self.links, (target, Rc::clone(links)))?;
            }
        }
        push(&mut self.listed, listed)?;
        Ok(self.canonical.push(canonical.as_bytes())?)
    }

    fn last_links(&self) -> Option<&Rc<[RootPath]>> {
        self.links.last().map(|(_, links)| links)
    }

    /// Finds those that aren't below others. Has to be done once all are there.
    pub(super) fn sort(&mut self) -> Result<()> {
        let path = |target: usize| self.canonical.get(target);
        ask_for(self.len() * size_of::<usize>())?;
        let mut sorted: Vec<usize> = (0..self.len()).collect();
        sorted.sort_unstable_by(|own, other| compare_paths(path(*own), path(*other)));
        let mut last: Option<usize> = None;
        sorted.retain(|&target| {
            let covered = last.is_some_and(|last| is_path_within(path(target), path(last)));
            if !covered {
                last = Some(target);
            }
            !covered
        });
        self.topmost = sorted;
        Ok(())
    }

    pub(super) fn len(&self) -> usize {
        self.listed.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }

    /// Which line of the list a target is.
    pub(super) fn listed(&self, target: usize) -> usize {
        self.listed.get(target).copied().unwrap_or_default()
    }

    /// The symlinks that a target is found through.
    fn links(&self, target: usize) -> &[RootPath] {
        let after = self.links.partition_point(|(first, _)| *first <= target);
        let links = after.checked_sub(1).and_then(|at| self.links.get(at));
        links.map_or(&[], |(_, links)| links)
    }

    /// Whether the path is a listed one or below one. A directory comes right before everything below it.
    fn cover(&self, path: &RootPath) -> bool {
        let path = path.as_bytes();
        let canonical = |target: &usize| self.canonical.get(*target);
        let after = self
            .topmost
            .partition_point(|target| compare_paths(canonical(target), path).is_le());
        let before = after.checked_sub(1).and_then(|at| self.topmost.get(at));
        before.is_some_and(|listed| is_path_within(path, canonical(listed)))
    }
}

/// What stays when the listed paths are removed. Paths are compared without symlinks, so that it doesn't matter which
/// of several the list and the diff use.
#[derive(Default)]
pub(super) struct Held {
    /// What the diff holds at listed paths and below them.
    members: BTreeSet<RootPath>,
    /// The symlinks on the way to listed paths that the diff holds.
    links: BTreeSet<RootPath>,
    /// Directories that all was removed from that isn't held; none is below another. Nobody looks through them again:
    /// a list of directories below directories costs no more than the topmost one.
    cleared: BTreeSet<RootPath>,
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

    fn keeps_all_below(&self, directory: &RootPath) -> bool {
        self.cleared.contains(directory)
    }
}

/// The members of a diff, as far as deletions have to know them.
#[derive(Default)]
pub(super) struct Noted {
    /// Their names as they stand in the archive.
    names: Paths,
    /// Whether they are directories.
    directories: Vec<bool>,
    budget: Budget,
}

impl Noted {
    /// Remembers a member that is being applied.
    pub(super) fn add(&mut self, member: &Member) -> Result<()> {
        self.budget.take(member.path.len())?;
        self.names.push(&member.path)?;
        let is_directory = member.kind == MemberKind::Directory;
        Ok(push(&mut self.directories, is_directory)?)
    }
}

impl Held {
    /// Reads the whole diff `tar`, which was applied below `root`. Nothing is changed.
    pub(super) fn read(tar: File, root: &Root, targets: &Deletions) -> Result<Self> {
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
    pub(super) fn of(noted: &Noted, root: &Root, targets: &Deletions) -> Result<Self> {
        let mut search = Search::new(root, targets);
        for (path, is_directory) in noted.names.iter().zip(&noted.directories) {
            search.look_at(path, *is_directory).at_entry(path)?;
        }
        Ok(search.held)
    }

    /// Whether the target was found through a symlink that the diff has put there. What was deleted had that path when
    /// a directory was in the symlink's place; what the symlink leads to is something else.
    pub(super) fn leads_elsewhere(&self, targets: &Deletions, target: usize) -> bool {
        let mut links = targets.links(target).iter();
        links.any(|link| self.links.contains(link))
    }

    /// Remembers that all was removed from the directory that isn't held, and so from all below it.
    pub(super) fn remember_cleared(&mut self, directory: RootPath) {
        if !self.keeps_below(&directory) {
            return;
        }
        let below = self.cleared.range(&directory..);
        let below = below.take_while(|other| other.is_within(&directory));
        let below: Vec<RootPath> = below.cloned().collect();
        for covered in below {
            self.cleared.remove(&covered);
        }
        self.cleared.insert(directory);
    }

    /// Whether the path is, or is in, a directory that was cleared.
    pub(super) fn is_cleared(&self, path: &RootPath) -> bool {
        let before = self.cleared.range(..=path).next_back();
        before.is_some_and(|cleared| path.is_within(cleared))
    }
}

struct Search<'r> {
    parents: Parents<'r>,
    targets: &'r Deletions,
    /// The symlinks on the way to listed paths.
    links: BTreeSet<&'r RootPath>,
    held: Held,
    budget: Budget,
}

impl<'r> Search<'r> {
    fn new(root: &'r Root, targets: &'r Deletions) -> Self {
        // Collected, they would be a list first, taken at once.
        let mut links = BTreeSet::new();
        links.extend(targets.links.iter().flat_map(|(_, links)| links.iter()));
        Self {
            parents: Parents::new(root),
            targets,
            links,
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
            Err(error) if error.is_absent() => {
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let path = parent.canonical().join(&name)?;
        // What is a symlink on disk may be a hard link to one in the archive.
        if !is_directory && self.links.contains(&path) {
            self.held.links.insert(path.clone());
        }
        if self.targets.cover(&path) && !self.held.members.contains(&path) {
            self.budget.take(path.as_bytes().len())?;
            self.held.members.insert(path);
        }
        Ok(())
    }
}
