//! What the tests of the change detectors have in common: a list as lines of text, and trees to be changed.

#![allow(
    clippy::multiple_unsafe_ops_per_block,
    reason = "one argument holds for all of them"
)]

use std::ffi::{CStr, CString, OsStr, OsString, c_char, c_int, c_void};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;
use std::time::Duration;

use libc::AT_FDCWD;

use crutils::changes::{self, Change, ChangeKind, Options};
use crutils::watch::Watch;

use crate::support::api::{CRError, Failure, Outcome, outcome};
use crate::support::os::c_path;
use crate::support::sandbox::run;
use crate::support::session_c::Opaque;

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
    let (c_new, c_old) = (
        c_new.as_ptr(),
        c_old.as_ref().map_or(ptr::null(), |path| path.as_ptr()),
    );
    let c = through_c(options, |options, list, error| {
        let watch = ptr::null();
        // SAFETY: the strings end in NUL, the others are valid pointers; all outlive the call.
        unsafe {
            CRChangesDirectories(
                AT_FDCWD, c_new, AT_FDCWD, c_old, options, watch, list, error,
            )
        }
    });
    let old = old.map(Into::into);
    let rust = changes::directories_ambient(new, old, options, &Watch::new());
    let rust = rust.map_err(Failure::from);
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
    let place = |path: &CString| CRPlace {
        at: AT_FDCWD,
        path: path.as_ptr(),
    };
    let c_lower: Vec<_> = c_lower.iter().map(place).collect();
    let c = through_c(options, |options, list, error| {
        // SAFETY: the strings end in NUL, the array has as many as are said, the others are valid pointers; all outlive
        // the call.
        unsafe {
            CRChangesOverlay(
                c_lower.as_ptr(),
                c_lower.len(),
                AT_FDCWD,
                c_upper.as_ptr(),
                options,
                ptr::null(),
                list,
                error,
            )
        }
    });
    let rust = changes::overlay_ambient(lower, upper, options, &Watch::new());
    let rust = rust.map_err(Failure::from);
    assert_eq!(rust, c);
    Ok(checked(rust?))
}

/// Finds the changes of a mounted overlay through both doors, which must say the same.
#[track_caller]
pub fn mount(mount_point: &Path, options: &Options) -> Outcome<Vec<Change>> {
    let path = c_path(mount_point);
    let c = through_c(options, |options, list, error| {
        // SAFETY: the string ends in NUL, the others are valid pointers; all outlive the call.
        unsafe { CRChangesMount(AT_FDCWD, path.as_ptr(), options, ptr::null(), list, error) }
    });
    let rust = changes::mount_ambient(mount_point, options, &Watch::new());
    let rust = rust.map_err(Failure::from);
    assert_eq!(rust, c);
    Ok(checked(rust?))
}

/// What both detectors say, through both doors, under a watch that ends them: one with this deadline in milliseconds, or a
/// cancelled one.
pub fn ended(new: &Path, old: &Path, deadline: Option<u64>) -> Vec<Failure> {
    let (watch, options) = (Watch::new(), Options::default());
    // SAFETY: takes nothing.
    let c_watch = unsafe { CRWatchNew() };
    match deadline {
        None => {
            watch.cancel();
            // SAFETY: the watch is live until it is freed below.
            unsafe { CRWatchCancel(c_watch) };
        }
        Some(time) => {
            watch.deadline_in(Duration::from_millis(time));
            // SAFETY: as above.
            let set = unsafe { CRWatchDeadline(c_watch, time, ptr::null_mut()) };
            assert_eq!(set, 0);
        }
    }
    let (c_new, c_old) = (c_path(new), c_path(old));
    let (c_new, c_old) = (c_new.as_ptr(), c_old.as_ptr());
    let lower = CRPlace {
        at: AT_FDCWD,
        path: c_old,
    };
    let outcomes = [
        changes::directories_ambient(new, Some(old.into()), &options, &watch)
            .map_err(Failure::from),
        changes::overlay_ambient([old], new, &options, &watch).map_err(Failure::from),
        through_c(&options, |options, list, error| {
            // SAFETY: the strings end in NUL, the others are valid pointers; all outlive the call.
            unsafe {
                CRChangesDirectories(
                    AT_FDCWD, c_new, AT_FDCWD, c_old, options, c_watch, list, error,
                )
            }
        }),
        through_c(&options, |options, list, error| {
            // SAFETY: as above.
            unsafe {
                CRChangesOverlay(
                    &raw const lower,
                    1,
                    AT_FDCWD,
                    c_new,
                    options,
                    c_watch,
                    list,
                    error,
                )
            }
        }),
    ];
    // SAFETY: nothing works under it any longer.
    unsafe { CRWatchFree(c_watch) };
    outcomes.into_iter().map(Result::unwrap_err).collect()
}

