//! The import session through both doors: Rust's and C's. Options and reports are plain values here, numbered as in the
//! C ABI.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crutils::checkpoint::{
    DocumentKind, IdRange, Import, ImportOptions, KNOWN_MEMBERS, Limit, MemberType, Metadata, Text,
    UnsettableXattrs,
};
use crutils::watch::Watch;
use crutils::{Place as HostPlace, PlaceBuf};

use super::api::{Outcome, Rust};

pub const CANCELLED: u32 = 9;
pub const DEADLINE: u32 = 10;

pub const DIGEST: u32 = 1;
pub const CONFIGURATION: u32 = 2;
pub const KEEP_FAILED: u32 = 3;
pub const STRICT_NAMES: u32 = 4;
pub const END_MARKER: u32 = 5;
pub const ROOT_ATTRIBUTES: u32 = 6;
pub const OCI_WHITEOUTS: u32 = 7;
pub const IGNORE_OWNERSHIP: u32 = 8;
pub const NO_DEVICES: u32 = 9;
pub const KNOWN_NAMES: u32 = 10;

pub const MEMBERS: u32 = 11;
pub const TOTAL_BYTES: u32 = 12;
pub const MEMBER_BYTES: u32 = 13;
pub const PATH_BYTES: u32 = 14;
pub const DEPTH: u32 = 15;
pub const XATTR_BYTES: u32 = 16;
pub const RATIO: u32 = 17;

pub const SYNC: u32 = 18;
pub const XATTRS: u32 = 19;
pub const OVERLAY_XATTRS: u32 = 20;
pub const CROSS_MOUNTS: u32 = 21;
pub const REQUIRE_COMPLETE: u32 = 22;
pub const USABLE_MODES: u32 = 23;
/// Values of [`XATTRS`].
pub const SKIP_ALL: u64 = 2;
pub const FAIL: u64 = 3;

pub const TEXTS: u32 = 14;
pub const ID: usize = 1;
pub const NAME: usize = 2;
pub const RUNTIME: usize = 3;

/// Where an archive comes from.
#[derive(Clone, Copy)]
pub enum Source<'s> {
    Path(&'s Path),
    Descriptor(BorrowedFd<'s>),
}

/// A directory, by its path, by a descriptor, or by a path that starts there.
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

/// What an import is asked to heed.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Scalar options by their numbers, with their values.
    pub set: Vec<(u32, u64)>,
    pub expected: Option<String>,
    pub spool: Option<PathBuf>,
    pub types: Option<Vec<u32>>,
    pub names: Option<Vec<&'static str>>,
    /// First in the container, first on the host, size.
    pub uids: Vec<[u32; 3]>,
    pub gids: Vec<[u32; 3]>,
}

impl Options {
    pub fn none() -> Self {
        Self::default()
    }

    pub fn on(what: u32) -> Self {
        Self::none().and(what)
    }

    pub fn and(mut self, what: u32) -> Self {
        self.set.push((what, 1));
        self
    }

    pub fn with(mut self, what: u32, value: u64) -> Self {
        self.set.push((what, value));
        self
    }

