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
    name != b"security.selinux"
        && !OVERLAY_INTERNAL
            .iter()
            .any(|prefix| name.starts_with(prefix))
}

/// All attributes of an object that travel, with their values, sorted by name.
pub(crate) fn travelling_xattrs(node: &Node) -> Result<Vec<(CString, Vec<u8>)>> {
    let mut found = Vec::new();
    for name in node
        .xattr_names()?
        .into_iter()
        .filter(|name| travels(name.to_bytes()))
    {
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
    Ok(found)
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
