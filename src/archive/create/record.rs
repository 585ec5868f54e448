//! What the first pass over a nested archive leaves for the second: its members, in a file of their own.
//!
//! The headers aren't kept but what they are made from, which is a tenth as long. All numbers are little-endian.

#![forbid(unsafe_code)]

use std::io::{Read, Write};

use thiserror::Error as ThisError;

use crate::error::{self, Called as _, Kind, Result};
use crate::sys::Status;
use crate::tar::{DeviceNumber, Extent, Extents, Member, MemberKind, MemberType, Time, Xattr};

/// How long a record may be, in bytes: two names, xattrs of 1 MiB and a sparse map of 512 KiB, whose numbers take two
/// bytes there and eight here, fit.
const LONGEST: u32 = 8 << 20;

/// The records aren't what was written: the spool was cut short or changed by somebody.
#[derive(Debug, ThisError)]
#[error("what was noted about the nested archive can't be read back")]
struct Damaged;

impl error::Refusal for Damaged {
    fn kind(&self) -> Kind {
        Kind::System
    }
}

/// One member, and where its data is if it has some.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub member: Member,
    /// The file that has the data.
    pub source: Option<Mark>,
}

/// What tells a file from every other, one that got its number after it was removed included.
///
/// File systems give inode numbers out again, ext4 at once. A file that is known by its number alone would get the
/// content of one that is gone by now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Mark {
    device: u64,
    inode: u64,
    /// When it was made, in nanoseconds from the epoch; 0 where the file system doesn't say.
    born: u64,
    /// When it was last changed, where the file system doesn't say when it was made; 0 otherwise.
    changed: i64,
}

impl Mark {
    /// Whether both are marks of one file, as far as its file system tells: where it doesn't say when a file was made,
    /// one that has changed counts as the same.
    pub(super) fn is_same_file(self, other: Self) -> bool {
        let own = |mark: Self| (mark.device, mark.inode, mark.born);
        own(self) == own(other)
    }
}

impl From<&Status> for Mark {
    fn from(status: &Status) -> Self {
        let stat = &status.stat;
        let changed = stat.st_ctime.saturating_mul(1_000_000_000);
        Self {
            device: stat.st_dev,
            inode: stat.st_ino,
            born: status.born,
            changed: match status.born {
                0 => changed.saturating_add(stat.st_ctime_nsec),
                _ => 0,
            },
        }
    }
}

impl Record {
    /// Appends the record to `spool`.
    pub(super) fn write(&self, spool: &mut dyn Write) -> Result<()> {
        let mut body = Vec::new();
        self.encode(&mut body);
        let mut record = Vec::with_capacity(4 + body.len());
        put_bytes(&body, &mut record);
        spool.write_all(&record).called(|| "write spool")
    }

    /// The next record; `None` at the end.
    pub(super) fn read(spool: &mut dyn Read) -> Result<Option<Self>> {
        let length = read_up_to(spool, 4)?;
        if length.is_empty() {
            return Ok(None);
        }
        let length = u32::from_le_bytes(length.try_into().map_err(|_| Damaged)?);
        if length > LONGEST {
            return Err(Damaged.into());
        }
        let bytes = read_up_to(spool, length)?;
        // Shorter, it could still be the record of a member without data.
        if u64::from(length) > bytes.len() as u64 {
            return Err(Damaged.into());
        }
        let mut body = Body(&bytes);
        let record = body.record().filter(|_| body.0.is_empty());
        Ok(Some(record.ok_or(Damaged)?))
    }

    fn encode(&self, body: &mut Vec<u8>) {
        let member = &self.member;
        for number in [
            u32::from(member.xattrs_complete),
            member.mode,
            member.uid,
            member.gid,
            member.mtime.nanoseconds,
        ] {
            body.extend_from_slice(&number.to_le_bytes());
        }
        body.extend_from_slice(&member.mtime.seconds.to_le_bytes());
        put_bytes(&member.path, body);
        put_kind(&member.kind, body);
        put_u32(member.xattrs.len(), body);
        for xattr in &member.xattrs {
            put_bytes(&xattr.name, body);
            put_bytes(&xattr.value, body);
        }
        if let Some(mark) = self.source {
            put_u64(&[mark.device, mark.inode, mark.born], body);
            body.extend_from_slice(&mark.changed.to_le_bytes());
        }
    }
}

