//! The strings that C gets to keep. They come from malloc, so that a caller may shorten or
//! rearrange what it owns.

use std::alloc::{Layout, handle_alloc_error};
use std::collections::BTreeMap;
use std::ffi::{CString, c_char, c_void};
use std::ptr::{self, NonNull};
use std::sync::{Mutex, PoisonError};

use super::guard;
use crate::checkpoint::Sha256Digest;
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

/// The bytes up to the first NUL as a C string, for what is only told.
pub(super) fn until_nul(bytes: &[u8]) -> CString {
    let end = bytes.iter().position(|byte| *byte == 0);
    CString::new(&bytes[..end.unwrap_or(bytes.len())]).unwrap_or_default()
}

/// The name of a number, for C to keep: the names of a family are made into C strings once.
pub(super) fn named<const N: usize>(number: u32, names: [(u32, &'static str); N]) -> *const c_char {
    static KNOWN: Mutex<BTreeMap<&'static str, CString>> = Mutex::new(BTreeMap::new());
    guard::value(ptr::null(), || {
        let found = names.iter().find(|(known, _)| *known == number);
        let Some((_, name)) = found else {
            return Ok(ptr::null());
        };
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        let text = known
            .entry(name)
            .or_insert_with(|| until_nul(name.as_bytes()));
        // The map never loses an element, and a string's bytes stay where they are when the map moves it.
        Ok(text.as_ptr())
    })
}

/// A digest's hexadecimal digits.
pub(super) fn digits(digest: &Sha256Digest) -> CString {
    until_nul(digest.to_string().as_bytes())
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

/// A string from malloc that C gives back: NULL, or one of this library's that isn't used after.
#[repr(transparent)]
#[derive(Debug)]
pub struct OwnedText(*mut c_char);

/// A NULL-terminated array of such strings.
#[repr(transparent)]
#[derive(Debug)]
pub struct OwnedTexts(*mut *mut c_char);

/// Frees a string that a function of this library gave the caller.
#[unsafe(no_mangle)]
pub extern "C" fn CRStringFree(string: OwnedText) {
    // SAFETY: the type says that it is NULL or from malloc, and not used after.
    guard::run(|| unsafe { libc::free(string.0.cast::<c_void>()) });
}

/// Frees a NULL-terminated array of strings that a function of this library gave the caller, and the
/// strings.
#[unsafe(no_mangle)]
pub extern "C" fn CRStringArrayFree(strings: OwnedTexts) {
    // SAFETY: the type says that it is NULL or an array of this library's, and not used after.
    guard::run(|| unsafe { free_array(strings.0) });
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
        CRStringFree(OwnedText(string));
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
        CRStringArrayFree(OwnedTexts(array));
    }

    #[test]
    fn an_empty_array_is_not_null() {
        let array = owned_array("include_files", Vec::<&str>::new()).unwrap();
        // SAFETY: the array is the one just made, of a NULL.
        assert!(unsafe { array.read() }.is_null());
        CRStringArrayFree(OwnedTexts(array));
    }

    #[test]
    fn null_is_freed_without_effect() {
        CRStringFree(OwnedText(ptr::null_mut()));
        CRStringArrayFree(OwnedTexts(ptr::null_mut()));
    }

    #[test]
    fn a_number_of_a_family_has_a_name_and_others_have_none() {
        let names = [(1, "one"), (2, "two words")];
        // SAFETY: the names are C strings that are never freed.
        let name = unsafe { CStr::from_ptr(named(2, names)) };
        assert_eq!(name, c"two words");
        assert_eq!(named(2, names), name.as_ptr());
        assert!(named(0, names).is_null());
        assert!(named(3, names).is_null());
    }
}
