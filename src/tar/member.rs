//! What a tar stream says about one object.

#![forbid(unsafe_code)]

use serde::{Deserialize, Serialize};

use super::refusal::Refusal;
use crate::error::Result;

/// A point in time, counted from the epoch; before it, `seconds` is negative and `nanoseconds` still counts forwards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Time {
    /// Whole seconds, rounded down.
    pub seconds: i64,
    /// What is left, below 1,000,000,000.
    pub nanoseconds: u32,
}

/// The type of a member. The numbers are those of the C ABI (`CR_MEMBER_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[repr(u32)]
pub enum MemberType {
    /// A regular file.
    Regular = 1,
    /// A directory.
    Directory = 2,
    /// A symbolic link.
    Symlink = 3,
    /// A further name of an earlier member.
    HardLink = 4,
    /// A character device.
    CharDevice = 5,
    /// A block device.
    BlockDevice = 6,
    /// A named pipe.
    Fifo = 7,
}

impl MemberType {
    /// All of them, in the order of their numbers.
    pub const ALL: [MemberType; 7] = [
        MemberType::Regular,
        MemberType::Directory,
        MemberType::Symlink,
        MemberType::HardLink,
        MemberType::CharDevice,
        MemberType::BlockDevice,
        MemberType::Fifo,
    ];

    /// What it is called in messages, and the letter that POSIX gives it in a header.
    fn name_and_letter(self) -> (&'static str, u8) {
        match self {
            MemberType::Regular => ("regular file", b'0'),
            MemberType::HardLink => ("hard link", b'1'),
            MemberType::Symlink => ("symlink", b'2'),
            MemberType::CharDevice => ("character device", b'3'),
            MemberType::BlockDevice => ("block device", b'4'),
            MemberType::Directory => ("directory", b'5'),
            MemberType::Fifo => ("fifo", b'6'),
        }
    }

    /// What it is called in messages.
    pub(crate) fn name(self) -> &'static str {
        self.name_and_letter().0
    }

    /// Its letter in a header.
    pub(super) fn letter(self) -> u8 {
        self.name_and_letter().1
    }

    /// The type with this letter.
    pub(super) fn of_letter(letter: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|own| own.letter() == letter)
    }
}

/// The number of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DeviceNumber {
    /// 12 bits.
    pub major: u32,
    /// 20 bits.
    pub minor: u32,
}

/// What a member is, with the data that belongs to it. Targets and sources have at most 4095 bytes, without NUL, as they
/// stand in the archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum MemberKind {
    /// A regular file, sparse or not.
    Regular(Extents),
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink {
        /// What it leads to.
        target: Vec<u8>,
    },
    /// Another name of an earlier member.
    HardLink {
        /// The name of that member.
        source: Vec<u8>,
    },
    /// A character device.
    CharDevice(DeviceNumber),
    /// A block device.
    BlockDevice(DeviceNumber),
    /// A named pipe.
    Fifo,
}

impl MemberKind {
    /// The type alone.
    pub(crate) fn member_type(&self) -> MemberType {
        match self {
            MemberKind::Regular(_) => MemberType::Regular,
            MemberKind::Directory => MemberType::Directory,
            MemberKind::Symlink { .. } => MemberType::Symlink,
            MemberKind::HardLink { .. } => MemberType::HardLink,
            MemberKind::CharDevice(_) => MemberType::CharDevice,
            MemberKind::BlockDevice(_) => MemberType::BlockDevice,
            MemberKind::Fifo => MemberType::Fifo,
        }
    }

    /// What a symlink or hard link leads to.
    pub(super) fn link(&self) -> Option<&[u8]> {
        match self {
            MemberKind::Symlink { target: link } | MemberKind::HardLink { source: link } => {
                Some(link)
            }
            _ => None,
        }
    }
}

/// An extended attribute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Xattr {
    /// The name with its namespace, such as `user.mime_type`: not empty when written, never with a NUL.
    pub name: Vec<u8>,
    /// Any bytes.
    pub value: Vec<u8>,
}

/// A range of a file that holds data, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Extent {
    /// Where it begins in the file.
    pub offset: u64,
    /// How long it is.
    pub len: u64,
}

