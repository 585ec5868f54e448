//! Which extended attributes travel in archives.

#![forbid(unsafe_code)]

use std::ffi::CString;

use nix::errno::Errno;

use super::Node;
use crate::error::{Error, Result, quote};

/// Prefixes that overlay file systems keep their own state under. Taken from an archive they could make a directory
/// opaque, redirect it elsewhere in a lower layer or pass off another file's content; stored in one they would mean
/// nothing elsewhere. (Kernel overlayfs documentation; fuse-overlayfs.)
const OVERLAY_INTERNAL: [&[u8]; 3] = [
    b"trusted.overlay.",
    b"user.overlay.",
    b"user.fuseoverlayfs.",
];

/// Whether the attribute is stored into archives and taken from them: all but the SELinux label, which the policy of
/// the restoring host decides, and the overlay's own state.
pub(crate) fn travels(name: &[u8]) -> bool {
    name != b"security.selinux" && !is_overlay_state(name)
}

fn is_overlay_state(name: &[u8]) -> bool {
    OVERLAY_INTERNAL
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

/// What becomes of the attributes that overlays keep their state in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum OverlayXattrs {
    /// They stay where they are: what they say belongs to the overlay that the tree is shown by, or goes to.
    #[default]
    LeftOut,
    /// They are data like any other: the tree is a directory of its own, and some overlay's storage is in it.
    Kept,
}

/// Names and values.
pub(crate) type Xattrs = Vec<(CString, Vec<u8>)>;

/// All attributes of an object that travel, with their values, sorted by name.
pub(crate) fn travelling_xattrs(node: &Node) -> Result<Xattrs> {
    xattrs_of(node, OverlayXattrs::LeftOut).map(|(found, _)| found)
}

/// The same, with those of overlays if they are kept, and whether any of them were left out.
pub(crate) fn xattrs_of(node: &Node, overlay: OverlayXattrs) -> Result<(Xattrs, bool)> {
    let (mut found, mut left_out) = (Vec::new(), false);
    for name in node.xattr_names()? {
        let of_overlay = is_overlay_state(name.to_bytes());
        let kept = of_overlay && overlay == OverlayXattrs::Kept;
        if !kept && !travels(name.to_bytes()) {
            left_out |= of_overlay;
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
    use super::travels;

    #[test]
    fn labels_and_overlay_state_stay_where_they_are() {
        for name in [
            "security.selinux",
            "trusted.overlay.opaque",
            "user.overlay.redirect",
        ] {
            assert!(!travels(name.as_bytes()), "{name}");
        }
        for name in [
            "security.capability",
            "trusted.overlays",
            "user.overlay",
            "system.posix_acl_access",
        ] {
            assert!(travels(name.as_bytes()), "{name}");
        }
    }
}
