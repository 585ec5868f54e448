//! The strings that C gets to keep. They come from malloc, so that a caller may shorten or
//! rearrange what it owns.

use std::alloc::{Layout, handle_alloc_error};
use std::ffi::{CString, c_char, c_void};
use std::ptr::{self, NonNull};

use super::guard;
use crate::error::{Error, Kind, Result};

/// A string that C can hold: one with a NUL inside would be cut there without a word.
///
/// `what` names it in the error.
pub(super) fn checked(what: &str, string: impl Into<Vec<u8>>) -> Result<CString> {
    CString::new(string)
        .map_err(|_| Error::new(Kind::Malformed, format!("{what}: holds a NUL byte")))
}

/// A copy of the string that C frees with [`CRStringFree`].
pub(super) fn owned(what: &str, string: impl Into<Vec<u8>>) -> Result<*mut c_char> {
    Ok(copy(checked(what, string)?.as_bytes_with_nul()).cast())
}

/// Copies of several strings, or of none if one of them is refused.
pub(super) fn owned_each<const N: usize>(
    what: &str,
    strings: [&String; N],
) -> Result<[*mut c_char; N]> {
    for string in strings {
        checked(what, string.as_str())?;
    }
    let copy_one = |string: &String| {
        let terminated = [string.as_bytes(), b"\0"].concat();
        copy(&terminated).cast()
    };
    Ok(strings.map(copy_one))
}

/// A NULL-terminated array of copies that C frees with [`CRStringArrayFree`].
pub(super) fn owned_array<S: Into<Vec<u8>>>(
    what: &str,
    strings: Vec<S>,
) -> Result<*mut *mut c_char> {
    // All are checked before the first is copied, so that nothing is lost when one is refused.
    let strings = strings
        .into_iter()
        .map(|string| checked(what, string))
        .collect::<Result<Vec<_>>>()?;
    let copies = strings
        .iter()
        .map(|string| copy(string.as_bytes_with_nul()).cast());
    let array: Vec<*mut c_char> = copies.chain([ptr::null_mut()]).collect();
    Ok(copy(&array))
}

/// A copy of the values in memory from malloc.
fn copy<T: Copy>(values: &[T]) -> *mut T {
    let layout = Layout::for_value(values);
    // SAFETY: malloc takes any size, and aligns for every type up to the machine's greatest scalar.
    let block = unsafe { libc::malloc(layout.size()) };
    let Some(block) = NonNull::new(block.cast::<T>()) else {
        handle_alloc_error(layout)
    };
    // SAFETY: the block is new and as long as the values.
    unsafe { ptr::copy_nonoverlapping(values.as_ptr(), block.as_ptr(), values.len()) };
    block.as_ptr()
}

/// Frees a string that a function of this library returned.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRStringFree(string: *mut c_char) {
    // SAFETY: the caller passes NULL or a string of this library's, which is from malloc, and
    // passes it only once.
    guard::run(|| unsafe { libc::free(string.cast::<c_void>()) });
}

/// Frees an array of strings that a function of this library returned, and the strings.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRStringArrayFree(strings: *mut *mut c_char) {
    // SAFETY: the caller passes NULL or an array of this library's, and passes it only once.
    guard::run(|| unsafe { free_array(strings) });
}

/// Frees the strings up to the NULL that ends the array, and the array.
///
/// # Safety
///
/// `strings` is NULL, or from [`owned_array`] and not freed before.
unsafe fn free_array(strings: *mut *mut c_char) {
    if strings.is_null() {
        return;
    }
    let mut place = strings;
    loop {
        // SAFETY: the place is in the array, since the NULL that ends it is further on, or here.
        let string = unsafe { place.read() };
        if string.is_null() {
            break;
        }
        // SAFETY: the string is from malloc, as this function's caller guarantees.
        unsafe { libc::free(string.cast()) };
        place = place.wrapping_add(1);
    }
    // SAFETY: the array is from malloc, as this function's caller guarantees.
    unsafe { libc::free(strings.cast()) };
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use super::*;

    #[test]
    fn a_string_with_a_nul_inside_is_malformed() {
        let error = owned("runtime", "a\0b").unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (Kind::Malformed, "runtime: holds a NUL byte")
        );
    }

    #[test]
    fn a_string_comes_out_whole_and_is_freed_after_it_was_shortened() {
        let string = owned("runtime", "crun").unwrap();
        // SAFETY: the string is the one just made.
        assert_eq!(unsafe { CStr::from_ptr(string) }, c"crun");
        // SAFETY: as above; it has five bytes.
        unsafe { string.write(0) };
        // SAFETY: as above, and this is its last use.
        unsafe { CRStringFree(string) };
    }

    #[test]
    fn an_array_ends_with_null() {
        let array = owned_array("include_files", vec!["rootfs-diff.tar", "deleted.files"]).unwrap();
        // SAFETY: the array is the one just made, of two strings and a NULL.
        let [first, second, end] = unsafe { array.cast::<[*mut c_char; 3]>().read() };
        // SAFETY: as above.
        assert_eq!(unsafe { CStr::from_ptr(first) }, c"rootfs-diff.tar");
        // SAFETY: as above.
        assert_eq!(unsafe { CStr::from_ptr(second) }, c"deleted.files");
        assert!(end.is_null());
        // SAFETY: as above, and this is its last use.
        unsafe { CRStringArrayFree(array) };
    }

    #[test]
    fn an_empty_array_is_not_null() {
        let array = owned_array("include_files", Vec::<&str>::new()).unwrap();
        // SAFETY: the array is the one just made, of a NULL.
        assert!(unsafe { array.read() }.is_null());
        // SAFETY: as above, and this is its last use.
        unsafe { CRStringArrayFree(array) };
    }

    #[test]
    fn null_is_freed_without_effect() {
        // SAFETY: NULL is allowed.
        unsafe { CRStringFree(ptr::null_mut()) };
        // SAFETY: NULL is allowed.
        unsafe { CRStringArrayFree(ptr::null_mut()) };
    }
}
