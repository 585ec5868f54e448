//! The version, for the compiler's eye and at run time.

use std::ffi::c_char;

use super::guard;

/// The version that this header belongs to. CRVersion answers that of the library in use.
pub const CRUTILS_VERSION_MAJOR: u32 = 0;
/// See CRUTILS_VERSION_MAJOR.
pub const CRUTILS_VERSION_MINOR: u32 = 1;
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

const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");

/// Answers the version of the library in use, such as "0.1.0". The string is static.
#[unsafe(no_mangle)]
pub extern "C" fn CRVersion() -> *const c_char {
    guard::value(c"".as_ptr(), || Ok(VERSION.as_ptr().cast()))
}
