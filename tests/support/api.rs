//! The nine functions through both doors: Rust's and C's. A test that holds for one must hold for the other.

#![allow(
    clippy::multiple_unsafe_ops_per_block,
    reason = "one argument holds for all of them"
)]

use std::ffi::{CStr, CString, OsStr, OsString, c_char, c_int};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;

use crutils::changes::{Change as RustChange, ChangeKind};
use crutils::checkpoint;

use super::os::c_path;

/// A failure as both doors can tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub errno: i32,
    pub kind: u32,
    pub message: String,
    pub entry: Option<Vec<u8>>,
    pub offset: Option<u64>,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

/// The kinds, by their number in the C ABI.
pub const SYSTEM: u32 = 1;
pub const ARGUMENT: u32 = 2;
pub const MALFORMED: u32 = 3;
pub const ESCAPE: u32 = 4;
pub const FORBIDDEN: u32 = 5;
pub const LIMIT: u32 = 6;
pub const UNSUPPORTED: u32 = 7;
pub const NOT_IN_ARCHIVE: u32 = 8;

pub type Outcome<T = ()> = Result<T, Failure>;

/// A line of a change list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub path: OsString,
    pub kind: u32,
}

fn change(path: impl AsRef<OsStr>, kind: u32) -> Change {
    Change {
        path: path.as_ref().to_os_string(),
        kind,
    }
}

pub fn modify(path: impl AsRef<OsStr>) -> Change {
    change(path, 0)
}

pub fn add(path: impl AsRef<OsStr>) -> Change {
    change(path, 1)
}

pub fn delete(path: impl AsRef<OsStr>) -> Change {
    change(path, 2)
}

/// The nine functions.
pub trait Api: Sync {
    fn apply_rootfs_diff_tar(&self, base: &Path, root: &Path) -> Outcome;
    fn create_file_with_label(&self, directory: &Path, name: &OsStr, label: &CStr) -> Outcome;
    fn create_rootfs_diff_tar(
        &self,
        changes: &[Change],
        mount: &Path,
        destination: &Path,
    ) -> Outcome<Vec<String>>;
    fn runtime_from_archive(&self, input: &Path) -> Outcome<String>;
    fn import_config_only(&self, destination: &Path, input: &Path) -> Outcome;
    fn import_without_config(&self, destination: &Path, input: &Path) -> Outcome;
    fn remove_deleted_files(&self, id: &OsStr, base: &Path, root: &Path) -> Outcome;
    fn supports_checkpoint_restore(&self, runtime: &Path) -> bool;
    fn supports_pod_checkpoint_restore(&self, runtime: &Path) -> bool;
}

/// The way of a Rust program.
pub struct Rust;

impl From<crutils::Error> for Failure {
    fn from(error: crutils::Error) -> Self {
        Self {
            errno: error.errno(),
            kind: error.kind() as u32,
            message: error.to_string(),
            entry: error.entry().map(<[u8]>::to_vec),
            offset: error.offset(),
        }
    }
}

impl Api for Rust {
    fn apply_rootfs_diff_tar(&self, base: &Path, root: &Path) -> Outcome {
        Ok(checkpoint::apply_rootfs_diff_tar(base, root)?)
    }

    fn create_file_with_label(&self, directory: &Path, name: &OsStr, label: &CStr) -> Outcome {
        Ok(checkpoint::create_file_with_label(directory, name, label)?)
    }

    fn create_rootfs_diff_tar(
        &self,
        changes: &[Change],
        mount: &Path,
        destination: &Path,
    ) -> Outcome<Vec<String>> {
        let kinds = [ChangeKind::Modify, ChangeKind::Add, ChangeKind::Delete];
        let changes: Vec<_> = changes
            .iter()
            .map(|one| RustChange {
                path: one.path.clone(),
                kind: kinds[one.kind as usize],
            })
            .collect();
        let names = checkpoint::create_rootfs_diff_tar(&changes, mount, destination)?;
        Ok(names.into_iter().map(Into::into).collect())
    }

    fn runtime_from_archive(&self, input: &Path) -> Outcome<String> {
        Ok(checkpoint::runtime_from_archive(input)?)
    }

    fn import_config_only(&self, destination: &Path, input: &Path) -> Outcome {
        Ok(checkpoint::import_checkpoint_config_only(
            destination,
            input,
        )?)
    }

    fn import_without_config(&self, destination: &Path, input: &Path) -> Outcome {
        Ok(checkpoint::import_checkpoint_without_config(
            destination,
            input,
        )?)
    }

    fn remove_deleted_files(&self, id: &OsStr, base: &Path, root: &Path) -> Outcome {
        Ok(checkpoint::remove_deleted_files(id, base, root)?)
    }