#[repr(C)]
struct CRChange {
    path: *const c_char,
    kind: u32,
    flags: u32,
}

#[repr(C)]
struct CRPlace {
    at: c_int,
    path: *const c_char,
}

#[rustfmt::skip]
unsafe extern "C" {
    fn CRChangesDirectories(new_at: c_int, new_directory: *const c_char, old_at: c_int, old_directory: *const c_char, options: *const c_void,
                            watch: *const Opaque, list: *mut *mut c_void, error: *mut *mut CRError) -> c_int;
    fn CRChangesOverlay(lower_directories: *const CRPlace, lower_directories_len: usize, upper_at: c_int, upper_directory: *const c_char,
                        options: *const c_void, watch: *const Opaque, list: *mut *mut c_void, error: *mut *mut CRError) -> c_int;
    fn CRChangesMount(mount_point_at: c_int, mount_point: *const c_char, options: *const c_void, watch: *const Opaque,
                      list: *mut *mut c_void, error: *mut *mut CRError) -> c_int;
    fn CRChangeListChanges(list: *const c_void, changes_len: *mut usize) -> *const CRChange;
    fn CRChangeListFree(list: *mut c_void);
    fn CRWatchNew() -> *mut Opaque;
    fn CRWatchCancel(watch: *const Opaque);
    fn CRWatchDeadline(watch: *const Opaque, milliseconds: u64, error: *mut *mut CRError) -> c_int;
    fn CRWatchFree(watch: *mut Opaque);
    fn CRChangesOptionsNew() -> *mut c_void;
    fn CRChangesOptionsFree(options: *mut c_void);
    fn CRChangesOptionsSet(options: *mut c_void, option: u32, value: u64, error: *mut *mut CRError) -> c_int;
    fn CRChangesOptionsWorkDirectory(options: *mut c_void, at: c_int, directory: *const c_char, error: *mut *mut CRError) -> c_int;
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
    for (option, value) in [
        (1, u64::from(options.compare_content)),
        (2, u64::from(options.exact_times)),
        (3, options.overlay_xattrs as u64),
    ] {
        // SAFETY: the options are live, and used by nobody else.
        let set = unsafe { CRChangesOptionsSet(c_options, option, value, none) };
        assert_eq!(set, 0);
    }
    if let Some(work) = &options.work_directory {
        let work = c_path(work.get().path());
        // SAFETY: as above; the string ends in NUL and outlives the call.
        let set =
            unsafe { CRChangesOptionsWorkDirectory(c_options, AT_FDCWD, work.as_ptr(), none) };
        assert_eq!(set, 0);
    }
    for (how, paths) in [
        (1, options.exclude.exact_paths()),
        (2, options.exclude.subtree_paths()),
    ] {
        for path in paths {
            let path = c_path(Path::new(&path));
            // SAFETY: as above.
            let set = unsafe { CRChangesOptionsExclude(c_options, path.as_ptr(), how, none) };
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
        let mut len = usize::MAX;
        let changes = CRChangeListChanges(list, &raw mut len);
        assert_eq!(changes.is_null(), list.is_null());
        for index in 0..len {
            let change = &*changes.add(index);
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
