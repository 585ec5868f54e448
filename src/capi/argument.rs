//! What C passes, made into what Rust takes. Each argument is called by its name in the header when
//! it is refused.

use std::ffi::{CStr, OsStr, c_char, c_int};
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::NonNull;
use std::slice;

use crate::error::{Error, Result};

/// An argument that is NULL and may not be.
fn null(name: &str) -> Error {
    Error::argument(name, "must not be NULL")
}

/// A string argument.
///
/// # Safety
///
/// `pointer` is NULL, or a string that ends with a NUL and doesn't change during `'a`.
pub(super) unsafe fn string<'a>(name: &str, pointer: *const c_char) -> Result<&'a CStr> {
    if pointer.is_null() {
        return Err(null(name));
    }
    // SAFETY: it isn't NULL, and this function's caller guarantees the rest.
    Ok(unsafe { CStr::from_ptr(pointer) })
}

/// String arguments that are paths, or parts of one: any bytes.
///
/// # Safety
///
/// As for [`string`], for each of them.
pub(super) unsafe fn paths<'a, const N: usize>(
    pointers: [(&str, *const c_char); N],
) -> Result<[&'a Path; N]> {
    let mut paths = [Path::new(""); N];
    for (path, (name, pointer)) in paths.iter_mut().zip(pointers) {
        // SAFETY: this function's caller guarantees it.
        let string: &'a CStr = unsafe { string(name, pointer) }?;
        *path = Path::new(OsStr::from_bytes(string.to_bytes()));
    }
    Ok(paths)
}

/// A string argument that is a path and may be NULL.
///
/// # Safety
///
/// As for [`string`].
pub(super) unsafe fn optional_path<'a>(pointer: *const c_char) -> Option<&'a Path> {
    // SAFETY: this function's caller guarantees it, and NULL is told apart.
    let string = (!pointer.is_null()).then(|| unsafe { CStr::from_ptr(pointer) })?;
    Some(Path::new(OsStr::from_bytes(string.to_bytes())))
}

/// An object of this library's that the caller has.
///
/// # Safety
///
/// `pointer` is NULL, or a live object that nobody changes during `'a`.
pub(super) unsafe fn object<'a, T>(name: &str, pointer: *const T) -> Result<&'a T> {
    // SAFETY: this function's caller guarantees it.
    unsafe { pointer.as_ref() }.ok_or_else(|| null(name))
}

/// An object of this library's that the caller has changed.
///
/// # Safety
///
/// `pointer` is NULL, or a live object that nobody else uses during `'a`.
pub(super) unsafe fn object_mut<'a, T>(name: &str, pointer: *mut T) -> Result<&'a mut T> {
    // SAFETY: this function's caller guarantees it.
    unsafe { pointer.as_mut() }.ok_or_else(|| null(name))
}

/// A number that stands for a truth value.
pub(super) fn truth(name: &str, value: u32) -> Result<bool> {
    match value {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(Error::argument(name, format!("{other} is neither 0 nor 1"))),
    }
}

/// A function of the caller's.
pub(super) fn function<F>(name: &str, function: Option<F>) -> Result<F> {
    function.ok_or_else(|| null(name))
}

/// A descriptor of the caller's, which stays open during `'a`.
///
/// # Safety
///
/// `fd` is negative, or a descriptor that isn't closed during `'a`; any other number is EBADF at its first use.
pub(super) unsafe fn descriptor<'a>(name: &str, fd: c_int) -> Result<BorrowedFd<'a>> {
    if fd < 0 {
        return Err(Error::argument(name, "is negative, and no descriptor"));
    }
    // SAFETY: it isn't -1, and this function's caller guarantees the rest.
    Ok(unsafe { BorrowedFd::borrow_raw(fd) })
}

