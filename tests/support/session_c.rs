//! The import session as a C program has it.

#![allow(
    clippy::multiple_unsafe_ops_per_block,
    reason = "one argument holds for all of them"
)]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::os::fd::AsRawFd;
use std::ptr;
use std::sync::Arc;

use libc::AT_FDCWD;

use super::api::{C, CRError, Outcome, outcome};
use super::os::c_path;
use super::session::{
    Door, Listed, Log, Options, Place, Report, Session, Source, TEXTS, Told, Watched,
};

/// An object of the library's.
#[repr(C)]
pub struct Opaque {
    opaque: [u8; 0],
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

#[repr(C)]
struct CRMember {
    name: *const c_char,
    kind: u32,
    member_class: u32,
    size: u64,
    stored: u64,
    offset: u64,
}

#[repr(C)]
struct CRImported {
    members: u64,
    bytes: u64,
    digest: *const c_char,
    applied_rootfs_diff: u32,
    flags: u32,
}

pub type Error = *mut *mut CRError;
type OnProgress = unsafe extern "C" fn(*mut c_void, *const CRProgress);
type OnWarning = unsafe extern "C" fn(*mut c_void, *const CRWarning);

#[rustfmt::skip]
unsafe extern "C" {
    fn CRImportOpen(at: c_int, archive: *const c_char, options: *const Opaque, watch: *const Opaque, import: *mut *mut Opaque, error: Error) -> c_int;
    fn CRImportFree(import: *mut Opaque);
    fn CRImportMetadata(import: *mut Opaque, metadata: *mut *const Opaque, error: Error) -> c_int;
    fn CRImportMembers(import: *mut Opaque, members: *mut *const *const CRMember, members_len: *mut usize, error: Error) -> c_int;
    fn CRImportToBundle(import: *mut Opaque, at: c_int, bundle: *const c_char, error: Error) -> c_int;
    fn CRImportToBundleOnly(import: *mut Opaque, at: c_int, bundle: *const c_char, names: *const *const c_char, names_len: usize, error: Error) -> c_int;
    fn CRImportToRoot(import: *mut Opaque, at: c_int, root: *const c_char, error: Error) -> c_int;
    fn CRImportToVolume(import: *mut Opaque, volume: *const c_char, at: c_int, directory: *const c_char, error: Error) -> c_int;
    fn CRImportToShm(import: *mut Opaque, at: c_int, directory: *const c_char, error: Error) -> c_int;
    fn CRImportExtract(import: *mut Opaque, error: Error) -> c_int;
    fn CRImportResult(import: *const Opaque) -> *const CRImported;
    fn CRImportOptionsNew() -> *mut Opaque;
    fn CRImportOptionsFree(options: *mut Opaque);
    fn CRImportOptionsSet(options: *mut Opaque, option: u32, value: u64, error: Error) -> c_int;
    fn CRImportOptionsExpectedDigest(options: *mut Opaque, digest: *const c_char, error: Error) -> c_int;
    fn CRImportOptionsSpoolDirectory(options: *mut Opaque, at: c_int, directory: *const c_char, error: Error) -> c_int;
    fn CRImportOptionsTypes(options: *mut Opaque, types: *const u32, types_len: usize, error: Error) -> c_int;
    fn CRImportOptionsNames(options: *mut Opaque, names: *const *const c_char, names_len: usize, error: Error) -> c_int;
    fn CRImportOptionsMapIds(options: *mut Opaque, uids: *const [u32; 3], uids_len: usize, gids: *const [u32; 3], gids_len: usize, error: Error) -> c_int;
    fn CRMetadataEngine(metadata: *const Opaque) -> u32;
    fn CRMetadataText(metadata: *const Opaque, which: u32) -> *const c_char;
    fn CRMetadataDocument(metadata: *const Opaque, document: u32, bytes: *mut *const c_void, bytes_len: *mut usize, error: Error) -> c_int;
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
unsafe fn text(text: *const c_char) -> Option<String> {
    // SAFETY: the caller guarantees it.
    let bytes = (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) });
    bytes.map(|bytes| bytes.to_str().expect("UTF-8").to_owned())
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

struct COptions(*mut Opaque);

impl Drop for COptions {
    fn drop(&mut self) {
        // SAFETY: they are this object's.
        unsafe { CRImportOptionsFree(self.0) };
    }
}

fn c_names(names: &[&str]) -> (Vec<CString>, Vec<*const c_char>) {
    let owned: Vec<_> = names
        .iter()
        .map(|name| CString::new(*name).unwrap())
        .collect();
    let pointers = owned.iter().map(|name| name.as_ptr()).collect();
    (owned, pointers)
}

// "See above" below is: the objects are live and used by this thread alone; strings end in NUL; arrays have the length
// that is said; slots are valid pointers; all outlive the call.
fn c_options(from: &Options) -> Outcome<COptions> {
    // SAFETY: see above.
    let options = COptions(unsafe { CRImportOptionsNew() });
    let o = options.0;
    for (option, value) in &from.set {
        // SAFETY: see above.
        call(|error| unsafe { CRImportOptionsSet(o, *option, *value, error) })?;
    }
    if let Some(digest) = &from.expected {
        let digest = CString::new(digest.as_str()).unwrap();
        // SAFETY: see above.
        call(|error| unsafe { CRImportOptionsExpectedDigest(o, digest.as_ptr(), error) })?;
    }
    if let Some(spool) = &from.spool {
        let spool = c_path(spool);
        // SAFETY: see above.
        call(|error| unsafe { CRImportOptionsSpoolDirectory(o, AT_FDCWD, spool.as_ptr(), error) })?;
    }
    if let Some(types) = &from.types {
        // SAFETY: see above.
        call(|error| unsafe { CRImportOptionsTypes(o, types.as_ptr(), types.len(), error) })?;
    }
    if let Some(names) = &from.names {
        let (_owned, names) = c_names(names);
        // SAFETY: see above.
        call(|error| unsafe { CRImportOptionsNames(o, names.as_ptr(), names.len(), error) })?;
    }
    let (uids, gids) = (&from.uids, &from.gids);
    // SAFETY: see above.
    call(|error| unsafe {
        CRImportOptionsMapIds(
            o,
            uids.as_ptr(),
            uids.len(),
            gids.as_ptr(),
            gids.len(),
            error,
        )
    })?;
    Ok(options)
}

struct CSession(*mut Opaque);

impl Drop for CSession {
    fn drop(&mut self) {
        // SAFETY: it is this object's.
        unsafe { CRImportFree(self.0) };
    }
}

/// A place as C has it: the descriptor, and the path that starts there.
pub fn pair(place: Place<'_>) -> (c_int, CString) {
    match place {
        Place::Path(path) => (AT_FDCWD, c_path(path)),
        Place::Descriptor(fd) => (fd.as_raw_fd(), CString::default()),
        Place::Below(directory, path) => (directory.as_raw_fd(), c_path(path)),
    }
}

fn document(metadata: *const Opaque, which: u32) -> Option<Vec<u8>> {
    let (mut bytes, mut len) = (ptr::null(), 0);
    // SAFETY: see above.
    let found = call(|error| unsafe {
        CRMetadataDocument(metadata, which, &raw mut bytes, &raw mut len, error)
    });
    match found {
        // SAFETY: a successful call has put an array of this length there, which lives as long as the metadata.
        Ok(()) => Some(unsafe { std::slice::from_raw_parts(bytes.cast::<u8>(), len) }.to_vec()),
        Err(failure) => {
            assert_eq!(failure.errno, libc::ENODATA);
            None
        }
    }
}

impl Session for CSession {
    fn inspect(&mut self) -> Outcome<super::inspection::Looked> {
        super::inspection::c_inspect(self.0)
    }

