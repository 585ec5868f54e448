//! Finding changes in directories that C has descriptors of.

use std::ffi::c_int;

use super::argument;
use super::changes::{CRChangeList, CRChangesOptions, changeable, detect};
use super::error::CRError;
use super::guard::{self, Status};
use crate::changes::{self, Options};
use crate::{Directory, DirectoryBuf};

/// CRChangesDirectories with descriptors of the directories, which stay the caller's. They may have
/// been opened with O_PATH.
///
/// old_directory: -1 if nothing was there, so that everything is new.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRChangesDirectoriesAt(
    new_directory: c_int,
    old_directory: c_int,
    options: *const CRChangesOptions,
    list: *mut *mut CRChangeList,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        // SAFETY: the caller passes a descriptor that stays open during the call.
        let new = unsafe { argument::descriptor("new_directory", new_directory) }?;
        // SAFETY: as for the other descriptor, or -1.
        let old = unsafe { argument::optional_descriptor("old_directory", old_directory) }?;
        let old = old.map(Directory::from);
        let find = |options: &Options| changes::directories_ambient(new, old, options);
        // SAFETY: the caller passes NULL or a place for one list, and NULL or options that it doesn't
        // change during the call.
        unsafe { detect(options, list, find) }
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// CRChangesOverlay with descriptors of the directories, which stay the caller's. They may have been
/// opened with O_PATH.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRChangesOverlayAt(
    lower_directories: *const c_int,
    lower_directories_len: usize,
    upper_directory: c_int,
    options: *const CRChangesOptions,
    list: *mut *mut CRChangeList,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        let (lower, len) = (lower_directories, lower_directories_len);
        // SAFETY: the caller passes an array of this length, of descriptors as below.
        let lower = unsafe { argument::descriptor_array("lower_directories", lower, len) }?;
        // SAFETY: the caller passes a descriptor that stays open during the call.
        let upper = unsafe { argument::descriptor("upper_directory", upper_directory) }?;
        let find = |options: &Options| changes::overlay_ambient(lower, upper, options);
        // SAFETY: the caller passes NULL or a place for one list, and NULL or options that it doesn't
        // change during the call.
        unsafe { detect(options, list, find) }
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// CRChangesOptionsWorkDirectory with a descriptor of the directory, which stays the caller's and may be
/// closed after this call. It may have been opened with O_PATH.
///
/// Errors: EINVAL and EBADF for what is no descriptor, EMFILE if there is none left.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRChangesOptionsWorkDirectoryAt(
    options: *mut CRChangesOptions,
    work_directory: c_int,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        // SAFETY: the caller passes a descriptor that stays open during the call.
        let directory = unsafe { argument::descriptor("work_directory", work_directory) }?;
        // SAFETY: the caller passes NULL or options that nobody else uses during the call.
        unsafe { changeable(options) }?.work_directory = Some(DirectoryBuf::new(directory)?);
        Ok(())
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}
