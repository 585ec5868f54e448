//! What the caller of an export or of a chain chooses, through both doors: Rust's and C's.

#![allow(
    clippy::multiple_unsafe_ops_per_block,
    reason = "one argument holds for all of them"
)]

use std::ffi::{CString, OsStr, c_char, c_int};
use std::fs;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::Arc;
use std::thread;

use crutils::changes::{Change, ChangeKind};
use crutils::checkpoint::{Export, ExportOptions, ImportOptions, import_chain};
use crutils::watch::Watch;
use libc::AT_FDCWD;

use super::export::content;
use crate::support::api::{C, CRError, Failure, Outcome, Rust, outcome};
use crate::support::os;
use crate::support::sandbox::{Fs, Sandbox};
use crate::support::session::{Door, Watched, rust_watch};
use crate::support::session_c::{Opaque, c_watch};
use crate::support::tarball::{archive, dir, file, symlink};

/// The options of an export, by their numbers in the C ABI.
const COMPRESSION: u32 = 1;
const LIVE: u32 = 7;
const OVERLAY_XATTRS: u32 = 8;
/// No compression.
const NONE: u64 = 1;
const VANISHED: u32 = 1;

#[repr(C)]
struct CRChange {
    path: *const c_char,
    kind: u32,
    flags: u32,
}

#[repr(C)]
struct CRDump {
    name: *const c_char,
    at: c_int,
    archive: *const c_char,
}

type Error = *mut *mut CRError;

#[rustfmt::skip]
unsafe extern "C" {
    fn CRExportNew() -> *mut Opaque;
    fn CRExportFree(checkpoint: *mut Opaque);
    fn CRExportAddDirectoryTar(checkpoint: *mut Opaque, name: *const c_char, at: c_int, directory: *const c_char, error: Error) -> c_int;
    fn CRExportAddRootFsDiff(checkpoint: *mut Opaque, changes: *const CRChange, changes_len: usize, at: c_int, root: *const c_char, error: Error) -> c_int;
    fn CRExportOptionsNew() -> *mut Opaque;
    fn CRExportOptionsFree(options: *mut Opaque);
    fn CRExportOptionsSet(options: *mut Opaque, option: u32, value: u64, error: Error) -> c_int;
    fn CRExportOptionsExclude(options: *mut Opaque, member: *const c_char, path: *const c_char, error: Error) -> c_int;
    fn CRExportWrite(checkpoint: *mut Opaque, at: c_int, archive: *const c_char, options: *const Opaque, watch: *const Opaque, error: Error) -> c_int;
    fn CRImportChain(at: c_int, bundle: *const c_char, dumps: *const CRDump, dumps_len: usize, options: *const Opaque, watch: *const Opaque, error: Error) -> c_int;
}

/// What is exported of one directory, as a volume and as the diff of a root, and how.
#[derive(Default)]
struct Wanted<'w> {
    /// Of the directory, below its root.
    added: &'w [&'w str],
    set: &'w [(u32, u64)],
    excluded: &'w [(&'w str, &'w str)],
}

/// A door to exports.
trait Exports: Door {
    fn export(
        &self,
        directory: &Path,
        wanted: &Wanted<'_>,
        to: BorrowedFd<'_>,
        watch: &dyn Watched,
    ) -> Outcome;
    fn chain(&self, bundle: &Path, dumps: &[(&str, &Path)]) -> Outcome;
}

const DOORS: [(&str, &dyn Exports); 2] = [("rust", &Rust), ("c", &C)];

impl Exports for Rust {
    fn export(
        &self,
        directory: &Path,
        wanted: &Wanted<'_>,
        to: BorrowedFd<'_>,
        watch: &dyn Watched,
    ) -> Outcome {
        let (mut export, mut options) = (Export::new(), ExportOptions::new());
        export.add_directory_tar("volumes/v.tar", directory)?;
        let added = wanted.added.iter().map(|path| Change {
            path: path.into(),
            kind: ChangeKind::Add,
        });
        export.add_rootfs_diff(added.collect(), directory)?;
        for (option, value) in wanted.set {
            match *option {
                COMPRESSION => options.compression(crutils::checkpoint::Compression::None),
                LIVE => options.live(*value == 1),
                _ => options.overlay_xattrs(*value == 1),
            };
        }
        for (member, path) in wanted.excluded {
            options.exclude(member, path)?;
        }
        let watch = rust_watch(Some(watch));
        Ok(export.write(to, &options, &watch).map(drop)?)
    }

    fn chain(&self, bundle: &Path, dumps: &[(&str, &Path)]) -> Outcome {
        let dumps: Vec<_> = dumps
            .iter()
            .map(|(name, path)| (OsStr::new(*name), (*path).into()))
            .collect();
        let imported = import_chain(bundle, &dumps, &ImportOptions::new(), &Watch::new());
        Ok(imported.map(drop)?)
    }
}

