//! What a layer of an overlay says beside its objects: whiteouts, opaque directories, redirects, metacopy.
//!
//! Sources: the kernel's Documentation/filesystems/overlayfs.rst, and fuse-overlayfs' manual page.

#![forbid(unsafe_code)]

use std::ffi::{CStr, CString};
use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::sys::stat::{FileStat, SFlag};

use crate::error::{Error, Result, quote};
use crate::fs::{Name, Node, file_type};

/// In which xattrs an overlay keeps its state. The numbers are those of the C ABI (`CR_OVERLAY_*`).
///
/// It matters that these are the right ones: a container can set the others itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u32)]
pub enum OverlayXattrs {
    /// `User` in a user namespace, else `Trusted`.
    #[default]
    Auto = 1,
    /// `trusted.overlay.*`: the kernel's overlay.
    Trusted = 2,
    /// `user.overlay.*`: the kernel's overlay, mounted with `userxattr`.
    User = 3,
    /// Those of fuse-overlayfs, which uses `user.fuseoverlayfs.*` beside both, and files that begin with `.wh.`.
    Fuse = 4,
}

const TRUSTED: &str = "trusted.overlay.";
const USER: &str = "user.overlay.";
const FUSE: &str = "user.fuseoverlayfs.";

/// What the names of fuse-overlayfs' own files begin with.
const HIDDEN: &[u8] = b".wh.";
/// The file that makes its directory opaque for fuse-overlayfs.
const OPAQUE_FILE: &[u8] = b".wh..wh..opq";

/// Reads an overlay's markers.
#[derive(Clone, Copy, Debug)]
pub(in crate::changes) struct Markers {
    prefixes: &'static [&'static str],
    files: bool,
}

impl Markers {
    pub(in crate::changes) fn new(xattrs: OverlayXattrs, in_user_namespace: bool) -> Self {
        let prefixes: &[&str] = match xattrs {
            OverlayXattrs::Auto if in_user_namespace => &[USER],
            OverlayXattrs::Auto | OverlayXattrs::Trusted => &[TRUSTED],
            OverlayXattrs::User => &[USER],
            OverlayXattrs::Fuse => &[TRUSTED, USER, FUSE],
        };
        Self {
            prefixes,
            files: xattrs == OverlayXattrs::Fuse,
        }
    }

    /// Whether the object hides what the layers below have under its name, and isn't there itself: a character device
    /// 0:0, or an empty file that says so.
    pub(super) fn is_whiteout(self, node: &Node, stat: &FileStat) -> Result<bool> {
        match file_type(stat) {
            SFlag::S_IFCHR => Ok(stat.st_rdev == 0),
            SFlag::S_IFREG if stat.st_size == 0 => Ok(self.get(node, "whiteout")?.is_some()),
            _ => Ok(false),
        }
    }

    /// Whether a file beside it hides what the layers below have under this name.
    pub(super) fn is_hidden_by_file(self, directory: impl AsFd, name: &Name) -> Result<bool> {
        if !self.files {
            return Ok(false);
        }
        let hiding = [HIDDEN, name.bytes()].concat();
        match Name::new(&hiding) {
            Some(hiding) => exists(directory, &hiding),
            None => Ok(false),
        }
    }

    /// The name of the object that a file of this name is, or hides; nothing for other markers.
    pub(super) fn subject(self, name: Name) -> Option<Name> {
        match name.bytes().strip_prefix(HIDDEN) {
            Some(hidden) if self.files && !hidden.starts_with(HIDDEN) => Name::new(hidden),
            Some(_) if self.files => None,
            _ => Some(name),
        }
    }

    /// Whether nothing of the layers below is seen in the directory. ("x" says that there are whiteouts as xattrs in it.)
    pub(super) fn is_opaque(self, directory: &Node) -> Result<bool> {
        if self.get(directory, "opaque")?.as_deref() == Some(b"y") {
            return Ok(true);
        }
        match Name::new(OPAQUE_FILE) {
            Some(file) if self.files => exists(directory, &file),
            _ => Ok(false),
        }
    }

    /// Where the layers below have the object, if not under its name.
    pub(super) fn redirect(self, node: &Node) -> Result<Option<Vec<u8>>> {
        self.get(node, "redirect")
    }

    /// Whether the regular file has its data in a layer below.
    pub(super) fn is_metacopy(self, node: &Node) -> Result<bool> {
        Ok(self.get(node, "metacopy")?.is_some())
    }

    /// The handle of the lower file that an upper one in the overlay's index was copied from; other names of that lower
    /// file then stand for the upper one.
    pub(super) fn indexed_origin(self, node: &Node) -> Result<Option<Vec<u8>>> {
        if self.get(node, "nlink")?.is_none() {
            return Ok(None);
        }
        self.get(node, "origin")
    }

    fn get(self, node: &Node, what: &str) -> Result<Option<Vec<u8>>> {
        for prefix in self.prefixes {
            let name = CString::new(format!("{prefix}{what}")).unwrap_or_default();
            if let Some(value) = get(node, &name)? {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }
}

fn get(node: &Node, name: &CStr) -> Result<Option<Vec<u8>>> {
    match node.xattr(name) {
        // No such attributes on this file system, or on this type of object.
        Err(Errno::EOPNOTSUPP | Errno::EPERM) => Ok(None),
        result => result
            .map_err(|errno| Error::system(format!("getxattr {}", quote(name.to_bytes())), errno)),
    }
}

fn exists(directory: impl AsFd, name: &Name) -> Result<bool> {
    match Node::find_at(directory, name) {
        // A name that is too long with its prefix is nobody's.
        Err(error) if error.is(Errno::ENAMETOOLONG) => Ok(false),
        result => Ok(result?.is_some()),
    }
}
