//! Which extended attributes travel in archives.
//!
//! The SELinux label never does: the policy of the restoring host decides it. What overlay file systems keep their own
//! state in is a matter of where a tree comes from and goes to. In a volume, or in /dev/shm, it is data: an engine in the
//! container may have its storage there, whose deleted files would be back without it. In the changes of a root file
//! system it is the state of an overlay that is mounted, or of one that the container has made up: taken from an archive
//! it could make a directory opaque, redirect it elsewhere in a lower layer or pass off another file's content.

#![forbid(unsafe_code)]

use std::ffi::CString;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::NixPath as _;
use nix::errno::Errno;

use super::{Name, Node};
use crate::error::{Error, Result, quote};
use crate::sys;

/// Prefixes that overlay file systems keep their own state under. (Kernel overlayfs documentation; fuse-overlayfs.)
const OVERLAY_STATE: [&[u8]; 3] = [
    b"trusted.overlay.",
    b"user.overlay.",
    b"user.fuseoverlayfs.",
];

/// What becomes of the attributes that overlays keep their state in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum OverlayState {
    /// They stay where they are.
    #[default]
    LeftOut,
    /// They travel like all others.
    Kept,
}

/// Names and values.
pub(crate) type Xattrs = Vec<(CString, Vec<u8>)>;

/// Whether the attribute is an overlay's state.
pub(crate) fn is_overlay_state(name: &[u8]) -> bool {
    OVERLAY_STATE.iter().any(|prefix| name.starts_with(prefix))
}

/// Whether the attribute is stored into archives and taken from them.
pub(crate) fn travels(name: &[u8], overlay: OverlayState) -> bool {
    name != b"security.selinux" && (overlay == OverlayState::Kept || !is_overlay_state(name))
}

/// All attributes of an object that travel where an overlay's state doesn't, with their values, sorted by name.
pub(crate) fn travelling_xattrs(node: &Node) -> Result<Xattrs> {
    xattrs_of(node, OverlayState::LeftOut).map(|(found, _)| found)
}

/// Whether the object `name` in `directory` has no attribute that travels. False if that can't be told so quickly.
pub(crate) fn surely_lacks_travelling_xattrs(directory: impl AsFd, name: &Name) -> bool {
    /// A kernel that lacks the call isn't asked again.
    static IS_MISSING: AtomicBool = AtomicBool::new(false);
    if IS_MISSING.load(Ordering::Relaxed) {
        return false;
    }
    let mut names = [0; 256];
    let directory = directory.as_fd();
    let listed = name.with_nix_path(|name| sys::list_xattrs_at(directory, name, &mut names));
    match listed.and_then(|listed| listed) {
        Ok(len) => names[..len]
            .split(|&byte| byte == 0)
            .filter(|name| !name.is_empty())
            .all(|name| !travels(name, OverlayState::LeftOut)),
        Err(errno) => {
            if sys::is_missing(errno) {
                IS_MISSING.store(true, Ordering::Relaxed);
            }
            false
        }
    }
}

/// All attributes of an object that travel, with their values, sorted by name; and whether an overlay's state was left out.
pub(crate) fn xattrs_of(node: &Node, overlay: OverlayState) -> Result<(Xattrs, bool)> {
    let (mut found, mut left_out) = (Vec::new(), false);
    for name in node.xattr_names()? {
        if !travels(name.to_bytes(), overlay) {
            left_out |= is_overlay_state(name.to_bytes());
            continue;
        }
        match node.xattr(&name) {
            Ok(Some(value)) => found.push((name, value)),
            // Listed by the file system, but not for this type of object; or removed meanwhile.
            Ok(None) | Err(Errno::EOPNOTSUPP) => {}
            Err(errno) => {
                return Err(Error::system(
                    format!("getxattr {}", quote(name.to_bytes())),
                    errno,
                ));
            }
        }
    }
    Ok((found, left_out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_never_travel_and_overlay_state_where_it_is_data() {
        assert!(!travels(b"security.selinux", OverlayState::LeftOut));
        assert!(!travels(b"security.selinux", OverlayState::Kept));
        for name in [
            "trusted.overlay.opaque",
            "user.overlay.redirect",
            "user.fuseoverlayfs.opaque",
        ] {
            assert!(!travels(name.as_bytes(), OverlayState::LeftOut), "{name}");
            assert!(travels(name.as_bytes(), OverlayState::Kept), "{name}");
        }
        for name in [
            "security.capability",
            "trusted.overlays",
            "user.overlay",
            "system.posix_acl_access",
        ] {
            assert!(travels(name.as_bytes(), OverlayState::LeftOut), "{name}");
        }
    }
}
