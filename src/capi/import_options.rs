//! What an import heeds.

use super::argument::{Array, At, New, ObjectMut, Owned, Text, member_of, truth, unknown_option};
use super::guard::{self, Slot, Status};
use super::members::MEMBER_TYPES;
use crate::PlaceBuf;
use crate::checkpoint::{IdRange, ImportOptions, KNOWN_MEMBERS, Limit, UnsettableXattrs};
use crate::error::{Error, Result};

/// Computes the archive's SHA-256 while it is extracted: 0 or 1. All bytes go through memory then.
pub const CR_IMPORT_DIGEST: u32 = 1;
/// Lets CRImportToBundle extract config.dump and spec.dump too: 0 or 1. Otherwise they are left out, since
/// an engine writes its own.
pub const CR_IMPORT_CONFIGURATION: u32 = 2;
/// Keeps a bundle that a failed import has made: 0 or 1. Otherwise it is removed. A bundle that existed
/// before stays in either case, with what was extracted.
pub const CR_IMPORT_KEEP_FAILED: u32 = 3;
/// Refuses names that are absolute or have a component "..", sources of hard links included (EXDEV):
/// 0 or 1. Otherwise names are taken as below the directory that is extracted into.
pub const CR_IMPORT_STRICT_NAMES: u32 = 4;
/// Refuses an archive without an end marker, at its end (EBADMSG): 0 or 1. Otherwise an archive
/// that is cut off right after a member counts as complete, as for tar.
pub const CR_IMPORT_END_MARKER: u32 = 5;
/// Lets "./" in a rootfs diff, a volume or /dev/shm set the owner, mode, times and extended attributes of
/// the directory that is extracted into: 0 or 1. Otherwise that directory keeps its own: it may be
/// a mount point of the engine's.
pub const CR_IMPORT_ROOT_ATTRIBUTES: u32 = 6;
/// Takes names in a rootfs diff that begin with ".wh." for whiteouts, as in the layers of OCI images:
/// 0 or 1. containerd writes such diffs. Otherwise they are names of files.
pub const CR_IMPORT_OCI_WHITEOUTS: u32 = 7;
/// Makes everything belong to the caller: 0 or 1. Setuid and setgid bits and file capabilities are not set
/// then: they would give the caller's rights to the container's programs.
pub const CR_IMPORT_IGNORE_OWNERSHIP: u32 = 8;
/// Refuses device nodes everywhere (EPERM): 0 or 1. Otherwise they are refused in a bundle alone.
pub const CR_IMPORT_NO_DEVICES: u32 = 9;
/// Refuses names at the top of the archive that neither podman nor CRI-O nor containerd writes (EPERM):
/// 0 or 1. Otherwise any name may be there.
pub const CR_IMPORT_KNOWN_NAMES: u32 = 10;
/// Limits the number of members that the archive may have, those of nested archives included. No limit
/// by default: an inode costs the caller no more than was asked for.
pub const CR_IMPORT_LIMIT_MEMBERS: u32 = 11;
/// Limits the number of bytes that may be written for all members together, holes left out. No limit by
/// default: only the caller knows how large a container's memory is.
pub const CR_IMPORT_LIMIT_TOTAL_BYTES: u32 = 12;
/// Limits the size of one file in bytes, holes included. No limit by default: holes cost nothing here.
pub const CR_IMPORT_LIMIT_MEMBER_BYTES: u32 = 13;
/// Limits the length of a path in bytes. 4095 by default, the kernel's limit; a larger value has no effect.
pub const CR_IMPORT_LIMIT_PATH_BYTES: u32 = 14;
/// Limits the number of components of a path. 2048 by default, as many as fit into 4095 bytes. Programs
/// that walk trees by recursion may fail at fewer.
pub const CR_IMPORT_LIMIT_DEPTH: u32 = 15;
/// Limits the number of bytes that the names and values of a member's extended attributes may have
/// together. 1 MiB by default, as much as a header holds; a larger value has no effect.
pub const CR_IMPORT_LIMIT_XATTR_BYTES: u32 = 16;
/// Limits the number of bytes that may come of one byte of a compressed archive, once they are more than
/// 1 MiB. No limit by default: memory is mostly zeros, so that honest archives expand a thousandfold.
pub const CR_IMPORT_LIMIT_RATIO: u32 = 17;
/// Syncs the file systems that the import wrote to before CRImportExtract returns: 0 or 1.
pub const CR_IMPORT_SYNC: u32 = 18;

