//! Errors: what they are, and what can be asked of them.

use std::ffi::{CStr, CString, c_char, c_int};
use std::ptr;

use super::argument::{Optional, Owned};
use super::guard;
use super::string::{named, until_nul};
use crate::error::{Error, Kind};

/// There is no error: the answer for NULL.
pub const CR_ERROR_NONE: u32 = 0;
/// The operating system refused a call. The errno is the call's own.
pub const CR_ERROR_SYSTEM: u32 = 1;
/// An argument is unusable, and nothing was touched. EINVAL.
pub const CR_ERROR_ARGUMENT: u32 = 2;
/// An archive or a JSON file breaks its format, is cut short, or fails its checksum. EBADMSG.
pub const CR_ERROR_MALFORMED: u32 = 3;
/// An archive or a list names something outside of its root, by a path or by a link. EXDEV.
pub const CR_ERROR_ESCAPE: u32 = 4;
/// An archive or a directory holds a type or a name that may not be there, such as a device in a
/// bundle. EPERM; ELOOP for a symbolic link.
pub const CR_ERROR_FORBIDDEN: u32 = 5;
/// A documented limit was exceeded. E2BIG.
pub const CR_ERROR_LIMIT: u32 = 6;
/// The input is well-formed but uses something that this library, its build or this system doesn't
/// support; or an option isn't known to this version. EOPNOTSUPP.
pub const CR_ERROR_UNSUPPORTED: u32 = 7;
/// The archive lacks the member that was asked for. ENODATA.
pub const CR_ERROR_NOT_IN_ARCHIVE: u32 = 8;
/// The caller cancelled the work. ECANCELED.
pub const CR_ERROR_CANCELLED: u32 = 9;
/// The work's deadline has passed. ETIMEDOUT.
pub const CR_ERROR_DEADLINE: u32 = 10;
/// The library has a defect. ENOTRECOVERABLE.
pub const CR_ERROR_INTERNAL: u32 = 11;

const _: () = assert!(CR_ERROR_SYSTEM == Kind::System as u32);
const _: () = assert!(CR_ERROR_ARGUMENT == Kind::Argument as u32);
const _: () = assert!(CR_ERROR_MALFORMED == Kind::Malformed as u32);
const _: () = assert!(CR_ERROR_ESCAPE == Kind::Escape as u32);
const _: () = assert!(CR_ERROR_FORBIDDEN == Kind::Forbidden as u32);
const _: () = assert!(CR_ERROR_LIMIT == Kind::Limit as u32);
const _: () = assert!(CR_ERROR_UNSUPPORTED == Kind::Unsupported as u32);
const _: () = assert!(CR_ERROR_NOT_IN_ARCHIVE == Kind::NotInArchive as u32);
const _: () = assert!(CR_ERROR_CANCELLED == Kind::Cancelled as u32);
const _: () = assert!(CR_ERROR_DEADLINE == Kind::Deadline as u32);
const _: () = assert!(CR_ERROR_INTERNAL == Kind::Internal as u32);

/// Why a function failed.
#[derive(Debug)]
pub struct CRError {
    errno: c_int,
    kind: u32,
    message: CString,
    entry: Option<CString>,
    offset: i64,
}

impl CRError {
    #[cfg(test)]
    pub(super) fn kind(&self) -> u32 {
        self.kind
    }
}

impl From<Error> for CRError {
    fn from(error: Error) -> Self {
        CRError {
            errno: error.errno(),
            kind: error.kind() as u32,
            message: until_nul(error.to_string().replace('\0', "\\0").as_bytes()),
            entry: error.entry().map(until_nul),
            offset: error
                .offset()
                .map_or(-1, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX)),
        }
    }
}

