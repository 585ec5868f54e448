//! The import session as a C program has it.

#![allow(
    clippy::multiple_unsafe_ops_per_block,
    reason = "one argument holds for all of them"
)]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::Path;
use std::ptr;

use libc::AT_FDCWD;

use super::api::{C, Outcome};
use super::door::{Place, Watched};
use super::door_c::{Error, Opaque, Owned, c_string, c_watch, call, pair, text};
use super::image::Image;
use super::image_c::{CRImageInfo, c_image};
use super::os::c_path;
use super::session::{Listed, Options, Session, Sessions, TEXTS, Told};

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

#[repr(C)]
struct CRDump {
    name: *const c_char,
    at: c_int,
    archive: *const c_char,
}

#[rustfmt::skip]
unsafe extern "C" {
    fn CRImportChain(at: c_int, bundle: *const c_char, dumps: *const CRDump, dumps_len: usize, options: *const Opaque, watch: *const Opaque, error: Error) -> c_int;
    fn CRImportOpenImage(at: c_int, image: *const c_char, reference: *const c_char, options: *const Opaque, watch: *const Opaque, import: *mut *mut Opaque, error: Error) -> c_int;
    fn CRImportImageInfo(import: *const Opaque) -> *const CRImageInfo;
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
pub fn c_options(from: &Options) -> Outcome<Owned> {
    // SAFETY: see above.
    let options = unsafe { Owned(CRImportOptionsNew(), CRImportOptionsFree) };
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

struct CSession(Owned);

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
        super::inspection::c_inspect(self.0.0)
    }

    fn image(&self) -> Option<Image> {
        // SAFETY: see above; what is told belongs to the import.
        unsafe {
            CRImportImageInfo(self.0.0)
                .as_ref()
                .map(|info| c_image(info))
        }
    }

    fn metadata(&mut self) -> Outcome<Told> {
        let mut metadata = ptr::null();
        // SAFETY: see above.
        call(|error| unsafe { CRImportMetadata(self.0.0, &raw mut metadata, error) })?;
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
        call(|error| unsafe { CRImportMembers(self.0.0, &raw mut members, &raw mut len, error) })?;
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
        call(|error| unsafe { CRImportToBundle(self.0.0, at, path.as_ptr(), error) })
    }

    fn to_bundle_only(&mut self, place: Place<'_>, names: &[&str]) -> Outcome {
        let (_owned, names) = c_names(names);
        let (at, path) = pair(place);
        let (start, len) = (names.as_ptr(), names.len());
        // SAFETY: see above.
        call(|error| unsafe {
            CRImportToBundleOnly(self.0.0, at, path.as_ptr(), start, len, error)
        })
    }

    fn to_root(&mut self, place: Place<'_>) -> Outcome {
        let (at, path) = pair(place);
        // SAFETY: see above.
        call(|error| unsafe { CRImportToRoot(self.0.0, at, path.as_ptr(), error) })
    }

    fn to_volume(&mut self, name: &str, place: Place<'_>) -> Outcome {
        let name = CString::new(name).unwrap();
        let (at, path) = pair(place);
        // SAFETY: see above.
        call(|error| unsafe { CRImportToVolume(self.0.0, name.as_ptr(), at, path.as_ptr(), error) })
    }

    fn to_shm(&mut self, place: Place<'_>) -> Outcome {
        let (at, path) = pair(place);
        // SAFETY: see above.
        call(|error| unsafe { CRImportToShm(self.0.0, at, path.as_ptr(), error) })
    }

    fn extract(&mut self) -> Outcome<Option<String>> {
        // SAFETY: see above.
        let extracted = call(|error| unsafe { CRImportExtract(self.0.0, error) });
        // SAFETY: see above; the result belongs to the import.
        let result = unsafe { CRImportResult(self.0.0).as_ref() };
        // There is a result only of a success.
        assert_eq!(result.is_none(), extracted.is_err());
        extracted?;
        // SAFETY: see above; the digest belongs to the result.
        Ok(result.and_then(|result| unsafe { text(result.digest) }))
    }
}

/// The session that `open` opens.
fn opened(open: impl FnOnce(*mut *mut Opaque, Error) -> c_int) -> Outcome<Box<dyn Session>> {
    let mut import = ptr::null_mut();
    let out = &raw mut import;
    let opened = call(|error| open(out, error));
    // Outputs are written only on success.
    assert_eq!(import.is_null(), opened.is_err());
    opened.map(|()| Box::new(CSession(Owned(import, CRImportFree))) as Box<dyn Session>)
}

impl Sessions for C {
    fn open(
        &self,
        archive: Place<'_>,
        options: &Options,
        watch: Option<&dyn Watched>,
    ) -> Outcome<Box<dyn Session>> {
        let (options, watch) = (c_options(options)?, c_watch(watch));
        let (at, path) = pair(archive);
        // SAFETY: see above.
        opened(|out, error| unsafe {
            CRImportOpen(at, path.as_ptr(), options.0, watch, out, error)
        })
    }

    fn open_image(
        &self,
        image: Place<'_>,
        reference: Option<&str>,
        options: &Options,
        watch: Option<&dyn Watched>,
    ) -> Outcome<Box<dyn Session>> {
        let (options, watch) = (c_options(options)?, c_watch(watch));
        let reference = reference.map(c_string);
        let reference = reference.as_ref().map_or(ptr::null(), |one| one.as_ptr());
        let (at, path) = pair(image);
        // SAFETY: see above.
        opened(|out, error| unsafe {
            CRImportOpenImage(at, path.as_ptr(), reference, options.0, watch, out, error)
        })
    }

    fn chain(&self, bundle: Place<'_>, dumps: &[(&str, &Path)], options: &Options) -> Outcome {
        let strings: Vec<_> = dumps
            .iter()
            .map(|(name, path)| (c_string(name), c_path(path)))
            .collect();
        let dumps: Vec<_> = strings
            .iter()
            .map(|(name, path)| CRDump {
                name: name.as_ptr(),
                at: AT_FDCWD,
                archive: path.as_ptr(),
            })
            .collect();
        let options = c_options(options)?;
        let (at, path) = pair(bundle);
        let (start, len, watch) = (dumps.as_ptr(), dumps.len(), ptr::null());
        // SAFETY: see above. NULL is allowed for the watch.
        call(|error| unsafe {
            CRImportChain(at, path.as_ptr(), start, len, options.0, watch, error)
        })
    }
}