    fn metadata(&mut self) -> Outcome<Told> {
        let mut metadata = ptr::null();
        // SAFETY: see above.
        call(|error| unsafe { CRImportMetadata(self.0, &raw mut metadata, error) })?;
        // SAFETY: see above; it belongs to the import.
        unsafe {
            Ok(Told {
                engine: CRMetadataEngine(metadata),
                texts: (0..TEXTS)
                    .map(|which| text(CRMetadataText(metadata, which)))
                    .collect(),
                documents: std::iter::once(None)
                    .chain((1..=8).map(|which| document(metadata, which)))
                    .collect(),
            })
        }
    }

    fn members(&mut self) -> Outcome<Vec<Listed>> {
        let (mut members, mut len) = (ptr::null(), 0);
        // SAFETY: see above.
        call(|error| unsafe { CRImportMembers(self.0, &raw mut members, &raw mut len, error) })?;
        // SAFETY: see above; a successful call has put an array of this length there, which the import keeps.
        let members = unsafe { std::slice::from_raw_parts(members, len) };
        // SAFETY: see above; the members belong to the import, too.
        let listed = |member: &*const CRMember| unsafe {
            let member = &**member;
            Listed {
                name: CStr::from_ptr(member.name).to_bytes().to_vec(),
                kind: member.kind,
                class: member.member_class,
                size: member.size,
                stored: member.stored,
                offset: member.offset,
            }
        };
        Ok(members.iter().map(listed).collect())
    }

