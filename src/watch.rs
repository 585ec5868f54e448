//! How a caller watches a long work, and ends it early.
//!
//! A [`Watch`] goes down through the floors with the work. Whoever moves bytes tells it, in steps of at most 8 MiB
//! copied or 64 MiB cloned; between two steps it looks whether the work was cancelled or is past its deadline.

#![forbid(unsafe_code)]

use std::fmt;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::error::{Error, Kind, Result};

/// How many bytes are copied between two looks at the watch, at most.
pub(crate) const MAX_COPIED: u64 = 8 << 20;
/// How many bytes are cloned between two looks at the watch, at most.
pub(crate) const MAX_CLONED: u64 = 64 << 20;
/// How much time there is between two reports of progress, at least: twenty a second.
const BETWEEN_REPORTS: Duration = Duration::from_millis(50);

/// A flag that ends whatever works under a watch of it. Clones are the same flag; any thread may set it, at any time.
#[derive(Clone, Debug, Default)]
pub struct Cancellation(Arc<AtomicBool>);

impl Cancellation {
    /// A flag that isn't set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the flag, for good. Works under it fail with ECANCELED at their next step.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether the flag is set.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// What a work is at. The numbers are those of the C ABI (`CR_PHASE_*`); more may follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
#[repr(u32)]
pub enum Phase {
    /// The archive is read for what it says of the container. Bytes are those of the archive.
    #[default]
    Reading = 0,
    /// The archive's digest is compared with the expected one. Bytes are those of the archive.
    Verifying = 1,
    /// Members are made. Bytes are those of the archive.
    Extracting = 2,
    /// What the container deleted is removed. There are no bytes.
    Deleting = 3,
    /// The sizes of nested archives are found. There are no bytes.
    Measuring = 4,
    /// The archive is written. Bytes are those of the members, before any compression.
    Writing = 5,
    /// The archive is made to last (fsync), and gets its name. There are no bytes.
    Publishing = 6,
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
}

/// What sort of thing a [`Warning`] tells. The numbers are those of the C ABI (`CR_WARNING_*`); more may follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[repr(u32)]
pub enum WarningKind {
    /// An optional member isn't there.
    Missing = 0,
    /// A socket isn't stored, since an archive can't hold one.
    Socket = 1,
    /// A device isn't made, since a user namespace doesn't permit it.
    Device = 2,
    /// Something in the archive isn't understood and was passed over; nothing that was asked for depends on it.
    Ignored = 3,
    /// What was stored changed meanwhile: it isn't what it was when its size was measured.
    Changed = 4,
    /// An xattr isn't stored.
    Xattr = 5,
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

/// Who watches a work, and what ends it early. Clones watch together.
///
/// Reports come from the thread that works, at most twenty a second and one more at a phase's end. A report that comes
/// while another is being taken (since the caller's function does work under the same watch) is dropped.
#[derive(Clone, Default)]
pub struct Watch {
    shared: Arc<Shared>,
    /// Ends what works under this clone alone.
    abandoned: Option<Cancellation>,
}

#[derive(Default)]
struct Shared {
    ends: Mutex<Ends>,
    state: Mutex<State>,
}

/// What ends the work early.
#[derive(Clone, Default)]
struct Ends {
    cancellation: Option<Cancellation>,
    deadline: Option<Instant>,
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
    reported: Option<Instant>,
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

    /// Ends the work (ECANCELED) when `cancellation` is set.
    pub fn cancelled_by(&self, cancellation: &Cancellation) {
        lock(&self.shared.ends).cancellation = Some(cancellation.clone());
    }

