//! C's door: what all its functions have in common.

#![allow(
    clippy::multiple_unsafe_ops_per_block,
    reason = "one argument holds for all of them"
)]

use std::ffi::{CStr, CString, OsStr, c_char, c_int, c_void};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::ptr;
use std::sync::Arc;

use libc::AT_FDCWD;

use super::api::{C, CRError, Outcome, outcome};
use super::door::{Door, Log, Place, Report, Watched};
use super::os::c_path;

/// An object of the library's.
#[repr(C)]
pub struct Opaque {
    opaque: [u8; 0],
}

/// An object that a function of the library's frees.
pub struct Owned(pub *mut Opaque, pub unsafe extern "C" fn(*mut Opaque));

// SAFETY: one thread at a time uses it; which one, is all the same to the library.
unsafe impl Send for Owned {}
// SAFETY: as above.
unsafe impl Sync for Owned {}

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: the object is this one's, and the function is its own.
        unsafe { (self.1)(self.0) };
    }
}

pub fn c_string(text: impl AsRef<OsStr>) -> CString {
    c_path(Path::new(&text))
}

/// A line of a change list.
#[repr(C)]
pub struct CRChange {
    pub path: *const c_char,
    pub kind: u32,
    pub flags: u32,
}

/// A place in an array.
#[repr(C)]
pub struct CRPlace {
    pub at: c_int,
    pub path: *const c_char,
}

#[repr(C)]
struct CRProgress {
    phase: u32,
    flags: u32,
    bytes_done: u64,
    bytes_total: u64,
    member: *const c_char,
    milliseconds: u64,
    bytes_per_second: u64,
    milliseconds_left: u64,
}

#[repr(C)]
struct CRWarning {
    kind: u32,
    flags: u32,
    member: *const c_char,
    message: *const c_char,
}

pub type Error = *mut *mut CRError;
type OnProgress = unsafe extern "C" fn(*mut c_void, *const CRProgress);
type OnWarning = unsafe extern "C" fn(*mut c_void, *const CRWarning);

#[rustfmt::skip]
unsafe extern "C" {
    fn CRWatchNew() -> *mut Opaque;
    fn CRWatchFree(watch: *mut Opaque);
    fn CRWatchOnProgress(watch: *const Opaque, function: OnProgress, user_data: *mut c_void, error: Error) -> c_int;
    fn CRWatchOnWarning(watch: *const Opaque, function: OnWarning, user_data: *mut c_void, error: Error) -> c_int;
    fn CRWatchCancel(watch: *const Opaque);
    fn CRWatchDeadline(watch: *const Opaque, milliseconds: u64, error: Error) -> c_int;
}

pub fn call(function: impl FnOnce(Error) -> c_int) -> Outcome {
    let mut error = ptr::null_mut();
    let result = function(&raw mut error);
    outcome(result, error)
}

/// A copy of a string of the library's.
///
/// # Safety
///
/// `text` is NULL, or a string that ends in NUL and lives during the call.
pub unsafe fn text(text: *const c_char) -> Option<String> {
    // SAFETY: the caller guarantees it.
    let bytes = (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) });
    bytes.map(|bytes| bytes.to_str().expect("UTF-8").to_owned())
}

/// Copies of an array of strings of the library's.
///
/// # Safety
///
/// `texts` is an array of `len` strings that end in NUL; it isn't NULL, and all live during the call.
pub unsafe fn texts(texts: *const *const c_char, len: usize) -> Vec<String> {
    assert!(!texts.is_null());
    // SAFETY: the caller guarantees it.
    let all = unsafe { std::slice::from_raw_parts(texts, len) };
    // SAFETY: as above.
    all.iter()
        .map(|one| unsafe { text(*one) }.unwrap())
        .collect()
}

/// What the functions of a watch get back with each call.
struct ToldTo {
    log: Log,
    watch: *const Opaque,
}

struct CWatch {
    watch: *mut Opaque,
    told: Box<ToldTo>,
}

// SAFETY: any thread may cancel; all else is behind locks, or done by the thread that works.
unsafe impl Send for CWatch {}
// SAFETY: as above.
unsafe impl Sync for CWatch {}

impl Drop for CWatch {
    fn drop(&mut self) {
        // SAFETY: it is this object's, and used by nobody else now.
        unsafe { CRWatchFree(self.watch) };
    }
}

impl Watched for CWatch {
    fn cancel(&self) {
        // SAFETY: it lives as long as this object.
        unsafe { CRWatchCancel(self.watch) };
    }

    fn deadline(&self, milliseconds: u64) {
        // SAFETY: as above.
        call(|error| unsafe { CRWatchDeadline(self.watch, milliseconds, error) }).unwrap();
    }

    fn log(&self) -> &Log {
        &self.told.log
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

unsafe extern "C" fn on_progress(to: *mut c_void, progress: *const CRProgress) {
    // SAFETY: the log lives as long as the watch that it was given to; the report as long as this call.
    let (to, progress) = unsafe { (&*to.cast::<ToldTo>(), &*progress) };
    assert_eq!(progress.flags, 0);
    // SAFETY: a member's name lives as long as this call.
    let member = unsafe { CStr::from_ptr(progress.member) };
    let report = Report {
        phase: progress.phase,
        done: progress.bytes_done,
        total: (progress.bytes_total != u64::MAX).then_some(progress.bytes_total),
        member: member.to_bytes().to_vec(),
    };
    // SAFETY: the watch lives as long as a work goes on under it.
    to.log.report(report, || unsafe { CRWatchCancel(to.watch) });
}

unsafe extern "C" fn on_warning(to: *mut c_void, warning: *const CRWarning) {
    // SAFETY: as for progress.
    let (to, warning) = unsafe { (&*to.cast::<ToldTo>(), &*warning) };
    assert_eq!(warning.flags, 0);
    // SAFETY: the strings live as long as this call.
    let (member, message) = unsafe {
        (
            CStr::from_ptr(warning.member),
            text(warning.message).unwrap(),
        )
    };
    let mut warnings = to.log.warnings.lock().unwrap();
    warnings.push((warning.kind, member.to_bytes().to_vec(), message));
}

pub fn c_watch(watch: Option<&dyn Watched>) -> *const Opaque {
    watch.map_or(ptr::null(), |watch| {
        watch.as_any().downcast_ref::<CWatch>().unwrap().watch
    })
}

/// A place as C has it: the descriptor, and the path that starts there.
pub fn pair(place: Place<'_>) -> (c_int, CString) {
    match place {
        Place::Path(path) => (AT_FDCWD, c_path(path)),
        Place::Descriptor(fd) => (fd.as_raw_fd(), CString::default()),
        Place::Below(directory, path) => (directory.as_raw_fd(), c_path(path)),
    }
}

// SAFETY of all calls: objects are live and used by this thread alone; strings end in NUL; arrays have the length that
// is said; slots are valid pointers; all outlive the call.

impl Door for C {
    fn watch(&self, deadline: Option<u64>) -> Arc<dyn Watched> {
        // SAFETY: see above. The log is in a box of its own, which the watch outlives only unused.
        unsafe {
            let watch = CRWatchNew();
            let log = Log::default();
            let told = Box::new(ToldTo { log, watch });
            let new = CWatch { watch, told };
            let data = (&raw const *new.told).cast_mut().cast::<c_void>();
            call(|error| CRWatchOnProgress(new.watch, on_progress, data, error)).unwrap();
            call(|error| CRWatchOnWarning(new.watch, on_warning, data, error)).unwrap();
            if let Some(deadline) = deadline {
                new.deadline(deadline);
            }
            Arc::new(new)
        }
    }
}