fn call(function: impl FnOnce(Error) -> c_int) -> Outcome {
    let mut error = ptr::null_mut();
    let result = function(&raw mut error);
    outcome(result, error)
}

fn c_string(text: impl AsRef<OsStr>) -> CString {
    os::c_path(Path::new(&text))
}

/// An object that a function of the library's frees.
struct Owned(*mut Opaque, unsafe extern "C" fn(*mut Opaque));

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: the object is this one's, and the function is its own.
        unsafe { (self.1)(self.0) };
    }
}

impl Exports for C {
    fn export(
        &self,
        directory: &Path,
        wanted: &Wanted<'_>,
        to: BorrowedFd<'_>,
        watch: &dyn Watched,
    ) -> Outcome {
        let (directory, name) = (c_string(directory), c"volumes/v.tar");
        let paths: Vec<_> = wanted.added.iter().map(c_string).collect();
        let changes: Vec<_> = paths
            .iter()
            .map(|path| CRChange {
                path: path.as_ptr(),
                kind: 1,
                flags: 0,
            })
            .collect();
        // SAFETY: of all calls: objects are live and used by this thread alone, strings end in NUL, arrays have the
        // length that is said, slots are valid pointers; all outlive the calls.
        unsafe {
            let export = Owned(CRExportNew(), CRExportFree);
            let options = Owned(CRExportOptionsNew(), CRExportOptionsFree);
            let (e, o, at) = (export.0, options.0, directory.as_ptr());
            call(|error| CRExportAddDirectoryTar(e, name.as_ptr(), AT_FDCWD, at, error))?;
            let (start, len) = (changes.as_ptr(), changes.len());
            call(|error| CRExportAddRootFsDiff(e, start, len, AT_FDCWD, at, error))?;
            for (option, value) in wanted.set {
                call(|error| CRExportOptionsSet(o, *option, *value, error))?;
            }
            for (member, path) in wanted.excluded {
                let (member, path) = (c_string(member), c_string(path));
                call(|error| CRExportOptionsExclude(o, member.as_ptr(), path.as_ptr(), error))?;
            }
            let watch = c_watch(Some(watch));
            call(|error| CRExportWrite(e, to.as_raw_fd(), c"".as_ptr(), o, watch, error))
        }
    }

    fn chain(&self, bundle: &Path, dumps: &[(&str, &Path)]) -> Outcome {
        let strings: Vec<_> = dumps
            .iter()
            .map(|(name, path)| (c_string(name), c_string(path)))
            .collect();
        let dumps: Vec<_> = strings
            .iter()
            .map(|(name, path)| CRDump {
                name: name.as_ptr(),
                at: AT_FDCWD,
                archive: path.as_ptr(),
            })
            .collect();
        let (bundle, start, len, none) = (
            c_string(bundle),
            dumps.as_ptr(),
            dumps.len(),
            ptr::null::<Opaque>(),
        );
        // SAFETY: strings end in NUL, the array has the length that is said; all outlive the call. NULL is allowed for
        // options and watch.
        call(|error| unsafe {
            CRImportChain(AT_FDCWD, bundle.as_ptr(), start, len, none, none, error)
        })
    }
}

/// Exports to a file.
fn exported(
    door: &dyn Exports,
    sandbox: &Sandbox,
    wanted: &Wanted<'_>,
) -> (Outcome<PathBuf>, Vec<(u32, String)>) {
    let path = sandbox.path().join("archive");
    let file = fs::File::create(&path).unwrap();
    let watch = door.watch(None);
    let directory = sandbox.path().join("volume");
    let outcome = door.export(&directory, wanted, file.as_fd(), &*watch);
    (outcome.map(|()| path), told(&watch))
}

fn told(watch: &Arc<dyn Watched>) -> Vec<(u32, String)> {
    let text = |member: Vec<u8>| String::from_utf8(member).unwrap();
    let warnings = watch.log().warnings().into_iter();
    warnings
        .map(|(kind, member, _)| (kind, text(member)))
        .collect()
}

/// Names in a tar archive within the archive.
fn inner(sandbox: &Sandbox, archive: &Path, member: &str) -> Vec<String> {
    let path = sandbox.path().join("inner");
    fs::write(&path, content(archive, member)).unwrap();
    super::export::members(&path)
}