fn put_kind(kind: &MemberKind, out: &mut Vec<u8>) {
    out.extend_from_slice(&(kind.member_type() as u32).to_le_bytes());
    match kind {
        MemberKind::Regular(extents) => {
            put_u64(&[extents.size()], out);
            put_u32(usize::from(extents.ranges().is_some()), out);
            let ranges = extents.ranges().unwrap_or_default();
            put_u32(ranges.len(), out);
            for extent in ranges {
                put_u64(&[extent.offset, extent.len], out);
            }
        }
        MemberKind::Symlink { target: link } | MemberKind::HardLink { source: link } => {
            put_bytes(link, out);
        }
        MemberKind::CharDevice(number) | MemberKind::BlockDevice(number) => {
            out.extend_from_slice(&number.major.to_le_bytes());
            out.extend_from_slice(&number.minor.to_le_bytes());
        }
        MemberKind::Directory | MemberKind::Fifo => {}
    }
}

/// Lengths are far below 4 GiB, since names, xattrs and sparse maps are limited where they are made.
fn put_u32(number: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes());
}

fn put_u64(numbers: &[u64], out: &mut Vec<u8>) {
    for number in numbers {
        out.extend_from_slice(&number.to_le_bytes());
    }
}

fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    put_u32(bytes.len(), out);
    out.extend_from_slice(bytes);
}

fn read_up_to(spool: &mut dyn Read, length: u32) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    spool
        .take(length.into())
        .read_to_end(&mut bytes)
        .called(|| "read spool")?;
    Ok(bytes)
}

/// What is left of a record. Every part is `None` where it isn't there.
struct Body<'b>(&'b [u8]);

