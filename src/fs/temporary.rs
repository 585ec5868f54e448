//! Names for what isn't finished.

#![forbid(unsafe_code)]

use std::hash::{BuildHasher as _, RandomState};

use nix::errno::Errno;

use super::Name;
use crate::error::{Called as _, Error, Result};

/// How many temporary names are tried before somebody who takes each of them wins.
const ATTEMPTS: u32 = 64;

/// Calls `make` with names that begin with `prefix` and that nobody else has thought of, until one is free. `call` says
/// what failed, if that isn't that a name was taken.
pub(crate) fn with_temporary_name<T>(
    prefix: &[u8],
    call: impl Fn(&Name) -> String,
    make: impl Fn(&Name) -> Result<T, Errno>,
) -> Result<(T, Name)> {
    for attempt in 1.. {
        // The keys of the hasher are random: calls side by side mustn't take each other's names for theirs.
        let end = format!("{:016x}", RandomState::new().hash_one(attempt));
        let Some(name) = Name::new(&[prefix, end.as_bytes()].concat()) else {
            break;
        };
        match make(&name) {
            Err(Errno::EEXIST) if attempt < ATTEMPTS => {}
            result => return Ok((result.called(|| call(&name))?, name)),
        }
    }
    Err(Error::system("temporary name", Errno::EINVAL))
}
