//! Watching a long work: progress, warnings, cancellation, a deadline.

use std::ffi::{c_char, c_void};
use std::time::Duration;

use super::argument::{New, Object, Optional, Owned, Text, null};
use super::guard::{self, Slot, Status};
use super::string::{named, until_nul};
use crate::watch::{Phase, Progress, Warning, WarningKind, Watch};

/// The archive is read for its members and documents. Bytes are those of the archive.
pub const CR_PHASE_READING: u32 = 1;
/// The archive's digest is compared with the expected one. Bytes are those of the archive.
pub const CR_PHASE_VERIFYING: u32 = 2;
/// Members are extracted. Bytes are those of the archive.
pub const CR_PHASE_EXTRACTING: u32 = 3;
/// What the container had deleted is removed. There are no bytes.
pub const CR_PHASE_DELETING: u32 = 4;
/// Directories or layers are compared. There are no bytes.
pub const CR_PHASE_COMPARING: u32 = 5;
/// The sizes of archives within the archive are measured. There are no bytes.
pub const CR_PHASE_MEASURING: u32 = 6;
/// The archive is written. Bytes are those of its members, before any compression.
pub const CR_PHASE_WRITING: u32 = 7;
/// The archive is synced, if that was asked for, and gets its name. There are no bytes.
pub const CR_PHASE_PUBLISHING: u32 = 8;

const _: () = assert!(CR_PHASE_READING == Phase::Reading as u32);
const _: () = assert!(CR_PHASE_VERIFYING == Phase::Verifying as u32);
const _: () = assert!(CR_PHASE_EXTRACTING == Phase::Extracting as u32);
const _: () = assert!(CR_PHASE_DELETING == Phase::Deleting as u32);
const _: () = assert!(CR_PHASE_COMPARING == Phase::Comparing as u32);
const _: () = assert!(CR_PHASE_MEASURING == Phase::Measuring as u32);
const _: () = assert!(CR_PHASE_WRITING == Phase::Writing as u32);
const _: () = assert!(CR_PHASE_PUBLISHING == Phase::Publishing as u32);

/// An object vanished before it was stored, and is left out.
pub const CR_WARNING_VANISHED: u32 = 1;
/// A socket isn't stored, since an archive can't hold one.
pub const CR_WARNING_SOCKET: u32 = 2;
/// A device isn't made, since a user namespace doesn't permit it.
pub const CR_WARNING_DEVICE: u32 = 3;
/// Something in the archive isn't understood and was passed over. Nothing that was asked for depends on it.
pub const CR_WARNING_IGNORED: u32 = 4;
/// An object changed while it was stored: it isn't what it was when its size was measured.
pub const CR_WARNING_CHANGED: u32 = 5;
/// An extended attribute is left out: the file system, the type of the object or a user namespace can't
/// have it, or it is an overlay's own state.
pub const CR_WARNING_XATTR: u32 = 6;
/// A restore will lack something: an image that CRIU needs, the dump that another one builds on, or a volume of the
/// container.
pub const CR_WARNING_INCOMPLETE: u32 = 7;

const _: () = assert!(CR_WARNING_VANISHED == WarningKind::Vanished as u32);
const _: () = assert!(CR_WARNING_SOCKET == WarningKind::Socket as u32);
const _: () = assert!(CR_WARNING_DEVICE == WarningKind::Device as u32);
const _: () = assert!(CR_WARNING_IGNORED == WarningKind::Ignored as u32);
const _: () = assert!(CR_WARNING_CHANGED == WarningKind::Changed as u32);
const _: () = assert!(CR_WARNING_XATTR == WarningKind::Xattr as u32);
const _: () = assert!(CR_WARNING_INCOMPLETE == WarningKind::Incomplete as u32);

/// How far a work is. Later versions may add fields at the end.
#[repr(C)]
#[derive(Debug)]
pub struct CRProgress {
    /// One of CR_PHASE_*. Later versions may have more.
    pub phase: u32,
    /// 0.
    pub flags: u32,
    /// How many bytes of the phase are done.
    pub bytes_done: u64,
    /// How many bytes the phase has; UINT64_MAX if that isn't known.
    pub bytes_total: u64,
    /// The member that is being worked on; "" between members. It lives as long as the call.
    pub member: Text,
    /// How long the phase has taken so far, in milliseconds.
    pub milliseconds: u64,
    /// How many bytes a second were done lately; 0 at the beginning of a phase.
    pub bytes_per_second: u64,
    /// How long the rest of the phase takes at this rate, in milliseconds; UINT64_MAX if that isn't known.
    pub milliseconds_left: u64,
}

/// A function of the caller's that is told of progress.
pub type CRProgressFunction =
    Option<unsafe extern "C" fn(user_data: *mut c_void, progress: *const CRProgress)>;

/// Something that was left out and doesn't fail the work. Later versions may add fields at the end.
#[repr(C)]
#[derive(Debug)]
pub struct CRWarning {
    /// One of CR_WARNING_*. Later versions may have more.
    pub kind: u32,
    /// 0.
    pub flags: u32,
    /// The member or object concerned. It lives as long as the call.
    pub member: Text,
    /// What happened, in words. It lives as long as the call.
    pub message: Text,
}

/// A function of the caller's that is told of a warning.
pub type CRWarningFunction =
    Option<unsafe extern "C" fn(user_data: *mut c_void, warning: *const CRWarning)>;

/// Who is told of a work's progress and warnings, and what ends it early.
#[derive(Debug, Default)]
pub struct CRWatch(Watch);

