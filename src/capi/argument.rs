//! What C passes, as types that carry its contract.
//!
//! Each type is what an export's signature has in a place of a pointer or a descriptor, and has the same layout. Its
//! field is private, so that outside of tests only a C program makes a value of it: by calling an export. What the
//! program guarantees with such a value (the conventions at the top of the header) is said once, at the type, and every
//! conversion relies on it. A value lives as long as the export's body, and so does what is borrowed from it.
//!
//! Each conversion is told the argument's name in the header, for the message of its refusal.

use std::ffi::{CStr, OsStr, c_char, c_int, c_void};
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::{ptr, slice};

use crate::Place;
use crate::error::{Error, Result};

/// An argument is NULL and may not be.
pub(super) fn null(name: &str) -> Error {
    Error::argument(name, "must not be NULL")
}

/// A string: NULL, or bytes that end with a NUL and stay as they are during the call.
#[repr(transparent)]
#[derive(Debug)]
pub struct Text(*const c_char);

/// A [`Text`] that may be NULL.
#[repr(transparent)]
#[derive(Debug)]
pub struct OptionalText(*const c_char);

/// The descriptor of a place: AT_FDCWD, or a descriptor that stays open during the call.
#[repr(transparent)]
#[derive(Clone, Copy, Debug)]
pub struct At(c_int);

impl At {
    fn place<'a>(self, path: &'a Path, name: &str) -> Result<Place<'a>> {
        match self.0 {
            libc::AT_FDCWD => Ok(Place::from(path)),
            0.. => {
                // SAFETY: it isn't negative, and the type says that it stays open during the call.
                Ok(Place::at(unsafe { BorrowedFd::borrow_raw(self.0) }, path))
            }
            _ => {
                let why = "its descriptor is negative and not AT_FDCWD";
                Err(Error::argument(name, why))
            }
        }
    }
}

impl Text {
    /// A string of this library's, for C to borrow.
    pub(super) fn lent(text: &CStr) -> Self {
        Text(text.as_ptr())
    }

    /// The string; EINVAL for NULL.
    pub(super) fn c_str(&self, name: &str) -> Result<&CStr> {
        if self.0.is_null() {
            return Err(null(name));
        }
        // SAFETY: it isn't NULL, and the type says the rest.
        Ok(unsafe { CStr::from_ptr(self.0) })
    }

    /// The string as any bytes.
    pub(super) fn os_str(&self, name: &str) -> Result<&OsStr> {
        self.c_str(name)
            .map(|text| OsStr::from_bytes(text.to_bytes()))
    }

    /// The string as a path of the host.
    pub(super) fn path(&self, name: &str) -> Result<&Path> {
        self.os_str(name).map(Path::new)
    }

    /// The string as UTF-8.
    pub(super) fn str(&self, name: &str) -> Result<&str> {
        let text = self.c_str(name)?.to_str();
        text.map_err(|_| Error::argument(name, "is not UTF-8"))
    }

    /// The string as the path of a place.
    pub(super) fn place(&self, at: At, name: &str) -> Result<Place<'_>> {
        at.place(self.path(name)?, name)
    }
}

impl OptionalText {
    /// The string as a path of the host; none for NULL.
    pub(super) fn path(&self) -> Option<&Path> {
        // SAFETY: the type says that it is NULL or a string.
        let text = (!self.0.is_null()).then(|| unsafe { CStr::from_ptr(self.0) });
        text.map(|text| Path::new(OsStr::from_bytes(text.to_bytes())))
    }

    /// The string as UTF-8; none for NULL.
    pub(super) fn str(&self, name: &str) -> Result<Option<&str>> {
        let Some(path) = self.path() else {
            return Ok(None);
        };
        let text = path.to_str();
        text.map(Some)
            .ok_or_else(|| Error::argument(name, "is not UTF-8"))
    }

    /// A string of this library's for C to borrow, or NULL.
    pub(super) fn lent(text: Option<&CStr>) -> Self {
        OptionalText(text.map_or(std::ptr::null(), CStr::as_ptr))
    }

    /// The string as the path of a place; none for NULL.
    pub(super) fn place(&self, at: At, name: &str) -> Result<Option<Place<'_>>> {
        self.path().map(|path| at.place(path, name)).transpose()
    }
}

/// An object of this library's: NULL, or one that isn't freed, and that nobody changes, during the call.
#[repr(transparent)]
#[derive(Debug)]
pub struct Object<T>(*const T);