/// Which ranges of a regular file hold data: the size as the file's readers see it, and what the stream stores of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    into = "(u64, Option<Vec<Extent>>)",
    try_from = "(u64, Option<Vec<Extent>>)"
)]
pub(crate) struct Extents {
    size: u64,
    stored: u64,
    /// In file order, none of them empty; `None` if the data is the whole file.
    sparse: Option<Vec<Extent>>,
}

impl Extents {
    /// A file of `size` bytes of data.
    pub(crate) fn whole(size: u64) -> Self {
        Self {
            size,
            stored: size,
            sparse: None,
        }
    }

    /// A file of `size` bytes with holes between the extents, which are in order, don't overlap and stay inside of the
    /// file. Empty ones fall away.
    pub(crate) fn sparse(mut extents: Vec<Extent>, size: u64) -> Result<Self> {
        let (mut reached, mut stored) = (0, 0_u64);
        for extent in &extents {
            let end = extent.offset.checked_add(extent.len);
            let end = end.filter(|&end| extent.offset >= reached && end <= size);
            reached = end.ok_or(Refusal::SparseMap)?;
            // Extents that don't overlap can't hold more than the file.
            stored += extent.len;
        }
        extents.retain(|extent| extent.len > 0);
        Ok(Self {
            size,
            stored,
            sparse: Some(extents),
        })
    }

    /// The size as readers of the file see it.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// How many bytes of data the stream holds after headers and sparse map.
    pub(crate) fn stored(&self) -> u64 {
        self.stored
    }

    /// The ranges of a file with holes; `None` if it is stored whole.
    pub(crate) fn ranges(&self) -> Option<&[Extent]> {
        self.sparse.as_deref()
    }

    /// The ranges that are stored: for a file that is stored whole, all of it.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Extent> {
        let whole = Extent {
            offset: 0,
            len: self.size,
        };
        let whole = Some(whole).filter(|_| self.sparse.is_none());
        whole
            .into_iter()
            .chain(self.sparse.iter().flatten().copied())
    }
}

impl From<Extents> for (u64, Option<Vec<Extent>>) {
    fn from(extents: Extents) -> Self {
        (extents.size, extents.sparse)
    }
}

impl TryFrom<(u64, Option<Vec<Extent>>)> for Extents {
    type Error = crate::error::Error;

    fn try_from((size, sparse): (u64, Option<Vec<Extent>>)) -> Result<Self> {
        match sparse {
            Some(extents) => Self::sparse(extents, size),
            None => Ok(Self::whole(size)),
        }
    }
}

/// One member of a tar stream, without its data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Member {
    /// The name after all overrides, as it stands in the archive: not cleaned, at most 4095 bytes, without NUL.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: MemberKind,
    /// The permissions with set-id and sticky bits: the low 12 bits alone.
    pub mode: u32,
    /// The owner, never `u32::MAX`.
    pub uid: u32,
    /// The group, never `u32::MAX`.
    pub gid: u32,
    /// When the content was last changed.
    pub mtime: Time,
    /// When the content was last read, if the archive says so.
    pub atime: Option<Time>,
    /// The xattrs, sorted by name, each name once.
    pub xattrs: Vec<Xattr>,
    /// Whether `xattrs` are all that the object had.
    pub xattrs_complete: bool,
    /// Where the first header block of this member, special headers included, begins in the tar stream.
    pub offset: u64,
}

impl Member {
    /// A member that is made here: mode 0600, owner 0:0.
    pub(crate) fn made(path: &[u8], kind: MemberKind, mtime: Time) -> Self {
        Self {
            path: path.to_vec(),
            kind,
            mode: 0o600,
            uid: 0,
            gid: 0,
            mtime,
            atime: None,
            xattrs: Vec::new(),
            xattrs_complete: false,
            offset: 0,
        }
    }

    /// Where the data of a regular file is.
    pub(crate) fn extents(&self) -> Option<&Extents> {
        match &self.kind {
            MemberKind::Regular(extents) => Some(extents),
            _ => None,
        }
    }

    /// The size of a regular file as its readers see it, else 0.
    pub(crate) fn size(&self) -> u64 {
        self.extents().map_or(0, Extents::size)
    }

    /// How many bytes of data the stream holds after headers and sparse map.
    pub(crate) fn stored(&self) -> u64 {
        self.extents().map_or(0, Extents::stored)
    }
}
