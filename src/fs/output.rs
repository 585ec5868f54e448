//! A file that appears under its name only when it is complete.

#![forbid(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat, renameat};
use nix::sys::stat::{Mode, fchmod};
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::temporary::with_temporary_name;
use super::{Identity, Name, check_close};
use crate::error::{Called as _, Error, Result};
use crate::sys::link_descriptor;

/// How much of a name its temporary one begins with, in bytes: together they fit the 255 that file systems have.
const SHOWN: usize = 200;
/// What it begins with where that is too long.
const SHORT: &[u8] = b"crutils";
/// What is under way is for its owner only.
pub(super) const PRIVATE: Mode = Mode::S_IRUSR.union(Mode::S_IWUSR);

/// A file under way to `name` in a directory: mode 0600 from the start, unnamed until it is published where the file
/// system can do that, under a temporary name otherwise. Dropped without being published, it leaves nothing behind.
pub(crate) struct Output {
    directory: OwnedFd,
    name: Name,
    file: File,
    temporary: Option<Name>,
}

impl Output {
    /// Starts a file that will be called `name` in `directory`.
    pub(crate) fn create(directory: impl AsFd, name: &Name) -> Result<Self> {
        let directory = directory.as_fd().try_clone_to_owned().called(|| "dup")?;
        let unnamed = create_unnamed(&directory, OFlag::empty())
            .called(|| format!("create {}", name.quoted()))?;
        let (file, temporary) = match unnamed {
            Some(file) => (file, None),
            None => {
                let (file, name) = create_named(&directory, name)?;
                (file, Some(name))
            }
        };
        let output = Self {
            directory,
            name: name.clone(),
            file,
            temporary,
        };
        // The umask may have taken more away than it should.
        fchmod(&output.file, PRIVATE).called(|| "fchmod")?;
        Ok(output)
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Gives the file another name to be published under.
    pub(crate) fn rename(&mut self, name: &Name) {
        self.name = name.clone();
    }

    /// The directory that it will be in.
    pub(crate) fn directory(&self) -> &OwnedFd {
        &self.directory
    }

    /// The file, which a walk through the directory may meet under its temporary name.
    pub(crate) fn identity(&self) -> Result<Identity> {
        Identity::of(&self.file)
    }

    /// Gives the file its name, in place of whatever file or symlink had it.
    pub(crate) fn publish(mut self) -> Result<()> {
        match self.give_name() {
            Ok(()) => {
                self.temporary = None;
                Ok(())
            }
            Err(error) => Err(self.abandon(error)),
        }
    }

    /// Leaves nothing behind, or says in the error for which it is abandoned that the file stays: in a directory that
    /// names can only be added to, for one.
    pub(crate) fn abandon(mut self, error: Error) -> Error {
        let Some(temporary) = self.temporary.take() else {
            return error;
        };
        match unlinkat(&self.directory, &temporary, UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => error,
            Err(errno) => {
                let name = temporary.quoted();
                error.context(format!("{name} stays and can't be removed ({errno:?})"))
            }
        }
    }

    fn give_name(&mut self) -> Result<()> {
        check_close(&self.file)?;
        if self.temporary.is_none() {
            let link =
                |name: &Name| link_descriptor(self.file.as_fd(), self.directory.as_fd(), name);
            match link(&self.name) {
                Err(Errno::EEXIST) => {}
                result => return result.called(|| format!("link {}", self.name.quoted())),
            }
            let ((), name) = with_name_of(&self.name, link)?;
            self.temporary = Some(name);
        }
        match &self.temporary {
            Some(temporary) => renameat(&self.directory, temporary, &self.directory, &self.name)
                .called(|| format!("rename to {}", self.name.quoted())),
            None => Ok(()),
        }
    }

    /// Publishes the file so that it outlasts a crash of the system: its content is on the disk before it gets its name,
    /// and the name is before this returns. If the content doesn't get there, nothing is published; if only the
    /// directory's change doesn't, the file is there with its name, and that is an error all the same.
    pub(crate) fn publish_synced(self) -> Result<()> {
        self.publish_after(File::sync_all)
    }

    fn publish_after(self, sync: impl Fn(&File) -> io::Result<()>) -> Result<()> {
        let name = self.name.clone();
        // Opened while nothing is published yet: a directory that may be written needn't be readable.
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let directory = openat(&self.directory, ".", flags, Mode::empty())
            .called(|| format!("open the directory of {}", name.quoted()))?;
        sync(&self.file).called(|| format!("fsync {}", name.quoted()))?;
        self.publish()?;
        sync(&File::from(directory)).called(|| format!("fsync the directory of {}", name.quoted()))
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            // Nobody is left to tell; at worst a file with a telling name stays.
            let _ = unlinkat(&self.directory, temporary, UnlinkatFlags::NoRemoveDir);
        }
    }
}