/// Several of them.
///
/// # Safety
///
/// As for [`descriptor`], for each of them.
pub(super) unsafe fn descriptors<'a, const N: usize>(
    fds: [(&str, c_int); N],
) -> Result<[BorrowedFd<'a>; N]> {
    for (name, fd) in fds {
        // SAFETY: this function's caller guarantees it.
        unsafe { descriptor(name, fd) }?;
    }
    // SAFETY: none of them is negative, and this function's caller guarantees the rest.
    Ok(fds.map(|(_, fd)| unsafe { BorrowedFd::borrow_raw(fd) }))
}

/// A descriptor of the caller's, or -1 for none.
///
/// # Safety
///
/// As for [`descriptor`].
pub(super) unsafe fn optional_descriptor<'a>(
    name: &str,
    fd: c_int,
) -> Result<Option<BorrowedFd<'a>>> {
    if fd == -1 {
        return Ok(None);
    }
    // SAFETY: this function's caller guarantees it.
    unsafe { descriptor(name, fd) }.map(Some)
}

/// An array of descriptors.
///
/// # Safety
///
/// As for [`array`], and as for [`descriptor`] for each element.
pub(super) unsafe fn descriptor_array<'a>(
    name: &str,
    pointer: *const c_int,
    len: usize,
) -> Result<Vec<BorrowedFd<'a>>> {
    // SAFETY: this function's caller guarantees it.
    let fds = unsafe { array(name, pointer, len) }?;
    let one = |(index, fd): (usize, &c_int)| {
        // SAFETY: this function's caller guarantees it.
        unsafe { descriptor(&format!("{name}[{index}]"), *fd) }
    };
    fds.iter().enumerate().map(one).collect()
}

/// Frees an object that C was given, if there is one.
///
/// # Safety
///
/// `pointer` is NULL or a box that was made into a pointer, and not freed before.
pub(super) unsafe fn free<T>(pointer: *mut T) {
    if !pointer.is_null() {
        // SAFETY: it isn't NULL, and this function's caller guarantees the rest.
        drop(unsafe { Box::from_raw(pointer) });
    }
}

/// An array argument and its length. With the length 0 the array may be NULL.
///
/// # Safety
///
/// `pointer` is an array of `len` initialized values that doesn't change during `'a`, unless `len`
/// is 0 or this function refuses the pair.
pub(super) unsafe fn array<'a, T>(name: &str, pointer: *const T, len: usize) -> Result<&'a [T]> {
    if len == 0 {
        return Ok(&[]);
    }
    if pointer.is_null() {
        return Err(null(name));
    }
    if !pointer.is_aligned() {
        return Err(Error::argument(name, "is not aligned as its type wants it"));
    }
    let bytes = size_of::<T>()
        .checked_mul(len)
        .filter(|bytes| isize::try_from(*bytes).is_ok());
    if bytes.is_none_or(|bytes| pointer.addr().checked_add(bytes).is_none()) {
        return Err(Error::argument(
            &format!("{name}_len"),
            format!("{len} elements don't fit into memory"),
        ));
    }
    // SAFETY: the array isn't NULL, is aligned, is no longer than a slice may be, and doesn't wrap
    // around; that it is there and doesn't change is guaranteed by this function's caller.
    Ok(unsafe { slice::from_raw_parts(pointer, len) })
}

/// An array of paths.
///
/// # Safety
///
/// As for [`array`], and as for [`string`] for each element.
pub(super) unsafe fn path_array<'a>(
    name: &str,
    pointer: *const *const c_char,
    len: usize,
) -> Result<Vec<&'a Path>> {
    // SAFETY: this function's caller guarantees it.
    let strings = unsafe { array(name, pointer, len) }?;
    let path = |(index, pointer): (usize, &*const c_char)| {
        // SAFETY: this function's caller guarantees it.
        let string = unsafe { string(&format!("{name}[{index}]"), *pointer) }?;
        Ok(Path::new(OsStr::from_bytes(string.to_bytes())))
    };
    strings.iter().enumerate().map(path).collect()
}