impl Body<'_> {
    fn record(&mut self) -> Option<Record> {
        let xattrs_complete = self.u32()? == 1;
        let [mode, uid, gid, nanoseconds] = self.numbers(Self::u32)?;
        let seconds = i64::from_le_bytes(self.array()?);
        let (path, kind) = (self.bytes()?, self.kind()?);
        let mut xattrs = Vec::new();
        for _ in 0..self.u32()? {
            let (name, value) = (self.bytes()?, self.bytes()?);
            xattrs.push(Xattr { name, value });
        }
        let mtime = Time {
            seconds,
            nanoseconds,
        };
        let member = Member {
            mode,
            uid,
            gid,
            xattrs,
            xattrs_complete,
            ..Member::made(&path, kind, mtime)
        };
        let source = self.mark()?;
        Some(Record { member, source })
    }

    fn kind(&mut self) -> Option<MemberKind> {
        Some(match MemberType::of_number(self.u32()?)? {
            MemberType::Regular => MemberKind::Regular(self.extents()?),
            MemberType::Directory => MemberKind::Directory,
            MemberType::Symlink => MemberKind::Symlink {
                target: self.bytes()?,
            },
            MemberType::HardLink => MemberKind::HardLink {
                source: self.bytes()?,
            },
            MemberType::CharDevice => MemberKind::CharDevice(self.device()?),
            MemberType::BlockDevice => MemberKind::BlockDevice(self.device()?),
            MemberType::Fifo => MemberKind::Fifo,
        })
    }

    fn device(&mut self) -> Option<DeviceNumber> {
        let [major, minor] = self.numbers(Self::u32)?;
        Some(DeviceNumber { major, minor })
    }

    fn extents(&mut self) -> Option<Extents> {
        let (size, is_sparse) = (self.u64()?, self.u32()? == 1);
        let mut extents = Vec::new();
        for _ in 0..self.u32()? {
            let [offset, len] = self.numbers(Self::u64)?;
            extents.push(Extent { offset, len });
        }
        if is_sparse {
            Extents::sparse(extents, size).ok()
        } else {
            Some(Extents::whole(size))
        }
    }

    fn mark(&mut self) -> Option<Option<Mark>> {
        if self.0.is_empty() {
            return Some(None);
        }
        let [device, inode, born] = self.numbers(Self::u64)?;
        let changed = i64::from_le_bytes(self.array()?);
        Some(Some(Mark {
            device,
            inode,
            born,
            changed,
        }))
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn numbers<T: Copy + Default, const N: usize>(
        &mut self,
        next: fn(&mut Self) -> Option<T>,
    ) -> Option<[T; N]> {
        let mut numbers = [T::default(); N];
        for number in &mut numbers {
            *number = next(self)?;
        }
        Some(numbers)
    }

    fn bytes(&mut self) -> Option<Vec<u8>> {
        let length = usize::try_from(self.u32()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: MemberKind) -> Record {
        let mtime = Time {
            seconds: -5,
            nanoseconds: 999_999_999,
        };
        let xattr = |name: &[u8], value: &[u8]| Xattr {
            name: name.to_vec(),
            value: value.to_vec(),
        };
        Record {
            member: Member {
                mode: 0o4755,
                uid: u32::MAX - 1,
                gid: 12,
                xattrs: vec![xattr(b"user.a", b""), xattr(b"user.b", b"\0\n=")],
                xattrs_complete: true,
                ..Member::made(b"./a \xff/b", kind, mtime)
            },
            source: None,
        }
    }

    fn sparse(extents: Vec<Extent>) -> MemberKind {
        MemberKind::Regular(Extents::sparse(extents, 1 << 62).unwrap())
    }

    fn all() -> Vec<Record> {
        let mark = Mark {
            device: 1,
            inode: u64::MAX,
            born: 3,
            changed: 4,
        };
        let number = DeviceNumber {
            major: 4095,
            minor: 1_048_575,
        };
        let extent = |number: u64| Extent {
            offset: number << 34,
            len: 1 << 33,
        };
        let link = b"../target".to_vec();
        let kinds = [
            sparse((1..4).map(extent).collect()),
            MemberKind::Directory,
            MemberKind::Symlink {
                target: link.clone(),
            },
            MemberKind::HardLink { source: link },
            MemberKind::CharDevice(number),
            MemberKind::BlockDevice(number),
            MemberKind::Fifo,
            sparse(Vec::new()),
            MemberKind::Regular(Extents::whole(1 << 62)),
        ];
        let mut records: Vec<Record> = kinds.into_iter().map(record).collect();
        records[0].source = Some(mark);
        records[3].member.xattrs.clear();
        records
    }

    #[test]
    fn records_come_back_as_they_were_written() {
        let (mut spool, records) = (Vec::new(), all());
        for record in &records {
            record.write(&mut spool).unwrap();
        }
        let mut rest = &spool[..];
        for record in &records {
            assert_eq!(Record::read(&mut rest).unwrap().as_ref(), Some(record));
        }
        assert_eq!(Record::read(&mut rest).unwrap(), None);
    }

    #[test]
    fn a_record_of_another_length_is_refused() {
        let mut whole = Vec::new();
        all()[0].write(&mut whole).unwrap();
        for length in 1..whole.len() {
            let error = Record::read(&mut &whole[..length]).unwrap_err();
            assert_eq!(error.kind(), Kind::System, "{length}");
        }
        let length = u32::try_from(whole.len() - 4).unwrap();
        for wrong in [
            0,
            length - 32,
            length - 1,
            length + 1,
            LONGEST + 1,
            u32::MAX,
        ] {
            let mut bytes = whole.clone();
            bytes.push(0);
            bytes[..4].copy_from_slice(&wrong.to_le_bytes());
            let read = Record::read(&mut &bytes[..]);
            if wrong == length - 32 {
                // Without its mark it is the record of a member without data.
                assert_eq!(read.unwrap().unwrap().source, None);
            } else {
                assert_eq!(read.unwrap_err().kind(), Kind::System, "{wrong}");
            }
        }
    }

    #[test]
    fn a_record_is_not_much_longer_than_its_names() {
        let mut spool = Vec::new();
        let target = b"../target".to_vec();
        let names = b"./a \xff/b".len() + target.len();
        let mut small = record(MemberKind::Symlink { target });
        small.member.xattrs.clear();
        small.write(&mut spool).unwrap();
        assert!(spool.len() - names < 100, "{}", spool.len());
    }
}
