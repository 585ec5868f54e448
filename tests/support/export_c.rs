//! Exports as a C program has them.

#![allow(
    clippy::multiple_unsafe_ops_per_block,
    reason = "one argument holds for all of them"
)]

use std::ffi::{CString, c_char, c_int, c_void};
use std::ptr;

use libc::AT_FDCWD;

use super::api::{C, Change, Outcome};
use super::door::{Place, Watched};
use super::door_c::{CRChange, Error, Opaque, Owned, c_string, c_watch, call, pair, text, texts};
use super::export::{Export, ExportOptions, Exported, Exports};
use super::image::{Image, ImageOptions};
use super::image_c::{c_image_options, c_written};
use super::os::c_path;

#[repr(C)]
struct CRExported {
    bytes: u64,
    members: u64,
    digest: *const c_char,
    missing: *const *const c_char,
    missing_len: usize,
    lacking: *const *const c_char,
    lacking_len: usize,
}

#[rustfmt::skip]
unsafe extern "C" {
    fn CRExportNew() -> *mut Opaque;
    fn CRExportFree(checkpoint: *mut Opaque);
    fn CRExportAddBundle(checkpoint: *mut Opaque, at: c_int, bundle: *const c_char, engine: u32, error: Error) -> c_int;
    fn CRExportAddMember(checkpoint: *mut Opaque, at: c_int, bundle: *const c_char, name: *const c_char, presence: u32, error: Error) -> c_int;
    fn CRExportAddBytes(checkpoint: *mut Opaque, name: *const c_char, bytes: *const c_void, bytes_len: usize, error: Error) -> c_int;
    fn CRExportAddFile(checkpoint: *mut Opaque, name: *const c_char, at: c_int, file: *const c_char, error: Error) -> c_int;
    fn CRExportAddDirectoryTar(checkpoint: *mut Opaque, name: *const c_char, at: c_int, directory: *const c_char, error: Error) -> c_int;
    fn CRExportAddRootFsDiff(checkpoint: *mut Opaque, changes: *const CRChange, changes_len: usize, at: c_int, root: *const c_char, error: Error) -> c_int;
    fn CRExportWrite(checkpoint: *mut Opaque, at: c_int, archive: *const c_char, options: *const Opaque, watch: *const Opaque, error: Error) -> c_int;
    fn CRExportWriteImage(checkpoint: *const Opaque, at: c_int, image: *const c_char, image_options: *const Opaque, options: *const Opaque, watch: *const Opaque, written: *mut *mut Opaque, error: Error) -> c_int;
    fn CRExportResult(checkpoint: *const Opaque) -> *const CRExported;
    fn CRExportOptionsNew() -> *mut Opaque;
    fn CRExportOptionsFree(options: *mut Opaque);
    fn CRExportOptionsSet(options: *mut Opaque, option: u32, value: u64, error: Error) -> c_int;
    fn CRExportOptionsSpoolDirectory(options: *mut Opaque, at: c_int, directory: *const c_char, error: Error) -> c_int;
    fn CRExportOptionsExclude(options: *mut Opaque, member: *const c_char, path: *const c_char, error: Error) -> c_int;
}

// SAFETY of all calls: objects are live and used by this thread alone; strings end in NUL; arrays have the length that
// is said; slots are valid pointers; all outlive the call.

fn c_options(from: &ExportOptions) -> Outcome<Owned> {
    // SAFETY: see above.
    unsafe {
        let options = Owned(CRExportOptionsNew(), CRExportOptionsFree);
        let o = options.0;
        for (option, value) in &from.set {
            call(|error| CRExportOptionsSet(o, *option, *value, error))?;
        }
        if let Some(spool) = &from.spool {
            let spool = c_path(spool);
            call(|error| CRExportOptionsSpoolDirectory(o, AT_FDCWD, spool.as_ptr(), error))?;
        }
        for (member, path) in &from.excluded {
            let (member, path) = (c_string(member), c_string(path));
            call(|error| CRExportOptionsExclude(o, member.as_ptr(), path.as_ptr(), error))?;
        }
        Ok(options)
    }
}

