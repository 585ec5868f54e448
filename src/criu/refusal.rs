//! Why an image isn't read.

#![forbid(unsafe_code)]

use nix::errno::Errno;
use thiserror::Error as ThisError;

use crate::budget::NoRoom;
use crate::error::{self, Kind};

/// Why an image isn't read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ThisError)]
pub(crate) enum Refusal {
    /// The image ends inside of a number, a message or the data behind one.
    #[error("the image is cut short")]
    CutShort,
    /// A varint of more than ten bytes would be read for as long as the image goes on.
    #[error("a number has more than 64 bits")]
    Varint,
    /// A field without a number, or of a wire type that isn't in use: what follows can't be told apart.
    #[error("the message is no protobuf message")]
    Wire,
    /// A field that is known has another wire type: its value would be another number.
    #[error("a field has another type than its number says")]
    FieldType,
    /// The image is of another type than its name says, or no image at all.
    #[error("its magic number is 0x{0:08x}, not 0x{1:08x}")]
    Magic(u32, u32),
    /// A length of gigabytes in a few bytes asks for that much memory.
    #[error("a message claims {0} bytes, more than 16 MiB")]
    TooLong(u32),
    /// Two bytes of an image become a hundred bytes of memory.
    #[error("what the images hold would take more than 256 MiB of memory")]
    TooMany,
    /// The caller has less memory than that.
    #[error(transparent)]
    Room(#[from] NoRoom),
    /// An image without the one message that it consists of.
    #[error("the image is empty")]
    Empty,
    /// The entries of a page map aren't in ascending order, overlap, or leave the address space: an address has no or
    /// several contents.
    #[error("its entries overlap, aren't sorted or leave the address space")]
    Pagemap,
    /// The sizes of compressed pages contradict each other.
    #[error("the sizes of its compressed pages contradict each other")]
    Compressed,
    /// A page doesn't decompress to exactly its size.
    #[error("a compressed page is corrupt")]
    Lz4,
    /// The file of pages isn't as long as the page map says: it is truncated, or another process's.
    #[error("the page map describes {expected} bytes of pages, and {found} are there")]
    PagesSize {
        /// What the map says.
        expected: u64,
        /// What there is.
        found: u64,
    },
}

impl error::Refusal for Refusal {
    fn kind(&self) -> Kind {
        match self {
            Self::TooLong(_) | Self::TooMany => Kind::Limit,
            Self::Room(none) => none.kind(),
            _ => Kind::Malformed,
        }
    }

    fn errno(&self) -> Errno {
        match self {
            Self::Room(none) => none.errno(),
            _ => self.kind().errno(),
        }
    }
}