    fn supports_checkpoint_restore(&self, runtime: &Path) -> bool {
        checkpoint::runtime_supports_checkpoint_restore(runtime)
    }

    fn supports_pod_checkpoint_restore(&self, runtime: &Path) -> bool {
        checkpoint::runtime_supports_pod_checkpoint_restore(runtime)
    }
}

/// The way of a C program, through the symbols that the shared library exports.
pub struct C;

/// Names the crate, so that its exported symbols are linked even where only C's declarations use them.
use crutils as _;

#[repr(C)]
pub struct CRError {
    opaque: [u8; 0],
}

#[repr(C)]
struct CRChange {
    path: *const c_char,
    kind: u32,
    flags: u32,
}

#[rustfmt::skip]
unsafe extern "C" {
    fn CRApplyRootFsDiffTar(base_directory: *const c_char, container_root_directory: *const c_char, error: *mut *mut CRError) -> c_int;
    fn CRCreateFileWithLabel(directory: *const c_char, file_name: *const c_char, file_label: *const c_char, error: *mut *mut CRError) -> c_int;
    fn CRCreateRootFsDiffTar(changes: *const CRChange, changes_len: usize, mount_point: *const c_char, destination: *const c_char,
                             include_files: *mut *mut *mut c_char, error: *mut *mut CRError) -> c_int;
    fn CRGetRuntimeFromArchive(input: *const c_char, runtime: *mut *mut c_char, error: *mut *mut CRError) -> c_int;
    fn CRImportCheckpointConfigOnly(destination: *const c_char, input: *const c_char, error: *mut *mut CRError) -> c_int;
    fn CRImportCheckpointWithoutConfig(destination: *const c_char, input: *const c_char, error: *mut *mut CRError) -> c_int;
    fn CRRemoveDeletedFiles(id: *const c_char, base_directory: *const c_char, container_root_directory: *const c_char, error: *mut *mut CRError) -> c_int;
    fn CRRuntimeSupportsCheckpointRestore(runtime_path: *const c_char) -> bool;
    fn CRRuntimeSupportsPodCheckpointRestore(runtime_path: *const c_char) -> bool;
    fn CRErrorErrno(error: *const CRError) -> c_int;
    fn CRErrorKind(error: *const CRError) -> u32;
    fn CRErrorMessage(error: *const CRError) -> *const c_char;
    fn CRErrorEntry(error: *const CRError) -> *const c_char;
    fn CRErrorOffset(error: *const CRError) -> i64;
    fn CRErrorFree(error: *mut CRError);
    fn CRStringFree(string: *mut c_char);
    fn CRStringArrayFree(strings: *mut *mut c_char);
}

/// Makes an outcome of a result and the error slot, and checks the conventions that bind the two.
pub fn outcome(result: c_int, error: *mut CRError) -> Outcome {
    if result == 0 {
        assert!(error.is_null(), "a success leaves the error slot alone");
        return Ok(());
    }
    assert!(!error.is_null(), "a failure fills the error slot");
    // SAFETY: a failed call has put an error there, which lives until CRErrorFree below.
    let failure = unsafe {
        let entry = CRErrorEntry(error);
        Failure {
            errno: CRErrorErrno(error),
            kind: CRErrorKind(error),
            message: CStr::from_ptr(CRErrorMessage(error))
                .to_str()
                .expect("a message in UTF-8")
                .to_owned(),
            entry: (!entry.is_null()).then(|| CStr::from_ptr(entry).to_bytes().to_vec()),
            offset: u64::try_from(CRErrorOffset(error)).ok(),
        }
    };
    // SAFETY: the error is the caller's and isn't used again.
    unsafe { CRErrorFree(error) };
    assert_eq!(
        result, -failure.errno,
        "the result is the negative errno of the error"
    );
    assert!(failure.errno > 0);
    Err(failure)
}

fn c_string(text: &OsStr) -> CString {
    CString::new(text.as_bytes()).expect("a string without NUL")
}

impl Api for C {
    fn apply_rootfs_diff_tar(&self, base: &Path, root: &Path) -> Outcome {
        let (base, root, mut error) = (c_path(base), c_path(root), ptr::null_mut());
        // SAFETY: the strings end in NUL, the slot is a valid pointer; all outlive the call.
        outcome(
            unsafe { CRApplyRootFsDiffTar(base.as_ptr(), root.as_ptr(), &raw mut error) },
            error,
        )
    }

    fn create_file_with_label(&self, directory: &Path, name: &OsStr, label: &CStr) -> Outcome {
        let (directory, name, mut error) = (c_path(directory), c_string(name), ptr::null_mut());
        // SAFETY: the strings end in NUL, the slot is a valid pointer; all outlive the call.
        let result = unsafe {
            CRCreateFileWithLabel(
                directory.as_ptr(),
                name.as_ptr(),
                label.as_ptr(),
                &raw mut error,
            )
        };
        outcome(result, error)
    }

