//! The second pass over a nested archive of what lives: files vanish, are replaced and change, and the archive's length
//! has been told already.
//!
//! Each member has the room that it was measured with. What no longer needs it leaves room that says nothing.

#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::os::fd::OwnedFd;

use nix::sys::stat::SFlag;
use once_cell::unsync::OnceCell;

use super::describe::type_of;
use super::find::Finder;
use super::measure::Measured;
use super::record::{Mark, NestedMember};
use super::sink::Sink;
use super::{LeftOut, describe};
use crate::error::{Error, Result};
use crate::fs::{Node, RootPath, file_type};
use crate::sys::Status;
use crate::tar::{self, Extents, Member, MemberKind, MemberType};
use crate::watch::WarningKind;

/// How often a file is cut until it fits: its header gets shorter with it, by a block or two, and once it may have to give
/// up its holes.
const ATTEMPTS: u32 = 5;

/// What is known of an archive of what lives.
pub(super) struct Living<'l> {
    measured: &'l Measured<'l>,
    /// The further names of files, by the first; found with the first file that is missed.
    names: OnceCell<BTreeMap<Vec<u8>, Vec<Vec<u8>>>>,
    /// First names that others can't be links to, since the archive has another object there or none.
    lost: BTreeSet<Vec<u8>>,
}

impl<'l> Living<'l> {
    pub(super) fn new(measured: &'l Measured<'l>) -> Self {
        Self {
            measured,
            names: OnceCell::new(),
            lost: BTreeSet::new(),
        }
    }

    /// Writes a member as what it has become since it was measured, in the same number of bytes.
    pub(super) fn write(
        &mut self,
        finder: &mut Finder<'_>,
        record: &NestedMember,
        sink: &mut Sink<'_>,
    ) -> Result<()> {
        let member = &record.member;
        match (record.source, &member.kind) {
            (Some(mark), _) => self.write_file(finder, member, mark, sink),
            (None, MemberKind::HardLink { source }) if self.lost.contains(source) => {
                self.tell(
                    member,
                    sink,
                    "is a further name of a file that is gone: left out",
                );
                sink.fill(length_of(member, sink)?);
                Ok(())
            }
            (None, _) => sink.inner_header(member),
        }
    }

    fn write_file(
        &mut self,
        finder: &mut Finder<'_>,
        member: &Member,
        mark: Mark,
        sink: &mut Sink<'_>,
    ) -> Result<()> {
        let path = RootPath::clean(&member.path)?;
        let found = finder.find(&path)?;
        let status = found.as_ref().map(Node::status).transpose()?;
        if let (Some(node), Some(status)) = (&found, &status)
            && is_marked(status, mark)
        {
            return self.write_found(finder, member, (node, status), mark, sink);
        }
        // Another name of the file may have stayed.
        for name in self.names_of(member)?.to_vec() {
            let other = finder.find(&RootPath::clean(&name)?)?;
            if let Some(node) = other {
                let status = node.status()?;
                if is_marked(&status, mark) {
                    return self.write_found(finder, member, (&node, &status), mark, sink);
                }
            }
        }
        self.lost.insert(member.path.clone());
        match (found, status) {
            (Some(node), Some(status)) => {
                self.tell(member, sink, "was replaced: stored as what is there now");
                self.restate(finder, member, (&node, &status), sink)
            }
            _ => {
                let name = self.name(member);
                sink.left_out(&name, LeftOut::Gone);
                sink.fill(length_of(member, sink)?);
                Ok(())
            }
        }
    }

    /// Writes the file that was measured.
    fn write_found(
        &mut self,
        finder: &Finder<'_>,
        member: &Member,
        (node, status): (&Node, &Status),
        mark: Mark,
        sink: &mut Sink<'_>,
    ) -> Result<()> {
        let size = u64::try_from(status.stat.st_size).unwrap_or(0);
        let changed = Mark::from(status) != mark
            || !describe::has_kept(member, node, status, self.measured.overlay)?;
        if changed || size < member.size() {
            self.tell(member, sink, "has changed: stored as it is now");
            return self.restate(finder, member, (node, status), sink);
        }
        if size > member.size() {
            self.tell(member, sink, "got longer: stored with the length it had");
        }
        let file = finder.reopen(node)?;
        sink.inner_header(member)?;
        self.data(member, &file, sink)?;
        let node = Node::from_open(file.into());
        if !describe::has_kept(member, &node, &node.status()?, self.measured.overlay)? {
            self.tell(
                member,
                sink,
                "changed its mode, owner or xattrs while it was stored",
            );
        }
        Ok(())
    }

