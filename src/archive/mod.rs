//! Floor 2: a tar stream into a root directory, and a root directory into a tar stream.
//!
//! [`Input`] is an archive being read, whatever its compression: as long as it is plain and a file, a member's data
//! is a range of that file, which the kernel copies or shares; otherwise it is a stream. [`Sink`] is the same for an
//! archive being written, by one or several [`Creation`]s.

#![forbid(unsafe_code)]

mod create;
mod digest;
mod extract;
mod input;

pub(crate) use create::{
    Creation, Depth, Finished, Manner, Measure, Measured, OpenFile, Sink, Stored, Target, type_of,
};
pub use digest::Sha256Digest;
pub(crate) use digest::{Hasher, Hashing, digest_of};
pub(crate) use extract::{Extraction, IdMap, Meter, Policy, Rules, Terms, Types, Verdict};
pub use extract::{IdRange, UnsettableXattrs};
pub(crate) use input::{ArchiveOrigin, Content, Hash, Input, Make, Overflow, Peer, Reading};
