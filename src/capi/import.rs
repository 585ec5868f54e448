//! Importing an archive: a session, in which it is looked at and extracted.

use std::ffi::CString;
use std::ptr;

use super::argument::{Array, At, New, ObjectMut, Optional, OptionalText, Out, Owned, Text};
use super::guard::{self, Slot, Status};
use super::image::Told;
use super::import_options::CRImportOptions;
use super::members::{CRMember, Members};
use super::metadata::CRMetadata;
use super::string::digits;
use super::watch::{CRWatch, watch};
use crate::checkpoint::{Import, Imported, InspectOptions, Inspection};
use crate::error::Result;

/// An archive that is open for import. One thread at a time uses it.
pub struct CRImport {
    import: Import,
    metadata: Option<Box<CRMetadata>>,
    members: Option<Members>,
    result: Option<Box<Extracted>>,
    image: Option<Box<Told>>,
}

/// What an extraction has done. Later versions may add fields at the end.
#[repr(C)]
#[derive(Debug)]
pub struct CRImported {
    /// How many members of the archive were read.
    pub members: u64,
    /// How many bytes of the archive were read, as they are stored.
    pub bytes: u64,
    /// The archive's SHA-256 as 64 hexadecimal digits; NULL if the options neither asked for it nor
    /// expected one.
    pub digest: OptionalText,
    /// 1 if a rootfs diff was applied, otherwise 0.
    pub applied_rootfs_diff: u32,
    /// 0.
    pub flags: u32,
}

/// What C borrows of a result, and what that points to.
struct Extracted {
    result: CRImported,
    /// The digits that the result points to.
    _digest: Option<CString>,
}

impl CRImport {
    pub(super) fn new(import: Import) -> Self {
        let image = import.image().map(|image| Told::of(image, 0, false));
        CRImport {
            image,
            import,
            metadata: None,
            members: None,
            result: None,
        }
    }

    /// Inspects the archive. What the session has told before is told anew.
    pub(super) fn inspect(&mut self, options: &InspectOptions) -> Result<Inspection> {
        self.import.inspect(options)
    }

    /// What is known of the image that it is of.
    pub(super) fn image(&self) -> Option<&Told> {
        self.image.as_deref()
    }

    fn extract(&mut self) -> Result<()> {
        // Whatever fails from here on, nobody takes an earlier result for this one.
        self.result = None;
        let imported: Imported = self.import.extract()?;
        let digest = imported.sha256.as_ref().map(digits);
        let result = CRImported {
            members: imported.members,
            bytes: imported.bytes,
            digest: OptionalText::lent(digest.as_deref()),
            applied_rootfs_diff: imported.applied_rootfs_diff.into(),
            flags: 0,
        };
        let extracted = Extracted {
            result,
            _digest: digest,
        };
        self.result = Some(Box::new(extracted));
        Ok(())
    }
}

/// Opens a checkpoint archive for import. It may be plain or compressed with gzip, bzip2, xz or zstd.
///
/// A regular file is read from its beginning, and a descriptor's offset stays as it is. A pipe or a
/// socket is read from where it is, once, and nobody else should read from it while the import lives.
///
/// @param at, archive The archive: a file, a pipe or a socket.
/// @param options NULL for the defaults.
/// @param watch NULL for none. It holds for all that is done with the import.
/// @param import Receives the import, which the caller frees with CRImportFree.
///
/// Errors:
/// - ENOENT: the archive is missing.
/// - EISDIR: it is a directory.
/// - EBADF, EINVAL: the descriptor is not open, or can't be read from.
#[unsafe(no_mangle)]
pub extern "C" fn CRImportOpen(
    at: At,
    archive: Text,
    options: Optional<CRImportOptions>,
    watch: Optional<CRWatch>,
    import: Out<*mut CRImport>,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let archive = archive.place(at, "archive")?;
        let out = import.check("import")?;
        let options = options.copied(|options| &options.0);
        let opened = Import::open(archive, &options, &self::watch(&watch))?;
        out.write(New::of(CRImport::new(opened)).into_raw());
        Ok(())
    })
}