    fn to_bundle(&mut self, place: Place<'_>) -> Outcome {
        let (at, path) = pair(place);
        // SAFETY: see above.
        call(|error| unsafe { CRImportToBundle(self.0, at, path.as_ptr(), error) })
    }

    fn to_bundle_only(&mut self, place: Place<'_>, names: &[&str]) -> Outcome {
        let (_owned, names) = c_names(names);
        let (at, path) = pair(place);
        let (start, len) = (names.as_ptr(), names.len());
        // SAFETY: see above.
        call(|error| unsafe { CRImportToBundleOnly(self.0, at, path.as_ptr(), start, len, error) })
    }

    fn to_root(&mut self, place: Place<'_>) -> Outcome {
        let (at, path) = pair(place);
        // SAFETY: see above.
        call(|error| unsafe { CRImportToRoot(self.0, at, path.as_ptr(), error) })
    }

    fn to_volume(&mut self, name: &str, place: Place<'_>) -> Outcome {
        let name = CString::new(name).unwrap();
        let (at, path) = pair(place);
        // SAFETY: see above.
        call(|error| unsafe { CRImportToVolume(self.0, name.as_ptr(), at, path.as_ptr(), error) })
    }

    fn to_shm(&mut self, place: Place<'_>) -> Outcome {
        let (at, path) = pair(place);
        // SAFETY: see above.
        call(|error| unsafe { CRImportToShm(self.0, at, path.as_ptr(), error) })
    }

    fn extract(&mut self) -> Outcome<Option<String>> {
        // SAFETY: see above.
        let extracted = call(|error| unsafe { CRImportExtract(self.0, error) });
        // SAFETY: see above; the result belongs to the import.
        let result = unsafe { CRImportResult(self.0).as_ref() };
        // There is a result only of a success.
        assert_eq!(result.is_none(), extracted.is_err());
        extracted?;
        // SAFETY: see above; the digest belongs to the result.
        Ok(result.and_then(|result| unsafe { text(result.digest) }))
    }
}

impl Door for C {
    fn look(
        &self,
        source: Source<'_>,
        asked: &super::inspection::Asked<'_>,
    ) -> Outcome<super::inspection::Looked> {
        super::inspection::c_look(source, asked)
    }

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
                call(|error| CRWatchDeadline(new.watch, deadline, error)).unwrap();
            }
            Arc::new(new)
        }
    }

    fn open(
        &self,
        source: Source<'_>,
        options: &Options,
        watch: Option<&dyn Watched>,
    ) -> Outcome<Box<dyn Session>> {
        let (options, watch) = (c_options(options)?, c_watch(watch));
        let mut import = ptr::null_mut();
        let out = &raw mut import;
        let (at, path) = match source {
            Source::Path(path) => pair(Place::Path(path)),
            Source::Descriptor(fd) => pair(Place::Descriptor(fd)),
        };
        // SAFETY: see above.
        let opened =
            call(|error| unsafe { CRImportOpen(at, path.as_ptr(), options.0, watch, out, error) });
        // Outputs are written only on success.
        assert_eq!(import.is_null(), opened.is_err());
        opened.map(|()| Box::new(CSession(import)) as Box<dyn Session>)
    }
}
