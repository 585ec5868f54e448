//! What the tests of the change detectors have in common: a list as lines of text, and trees to be changed.

#![allow(
    clippy::multiple_unsafe_ops_per_block,
    reason = "one argument holds for all of them"
)]

use std::ffi::{CStr, OsStr, OsString, c_char, c_int, c_void};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;

use crutils::changes::{self, Change, ChangeKind, Options};
use crutils::{Directory, DirectoryBuf};

use crate::support::api::{CRError, Failure, Outcome, outcome};
use crate::support::os::c_path;
use crate::support::sandbox::run;

/// The overlay, or the end of a test that can't have one.
#[macro_export]
macro_rules! needs_overlay {
    ($what:expr) => {
        match $what {
            Some(overlaid) => overlaid,
            None => return,
        }
    };
}

/// The changes as `podman diff` shows them, a letter and a path each; bytes that aren't ASCII escaped.
pub fn lines(changes: &[Change]) -> Vec<String> {
    let line = |one: &Change| {
        let letter = match one.kind {
            ChangeKind::Modify => 'C',
            ChangeKind::Add => 'A',
            ChangeKind::Delete => 'D',
        };
        format!("{letter} {}", one.path.as_bytes().escape_ascii())
    };
    changes.iter().map(line).collect()
}

/// Checks what holds for every list: sorted by the paths' bytes, each path once, absolute, the root not among them.
#[track_caller]
fn checked(changes: Vec<Change>) -> Vec<Change> {
    let paths: Vec<&OsString> = changes.iter().map(|one| &one.path).collect();
    assert!(
        paths
            .windows(2)
            .all(|pair| pair[0].as_bytes() < pair[1].as_bytes()),
        "{paths:?}"
    );
    assert!(
        paths
            .iter()
            .all(|path| path.as_bytes().len() > 1 && path.as_bytes()[0] == b'/'),
        "{paths:?}"
    );
    changes
}

/// Finds changes through both doors, which must say the same.
#[track_caller]
pub fn directories(new: &Path, old: Option<&Path>, options: &Options) -> Outcome<Vec<Change>> {
    let (c_new, c_old) = (c_path(new), old.map(c_path));
    let c_old = c_old.as_ref().map_or(ptr::null(), |path| path.as_ptr());
    let c = through_c(options, |options, list, error| {
        // SAFETY: the strings end in NUL, the others are valid pointers; all outlive the call.
        unsafe { CRChangesDirectories(c_new.as_ptr(), c_old, options, list, error) }
    });
    let rust =
        changes::directories_ambient(new, old.map(Directory::Path), options).map_err(Failure::from);
    assert_eq!(rust, c);
    Ok(checked(rust?))
}

/// Finds changes through both doors, which must say the same.
#[track_caller]
pub fn overlay(lower: &[&Path], upper: &Path, options: &Options) -> Outcome<Vec<Change>> {
    let (c_lower, c_upper): (Vec<_>, _) = (
        lower.iter().map(|path| c_path(path)).collect(),
        c_path(upper),
    );
    let c_lower: Vec<_> = c_lower.iter().map(|path| path.as_ptr()).collect();
    let c = through_c(options, |options, list, error| {
        // SAFETY: the strings end in NUL, the array has as many as are said, the others are valid pointers; all outlive
        // the call.
        unsafe {
            CRChangesOverlay(
                c_lower.as_ptr(),
                c_lower.len(),
                c_upper.as_ptr(),
                options,
                list,
                error,
            )
        }
    });
    let rust = changes::overlay_ambient(lower, upper, options).map_err(Failure::from);
    assert_eq!(rust, c);
    Ok(checked(rust?))
}

#[repr(C)]
struct CRChange {
    path: *const c_char,
    kind: u32,
    flags: u32,
}

