//! Paths without symlinks.
//!
//! Where something is below a root can only be remembered by its path: inode numbers don't last on every file system
//! (an overlay whose layers are on different ones makes them up anew), and descriptors are few.

#![forbid(unsafe_code)]

use std::mem;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStringExt as _;
use std::rc::Rc;

use nix::errno::Errno;
use nix::fcntl::readlinkat;
use nix::sys::stat::SFlag;
use thiserror::Error as ThisError;

use super::node::{Node, file_type};
use super::{Name, Root, RootPath};
use crate::error::{self, Called as _, Error, Kind, Result};

/// How many symlinks are followed on one path, as in the kernel.
const MAX_LINKS: usize = 40;
/// How many components one work walks through symlinks. Links of links with long targets make a path of a few bytes
/// cost tens of thousands of steps; honest archives need some for each directory.
const MAX_STEPS: u64 = 2_000_000;
/// The same for one path alone: more than the kernel could take with [`MAX_LINKS`] targets of the greatest length.
const MAX_STEPS_OF_ONE: u64 = 100_000;

/// An open directory and how it was found.
pub(crate) struct Resolved {
    pub(crate) fd: OwnedFd,
    /// Its path without symlinks.
    pub(crate) canonical: RootPath,
    /// The symlinks that led to it, by their paths without symlinks.
    pub(crate) links: Rc<[RootPath]>,
    /// The directories that a `..` in a symlink's target led out of.
    pub(super) climbed: Vec<RootPath>,
}

impl Resolved {
    /// What was found on the way from here, by this way and that one.
    pub(super) fn then(self, further: Self) -> Self {
        Self {
            links: self.links.iter().chain(&*further.links).cloned().collect(),
            climbed: [self.climbed, further.climbed].concat(),
            ..further
        }
    }
}

/// Where a path through symlinks leads, and by which way.
struct Followed {
    canonical: RootPath,
    links: Vec<RootPath>,
    climbed: Vec<RootPath>,
}

/// Paths of symlinks upon symlinks would keep the library busy for hours.
#[derive(Debug, ThisError)]
#[error("more than {0} steps through symlinks")]
struct TooManySteps(u64);

impl error::Refusal for TooManySteps {
    fn kind(&self) -> Kind {
        Kind::Limit
    }
}

/// How many steps through symlinks are left.
pub(super) struct Steps {
    left: u64,
    limit: u64,
}

impl Steps {
    /// As many as one work may take.
    pub(super) fn of_a_work() -> Self {
        Self::at_most(MAX_STEPS)
    }

    fn at_most(limit: u64) -> Self {
        let left = limit;
        Self { left, limit }
    }

    fn take(&mut self, number: u64) -> Result<()> {
        let left = self.left.checked_sub(number);
        self.left = left.ok_or(TooManySteps(self.limit))?;
        Ok(())
    }
}

impl Root {
    /// The directory `path`, symlinks followed inside the root. Every step through a symlink's target is taken from
    /// `steps`; a path without symlinks costs none.
    pub(super) fn resolve(&self, path: &RootPath, steps: &mut Steps) -> Result<Resolved> {
        match self.directory_without_links(path) {
            Ok(fd) => Ok(Resolved {
                fd,
                canonical: path.clone(),
                links: Rc::default(),
                climbed: Vec::new(),
            }),
            Err(error) if error.is(Errno::ELOOP) => {
                let followed = self.follow(path, steps)?;
                Ok(Resolved {
                    fd: self.directory_without_links(&followed.canonical)?,
                    canonical: followed.canonical,
                    links: followed.links.into(),
                    climbed: followed.climbed,
                })
            }
            Err(error) => Err(error),
        }
    }

    /// The directory `path` for hosts without openat2, symlinks followed inside the root.
    pub(super) fn follow_in_steps(&self, path: &RootPath) -> Result<OwnedFd> {
        let resolved = self.resolve(path, &mut Steps::at_most(MAX_STEPS_OF_ONE))?;
        Ok(resolved.fd)
    }

    fn follow(&self, path: &RootPath, steps: &mut Steps) -> Result<Followed> {
        let failed = |errno| Error::system(format!("resolve {}", path.quoted()), errno);
        let mut canonical = RootPath::root();
        let (mut links, mut climbed) = (Vec::new(), Vec::new());
        // The directory `canonical`, unless it has to be found again.
        let mut here: Option<Node> = None;
        // The components to come, the next one last.
        let mut ahead: Vec<Vec<u8>> = path.components().map(<[u8]>::to_vec).collect();
        ahead.reverse();
        while let Some(component) = ahead.pop() {
            steps.take(1)?;
            let Some(name) = Name::new(&component) else {
                if component == b".." {
                    if let Some((parent, _)) = canonical.split() {
                        climbed.push(mem::replace(&mut canonical, parent));
                    }
                    here = None;
                }
                continue;
            };
            let directory = match here.take() {
                Some(directory) => directory,
                None => {
                    // A deep directory costs as many steps to find again as it is deep.
                    steps.take(canonical.components().count() as u64)?;
                    Node::from_path_only(self.directory_without_links(&canonical)?)
                }
            };
            let node = Node::open_at(&directory, &name)?;
            match file_type(&node.stat()?) {
                SFlag::S_IFDIR => {
                    canonical = canonical.join(&name)?;
                    here = Some(node);
                }
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
                    } else {
                        here = Some(directory);
                    }
                    ahead.extend(target.split(|&byte| byte == b'/').rev().map(<[u8]>::to_vec));
                }
                _ => return Err(failed(Errno::ENOTDIR)),
            }
        }
        Ok(Followed {
            canonical,
            links,
            climbed,
        })
    }
}