#[test]
fn what_vanishes_from_what_lives_is_left_out_only_if_that_is_asked_for() {
    for (way, door) in DOORS {
        for live in [true, false] {
            let sandbox = Sandbox::new();
            let volume = sandbox.dir("volume");
            // More than the pipe and all buffers take, so that the second is stored once the first is read.
            fs::write(volume.join("a-long"), vec![b'l'; 4 << 20]).unwrap();
            fs::write(volume.join("b"), "vanishes").unwrap();
            let set = [(COMPRESSION, NONE), (LIVE, u64::from(live))];
            let watch = door.watch(None);
            let (mut reader, writer) = std::io::pipe().unwrap();
            let (outcome, bytes) = thread::scope(|scope| {
                let (volume, watch) = (&volume, &watch);
                let exporting = scope.spawn(move || {
                    let wanted = Wanted {
                        set: &set,
                        ..Wanted::default()
                    };
                    door.export(volume, &wanted, writer.as_fd(), &**watch)
                });
                let mut bytes = vec![0; 1 << 20];
                reader.read_exact(&mut bytes).unwrap();
                fs::remove_file(volume.join("b")).unwrap();
                reader.read_to_end(&mut bytes).unwrap();
                (exporting.join().unwrap(), bytes)
            });
            if !live {
                let errno = outcome.unwrap_err().errno;
                assert!(
                    [libc::ENOENT, libc::ESTALE].contains(&errno),
                    "{way}: {errno}"
                );
                continue;
            }
            outcome.unwrap();
            assert_eq!(
                told(&watch),
                [(VANISHED, "volumes/v.tar/b".into())],
                "{way}"
            );
            let path = sandbox.path().join("archive");
            fs::write(&path, bytes).unwrap();
            assert_eq!(inner(&sandbox, &path, "volumes/v.tar"), ["./", "./a-long"]);
        }
    }
}

#[test]
fn what_is_to_be_left_out_is() {
    for (way, door) in DOORS {
        let sandbox = Sandbox::new();
        let volume = sandbox.dir("volume");
        fs::create_dir(volume.join("sub")).unwrap();
        for name in ["kept", "sub/kept", "sub/left-out"] {
            fs::write(volume.join(name), name).unwrap();
        }
        let wanted = Wanted {
            set: &[(COMPRESSION, NONE)],
            excluded: &[("volumes/v.tar", "/sub/left-out")],
            ..Wanted::default()
        };
        let path = exported(door, &sandbox, &wanted).0.unwrap();
        let names = inner(&sandbox, &path, "volumes/v.tar");
        assert_eq!(names, ["./", "./kept", "./sub/", "./sub/kept"], "{way}");
        let wrong = Wanted {
            excluded: &[("volumes/w.tar", "x")],
            ..Wanted::default()
        };
        let failure: Failure = exported(door, &sandbox, &wrong).0.unwrap_err();
        assert_eq!(failure.errno, libc::EINVAL, "{way}: {failure:?}");
    }
}

#[test]
fn an_overlays_state_is_in_a_volume_and_in_a_diff_only_if_that_is_asked_for() {
    needs_root!("set trusted attributes");
    for (way, door) in DOORS {
        let Some(sandbox) = Sandbox::on(Fs::Tmpfs) else {
            return;
        };
        let d = sandbox.dir("volume").join("d");
        fs::create_dir(&d).unwrap();
        os::set_xattr(&d, "trusted.overlay.opaque", b"y").unwrap();
        for kept in [false, true] {
            let wanted = Wanted {
                added: &["/d"],
                set: &[(COMPRESSION, NONE), (OVERLAY_XATTRS, u64::from(kept))],
                ..Wanted::default()
            };
            let (path, told) = exported(door, &sandbox, &wanted);
            let path = path.unwrap();
            let has = |member: &str| {
                let name = b"trusted.overlay.opaque";
                let bytes = content(&path, member);
                bytes.windows(name.len()).any(|at| at == name)
            };
            assert!(has("volumes/v.tar"), "{way}");
            assert_eq!(has("rootfs-diff.tar"), kept, "{way}");
            // The number of the warnings about attributes.
            let warned = told.iter().filter(|(kind, _)| *kind == 6).count();
            assert_eq!(warned, usize::from(!kept), "{way}: {told:?}");
        }
    }
}

#[test]
fn a_chain_of_dumps_is_imported_whole_or_not_at_all() {
    for (way, door) in DOORS {
        let sandbox = Sandbox::new();
        let dump = |name: &str, parent: Option<&str>| {
            let mut entries = vec![file("inventory.img", "i"), file("pages-1.img", "p")];
            entries.extend(parent.map(|parent| symlink("parent", parent)));
            entries.insert(0, dir("."));
            let path = sandbox.path().join(name);
            fs::write(&path, archive(entries)).unwrap();
            path
        };
        let (one, two) = (dump("1.tar", None), dump("2.tar", Some("../dump-1")));
        let bundle = sandbox.path().join("bundle");
        door.chain(&bundle, &[("dump-1", &one), ("checkpoint", &two)])
            .unwrap();
        let inventory = bundle.join("checkpoint/parent/inventory.img");
        assert_eq!(fs::read_to_string(inventory).unwrap(), "i", "{way}");
        let other = sandbox.path().join("other");
        let failure = door.chain(&other, &[("checkpoint", &two)]).unwrap_err();
        assert_eq!(failure.errno, libc::ENODATA, "{way}: {failure:?}");
        assert!(!other.exists(), "{way}");
    }
}
