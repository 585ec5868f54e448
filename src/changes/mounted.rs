//! Which directories an overlay has that is mounted.

#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::fs;
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::OFlag;

use super::OverlayXattrs;
use crate::error::{self, Called as _, Context as _, Error, Kind, Result, quote};
use crate::fs::{Identity, Place};
use crate::sys::mount_id;
use crate::system::mounts::{Mount, unescape};

/// What the options of an overlay tell, with absolute paths.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Mounted {
    /// The lower directories, the top one first.
    pub(super) lower: Vec<PathBuf>,
    /// None for an overlay that nobody can write to.
    pub(super) upper: Option<PathBuf>,
    pub(super) work: Option<PathBuf>,
    pub(super) xattrs: OverlayXattrs,
}

/// Mounts whose options don't tell what was changed.
#[derive(Debug, thiserror::Error)]
enum Untold {
    /// fuse-overlayfs, for one, says nothing of its directories.
    #[error("a file system of type {0} doesn't tell its directories")]
    OtherType(String),
    /// A file's data would be looked for where it isn't.
    #[error("the overlay has layers of data alone")]
    DataLayers,
}

impl error::Refusal for Untold {
    fn kind(&self) -> Kind {
        Kind::Unsupported
    }
}

impl Mounted {
    /// The overlay that is mounted at a place.
    pub(super) fn at_ambient(mount_point: Place<'_>) -> Result<Self> {
        mount_point.check_given("mount_point")?;
        Self::found_at(mount_point).context(|| mount_point.named("mount_point"))
    }

    fn found_at(mount_point: Place<'_>) -> Result<Self> {
        let directory = mount_point.open_unnamed_directory_ambient()?;
        let id = mount_id(directory.as_fd()).called(|| "statx")?;
        let above = Place::at(directory.as_fd(), Path::new(".."));
        let above = above.open_unnamed_ambient(OFlag::O_PATH)?;
        let table = fs::read("/proc/self/mountinfo").called(|| "read /proc/self/mountinfo")?;
        let not_mounted = || Error::new(Kind::Argument, "no whole file system is mounted there");
        let mount = Mount::all(&table)
            .find(|mount| mount.id == id)
            .ok_or_else(not_mounted)?;
        // The root directory is its own parent.
        let is_top = mount_id(above.as_fd()).called(|| "statx")? != id
            || Identity::of(&above)? == Identity::of(&directory)?;
        if !is_top || mount.root != b"/" {
            return Err(not_mounted());
        }
        if mount.kind != b"overlay" {
            return Err(Untold::OtherType(quote(mount.kind)).into());
        }
        Self::parse(mount.options)?.below_one_base(&mount.point())
    }

    /// What the options of an overlay tell, with paths as they are there.
    fn parse(options: &[u8]) -> Result<Self> {
        let mut mounted = Self {
            xattrs: OverlayXattrs::Trusted,
            ..Self::default()
        };
        for option in options.split(|&byte| byte == b',') {
            let mut parts = option.splitn(2, |&byte| byte == b'=');
            let key = parts.next().unwrap_or_default();
            let value = unescape(parts.next().unwrap_or_default());
            match key {
                b"lowerdir" => mounted.lower.extend(split_lower(&value)),
                b"lowerdir+" => mounted.lower.push(path(value)),
                b"upperdir" => mounted.upper = Some(path(value)),
                b"workdir" => mounted.work = Some(path(value)),
                b"userxattr" => mounted.xattrs = OverlayXattrs::User,
                b"datadir+" => return Err(Untold::DataLayers.into()),
                _ => {}
            }
        }
        // Two colons stand before a layer of data alone.
        if mounted
            .lower
            .iter()
            .any(|lower| lower.as_os_str().is_empty())
        {
            return Err(Untold::DataLayers.into());
        }
        Ok(mounted)
    }

    /// Makes the paths absolute. An engine whose options would be too long mounts with paths that start at its storage
    /// directory, which is above the mount point: the nearest directory below which all of them are there.
    fn below_one_base(self, point: &Path) -> Result<Self> {
        let found = |base: &&Path| {
            let mut all = self.lower.iter().chain(&self.upper).chain(&self.work);
            all.all(|path| base.join(path).is_dir())
        };
        let above = point.parent().unwrap_or(point);
        let Some(base) = above.ancestors().find(found) else {
            return Err(Error::system(
                "find the overlay's directories",
                Errno::ENOENT,
            ));
        };
        let absolute = |path: PathBuf| base.join(path);
        Ok(Self {
            lower: self.lower.into_iter().map(absolute).collect(),
            upper: self.upper.map(absolute),
            work: self.work.map(absolute),
            xattrs: self.xattrs,
        })
    }
}

fn path(bytes: Vec<u8>) -> PathBuf {
    PathBuf::from(OsString::from_vec(bytes))
}

/// The directories of the option `lowerdir`: colons are between them, and a backslash stands before a colon, or a
/// backslash, that belongs to a name.
fn split_lower(value: &[u8]) -> Vec<PathBuf> {
    let mut directories = Vec::new();
    let mut directory = Vec::new();
    let mut bytes = value.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'\\' => directory.extend(bytes.next()),
            b':' => directories.push(path(std::mem::take(&mut directory))),
            _ => directory.push(byte),
        }
    }
    directories.push(path(directory));
    directories
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(options: &str) -> Result<Mounted> {
        Mounted::parse(options.as_bytes())
    }

    fn mounted(lower: &[&str], upper: &str, work: &str, xattrs: OverlayXattrs) -> Mounted {
        Mounted {
            lower: lower.iter().map(PathBuf::from).collect(),
            upper: Some(upper.into()),
            work: Some(work.into()),
            xattrs,
        }
    }

    #[test]
    fn options_tell_the_directories_of_an_overlay() {
        let options = r"rw,lowerdir=/a\134:b:/c\040d,upperdir=/u\054v,workdir=/w,userxattr";
        let expected = mounted(&["/a:b", "/c d"], "/u,v", "/w", OverlayXattrs::User);
        assert_eq!(told(options).unwrap(), expected);
        let options = "rw,lowerdir+=/a,lowerdir+=/b:c,upperdir=U/diff,workdir=U/work,index=on";
        let expected = mounted(&["/a", "/b:c"], "U/diff", "U/work", OverlayXattrs::Trusted);
        assert_eq!(told(options).unwrap(), expected);
        assert_eq!(told("ro,lowerdir=/a:/b").unwrap().upper, None);
    }

    #[test]
    fn layers_of_data_alone_are_refused() {
        for options in [
            "rw,lowerdir=/a::/b,upperdir=/u,workdir=/w",
            "rw,lowerdir+=/a,datadir+=/b,upperdir=/u,workdir=/w",
        ] {
            assert_eq!(told(options).unwrap_err().kind(), Kind::Unsupported);
        }
    }
}
