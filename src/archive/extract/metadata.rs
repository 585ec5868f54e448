//! Owner, mode, xattrs and times of what was made.
//!
//! The order matters. The owner comes first, since changing it clears setuid, setgid and file capabilities; the mode
//! after it; then xattrs, among them the ACL, whose mask the group bits of the mode already agree with; times last,
//! since everything before may touch them.

#![forbid(unsafe_code)]

use std::ffi::{CStr, CString};

use nix::errno::Errno;
use nix::sys::stat::SFlag;

use super::{Extraction, Refusal, UnsettableXattrs};
use crate::error::{Error, Result, quote};
use crate::fs::{
    ACCESS_ACL, DEFAULT_ACL, Node, Owner, RootPath, file_type, is_overlay_state,
    strip_inherited_acl, travels,
};
use crate::sys::Timestamp;
use crate::tar::{Member, Time};
use crate::watch::{WarningKind, Watch};

/// The bits without which a directory's owner can't work in it.
const OWNER_ALL: u32 = 0o700;
const OWNER_WRITE: u32 = 0o200;
const SET_ID_BITS: u32 = 0o6000;

/// The ACLs of directories wait for the end: a default ACL would be handed down to what is made in the directory, and
/// an access ACL may lock an unprivileged owner out.
pub(super) const DEFERRED: [&CStr; 2] = [ACCESS_ACL, DEFAULT_ACL];

/// Where the object that a member describes comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Provenance {
    /// Made for this member, in a directory that hands down ACLs or doesn't.
    Created {
        /// Whether it does.
        inherits_acl: bool,
    },
    /// A symlink made for this member: no mode, no ACL.
    Symlink,
    /// A directory that was there before and keeps its content.
    Merged,
    /// A hard link to something that was there before.
    Linked,
    /// A hard link to a symlink: no mode, and it keeps its times.
    LinkedSymlink,
}

impl Extraction<'_> {
    /// Gives an object the attributes of its member.
    pub(super) fn describe(&self, node: &Node, member: &Member, origin: Provenance) -> Result<()> {
        self.describe_made(node, node.owner()?, member, origin)
    }

    /// The same for an object that belongs to `owner`.
    pub(super) fn describe_made(
        &self,
        node: &Node,
        owner: Owner,
        member: &Member,
        origin: Provenance,
    ) -> Result<()> {
        self.set_owner(node, owner, member)?;
        if origin == (Provenance::Created { inherits_acl: true }) {
            strip_inherited_acl(node, &own_acls(member))?;
        }
        if matches!(origin, Provenance::Symlink | Provenance::LinkedSymlink) {
            self.set_xattrs(node, member, |_| true)?;
        } else {
            self.set_mode_and_xattrs(node, member)?;
        }
        if origin == Provenance::LinkedSymlink {
            return Ok(());
        }
        let (accessed, modified) = times(member);
        node.set_times(accessed, modified)
    }

    /// Gives a directory the attributes that members to come can't disturb or be disturbed by, and remembers the
    /// rest for the end.
    pub(super) fn describe_directory(
        &mut self,
        node: &Node,
        member: &Member,
        path: RootPath,
        origin: Provenance,
    ) -> Result<()> {
        self.set_owner(node, node.owner()?, member)?;
        if origin == (Provenance::Created { inherits_acl: true }) {
            strip_inherited_acl(node, &[])?;
        }
        if origin == Provenance::Merged && member.xattrs_complete {
            self.remove_other_xattrs(node, member)?;
        }
        node.set_mode(member.mode | OWNER_ALL)?;
        let deferred = |name: &[u8]| DEFERRED.iter().any(|acl| acl.to_bytes() == name);
        self.set_xattrs(node, member, |name| !deferred(name))?;
        self.directories.remember(path, member)
    }

    fn set_owner(&self, node: &Node, has: Owner, member: &Member) -> Result<()> {
        if self.policy.terms.rules.ignore_ownership {
            return Ok(());
        }
        node.set_owner(has, (member.uid, member.gid))
            .map_err(|error| {
                if self.user_namespace && error.is(Errno::EINVAL) {
                    error.context("the id isn't mapped in this user namespace (see subuid(5))")
                } else {
                    error
                }
            })
    }

    /// Without CAP_DAC_OVERRIDE only who may write to a file may set its user.* attributes, the owner included.
    fn set_mode_and_xattrs(&self, node: &Node, member: &Member) -> Result<()> {
        let read_only = member.mode & OWNER_WRITE == 0 && !member.xattrs.is_empty();
        if self.user_namespace && read_only {
            node.set_mode(member.mode | OWNER_WRITE)?;
            self.set_xattrs(node, member, |_| true)?;
            node.set_mode(member.mode)?;
        } else {
            node.set_mode(member.mode)?;
            self.set_xattrs(node, member, |_| true)?;
        }
        keep_set_id(node, member.mode)
    }

    fn set_xattrs(
        &self,
        node: &Node,
        member: &Member,
        wanted: impl Fn(&[u8]) -> bool,
    ) -> Result<()> {
        let overlay = self.policy.terms.rules.overlay_state;
        let setting = self.xattr_setting();
        for xattr in member.xattrs.iter().filter(|xattr| wanted(&xattr.name)) {
            if !travels(&xattr.name, overlay) {
                if is_overlay_state(&xattr.name) {
                    setting.warn(&member.path, &xattr.name, "is an overlay's own state");
                }
                continue;
            }
            let name = CString::new(xattr.name.as_slice())
                .ok()
                .filter(|name| !name.is_empty())
                .ok_or(Refusal::XattrName)?;
            setting.set(node, &member.path, &name, &xattr.value)?;
        }
        Ok(())
    }

    fn xattr_setting(&self) -> XattrSetting<'_> {
        XattrSetting {
            unsettable: self.policy.terms.rules.unsettable_xattrs,
            user_namespace: self.user_namespace,
            watch: self.policy.terms.watch,
        }
    }

    /// Removes from a directory that was there before what its member, which lists all, doesn't have.
    fn remove_other_xattrs(&self, node: &Node, member: &Member) -> Result<()> {
        for name in node.xattr_names()? {
            let bytes = name.to_bytes();
            let listed = member.xattrs.iter().any(|xattr| xattr.name == bytes);
            if listed || !travels(bytes, self.policy.terms.rules.overlay_state) {
                continue;
            }
            match node.remove_xattr(&name) {
                Ok(()) | Err(Errno::ENODATA | Errno::EOPNOTSUPP) => {}
                Err(Errno::EPERM) if self.user_namespace => {}
                Err(errno) => {
                    return Err(Error::system(
                        format!("removexattr {}", quote(bytes)),
                        errno,
                    ));
                }
            }
        }
        Ok(())
    }
}

