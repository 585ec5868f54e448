//! The import session as a C program has it.

#![allow(
    clippy::multiple_unsafe_ops_per_block,
    reason = "one argument holds for all of them"
)]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::ptr;
use std::sync::Arc;

use super::api::{C, CRError, Outcome, outcome};
use super::os::c_path;
use super::session::{
    Door, Everything, Listed, Log, Options, Place, Report, Session, Source, TEXTS, Told, Watched,
};

#[repr(C)]
struct Opaque {
    opaque: [u8; 0],
}

#[repr(C)]
struct CRProgress {
    phase: u32,
    flags: u32,
    bytes_done: u64,
    bytes_total: u64,
    member: *const c_char,
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
struct CRVolume {
    name: *const c_char,
    directory: *const c_char,
}

type Error = *mut *mut CRError;
type OnProgress = unsafe extern "C" fn(*mut c_void, *const CRProgress);
type OnWarning = unsafe extern "C" fn(*mut c_void, *const CRWarning);

#[rustfmt::skip]
unsafe extern "C" {
    fn CRImportOpen(input: *const c_char, options: *const Opaque, watch: *const Opaque, import: *mut *mut Opaque, error: Error) -> c_int;
    fn CRImportOpenDescriptor(input: c_int, options: *const Opaque, watch: *const Opaque, import: *mut *mut Opaque, error: Error) -> c_int;
    fn CRImportFree(import: *mut Opaque);
    fn CRImportMetadata(import: *mut Opaque, metadata: *mut *mut Opaque, error: Error) -> c_int;
    fn CRImportMembers(import: *mut Opaque, members: *mut *mut Opaque, error: Error) -> c_int;
    fn CRImportToBundle(import: *mut Opaque, bundle: *const c_char, error: Error) -> c_int;
    fn CRImportToBundleAt(import: *mut Opaque, bundle: c_int, error: Error) -> c_int;
    fn CRImportToBundleOnly(import: *mut Opaque, bundle: *const c_char, names: *const *const c_char, names_len: usize, error: Error) -> c_int;
    fn CRImportToBundleOnlyAt(import: *mut Opaque, bundle: c_int, names: *const *const c_char, names_len: usize, error: Error) -> c_int;
    fn CRImportToRoot(import: *mut Opaque, root: *const c_char, error: Error) -> c_int;
    fn CRImportToRootAt(import: *mut Opaque, root: c_int, error: Error) -> c_int;
    fn CRImportToVolume(import: *mut Opaque, name: *const c_char, directory: *const c_char, error: Error) -> c_int;
    fn CRImportToVolumeAt(import: *mut Opaque, name: *const c_char, directory: c_int, error: Error) -> c_int;
    fn CRImportToShm(import: *mut Opaque, directory: *const c_char, error: Error) -> c_int;
    fn CRImportToShmAt(import: *mut Opaque, directory: c_int, error: Error) -> c_int;
    fn CRImportExtract(import: *mut Opaque, error: Error) -> c_int;
    fn CRImportDigest(import: *const Opaque) -> *const c_char;
    fn CRImportFiles(input: *const c_char, bundle: *const c_char, root: *const c_char, volumes: *const CRVolume, volumes_len: usize,
                     shm: *const c_char, options: *const Opaque, watch: *const Opaque, error: Error) -> c_int;
    fn CRImportOptionsNew() -> *mut Opaque;
    fn CRImportOptionsFree(options: *mut Opaque);
    fn CRImportOptionsSet(options: *mut Opaque, what: u32, yes: u32, error: Error) -> c_int;
    fn CRImportOptionsLimit(options: *mut Opaque, limit: u32, value: u64, error: Error) -> c_int;
    fn CRImportOptionsExpectedDigest(options: *mut Opaque, digest: *const c_char, error: Error) -> c_int;
    fn CRImportOptionsSpoolDirectory(options: *mut Opaque, directory: *const c_char, error: Error) -> c_int;
    fn CRImportOptionsTypes(options: *mut Opaque, types: *const u32, types_len: usize, error: Error) -> c_int;
    fn CRImportOptionsNames(options: *mut Opaque, names: *const *const c_char, names_len: usize, error: Error) -> c_int;
    fn CRImportOptionsMapIds(options: *mut Opaque, uids: *const [u32; 3], uids_len: usize, gids: *const [u32; 3], gids_len: usize, error: Error) -> c_int;
    fn CRMetadataFree(metadata: *mut Opaque);
    fn CRMetadataEngine(metadata: *const Opaque) -> u32;
    fn CRMetadataText(metadata: *const Opaque, which: u32) -> *const c_char;
    fn CRMetadataDocument(metadata: *const Opaque, document: u32, bytes: *mut *const c_void, bytes_len: *mut usize, error: Error) -> c_int;
    fn CRMemberListLen(list: *const Opaque) -> usize;
    fn CRMemberListAt(list: *const Opaque, index: usize) -> *const CRMember;
    fn CRMemberListFree(list: *mut Opaque);
    fn CRCancellationNew() -> *mut Opaque;
    fn CRCancellationCancel(cancellation: *const Opaque);
    fn CRCancellationFree(cancellation: *mut Opaque);
    fn CRWatchNew() -> *mut Opaque;
    fn CRWatchFree(watch: *mut Opaque);
    fn CRWatchOnProgress(watch: *mut Opaque, function: OnProgress, user_data: *mut c_void, error: Error) -> c_int;
    fn CRWatchOnWarning(watch: *mut Opaque, function: OnWarning, user_data: *mut c_void, error: Error) -> c_int;
    fn CRWatchCancelledBy(watch: *mut Opaque, cancellation: *const Opaque, error: Error) -> c_int;
    fn CRWatchDeadline(watch: *mut Opaque, milliseconds: u64, error: Error) -> c_int;
}

fn call(function: impl FnOnce(Error) -> c_int) -> Outcome {
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

struct CWatch {
    watch: *mut Opaque,
    cancellation: *mut Opaque,
    log: Box<Log>,
}

// SAFETY: any thread may set a cancellation; all else is behind locks, or done by the thread that works.
unsafe impl Send for CWatch {}
// SAFETY: as above.
unsafe impl Sync for CWatch {}

impl Drop for CWatch {
    fn drop(&mut self) {
        // SAFETY: both are this object's, and used by nobody else now.
        unsafe {
            CRWatchFree(self.watch);
            CRCancellationFree(self.cancellation);
        }
    }
}

impl Watched for CWatch {
    fn cancel(&self) {
        // SAFETY: it lives as long as this object.
        unsafe { CRCancellationCancel(self.cancellation) };
    }

    fn log(&self) -> &Log {
        &self.log
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

unsafe extern "C" fn on_progress(log: *mut c_void, progress: *const CRProgress) {
    // SAFETY: the log lives as long as the watch that it was given to; the report as long as this call.
    let (log, progress) = unsafe { (&*log.cast::<Log>(), &*progress) };
    assert_eq!(progress.flags, 0);
    // SAFETY: a member's name lives as long as this call.
    let member = unsafe { CStr::from_ptr(progress.member) };
    log.reports.lock().unwrap().push(Report {
        phase: progress.phase,
        done: progress.bytes_done,
        total: (progress.bytes_total != u64::MAX).then_some(progress.bytes_total),
        member: member.to_bytes().to_vec(),
    });
}

unsafe extern "C" fn on_warning(log: *mut c_void, warning: *const CRWarning) {
    // SAFETY: as for progress.
    let (log, warning) = unsafe { (&*log.cast::<Log>(), &*warning) };
    assert_eq!(warning.flags, 0);
    // SAFETY: the strings live as long as this call.
    let (member, message) = unsafe {
        (
            CStr::from_ptr(warning.member),
            text(warning.message).unwrap(),
        )
    };
    let mut warnings = log.warnings.lock().unwrap();
    warnings.push((warning.kind, member.to_bytes().to_vec(), message));
}

fn c_watch(watch: Option<&dyn Watched>) -> *const Opaque {
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
    for what in &from.on {
        // SAFETY: see above.
        call(|error| unsafe { CRImportOptionsSet(o, *what, 1, error) })?;
    }
    for (limit, value) in &from.limits {
        // SAFETY: see above.
        call(|error| unsafe { CRImportOptionsLimit(o, *limit, *value, error) })?;
    }
    if let Some(digest) = &from.expected {
        let digest = CString::new(digest.as_str()).unwrap();
        // SAFETY: see above.
        call(|error| unsafe { CRImportOptionsExpectedDigest(o, digest.as_ptr(), error) })?;
    }
    if let Some(spool) = &from.spool {
        let spool = c_path(spool);
        // SAFETY: see above.
        call(|error| unsafe { CRImportOptionsSpoolDirectory(o, spool.as_ptr(), error) })?;
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

impl CSession {
    fn place(
        &self,
        place: Place<'_>,
        by_path: unsafe extern "C" fn(*mut Opaque, *const c_char, Error) -> c_int,
        by_descriptor: unsafe extern "C" fn(*mut Opaque, c_int, Error) -> c_int,
    ) -> Outcome {
        match place {
            Place::Path(path) => {
                let path = c_path(path);
                // SAFETY: see above.
                call(|error| unsafe { by_path(self.0, path.as_ptr(), error) })
            }
            Place::Descriptor(fd) => {
                // SAFETY: see above.
                call(|error| unsafe { by_descriptor(self.0, fd.as_raw_fd(), error) })
            }
        }
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
    fn metadata(&mut self) -> Outcome<Told> {
        let mut metadata = ptr::null_mut();
        // SAFETY: see above.
        call(|error| unsafe { CRImportMetadata(self.0, &raw mut metadata, error) })?;
        // SAFETY: see above; it is freed once, afterwards.
        unsafe {
            let told = Told {
                engine: CRMetadataEngine(metadata),
                texts: (0..TEXTS)
                    .map(|which| text(CRMetadataText(metadata, which)))
                    .collect(),
                documents: std::iter::once(None)
                    .chain((1..=8).map(|which| document(metadata, which)))
                    .collect(),
            };
            CRMetadataFree(metadata);
            Ok(told)
        }
    }

    fn members(&mut self) -> Outcome<Vec<Listed>> {
        let mut list = ptr::null_mut();
        // SAFETY: see above.
        call(|error| unsafe { CRImportMembers(self.0, &raw mut list, error) })?;
        // SAFETY: see above; members live as long as the list, which is freed once, afterwards.
        unsafe {
            let listed = |index| {
                let member = &*CRMemberListAt(list, index);
                Listed {
                    name: CStr::from_ptr(member.name).to_bytes().to_vec(),
                    kind: member.kind,
                    class: member.member_class,
                    size: member.size,
                    stored: member.stored,
                    offset: member.offset,
                }
            };
            let all = (0..CRMemberListLen(list)).map(listed).collect();
            assert!(CRMemberListAt(list, CRMemberListLen(list)).is_null());
            CRMemberListFree(list);
            Ok(all)
        }
    }

    fn to_bundle(&mut self, place: Place<'_>) -> Outcome {
        self.place(place, CRImportToBundle, CRImportToBundleAt)
    }

    fn to_bundle_only(&mut self, place: Place<'_>, names: &[&str]) -> Outcome {
        let (_owned, names) = c_names(names);
        let (start, len) = (names.as_ptr(), names.len());
        match place {
            Place::Path(path) => {
                let path = c_path(path);
                // SAFETY: see above.
                call(|error| unsafe {
                    CRImportToBundleOnly(self.0, path.as_ptr(), start, len, error)
                })
            }
            Place::Descriptor(fd) => {
                // SAFETY: see above.
                call(|error| unsafe {
                    CRImportToBundleOnlyAt(self.0, fd.as_raw_fd(), start, len, error)
                })
            }
        }
    }

    fn to_root(&mut self, place: Place<'_>) -> Outcome {
        self.place(place, CRImportToRoot, CRImportToRootAt)
    }

    fn to_volume(&mut self, name: &str, place: Place<'_>) -> Outcome {
        let name = CString::new(name).unwrap();
        match place {
            Place::Path(path) => {
                let path = c_path(path);
                // SAFETY: see above.
                call(|error| unsafe {
                    CRImportToVolume(self.0, name.as_ptr(), path.as_ptr(), error)
                })
            }
            Place::Descriptor(fd) => {
                // SAFETY: see above.
                call(|error| unsafe {
                    CRImportToVolumeAt(self.0, name.as_ptr(), fd.as_raw_fd(), error)
                })
            }
        }
    }

    fn to_shm(&mut self, place: Place<'_>) -> Outcome {
        self.place(place, CRImportToShm, CRImportToShmAt)
    }

    fn extract(&mut self) -> Outcome<Option<String>> {
        // SAFETY: see above.
        call(|error| unsafe { CRImportExtract(self.0, error) })?;
        // SAFETY: see above; the digest lives as long as the import.
        Ok(unsafe { text(CRImportDigest(self.0)) })
    }
}

impl Door for C {
    fn watch(&self, deadline: Option<u64>) -> Arc<dyn Watched> {
        // SAFETY: see above. The log is in a box of its own, which the watch outlives only unused.
        unsafe {
            let new = CWatch {
                watch: CRWatchNew(),
                cancellation: CRCancellationNew(),
                log: Box::default(),
            };
            let data = (&raw const *new.log).cast_mut().cast::<c_void>();
            call(|error| CRWatchOnProgress(new.watch, on_progress, data, error)).unwrap();
            call(|error| CRWatchOnWarning(new.watch, on_warning, data, error)).unwrap();
            call(|error| CRWatchCancelledBy(new.watch, new.cancellation, error)).unwrap();
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
        let opened = match source {
            Source::Path(path) => {
                let path = c_path(path);
                // SAFETY: see above.
                call(|error| unsafe { CRImportOpen(path.as_ptr(), options.0, watch, out, error) })
            }
            // SAFETY: see above.
            Source::Descriptor(fd) => call(|error| unsafe {
                CRImportOpenDescriptor(fd.as_raw_fd(), options.0, watch, out, error)
            }),
        };
        // Outputs are written only on success.
        assert_eq!(import.is_null(), opened.is_err());
        opened.map(|()| Box::new(CSession(import)) as Box<dyn Session>)
    }

    fn import_files(
        &self,
        input: &Path,
        everything: Everything<'_>,
        options: &Options,
        watch: Option<&dyn Watched>,
    ) -> Outcome {
        let (options, watch, input) = (c_options(options)?, c_watch(watch), c_path(input));
        let [bundle, root, shm] =
            [everything.bundle, everything.root, everything.shm].map(|path| path.map(c_path));
        let pointer =
            |path: &Option<CString>| path.as_ref().map_or(ptr::null(), |path| path.as_ptr());
        let owned: Vec<_> = everything
            .volumes
            .iter()
            .map(|(name, path)| (CString::new(*name).unwrap(), c_path(path)))
            .collect();
        let volumes: Vec<_> = owned
            .iter()
            .map(|(name, directory)| CRVolume {
                name: name.as_ptr(),
                directory: directory.as_ptr(),
            })
            .collect();
        // SAFETY: see above.
        call(|error| unsafe {
            CRImportFiles(
                input.as_ptr(),
                pointer(&bundle),
                pointer(&root),
                volumes.as_ptr(),
                volumes.len(),
                pointer(&shm),
                options.0,
                watch,
                error,
            )
        })
    }
}
