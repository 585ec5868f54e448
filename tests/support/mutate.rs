//! Random trees and random changes to them, the same for the same seed.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use super::acl;
use super::dice::Dice;
use super::os::{chown, mknod, set_times, set_xattr};

/// Few, so that what was there before is often met again.
const NAMES: &[&[u8]] = &[
    b"a", b"b", b"c", b"d", b"e", b"a-b", b"with space", b"line\nfeed", b"\xff\xfe", "\u{e9}".as_bytes(), b"..x", b"...",
    b"-rf", b".wh.a", b"\"quoted\\\"", b"n*m?",
    b"long-long-long-long-long-long-long-long-long-long-long-long-long-long-long-long-long-long-long-long-long-long-long",
];

/// A tree that is being changed at random.
pub struct Mutation<'d> {
    root: PathBuf,
    dice: &'d mut Dice,
}

impl<'d> Mutation<'d> {
    pub fn new(root: &Path, dice: &'d mut Dice) -> Self {
        Self {
            root: root.to_path_buf(),
            dice,
        }
    }

    /// Fills an empty tree.
    pub fn fill(&mut self) {
        for _ in 0..10 + self.dice.below(25) {
            let _ = self.create();
            if self.dice.below(3) == 0 {
                let _ = self.link();
            }
        }
        for _ in 0..self.dice.below(15) {
            let _ = self.metadata();
        }
    }

    /// Changes so many things. What can't be done, since there is nothing of the sort or the file system refuses it, is
    /// left.
    pub fn change(&mut self, count: usize) -> Vec<String> {
        (0..count).map(|_| self.change_one()).collect()
    }

    fn change_one(&mut self) -> String {
        let (what, result): (_, io::Result<PathBuf>) = match self.dice.below(20) {
            0..3 => ("create", self.create()),
            3 => ("rewrite", self.rewrite()),
            4 => ("append", self.append()),
            5 => ("truncate", self.truncate()),
            6..10 => ("metadata", self.metadata()),
            10 => (
                "unlink",
                self.any(|meta| !meta.is_dir())
                    .and_then(|at| fs::remove_file(&at).map(|()| at)),
            ),
            11 => (
                "remove tree",
                self.any(fs::Metadata::is_dir)
                    .and_then(|at| fs::remove_dir_all(&at).map(|()| at)),
            ),
            12..15 => ("rename", self.rename()),
            15 => ("replace", self.replace()),
            16..18 => ("recreate", self.recreate()),
            18 => ("link", self.link()),
            _ => ("copy up", self.copy_up()),
        };
        format!("{what}: {result:?}")
    }

    /// Everything but the root, sorted.
    fn all(&self) -> Vec<PathBuf> {
        let (mut found, mut open) = (Vec::new(), vec![self.root.clone()]);
        while let Some(directory) = open.pop() {
            for entry in fs::read_dir(&directory).unwrap() {
                let path = entry.unwrap().path();
                if fs::symlink_metadata(&path).unwrap().is_dir() {
                    open.push(path.clone());
                }
                found.push(path);
            }
        }
        found.sort();
        found
    }

    fn any(&mut self, wanted: impl Fn(&fs::Metadata) -> bool) -> io::Result<PathBuf> {
        let mut all = self.all();
        all.retain(|path| wanted(&fs::symlink_metadata(path).unwrap()));
        if all.is_empty() {
            Err(io::ErrorKind::NotFound.into())
        } else {
            Ok(self.dice.one(&all).clone())
        }
    }

    fn directory(&mut self) -> PathBuf {
        match self.any(fs::Metadata::is_dir) {
            Ok(path) if self.dice.below(4) > 0 => path,
            _ => self.root.clone(),
        }
    }

