//! What directories get when everything in them is there.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::ffi::CStr;
use std::os::fd::BorrowedFd;

use nix::errno::Errno;

use super::metadata::{keep_set_id, set_xattr, times};
use crate::archive::Budget;
use crate::error::{Context as _, Result};
use crate::fs::{
    ACCESS_ACL, DEFAULT_ACL, Node, Root, RootPath, is_directory, restore_times, times_of,
};
use crate::sys::Timestamp;
use crate::tar::Member;

const OWNER_ALL: u32 = 0o700;

/// The ACLs of directories wait for the end: a default ACL would be handed down to what is made in the directory, and
/// an access ACL may lock an unprivileged owner out.
pub(super) const DEFERRED: [&CStr; 2] = [ACCESS_ACL, DEFAULT_ACL];

/// The directories that members described, each once, with the attributes of the last one, and those whose times are
/// to be kept; by their paths without symlinks.
#[derive(Default)]
pub(super) struct Directories {
    remembered: BTreeMap<RootPath, Directory>,
    budget: Budget,
}

struct Directory {
    times: (Timestamp, Timestamp),
    /// What a member says of it; nothing if only its times are kept.
    described: Option<Description>,
}

struct Description {
    mode: u32,
    acls: Vec<(&'static CStr, Vec<u8>)>,
}

impl Directory {
    fn size(&self, path: &RootPath) -> usize {
        let acls = self.described.iter().flat_map(|described| &described.acls);
        path.as_bytes().len() + acls.map(|(_, value)| value.len()).sum::<usize>()
    }
}

impl Directories {
    /// Remembers what a member says of the directory.
    pub(super) fn remember(&mut self, path: RootPath, member: &Member) -> Result<()> {
        let acl = |name: &'static CStr| {
            let xattr = member
                .xattrs
                .iter()
                .find(|xattr| xattr.name == name.to_bytes())?;
            Some((name, xattr.value.clone()))
        };
        let acls = DEFERRED.into_iter().filter_map(acl).collect();
        let described = Some(Description {
            mode: member.mode,
            acls,
        });
        self.insert(
            path,
            Directory {
                times: times(member),
                described,
            },
        )
    }

    /// Remembers the times of a directory that something is about to be made in, unless it is remembered already.
    pub(super) fn keep(&mut self, path: &RootPath, directory: BorrowedFd<'_>) -> Result<()> {
        if self.remembered.contains_key(path) {
            return Ok(());
        }
        let times = times_of(&Node::dot(directory)?.stat()?);
        self.insert(
            path.clone(),
            Directory {
                times,
                described: None,
            },
        )
    }

    /// Forgets what is at the path and below: it is about to be removed.
    pub(super) fn forget(&mut self, path: &RootPath) {
        let within = self.remembered.range(path..).map(|(other, _)| other);
        let gone: Vec<RootPath> = within
            .take_while(|other| other.is_within(path))
            .cloned()
            .collect();
        for path in gone {
            if let Some(directory) = self.remembered.remove(&path) {
                self.budget.give_back(directory.size(&path));
            }
        }
    }

    fn insert(&mut self, path: RootPath, directory: Directory) -> Result<()> {
        self.budget.take(directory.size(&path))?;
        let size = path.clone();
        if let Some(before) = self.remembered.insert(path, directory) {
            self.budget.give_back(before.size(&size));
        }
        Ok(())
    }

    /// Finishes them deepest first, so that one that locks its owner out does so after all below it. All are tried;
    /// the first error is told.
    pub(super) fn finish(self, root: &Root, user_namespace: bool) -> Result<()> {
        let finish = |(path, directory): (RootPath, Directory)| {
            directory
                .finish(root, &path, user_namespace)
                .at_entry(path.as_bytes())
        };
        self.remembered
            .into_iter()
            .rev()
            .map(finish)
            .fold(Ok(()), Result::and)
    }
}

impl Directory {
    fn finish(&self, root: &Root, path: &RootPath, user_namespace: bool) -> Result<()> {
        // Somebody else may have put something else there; that isn't described.
        let Some(node) = find(root, path)? else {
            return Ok(());
        };
        let Some(described) = &self.described else {
            return restore_times(&node, self.times);
        };
        for (name, acl) in &described.acls {
            set_xattr(&node, name, acl, user_namespace)?;
        }
        if described.mode & OWNER_ALL != OWNER_ALL {
            node.set_mode(described.mode)?;
        }
        keep_set_id(&node, described.mode)?;
        node.set_times(self.times.0, self.times.1)
    }
}

/// The directory at a path without symlinks.
fn find(root: &Root, path: &RootPath) -> Result<Option<Node>> {
    let Some((parent, name)) = path.split() else {
        return Node::dot(root.directory(path)?).map(Some);
    };
    let parent = match root.directory_without_links(&parent) {
        Ok(parent) => parent,
        Err(error) if error.is_any(&[Errno::ENOENT, Errno::ENOTDIR, Errno::ELOOP]) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let Some(node) = Node::find_at(&parent, &name)? else {
        return Ok(None);
    };
    Ok(is_directory(&node.stat()?).then_some(node))
}
