//! The second pass over an archive that is a member of another: its members as they were noted, and the files' data.

#![forbid(unsafe_code)]

use nix::errno::Errno;
use nix::sys::stat::SFlag;
use thiserror::Error as ThisError;

use super::describe;
use super::find::Finder;
use super::living::Living;
use super::measure::Measured;
use super::record::{Mark, NestedMember};
use super::sink::Sink;
use crate::error::{self, Context as _, Kind, Result};
use crate::fs::{Node, OverlayState, Root, RootPath, file_type};
use crate::sys::Status;
use crate::tar::{Extents, Member, MemberKind};

/// Why a file can't be stored as it was measured. The archive around it has been told its size already.
#[derive(Debug, ThisError)]
enum Refusal {
    /// The archive would lack a file that it was measured with.
    #[error("vanished while the archive was written")]
    Vanished,
    /// Another file's content would get this one's attributes.
    #[error("was replaced while the archive was written")]
    Replaced,
    /// What follows in the archive would be taken for the missing bytes.
    #[error("got shorter while the archive was written: it had {0} bytes")]
    Shrank(u64),
    /// Content that was to be protected by a new mode, owner or ACL would be stored with the old one.
    #[error("changed its mode, owner or xattrs while the archive was written")]
    Changed,
}

impl error::Refusal for Refusal {
    fn kind(&self) -> Kind {
        Kind::System
    }

    fn errno(&self) -> Errno {
        Errno::ESTALE
    }
}

impl Measured<'_> {
    /// Writes the archive as the member `header`, which lacks nothing but the size. `root` is the one that was
    /// measured.
    ///
    /// Members without data are written as they were measured, files with it as they are: one that grew gives the bytes
    /// it had; one that got shorter, vanished, was replaced, or changed its mode, owner or xattrs is ESTALE, unless it is
    /// known to live.
    pub(crate) fn write(self, root: &Root, header: Member, sink: &mut Sink<'_>) -> Result<()> {
        let size = self.size();
        let kind = MemberKind::Regular(Extents::whole(size));
        sink.begin_nested(&Member { kind, ..header })?;
        let mut finder = Finder::new(root)?;
        let mut living = self.lives.then(|| Living::new(&self));
        let mut records = self.records();
        while let Some(record) = NestedMember::read(&mut records)? {
            let member = &record.member;
            if let Some(living) = &mut living {
                let written = living.write(&mut finder, &record, sink);
                written.at_entry(&member.path)?;
                continue;
            }
            sink.inner_header(member)?;
            if let Some(mark) = record.source {
                write_data(&mut finder, member, mark, self.overlay, sink).at_entry(&member.path)?;
            }
        }
        sink.end_nested(size)
    }
}

fn write_data(
    finder: &mut Finder<'_>,
    member: &Member,
    mark: Mark,
    overlay: OverlayState,
    sink: &mut Sink<'_>,
) -> Result<()> {
    let path = RootPath::clean(&member.path)?;
    let node = finder.find(&path)?.ok_or(Refusal::Vanished)?;
    check_file(member, mark, &node.status()?)?;
    let file = finder.reopen(&node)?;
    sink.data(member, &file)?;
    // Looked at afterwards, so that no byte was stored that was written under other attributes.
    let node = Node::from_open(file.into());
    if describe::has_kept(member, &node, &node.status()?, overlay)? {
        Ok(())
    } else {
        Err(Refusal::Changed.into())
    }
}

/// What isn't the file that was measured isn't opened: opening a device would act on it.
fn check_file(member: &Member, mark: Mark, now: &Status) -> Result<()> {
    if file_type(&now.stat) != SFlag::S_IFREG || Mark::from(now) != mark {
        return Err(Refusal::Replaced.into());
    }
    if u64::try_from(now.stat.st_size).unwrap_or(0) < member.size() {
        return Err(Refusal::Shrank(member.size()).into());
    }
    Ok(())
}