/// Sets what becomes of an extended attribute that can't be set: one of CR_XATTRS_*,
/// CR_XATTRS_SKIP_UNSUPPORTED by default.
pub const CR_IMPORT_XATTRS: u32 = 19;
/// Lets a rootfs diff set the extended attributes in which overlays keep their state: 0 or 1. Otherwise they
/// are left out with a warning: below an overlay's upper directory they would change what the overlay shows.
/// In volumes and /dev/shm they are data, and are always set.
pub const CR_IMPORT_OVERLAY_XATTRS: u32 = 20;
/// Lets members go into what is mounted below the directories that are extracted into: 0 or 1. Otherwise that
/// is EXDEV: a bind mount leads to a directory of the host. Nothing is removed there in either case.
pub const CR_IMPORT_CROSS_MOUNTS: u32 = 21;
/// Refuses a bundle in which a restore would miss something (ENODATA): 0 or 1. That is CRIU's images without
/// inventory.img, and a link "parent" that leads nowhere. Otherwise that is a warning.
pub const CR_IMPORT_REQUIRE_COMPLETE: u32 = 22;
/// Gives files and directories modes that their owner can work with, as chmod u+rwX: 0 or 1. Some engines write
/// directories that nobody but root can enter.
pub const CR_IMPORT_USABLE_MODES: u32 = 23;

/// An attribute that nobody can have there is left out with a warning: the file system or the type of the
/// object has none, or the kernel refuses it in a user namespace. Any other failure fails the import.
pub const CR_XATTRS_SKIP_UNSUPPORTED: u32 = 1;
/// An attribute is left out with a warning for any reason, also if it is malformed or too large, or if the
/// caller lacks the privilege.
pub const CR_XATTRS_SKIP_ALL: u32 = 2;
/// An attribute that can't be set fails the import.
pub const CR_XATTRS_FAIL: u32 = 3;

const _: () = assert!(CR_XATTRS_SKIP_UNSUPPORTED == UnsettableXattrs::SkipUnsupported as u32);
const _: () = assert!(CR_XATTRS_SKIP_ALL == UnsettableXattrs::SkipAll as u32);
const _: () = assert!(CR_XATTRS_FAIL == UnsettableXattrs::Fail as u32);

const XATTRS: [(u32, UnsettableXattrs); 3] = [
    (
        CR_XATTRS_SKIP_UNSUPPORTED,
        UnsettableXattrs::SkipUnsupported,
    ),
    (CR_XATTRS_SKIP_ALL, UnsettableXattrs::SkipAll),
    (CR_XATTRS_FAIL, UnsettableXattrs::Fail),
];

/// What an import heeds. By default it does what the functions without options do.
#[derive(Debug, Default)]
pub struct CRImportOptions(pub(super) ImportOptions);

/// A range of consecutive ids: container, container + 1, ... are host, host + 1, ... outside.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct CRIdRange {
    /// The first id in the container.
    pub container: u32,
    /// The first id outside, as the calling process sees it.
    pub host: u32,
    /// How many ids there are.
    pub size: u32,
}

impl From<&CRIdRange> for IdRange {
    fn from(range: &CRIdRange) -> Self {
        IdRange {
            container: range.container,
            host: range.host,
            size: range.size,
        }
    }
}

