//! One change of a root file system, as C passes it.

use super::argument::{Array, Text};
use crate::changes::{Change, ChangeKind};
use crate::error::{Error, Result};

/// The object was there before, and its content, metadata or type differs now.
pub const CR_CHANGE_MODIFY: u32 = 0;
/// The object is new.
pub const CR_CHANGE_ADD: u32 = 1;
/// The object is gone. A directory that was deleted and made again is deleted, and its new content
/// added.
pub const CR_CHANGE_DELETE: u32 = 2;

const _: () = assert!(CR_CHANGE_MODIFY == ChangeKind::Modify as u32);
const _: () = assert!(CR_CHANGE_ADD == ChangeKind::Add as u32);
const _: () = assert!(CR_CHANGE_DELETE == ChangeKind::Delete as u32);

/// A changed object of a container's root file system. The numbers of CR_CHANGE_* are those of the
/// engines, and begin at 0.
#[repr(C)]
#[derive(Debug)]
pub struct CRChange {
    /// The path as the container sees it, such as "/etc/hosts".
    pub path: Text,
    /// What happened to the object: one of CR_CHANGE_*.
    pub kind: u32,
    /// 0. Another value is EINVAL.
    pub flags: u32,
}

impl Array<CRChange> {
    /// The changes, refused if one of them says something that this library doesn't know.
    pub(super) fn changes(&self, len: usize) -> Result<Vec<Change>> {
        let changes = self.slice(len, "changes")?.iter().enumerate();
        changes.map(|(index, change)| one(index, change)).collect()
    }
}

/// One of the changes, the `index`th.
fn one(index: usize, change: &CRChange) -> Result<Change> {
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
    let path = change.path.os_str(&format!("changes[{index}].path"))?;
    let path = path.to_owned();
    Ok(Change { path, kind })
}