/// Makes a file without a name in `directory`, private, for reading and writing; `flags` are further ones. `None` where
/// there are no such files.
pub(super) fn create_unnamed(directory: impl AsFd, flags: OFlag) -> Result<Option<File>, Errno> {
    let flags = flags | OFlag::O_TMPFILE | OFlag::O_RDWR | OFlag::O_CLOEXEC;
    match openat(directory, ".", flags, PRIVATE) {
        Ok(fd) => Ok(Some(File::from(fd))),
        // What file systems and kernels without unnamed files answer.
        Err(Errno::EOPNOTSUPP | Errno::EISDIR | Errno::ENOENT | Errno::EINVAL) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// Makes a file in `directory`, private, for reading and writing, under a temporary name that tells of `name`.
pub(super) fn create_named(directory: impl AsFd, name: &Name) -> Result<(File, Name)> {
    let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW;
    let (fd, name) = with_name_of(name, |candidate| {
        let flags = flags | OFlag::O_RDWR | OFlag::O_CLOEXEC;
        openat(&directory, candidate, flags, PRIVATE)
    })?;
    Ok((File::from(fd), name))
}

/// Calls `make` with temporary names that tell of `name`, until one is free.
fn with_name_of<T>(name: &Name, make: impl Fn(&Name) -> Result<T, Errno>) -> Result<(T, Name)> {
    let with = |shown: &[u8]| {
        let call = |candidate: &Name| format!("create {}", candidate.quoted());
        with_temporary_name(&[b".", shown, b"."].concat(), call, &make)
    };
    match with(beginning(name)) {
        // Some file systems take less than the usual length.
        Err(error) if error.is(Errno::ENAMETOOLONG) => with(SHORT),
        result => result,
    }
}

/// As much of a name as leaves room for what makes it a temporary one, whole characters if it is text.
fn beginning(name: &Name) -> &[u8] {
    let bytes = name.bytes();
    if bytes.len() <= SHOWN {
        return bytes;
    }
    let cut = str::from_utf8(bytes).map_or(SHOWN, |text| {
        let is_boundary = |at: &usize| text.is_char_boundary(*at);
        (0..=SHOWN).rev().find(is_boundary).unwrap_or(0)
    });
    bytes.get(..cut).unwrap_or(SHORT)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::io::Write as _;
    use std::path::Path;

    use super::*;
    use crate::fs::testing::Scratch;

    fn output(scratch: &Scratch) -> Output {
        let output = Output::create(scratch.directory(), &Name::new(b"name").unwrap()).unwrap();
        output.file().write_all(b"new").unwrap();
        output
    }

    fn content(path: &Path) -> String {
        std::fs::read_to_string(path).unwrap()
    }

    #[test]
    fn what_is_synced_is_published() {
        let scratch = Scratch::new();
        std::fs::write(scratch.join("name"), "old").unwrap();
        output(&scratch).publish_synced().unwrap();
        assert_eq!(content(&scratch.join("name")), "new");
        assert_eq!(scratch.names(), ["name"]);
    }

    #[test]
    fn the_content_is_synced_before_the_name_and_the_directory_after_it() {
        let scratch = Scratch::new();
        std::fs::write(scratch.join("name"), "old").unwrap();
        let syncs = RefCell::new(Vec::new());
        let sync = |file: &File| {
            let is_directory = file.metadata()?.is_dir();
            let content = content(&scratch.join("name"));
            syncs.borrow_mut().push((is_directory, content));
            Ok(())
        };
        output(&scratch).publish_after(sync).unwrap();
        let expected = [(false, "old".to_owned()), (true, "new".to_owned())];
        assert_eq!(syncs.into_inner(), expected);
    }

    #[test]
    fn what_cannot_be_synced_is_not_published() {
        let scratch = Scratch::new();
        let sync = |_: &File| Err(io::Error::from_raw_os_error(libc::EIO));
        let error = output(&scratch).publish_after(sync).unwrap_err();
        assert_eq!(error.errno(), libc::EIO);
        assert!(error.to_string().starts_with("fsync \"name\""), "{error}");
        assert_eq!(scratch.names(), [""; 0]);
    }

    #[test]
    fn a_name_that_may_not_last_is_an_error() {
        let scratch = Scratch::new();
        let sync = |file: &File| match file.metadata()?.is_dir() {
            true => Err(io::Error::from_raw_os_error(libc::EIO)),
            false => Ok(()),
        };
        let error = output(&scratch).publish_after(sync).unwrap_err();
        assert_eq!(error.errno(), libc::EIO);
        assert_eq!(content(&scratch.join("name")), "new");
        assert_eq!(scratch.names(), ["name"]);
    }
}