    fn name(&mut self) -> &'static OsStr {
        OsStr::from_bytes(NAMES[self.dice.below(NAMES.len())])
    }

    fn new_place(&mut self) -> PathBuf {
        let directory = self.directory();
        directory.join(self.name())
    }

    fn create(&mut self) -> io::Result<PathBuf> {
        let at = self.new_place();
        self.create_at(&at)?;
        Ok(at)
    }

    fn create_at(&mut self, at: &Path) -> io::Result<()> {
        match self.dice.below(13) {
            0..4 => fs::create_dir(at),
            4..8 => self.write(at),
            8 => symlink(self.name(), at),
            9 => symlink("/etc/hosts", at),
            10 => mknod(at, libc::S_IFIFO | 0o640, 0, 0),
            11 => mknod(at, libc::S_IFSOCK | 0o640, 0, 0),
            _ => {
                let kind = *self.dice.one(&[libc::S_IFCHR, libc::S_IFBLK]);
                mknod(
                    at,
                    kind | 0o600,
                    1 + self.dice.below(300) as u32,
                    self.dice.below(70_000) as u32,
                )
            }
        }
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| b'a' + self.dice.below(26) as u8).collect()
    }

    /// A new file: empty, small, large, or with a hole that is large enough to be kept.
    fn write(&mut self, at: &Path) -> io::Result<()> {
        let mut file = fs::File::create_new(at)?;
        match self.dice.below(6) {
            0 => Ok(()),
            1 => file.write_all(&self.bytes(70_000)),
            2 => {
                let bytes = self.bytes(4096);
                file.write_all_at(&bytes, 1 << 20)?;
                if self.dice.flip() {
                    file.write_all_at(&bytes, 0)
                } else {
                    file.set_len(2 << 20)
                }
            }
            _ => {
                let len = self.dice.below(40);
                file.write_all(&self.bytes(len))
            }
        }
    }

    fn file(&mut self) -> io::Result<PathBuf> {
        self.any(fs::Metadata::is_file)
    }

    fn rewrite(&mut self) -> io::Result<PathBuf> {
        let (at, len) = (self.file()?, self.dice.below(40));
        fs::write(&at, self.bytes(len))?;
        Ok(at)
    }

    fn append(&mut self) -> io::Result<PathBuf> {
        let at = self.file()?;
        fs::OpenOptions::new()
            .append(true)
            .open(&at)?
            .write_all(&self.bytes(9))?;
        Ok(at)
    }

    /// Makes a file much longer, or shorter where that leaves no small hole.
    fn truncate(&mut self) -> io::Result<PathBuf> {
        let at = self.file()?;
        let meta = fs::metadata(&at)?;
        let dense = meta.blocks() * 512 >= meta.len();
        let len = match self.dice.below(3) {
            0 => 0,
            1 if dense => self.dice.below(meta.len() as usize + 1) as u64,
            _ => meta.len() + (1 << 18),
        };
        fs::OpenOptions::new().write(true).open(&at)?.set_len(len)?;
        Ok(at)
    }

    /// Opens a file for writing, which an overlay copies up, and leaves it as it is.
    fn copy_up(&mut self) -> io::Result<PathBuf> {
        let at = self.file()?;
        fs::OpenOptions::new().append(true).open(&at)?;
        Ok(at)
    }

    fn metadata(&mut self) -> io::Result<PathBuf> {
        let at = self.any(|_| true)?;
        let is_link = fs::symlink_metadata(&at)?.is_symlink();
        match self.dice.below(9) {
            0 | 1 if !is_link => {
                let mode = *self
                    .dice
                    .one(&[0o644, 0o600, 0o755, 0o4711, 0o2770, 0o1777, 0o400]);
                fs::set_permissions(&at, fs::Permissions::from_mode(mode))?;
            }
            2 => chown(&at, self.dice.below(3) as u32, self.dice.below(3) as u32)?,
            3 => set_xattr(&at, "user.x", &self.bytes(3))?,
            4 => set_xattr(&at, "trusted.y", b"\0value")?,
            5 => set_xattr(
                &at,
                "system.posix_acl_access",
                &acl(&[self.dice.below(9) as u32]),
            )?,
            6 => set_xattr(
                &at,
                "system.posix_acl_default",
                &acl(&[self.dice.below(9) as u32]),
            )?,
            7 => {
                let capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
                set_xattr(&at, "security.capability", &capability)?;
            }
            _ => {
                let time = (
                    self.dice.below(2_000_000_000) as i64,
                    self.dice.below(1_000_000_000) as i64,
                );
                set_times(&at, time, time)?;
            }
        }
        Ok(at)
    }

    fn rename(&mut self) -> io::Result<PathBuf> {
        let from = if self.dice.flip() {
            self.any(fs::Metadata::is_dir)?
        } else {
            self.any(|_| true)?
        };
        let to = self.new_place();
        fs::rename(&from, &to)?;
        Ok(to)
    }

    fn remove(at: &Path) -> io::Result<()> {
        if fs::symlink_metadata(at)?.is_dir() {
            fs::remove_dir_all(at)
        } else {
            fs::remove_file(at)
        }
    }

    fn replace(&mut self) -> io::Result<PathBuf> {
        let at = self.any(|_| true)?;
        Self::remove(&at)?;
        self.create_at(&at)?;
        Ok(at)
    }

    /// Deletes a directory and makes it again, with some of the names that it had.
    fn recreate(&mut self) -> io::Result<PathBuf> {
        let at = self.any(fs::Metadata::is_dir)?;
        let mut names: Vec<_> = fs::read_dir(&at)?
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        fs::remove_dir_all(&at)?;
        fs::create_dir(&at)?;
        for name in names {
            if self.dice.flip() {
                self.create_at(&at.join(name))?;
            }
        }
        Ok(at)
    }

    fn link(&mut self) -> io::Result<PathBuf> {
        let (from, to) = (self.any(|meta| !meta.is_dir())?, self.new_place());
        fs::hard_link(from, &to)?;
        Ok(to)
    }
}
