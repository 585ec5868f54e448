//! The bytes of a tar stream: a [`Reader`] that yields one [`Member`] after the other, and [`encode`], which turns a
//! [`Member`] into its headers. No file system, and no data but headers and sparse maps passes through memory here.
//!
//! # What is read
//!
//! V7, ustar, PAX (POSIX.1-2001), GNU and star (Schily) headers; GNU long names and links; sparse files in the old GNU
//! form and in the PAX forms 0.0, 0.1 and 1.0. The formats are described in POSIX (`pax`, "ustar Interchange Format"),
//! the GNU tar manual ("Tar Internals") and star's `star(5)`. A member's fields are what remains after every override:
//! PAX records over the header, a GNU long name over both, `GNU.sparse.name` over all. A global PAX header may hold a
//! comment or GNU's name of the archive; what says something of members is refused: some readers apply it, others don't.
//! Solaris' `X` is read as `x`, GNU's name of an archive (`V`) and lists of directories (`D`) are passed over. A hard link
//! may have data, which are passed over too, since its source has them.
//!
//! What readers are known to disagree about is refused, where they would make different trees of it: a number behind a
//! NUL, a single zero block, a header without the member that it announces, a size or version of a sparse map that isn't
//! there or isn't known.
//!
//! # What is written
//!
//! ustar wherever the member fits, otherwise a PAX header in front; holes as PAX sparse 1.0. No GNU extensions.
//!
//! Data of 64 KiB or more begins at a multiple of 4096 bytes, counted from the beginning of the archive (a nested one has
//! its own), so that file systems can share its blocks with a file. Where that takes padding, it is a PAX record
//! `comment`, which POSIX has all readers ignore.
//!
//! # Records of our own
//!
//! - `comment=CRUTILS.xattrs=complete`, or `CRUTILS.xattrs=complete` of large members and of earlier versions, says that
//!   the xattr records of this member are all xattrs that the object had. A reader that merges a directory entry into an
//!   existing directory can then remove the others. Other readers ignore a comment; GNU tar warns of a key of our own.
//! - `SCHILY.xattr.NAME=VALUE` can't carry a name with a `=` in it, since a key ends at the first `=`. Such an xattr is
//!   written as `LIBARCHIVE.xattr.<percent-encoded name>=<base64 of the value>`, which libarchive reads. Both forms are
//!   read for any name; `SCHILY.xattr` counts where both are there.
//!
//! # What comes from the `tar` crate, and what doesn't
//!
//! The layout of a header block ([`tar::Header`](::tar::Header) and its dialects) is the crate's. Its `Archive` and
//! `Builder` can't serve here, because
//!
//! - they work on host paths, and their data is a stream alone: this floor hands the source to the caller, who moves
//!   the data inside the kernel;
//! - numeric fields may be negative or signed base-256, checksums may be sums of signed bytes, star has a shorter prefix
//!   and times in the header, and headers that pass for GNU may hold a ustar prefix;
//! - PAX sparse files come out with their map as data, and neither the number nor the size of special headers and sparse
//!   maps is bounded by what a hostile archive deserves;
//! - PAX records need the rules for duplicates, empty values, times with nanoseconds and embedded NULs.

#![forbid(unsafe_code)]

mod acl;
mod align;
mod filler;
mod header;
mod member;
mod merge;
#[cfg(test)]
mod mutations;
mod number;
mod pax;
mod reader;
mod refusal;
pub(crate) mod sparse;
#[cfg(test)]
mod testing;
mod writer;
mod xattr;

pub(crate) use filler::fill;
pub use member::MemberType;
pub(crate) use member::{DeviceNumber, Extent, Extents, Member, MemberKind, Time, Xattr};
pub(crate) use reader::{Data, Reader, Source};
pub(crate) use writer::{END_OF_ARCHIVE, encode};

/// The size of a header block, and what data is padded to a multiple of.
const BLOCK: usize = 512;

/// How long a name or a link may be, in bytes: what the kernel takes as a path (`PATH_MAX` without its NUL).
const NAME_MAX: usize = 4095;

/// How long the body of a special header (PAX, GNU long name) and a sparse map may be, in bytes. Real ones hold a few
/// names and xattrs, or a map for a file with tens of thousands of holes; more would only be a way to exhaust memory.
const SPECIAL_MAX: u64 = 1 << 20;

/// How many zero bytes follow `stored` bytes of data: 0 to 511.
pub(crate) fn padding(stored: u64) -> usize {
    let over = usize::try_from(stored % BLOCK as u64).unwrap_or_default();
    (BLOCK - over) % BLOCK
}
