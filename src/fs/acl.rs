//! POSIX ACLs, as far as directories hand them down to what is created in them.

#![forbid(unsafe_code)]

use std::ffi::CStr;
use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;

use super::node::{Node, is_directory};
use crate::error::{Error, Result};

/// The access ACL of an object, in the kernel's binary form.
pub(crate) const ACCESS_ACL: &CStr = c"system.posix_acl_access";
/// The ACL that a directory hands down.
pub(crate) const DEFAULT_ACL: &CStr = c"system.posix_acl_default";

/// Whether the directory has a default ACL.
pub(crate) fn has_default_acl(directory: impl AsFd) -> Result<bool> {
    let node = open_for_xattrs(directory)?;
    match node.xattr(DEFAULT_ACL) {
        Ok(acl) => Ok(acl.is_some()),
        Err(Errno::EOPNOTSUPP) => Ok(false),
        Err(errno) => Err(Error::system("getxattr system.posix_acl_default", errno)),
    }
}

/// A descriptor that the xattr calls take directly, or the O_PATH one where reading isn't allowed.
fn open_for_xattrs(directory: impl AsFd) -> Result<Node> {
    let open = |flags| openat(&directory, ".", flags | OFlag::O_CLOEXEC, Mode::empty());
    match open(OFlag::O_RDONLY | OFlag::O_DIRECTORY) {
        Ok(fd) => Ok(Node::from_open(fd)),
        Err(Errno::EACCES) => open(OFlag::O_PATH | OFlag::O_DIRECTORY)
            .map(Node::from_path_only)
            .map_err(|errno| Error::system("open directory", errno)),
        Err(errno) => Err(Error::system("open directory", errno)),
    }
}

/// Removes the ACLs that a new object took over from its directory, but for those in `own`, its own to come.
pub(crate) fn strip_inherited_acl(node: &Node, own: &[&CStr]) -> Result<()> {
    let directory = is_directory(&node.stat()?);
    let default = directory.then_some(DEFAULT_ACL);
    for name in [ACCESS_ACL]
        .into_iter()
        .chain(default)
        .filter(|name| !own.contains(name))
    {
        match node.remove_xattr(name) {
            Ok(()) | Err(Errno::ENODATA | Errno::EOPNOTSUPP) => {}
            Err(errno) => {
                return Err(Error::system(
                    format!("removexattr {}", name.to_string_lossy()),
                    errno,
                ));
            }
        }
    }
    Ok(())
}
