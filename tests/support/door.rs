//! The two doors, Rust's and C's, and what all that goes through them has in common: places, watches, objects that are
//! freed. Options and reports are plain values, numbered as in the C ABI.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crutils::Place as HostPlace;
use crutils::watch::Watch;

use super::api::{Api, Rust};
use super::changes::Detectors;
use super::export::Exports;
use super::image::Images;
use super::inspection::Inspections;
use super::session::Sessions;

/// The engines, by their number in the C ABI.
pub const PODMAN: u32 = 1;
pub const CRIO: u32 = 2;

/// The compressions, by their number in the C ABI.
pub const NONE: u64 = 1;
pub const GZIP: u64 = 2;
pub const ZSTD: u64 = 3;

/// The phases and the kinds of warnings, by their number in the C ABI.
pub const EXTRACTING: u32 = 3;
pub const DELETING: u32 = 4;
pub const COMPARING: u32 = 5;
pub const MEASURING: u32 = 6;
pub const WRITING: u32 = 7;
pub const PUBLISHING: u32 = 8;
pub const VANISHED: u32 = 1;
pub const SOCKET: u32 = 2;
pub const CHANGED: u32 = 5;
pub const XATTR: u32 = 6;
pub const INCOMPLETE: u32 = 7;

/// A way into the library.
pub trait Door: Api + Detectors + Exports + Images + Inspections + Sessions {
    /// A watch with this deadline in milliseconds, if any.
    fn watch(&self, deadline: Option<u64>) -> Arc<dyn Watched>;
}

/// Makes two tests of each of these functions: `name::rust` and `name::c`. A function gets the door, and the test with
/// the nine.
#[macro_export]
macro_rules! door_tests {
    ($( $name:ident ),* $(,)?) => { $(
        mod $name {
            use $crate::support::api::{C, Rust};
            use $crate::support::process::Test;

            #[test]
            fn rust() {
                Test::run(module_path!(), "rust", &Rust, |test| super::$name(test, &Rust));
            }

            #[test]
            fn c() {
                Test::run(module_path!(), "c", &C, |test| super::$name(test, &C));
            }
        }
    )* };
}

/// A file or a directory, by its path, by a descriptor, or by a path that starts there.
#[derive(Clone, Copy)]
pub enum Place<'p> {
    Path(&'p Path),
    Descriptor(BorrowedFd<'p>),
    Below(&'p File, &'p Path),
}

impl<'p> From<&'p PathBuf> for Place<'p> {
    fn from(path: &'p PathBuf) -> Self {
        Place::Path(path)
    }
}

impl<'p> From<&'p Path> for Place<'p> {
    fn from(path: &'p Path) -> Self {
        Place::Path(path)
    }
}

impl<'p> From<&'p File> for Place<'p> {
    fn from(file: &'p File) -> Self {
        Place::Descriptor(file.as_fd())
    }
}

impl<'p> From<&'p OwnedFd> for Place<'p> {
    fn from(fd: &'p OwnedFd) -> Self {
        Place::Descriptor(fd.as_fd())
    }
}

impl<'p> From<BorrowedFd<'p>> for Place<'p> {
    fn from(fd: BorrowedFd<'p>) -> Self {
        Place::Descriptor(fd)
    }
}

/// The same place in the words of the Rust API.
pub fn host(place: Place<'_>) -> HostPlace<'_> {
    match place {
        Place::Path(path) => path.into(),
        Place::Descriptor(fd) => fd.into(),
        Place::Below(directory, path) => HostPlace::at(directory.as_fd(), path),
    }
}

/// A report of progress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub phase: u32,
    pub done: u64,
    pub total: Option<u64>,
    pub member: Vec<u8>,
}

/// What is to be done with a report.
pub type Hook = Box<dyn Fn(&Report) + Send>;

