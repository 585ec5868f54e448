//! How a caller watches a long work, and ends it early.
//!
//! A [`Watch`] goes down through the floors with the work. Whoever moves bytes tells it, in steps of at most 8 MiB
//! copied or 64 MiB cloned; between two steps it looks whether the work was cancelled or is past its deadline.

#![forbid(unsafe_code)]

use std::fmt;
use std::mem;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::error::{self, Kind, Result};

/// How many bytes are copied between two looks at the watch, at most.
pub(crate) const MAX_COPIED: u64 = 8 << 20;
/// How many bytes are cloned between two looks at the watch, at most.
pub(crate) const MAX_CLONED: u64 = 64 << 20;
/// How much time there is between two reports of progress, at least: twenty a second.
const BETWEEN_REPORTS: Duration = Duration::from_millis(50);

/// Why a work ends before it is done.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("nobody waits for the work")]
    Abandoned,
    #[error("the work was cancelled")]
    Cancelled,
    #[error("the deadline has passed")]
    Late,
}

impl error::Refusal for Ended {
    fn kind(&self) -> Kind {
        match self {
            Self::Abandoned | Self::Cancelled => Kind::Cancelled,
            Self::Late => Kind::Deadline,
        }
    }
}

/// A flag that ends a part of a work that nobody waits for any longer. Clones are the same flag.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cancellation(Arc<AtomicBool>);

impl Cancellation {
    /// A flag that isn't set.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Sets the flag, for good.
    pub(crate) fn cancel(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether the flag is set.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// What a work is at. The numbers are those of the C ABI (`CR_PHASE_*`); more may follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
#[repr(u32)]
pub enum Phase {
    /// The archive is read for its members and documents. Bytes are those of the archive.
    #[default]
    Reading = 1,
    /// The archive's digest is compared with the expected one. Bytes are those of the archive.
    Verifying = 2,
    /// Members are extracted. Bytes are those of the archive.
    Extracting = 3,
    /// What the container deleted is removed. There are no bytes.
    Deleting = 4,
    /// Directories or layers are compared. There are no bytes.
    Comparing = 5,
    /// The sizes of nested archives are measured. There are no bytes.
    Measuring = 6,
    /// The archive is written. Bytes are those of the members, before any compression.
    Writing = 7,
    /// The archive is synced, if that was asked for, and gets its name. There are no bytes.
    Publishing = 8,
}

impl Phase {
    /// All of them, in the order of their numbers.
    pub const ALL: [Phase; 8] = [
        Phase::Reading,
        Phase::Verifying,
        Phase::Extracting,
        Phase::Deleting,
        Phase::Comparing,
        Phase::Measuring,
        Phase::Writing,
        Phase::Publishing,
    ];

    /// The phase as a word for people, such as `extracting`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Phase::Reading => "reading",
            Phase::Verifying => "verifying",
            Phase::Extracting => "extracting",
            Phase::Deleting => "deleting",
            Phase::Comparing => "comparing",
            Phase::Measuring => "measuring",
            Phase::Writing => "writing",
            Phase::Publishing => "publishing",
        }
    }
}

/// How far a work is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress<'p> {
    /// What it is at.
    pub phase: Phase,
    /// How many bytes of this phase are done.
    pub bytes_done: u64,
    /// How many there are, if that is known.
    pub bytes_total: Option<u64>,
    /// The member that is being worked on, as raw bytes; empty between members.
    pub member: &'p [u8],
    /// How long the phase has taken so far.
    pub elapsed: Duration,
    /// How many bytes a second were done lately; 0 at the beginning of a phase.
    pub bytes_per_second: u64,
}

impl Progress<'_> {
    /// How long the rest of the phase takes at the present rate, if the total is known and the rate isn't 0.
    #[must_use]
    pub fn remaining(&self) -> Option<Duration> {
        let left = self.bytes_total?.checked_sub(self.bytes_done)?;
        let milliseconds =
            u128::from(left) * 1000 / u128::from(NonZeroU64::new(self.bytes_per_second)?.get());
        Some(Duration::from_millis(
            u64::try_from(milliseconds).unwrap_or(u64::MAX),
        ))
    }
}

/// What sort of thing a [`Warning`] tells. The numbers are those of the C ABI (`CR_WARNING_*`); more may follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[repr(u32)]
pub enum WarningKind {
    /// An object vanished before it was stored, and is left out.
    Vanished = 1,
    /// A socket isn't stored, since an archive can't hold one.
    Socket = 2,
    /// A device isn't made, since a user namespace doesn't permit it.
    Device = 3,
    /// Something in the archive isn't understood and was passed over; nothing that was asked for depends on it.
    Ignored = 4,
    /// An object changed while it was stored: it isn't what it was when its size was measured.
    Changed = 5,
    /// An extended attribute is left out: the file system, the type of the object or a user namespace can't have it, or it
    /// is an overlay's own state.
    Xattr = 6,
    /// A restore will lack something: an image that CRIU needs, the dump that another one builds on, or a volume of the
    /// container.
    Incomplete = 7,
}

