//! Watching a long work: progress, warnings, cancellation, a deadline.

use std::ffi::{CString, c_char, c_void};
use std::ptr;
use std::time::Duration;

use super::argument;
use super::error::CRError;
use super::guard::{self, Status};
use crate::watch::{Cancellation, Phase, Progress, Warning, WarningKind, Watch};

/// The archive is read for what it says of the container. Bytes are those of the archive.
pub const CR_PHASE_READING: u32 = 0;
/// The archive's digest is compared with the expected one. Bytes are those of the archive.
pub const CR_PHASE_VERIFYING: u32 = 1;
/// Members are made. Bytes are those of the archive.
pub const CR_PHASE_EXTRACTING: u32 = 2;
/// What the container had deleted is removed. There are no bytes.
pub const CR_PHASE_DELETING: u32 = 3;
/// The sizes of the archives within the archive are found. There are no bytes.
pub const CR_PHASE_MEASURING: u32 = 4;
/// The archive is written. Bytes are those of its members, before any compression.
pub const CR_PHASE_WRITING: u32 = 5;
/// The archive is made to last, if asked for, and gets its name. There are no bytes.
pub const CR_PHASE_PUBLISHING: u32 = 6;

const _: () = assert!(CR_PHASE_READING == Phase::Reading as u32);
const _: () = assert!(CR_PHASE_VERIFYING == Phase::Verifying as u32);
const _: () = assert!(CR_PHASE_EXTRACTING == Phase::Extracting as u32);
const _: () = assert!(CR_PHASE_DELETING == Phase::Deleting as u32);
const _: () = assert!(CR_PHASE_MEASURING == Phase::Measuring as u32);
const _: () = assert!(CR_PHASE_WRITING == Phase::Writing as u32);
const _: () = assert!(CR_PHASE_PUBLISHING == Phase::Publishing as u32);

/// An optional member isn't there.
pub const CR_WARNING_MISSING: u32 = 0;
/// A socket isn't stored, since an archive can't hold one.
pub const CR_WARNING_SOCKET: u32 = 1;
/// A device isn't made, since a user namespace doesn't permit it.
pub const CR_WARNING_DEVICE: u32 = 2;
/// Something in the archive isn't understood and was passed over; nothing depends on it.
pub const CR_WARNING_IGNORED: u32 = 3;

const _: () = assert!(CR_WARNING_MISSING == WarningKind::Missing as u32);
const _: () = assert!(CR_WARNING_SOCKET == WarningKind::Socket as u32);
const _: () = assert!(CR_WARNING_DEVICE == WarningKind::Device as u32);
const _: () = assert!(CR_WARNING_IGNORED == WarningKind::Ignored as u32);

/// How far a work is. Later versions may add fields at the end.
#[repr(C)]
#[derive(Debug)]
pub struct CRProgress {
    /// One of CR_PHASE_*; more may follow.
    pub phase: u32,
    /// 0.
    pub flags: u32,
    /// How many bytes of the phase are done.
    pub bytes_done: u64,
    /// How many there are; UINT64_MAX if that isn't known.
    pub bytes_total: u64,
    /// The member that is being worked on; "" between members. It lives as long as the call.
    pub member: *const c_char,
}

/// Something that was left out and doesn't fail the work. Later versions may add fields at the end.
#[repr(C)]
#[derive(Debug)]
pub struct CRWarning {
    /// One of CR_WARNING_*; more may follow.
    pub kind: u32,
    /// 0.
    pub flags: u32,
    /// The member concerned. It lives as long as the call.
    pub member: *const c_char,
    /// What happened, in words. It lives as long as the call.
    pub message: *const c_char,
}

/// A function of the caller's that is told of progress.
pub type CRProgressFunction =
    Option<unsafe extern "C" fn(user_data: *mut c_void, progress: *const CRProgress)>;

/// A function of the caller's that is told of a warning.
pub type CRWarningFunction =
    Option<unsafe extern "C" fn(user_data: *mut c_void, warning: *const CRWarning)>;

/// A flag that ends works early. Any thread may set it, at any time.
#[derive(Debug)]
pub struct CRCancellation(Cancellation);

/// Who is told of a work's progress, and what ends it early.
#[derive(Debug)]
pub struct CRWatch(pub(super) Watch);

/// What the caller wants to get back with each call. It is only passed on.
struct UserData(*mut c_void);

// SAFETY: the pointer isn't followed here. The functions that take it say that it is used by the
// thread that works, and the caller chooses that thread.
unsafe impl Send for UserData {}

impl UserData {
    fn get(&self) -> *mut c_void {
        self.0
    }
}

/// The watch that C passes, or one that nobody looks at.
///
/// # Safety
///
/// `pointer` is NULL, or a live watch.
pub(super) unsafe fn watch(pointer: *const CRWatch) -> Watch {
    // SAFETY: this function's caller guarantees it.
    match unsafe { pointer.as_ref() } {
        Some(watch) => watch.0.clone(),
        None => Watch::new(),
    }
}

/// Bytes as C takes them; no name in an archive has a NUL.
fn c_string(bytes: &[u8]) -> CString {
    let end = bytes.iter().position(|byte| *byte == 0);
    CString::new(&bytes[..end.unwrap_or(bytes.len())]).unwrap_or_default()
}