    /// Ends the work (ECANCELED) when `time` has passed from now on.
    pub fn deadline_in(&self, time: Duration) {
        // A time beyond what the clock can tell never comes.
        lock(&self.shared.ends).deadline = Instant::now().checked_add(time);
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

    /// ECANCELED if the work was cancelled or is past its deadline.
    pub(crate) fn check(&self) -> Result<()> {
        if self
            .abandoned
            .as_ref()
            .is_some_and(Cancellation::is_cancelled)
        {
            return Err(Error::new(Kind::Cancelled, "nobody waits for the work"));
        }
        let ends = lock(&self.shared.ends);
        if ends
            .cancellation
            .as_ref()
            .is_some_and(Cancellation::is_cancelled)
        {
            return Err(Error::new(Kind::Cancelled, "the work was cancelled"));
        }
        match ends.deadline {
            Some(deadline) if Instant::now() >= deadline => {
                Err(Error::new(Kind::Cancelled, "the work is past its deadline"))
            }
            _ => Ok(()),
        }
    }

    /// Begins a phase.
    pub(crate) fn begin(&self, phase: Phase, total: Option<u64>) {
        let mut state = lock(&self.shared.state);
        (state.phase, state.done, state.total) = (phase, 0, total);
        state.member.clear();
        state.reported = None;
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
        if state
            .reported
            .is_none_or(|before| now.duration_since(before) >= BETWEEN_REPORTS)
        {
            state.reported = Some(now);
            self.report(state);
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
        self.report(state);
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
    fn report(&self, mut state: MutexGuard<'_, State>) {
        let Some(mut report) = state.on_progress.take() else {
            return;
        };
        let member = mem::take(&mut state.member);
        let (phase, bytes_done, bytes_total) = (state.phase, state.done, state.total);
        drop(state);
        report(&Progress {
            phase,
            bytes_done,
            bytes_total,
            member: &member,
        });
        let mut state = lock(&self.shared.state);
        state.on_progress.get_or_insert(report);
        if state.member.is_empty() {
            state.member = member;
        }
    }
}

/// Nothing is left half changed by a panic under these locks, which hold plain values.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Report = (Phase, u64, Option<u64>, Vec<u8>);

    fn recorded(watch: &Watch) -> Arc<Mutex<Vec<Report>>> {
        let reports = Arc::new(Mutex::new(Vec::new()));
        let record = Arc::clone(&reports);
        watch.on_progress(move |progress| {
            let member = progress.member.to_vec();
            lock(&record).push((
                progress.phase,
                progress.bytes_done,
                progress.bytes_total,
                member,
            ));
        });
        reports
    }

    #[test]
    fn a_watch_that_nobody_cancels_ends_nothing() {
        let watch = Watch::new();
        watch.deadline_in(Duration::MAX);
        watch.cancelled_by(&Cancellation::new());
        watch.step(1).unwrap();
    }

    #[test]
    fn a_cancellation_ends_the_work_at_its_next_step() {
        let (watch, cancellation) = (Watch::new(), Cancellation::new());
        watch.cancelled_by(&cancellation);
        watch.step(1).unwrap();
        cancellation.clone().cancel();
        let error = watch.step(1).unwrap_err();
        assert_eq!((error.kind(), error.errno()), (Kind::Cancelled, 125));
    }

    #[test]
    fn what_is_abandoned_ends_alone() {
        let (watch, abandoned) = (Watch::new(), Cancellation::new());
        let part = watch.until(&abandoned);
        part.check().unwrap();
        abandoned.cancel();
        assert_eq!(part.check().unwrap_err().kind(), Kind::Cancelled);
        watch.check().unwrap();
    }

    #[test]
    fn a_part_of_the_work_is_cancelled_with_it() {
        let (watch, cancellation) = (Watch::new(), Cancellation::new());
        let part = watch.until(&Cancellation::new());
        watch.cancelled_by(&cancellation);
        cancellation.cancel();
        assert_eq!(part.check().unwrap_err().kind(), Kind::Cancelled);
    }

    #[test]
    fn a_deadline_that_has_passed_ends_the_work() {
        let watch = Watch::new();
        watch.deadline_in(Duration::ZERO);
        let error = watch.check().unwrap_err();
        assert_eq!(error.kind(), Kind::Cancelled);
    }

    #[test]
    fn the_first_step_and_the_end_of_a_phase_are_reported() {
        let watch = Watch::new();
        let reports = recorded(&watch);
        watch.begin(Phase::Writing, Some(10));
        watch.at(b"a");
        watch.step(4).unwrap();
        watch.advance(6);
        watch.end();
        let reports = lock(&reports);
        assert_eq!(
            reports.first(),
            Some(&(Phase::Writing, 4, Some(10), b"a".to_vec()))
        );
        assert_eq!(
            reports.last(),
            Some(&(Phase::Writing, 10, Some(10), Vec::new()))
        );
    }

    #[test]
    fn a_report_may_use_the_watch_that_it_comes_from() {
        let watch = Watch::new();
        let inner = watch.clone();
        watch.on_warning(move |_| inner.warn(WarningKind::Ignored, b"", "again"));
        let inner = watch.clone();
        watch.on_progress(move |_| inner.step(1).unwrap());
        watch.warn(WarningKind::Socket, b"s", "is a socket");
        watch.step(1).unwrap();
    }
}