impl WarningKind {
    /// All of them, in the order of their numbers.
    pub const ALL: [WarningKind; 7] = [
        WarningKind::Vanished,
        WarningKind::Socket,
        WarningKind::Device,
        WarningKind::Ignored,
        WarningKind::Changed,
        WarningKind::Xattr,
        WarningKind::Incomplete,
    ];

    /// The kind as a word for logs, such as `socket`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            WarningKind::Vanished => "vanished",
            WarningKind::Socket => "socket",
            WarningKind::Device => "device",
            WarningKind::Ignored => "ignored",
            WarningKind::Changed => "changed",
            WarningKind::Xattr => "xattr",
            WarningKind::Incomplete => "incomplete",
        }
    }
}

/// Something that was left out and doesn't fail the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Warning<'w> {
    /// What sort of thing.
    pub kind: WarningKind,
    /// The member concerned, as raw bytes.
    pub member: &'w [u8],
    /// What happened, in words.
    pub message: &'w str,
}

/// Who is told of a work's progress and warnings, and what ends it early: a cancellation or a deadline. Clones are the
/// same watch.
///
/// One watch may serve several works, one after the other or at the same time: all of them end with its cancellation or
/// its deadline, which can't be taken back, and reports of works at the same time mix. Reports come from the thread that
/// works, at most twenty a second and one more at a phase's end. A report that comes while another is being taken is
/// dropped.
///
/// ```
/// use std::time::Duration;
/// use crutils::watch::Watch;
///
/// let watch = Watch::new();
/// watch.deadline_in(Duration::from_secs(60));
/// watch.on_progress(|progress| println!("{} {}", progress.phase.name(), progress.bytes_done));
/// watch.on_warning(|warning| eprintln!("{}", warning.message));
/// let other_thread_s = watch.clone();
/// std::thread::spawn(move || other_thread_s.cancel());
/// ```
#[derive(Clone, Default)]
pub struct Watch {
    shared: Arc<Shared>,
    /// Ends what works under this clone alone.
    abandoned: Option<Cancellation>,
}

#[derive(Default)]
struct Shared {
    /// Not behind a lock: a signal handler may set it.
    cancelled: AtomicBool,
    deadline: Mutex<Option<Instant>>,
    state: Mutex<State>,
}

