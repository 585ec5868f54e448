//! One component of a path.

#![forbid(unsafe_code)]

use std::ffi::{CStr, CString};

use nix::NixPath;

use crate::error::quote;

/// The name of an object in its directory: not empty, no `/`, no NUL, neither `.` nor `..`.
///
/// Calls that take a directory descriptor and a `Name` can't leave that directory.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Name(CString);

impl Name {
    /// Nothing if `bytes` is no single component.
    pub(crate) fn new(bytes: &[u8]) -> Option<Self> {
        if matches!(bytes, b"" | b"." | b"..") || bytes.contains(&b'/') {
            return None;
        }
        CString::new(bytes).ok().map(Name)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.to_bytes()
    }

    /// For messages: the name between quotation marks, escaped.
    pub(crate) fn quoted(&self) -> String {
        quote(self.bytes())
    }
}

impl NixPath for Name {
    fn is_empty(&self) -> bool {
        false
    }

    fn len(&self) -> usize {
        self.bytes().len()
    }

    fn with_nix_path<T, F>(&self, call: F) -> nix::Result<T>
    where
        F: FnOnce(&CStr) -> T,
    {
        Ok(call(&self.0))
    }
}
