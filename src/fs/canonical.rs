//! Paths without symlinks.
//!
//! Where something is below a root can only be remembered by its path: inode numbers don't last on every file system
//! (an overlay whose layers are on different ones makes them up anew), and descriptors are few.

#![forbid(unsafe_code)]

use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStringExt as _;

use nix::errno::Errno;
use nix::fcntl::readlinkat;
use nix::sys::stat::SFlag;
use thiserror::Error as ThisError;

use super::node::{Node, file_type};
use super::{Name, Root, RootPath};
use crate::error::{Called as _, Error, Kind, Result};

/// How many symlinks are followed on one path, as in the kernel.
const MAX_LINKS: usize = 40;
/// How many components one work walks through symlinks. Links of links with long targets make a path of a few bytes
/// cost tens of thousands of steps; honest archives need some for each directory.
pub(super) const MAX_STEPS: u64 = 16_000_000;

/// An open directory and how it was found.
pub(crate) struct Resolved {
    pub(crate) fd: OwnedFd,
    /// Its path without symlinks.
    pub(crate) canonical: RootPath,
    /// The symlinks that led to it, by their paths without symlinks.
    pub(crate) links: Vec<RootPath>,
}

/// Paths of symlinks upon symlinks would keep the library busy for hours.
#[derive(Debug, ThisError)]
#[error("more than {MAX_STEPS} steps through symlinks")]
struct TooManySteps;

impl Root {
    /// The directory `path`, symlinks followed inside the root. Every step through a symlink's target is taken from
    /// `steps`; a path without symlinks costs none.
    pub(super) fn resolve(&self, path: &RootPath, steps: &mut u64) -> Result<Resolved> {
        match self.directory_without_links(path) {
            Ok(fd) => Ok(Resolved {
                fd,
                canonical: path.clone(),
                links: Vec::new(),
            }),
            Err(error) if error.is(Errno::ELOOP) => {
                let (canonical, links) = self.follow(path, steps)?;
                let fd = self.directory_without_links(&canonical)?;
                Ok(Resolved {
                    fd,
                    canonical,
                    links,
                })
            }
            Err(error) => Err(error),
        }
    }

    fn follow(&self, path: &RootPath, steps: &mut u64) -> Result<(RootPath, Vec<RootPath>)> {
        let failed = |errno| Error::system(format!("resolve {}", path.quoted()), errno);
        let mut canonical = RootPath::root();
        let mut links = Vec::new();
        // The components to come, the next one last.
        let mut ahead: Vec<Vec<u8>> = path.components().map(<[u8]>::to_vec).collect();
        ahead.reverse();
        while let Some(component) = ahead.pop() {
            *steps = steps
                .checked_sub(1)
                .ok_or_else(|| Error::new(Kind::Limit, TooManySteps.to_string()))?;
            let Some(name) = Name::new(&component) else {
                if component == b".." {
                    canonical = canonical
                        .split()
                        .map_or_else(RootPath::root, |(parent, _)| parent);
                }
                continue;
            };
            let node = Node::open_at(self.directory_without_links(&canonical)?, &name)?;
            match file_type(&node.stat()?) {
                SFlag::S_IFDIR => canonical = canonical.join(&name)?,
                SFlag::S_IFLNK => {
                    links.push(canonical.join(&name)?);
                    if links.len() > MAX_LINKS {
                        return Err(failed(Errno::ELOOP));
                    }
                    let target = readlinkat(node.as_fd(), c"")
                        .called(|| "readlinkat")?
                        .into_vec();
                    if target.first() == Some(&b'/') {
                        canonical = RootPath::root();
                    }
                    ahead.extend(target.split(|&byte| byte == b'/').rev().map(<[u8]>::to_vec));
                }
                _ => return Err(failed(Errno::ENOTDIR)),
            }
        }
        Ok((canonical, links))
    }
}