type OnProgress = Box<dyn FnMut(&Progress<'_>) + Send>;
type OnWarning = Box<dyn FnMut(&Warning<'_>) + Send>;

#[derive(Default)]
struct State {
    on_progress: Option<OnProgress>,
    on_warning: Option<OnWarning>,
    phase: Phase,
    done: u64,
    total: Option<u64>,
    member: Vec<u8>,
    /// When the phase began, and when it was reported last with how many bytes.
    began: Option<Instant>,
    reported: Option<(Instant, u64)>,
    rate: Rate,
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watch")
    }
}

impl Watch {
    /// A watch that nobody looks at and that ends nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends works under the watch with ECANCELED at their next step, which is at most 8 MiB of copying away, or 64 MiB
    /// of cloning; for good. Any thread may call it, and so may a signal handler.
    pub fn cancel(&self) {
        self.shared.cancelled.store(true, Ordering::Release);
    }

    /// Ends works under the watch with ETIMEDOUT when `time` has passed from now on. A later call sets it anew.
    pub fn deadline_in(&self, time: Duration) {
        // A time beyond what the clock can tell never comes.
        *lock(&self.shared.deadline) = Instant::now().checked_add(time);
    }

    /// Has progress told to `report`.
    pub fn on_progress(&self, report: impl FnMut(&Progress<'_>) + Send + 'static) {
        lock(&self.shared.state).on_progress = Some(Box::new(report));
    }

    /// Has warnings told to `report`, each as it comes.
    pub fn on_warning(&self, report: impl FnMut(&Warning<'_>) + Send + 'static) {
        lock(&self.shared.state).on_warning = Some(Box::new(report));
    }

    /// This watch for a part of the work, which ends too once nobody waits for it any longer: `abandoned` is set then.
    pub(crate) fn until(&self, abandoned: &Cancellation) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            abandoned: Some(abandoned.clone()),
        }
    }

    /// ECANCELED if the work was cancelled, ETIMEDOUT if it is past its deadline.
    pub(crate) fn check(&self) -> Result<()> {
        let abandoned = self.abandoned.as_ref();
        if abandoned.is_some_and(Cancellation::is_cancelled) {
            return Err(Ended::Abandoned.into());
        }
        if self.shared.cancelled.load(Ordering::Acquire) {
            return Err(Ended::Cancelled.into());
        }
        match *lock(&self.shared.deadline) {
            Some(deadline) if Instant::now() >= deadline => Err(Ended::Late.into()),
            _ => Ok(()),
        }
    }

    /// Begins a phase.
    pub(crate) fn begin(&self, phase: Phase, total: Option<u64>) {
        let mut state = lock(&self.shared.state);
        (state.phase, state.done, state.total) = (phase, 0, total);
        state.member.clear();
        (state.began, state.reported) = (Some(Instant::now()), None);
        state.rate = Rate::default();
    }

    /// Names the member that is worked on from now on, as raw bytes.
    pub(crate) fn at(&self, member: &[u8]) {
        let mut state = lock(&self.shared.state);
        if state.on_progress.is_some() {
            state.member.clear();
            state.member.extend_from_slice(member);
        }
    }

    /// Says that a step is done, and looks whether there is to be another: `bytes` more are behind.
    pub(crate) fn step(&self, bytes: u64) -> Result<()> {
        self.advance(bytes);
        self.check()
    }

    /// Says that `bytes` more are done.
    pub(crate) fn advance(&self, bytes: u64) {
        self.count(|done| done.saturating_add(bytes));
    }

    /// Says that `bytes` are done by now, where the place is known and not the way.
    pub(crate) fn reach(&self, bytes: u64) {
        self.count(|_| bytes);
    }

    fn count(&self, done: impl FnOnce(u64) -> u64) {
        let mut state = lock(&self.shared.state);
        state.done = done(state.done);
        if state.on_progress.is_none() {
            return;
        }
        let now = Instant::now();
        let is_due = |(before, _)| now.duration_since(before) >= BETWEEN_REPORTS;
        if state.reported.is_none_or(is_due) {
            self.report(state, now);
        }
    }

    /// Whether anybody is told of progress.
    pub(crate) fn is_followed(&self) -> bool {
        lock(&self.shared.state).on_progress.is_some()
    }

    /// Ends a phase, with a last report.
    pub(crate) fn end(&self) {
        let mut state = lock(&self.shared.state);
        state.member.clear();
        self.report(state, Instant::now());
    }

    /// Tells a warning.
    pub(crate) fn warn(&self, kind: WarningKind, member: &[u8], message: &str) {
        let mut state = lock(&self.shared.state);
        let Some(mut report) = state.on_warning.take() else {
            return;
        };
        drop(state);
        report(&Warning {
            kind,
            member,
            message,
        });
        lock(&self.shared.state).on_warning.get_or_insert(report);
    }

    /// Calls the caller's function without the lock: it may use this watch, or take long.
    fn report(&self, mut state: MutexGuard<'_, State>, now: Instant) {
        let Some(mut report) = state.on_progress.take() else {
            return;
        };
        let member = mem::take(&mut state.member);
        let (phase, bytes_done, bytes_total) = (state.phase, state.done, state.total);
        let began = *state.began.get_or_insert(now);
        let (before, bytes_before) = state.reported.unwrap_or((began, 0));
        let since = now.duration_since(before);
        state
            .rate
            .take(bytes_done.saturating_sub(bytes_before), since);
        state.reported = Some((now, bytes_done));
        let bytes_per_second = state.rate.get();
        drop(state);
        report(&Progress {
            phase,
            bytes_done,
            bytes_total,
            member: &member,
            elapsed: now.duration_since(began),
            bytes_per_second,
        });
        let mut state = lock(&self.shared.state);
        state.on_progress.get_or_insert(report);
        if state.member.is_empty() {
            state.member = member;
        }
    }
}

/// How many bytes a second were done lately: the mean over some seconds, in which the last ones count most.
#[derive(Clone, Copy, Default)]
struct Rate {
    bytes: f64,
    seconds: f64,
}

impl Rate {
    /// After so many seconds what was before counts half.
    const HALF_LIFE: f64 = 2.0;

    fn take(&mut self, bytes: u64, time: Duration) {
        let seconds = time.as_secs_f64();
        let fading = (-seconds / Self::HALF_LIFE).exp2();
        #[expect(clippy::cast_precision_loss, reason = "a rate is an estimate")]
        let bytes = bytes as f64;
        self.bytes = self.bytes.mul_add(fading, bytes);
        self.seconds = self.seconds.mul_add(fading, seconds);
    }

    fn get(self) -> u64 {
        if self.seconds <= 0.0 {
            return 0;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the quotient isn't negative, and a conversion saturates"
        )]
        let rate = (self.bytes / self.seconds) as u64;
        rate
    }
}

/// Nothing is left half changed by a panic under these locks, which hold plain values.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
