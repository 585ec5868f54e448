//! What directories get when everything in them is there.

#![forbid(unsafe_code)]

use std::ffi::CStr;
use std::os::fd::BorrowedFd;

use nix::sys::stat::fstat;

use super::metadata::{DEFERRED, XattrSetting, keep_set_id, times};
use super::places::PathMap;
use crate::error::{Called as _, Context as _, Result};
use crate::fs::{Node, Root, RootPath, restore_times, times_of};
use crate::sys::Timestamp;
use crate::tar::Member;

const OWNER_ALL: u32 = 0o700;

/// The directories that members described, each once, with the attributes of the last one, and those whose times are
/// to be kept.
#[derive(Default)]
pub(super) struct Directories {
    known: PathMap<Directory>,
    /// One that is known: the last that something was made in, since members come in bunches.
    last: Option<RootPath>,
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
        let acls: Vec<(&CStr, Vec<u8>)> = DEFERRED.into_iter().filter_map(acl).collect();
        let bytes = acls.iter().map(|(_, value)| value.len()).sum();
        let described = Some(Description {
            mode: member.mode,
            acls,
        });
        self.known.insert(
            path,
            Directory {
                times: times(member),
                described,
            },
            bytes,
        )
    }

    /// Remembers the times of a directory that something is about to be made in, unless it is remembered already.
    pub(super) fn keep(&mut self, path: &RootPath, directory: BorrowedFd<'_>) -> Result<()> {
        if self.last.as_ref() == Some(path) {
            return Ok(());
        }
        self.last = Some(path.clone());
        if self.known.get(path).is_some() {
            return Ok(());
        }
        let times = times_of(&fstat(directory).called(|| "fstat")?);
        self.known.insert(
            path.clone(),
            Directory {
                times,
                described: None,
            },
            0,
        )
    }

    /// Forgets what is at the path and below: it is about to be removed.
    pub(super) fn forget(&mut self, path: &RootPath) {
        self.last = None;
        self.known.forget(path);
    }

    /// Finishes them deepest first, so that one that locks its owner out does so after all below it. All are tried,
    /// unless the work is cancelled; the first error is told.
    pub(super) fn finish(self, root: &Root, setting: &XattrSetting<'_>) -> Result<()> {
        let mut finished = Ok(());
        for (path, directory) in self.known.into_sorted().rev() {
            if let Err(cancelled) = setting.watch.check() {
                return finished.and(Err(cancelled));
            }
            let result = directory.finish(root, &path, setting);
            finished = finished.and(result.at_entry(path.as_bytes()));
        }
        finished
    }
}

impl Directory {
    fn finish(&self, root: &Root, path: &RootPath, setting: &XattrSetting<'_>) -> Result<()> {
        // Somebody else may have put something else there; that isn't described.
        let Some(node) = find(root, path)? else {
            return Ok(());
        };
        let Some(described) = &self.described else {
            return restore_times(&node, self.times);
        };
        for (name, acl) in &described.acls {
            setting.set(&node, path.as_bytes(), name, acl)?;
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
    match root.directory_without_links(path) {
        Ok(directory) => Ok(Some(Node::from_path_only(directory))),
        Err(error) if error.is_absent() => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tar::{MemberKind, Time, Xattr};

    fn path(number: usize) -> RootPath {
        RootPath::clean(format!("d{number}").as_bytes()).unwrap()
    }

    /// A directory with a default ACL of 64 KiB.
    fn member() -> Member {
        Member {
            xattrs: vec![Xattr {
                name: b"system.posix_acl_default".to_vec(),
                value: vec![0; 65_536],
            }],
            xattrs_complete: true,
            ..Member::made(b"", MemberKind::Directory, Time::default())
        }
    }

    /// How many of them fit, up to ten thousand.
    fn room(directories: &mut Directories) -> usize {
        let fits = |number: &usize| directories.remember(path(*number), &member()).is_ok();
        (0..10_000).take_while(fits).count()
    }

    #[test]
    fn acls_count_as_memory() {
        // 4096 of them are 256 MiB, and their paths need room, too.
        assert_eq!(room(&mut Directories::default()), 4095);
    }

    #[test]
    fn a_directory_counts_once_however_often_it_is_described_and_not_at_all_when_gone() {
        let mut directories = Directories::default();
        for _ in 0..5000 {
            directories.remember(path(0), &member()).unwrap();
        }
        directories.forget(&path(0));
        assert_eq!(room(&mut directories), 4095);
    }
}
