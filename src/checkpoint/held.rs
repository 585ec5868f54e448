//! What a rootfs diff holds at or below the paths that are to be deleted.
//!
//! A directory that was deleted and made again is listed as deleted, and its new content is in the diff. Engines apply
//! the diff first and delete second, so that what it has put there must be known when deleting.

#![forbid(unsafe_code)]

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;
use thiserror::Error as ThisError;

use crate::archive::{Input, MAX_NAMES};
use crate::error::{Called as _, Context as _, Error, Kind, Result};
use crate::fs::{Identity, Keep, MAX_PATH, Name, Parents, Root, RootPath, names_start};
use crate::tar::{Member, MemberKind, Reader};

/// A listed object that is there.
pub(super) struct Target {
    /// The symlinks that the listed path leads through.
    pub(super) links: Vec<(Identity, Name)>,
    /// The directory it is in.
    pub(super) parent: Identity,
    /// Its name there.
    pub(super) name: Name,
    /// Which directory it is, if it is one.
    pub(super) directory: Option<Identity>,
}

/// What stays when the listed paths are removed. Names are compared by the directory they are in, so that it doesn't
/// matter which of several paths through symlinks the list and the diff use.
#[derive(Default)]
pub(super) struct Held {
    members: HashSet<(Identity, Name)>,
    /// The symlinks on the way to listed paths that the diff has put there.
    links: HashSet<(Identity, Name)>,
    /// The directories between the listed paths and what is held below them.
    on_the_way: HashSet<Identity>,
}

/// An archive of nothing but names would fill the memory.
#[derive(Debug, ThisError)]
#[error("more than {MAX_NAMES} entries below deleted paths")]
struct TooManyNames;

impl Keep for Held {
    fn keeps(&self, directory: Identity, name: &Name) -> bool {
        !self.members.is_empty() && self.members.contains(&(directory, name.clone()))
    }

    fn leads_to_kept(&self, directory: Identity) -> bool {
        self.on_the_way.contains(&directory)
    }
}

impl Held {
    /// Whether the target was found through a symlink that the diff has put there. What was deleted had that path when
    /// a directory was in the symlink's place; what the symlink leads to is something else.
    pub(super) fn leads_elsewhere(&self, target: &Target) -> bool {
        target.links.iter().any(|link| self.links.contains(link))
    }

    /// Reads the whole diff `tar`, which was applied below `root`. Nothing is changed.
    pub(super) fn read(tar: File, root: &Root, targets: &[Target]) -> Result<Self> {
        let mut search = Search {
            root: root.identity()?,
            parents: Parents::new(root),
            links: targets
                .iter()
                .flat_map(|target| target.links.iter().cloned())
                .collect(),
            names: targets
                .iter()
                .map(|target| (target.parent, target.name.clone()))
                .collect(),
            directories: targets
                .iter()
                .filter_map(|target| target.directory)
                .collect(),
            known: HashMap::new(),
            held: Held::default(),
        };
        let mut reader = Reader::new(Input::new(tar)?);
        while let Some(member) = reader.next_member()? {
            search.look_at(&member).at_entry(&member.path)?;
        }
        reader.finish()?;
        Ok(search.held)
    }
}

struct Search<'r> {
    root: Identity,
    parents: Parents<'r>,
    /// The symlinks on the way to listed paths.
    links: HashSet<(Identity, Name)>,
    names: HashSet<(Identity, Name)>,
    directories: HashSet<Identity>,
    /// Whether a directory is a listed one or below one, as far as it was asked.
    known: HashMap<Identity, bool>,
    held: Held,
}

impl Search<'_> {
    fn look_at(&mut self, member: &Member) -> Result<()> {
        if names_start(&member.path) {
            return Ok(());
        }
        let Some((parent, name)) = RootPath::clean(&member.path)?.split() else {
            return Ok(());
        };
        let parent = match self.parents.get(&parent) {
            Ok(parent) => parent,
            // The diff wasn't applied, or somebody has removed it since: nothing there is held.
            Err(error)
                if [Errno::ENOENT, Errno::ENOTDIR, Errno::ELOOP]
                    .iter()
                    .any(|&e| error.is(e)) =>
            {
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let place = (parent.identity()?, name);
        if member.kind == MemberKind::Symlink && self.links.contains(&place) {
            self.held.links.insert(place.clone());
        }
        let known = self.known.get(&place.0).copied();
        let below = known.map_or_else(|| self.is_below_target(&*parent), Ok)?;
        if below || self.names.contains(&place) {
            if self.held.members.len() >= MAX_NAMES {
                return Err(Error::new(Kind::Limit, TooManyNames.to_string()));
            }
            self.held.members.insert(place);
        }
        Ok(())
    }

    /// Whether `directory` is a listed directory or below one; if so, it and those between lead to something held.
    fn is_below_target(&mut self, directory: impl AsFd) -> Result<bool> {
        let mut way = Vec::new();
        let mut at: Option<OwnedFd> = None;
        // A path of MAX_PATH bytes has fewer components; a directory moved deeper meanwhile isn't followed on.
        let below = loop {
            let fd = at.as_ref().map_or(directory.as_fd(), AsFd::as_fd);
            let identity = Identity::of(fd)?;
            if let Some(&known) = self.known.get(&identity) {
                break known;
            }
            if way.last() == Some(&identity) || way.len() > MAX_PATH {
                break false;
            }
            way.push(identity);
            if self.directories.contains(&identity) {
                break true;
            }
            if identity == self.root {
                break false;
            }
            let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
            at = Some(openat(fd, "..", flags, Mode::empty()).called(|| "open ..")?);
        };
        for identity in way {
            if self.known.len() >= MAX_NAMES {
                return Err(Error::new(Kind::Limit, TooManyNames.to_string()));
            }
            self.known.insert(identity, below);
            if below {
                self.held.on_the_way.insert(identity);
            }
        }
        Ok(below)
    }
}
