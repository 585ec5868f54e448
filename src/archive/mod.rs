//! Floor 2: a tar stream into a root directory, and a root directory into a tar stream.
//!
//! [`Input`] is an archive being read, whatever its compression: as long as it is plain and a file, a member's data
//! is a range of that file, which the kernel copies or shares; otherwise it is a stream.

#![forbid(unsafe_code)]

mod create;
mod extract;
mod input;

pub(crate) use create::{Creation, Depth};
pub(crate) use extract::{Extraction, Policy, Verdict};
pub(crate) use input::Input;

/// How many names (of directories, of hard link sources, of what is to be deleted) are remembered at most until the
/// end of a work. An archive of nothing but names would otherwise fill the memory.
pub(crate) const MAX_NAMES: usize = 4_000_000;
