//! What directories get when everything in them is there.

#![forbid(unsafe_code)]

use std::collections::HashMap;

use nix::errno::Errno;

use super::Refusal;
use super::metadata::{set_xattr, times};
use crate::archive::MAX_NAMES;
use crate::error::{Context as _, Result};
use crate::fs::{DEFAULT_ACL, Identity, Node, Parent, Root, RootPath, is_directory, times_of};
use crate::sys::Timestamp;
use crate::tar::Member;

/// How many bytes of paths are remembered at most: a few long names a directory would otherwise fill the memory
/// long before their number is too large.
const MAX_PATH_BYTES: usize = 256 << 20;
const OWNER_ALL: u32 = 0o700;

/// The directories that members described, each once, with the attributes of the last one, and those whose times are
/// to be kept.
#[derive(Default)]
pub(super) struct Directories {
    remembered: HashMap<Identity, Directory>,
    path_bytes: usize,
}

struct Directory {
    path: RootPath,
    times: (Timestamp, Timestamp),
    /// Only if it lacks something that the owner needs to work in the directory.
    mode: Option<u32>,
    default_acl: Option<Vec<u8>>,
}

impl Directories {
    pub(super) fn remember(
        &mut self,
        path: &RootPath,
        identity: Identity,
        member: &Member,
    ) -> Result<()> {
        let default_acl = member
            .xattrs
            .iter()
            .find(|xattr| xattr.name == DEFAULT_ACL.to_bytes());
        let directory = Directory {
            path: path.clone(),
            times: times(member),
            mode: (member.mode & OWNER_ALL != OWNER_ALL).then_some(member.mode),
            default_acl: default_acl.map(|xattr| xattr.value.clone()),
        };
        self.insert(identity, directory)
    }

    fn insert(&mut self, identity: Identity, directory: Directory) -> Result<()> {
        self.path_bytes += directory.path.as_bytes().len();
        if self.remembered.len() >= MAX_NAMES || self.path_bytes > MAX_PATH_BYTES {
            return Err(Refusal::TooManyNames.into());
        }
        if let Some(before) = self.remembered.insert(identity, directory) {
            self.path_bytes -= before.path.as_bytes().len();
        }
        Ok(())
    }

    /// Remembers the times of a directory that something is about to be made in, unless it is remembered already.
    pub(super) fn keep(&mut self, path: &RootPath, directory: &Parent) -> Result<()> {
        let identity = directory.identity()?;
        if self.remembered.contains_key(&identity) {
            return Ok(());
        }
        let times = times_of(&Node::dot(directory)?.stat()?);
        let directory = Directory {
            path: path.clone(),
            times,
            mode: None,
            default_acl: None,
        };
        self.insert(identity, directory)
    }

    /// Finishes them deepest first, so that one that locks its owner out does so after all below it.
    pub(super) fn finish(self, root: &Root, user_namespace: bool) -> Result<()> {
        let mut remembered: Vec<(Identity, Directory)> = self.remembered.into_iter().collect();
        remembered.sort_unstable_by(|(_, a), (_, b)| b.path.cmp(&a.path));
        for (identity, directory) in remembered {
            if let Some(node) = find(root, &directory.path, identity)? {
                directory
                    .finish(&node, user_namespace)
                    .at_entry(directory.path.as_bytes())?;
            }
        }
        Ok(())
    }
}

impl Directory {
    fn finish(&self, node: &Node, user_namespace: bool) -> Result<()> {
        if let Some(acl) = &self.default_acl {
            set_xattr(node, DEFAULT_ACL, acl, user_namespace)?;
        }
        if let Some(mode) = self.mode {
            node.set_mode(mode)?;
        }
        node.set_times(self.times.0, self.times.1)
    }
}

/// The directory that was remembered, unless a later member has put something else in its place.
fn find(root: &Root, path: &RootPath, identity: Identity) -> Result<Option<Node>> {
    let node = match path.split() {
        None => Some(Node::from_path_only(root.directory(path)?)),
        Some((parent, name)) => match root.directory(&parent) {
            Ok(parent) => Node::find_at(&parent, &name)?,
            Err(error)
                if [Errno::ENOENT, Errno::ENOTDIR, Errno::ELOOP]
                    .iter()
                    .any(|&e| error.is(e)) =>
            {
                None
            }
            Err(error) => return Err(error),
        },
    };
    let Some(node) = node else { return Ok(None) };
    let stat = node.stat()?;
    Ok((is_directory(&stat) && Identity::from(&stat) == identity).then_some(node))
}
