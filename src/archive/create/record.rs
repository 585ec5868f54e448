//! What the first pass over a nested archive leaves for the second: its members, in a file of their own.
//!
//! The headers aren't kept but what they are made from, which is a tenth as long.

#![forbid(unsafe_code)]

use std::io::{Read, Write};

use serde::{Deserialize, Serialize};
use thiserror::Error as ThisError;

use crate::error::{self, Called as _, Kind, Result};
use crate::sys::Status;
use crate::tar::Member;

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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct NestedMember {
    pub member: Member,
    /// The file that has the data.
    pub source: Option<Mark>,
}

/// What tells a file from every other, one that got its number after it was removed included.
///
/// File systems give inode numbers out again, ext4 at once. A file that is known by its number alone would get the
/// content of one that is gone by now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
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

impl NestedMember {
    /// Appends the record to `spool`.
    pub(super) fn write(&self, spool: &mut dyn Write) -> Result<()> {
        let body = postcard::to_allocvec(self).map_err(|_| Damaged)?;
        let length = u32::try_from(body.len()).map_err(|_| Damaged)?;
        let written = spool.write_all(&length.to_le_bytes());
        written
            .and_then(|()| spool.write_all(&body))
            .called(|| "write spool")
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
        match postcard::take_from_bytes(&bytes) {
            Ok((record, [])) => Ok(Some(record)),
            _ => Err(Damaged.into()),
        }
    }
}

fn read_up_to(spool: &mut dyn Read, length: u32) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    spool
        .take(length.into())
        .read_to_end(&mut bytes)
        .called(|| "read spool")?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tar::{DeviceNumber, Extent, Extents, MemberKind, Time, Xattr};

    fn record(kind: MemberKind) -> NestedMember {
        let mtime = Time {
            seconds: -5,
            nanoseconds: 999_999_999,
        };
        let xattr = |name: &[u8], value: &[u8]| Xattr {
            name: name.to_vec(),
            value: value.to_vec(),
        };
        NestedMember {
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

    fn all() -> Vec<NestedMember> {
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
        let mut records: Vec<NestedMember> = kinds.into_iter().map(record).collect();
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
            assert_eq!(
                NestedMember::read(&mut rest).unwrap().as_ref(),
                Some(record)
            );
        }
        assert_eq!(NestedMember::read(&mut rest).unwrap(), None);
    }

    #[test]
    fn a_record_of_another_length_is_refused() {
        let mut whole = Vec::new();
        all()[0].write(&mut whole).unwrap();
        for length in 1..whole.len() {
            let error = NestedMember::read(&mut &whole[..length]).unwrap_err();
            assert_eq!(error.kind(), Kind::System, "{length}");
        }
        let length = u32::try_from(whole.len() - 4).unwrap();
        for wrong in [0, length - 1, length + 1, LONGEST + 1, u32::MAX] {
            let mut bytes = whole.clone();
            bytes.push(0);
            bytes[..4].copy_from_slice(&wrong.to_le_bytes());
            let error = NestedMember::read(&mut &bytes[..]).unwrap_err();
            assert_eq!(error.kind(), Kind::System, "{wrong}");
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