/// Makes sure that setuid and setgid are set if `mode` has them: without CAP_FSETID the kernel drops setgid of a
/// foreign group, when the mode is set and when an ACL is, and reports success.
pub(super) fn keep_set_id(node: &Node, mode: u32) -> Result<()> {
    let wanted = mode & SET_ID_BITS;
    let is_kept = || -> Result<bool> { Ok(node.stat()?.st_mode & SET_ID_BITS == wanted) };
    if wanted == 0 || is_kept()? {
        return Ok(());
    }
    node.set_mode(mode)?;
    if is_kept()? {
        Ok(())
    } else {
        Err(Error::system(format!("chmod to {mode:04o}"), Errno::EPERM))
    }
}

/// How attributes are set, and what becomes of those that can't be.
pub(super) struct XattrSetting<'s> {
    pub(super) unsettable: UnsettableXattrs,
    pub(super) user_namespace: bool,
    pub(super) watch: &'s Watch,
}

impl XattrSetting<'_> {
    /// Sets an attribute of `member`, as it is called in the archive.
    pub(super) fn set(&self, node: &Node, member: &[u8], name: &CStr, value: &[u8]) -> Result<()> {
        let Err(errno) = node.set_xattr(name, value) else {
            return Ok(());
        };
        let unsupported = match errno {
            Errno::EOPNOTSUPP => Some("isn't supported by the file system"),
            Errno::EPERM | Errno::EACCES if is_of_another_type(node, name)? => {
                Some("isn't supported for this type of object")
            }
            Errno::EPERM if self.user_namespace => Some("is refused by the kernel"),
            _ => None,
        };
        let tolerable = [
            Errno::EPERM,
            Errno::EACCES,
            Errno::EINVAL,
            Errno::ENOSPC,
            Errno::E2BIG,
            Errno::ERANGE,
        ];
        match (self.unsettable, unsupported) {
            (UnsettableXattrs::SkipUnsupported | UnsettableXattrs::SkipAll, Some(why)) => {
                self.warn(member, name.to_bytes(), why);
                Ok(())
            }
            (UnsettableXattrs::SkipAll, None) if tolerable.contains(&errno) => {
                self.warn(member, name.to_bytes(), &format!("can't be set ({errno})"));
                Ok(())
            }
            _ => Err(failed(name, value.len(), errno)),
        }
    }

    /// Tells that an attribute of a member is left out.
    fn warn(&self, member: &[u8], name: &[u8], why: &str) {
        let message = format!("the xattr {} {why}: left out", quote(name));
        self.watch.warn(WarningKind::Xattr, member, &message);
    }
}

/// Whether the attribute is one that the kernel lets only other types of objects have (xattr(7), acl(5)): `user.*` is for
/// regular files and directories, a default ACL for directories.
fn is_of_another_type(node: &Node, name: &CStr) -> Result<bool> {
    let kind = file_type(&node.stat()?);
    Ok(if name == DEFAULT_ACL {
        kind != SFlag::S_IFDIR
    } else {
        let can_have = matches!(kind, SFlag::S_IFREG | SFlag::S_IFDIR);
        !can_have && name.to_bytes().starts_with(b"user.")
    })
}

/// "No space left on device" is also what a file system says that has no room for a single attribute of this size.
fn failed(name: &CStr, size: usize, errno: Errno) -> Error {
    let call = format!("setxattr {}", quote(name.to_bytes()));
    Error::system(
        match errno {
            Errno::ENOSPC => format!(
                "{call}: the file system has no room for an attribute of this size ({size} bytes)"
            ),
            _ => call,
        },
        errno,
    )
}

/// The ACLs that the member brings itself.
fn own_acls(member: &Member) -> Vec<&'static CStr> {
    let brings = |acl: &&CStr| {
        member
            .xattrs
            .iter()
            .any(|xattr| xattr.name == acl.to_bytes())
    };
    [ACCESS_ACL, DEFAULT_ACL]
        .into_iter()
        .filter(brings)
        .collect()
}

/// Access and modification time: without one of its own, or with one before the modification, the access time is
/// the modification time.
pub(super) fn times(member: &Member) -> (Timestamp, Timestamp) {
    let accessed = member
        .atime
        .filter(|&atime| atime >= member.mtime)
        .unwrap_or(member.mtime);
    (timestamp(accessed), timestamp(member.mtime))
}

fn timestamp(time: Time) -> Timestamp {
    Timestamp {
        tv_sec: time.seconds,
        tv_nsec: time.nanoseconds.into(),
    }
}
