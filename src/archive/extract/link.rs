//! Hard links.

#![forbid(unsafe_code)]

use std::os::fd::AsFd as _;

use nix::errno::Errno;
use nix::sys::stat::{FileStat, SFlag};

use super::metadata::Provenance;
use super::{Extraction, Location, Refusal};
use crate::error::{Context as _, Error, Result, quote};
use crate::fs::{Identity, Name, Node, RootPath, file_type, is_directory};
use crate::sys::link_descriptor;

impl Extraction<'_> {
    /// Makes a hard link. Its source, resolved like any path from the root but never followed at the end, has to be
    /// there already; that is found out before anything is removed. What is linked and described is the object that
    /// was found, whatever somebody else puts in its place meanwhile.
    pub(super) fn make_hardlink(&mut self, place: &Location<'_>, source: &[u8]) -> Result<()> {
        let step = || format!("hard link to {}", quote(source));
        let (source, stat) = match self.find_source(source) {
            // A later member may have taken the device's place.
            Err(error) if error.is(Errno::ENOENT) && self.is_skipped(source)? => {
                return self.skip_device(place);
            }
            result => result.context(step)?,
        };
        let symlink = file_type(&stat) == SFlag::S_IFLNK;
        let origin = if symlink {
            Provenance::LinkedSymlink
        } else {
            Provenance::Linked
        };
        let existing = Node::find_at(&*place.parent, &place.name)?;
        let linked = existing.map(|node| node.identity()).transpose()?;
        if linked != Some(Identity::from(&stat)) {
            let link = |name: &Name| link_descriptor(source.as_fd(), place.parent.as_fd(), name);
            self.replace("linkat", place, link, |_, (), _| Ok(()))
                .context(step)?;
        }
        // The name is as good a source as the first one from now on.
        self.remember_file(place, Identity::from(&stat))?;
        self.describe(&source, place.member, origin)
    }

    fn is_skipped(&mut self, link: &[u8]) -> Result<bool> {
        Ok(self
            .canonical(link)?
            .is_some_and(|path| self.skipped_devices.get(&path).is_some()))
    }

    /// The path without symlinks of what a link names, unless it is the root.
    fn canonical(&mut self, link: &[u8]) -> Result<Option<RootPath>> {
        let Some((parent, name)) = RootPath::clean(link)?.split() else {
            return Ok(None);
        };
        match self.parents.get(&parent) {
            Ok(parent) => Ok(Some(parent.canonical().join(&name)?)),
            Err(error) if error.is(Errno::ENOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn find_source(&mut self, link: &[u8]) -> Result<(Node, FileStat)> {
        let source = self.look_up_source(link);
        if !self.policy.own_sources_only {
            return source;
        }
        // Whatever else is there, or isn't, the archive has no such file. By its path and its number, since the number
        // of a file that is gone may be another's by now.
        match (source, self.canonical(link)) {
            (Ok((node, stat)), Ok(Some(path)))
                if file_type(&stat) == SFlag::S_IFREG
                    && self.own_files.get(&path) == Some(&Identity::from(&stat)) =>
            {
                Ok((node, stat))
            }
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
}