/// Changes as C has them, and the paths that they point to.
pub fn c_changes(changes: &[Change]) -> (Vec<CString>, Vec<CRChange>) {
    let paths: Vec<_> = changes.iter().map(|one| c_string(&one.path)).collect();
    let list = paths.iter().zip(changes).map(|(path, one)| CRChange {
        path: path.as_ptr(),
        kind: one.kind,
        flags: 0,
    });
    let list = list.collect();
    (paths, list)
}

impl Export for Owned {
    fn add_bundle(&mut self, bundle: Place<'_>, engine: u32) -> Outcome {
        let (at, path) = pair(bundle);
        // SAFETY: see above.
        call(|error| unsafe { CRExportAddBundle(self.0, at, path.as_ptr(), engine, error) })
    }

    fn add_member(&mut self, bundle: Place<'_>, name: &str, presence: u32) -> Outcome {
        let ((at, path), name) = (pair(bundle), c_string(name));
        // SAFETY: see above.
        call(|error| unsafe {
            CRExportAddMember(self.0, at, path.as_ptr(), name.as_ptr(), presence, error)
        })
    }

    fn add_bytes(&mut self, name: &str, bytes: &[u8]) -> Outcome {
        let (name, start) = (c_string(name), bytes.as_ptr().cast());
        // SAFETY: see above.
        call(|error| unsafe { CRExportAddBytes(self.0, name.as_ptr(), start, bytes.len(), error) })
    }

    fn add_file(&mut self, name: &str, file: Place<'_>) -> Outcome {
        let ((at, path), name) = (pair(file), c_string(name));
        // SAFETY: see above.
        call(|error| unsafe { CRExportAddFile(self.0, name.as_ptr(), at, path.as_ptr(), error) })
    }

    fn add_directory_tar(&mut self, name: &str, directory: Place<'_>) -> Outcome {
        let ((at, path), name) = (pair(directory), c_string(name));
        // SAFETY: see above.
        call(|error| unsafe {
            CRExportAddDirectoryTar(self.0, name.as_ptr(), at, path.as_ptr(), error)
        })
    }

    fn add_rootfs_diff(&mut self, changes: &[Change], root: Place<'_>) -> Outcome {
        let ((at, path), (_paths, list)) = (pair(root), c_changes(changes));
        let (start, len) = (list.as_ptr(), list.len());
        // SAFETY: see above.
        call(|error| unsafe { CRExportAddRootFsDiff(self.0, start, len, at, path.as_ptr(), error) })
    }

    fn write(
        &self,
        archive: Place<'_>,
        options: &ExportOptions,
        watch: Option<&dyn Watched>,
    ) -> Outcome<Exported> {
        let (options, watch) = (c_options(options)?, c_watch(watch));
        let (at, path) = pair(archive);
        // SAFETY: see above.
        let written = call(|error| unsafe {
            CRExportWrite(self.0, at, path.as_ptr(), options.0, watch, error)
        });
        // SAFETY: see above; the result belongs to the export.
        let result = unsafe { CRExportResult(self.0).as_ref() };
        // There is a result only of a success.
        assert_eq!(result.is_none(), written.is_err());
        written?;
        let result = result.unwrap();
        // SAFETY: see above; the strings belong to the result.
        unsafe {
            Ok(Exported {
                bytes: result.bytes,
                members: result.members,
                digest: text(result.digest),
                missing: texts(result.missing, result.missing_len),
                lacking: texts(result.lacking, result.lacking_len),
            })
        }
    }

    fn write_image(&self, image: Place<'_>, options: &ImageOptions) -> Outcome<Image> {
        let (options, (at, path)) = (c_image_options(options)?, pair(image));
        let none = ptr::null();
        // SAFETY: see above.
        c_written(|written, error| unsafe {
            CRExportWriteImage(
                self.0,
                at,
                path.as_ptr(),
                options.0,
                none,
                none,
                written,
                error,
            )
        })
    }
}

impl Exports for C {
    fn export(&self) -> Box<dyn Export> {
        // SAFETY: takes nothing.
        Box::new(unsafe { Owned(CRExportNew(), CRExportFree) })
    }

    fn check_export_options(&self, options: &ExportOptions) -> Outcome {
        c_options(options).map(drop)
    }
}
