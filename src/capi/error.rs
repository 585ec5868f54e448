//! `CRError`, and what can be asked of it.

use std::ffi::{CStr, CString, c_char, c_int};
use std::ptr;

use super::guard;
use crate::error::{Error, Kind};

/// There is no error; the answer for NULL.
pub const CR_ERROR_NONE: u32 = 0;
/// The operating system refused a call; the errno is the call's own.
pub const CR_ERROR_SYSTEM: u32 = 1;
/// An argument is unusable, and nothing was touched. EINVAL.
pub const CR_ERROR_ARGUMENT: u32 = 2;
/// An archive or a JSON file breaks its format, is cut short, or fails its checksum.
/// EBADMSG.
pub const CR_ERROR_MALFORMED: u32 = 3;
/// An archive or a list asks for something that it may not have: a place outside of
/// its root (EXDEV), or a link (EXDEV, ELOOP), a device or a protected name (EPERM) where none
/// may be.
pub const CR_ERROR_ESCAPE: u32 = 4;
/// A documented limit was exceeded. E2BIG.
pub const CR_ERROR_LIMIT: u32 = 5;
/// The input is well-formed but uses something that this library, its build or this
/// system doesn't support. EOPNOTSUPP.
pub const CR_ERROR_UNSUPPORTED: u32 = 6;
/// The archive lacks the member that was asked for. ENODATA.
pub const CR_ERROR_NOT_IN_ARCHIVE: u32 = 7;
/// The caller cancelled the work. ECANCELED.
pub const CR_ERROR_CANCELLED: u32 = 8;
/// A defect of this library. ENOTRECOVERABLE.
pub const CR_ERROR_INTERNAL: u32 = 9;

const _: () = assert!(CR_ERROR_SYSTEM == Kind::System as u32);
const _: () = assert!(CR_ERROR_ARGUMENT == Kind::Argument as u32);
const _: () = assert!(CR_ERROR_MALFORMED == Kind::Malformed as u32);
const _: () = assert!(CR_ERROR_ESCAPE == Kind::Escape as u32);
const _: () = assert!(CR_ERROR_LIMIT == Kind::Limit as u32);
const _: () = assert!(CR_ERROR_UNSUPPORTED == Kind::Unsupported as u32);
const _: () = assert!(CR_ERROR_NOT_IN_ARCHIVE == Kind::NotInArchive as u32);
const _: () = assert!(CR_ERROR_CANCELLED == Kind::Cancelled as u32);
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

impl From<Error> for CRError {
    fn from(error: Error) -> Self {
        CRError {
            errno: error.errno(),
            kind: error.kind() as u32,
            message: terminated(error.to_string().replace('\0', "\\0").as_bytes()),
            entry: error.entry().map(terminated),
            offset: error
                .offset()
                .map_or(-1, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX)),
        }
    }
}

/// The bytes up to the first NUL, as a C string.
fn terminated(bytes: &[u8]) -> CString {
    let end = bytes
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(bytes.len());
    CString::new(&bytes[..end]).unwrap_or_default()
}

/// What a field of the error is, or `none` if there is no error.
///
/// # Safety
///
/// `error` is NULL or a live error, which stays so while the answer borrows from it.
unsafe fn field<T: Copy>(error: *const CRError, none: T, get: impl FnOnce(&CRError) -> T) -> T {
    // SAFETY: this function's caller guarantees it.
    guard::value(none, || Ok(unsafe { error.as_ref() }.map_or(none, get)))
}

/// Answers the errno of an error: positive, the negative of what the failed function returned. 0
/// for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRErrorErrno(error: *const CRError) -> c_int {
    // SAFETY: the caller passes NULL or an error that it hasn't freed.
    unsafe { field(error, 0, |error| error.errno) }
}

/// Answers what sort of failure an error is: one of CR_ERROR_*, CR_ERROR_NONE for NULL. Later
/// versions may answer values that this header doesn't have.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRErrorKind(error: *const CRError) -> u32 {
    // SAFETY: the caller passes NULL or an error that it hasn't freed.
    unsafe { field(error, CR_ERROR_NONE, |error| error.kind) }
}

