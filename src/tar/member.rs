//! What a tar stream says about one object.

#![forbid(unsafe_code)]

/// A point in time, counted from the epoch; before it, `seconds` is negative and `nanoseconds` still counts forwards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Time {
    /// Whole seconds, rounded down.
    pub seconds: i64,
    /// What is left, below 1,000,000,000.
    pub nanoseconds: u32,
}

/// The type of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MemberKind {
    /// A regular file, sparse or not.
    Regular,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// Another name of an earlier member.
    Hardlink,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// A named pipe.
    Fifo,
}

/// An extended attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Xattr {
    /// The name with its namespace, such as `user.mime_type`: not empty when written, never with a NUL.
    pub name: Vec<u8>,
    /// Any bytes.
    pub value: Vec<u8>,
}

/// A range of a file that holds data, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Where it begins in the file.
    pub offset: u64,
    /// How long it is.
    pub len: u64,
}

/// One member of a tar stream, without its data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    /// The name after all overrides, as it stands in the archive: not cleaned, at most 4095 bytes, without NUL.
    pub path: Vec<u8>,
    /// The type.
    pub kind: MemberKind,
    /// The target of a symlink or hard link, else empty; at most 4095 bytes, without NUL.
    pub link: Vec<u8>,
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
    /// The major number of a device (12 bits), else 0.
    pub major: u32,
    /// The minor number of a device (20 bits), else 0.
    pub minor: u32,
    /// The xattrs, sorted by name, each name once.
    pub xattrs: Vec<Xattr>,
    /// Whether `xattrs` are all that the object had.
    pub xattrs_complete: bool,
    /// The size of a regular file as its readers see it, else 0.
    pub size: u64,
    /// How many bytes of data the stream holds after headers and sparse map.
    pub stored: u64,
    /// The ranges that hold the stored data, in file order; `None` if the data is the whole file.
    pub sparse: Option<Vec<Extent>>,
    /// Where the first header block of this member, special headers included, begins in the tar stream.
    pub offset: u64,
}
