//! `CRChange`, and what becomes of it.

use std::ffi::{OsStr, c_char};
use std::os::unix::ffi::OsStrExt;

use super::argument;
use crate::changes::{Change, ChangeKind};
use crate::error::{Error, Result};

/// The object was there before, and its content, metadata or type is now another.
pub const CR_CHANGE_MODIFY: u32 = 0;
/// The object is new.
pub const CR_CHANGE_ADD: u32 = 1;
/// The object is gone. A directory that was deleted and made again is deleted, and its
/// new content added.
pub const CR_CHANGE_DELETE: u32 = 2;

const _: () = assert!(CR_CHANGE_MODIFY == ChangeKind::Modify as u32);
const _: () = assert!(CR_CHANGE_ADD == ChangeKind::Add as u32);
const _: () = assert!(CR_CHANGE_DELETE == ChangeKind::Delete as u32);

/// One changed object of a container's root file system. The caller owns it and its path.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct CRChange {
    /// The path as the container sees it, such as "/etc/hosts".
    pub path: *const c_char,
    /// What happened to the object: one of CR_CHANGE_*.
    pub kind: u32,
    /// Must be 0.
    pub flags: u32,
}

/// The changes that C passes, refused if one of them says something that this library doesn't know.
///
/// # Safety
///
/// As for [`argument::array`], and as for [`argument::string`] for each path.
pub(super) unsafe fn list(pointer: *const CRChange, len: usize) -> Result<Vec<Change>> {
    // SAFETY: this function's caller guarantees it.
    let changes = unsafe { argument::array("changes", pointer, len) }?;
    // SAFETY: this function's caller guarantees it.
    changes
        .iter()
        .enumerate()
        .map(|(index, change)| unsafe { one(index, change) })
        .collect()
}

/// One of the changes, the `index`th.
///
/// # Safety
///
/// As for [`argument::string`] for its path.
unsafe fn one(index: usize, change: &CRChange) -> Result<Change> {
    let kind = match change.kind {
        CR_CHANGE_MODIFY => ChangeKind::Modify,
        CR_CHANGE_ADD => ChangeKind::Add,
        CR_CHANGE_DELETE => ChangeKind::Delete,
        other => {
            return Err(Error::argument(
                &format!("changes[{index}].kind"),
                format!("{other} is not one of CR_CHANGE_*"),
            ));
        }
    };
    if change.flags != 0 {
        return Err(Error::argument(
            &format!("changes[{index}].flags"),
            format!("{:#x} is not 0", change.flags),
        ));
    }
    // SAFETY: this function's caller guarantees it.
    let path = unsafe { argument::string(&format!("changes[{index}].path"), change.path) }?;
    Ok(Change {
        path: OsStr::from_bytes(path.to_bytes()).to_owned(),
        kind,
    })
}

#[cfg(test)]
mod tests {
    use std::ptr;

    use super::*;
    use crate::error::Kind;

    /// What `list` says of a good change followed by this one.
    fn refusal(path: *const c_char, kind: u32, flags: u32) -> String {
        let good = CRChange {
            path: c"/etc".as_ptr(),
            kind: 0,
            flags: 0,
        };
        let changes = [good, CRChange { path, kind, flags }];
        // SAFETY: the array and its strings outlive the call.
        let error = unsafe { list(changes.as_ptr(), changes.len()) }.unwrap_err();
        assert_eq!(error.kind(), Kind::Argument);
        error.to_string()
    }

    #[test]
    fn changes_come_out_as_they_went_in() {
        let changes = [
            CRChange {
                path: c"/etc/hosts".as_ptr(),
                kind: 0,
                flags: 0,
            },
            CRChange {
                path: c"/a\xff".as_ptr(),
                kind: 1,
                flags: 0,
            },
            CRChange {
                path: c"".as_ptr(),
                kind: 2,
                flags: 0,
            },
        ];
        // SAFETY: the array and its strings outlive the call.
        let list = unsafe { list(changes.as_ptr(), changes.len()) }.unwrap();
        let expected = [
            Change {
                path: "/etc/hosts".into(),
                kind: ChangeKind::Modify,
            },
            Change {
                path: OsStr::from_bytes(b"/a\xff").into(),
                kind: ChangeKind::Add,
            },
            Change {
                path: "".into(),
                kind: ChangeKind::Delete,
            },
        ];
        assert_eq!(list, expected);
    }

    #[test]
    fn what_is_wrong_with_a_change_is_said_with_its_index() {
        assert_eq!(
            refusal(c"/x".as_ptr(), 3, 0),
            "changes[1].kind: 3 is not one of CR_CHANGE_*"
        );
        assert_eq!(
            refusal(c"/x".as_ptr(), 0, 0x10),
            "changes[1].flags: 0x10 is not 0"
        );
        assert_eq!(
            refusal(ptr::null(), 2, 0),
            "changes[1].path: must not be NULL"
        );
    }
}
