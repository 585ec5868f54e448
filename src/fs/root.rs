//! A directory that paths may not leave.

#![forbid(unsafe_code)]

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, openat, openat2};
use nix::sys::stat::{Mode, SFlag, fstatat};
use once_cell::sync::OnceCell;

use super::RootPath;
use super::node::file_type;
use crate::error::{Called as _, Error, Result};
use crate::sys;

/// How often a resolution that lost a race against a rename is tried again. The kernel asks for it only when a
/// `..` in a symlink met a rename anywhere on the system, so an attacker can force no more than this many turns.
const RACE_RETRIES: usize = 128;

/// An open directory below which paths are resolved as chroot(2) would: absolute symlinks and `..` stay inside.
pub(crate) struct Root(OwnedFd);

impl Root {
    /// Takes an open directory for a root.
    pub(crate) fn new(directory: OwnedFd) -> Self {
        Self(directory)
    }

    /// An O_PATH descriptor of the directory `path`, every symlink on the way and the last one followed inside
    /// the root.
    pub(crate) fn directory(&self, path: &RootPath) -> Result<OwnedFd> {
        if path.is_root() {
            self.walk(path)
        } else if openat2_works() {
            self.resolve_in_kernel(path, ResolveFlag::empty())
        } else {
            self.follow_in_steps(path)
        }
    }

    /// Like [`Root::directory`], but ELOOP if there is any symlink on the way or at the end.
    pub(crate) fn directory_without_links(&self, path: &RootPath) -> Result<OwnedFd> {
        if !path.is_root() && openat2_works() {
            self.resolve_in_kernel(path, ResolveFlag::RESOLVE_NO_SYMLINKS)
        } else {
            self.walk(path)
        }
    }

    fn resolve_in_kernel(&self, path: &RootPath, resolve: ResolveFlag) -> Result<OwnedFd> {
        let how = || {
            OpenHow::new()
                .flags(OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC)
                .resolve(
                    resolve | ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS,
                )
        };
        let mut result = openat2(&self.0, path.as_os_str(), how());
        for _ in 0..RACE_RETRIES {
            if !matches!(result, Err(Errno::EAGAIN)) {
                break;
            }
            result = openat2(&self.0, path.as_os_str(), how());
        }
        result.called(|| format!("openat2 {}", path.quoted()))
    }

    /// Where openat2 is missing or blocked: one name a step, each opened in the directory before and none followed, so
    /// that nothing that is renamed or linked meanwhile leads out of the root. There is no `..` in such a path.
    fn walk(&self, path: &RootPath) -> Result<OwnedFd> {
        let failed = |errno| Error::system(format!("resolve {}", path.quoted()), errno);
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let mut here = openat(&self.0, ".", flags, Mode::empty()).map_err(failed)?;
        for name in path.components() {
            here = match openat(&here, name, flags, Mode::empty()) {
                Err(Errno::ENOTDIR) if is_link(&here, name) => Err(Errno::ELOOP),
                result => result,
            }
            .map_err(failed)?;
        }
        Ok(here)
    }
}

/// Whether a symlink is why no directory could be opened here. What isn't known to be one is taken for a file.
fn is_link(directory: &OwnedFd, name: &[u8]) -> bool {
    let stat = fstatat(directory, name, AtFlags::AT_SYMLINK_NOFOLLOW);
    stat.is_ok_and(|stat| file_type(&stat) == SFlag::S_IFLNK)
}

impl AsFd for Root {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Whether the kernel has openat2 and lets this process use it; asked once.
pub(crate) fn openat2_works() -> bool {
    static WORKS: OnceCell<bool> = OnceCell::new();
    *WORKS.get_or_init(|| {
        let how = OpenHow::new()
            .flags(OFlag::O_PATH | OFlag::O_CLOEXEC)
            .resolve(ResolveFlag::RESOLVE_IN_ROOT);
        match openat2(nix::fcntl::AT_FDCWD, "/", how) {
            Ok(_) => true,
            Err(errno) => !sys::is_missing(errno),
        }
    })
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;
    use std::os::unix::fs::symlink;
    use std::{fs, iter};

    use nix::errno::Errno;

    use super::super::testing::Scratch;
    use super::{ResolveFlag, Root, openat2_works};
    use crate::error::Result;
    use crate::fs::{Identity, RootPath};

    /// Where symlinks lead: inside, out of the root, round in circles, through and to what is no directory.
    const TARGETS: [&str; 16] = [
        "/",
        "a",
        "a/b",
        "/a/b",
        "..",
        "../..",
        "../a/b",
        "a/../a",
        "b/..",
        "./b/.",
        "l",
        "../l",
        "x",
        "f",
        "f/..",
        "/proc/self/root",
    ];

    fn found(result: Result<OwnedFd>) -> Result<Identity, Errno> {
        result
            .map(|fd| Identity::of(&fd).unwrap())
            .map_err(|error| Errno::from_raw(error.errno()))
    }

    /// Every path of one to three of these names.
    fn paths() -> Vec<RootPath> {
        let longer = |paths: &Vec<String>| {
            let below =
                |path: &String| ["a", "b", "f", "l", "x"].map(|name| format!("{path}/{name}"));
            Some(paths.iter().flat_map(below).collect())
        };
        let lengths = iter::successors(Some(vec![String::new()]), longer).take(4);
        let paths = lengths.skip(1).flatten();
        paths
            .map(|path| RootPath::clean(path.as_bytes()).unwrap())
            .collect()
    }

    fn skipped() -> bool {
        if !openat2_works() {
            println!("skipped: no openat2 to compare with");
        }
        !openat2_works()
    }

    #[test]
    fn without_openat2_a_path_leads_where_it_leads_with_it() {
        if skipped() {
            return;
        }
        let paths = paths();
        for (above, below) in TARGETS
            .iter()
            .flat_map(|above| TARGETS.map(|below| (above, below)))
        {
            let scratch = Scratch::new();
            fs::create_dir_all(scratch.join("a/b")).unwrap();
            fs::write(scratch.join("a/f"), "").unwrap();
            fs::write(scratch.join("f"), "").unwrap();
            symlink(above, scratch.join("l")).unwrap();
            symlink(below, scratch.join("a/l")).unwrap();
            let root = Root::new(scratch.directory());
            for path in &paths {
                let place = format!("{path:?} with l -> {above}, a/l -> {below}");
                let by_kernel = root.resolve_in_kernel(path, ResolveFlag::empty());
                let (expected, got) = (found(by_kernel), found(root.follow_in_steps(path)));
                assert_eq!(got, expected, "{place}");
                let by_kernel = root.resolve_in_kernel(path, ResolveFlag::RESOLVE_NO_SYMLINKS);
                assert_eq!(
                    found(root.walk(path)),
                    found(by_kernel),
                    "{place}, without links"
                );
            }
        }
    }

    #[test]
    fn without_openat2_as_many_symlinks_are_followed_as_with_it() {
        if skipped() {
            return;
        }
        let scratch = Scratch::new();
        fs::create_dir(scratch.join("0")).unwrap();
        for number in 1..=45 {
            symlink(
                format!("{}", number - 1),
                scratch.join(&format!("{number}")),
            )
            .unwrap();
        }
        let root = Root::new(scratch.directory());
        for number in 0..=45 {
            let path = RootPath::clean(format!("{number}").as_bytes()).unwrap();
            let expected = found(root.resolve_in_kernel(&path, ResolveFlag::empty()));
            assert_eq!(
                found(root.follow_in_steps(&path)),
                expected,
                "{number} links"
            );
        }
    }
}