#[rustfmt::skip]
unsafe extern "C" {
    fn CRChangesDirectories(new_directory: *const c_char, old_directory: *const c_char, options: *const c_void, list: *mut *mut c_void,
                            error: *mut *mut CRError) -> c_int;
    fn CRChangesOverlay(lower_directories: *const *const c_char, lower_directories_len: usize, upper_directory: *const c_char,
                        options: *const c_void, list: *mut *mut c_void, error: *mut *mut CRError) -> c_int;
    fn CRChangeListChanges(list: *const c_void) -> *const CRChange;
    fn CRChangeListLen(list: *const c_void) -> usize;
    fn CRChangeListFree(list: *mut c_void);
    fn CRChangesOptionsNew() -> *mut c_void;
    fn CRChangesOptionsFree(options: *mut c_void);
    fn CRChangesOptionsCompareContent(options: *mut c_void, yes: u32, error: *mut *mut CRError) -> c_int;
    fn CRChangesOptionsExactTimes(options: *mut c_void, yes: u32, error: *mut *mut CRError) -> c_int;
    fn CRChangesOptionsOverlayXattrs(options: *mut c_void, xattrs: u32, error: *mut *mut CRError) -> c_int;
    fn CRChangesOptionsWorkDirectory(options: *mut c_void, work_directory: *const c_char, error: *mut *mut CRError) -> c_int;
    fn CRChangesOptionsExclude(options: *mut c_void, path: *const c_char, how: u32, error: *mut *mut CRError) -> c_int;
}

/// Runs a detector of the C ABI with options that say the same.
fn through_c(
    options: &Options,
    detect: impl Fn(*const c_void, *mut *mut c_void, *mut *mut CRError) -> c_int,
) -> Outcome<Vec<Change>> {
    // SAFETY: takes nothing.
    let c_options = unsafe { CRChangesOptionsNew() };
    let none = ptr::null_mut();
    // SAFETY: the options are live, and used by nobody else.
    unsafe {
        assert_eq!(
            CRChangesOptionsCompareContent(c_options, u32::from(options.compare_content), none),
            0
        );
        assert_eq!(
            CRChangesOptionsExactTimes(c_options, u32::from(options.exact_times), none),
            0
        );
        assert_eq!(
            CRChangesOptionsOverlayXattrs(c_options, options.overlay_xattrs as u32, none),
            0
        );
    }
    if let Some(DirectoryBuf::Path(work)) = &options.work_directory {
        let work = c_path(work);
        // SAFETY: as above; the string ends in NUL and outlives the call.
        let set = unsafe { CRChangesOptionsWorkDirectory(c_options, work.as_ptr(), none) };
        assert_eq!(set, 0);
    }
    for (how, paths) in [
        options.exclude.exact_paths(),
        options.exclude.subtree_paths(),
    ]
    .into_iter()
    .enumerate()
    {
        for path in paths {
            let path = c_path(Path::new(&path));
            // SAFETY: as above.
            let set =
                unsafe { CRChangesOptionsExclude(c_options, path.as_ptr(), how as u32, none) };
            assert_eq!(set, 0);
        }
    }
    let (mut list, mut error) = (ptr::null_mut(), ptr::null_mut());
    let result = outcome(detect(c_options, &raw mut list, &raw mut error), error);
    assert_eq!(
        result.is_ok(),
        !list.is_null(),
        "a list for a success alone"
    );
    let mut found = Vec::new();
    // SAFETY: the list, if there is one, is live until it is freed below, and as long as it says.
    unsafe {
        for index in 0..CRChangeListLen(list) {
            let change = &*CRChangeListChanges(list).add(index);
            assert_eq!(change.flags, 0);
            found.push(Change {
                path: OsStr::from_bytes(CStr::from_ptr(change.path).to_bytes()).to_owned(),
                kind: [ChangeKind::Modify, ChangeKind::Add, ChangeKind::Delete]
                    [change.kind as usize],
            });
        }
        CRChangeListFree(list);
        CRChangesOptionsFree(c_options);
    }
    result.map(|()| found)
}

/// Copies a tree with everything that is in it.
pub fn copy(from: &Path, to: &Path) {
    run(&format!(
        "cp -a --sparse=auto {} {}",
        from.display(),
        to.display()
    ))
    .unwrap();
}

/// Writes a file, and the directories that lead to it.
pub fn write(root: &Path, path: &str, content: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}