/// Frees an import, with its metadata, its list of members and its result. What was extracted stays.
#[unsafe(no_mangle)]
pub extern "C" fn CRImportFree(import: Owned<CRImport>) {
    guard::run(|| import.free());
}

/// Reads what the archive tells of the container.
///
/// The archive is read up to its config.dump and spec.dump, or to its end if one of them is missing. Later
/// documents are known after CRImportMembers. Of a plain archive in a file only headers are read on the
/// way.
///
/// @param metadata Receives the metadata. It belongs to the import, and lives until the next call of this
/// function with it.
///
/// Errors:
/// - EBADMSG: the archive, config.dump or spec.dump is malformed, or one of the two is there twice.
/// - EXDEV, EPERM: one of the two isn't a regular file.
/// - E2BIG: one of the two is larger than 16 MiB; or more has to be kept than
///   CRImportOptionsSpoolDirectory says.
#[unsafe(no_mangle)]
pub extern "C" fn CRImportMetadata(
    mut import: ObjectMut<CRImport>,
    metadata: Out<*const CRMetadata>,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let import = import.get("import")?;
        let out = metadata.check("metadata")?;
        let read = CRMetadata::of(import.import.metadata()?);
        out.write(&raw const **import.metadata.insert(Box::new(read)));
        Ok(())
    })
}

/// Lists all members of the archive, in the archive's order. Of a plain archive in a file only headers are
/// read; any other archive is read to its end.
///
/// @param members Receives an array of pointers to the members, which is never NULL. It belongs to the
/// import, with the members, and lives until the next call of this function with it.
/// @param members_len Receives the number of members.
///
/// Errors:
/// - As for CRImportMetadata.
/// - E2BIG: there are more than 4 million members, or 256 MiB of names.
#[unsafe(no_mangle)]
pub extern "C" fn CRImportMembers(
    mut import: ObjectMut<CRImport>,
    members: Out<*const *const CRMember>,
    members_len: Out<usize>,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let import = import.get("import")?;
        let (out, out_len) = (members.check("members")?, members_len.check("members_len")?);
        let listed = Members::of(import.import.members()?);
        let (array, len) = import.members.insert(listed).array();
        out.write(array);
        out_len.write(len);
        Ok(())
    })
}

/// Sets the directory into which CRImportExtract extracts every member that has no other destination,
/// except config.dump and spec.dump; with CR_IMPORT_CONFIGURATION those two as well.
///
/// @param at, bundle The directory. If it is missing, it and its missing parents are made once the
/// archive's first header is understood; its path has to be absolute, or start at a descriptor, then.
///
/// Errors:
/// - EINVAL: the path is missing and relative; or a bundle was set before.
#[unsafe(no_mangle)]
pub extern "C" fn CRImportToBundle(
    mut import: ObjectMut<CRImport>,
    at: At,
    bundle: Text,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let import = import.get("import")?;
        import.import.to_bundle(bundle.place(at, "bundle")?)
    })
}

/// Sets the directory into which CRImportExtract extracts the members of these names and everything below
/// them; config.dump and spec.dump may be among them. A name that isn't in the archive is ENODATA at the
/// end.
///
/// @param at, bundle As for CRImportToBundle.
/// @param names An array of names_len names; it may be NULL if names_len is 0.
///
/// Errors:
/// - EINVAL: as for CRImportToBundle; or a name means the archive's root.
#[unsafe(no_mangle)]
pub extern "C" fn CRImportToBundleOnly(
    mut import: ObjectMut<CRImport>,
    at: At,
    bundle: Text,
    names: Array<Text>,
    names_len: usize,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let import = import.get("import")?;
        let names = names.os_strs(names_len, "names")?;
        let bundle = bundle.place(at, "bundle")?;
        import.import.to_bundle_only(bundle, &names)
    })
}