/// The names of the kinds, and of none.
fn kind_names() -> [(u32, &'static str); Kind::ALL.len() + 1] {
    let kinds = Kind::ALL.map(|kind| (kind as u32, kind.name()));
    std::array::from_fn(|index| match index.checked_sub(1) {
        Some(index) => kinds[index],
        None => (CR_ERROR_NONE, "none"),
    })
}

/// Returns the errno of an error: positive, the negative of the failed function's result. 0 for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn CRErrorErrno(error: Optional<CRError>) -> c_int {
    guard::value(0, || Ok(error.get().map_or(0, |error| error.errno)))
}

/// Returns the kind of an error: one of CR_ERROR_*, CR_ERROR_NONE for NULL. Later versions may have
/// more kinds.
#[unsafe(no_mangle)]
pub extern "C" fn CRErrorKind(error: Optional<CRError>) -> u32 {
    let kind = || error.get().map_or(CR_ERROR_NONE, |error| error.kind);
    guard::value(CR_ERROR_NONE, || Ok(kind()))
}

/// Returns the name of a kind for logs, such as "malformed", or "none" for CR_ERROR_NONE. The string is
/// static; NULL for a number that isn't one of CR_ERROR_*.
///
/// @param kind One of CR_ERROR_*.
#[unsafe(no_mangle)]
pub extern "C" fn CRErrorKindName(kind: u32) -> *const c_char {
    named(kind, kind_names())
}

/// Returns the message of an error: one line of UTF-8 that reads like a path through the work, such
/// as `apply rootfs-diff.tar: entry "usr/x": mkdirat "x": ENOSPC (No space left on device)`. Bytes of
/// names that could harm a terminal or a log are escaped. The string belongs to the error. "" for
/// NULL.
#[unsafe(no_mangle)]
pub extern "C" fn CRErrorMessage(error: Optional<CRError>) -> *const c_char {
    let message = || error.get().map_or(c"", |error| &error.message).as_ptr();
    guard::value(c"".as_ptr(), || Ok(message()))
}

/// Returns the name of the archive member, or of the listed path, that an error is about: its raw
/// bytes up to the first NUL, not escaped. The string belongs to the error. NULL if the error isn't
/// about one, and for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn CRErrorEntry(error: Optional<CRError>) -> *const c_char {
    let entry = || error.get().and_then(|error| error.entry.as_deref());
    guard::value(
        ptr::null(),
        || Ok(entry().map_or(ptr::null(), CStr::as_ptr)),
    )
}

/// Returns the offset in the decompressed tar stream, in bytes, at which an error was found. -1 if it
/// wasn't found in one, and for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn CRErrorOffset(error: Optional<CRError>) -> i64 {
    guard::value(-1, || Ok(error.get().map_or(-1, |error| error.offset)))
}

/// Frees an error and the strings that belong to it.
#[unsafe(no_mangle)]
pub extern "C" fn CRErrorFree(error: Owned<CRError>) {
    guard::run(|| error.free());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_tells_c_what_it_tells_rust() {
        let error = CRError::from(
            Error::new(Kind::Limit, "too long")
                .at_entry(b"a\xff/b")
                .at_offset(512),
        );
        assert_eq!(
            (error.errno, error.kind, error.offset),
            (libc::E2BIG, 6, 512)
        );
        assert_eq!(error.message.as_c_str(), c"entry \"a\\xff/b\": too long");
        assert_eq!(error.entry.as_deref(), Some(c"a\xff/b"));
    }

    #[test]
    fn an_error_about_nothing_in_particular_has_no_entry_and_no_offset() {
        let error = CRError::from(Error::argument("archive", "is wrong"));
        assert_eq!((error.entry, error.offset), (None, -1));
    }

    #[test]
    fn a_nul_in_a_message_is_shown_and_one_in_a_name_ends_it() {
        let error = CRError::from(Error::new(Kind::Escape, "a\0b").at_entry(b"x\0y"));
        assert_eq!(error.message.as_c_str(), c"entry \"x\\u{0}y\": a\\0b");
        assert_eq!(error.entry.as_deref(), Some(c"x"));
    }
}
