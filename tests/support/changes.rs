//! Detectors of changes through both doors: Rust's and C's.

#![allow(
    clippy::multiple_unsafe_ops_per_block,
    reason = "one argument holds for all of them"
)]

use std::ffi::{CStr, OsStr, c_char, c_int};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::ptr;

use crutils::PlaceBuf;
use crutils::changes::{
    Change as RustChange, Options, OverlayXattrs, directories_ambient, mount_ambient,
    overlay_ambient,
};
use crutils::checkpoint::{Engine, bind_destinations};
use libc::AT_FDCWD;

use super::api::{C, Change, Outcome, Rust};
use super::door::{CRIO, PODMAN, Place, Watched, host, rust_watch};
use super::door_c::{CRChange, CRPlace, Error, Opaque, Owned, c_string, c_watch, call, pair};
use super::os::c_path;

const COMPARE_CONTENT: u32 = 1;
const EXACT_TIMES: u32 = 2;
const OVERLAY_XATTRS: u32 = 3;

/// Values of the option for an overlay's attributes.
pub const AUTO: u64 = 1;
pub const TRUSTED: u64 = 2;
pub const USER: u64 = 3;
pub const FUSE: u64 = 4;

const EXACT: u32 = 1;
const SUBTREE: u32 = 2;

/// How changes are looked for.
#[derive(Clone, Debug, Default)]
pub struct Look {
    /// Scalar options by their numbers, with their values.
    set: Vec<(u32, u64)>,
    work: Option<PathBuf>,
    /// What is left out, and how.
    excluded: Vec<(u32, String)>,
    engine: Option<u32>,
    /// A file whose bind mounts are left out.
    spec: Option<PathBuf>,
}

impl Look {
    pub fn new() -> Self {
        Self::default()
    }

    fn with(mut self, option: u32, value: u64) -> Self {
        self.set.push((option, value));
        self
    }

    pub fn compare_content(self) -> Self {
        self.with(COMPARE_CONTENT, 1)
    }

    pub fn exact_times(self) -> Self {
        self.with(EXACT_TIMES, 1)
    }

    pub fn overlay_xattrs(self, which: u64) -> Self {
        self.with(OVERLAY_XATTRS, which)
    }

    pub fn work_directory(self, directory: &Path) -> Self {
        Self {
            work: Some(directory.into()),
            ..self
        }
    }

    pub fn exact(mut self, path: &str) -> Self {
        self.excluded.push((EXACT, path.into()));
        self
    }

    pub fn subtree(mut self, path: &str) -> Self {
        self.excluded.push((SUBTREE, path.into()));
        self
    }

    pub fn engine(self, engine: u32) -> Self {
        Self {
            engine: Some(engine),
            ..self
        }
    }

    pub fn bind_mounts(self, spec: &Path) -> Self {
        Self {
            spec: Some(spec.into()),
            ..self
        }
    }
}