fn set(options: &mut ImportOptions, option: u32, value: u64) -> Result<()> {
    match option {
        CR_IMPORT_DIGEST => options.digest(truth(value)?),
        CR_IMPORT_CONFIGURATION => options.configuration(truth(value)?),
        CR_IMPORT_KEEP_FAILED => options.keep_failed(truth(value)?),
        CR_IMPORT_STRICT_NAMES => options.strict_names(truth(value)?),
        CR_IMPORT_END_MARKER => options.require_end_marker(truth(value)?),
        CR_IMPORT_ROOT_ATTRIBUTES => options.root_attributes(truth(value)?),
        CR_IMPORT_OCI_WHITEOUTS => options.oci_whiteouts(truth(value)?),
        CR_IMPORT_IGNORE_OWNERSHIP => options.ignore_ownership(truth(value)?),
        CR_IMPORT_SYNC => options.sync(truth(value)?),
        CR_IMPORT_XATTRS => {
            let number = u32::try_from(value).unwrap_or(u32::MAX);
            options.unsettable_xattrs(member_of("CR_XATTRS_", &XATTRS, number, "value")?)
        }
        CR_IMPORT_OVERLAY_XATTRS => options.overlay_xattrs(truth(value)?),
        CR_IMPORT_CROSS_MOUNTS => options.cross_mounts(truth(value)?),
        CR_IMPORT_REQUIRE_COMPLETE => options.require_complete(truth(value)?),
        CR_IMPORT_USABLE_MODES => options.usable_modes(truth(value)?),
        CR_IMPORT_NO_DEVICES => options.devices(!truth(value)?),
        CR_IMPORT_KNOWN_NAMES if truth(value)? => options.names(&KNOWN_MEMBERS)?,
        CR_IMPORT_KNOWN_NAMES => options.any_names(),
        _ => options.limit(limit(option)?, value),
    };
    Ok(())
}

fn limit(option: u32) -> Result<Limit> {
    match option {
        CR_IMPORT_LIMIT_MEMBERS => Ok(Limit::Members),
        CR_IMPORT_LIMIT_TOTAL_BYTES => Ok(Limit::TotalBytes),
        CR_IMPORT_LIMIT_MEMBER_BYTES => Ok(Limit::MemberBytes),
        CR_IMPORT_LIMIT_PATH_BYTES => Ok(Limit::PathBytes),
        CR_IMPORT_LIMIT_DEPTH => Ok(Limit::Depth),
        CR_IMPORT_LIMIT_XATTR_BYTES => Ok(Limit::XattrBytes),
        CR_IMPORT_LIMIT_RATIO => Ok(Limit::Ratio),
        _ => Err(unknown_option("CR_IMPORT_", option)),
    }
}

/// Makes options with the defaults. The caller frees them with CRImportOptionsFree.
#[unsafe(no_mangle)]
pub extern "C" fn CRImportOptionsNew() -> New<CRImportOptions> {
    guard::value(New::none(), || Ok(New::of(CRImportOptions::default())))
}

/// Frees options. Imports that were opened with them are not affected.
#[unsafe(no_mangle)]
pub extern "C" fn CRImportOptionsFree(options: Owned<CRImportOptions>) {
    guard::run(|| options.free());
}

/// Sets an option of an import. When a limit is exceeded, the import fails with E2BIG, the message names
/// the limit, and nothing is touched for the member that exceeds it.
///
/// @param option One of CR_IMPORT_*.
/// @param value The value, as the option's comment says.
///
/// Errors:
/// - EINVAL: the option is 0, or doesn't take this value.
/// - EOPNOTSUPP: this version of the library doesn't know the option.
#[unsafe(no_mangle)]
pub extern "C" fn CRImportOptionsSet(
    mut options: ObjectMut<CRImportOptions>,
    option: u32,
    value: u64,
    error: Slot,
) -> Status {
    guard::status(error, || set(&mut options.get("options")?.0, option, value))
}

/// Sets the SHA-256 that the archive must have; another digest fails the import with EBADMSG.
///
/// An archive in a regular file is read for it once before anything else is done. In a pipe or a socket,
/// which can be read only once, a difference is found at the end. A file that is written to after the
/// comparison fails the import, too, as far as its size and modification time tell.
///
/// @param digest 64 hexadecimal digits.
///
/// Errors:
/// - EINVAL: the digest is not of this form.
#[unsafe(no_mangle)]
pub extern "C" fn CRImportOptionsExpectedDigest(
    mut options: ObjectMut<CRImportOptions>,
    digest: Text,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let options = options.get("options")?;
        let digest = digest.str("digest")?.parse();
        options.0.expected_digest(digest?);
        Ok(())
    })
}

