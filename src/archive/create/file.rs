//! A file that is stored by itself, whatever its name on the host.

#![forbid(unsafe_code)]

use std::fs::File;

use super::{Judge, LeftOut, Mark, Target, describe};
use crate::error::{Called as _, Result};
use crate::fs::{Node, OverlayState, RootPath};
use crate::tar::MemberKind;

/// A regular file that is open for reading.
pub(crate) struct OpenFile {
    file: File,
    /// Whether the descriptor's offset is somebody else's, too.
    shared: bool,
}

impl OpenFile {
    /// A file that was opened for this.
    pub(crate) fn own(file: File) -> Self {
        let shared = false;
        Self { file, shared }
    }

    /// A file whose offset has to stay where it is. Its holes are stored as data, since asking for them would move it.
    pub(crate) fn shared(file: File) -> Self {
        let shared = true;
        Self { file, shared }
    }

    /// The file.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Stores the file as `name`, with its own attributes.
    pub(crate) fn store<T: Target>(
        &self,
        name: &RootPath,
        judge: &Judge<'_>,
        target: &mut T,
    ) -> Result<()> {
        let copy = self.file.try_clone();
        let node = Node::from_open(copy.called(|| "dup")?.into());
        let status = node.status()?;
        let overlay = OverlayState::LeftOut;
        let described = describe::member(name, &node, &status.stat, overlay)?;
        let (mut member, left_out) = described;
        if left_out {
            target.leave_out(name.as_bytes(), LeftOut::OverlayXattrs);
        }
        if !self.shared {
            let extents = describe::extents(&self.file, member.size(), target.lives())?;
            member.kind = MemberKind::Regular(extents);
        }
        judge(name, &member)?;
        if member.stored() > 0 {
            target.take_file(&member, &self.file, Mark::from(&status))
        } else {
            target.take(&member)
        }
    }
}
