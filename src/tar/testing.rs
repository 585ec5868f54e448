//! Tar streams for the tests, built from the format's description and from nothing that is tested here.

#![forbid(unsafe_code)]

use std::io::Read as _;

use super::{Extent, Extents, Member, MemberKind, Reader, Source, Time};
use crate::error::{Called as _, Kind, Result};

/// A stream in memory.
impl Source for &[u8] {}

/// Every member with its stored data.
pub(super) fn read_all(stream: &[u8]) -> Result<Vec<(Member, Vec<u8>)>> {
    let mut reader = Reader::new(stream);
    let mut members = Vec::new();
    while let Some(member) = reader.next_member()? {
        let mut data = Vec::new();
        reader.data().read_to_end(&mut data).called(|| "read")?;
        members.push((member, data));
    }
    reader.finish()?;
    Ok(members)
}

/// The one member of a stream.
pub(super) fn read_one(stream: &[u8]) -> Member {
    let mut members = read_all(stream).unwrap();
    assert_eq!(members.len(), 1);
    members.remove(0).0
}

/// A header block whose checksum follows every change.
#[derive(Clone)]
pub(super) struct Block([u8; 512]);

impl Block {
    /// A ustar header: mode 0644, owner 1:2, mtime 3.
    pub(super) fn ustar(kind: u8, name: &[u8], size: usize) -> Self {
        let block = Block([0; 512])
            .set(0, name)
            .set(100, b"0000644\0")
            .set(108, b"0000001\0")
            .set(116, b"0000002\0");
        let block = block
            .set(124, format!("{size:011o}\0").as_bytes())
            .set(136, b"00000000003\0");
        block
            .set(156, &[kind])
            .set(257, b"ustar\x0000")
            .set(329, b"0000000\x000000000\0")
    }

    /// The same as GNU tar marks it.
    pub(super) fn gnu(kind: u8, name: &[u8], size: usize) -> Self {
        Self::ustar(kind, name, size).set(257, b"ustar  \0")
    }

    /// The same without what V7 doesn't have.
    pub(super) fn v7(kind: u8, name: &[u8], size: usize) -> Self {
        Self::ustar(kind, name, size).set(257, &[0; 255])
    }

    /// The block with these bytes and the right checksum.
    pub(super) fn of(bytes: [u8; 512]) -> Self {
        Block(bytes).set(0, &[])
    }

    /// Overwrites bytes and corrects the checksum.
    pub(super) fn set(mut self, at: usize, bytes: &[u8]) -> Self {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
        self.0[148..156].fill(b' ');
        let sum: u32 = self.0.iter().map(|byte| u32::from(*byte)).sum();
        self.0[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self
    }

    /// Overwrites bytes and nothing else.
    pub(super) fn spoil(mut self, at: usize, bytes: &[u8]) -> Self {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
        self
    }

    /// The block alone.
    pub(super) fn bytes(&self) -> Vec<u8> {
        self.0.to_vec()
    }

    /// The block and a body, padded.
    pub(super) fn with(&self, body: &[u8]) -> Vec<u8> {
        let mut out = self.bytes();
        out.extend_from_slice(body);
        while !out.len().is_multiple_of(512) {
            out.push(0);
        }
        out
    }
}

/// An extended header of type `x` or `g`.
pub(super) fn extended(kind: u8, records: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (key, value) in records {
        let rest = [b" ", key.as_bytes(), b"=", value, b"\n"].concat();
        let len = (1..)
            .find(|len: &usize| len.to_string().len() + rest.len() == *len)
            .unwrap();
        body.extend_from_slice(len.to_string().as_bytes());
        body.extend_from_slice(&rest);
    }
    Block::ustar(kind, b"PaxHeaders/x", body.len()).with(&body)
}

/// Records, and a ustar file of `size` bytes named `short` without its data.
pub(super) fn with_records(records: &[(&str, &[u8])], size: usize) -> Vec<u8> {
    [
        extended(b'x', records),
        Block::ustar(b'0', b"short", size).bytes(),
    ]
    .concat()
}

/// What [`Block::ustar`] describes for an empty file, for tests to change.
pub(super) fn plain(path: &[u8]) -> Member {
    let mtime = Time {
        seconds: 3,
        nanoseconds: 0,
    };
    Member {
        mode: 0o644,
        uid: 1,
        gid: 2,
        ..Member::made(path, whole(0), mtime)
    }
}

/// A regular file of this size without holes.
pub(super) fn whole(size: u64) -> MemberKind {
    MemberKind::Regular(Extents::whole(size))
}

/// A regular file of this size with data in the extents alone.
pub(super) fn sparse(extents: Vec<Extent>, size: u64) -> MemberKind {
    MemberKind::Regular(Extents::sparse(extents, size).unwrap())
}

/// A symlink to this.
pub(super) fn symlink(target: &[u8]) -> MemberKind {
    MemberKind::Symlink {
        target: target.to_vec(),
    }
}

/// Checks that reading all of the stream ends in an error of this kind whose message holds the text.
#[track_caller]
pub(super) fn assert_refused(stream: &[u8], kind: Kind, text: &str) {
    let error = read_all(stream).unwrap_err();
    assert!(
        error.kind() == kind && error.to_string().contains(text),
        "{error:?}"
    );
}