    fn create_rootfs_diff_tar(
        &self,
        changes: &[Change],
        mount: &Path,
        destination: &Path,
    ) -> Outcome<Vec<String>> {
        let (mount, destination, mut error) = (c_path(mount), c_path(destination), ptr::null_mut());
        let paths: Vec<_> = changes.iter().map(|one| c_string(&one.path)).collect();
        let list: Vec<_> = paths
            .iter()
            .zip(changes)
            .map(|(path, one)| CRChange {
                path: path.as_ptr(),
                kind: one.kind,
                flags: 0,
            })
            .collect();
        let mut files: *mut *mut c_char = ptr::null_mut();
        let start = if list.is_empty() {
            ptr::null()
        } else {
            list.as_ptr()
        };
        // SAFETY: `start` has as many elements as are said (or is NULL for none); the strings end in NUL, the slots
        // are valid pointers; all outlive the call.
        let result = unsafe {
            CRCreateRootFsDiffTar(
                start,
                list.len(),
                mount.as_ptr(),
                destination.as_ptr(),
                &raw mut files,
                &raw mut error,
            )
        };
        if let Err(failure) = outcome(result, error) {
            assert!(files.is_null(), "outputs are written only on success");
            return Err(failure);
        }
        assert!(!files.is_null(), "the array of a success is never NULL");
        let mut names = Vec::new();
        // SAFETY: a successful call has put an array there that ends in NULL; it is freed once, afterwards.
        unsafe {
            while !(*files.add(names.len())).is_null() {
                names.push(
                    CStr::from_ptr(*files.add(names.len()))
                        .to_str()
                        .expect("a name in UTF-8")
                        .to_owned(),
                );
            }
            CRStringArrayFree(files);
        }
        Ok(names)
    }

    fn runtime_from_archive(&self, input: &Path) -> Outcome<String> {
        let (input, mut runtime, mut error) = (c_path(input), ptr::null_mut(), ptr::null_mut());
        // SAFETY: the string ends in NUL, the slots are valid pointers; all outlive the call.
        let result =
            unsafe { CRGetRuntimeFromArchive(input.as_ptr(), &raw mut runtime, &raw mut error) };
        if let Err(failure) = outcome(result, error) {
            assert!(runtime.is_null(), "outputs are written only on success");
            return Err(failure);
        }
        // SAFETY: a successful call has put a string there; it is freed once, afterwards.
        unsafe {
            let text = CStr::from_ptr(runtime)
                .to_str()
                .expect("a runtime in UTF-8")
                .to_owned();
            CRStringFree(runtime);
            Ok(text)
        }
    }

    fn import_config_only(&self, destination: &Path, input: &Path) -> Outcome {
        let (destination, input, mut error) = (c_path(destination), c_path(input), ptr::null_mut());
        // SAFETY: the strings end in NUL, the slot is a valid pointer; all outlive the call.
        outcome(
            unsafe {
                CRImportCheckpointConfigOnly(destination.as_ptr(), input.as_ptr(), &raw mut error)
            },
            error,
        )
    }

    fn import_without_config(&self, destination: &Path, input: &Path) -> Outcome {
        let (destination, input, mut error) = (c_path(destination), c_path(input), ptr::null_mut());
        // SAFETY: the strings end in NUL, the slot is a valid pointer; all outlive the call.
        outcome(
            unsafe {
                CRImportCheckpointWithoutConfig(
                    destination.as_ptr(),
                    input.as_ptr(),
                    &raw mut error,
                )
            },
            error,
        )
    }

    fn remove_deleted_files(&self, id: &OsStr, base: &Path, root: &Path) -> Outcome {
        let (id, base, root, mut error) =
            (c_string(id), c_path(base), c_path(root), ptr::null_mut());
        // SAFETY: the strings end in NUL, the slot is a valid pointer; all outlive the call.
        outcome(
            unsafe {
                CRRemoveDeletedFiles(id.as_ptr(), base.as_ptr(), root.as_ptr(), &raw mut error)
            },
            error,
        )
    }

    fn supports_checkpoint_restore(&self, runtime: &Path) -> bool {
        let runtime = c_path(runtime);
        // SAFETY: the string ends in NUL and outlives the call.
        unsafe { CRRuntimeSupportsCheckpointRestore(runtime.as_ptr()) }
    }

    fn supports_pod_checkpoint_restore(&self, runtime: &Path) -> bool {
        let runtime = c_path(runtime);
        // SAFETY: the string ends in NUL and outlives the call.
        unsafe { CRRuntimeSupportsPodCheckpointRestore(runtime.as_ptr()) }
    }
}