/// A way to what finds changes.
pub trait Detectors {
    fn directories(
        &self,
        new: Place<'_>,
        old: Option<Place<'_>>,
        look: &Look,
        watch: Option<&dyn Watched>,
    ) -> Outcome<Vec<Change>>;
    fn overlay(
        &self,
        lower: &[Place<'_>],
        upper: Place<'_>,
        look: &Look,
        watch: Option<&dyn Watched>,
    ) -> Outcome<Vec<Change>>;
    /// The same of a mounted overlay.
    fn mount(&self, mount_point: Place<'_>, look: &Look) -> Outcome<Vec<Change>>;
}

fn rust_options(from: &Look) -> Outcome<Options> {
    let mut options = Options::default();
    let xattrs = [
        OverlayXattrs::Auto,
        OverlayXattrs::Trusted,
        OverlayXattrs::User,
        OverlayXattrs::Fuse,
    ];
    for (option, value) in &from.set {
        match *option {
            COMPARE_CONTENT => options.compare_content = *value == 1,
            EXACT_TIMES => options.exact_times = *value == 1,
            _ => options.overlay_xattrs = xattrs[*value as usize - 1],
        }
    }
    if let Some(work) = &from.work {
        options.work_directory = Some(PlaceBuf::new(work)?);
    }
    for (how, path) in &from.excluded {
        match *how {
            EXACT => options.exclude.exact(path)?,
            _ => options.exclude.subtree(path)?,
        }
    }
    match from.engine {
        Some(PODMAN) => options.exclude.all_exact(Engine::Podman.excluded_paths())?,
        Some(CRIO) => options.exclude.all_exact(Engine::Crio.excluded_paths())?,
        _ => {}
    }
    if let Some(spec) = &from.spec {
        options.exclude.all_exact(bind_destinations(spec)?)?;
    }
    Ok(options)
}

fn found(changes: Vec<RustChange>) -> Vec<Change> {
    let change = |one: RustChange| Change {
        path: one.path,
        kind: one.kind as u32,
    };
    changes.into_iter().map(change).collect()
}

impl Detectors for Rust {
    fn directories(
        &self,
        new: Place<'_>,
        old: Option<Place<'_>>,
        look: &Look,
        watch: Option<&dyn Watched>,
    ) -> Outcome<Vec<Change>> {
        let (options, watch) = (rust_options(look)?, rust_watch(watch));
        Ok(found(directories_ambient(
            host(new),
            old.map(host),
            &options,
            &watch,
        )?))
    }

    fn overlay(
        &self,
        lower: &[Place<'_>],
        upper: Place<'_>,
        look: &Look,
        watch: Option<&dyn Watched>,
    ) -> Outcome<Vec<Change>> {
        let (options, watch) = (rust_options(look)?, rust_watch(watch));
        let lower = lower.iter().map(|place| host(*place));
        Ok(found(overlay_ambient(
            lower,
            host(upper),
            &options,
            &watch,
        )?))
    }

    fn mount(&self, mount_point: Place<'_>, look: &Look) -> Outcome<Vec<Change>> {
        let (options, watch) = (rust_options(look)?, rust_watch(None));
        Ok(found(mount_ambient(host(mount_point), &options, &watch)?))
    }
}

#[rustfmt::skip]
unsafe extern "C" {
    fn CRChangesDirectories(new_at: c_int, new_directory: *const c_char, old_at: c_int, old_directory: *const c_char, options: *const Opaque, watch: *const Opaque, list: *mut *mut Opaque, error: Error) -> c_int;
    fn CRChangesOverlay(lower_directories: *const CRPlace, lower_directories_len: usize, upper_at: c_int, upper_directory: *const c_char, options: *const Opaque, watch: *const Opaque, list: *mut *mut Opaque, error: Error) -> c_int;
    fn CRChangesMount(mount_point_at: c_int, mount_point: *const c_char, options: *const Opaque, watch: *const Opaque, list: *mut *mut Opaque, error: Error) -> c_int;
    fn CRChangeListChanges(list: *const Opaque, changes_len: *mut usize) -> *const CRChange;
    fn CRChangeListFree(list: *mut Opaque);
    fn CRChangesOptionsNew() -> *mut Opaque;
    fn CRChangesOptionsFree(options: *mut Opaque);
    fn CRChangesOptionsSet(options: *mut Opaque, option: u32, value: u64, error: Error) -> c_int;
    fn CRChangesOptionsWorkDirectory(options: *mut Opaque, at: c_int, directory: *const c_char, error: Error) -> c_int;
    fn CRChangesOptionsExclude(options: *mut Opaque, path: *const c_char, how: u32, error: Error) -> c_int;
    fn CRChangesOptionsExcludeEngine(options: *mut Opaque, engine: u32, error: Error) -> c_int;
    fn CRChangesOptionsExcludeBindMounts(options: *mut Opaque, at: c_int, spec: *const c_char, error: Error) -> c_int;
}

// SAFETY of all calls: objects are live and used by this thread alone; strings end in NUL; arrays have the length that
// is said; slots are valid pointers; all outlive the call.

fn c_options(from: &Look) -> Outcome<Owned> {
    // SAFETY: see above.
    unsafe {
        let options = Owned(CRChangesOptionsNew(), CRChangesOptionsFree);
        let o = options.0;
        for (option, value) in &from.set {
            call(|error| CRChangesOptionsSet(o, *option, *value, error))?;
        }
        if let Some(work) = &from.work {
            let work = c_path(work);
            call(|error| CRChangesOptionsWorkDirectory(o, AT_FDCWD, work.as_ptr(), error))?;
        }
        for (how, path) in &from.excluded {
            let path = c_string(path);
            call(|error| CRChangesOptionsExclude(o, path.as_ptr(), *how, error))?;
        }
        if let Some(engine) = from.engine {
            call(|error| CRChangesOptionsExcludeEngine(o, engine, error))?;
        }
        if let Some(spec) = &from.spec {
            let spec = c_path(spec);
            call(|error| CRChangesOptionsExcludeBindMounts(o, AT_FDCWD, spec.as_ptr(), error))?;
        }
        Ok(options)
    }
}

/// The list that `detect` makes.
fn listed(detect: impl FnOnce(*mut *mut Opaque, Error) -> c_int) -> Outcome<Vec<Change>> {
    let mut list = ptr::null_mut();
    let out = &raw mut list;
    let result = call(|error| detect(out, error));
    let list = Owned(list, CRChangeListFree);
    let mut len = usize::MAX;
    // SAFETY: the list is live, or NULL, and as long as it says.
    let changes = unsafe { CRChangeListChanges(list.0, &raw mut len) };
    assert_eq!(
        [list.0.is_null(), changes.is_null()],
        [result.is_err(); 2],
        "a list for a success alone"
    );
    result?;
    // SAFETY: as above.
    let changes = unsafe { std::slice::from_raw_parts(changes, len) };
    let change = |one: &CRChange| {
        assert_eq!(one.flags, 0);
        // SAFETY: the path lives as long as the list.
        let path = unsafe { CStr::from_ptr(one.path) };
        Change {
            path: OsStr::from_bytes(path.to_bytes()).to_owned(),
            kind: one.kind,
        }
    };
    Ok(changes.iter().map(change).collect())
}

impl Detectors for C {
    fn directories(
        &self,
        new: Place<'_>,
        old: Option<Place<'_>>,
        look: &Look,
        watch: Option<&dyn Watched>,
    ) -> Outcome<Vec<Change>> {
        let (options, watch) = (c_options(look)?, c_watch(watch));
        let ((new_at, new), old) = (pair(new), old.map(pair));
        let (old_at, old) = old
            .as_ref()
            .map_or((AT_FDCWD, ptr::null()), |(at, path)| (*at, path.as_ptr()));
        // SAFETY: see above.
        listed(|list, error| unsafe {
            CRChangesDirectories(
                new_at,
                new.as_ptr(),
                old_at,
                old,
                options.0,
                watch,
                list,
                error,
            )
        })
    }

    fn overlay(
        &self,
        lower: &[Place<'_>],
        upper: Place<'_>,
        look: &Look,
        watch: Option<&dyn Watched>,
    ) -> Outcome<Vec<Change>> {
        let (options, watch) = (c_options(look)?, c_watch(watch));
        let (lower, (at, upper)) = (
            lower.iter().map(|place| pair(*place)).collect::<Vec<_>>(),
            pair(upper),
        );
        let place = |(at, path): &(c_int, std::ffi::CString)| CRPlace {
            at: *at,
            path: path.as_ptr(),
        };
        let places: Vec<_> = lower.iter().map(place).collect();
        let (start, len) = (places.as_ptr(), places.len());
        // SAFETY: see above.
        listed(|list, error| unsafe {
            CRChangesOverlay(
                start,
                len,
                at,
                upper.as_ptr(),
                options.0,
                watch,
                list,
                error,
            )
        })
    }

    fn mount(&self, mount_point: Place<'_>, look: &Look) -> Outcome<Vec<Change>> {
        let (options, (at, path)) = (c_options(look)?, pair(mount_point));
        // SAFETY: see above.
        listed(|list, error| unsafe {
            CRChangesMount(at, path.as_ptr(), options.0, ptr::null(), list, error)
        })
    }
}
