//! Hard links.

#![forbid(unsafe_code)]

use nix::errno::Errno;
use nix::fcntl::{AtFlags, renameat};
use nix::sys::stat::{FileStat, SFlag};
use nix::unistd::{UnlinkatFlags, linkat, unlinkat};

use super::metadata::Origin;
use super::{Extraction, Place, Refusal};
use crate::error::{Called as _, Context as _, Error, Result, quote};
use crate::fs::{
    Identity, KeepNothing, Name, Node, Parent, RootPath, file_type, is_directory, remove_tree,
};

/// How many temporary names are tried before somebody who takes each of them wins.
const ATTEMPTS: u32 = 64;

/// The object that a hard link leads to.
struct Target {
    parent: std::rc::Rc<Parent>,
    name: Name,
    stat: FileStat,
}

impl Extraction<'_> {
    /// Makes a hard link. Its source, resolved like any path from the root but never followed at the end, has to be
    /// there already; that is found out before anything is removed.
    pub(super) fn make_hardlink(&mut self, place: &Place<'_>) -> Result<()> {
        let member = place.member;
        let source = self
            .find_source(&member.link)
            .context(|| format!("hard link to {}", quote(&member.link)))?;
        self.link(place, &source)
            .context(|| format!("hard link to {}", quote(&member.link)))?;
        let node = Node::open_at(&place.parent, &place.name)?;
        let symlink = file_type(&source.stat) == SFlag::S_IFLNK;
        let origin = if symlink {
            Origin::LinkedSymlink
        } else {
            Origin::Linked
        };
        self.describe(&node, member, origin)
    }

    fn find_source(&mut self, link: &[u8]) -> Result<Target> {
        let source = self.look_up_source(link);
        if !self.policy.own_sources_only {
            return source;
        }
        // Whatever else is there, or isn't, the archive has no such file.
        match source {
            Ok(source) if self.own_files.contains(&Identity::from(&source.stat)) => Ok(source),
            _ => Err(Refusal::ForeignSource.into()),
        }
    }

    fn look_up_source(&mut self, link: &[u8]) -> Result<Target> {
        // An empty target, or one that climbs out, is the root directory, which can't be linked.
        let Some((parent, name)) = RootPath::clean(link)?.split() else {
            return Err(Error::system("linkat of the root", Errno::EPERM));
        };
        let parent = self.parents.get(&parent)?;
        let stat = Node::open_at(&*parent, &name)?.stat()?;
        if is_directory(&stat) {
            return Err(Error::system("linkat of a directory", Errno::EPERM));
        }
        Ok(Target { parent, name, stat })
    }

    fn link(&mut self, place: &Place<'_>, source: &Target) -> Result<()> {
        let (parent, name) = (&place.parent, &place.name);
        let link_as =
            |new: &Name| linkat(&source.parent, &source.name, parent, new, AtFlags::empty());
        match link_as(name) {
            Err(Errno::EEXIST) => {}
            result => return result.called(|| format!("linkat {}", name.quoted())),
        }
        if let Some(existing) = Node::find_at(parent, name)?
            && existing.identity()? == Identity::from(&source.stat)
        {
            return Ok(());
        }
        // The source may lie in the very directory that has to go: a second name keeps it.
        let temporary = free_name(link_as)?;
        let replaced = remove_tree(parent, name, &KeepNothing).and_then(|()| {
            renameat(parent, &temporary, parent, name)
                .called(|| format!("rename to {}", name.quoted()))
        });
        self.parents.forget();
        if replaced.is_err() {
            // The failure before is what the caller has to know.
            let _ = unlinkat(parent, &temporary, UnlinkatFlags::NoRemoveDir);
        }
        replaced
    }
}

/// Calls `make` with unlikely names until one is free.
fn free_name(make: impl Fn(&Name) -> Result<(), Errno>) -> Result<Name> {
    for attempt in 0..ATTEMPTS {
        let candidate = format!(".crutils-link-{}-{attempt}", std::process::id());
        let Some(candidate) = Name::new(candidate.as_bytes()) else {
            break;
        };
        match make(&candidate) {
            Err(Errno::EEXIST) => {}
            result => {
                return result
                    .map(|()| candidate)
                    .called(|| "linkat under a temporary name");
            }
        }
    }
    Err(Error::system(
        "linkat under a temporary name",
        Errno::EEXIST,
    ))
}
