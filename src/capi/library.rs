//! The library itself: its version, and what it can do.

use std::ffi::c_char;

use super::guard;
use crate::checkpoint::Feature;

/// The version that this header belongs to. CRVersion returns that of the library in use.
pub const CRUTILS_VERSION_MAJOR: u32 = 1;
/// See CRUTILS_VERSION_MAJOR.
pub const CRUTILS_VERSION_MINOR: u32 = 0;
/// See CRUTILS_VERSION_MAJOR.
pub const CRUTILS_VERSION_PATCH: u32 = 0;

// The header needs numbers; these keep them the same as those of Cargo.toml.
const _: () = assert!(is(CRUTILS_VERSION_MAJOR, env!("CARGO_PKG_VERSION_MAJOR")));
const _: () = assert!(is(CRUTILS_VERSION_MINOR, env!("CARGO_PKG_VERSION_MINOR")));
const _: () = assert!(is(CRUTILS_VERSION_PATCH, env!("CARGO_PKG_VERSION_PATCH")));

/// Whether the text is this number.
const fn is(number: u32, text: &str) -> bool {
    matches!(u32::from_str_radix(text, 10), Ok(value) if value == number)
}

/// SELinux labels are written. Without it, CRCreateFileWithLabel fails for a label where SELinux is enabled.
pub const CR_FEATURE_SELINUX: u32 = 1;
/// Paths are resolved by openat2. Without it, where the kernel lacks it or refuses it, by other calls.
pub const CR_FEATURE_OPENAT2: u32 = 2;
/// zstd archives can be written, which takes threads.
pub const CR_FEATURE_ZSTD_THREADS: u32 = 3;

const _: () = assert!(CR_FEATURE_SELINUX == Feature::Selinux as u32);
const _: () = assert!(CR_FEATURE_OPENAT2 == Feature::Openat2 as u32);
const _: () = assert!(CR_FEATURE_ZSTD_THREADS == Feature::ZstdThreads as u32);

const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");

/// Returns the version of the library in use, such as "1.0.0". The string is static.
#[unsafe(no_mangle)]
pub extern "C" fn CRVersion() -> *const c_char {
    guard::value(c"".as_ptr(), || Ok(VERSION.as_ptr().cast()))
}

/// Answers whether this build has a feature, in this process on this system. False for a feature that this
/// version doesn't know.
///
/// @param feature One of CR_FEATURE_*.
#[unsafe(no_mangle)]
pub extern "C" fn CRHasFeature(feature: u32) -> bool {
    guard::value(false, || {
        let known = Feature::ALL
            .into_iter()
            .find(|known| *known as u32 == feature);
        Ok(known.is_some_and(Feature::is_there))
    })
}