    /// Writes what is in a member's place, as far as there is room.
    fn restate(
        &mut self,
        finder: &Finder<'_>,
        member: &Member,
        (node, status): (&Node, &Status),
        sink: &mut Sink<'_>,
    ) -> Result<()> {
        let room = length_of(member, sink)?;
        let Some(member_type) = type_of(&status.stat) else {
            let name = self.name(member);
            sink.left_out(&name, LeftOut::Socket);
            sink.fill(room);
            return Ok(());
        };
        let path = RootPath::clean(&member.path)?;
        let open = (member_type == MemberType::Regular).then(|| finder.reopen(node));
        let open = open.transpose()?.map(|file| Node::from_open(file.into()));
        let held = open.as_ref().unwrap_or(node);
        let (mut now, _) = describe::member(&path, held, &status.stat, self.measured.overlay)?;
        now.path.clone_from(&member.path);
        let file = open.map(|node| File::from(OwnedFd::from(node)));
        if let Some(file) = &file {
            now.kind = MemberKind::Regular(describe::extents(file, now.size(), true)?);
        }
        let size = now.size();
        let Some(now) = fit(now, room, sink)? else {
            self.tell(
                member,
                sink,
                "has more attributes than there is room for: left out",
            );
            self.lost.insert(member.path.clone());
            sink.fill(room);
            return Ok(());
        };
        if now.size() < size {
            self.tell(
                member,
                sink,
                "is longer than it was: cut where there is no more room",
            );
        }
        let rest = room - length_of(&now, sink)?;
        sink.inner_header(&now)?;
        if let Some(file) = file.filter(|_| now.stored() > 0) {
            self.data(&now, &file, sink)?;
        }
        sink.fill(rest);
        Ok(())
    }

    fn data(&self, member: &Member, file: &File, sink: &mut Sink<'_>) -> Result<()> {
        if sink.data_or_zeros(member, file)? > 0 {
            self.tell(
                member,
                sink,
                "got shorter while it was read: zeros stand for what is missing",
            );
        }
        Ok(())
    }

    /// The further names of a file that was stored under this one.
    fn names_of(&self, member: &Member) -> Result<&[Vec<u8>]> {
        let names = self.names.get_or_try_init(|| {
            let mut records = self.measured.records();
            let mut names: BTreeMap<_, Vec<_>> = BTreeMap::new();
            while let Some(NestedMember { member, .. }) = NestedMember::read(&mut records)? {
                if let MemberKind::HardLink { source } = member.kind {
                    names.entry(source).or_default().push(member.path);
                }
            }
            Ok::<_, Error>(names)
        })?;
        Ok(names.get(&member.path).map_or(&[], Vec::as_slice))
    }

    fn name(&self, member: &Member) -> Vec<u8> {
        let path = member.path.strip_prefix(b"./").unwrap_or(&member.path);
        [self.measured.within, b"/", path].concat()
    }

    fn tell(&self, member: &Member, sink: &Sink<'_>, what: &str) {
        sink.warn(WarningKind::Changed, &self.name(member), what);
    }
}

fn is_marked(status: &Status, mark: Mark) -> bool {
    file_type(&status.stat) == SFlag::S_IFREG && Mark::from(status).is_same_file(mark)
}

/// How long a member is in the stream, if it comes next.
fn length_of(member: &Member, sink: &Sink<'_>) -> Result<u64> {
    let mut headers = Vec::new();
    tar::encode(member, sink.inner_position(), &mut headers)?;
    let length = (headers.len() + tar::padding(member.stored())) as u64;
    Ok(length.saturating_add(member.stored()))
}

/// The member as it fits into the room, a file's data cut if need be; nothing if not even its headers do.
fn fit(member: Member, room: u64, sink: &Sink<'_>) -> Result<Option<Member>> {
    let mut fitting = member;
    for _ in 0..ATTEMPTS {
        let length = length_of(&fitting, sink)?;
        if length <= room {
            return Ok(Some(fitting));
        }
        let Some(extents) = fitting.extents() else {
            break;
        };
        let size = if extents.ranges().is_some() || extents.size() > room {
            // What is cut off may be a hole: the rest is stored as data, holes and all.
            extents.size().min(room)
        } else if let Some(size) = extents.size().checked_sub(length - room) {
            size / 512 * 512
        } else {
            break;
        };
        fitting.kind = MemberKind::Regular(Extents::whole(size));
    }
    Ok(None)
}