impl<T> Object<T> {
    /// The object; EINVAL for NULL.
    pub(super) fn get(&self, name: &str) -> Result<&T> {
        // SAFETY: the type says it.
        unsafe { self.0.as_ref() }.ok_or_else(|| null(name))
    }
}

/// An [`Object`] that may be NULL.
#[repr(transparent)]
#[derive(Debug)]
pub struct Optional<T>(*const T);

impl<T> Optional<T> {
    pub(super) fn get(&self) -> Option<&T> {
        // SAFETY: the type says it.
        unsafe { self.0.as_ref() }
    }

    /// What `part` takes out of the object; for NULL the default.
    pub(super) fn copied<P: Clone + Default>(&self, part: impl FnOnce(&T) -> &P) -> P {
        self.get().map(part).cloned().unwrap_or_default()
    }
}

/// An object of this library's that is changed: NULL, or one that nobody else uses during the call.
#[repr(transparent)]
#[derive(Debug)]
pub struct ObjectMut<T>(*mut T);

impl<T> ObjectMut<T> {
    /// The object; EINVAL for NULL.
    pub(super) fn get(&mut self, name: &str) -> Result<&mut T> {
        // SAFETY: the type says it.
        unsafe { self.0.as_mut() }.ok_or_else(|| null(name))
    }
}

impl<T> ObjectMut<T> {
    /// Two objects that are changed; EINVAL for NULL, and for one that is named twice.
    pub(super) fn both<'o>(
        (first, name): (&'o mut Self, &str),
        (second, other): (&'o mut Self, &str),
    ) -> Result<(&'o mut T, &'o mut T)> {
        if ptr::eq(first.0, second.0) && !second.0.is_null() {
            return Err(Error::argument(
                other,
                format!("is the same object as {name}"),
            ));
        }
        Ok((first.get(name)?, second.get(other)?))
    }
}

/// An object that C gives back: NULL, or one that was made by this library and isn't used after. Another type's isn't
/// taken: that doesn't compile.
#[repr(transparent)]
#[derive(Debug)]
pub struct Owned<T>(*mut T);

impl<T> Owned<T> {
    /// Drops the object.
    pub(super) fn free(self) {
        if !self.0.is_null() {
            // SAFETY: it isn't NULL, comes from `New`, and the type says that this is its last use.
            drop(unsafe { Box::from_raw(self.0) });
        }
    }
}

/// A new object that C owns from now on, or NULL.
#[repr(transparent)]
#[derive(Debug)]
pub struct New<T>(*mut T);

impl<T> New<T> {
    pub(super) fn of(object: T) -> Self {
        New(Box::into_raw(Box::new(object)))
    }

    pub(super) fn none() -> Self {
        New(std::ptr::null_mut())
    }

    pub(super) fn into_raw(self) -> *mut T {
        self.0
    }
}

/// A place for a result: NULL, or one that may be written to during the call. What is there needn't be initialized.
#[repr(transparent)]
#[derive(Debug)]
pub struct Out<T>(*mut T);

impl<T> Out<T> {
    /// Says that the place can be written to: EINVAL for NULL.
    pub(super) fn check(&self, name: &str) -> Result<Writable<'_, T>> {
        if self.0.is_null() {
            return Err(null(name));
        }
        check_aligned(name, self.0)?;
        Ok(Writable(self))
    }
}

/// A place for a result that was checked. It is written to once all has succeeded, or not at all.
#[derive(Debug)]
pub(super) struct Writable<'o, T>(&'o Out<T>);

impl<T> Writable<'_, T> {
    /// Writes the result. What was there before is neither read nor dropped.
    pub(super) fn write(self, value: T) {
        // SAFETY: the place isn't NULL and is aligned, as was checked; the type says the rest.
        unsafe { self.0.0.write(value) };
    }
}

/// A place for a result that may be NULL; see [`Out`].
#[repr(transparent)]
#[derive(Debug)]
pub struct OptionalOut<T>(*mut T);

impl<T> OptionalOut<T> {
    /// Writes the result if there is a place for it.
    pub(super) fn write(self, value: T) {
        if !self.0.is_null() && self.0.is_aligned() {
            // SAFETY: it isn't NULL and is aligned, and the type says the rest.
            unsafe { self.0.write(value) };
        }
    }
}

/// An array whose length is another argument: initialized values that stay as they are during the call. It may be NULL
/// if the length is 0.
#[repr(transparent)]
#[derive(Debug)]
pub struct Array<T>(*const T);