/// Sets the directory for what precedes the configuration in a pipe or a socket and has to be kept, if it
/// doesn't fit into 32 MiB of memory: an unnamed file there holds it. Without a directory that is E2BIG,
/// since no default directory is sure to hold a container's memory. An oci-archive that is compressed or comes through
/// a pipe is kept there, too, and is E2BIG without it.
///
/// @param at, directory An existing directory. It is opened when it is needed.
///
/// Errors:
/// - EMFILE: no descriptor is left.
#[unsafe(no_mangle)]
pub extern "C" fn CRImportOptionsSpoolDirectory(
    mut options: ObjectMut<CRImportOptions>,
    at: At,
    directory: Text,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let options = options.get("options")?;
        let directory = PlaceBuf::new(directory.place(at, "directory")?)?;
        options.0.spool_directory(directory);
        Ok(())
    })
}

/// Sets the types that members may have; other members are refused (EPERM). By default all types are
/// allowed, except what a bundle never holds.
///
/// @param types An array of types_len numbers, each one of CR_MEMBER_*; it may be NULL if types_len is 0.
///
/// Errors:
/// - EINVAL: a number is not one of CR_MEMBER_*.
#[unsafe(no_mangle)]
pub extern "C" fn CRImportOptionsTypes(
    mut options: ObjectMut<CRImportOptions>,
    types: Array<u32>,
    types_len: usize,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let options = options.get("options")?;
        let types = types.slice(types_len, "types")?.iter();
        let types = types.map(|number| member_of("CR_MEMBER_", &MEMBER_TYPES, *number, "types"));
        options.0.types(&types.collect::<Result<Vec<_>>>()?);
        Ok(())
    })
}

/// Sets the names that may be at the top of the archive, with everything below them; other members are
/// refused (EPERM). By default any name is allowed. CR_IMPORT_KNOWN_NAMES sets the names that engines
/// write.
///
/// @param names An array of names_len strings; it may be NULL if names_len is 0.
///
/// Errors:
/// - EINVAL: a name means the archive's root.
#[unsafe(no_mangle)]
pub extern "C" fn CRImportOptionsNames(
    mut options: ObjectMut<CRImportOptions>,
    names: Array<Text>,
    names_len: usize,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let options = options.get("options")?;
        let names = names.os_strs(names_len, "names")?;
        options.0.names(&names).map(drop)
    })
}

/// Sets what the ids in a rootfs diff, in volumes and in /dev/shm become on the host: owners, the ids in
/// ACLs, and the root id in file capabilities. An id that isn't in the map fails the import (EOVERFLOW).
/// Without ranges ids stay as they are. What goes into the bundle belongs to the engine, and isn't mapped.
///
/// @param uids An array of uids_len ranges; it may be NULL if uids_len is 0.
/// @param gids An array of gids_len ranges; it may be NULL if gids_len is 0.
///
/// Errors:
/// - EINVAL: a range is empty or goes beyond 4294967294; ranges overlap on either side; there are more
///   than 340 of them.
#[unsafe(no_mangle)]
pub extern "C" fn CRImportOptionsMapIds(
    mut options: ObjectMut<CRImportOptions>,
    uids: Array<CRIdRange>,
    uids_len: usize,
    gids: Array<CRIdRange>,
    gids_len: usize,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let options = options.get("options")?;
        let uids = ranges(&uids, uids_len, "uids")?;
        let gids = ranges(&gids, gids_len, "gids")?;
        options.0.map_ids(&uids, &gids).map(drop)
    })
}

fn ranges(array: &Array<CRIdRange>, len: usize, name: &str) -> Result<Vec<IdRange>, Error> {
    let ranges = array.slice(len, name)?;
    Ok(ranges.iter().map(IdRange::from).collect())
}
