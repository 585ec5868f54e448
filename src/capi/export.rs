//! Exporting a checkpoint: the export itself, where its archive goes, and what came of it.

use std::ffi::{CString, OsString, c_char};
use std::os::unix::ffi::OsStrExt as _;
use std::ptr;

use super::argument::{At, New, ObjectMut, Optional, OptionalText, Owned, Text};
use super::export_options::CRExportOptions;
use super::guard::{self, Slot, Status};
use super::string::{digits, until_nul};
use super::watch::{CRWatch, watch};
use crate::Place;
use crate::checkpoint::{Export, ExportOptions, Exported};
use crate::error::Result;
use crate::watch::Watch;

/// A checkpoint that becomes an archive. One thread at a time uses it.
#[derive(Default)]
pub struct CRExport {
    pub(super) export: Export,
    result: Option<Box<Written>>,
}

/// What came of an export. Later versions may add fields at the end.
#[repr(C)]
#[derive(Debug)]
pub struct CRExported {
    /// How many bytes the archive has.
    pub bytes: u64,
    /// How many members the archive has, those of archives within it not counted.
    pub members: u64,
    /// The archive's SHA-256 as 64 hexadecimal digits; NULL if the options didn't ask for it.
    pub digest: OptionalText,
    /// An array of the names of optional members that didn't exist, in the order of the export. Never NULL.
    pub missing: *const *const c_char,
    /// How many names there are.
    pub missing_len: usize,
    /// An array of the names of what a restore will need and the archive doesn't have, each with a warning
    /// CR_WARNING_INCOMPLETE: an inventory.img, a "parent" whose dump isn't in the archive, or volumes/NAME.tar of a
    /// volume that podman's config.dump names. Never NULL.
    pub lacking: *const *const c_char,
    /// How many of these names there are.
    pub lacking_len: usize,
}

/// What C borrows of a result, and what that points to.
struct Written {
    result: CRExported,
    _digest: Option<CString>,
    _missing: Names,
    _lacking: Names,
}

/// Names, and an array of them.
struct Names {
    _texts: Vec<CString>,
    pointers: Vec<*const c_char>,
}

impl Names {
    fn of(names: &[OsString]) -> Self {
        let names = names.iter();
        let texts: Vec<CString> = names.map(|name| until_nul(name.as_bytes())).collect();
        Names {
            pointers: texts.iter().map(|text| text.as_ptr()).collect(),
            _texts: texts,
        }
    }
}

impl Written {
    fn of(exported: &Exported) -> Self {
        let digest = exported.sha256.as_ref().map(digits);
        let (missing, lacking) = (Names::of(&exported.missing), Names::of(&exported.lacking));
        Written {
            result: CRExported {
                bytes: exported.bytes,
                members: exported.members,
                digest: OptionalText::lent(digest.as_deref()),
                missing: missing.pointers.as_ptr(),
                missing_len: missing.pointers.len(),
                lacking: lacking.pointers.as_ptr(),
                lacking_len: lacking.pointers.len(),
            },
            _digest: digest,
            _missing: missing,
            _lacking: lacking,
        }
    }
}

impl CRExport {
    fn write(&mut self, archive: Place<'_>, options: &ExportOptions, watch: &Watch) -> Result<()> {
        // Whatever fails from here on, nobody takes an earlier archive's digest for this one's.
        self.result = None;
        let exported = self.export.write(archive, options, watch)?;
        self.result = Some(Box::new(Written::of(&exported)));
        Ok(())
    }
}

/// Makes an export without members. The caller frees it with CRExportFree.
///
/// Members are in the archive in the order in which they were added. Directories and files are opened when
/// they are added, and read when the archive is written, which may be done several times. Names of members
/// are relative, without "." and "..", and at most 4095 bytes long. Each name is there once: adding it
/// again is EINVAL, and so is adding config.json, whose hooks a runtime would run.
#[unsafe(no_mangle)]
pub extern "C" fn CRExportNew() -> New<CRExport> {
    guard::value(New::none(), || Ok(New::of(CRExport::default())))
}

/// Frees an export and its result. The archives that it has written stay.
#[unsafe(no_mangle)]
pub extern "C" fn CRExportFree(checkpoint: Owned<CRExport>) {
    guard::run(|| checkpoint.free());
}

/// Writes the archive.
///
/// With a path, the archive takes the place of a regular file or a symbolic link that is there. It has
/// mode 0600 from its beginning, and appears when it is complete; until then, and after a failure, what was
/// there before is untouched. With a descriptor of a pipe, a socket or a regular file, it is written from
/// where that is; after a failure, a part of it has been written.
///
/// Required members are looked for before anything is written. A file that vanishes before it is looked at
/// is left out with a warning; one that grows while it is read is stored with the size that it had.
///
/// @param at, archive The file to write, or (descriptor, "").
/// @param options NULL for the defaults.
/// @param watch NULL for none.
///
/// Errors:
/// - ENOENT: a required member doesn't exist.
/// - EOPNOTSUPP: a required member is a socket.
/// - EPERM, EXDEV: a bundle holds something that no import would take, such as a device.
/// - ESTALE: a file got shorter while it was read, or an object in an archive within the archive changed
///   after it was measured.
/// - EISDIR: the archive's place is a directory.
/// - EINVAL: the path names a fifo, a socket or a device; or a regular file that is to be stored itself is
///   written to.
/// - E2BIG: a name, extended attributes or a document are above their limits.
/// - EPIPE: the reader of a pipe went away. There is no signal.
/// - ECANCELED, ETIMEDOUT: the watch ended the work.
#[unsafe(no_mangle)]
pub extern "C" fn CRExportWrite(
    mut checkpoint: ObjectMut<CRExport>,
    at: At,
    archive: Text,
    options: Optional<CRExportOptions>,
    watch: Optional<CRWatch>,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let checkpoint = checkpoint.get("checkpoint")?;
        let archive = archive.place(at, "archive")?;
        let options = options.copied(|options| &options.0);
        checkpoint.write(archive, &options, &self::watch(&watch))
    })
}

/// Returns what came of the archive that was written last. It belongs to the export, and lives until the
/// next CRExportWrite. NULL if no archive was written, or if that failed, and for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn CRExportResult(checkpoint: Optional<CRExport>) -> *const CRExported {
    guard::value(ptr::null(), || {
        let written = checkpoint.get().and_then(|export| export.result.as_ref());
        Ok(written.map_or(ptr::null(), |written| &raw const written.result))
    })
}