impl<T> Array<T> {
    /// The array. What no array can be is EINVAL.
    pub(super) fn slice(&self, len: usize, name: &str) -> Result<&[T]> {
        if len == 0 {
            return Ok(&[]);
        }
        check_array(name, self.0, len)?;
        // SAFETY: an array may be there, as was checked; the type says the rest.
        Ok(unsafe { slice::from_raw_parts(self.0, len) })
    }
}

impl Array<Text> {
    /// The strings of the array.
    pub(super) fn os_strs(&self, len: usize, name: &str) -> Result<Vec<&OsStr>> {
        let texts = self.slice(len, name)?;
        let mut strings = Vec::with_capacity(texts.len());
        for (index, text) in texts.iter().enumerate() {
            strings.push(text.os_str(&format!("{name}[{index}]"))?);
        }
        Ok(strings)
    }
}

/// An array of bytes of any type; see [`Array`].
#[repr(transparent)]
#[derive(Debug)]
pub struct Bytes(*const c_void);

impl Bytes {
    /// The bytes.
    pub(super) fn to_vec(&self, len: usize, name: &str) -> Result<Vec<u8>> {
        let bytes = Array(self.0.cast::<u8>());
        bytes.slice(len, name).map(<[u8]>::to_vec)
    }
}

/// An array of bytes that is written to, and that nobody else uses during the call. What is there needn't be initialized.
/// It may be NULL if the length is 0.
#[repr(transparent)]
#[derive(Debug)]
pub struct BytesMut(*mut c_void);

impl BytesMut {
    /// A writer into the array, from its beginning to its end. What no array can be is EINVAL.
    pub(super) fn filling(&mut self, len: usize, name: &str) -> Result<Filling<'_>> {
        if len > 0 {
            check_array(name, self.0.cast::<u8>().cast_const(), len)?;
        }
        Ok(Filling {
            array: self,
            len,
            filled: 0,
        })
    }
}

/// A writer into an array of bytes.
#[derive(Debug)]
pub(super) struct Filling<'a> {
    array: &'a mut BytesMut,
    len: usize,
    filled: usize,
}

impl io::Write for Filling<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(self.len - self.filled);
        if count > 0 {
            let to = self.array.0.cast::<u8>().wrapping_add(self.filled);
            // SAFETY: an array of `len` bytes may be there, as was checked, and `filled + count` is no more; the type says
            // the rest, also that the array isn't where `bytes` are.
            unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), to, count) };
            self.filled += count;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether an array that isn't empty may be there: it isn't NULL, is aligned, is no longer than a slice may be, and
/// doesn't wrap around.
fn check_array<T>(name: &str, pointer: *const T, len: usize) -> Result<()> {
    if pointer.is_null() {
        return Err(null(name));
    }
    check_aligned(name, pointer)?;
    let bytes = size_of::<T>()
        .checked_mul(len)
        .filter(|bytes| isize::try_from(*bytes).is_ok());
    if bytes.is_none_or(|bytes| pointer.addr().checked_add(bytes).is_none()) {
        return Err(Error::argument(
            &format!("{name}_len"),
            format!("{len} elements don't fit into memory"),
        ));
    }
    Ok(())
}

fn check_aligned<T>(name: &str, pointer: *const T) -> Result<()> {
    if pointer.is_aligned() {
        Ok(())
    } else {
        Err(Error::argument(name, "is not aligned as its type wants it"))
    }
}

/// A number that stands for a truth value.
pub(super) fn truth(value: u64) -> Result<bool> {
    match value {
        0 => Ok(false),
        1 => Ok(true),
        other => {
            let why = format!("{other} is neither 0 nor 1");
            Err(Error::argument("value", why))
        }
    }
}

/// The element of a family that has this number; EINVAL for 0 and for a number that the family doesn't have.
pub(super) fn member_of<T: Copy>(
    family: &str,
    all: &[(u32, T)],
    number: u32,
    name: &str,
) -> Result<T> {
    let found = all.iter().find(|(known, _)| *known == number);
    found.map(|(_, element)| *element).ok_or_else(|| {
        let why = format!("{number} is not one of {family}*");
        Error::argument(name, why)
    })
}

/// An option that isn't known: EINVAL for 0, EOPNOTSUPP for what a later version may have.
pub(super) fn unknown_option(family: &str, option: u32) -> Error {
    if option == 0 {
        return Error::argument("option", format!("0 is not one of {family}*"));
    }
    let text = format!("option: {option} is not one of {family}* that this version knows");
    Error::new(crate::Kind::Unsupported, text)
}

#[cfg(test)]
mod tests;