/// What the caller wants to get back with each call: a pointer that is only passed on.
#[repr(transparent)]
#[derive(Debug)]
pub struct UserData(*mut c_void);

// SAFETY: the pointer isn't followed here. The functions that take it say that it is used by the
// thread that works, and the caller chooses that thread.
unsafe impl Send for UserData {}

impl UserData {
    fn get(&self) -> *mut c_void {
        self.0
    }
}

/// The watch that C passes, or one that nobody looks at.
pub(super) fn watch(watch: &Optional<CRWatch>) -> Watch {
    watch.copied(|watch| &watch.0)
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn tell_progress(
    function: unsafe extern "C" fn(*mut c_void, *const CRProgress),
    user_data: &UserData,
    progress: &Progress<'_>,
) {
    let member = until_nul(progress.member);
    let progress = CRProgress {
        phase: progress.phase as u32,
        flags: 0,
        bytes_done: progress.bytes_done,
        bytes_total: progress.bytes_total.unwrap_or(u64::MAX),
        member: Text::lent(&member),
        milliseconds: milliseconds(progress.elapsed),
        bytes_per_second: progress.bytes_per_second,
        milliseconds_left: progress.remaining().map_or(u64::MAX, milliseconds),
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
    let member = until_nul(warning.member);
    let message = until_nul(warning.message.as_bytes());
    let warning = CRWarning {
        kind: warning.kind as u32,
        flags: 0,
        member: Text::lent(&member),
        message: Text::lent(&message),
    };
    // SAFETY: the caller of CRWatchOnWarning guarantees that the function takes these for as long as
    // the watch is used.
    unsafe { function(user_data.get(), &raw const warning) };
}

/// Makes a watch that tells nobody and ends nothing. The caller frees it with CRWatchFree.
///
/// One watch may serve several works, one after the other or at the same time. All of them end with its
/// cancellation or its deadline; reports of works at the same time mix.
#[unsafe(no_mangle)]
pub extern "C" fn CRWatchNew() -> New<CRWatch> {
    guard::value(New::none(), || Ok(New::of(CRWatch::default())))
}

/// Frees a watch. A work that was begun with it keeps what it needs.
#[unsafe(no_mangle)]
pub extern "C" fn CRWatchFree(watch: Owned<CRWatch>) {
    guard::run(|| watch.free());
}

/// Sets the function that is told of progress: at most 20 times a second, and at the end of each phase.
/// The thread that works calls it, and waits for it. It may call CRWatchCancel; it must neither call a
/// function with an object that is at work nor leave by longjmp.
///
/// @param function The function; not NULL.
/// @param user_data Is passed to the function.
#[unsafe(no_mangle)]
pub extern "C" fn CRWatchOnProgress(
    watch: Object<CRWatch>,
    function: CRProgressFunction,
    user_data: UserData,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let watch = watch.get("watch")?;
        let function = function.ok_or_else(|| null("function"))?;
        let tell = move |progress: &Progress<'_>| tell_progress(function, &user_data, progress);
        watch.0.on_progress(tell);
        Ok(())
    })
}

/// Sets the function that is told of warnings, each as it comes. The rules for it are those of
/// CRWatchOnProgress.
///
/// @param function The function; not NULL.
/// @param user_data Is passed to the function.
#[unsafe(no_mangle)]
pub extern "C" fn CRWatchOnWarning(
    watch: Object<CRWatch>,
    function: CRWarningFunction,
    user_data: UserData,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let watch = watch.get("watch")?;
        let function = function.ok_or_else(|| null("function"))?;
        let tell = move |warning: &Warning<'_>| tell_warning(function, &user_data, warning);
        watch.0.on_warning(tell);
        Ok(())
    })
}

/// Ends the works under a watch with ECANCELED at their next step, which is at most 8 MiB of copying away,
/// or 64 MiB of cloning. It can't be taken back. Any thread may call it while the watch lives, and so may a
/// signal handler. NULL is allowed.
#[unsafe(no_mangle)]
pub extern "C" fn CRWatchCancel(watch: Optional<CRWatch>) {
    guard::run(|| watch.get().into_iter().for_each(|watch| watch.0.cancel()));
}

/// Ends the works under a watch with ETIMEDOUT when a time has passed. A later call sets the time anew.
///
/// @param milliseconds The time from this call on.
#[unsafe(no_mangle)]
pub extern "C" fn CRWatchDeadline(
    watch: Object<CRWatch>,
    milliseconds: u64,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let watch = watch.get("watch")?;
        watch.0.deadline_in(Duration::from_millis(milliseconds));
        Ok(())
    })
}

/// Returns the name of a phase, such as "extracting". The string is static; NULL for a number that isn't
/// one of CR_PHASE_*.
///
/// @param phase One of CR_PHASE_*.
#[unsafe(no_mangle)]
pub extern "C" fn CRPhaseName(phase: u32) -> *const c_char {
    named(phase, Phase::ALL.map(|phase| (phase as u32, phase.name())))
}

/// Returns the name of a kind of warnings for logs, such as "socket". The string is static; NULL for a
/// number that isn't one of CR_WARNING_*.
///
/// @param kind One of CR_WARNING_*.
#[unsafe(no_mangle)]
pub extern "C" fn CRWarningName(kind: u32) -> *const c_char {
    named(
        kind,
        WarningKind::ALL.map(|kind| (kind as u32, kind.name())),
    )
}