/// Sets the root directory of the container, to which CRImportExtract applies rootfs-diff.tar straight
/// from the archive, and from which it removes what deleted.files lists after all else. Neither file goes
/// into the bundle then. It is no error if the archive lacks them.
///
/// @param at, root An existing directory: an absolute path, or one that starts at a descriptor.
///
/// Errors:
/// - ENOENT, ENOTDIR: there is no such directory.
/// - EINVAL: the path is relative to the working directory; or a root was set before.
#[unsafe(no_mangle)]
pub extern "C" fn CRImportToRoot(
    mut import: ObjectMut<CRImport>,
    at: At,
    root: Text,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let import = import.get("import")?;
        import.import.to_root(root.place(at, "root")?)
    })
}

/// Sets the directory into which CRImportExtract extracts a named volume (volumes/NAME.tar). A volume that
/// isn't in the archive is ENODATA at the end. Volumes without a directory go into the bundle, as they are.
///
/// @param volume The volume's name: one component.
/// @param at, directory An existing directory.
///
/// Errors:
/// - ENOENT, ENOTDIR: there is no such directory.
/// - EINVAL: the name has a slash; or the volume's directory was set before.
#[unsafe(no_mangle)]
pub extern "C" fn CRImportToVolume(
    mut import: ObjectMut<CRImport>,
    volume: Text,
    at: At,
    directory: Text,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let import = import.get("import")?;
        let volume = volume.os_str("volume")?;
        let directory = directory.place(at, "directory")?;
        import.import.to_volume(volume, directory)
    })
}

/// Sets the directory into which CRImportExtract extracts the container's own /dev/shm
/// (devshm-checkpoint.tar). An archive without it is ENODATA at the end.
///
/// @param at, directory An existing directory.
///
/// Errors:
/// - ENOENT, ENOTDIR: there is no such directory.
/// - EINVAL: a directory was set before.
#[unsafe(no_mangle)]
pub extern "C" fn CRImportToShm(
    mut import: ObjectMut<CRImport>,
    at: At,
    directory: Text,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let import = import.get("import")?;
        import.import.to_shm(directory.place(at, "directory")?)
    })
}

/// Extracts every member that has a destination, in one pass over the archive, and then removes what the
/// container had deleted. What CRImportMetadata and CRImportMembers have read isn't read again as long as
/// it is still kept: a pipe is read once.
///
/// A bundle that this call has made is removed after a failure. In a bundle that existed, and in all other
/// directories, what was done stays, and the message tells how far it came.
///
/// Errors:
/// - EPERM: the bundle would get config.json, a device or a fifo; or a rule of the options forbids a
///   member.
/// - EXDEV: the bundle would get a link, except the "parent" that CRIU makes in checkpoint/ and
///   pre-checkpoint/, and hard links among the archive's own files.
/// - EBADMSG: the archive is malformed, or has another digest than expected.
/// - ENODATA: a member that was named isn't there.
/// - E2BIG: a limit was exceeded.
/// - ESPIPE: a pipe was read before, and what was read isn't kept.
/// - ECANCELED, ETIMEDOUT: the watch ended the work.
#[unsafe(no_mangle)]
pub extern "C" fn CRImportExtract(mut import: ObjectMut<CRImport>, error: Slot) -> Status {
    guard::status(error, || import.get("import")?.extract())
}

/// Returns what the last extraction has done. It belongs to the import, and lives until the next
/// extraction. NULL if there was none, or if it failed, and for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn CRImportResult(import: Optional<CRImport>) -> *const CRImported {
    guard::value(ptr::null(), || {
        let extracted = import.get().and_then(|import| import.result.as_ref());
        Ok(extracted.map_or(ptr::null(), |extracted| &raw const extracted.result))
    })
}