/// A place for a result, which is written once all has succeeded, or not at all.
#[derive(Debug)]
pub(super) struct Out<T>(NonNull<T>);

impl<T> Out<T> {
    /// Writes the result. What was there before is neither read nor dropped.
    pub(super) fn write(self, value: T) {
        // SAFETY: the caller of `out` guarantees that the place may be written to, and `out` that
        // it is aligned.
        unsafe { self.0.write(value) };
    }
}

/// An argument that points to where a result goes.
///
/// # Safety
///
/// `pointer` is NULL, or may be written to for as long as the result lives.
pub(super) unsafe fn out<T>(name: &str, pointer: *mut T) -> Result<Out<T>> {
    let place = NonNull::new(pointer).ok_or_else(|| null(name))?;
    if !place.is_aligned() {
        return Err(Error::argument(name, "is not aligned as its type wants it"));
    }
    Ok(Out(place))
}

#[cfg(test)]
mod tests {
    use std::ptr;

    use super::*;
    use crate::error::Kind;

    #[test]
    fn null_is_an_argument_error_that_names_the_argument() {
        // SAFETY: NULL is allowed.
        let error = unsafe { string("input", ptr::null()) }.unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (Kind::Argument, "input: must not be NULL")
        );
        // SAFETY: NULL is allowed.
        let error =
            unsafe { paths([("destination", c"/".as_ptr()), ("input", ptr::null())]) }.unwrap_err();
        assert_eq!(error.to_string(), "input: must not be NULL");
        // SAFETY: NULL is allowed.
        let error = unsafe { out::<u8>("runtime", ptr::null_mut()) }.unwrap_err();
        assert_eq!(error.to_string(), "runtime: must not be NULL");
        // SAFETY: the pair is refused.
        let error = unsafe { array::<u64>("changes", ptr::null(), 1) }.unwrap_err();
        assert_eq!(error.to_string(), "changes: must not be NULL");
    }

    #[test]
    fn a_path_may_be_any_bytes() {
        // SAFETY: the string is a constant.
        let [path] = unsafe { paths([("input", c"/a\xff\nb".as_ptr())]) }.unwrap();
        assert_eq!(path.as_os_str().as_bytes(), b"/a\xff\nb");
    }

    #[test]
    fn an_array_without_elements_may_be_null() {
        // SAFETY: its length is 0.
        let array = unsafe { array::<u64>("changes", ptr::null(), 0) };
        assert_eq!(array.unwrap(), &[] as &[u64]);
    }

    #[test]
    fn a_length_that_no_array_has_is_refused() {
        let one = [7_u64];
        for len in [usize::MAX, usize::MAX / 8, usize::MAX / 16 + 1] {
            // SAFETY: the pair is refused.
            let error = unsafe { array("changes", one.as_ptr(), len) }.unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("changes_len: {len} elements don't fit into memory")
            );
        }
        // SAFETY: the array is a local variable of this length.
        assert_eq!(unsafe { array("changes", one.as_ptr(), 1) }.unwrap(), &[7]);
    }

    #[test]
    fn an_address_that_its_type_does_not_have_is_refused() {
        let mut two = [0_u64; 2];
        let odd = two.as_mut_ptr().wrapping_byte_add(1);
        // SAFETY: the pair is refused.
        let error = unsafe { array("changes", odd.cast_const(), 1) }.unwrap_err();
        assert_eq!(error.kind(), Kind::Argument);
        // SAFETY: nothing is written.
        let error = unsafe { out("runtime", odd) }.unwrap_err();
        assert_eq!(error.kind(), Kind::Argument);
    }

    #[test]
    fn a_result_is_written_where_it_belongs() {
        let mut place = 0_u32;
        // SAFETY: the place is a local variable.
        unsafe { out("runtime", &raw mut place) }.unwrap().write(5);
        assert_eq!(place, 5);
    }
}
