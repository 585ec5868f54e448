//! Hard links.

#![forbid(unsafe_code)]

use std::os::fd::AsFd as _;

use nix::errno::Errno;
use nix::sys::stat::{FileStat, SFlag};

use super::metadata::Origin;
use super::{Extraction, Place, Refusal};
use crate::error::{Context as _, Error, Result, quote};
use crate::fs::{Identity, Node, RootPath, file_type, is_directory};
use crate::sys::link_descriptor;

impl Extraction<'_> {
    /// Makes a hard link. Its source, resolved like any path from the root but never followed at the end, has to be
    /// there already; that is found out before anything is removed. What is linked and described is the object that
    /// was found, whatever somebody else puts in its place meanwhile.
    pub(super) fn make_hardlink(&mut self, place: &Place<'_>) -> Result<()> {
        let step = || format!("hard link to {}", quote(&place.member.link));
        if self
            .skipped_devices
            .contains(&RootPath::clean(&place.member.link)?)
        {
            return self.skip_device(place);
        }
        let (source, stat) = self.find_source(&place.member.link).context(step)?;
        self.link(place, &source, &stat).context(step)?;
        let symlink = file_type(&stat) == SFlag::S_IFLNK;
        let origin = if symlink {
            Origin::LinkedSymlink
        } else {
            Origin::Linked
        };
        self.describe(&source, place.member, origin)
    }

    fn find_source(&mut self, link: &[u8]) -> Result<(Node, FileStat)> {
        let source = self.look_up_source(link);
        if !self.policy.own_sources_only {
            return source;
        }
        // Whatever else is there, or isn't, the archive has no such file.
        match source {
            Ok((node, stat)) if self.own_files.contains(&Identity::from(&stat)) => Ok((node, stat)),
            _ => Err(Refusal::ForeignSource.into()),
        }
    }

    fn look_up_source(&mut self, link: &[u8]) -> Result<(Node, FileStat)> {
        // An empty target, or one that climbs out, is the root directory, which can't be linked.
        let Some((parent, name)) = RootPath::clean(link)?.split() else {
            return Err(Error::system("linkat of the root", Errno::EPERM));
        };
        let node = Node::open_at(&*self.parents.get(&parent)?, &name)?;
        let stat = node.stat()?;
        if is_directory(&stat) {
            return Err(Error::system("linkat of a directory", Errno::EPERM));
        }
        Ok((node, stat))
    }

    fn link(&mut self, place: &Place<'_>, source: &Node, stat: &FileStat) -> Result<()> {
        if let Some(existing) = Node::find_at(&*place.parent, &place.name)?
            && existing.identity()? == Identity::from(stat)
        {
            return Ok(());
        }
        self.replace("linkat", place, |name| {
            link_descriptor(source.as_fd(), place.parent.as_fd(), name)
        })
    }
}