fn tell_progress(
    function: unsafe extern "C" fn(*mut c_void, *const CRProgress),
    user_data: &UserData,
    progress: &Progress<'_>,
) {
    let member = c_string(progress.member);
    let progress = CRProgress {
        phase: progress.phase as u32,
        flags: 0,
        bytes_done: progress.bytes_done,
        bytes_total: progress.bytes_total.unwrap_or(u64::MAX),
        member: member.as_ptr(),
    };
    // SAFETY: the caller of CRWatchOnProgress guarantees that the function takes these for as long as
    // the watch is used.
    unsafe { function(user_data.get(), &raw const progress) };
}

fn tell_warning(
    function: unsafe extern "C" fn(*mut c_void, *const CRWarning),
    user_data: &UserData,
    warning: &Warning<'_>,
) {
    let (member, message) = (
        c_string(warning.member),
        c_string(warning.message.as_bytes()),
    );
    let warning = CRWarning {
        kind: warning.kind as u32,
        flags: 0,
        member: member.as_ptr(),
        message: message.as_ptr(),
    };
    // SAFETY: the caller of CRWatchOnWarning guarantees that the function takes these for as long as
    // the watch is used.
    unsafe { function(user_data.get(), &raw const warning) };
}

/// Makes a flag that isn't set, which the caller frees with CRCancellationFree.
#[unsafe(no_mangle)]
pub extern "C" fn CRCancellationNew() -> *mut CRCancellation {
    let new = || Ok(Box::into_raw(Box::new(CRCancellation(Cancellation::new()))));
    guard::value(ptr::null_mut(), new)
}

/// Sets the flag, for good: works under it fail with ECANCELED at their next step, which is at most
/// 8 MiB of copying away, or 64 MiB of cloning. It may be called while other threads use the flag,
/// and from a signal handler. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRCancellationCancel(cancellation: *const CRCancellation) {
    // SAFETY: the caller passes NULL or a flag that it hasn't freed.
    let flag = unsafe { cancellation.as_ref() };
    guard::run(|| flag.into_iter().for_each(|flag| flag.0.cancel()));
}

/// Frees a flag. Watches that it was given to keep it as it is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRCancellationFree(cancellation: *mut CRCancellation) {
    // SAFETY: the caller passes NULL or a flag of this library's, and passes it only once.
    guard::run(|| unsafe { argument::free(cancellation) });
}

/// Makes a watch that tells nobody and ends nothing yet. The caller frees it with CRWatchFree; a
/// work that was begun with it keeps what it needs.
#[unsafe(no_mangle)]
pub extern "C" fn CRWatchNew() -> *mut CRWatch {
    guard::value(ptr::null_mut(), || {
        Ok(Box::into_raw(Box::new(CRWatch(Watch::new()))))
    })
}

/// Frees a watch.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRWatchFree(watch: *mut CRWatch) {
    // SAFETY: the caller passes NULL or a watch of this library's, and passes it only once.
    guard::run(|| unsafe { argument::free(watch) });
}

/// Has the progress of works under the watch told to a function: at most 20 times a second, and at
/// the end of each phase. The function is called by the thread that works, which waits for it. It
/// may set a cancellation; it must neither call a function with an object that is at work nor leave
/// by longjmp.
///
/// function: must not be NULL.
///
/// user_data: is passed on with each call.
///
/// Errors: EINVAL alone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRWatchOnProgress(
    watch: *mut CRWatch,
    function: CRProgressFunction,
    user_data: *mut c_void,
    error: *mut *mut CRError,
) -> Status {
    let user_data = UserData(user_data);
    let work = || {
        // SAFETY: the caller passes NULL or a watch that it hasn't freed.
        let watch = unsafe { argument::object("watch", watch) }?;
        let function = argument::function("function", function)?;
        watch
            .0
            .on_progress(move |progress| tell_progress(function, &user_data, progress));
        Ok(())
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// Has the warnings of works under the watch told to a function, each as it comes. What holds for
/// CRWatchOnProgress holds for it.
///
/// function: must not be NULL.
///
/// user_data: is passed on with each call.
///
/// Errors: EINVAL alone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRWatchOnWarning(
    watch: *mut CRWatch,
    function: CRWarningFunction,
    user_data: *mut c_void,
    error: *mut *mut CRError,
) -> Status {
    let user_data = UserData(user_data);
    let work = || {
        // SAFETY: the caller passes NULL or a watch that it hasn't freed.
        let watch = unsafe { argument::object("watch", watch) }?;
        let function = argument::function("function", function)?;
        watch
            .0
            .on_warning(move |warning| tell_warning(function, &user_data, warning));
        Ok(())
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// Ends works under the watch, with ECANCELED, when a flag is set.
///
/// Errors: EINVAL alone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRWatchCancelledBy(
    watch: *mut CRWatch,
    cancellation: *const CRCancellation,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        // SAFETY: the caller passes NULL or a watch that it hasn't freed.
        let watch = unsafe { argument::object("watch", watch) }?;
        // SAFETY: the caller passes NULL or a flag that it hasn't freed.
        let flag = unsafe { argument::object("cancellation", cancellation) }?;
        watch.0.cancelled_by(&flag.0);
        Ok(())
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// Ends works under the watch, with ECANCELED, when a time has passed.
///
/// milliseconds: counted from this call on.
///
/// Errors: EINVAL alone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRWatchDeadline(
    watch: *mut CRWatch,
    milliseconds: u64,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        // SAFETY: the caller passes NULL or a watch that it hasn't freed.
        let watch = unsafe { argument::object("watch", watch) }?;
        watch.0.deadline_in(Duration::from_millis(milliseconds));
        Ok(())
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}