/// Answers the message of an error: one line of UTF-8 that reads like a path through the work, such
/// as "apply rootfs-diff.tar: entry "usr/bin/x": mkdirat "x": ENOSPC (No space left on device)".
/// Bytes of names that could harm a terminal or a log are escaped. The string belongs to the error
/// and lives as long as it does. "" for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRErrorMessage(error: *const CRError) -> *const c_char {
    // SAFETY: the caller passes NULL or an error that it hasn't freed, and doesn't free it while it
    // uses the message.
    unsafe { field(error, c"".as_ptr(), |error| error.message.as_ptr()) }
}

/// Answers the name of the archive member, or the listed path, that an error is about, or NULL if
/// it isn't about one. These are the raw bytes, not escaped, up to the first NUL. The string
/// belongs to the error and lives as long as it does. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRErrorEntry(error: *const CRError) -> *const c_char {
    // SAFETY: the caller passes NULL or an error that it hasn't freed, and doesn't free it while it
    // uses the name.
    unsafe {
        field(error, ptr::null(), |error| {
            error.entry.as_deref().map_or(ptr::null(), CStr::as_ptr)
        })
    }
}

/// Answers how many bytes into the decompressed tar stream an error was found, or -1 if it wasn't
/// found in one. -1 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRErrorOffset(error: *const CRError) -> i64 {
    // SAFETY: the caller passes NULL or an error that it hasn't freed.
    unsafe { field(error, -1, |error| error.offset) }
}

/// Frees an error and the strings that belong to it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRErrorFree(error: *mut CRError) {
    // SAFETY: the caller passes NULL or an error of this library's, and passes it only once.
    guard::run(|| unsafe { free(error) });
}

/// Frees the error, if there is one.
///
/// # Safety
///
/// `error` is NULL or a box that was made into a pointer, and not freed before.
unsafe fn free(error: *mut CRError) {
    if !error.is_null() {
        // SAFETY: it isn't NULL, and this function's caller guarantees the rest.
        drop(unsafe { Box::from_raw(error) });
    }
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
        // SAFETY: the error is a local variable.
        assert_eq!(unsafe { CRErrorErrno(&raw const error) }, libc::E2BIG);
        // SAFETY: as above.
        assert_eq!(unsafe { CRErrorKind(&raw const error) }, 5);
        // SAFETY: as above.
        assert_eq!(unsafe { CRErrorOffset(&raw const error) }, 512);
        // SAFETY: as above.
        let message = unsafe { CRErrorMessage(&raw const error) };
        // SAFETY: the message is a C string, and the error is alive.
        let message = unsafe { CStr::from_ptr(message) };
        assert_eq!(message, c"entry \"a\\xff/b\": too long");
        // SAFETY: as above.
        let entry = unsafe { CRErrorEntry(&raw const error) };
        // SAFETY: the entry is a C string, and the error is alive.
        assert_eq!(unsafe { CStr::from_ptr(entry) }, c"a\xff/b");
    }

    #[test]
    fn an_error_about_nothing_in_particular_has_no_entry_and_no_offset() {
        let error = CRError::from(Error::argument("input", "is wrong"));
        // SAFETY: the error is a local variable.
        assert!(unsafe { CRErrorEntry(&raw const error) }.is_null());
        // SAFETY: as above.
        assert_eq!(unsafe { CRErrorOffset(&raw const error) }, -1);
    }

    #[test]
    fn a_nul_in_a_message_is_shown_and_one_in_a_name_ends_it() {
        let error = CRError::from(Error::new(Kind::Escape, "a\0b").at_entry(b"x\0y"));
        assert_eq!(error.message.as_c_str(), c"entry \"x\\u{0}y\": a\\0b");
        assert_eq!(error.entry.as_deref(), Some(c"x"));
    }

    #[test]
    fn null_has_an_answer_everywhere() {
        // SAFETY: NULL is allowed.
        assert_eq!(unsafe { CRErrorErrno(ptr::null()) }, 0);
        // SAFETY: NULL is allowed.
        assert_eq!(unsafe { CRErrorKind(ptr::null()) }, CR_ERROR_NONE);
        // SAFETY: NULL is allowed.
        let message = unsafe { CRErrorMessage(ptr::null()) };
        // SAFETY: the message is a constant.
        assert_eq!(unsafe { CStr::from_ptr(message) }, c"");
        // SAFETY: NULL is allowed.
        assert!(unsafe { CRErrorEntry(ptr::null()) }.is_null());
        // SAFETY: NULL is allowed.
        assert_eq!(unsafe { CRErrorOffset(ptr::null()) }, -1);
        // SAFETY: NULL is allowed.
        unsafe { CRErrorFree(ptr::null_mut()) };
    }
}