    pub fn limit(limit: u32, value: u64) -> Self {
        Self {
            set: vec![(limit, value)],
            ..Self::none()
        }
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

/// What was told to those who watch.
#[derive(Debug, Default)]
pub struct Log {
    pub reports: Mutex<Vec<Report>>,
    /// Kind, member and message.
    pub warnings: Mutex<Vec<(u32, Vec<u8>, String)>>,
    /// The phase whose first report cancels; 0 for none.
    pub cancel_in: AtomicU32,
}

impl Log {
    /// Notes a report, and cancels if it is time to.
    pub fn report(&self, report: Report, cancel: impl FnOnce()) {
        if report.phase == self.cancel_in.load(Ordering::Relaxed) {
            cancel();
        }
        self.reports.lock().unwrap().push(report);
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
    fn log(&self) -> &Log;
    /// Ends what is done under it in this phase, from the function that is told of progress.
    fn cancel_in(&self, phase: u32) {
        self.log().cancel_in.store(phase, Ordering::Relaxed);
    }
    /// For the door that has made it.
    fn as_any(&self) -> &dyn std::any::Any;
}

/// What a session tells of the container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub engine: u32,
    /// By `CR_TEXT_*`.
    pub texts: Vec<Option<String>>,
    /// By `CR_DOCUMENT_*`.
    pub documents: Vec<Option<Vec<u8>>>,
}

/// A member as a session lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub name: Vec<u8>,
    pub kind: u32,
    pub class: u32,
    pub size: u64,
    pub stored: u64,
    pub offset: u64,
}

/// An archive that is open for import.
pub trait Session {
    fn metadata(&mut self) -> Outcome<Told>;
    fn members(&mut self) -> Outcome<Vec<Listed>>;
    fn to_bundle(&mut self, place: Place<'_>) -> Outcome;
    fn to_bundle_only(&mut self, place: Place<'_>, names: &[&str]) -> Outcome;
    fn to_root(&mut self, place: Place<'_>) -> Outcome;
    fn to_volume(&mut self, name: &str, place: Place<'_>) -> Outcome;
    fn to_shm(&mut self, place: Place<'_>) -> Outcome;
    /// The digest, if it was asked for.
    fn extract(&mut self) -> Outcome<Option<String>>;
    fn inspect(&mut self) -> Outcome<super::inspection::Looked>;
}

/// Where all files of a container go.
#[derive(Clone, Copy, Default)]
pub struct Everything<'e> {
    pub bundle: Option<&'e Path>,
    pub root: Option<&'e Path>,
    pub shm: Option<&'e Path>,
    pub volumes: &'e [(&'e str, &'e Path)],
}

/// A way to the session.
pub trait Door: Sync {
    /// A watch with this deadline in milliseconds, if any.
    fn watch(&self, deadline: Option<u64>) -> Arc<dyn Watched>;
    fn open(
        &self,
        source: Source<'_>,
        options: &Options,
        watch: Option<&dyn Watched>,
    ) -> Outcome<Box<dyn Session>>;
    /// Inspects a checkpoint, with a previous one.
    fn look(
        &self,
        source: Source<'_>,
        asked: &super::inspection::Asked<'_>,
    ) -> Outcome<super::inspection::Looked>;
}

impl dyn Door + '_ {
    /// Opens a file without a watch.
    pub fn file(&self, path: &Path, options: &Options) -> Box<dyn Session> {
        self.open(Source::Path(path), options, None).unwrap()
    }

    /// Opens a descriptor without a watch.
    pub fn stream(&self, fd: &impl AsFd, options: &Options) -> Box<dyn Session> {
        self.open(Source::Descriptor(fd.as_fd()), options, None)
            .unwrap()
    }

    /// A whole restore: opens, sets all destinations, extracts.
    pub fn import_files(
        &self,
        input: &Path,
        everything: Everything<'_>,
        options: &Options,
        watch: Option<&dyn Watched>,
    ) -> Outcome {
        let mut session = self.open(Source::Path(input), options, watch)?;
        if let Some(bundle) = everything.bundle {
            session.to_bundle(bundle.into())?;
        }
        if let Some(root) = everything.root {
            session.to_root(root.into())?;
        }
        if let Some(shm) = everything.shm {
            session.to_shm(shm.into())?;
        }
        for (name, path) in everything.volumes {
            session.to_volume(name, (*path).into())?;
        }
        session.extract().map(drop)
    }
}

/// Makes two tests of each of these functions: `name::rust` and `name::c`. A function gets the door, and the test with
/// the nine.
#[macro_export]
macro_rules! session_tests {
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

/// A watch of Rust's.
struct RustWatch {
    watch: Watch,
    log: Arc<Log>,
}

impl Watched for RustWatch {
    fn cancel(&self) {
        self.watch.cancel();
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

const UNSETTABLE: [UnsettableXattrs; 3] = [
    UnsettableXattrs::SkipUnsupported,
    UnsettableXattrs::SkipAll,
    UnsettableXattrs::Fail,
];

const LIMITS: [Limit; 7] = [
    Limit::Members,
    Limit::TotalBytes,
    Limit::MemberBytes,
    Limit::PathBytes,
    Limit::Depth,
    Limit::XattrBytes,
    Limit::Ratio,
];

fn rust_options(from: &Options) -> Outcome<ImportOptions> {
    let mut options = ImportOptions::new();
    for (option, value) in &from.set {
        match *option {
            DIGEST => options.digest(true),
            CONFIGURATION => options.configuration(true),
            KEEP_FAILED => options.keep_failed(true),
            STRICT_NAMES => options.strict_names(true),
            END_MARKER => options.require_end_marker(true),
            ROOT_ATTRIBUTES => options.root_attributes(true),
            OCI_WHITEOUTS => options.oci_whiteouts(true),
            IGNORE_OWNERSHIP => options.ignore_ownership(true),
            NO_DEVICES => options.devices(false),
            KNOWN_NAMES => options.names(&KNOWN_MEMBERS)?,
            SYNC => options.sync(true),
            XATTRS => options.unsettable_xattrs(UNSETTABLE[*value as usize - 1]),
            OVERLAY_XATTRS => options.overlay_xattrs(true),
            CROSS_MOUNTS => options.cross_mounts(true),
            REQUIRE_COMPLETE => options.require_complete(true),
            USABLE_MODES => options.usable_modes(true),
            limit => options.limit(LIMITS[(limit - MEMBERS) as usize], *value),
        };
    }
    if let Some(digest) = &from.expected {
        options.expected_digest(digest.parse()?);
    }
    if let Some(directory) = &from.spool {
        options.spool_directory(PlaceBuf::new(directory)?);
    }
    if let Some(types) = &from.types {
        let types: Vec<_> = types
            .iter()
            .map(|kind| MemberType::ALL[*kind as usize - 1])
            .collect();
        options.types(&types);
    }
    if let Some(names) = &from.names {
        options.names(names)?;
    }
    let ranges = |ranges: &[[u32; 3]]| -> Vec<IdRange> {
        let range = |[container, host, size]: &[u32; 3]| IdRange {
            container: *container,
            host: *host,
            size: *size,
        };
        ranges.iter().map(range).collect()
    };
    options.map_ids(&ranges(&from.uids), &ranges(&from.gids))?;
    Ok(options)
}

fn directory(place: Place<'_>) -> HostPlace<'_> {
    match place {
        Place::Path(path) => path.into(),
        Place::Descriptor(fd) => fd.into(),
        Place::Below(directory, path) => HostPlace::at(directory.as_fd(), path),
    }
}

fn told(metadata: &Metadata) -> Told {
    let document = |kind| metadata.document(kind).map(<[u8]>::to_vec);
    Told {
        engine: metadata.engine() as u32,
        texts: std::iter::once(None)
            .chain(Text::ALL.map(|which| metadata.text(which).map(Into::into)))
            .collect(),
        documents: std::iter::once(None)
            .chain(DocumentKind::ALL.into_iter().map(document))
            .collect(),
    }
}

impl Session for Import {
    fn inspect(&mut self) -> Outcome<super::inspection::Looked> {
        super::inspection::rust_inspect(self)
    }

    fn metadata(&mut self) -> Outcome<Told> {
        Ok(told(Import::metadata(self)?))
    }

    fn members(&mut self) -> Outcome<Vec<Listed>> {
        let members = Import::members(self)?.iter();
        let listed = members.map(|member| Listed {
            name: member.name.as_bytes().to_vec(),
            kind: member.kind as u32,
            class: member.class as u32,
            size: member.size,
            stored: member.stored,
            offset: member.offset,
        });
        Ok(listed.collect())
    }

    fn to_bundle(&mut self, place: Place<'_>) -> Outcome {
        Ok(Import::to_bundle(self, directory(place))?)
    }

    fn to_bundle_only(&mut self, place: Place<'_>, names: &[&str]) -> Outcome {
        Ok(Import::to_bundle_only(self, directory(place), names)?)
    }

    fn to_root(&mut self, place: Place<'_>) -> Outcome {
        Ok(Import::to_root(self, directory(place))?)
    }

    fn to_volume(&mut self, name: &str, place: Place<'_>) -> Outcome {
        Ok(Import::to_volume(self, name, directory(place))?)
    }

    fn to_shm(&mut self, place: Place<'_>) -> Outcome {
        Ok(Import::to_shm(self, directory(place))?)
    }

    fn extract(&mut self) -> Outcome<Option<String>> {
        let imported = Import::extract(self)?;
        Ok(imported.sha256.map(|digest| digest.to_string()))
    }
}

impl Door for Rust {
    fn look(
        &self,
        source: Source<'_>,
        asked: &super::inspection::Asked<'_>,
    ) -> Outcome<super::inspection::Looked> {
        super::inspection::rust_look(source, asked)
    }

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

    fn open(
        &self,
        source: Source<'_>,
        options: &Options,
        watch: Option<&dyn Watched>,
    ) -> Outcome<Box<dyn Session>> {
        let (options, watch) = (rust_options(options)?, rust_watch(watch));
        let import = match source {
            Source::Path(path) => Import::open(path, &options, &watch)?,
            Source::Descriptor(fd) => Import::open(fd, &options, &watch)?,
        };
        Ok(Box::new(import))
    }
}