/// What was told to those who watch.
#[derive(Default)]
pub struct Log {
    pub reports: Mutex<Vec<Report>>,
    /// Kind, member and message.
    pub warnings: Mutex<Vec<(u32, Vec<u8>, String)>>,
    /// The phase whose first report cancels; 0 for none.
    pub cancel_in: AtomicU32,
    /// The number of the report that cancels; 0 for none.
    pub cancel_at: AtomicUsize,
    /// What is to be done with each report.
    pub hook: Mutex<Option<Hook>>,
}

impl Log {
    /// Notes a report, and cancels if it is time to.
    pub fn report(&self, report: Report, cancel: impl FnOnce()) {
        if let Some(hook) = &*self.hook.lock().unwrap() {
            hook(&report);
        }
        let mut reports = self.reports.lock().unwrap();
        if report.phase == self.cancel_in.load(Ordering::Relaxed)
            || reports.len() + 1 == self.cancel_at.load(Ordering::Relaxed)
        {
            cancel();
        }
        reports.push(report);
    }

    pub fn reports(&self) -> Vec<Report> {
        self.reports.lock().unwrap().clone()
    }

    pub fn warnings(&self) -> Vec<(u32, Vec<u8>, String)> {
        self.warnings.lock().unwrap().clone()
    }
}

/// A watch. Clones are the same one.
pub trait Watched: Send + Sync {
    /// Ends what is done under it from any thread.
    fn cancel(&self);
    /// Sets when it ends, in milliseconds from now.
    fn deadline(&self, milliseconds: u64);
    fn log(&self) -> &Log;
    /// Ends what is done under it in this phase, from the function that is told of progress.
    fn cancel_in(&self, phase: u32) {
        self.log().cancel_in.store(phase, Ordering::Relaxed);
    }
    /// Ends what is done under it with the report of this number, from 1 on.
    fn cancel_at(&self, number: usize) {
        self.log().cancel_at.store(number, Ordering::Relaxed);
    }
    /// Does this with each report.
    fn on_report(&self, hook: Hook) {
        *self.log().hook.lock().unwrap() = Some(hook);
    }
    /// What was warned of: the kinds and the members.
    fn warned(&self) -> Vec<(u32, String)> {
        let text = |member: Vec<u8>| String::from_utf8(member).unwrap();
        let all = self.log().warnings().into_iter();
        all.map(|(kind, member, _)| (kind, text(member))).collect()
    }
    /// For the door that has made it.
    fn as_any(&self) -> &dyn std::any::Any;
}

/// A watch of Rust's.
struct RustWatch {
    watch: Watch,
    log: Arc<Log>,
}

impl Watched for RustWatch {
    fn cancel(&self) {
        self.watch.cancel();
    }

    fn deadline(&self, milliseconds: u64) {
        self.watch.deadline_in(Duration::from_millis(milliseconds));
    }

    fn log(&self) -> &Log {
        &self.log
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

pub fn rust_watch(watch: Option<&dyn Watched>) -> Watch {
    let own = watch.map(|watch| watch.as_any().downcast_ref::<RustWatch>().unwrap());
    own.map_or_else(Watch::new, |own| own.watch.clone())
}

impl Door for Rust {
    fn watch(&self, deadline: Option<u64>) -> Arc<dyn Watched> {
        let (watch, log) = (Watch::new(), Arc::new(Log::default()));
        if let Some(deadline) = deadline {
            watch.deadline_in(Duration::from_millis(deadline));
        }
        let (to, working) = (Arc::clone(&log), watch.clone());
        watch.on_progress(move |progress| {
            let report = Report {
                phase: progress.phase as u32,
                done: progress.bytes_done,
                total: progress.bytes_total,
                member: progress.member.to_vec(),
            };
            to.report(report, || working.cancel());
        });
        let to = Arc::clone(&log);
        watch.on_warning(move |warning| {
            let (member, message) = (warning.member.to_vec(), warning.message.into());
            let mut warnings = to.warnings.lock().unwrap();
            warnings.push((warning.kind as u32, member, message));
        });
        Arc::new(RustWatch { watch, log })
    }
}
