//! Why a tar stream isn't read, or a member isn't written.

#![forbid(unsafe_code)]

use thiserror::Error;

use crate::error::{self, Kind};

/// Everything this floor refuses to read or write.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The stream ends inside a header, a special header, a sparse map or data. Taking what is there would restore a
    /// file without its end and call it success.
    #[error("the archive is cut short")]
    CutShort,
    /// What ends before its first header does may be anything.
    #[error("is shorter than the first header of an archive: it is none, or it is cut short")]
    NoHeader,
    /// The sum over the header isn't the one it states: these bytes are no header, or a damaged one.
    #[error("the header's checksum is wrong: this is no tar archive, or a damaged one")]
    Checksum,
    /// A zero block and then a block that isn't zero. Two readers would disagree on where this archive ends, so that
    /// one checks members that the other doesn't extract.
    #[error("a single zero block is followed by more headers")]
    LoneZeroBlock,
    /// A numeric header field holds no number, or one that doesn't fit 63 bits. A guess would shift everything after it.
    #[error("the header field {0} holds no usable number")]
    Number(&'static str),
    /// A size below zero, which would move the reader backwards.
    #[error("the size is negative")]
    NegativeSize,
    /// An owner that no system call can set: truncated to 32 bits it could become root, and -1 means "leave as it is".
    #[error("the {0} is negative or above 4294967294")]
    Owner(&'static str),
    /// A device number that the kernel doesn't have: truncated, it would name another device.
    #[error("the device number has a {0} number that is negative or too big")]
    Device(&'static str),
    /// A PAX record with a wrong length, no newline, no `=`, no key, or a NUL where none may be. The records after it
    /// can't be found, and a NUL would let two readers see two names.
    #[error("a PAX record is malformed")]
    Record,
    /// A PAX record whose value isn't what its key asks for.
    #[error("the PAX record {0} has a malformed value")]
    RecordValue(&'static str),
    /// A name with a NUL in it: the kernel would see a shorter one than any check on the whole name.
    #[error("the {0} holds a NUL")]
    Nul(&'static str),
    /// A name or link longer than the kernel takes; truncated, it would name another object.
    #[error("the {0} is longer than 4095 bytes")]
    NameTooLong(&'static str),
    /// A special header that wants more memory than any honest one needs.
    #[error("a special header is longer than 1 MiB")]
    SpecialTooLong,
    /// A sparse map that wants more memory than any honest one needs.
    #[error("the sparse map is longer than 1 MiB")]
    SparseMapTooLong,
    /// A sparse map whose extents overlap, go backwards, leave the file, or aren't numbers: data would overwrite data.
    #[error("the sparse map is malformed")]
    SparseMap,
    /// The extents and the stored data differ in length: bytes would be missing from the file, or belong to none.
    #[error("the sparse map doesn't match the stored data")]
    SparseTotal,
    /// A sparse map on something that has no data.
    #[error("a member that isn't a regular file has a sparse map")]
    SparseKind,
    /// The sparse form of star, whose header has the type of the GNU form and another layout: misread, it would restore
    /// other content.
    #[error("sparse members in the form of star are not supported")]
    StarSparse,
    /// A type that isn't known. Whether it has data can't be told, and skipping the object would lose it silently.
    #[error("the member type '{}' is not supported", .0.escape_ascii())]
    Type(u8),
    /// A header that announces a member, its name or its records, and then the end of the archive: the member itself was
    /// cut off. Members usually come with such a header, so that a cut behind one would look like a whole archive.
    #[error("the archive ends behind a header that announces a member")]
    Announced,
    /// A global header that says something of the members that follow. Applied it gives one tree, ignored another, and
    /// readers do either.
    #[error("a global header with the record \"{}\" is not supported", .0.escape_ascii())]
    Global(Vec<u8>),
    /// A sparse map in a version that isn't known: taken for a plain file, it would be the packed bytes.
    #[error("the version of the sparse map is not supported")]
    SparseVersion,
    /// A hard link with a size, in a format in which it may have data, and then zeros: for some readers the archive ends
    /// there, for others these are the data.
    #[error("the archive ends where a hard link's data may begin")]
    LinkData,
    /// The ACL names a user or a group without its number. Names are another machine's: the number here may be
    /// somebody else's, or nobody's.
    #[error("the PAX record {0} names a user or group without its number")]
    AclName(&'static str),
    /// An ACL in the form of NFSv4, which means nothing to the file systems here: left out, others get access.
    #[error("ACLs in the form of NFSv4 are not supported")]
    Nfs4Acl,
    /// The reader failed before, so that it no longer knows where headers begin. Going on would read data as headers.
    #[error("the archive can't be read on after an error")]
    Failed,
    /// A member that no tar header can express. It would come back as another object.
    #[error("the member can't be written: {0}")]
    Unwritable(&'static str),
}

impl error::Refusal for Refusal {
    fn kind(&self) -> Kind {
        match self {
            Self::NameTooLong(_) | Self::SpecialTooLong | Self::SparseMapTooLong => Kind::Limit,
            Self::StarSparse
            | Self::Type(_)
            | Self::Global(_)
            | Self::SparseVersion
            | Self::AclName(_)
            | Self::Nfs4Acl => Kind::Unsupported,
            Self::Failed | Self::Unwritable(_) => Kind::Internal,
            _ => Kind::Malformed,
        }
    }
}
