//! Finding changes.

use std::ffi::{CString, OsStr};
use std::os::unix::ffi::OsStrExt as _;
use std::ptr;

use super::argument::{
    Array, At, New, ObjectMut, Optional, OptionalOut, OptionalText, Out, Owned, Text, member_of,
    truth, unknown_option,
};
use super::change::CRChange;
use super::guard::{self, Slot, Status};
use super::metadata::ENGINES;
use super::place::CRPlace;
use super::watch::{CRWatch, watch};
use crate::PlaceBuf;
use crate::changes::{self, Change, Exclude, Options, OverlayXattrs};
use crate::checkpoint::bind_destinations;
use crate::error::Result;

/// CR_OVERLAY_USER in a user namespace, otherwise CR_OVERLAY_TRUSTED.
pub const CR_OVERLAY_AUTO: u32 = 1;
/// trusted.overlay.*: the kernel's overlay.
pub const CR_OVERLAY_TRUSTED: u32 = 2;
/// user.overlay.*: the kernel's overlay, mounted with userxattr.
pub const CR_OVERLAY_USER: u32 = 3;
/// fuse-overlayfs, which uses user.fuseoverlayfs.* besides both, and files that begin with ".wh.".
pub const CR_OVERLAY_FUSE: u32 = 4;

const _: () = assert!(CR_OVERLAY_AUTO == OverlayXattrs::Auto as u32);
const _: () = assert!(CR_OVERLAY_TRUSTED == OverlayXattrs::Trusted as u32);
const _: () = assert!(CR_OVERLAY_USER == OverlayXattrs::User as u32);
const _: () = assert!(CR_OVERLAY_FUSE == OverlayXattrs::Fuse as u32);

const OVERLAYS: [(u32, OverlayXattrs); 4] = [
    (CR_OVERLAY_AUTO, OverlayXattrs::Auto),
    (CR_OVERLAY_TRUSTED, OverlayXattrs::Trusted),
    (CR_OVERLAY_USER, OverlayXattrs::User),
    (CR_OVERLAY_FUSE, OverlayXattrs::Fuse),
];

/// Leaves out the object itself, not what is below it.
pub const CR_EXCLUDE_EXACT: u32 = 1;
/// Leaves out the object and everything below it, without looking there.
pub const CR_EXCLUDE_SUBTREE: u32 = 2;

/// A way to leave a path out.
type Exclusion = fn(&mut Exclude, &OsStr) -> Result<()>;

const EXCLUSIONS: [(u32, Exclusion); 2] = [
    (CR_EXCLUDE_EXACT, |exclude, path| exclude.exact(path)),
    (CR_EXCLUDE_SUBTREE, |exclude, path| exclude.subtree(path)),
];

/// Lets CRChangesDirectories compare the bytes of two files whose size and modification time agree: 0 or 1.
/// Otherwise such files count as equal.
pub const CR_CHANGES_COMPARE_CONTENT: u32 = 1;
/// Lets CRChangesDirectories tell modification times within the same second apart even if one of them has no
/// nanoseconds: 0 or 1. Otherwise they count as equal, since times are often kept in whole seconds.
pub const CR_CHANGES_EXACT_TIMES: u32 = 2;
/// Sets the extended attributes in which the overlay keeps its state: one of CR_OVERLAY_*, CR_OVERLAY_AUTO by
/// default. It has to be the right one: a container can set the others itself.
pub const CR_CHANGES_OVERLAY_XATTRS: u32 = 3;

/// How changes are found, and which are left out.
#[derive(Debug, Default)]
pub struct CRChangesOptions(Options);

/// A list of changes, sorted by the bytes of their paths, each path once.
#[derive(Debug)]
pub struct CRChangeList {
    /// The paths that the changes point to.
    _paths: Vec<CString>,
    changes: Vec<CRChange>,
}

impl CRChangeList {
    fn of(changes: Vec<Change>) -> Self {
        let c_path = |change: &Change| super::string::until_nul(change.path.as_bytes());
        let paths: Vec<CString> = changes.iter().map(c_path).collect();
        let change = |(change, path): (&Change, &CString)| CRChange {
            path: Text::lent(path),
            kind: change.kind as u32,
            flags: 0,
        };
        CRChangeList {
            changes: changes.iter().zip(&paths).map(change).collect(),
            _paths: paths,
        }
    }
}

fn set(options: &mut Options, option: u32, value: u64) -> Result<()> {
    match option {
        CR_CHANGES_COMPARE_CONTENT => options.compare_content = truth(value)?,
        CR_CHANGES_EXACT_TIMES => options.exact_times = truth(value)?,
        CR_CHANGES_OVERLAY_XATTRS => {
            let number = u32::try_from(value).unwrap_or(u32::MAX);
            options.overlay_xattrs = member_of("CR_OVERLAY_", &OVERLAYS, number, "value")?;
        }
        _ => return Err(unknown_option("CR_CHANGES_", option)),
    }
    Ok(())
}

/// Makes options with the defaults. The caller frees them with CRChangesOptionsFree.
#[unsafe(no_mangle)]
pub extern "C" fn CRChangesOptionsNew() -> New<CRChangesOptions> {
    guard::value(New::none(), || Ok(New::of(CRChangesOptions::default())))
}

/// Frees options.
#[unsafe(no_mangle)]
pub extern "C" fn CRChangesOptionsFree(options: Owned<CRChangesOptions>) {
    guard::run(|| options.free());
}

/// Sets an option of a search for changes.
///
/// @param option One of CR_CHANGES_*.
/// @param value The value, as the option's comment says.
///
/// Errors:
/// - EINVAL: the option is 0, or doesn't take this value.
/// - EOPNOTSUPP: this version of the library doesn't know the option.
#[unsafe(no_mangle)]
pub extern "C" fn CRChangesOptionsSet(
    mut options: ObjectMut<CRChangesOptions>,
    option: u32,
    value: u64,
    error: Slot,
) -> Status {
    guard::status(error, || set(&mut options.get("options")?.0, option, value))
}

/// Sets the work directory of an overlay that is mounted with an index (index=on or nfs_export=on): a
/// changed file with several names may be there alone.
///
/// @param at, directory The directory. CRChangesOverlay opens it.
///
/// Errors:
/// - EMFILE: no descriptor is left.
#[unsafe(no_mangle)]
pub extern "C" fn CRChangesOptionsWorkDirectory(
    mut options: ObjectMut<CRChangesOptions>,
    at: At,
    directory: Text,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let options = options.get("options")?;
        let directory = PlaceBuf::new(directory.place(at, "directory")?)?;
        options.0.work_directory = Some(directory);
        Ok(())
    })
}

/// Leaves a path out of the list. It may be called for any number of paths.
///
/// An added directory stands for everything below it. If it holds something that is left out, it is listed
/// as modified instead, and its other content name by name.
///
/// @param path The path as the container sees it, such as "/etc/hosts".
/// @param how One of CR_EXCLUDE_*.
///
/// Errors:
/// - EINVAL: the path is empty; or how is not one of CR_EXCLUDE_*.
/// - E2BIG: the path is longer than 4095 bytes.
#[unsafe(no_mangle)]
pub extern "C" fn CRChangesOptionsExclude(
    mut options: ObjectMut<CRChangesOptions>,
    path: Text,
    how: u32,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let exclude = &mut options.get("options")?.0.exclude;
        let path = path.os_str("path")?;
        member_of("CR_EXCLUDE_", &EXCLUSIONS, how, "how")?(exclude, path)
    })
}

/// Leaves out, each as CR_EXCLUDE_EXACT does, the paths that an engine leaves out of a rootfs diff: what it
/// mounts or writes itself when it starts a container. containerd leaves out nothing.
///
/// @param engine One of CR_ENGINE_*, such as CRMetadataEngine returns.
///
/// Errors:
/// - EINVAL: the engine is not one of CR_ENGINE_*.
#[unsafe(no_mangle)]
pub extern "C" fn CRChangesOptionsExcludeEngine(
    mut options: ObjectMut<CRChangesOptions>,
    engine: u32,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let exclude = &mut options.get("options")?.0.exclude;
        let engine = member_of("CR_ENGINE_", &ENGINES, engine, "engine")?;
        exclude.all_exact(engine.excluded_paths())
    })
}

/// Leaves out, each as CR_EXCLUDE_EXACT does, the destinations of a container's bind mounts.
///
/// @param at, spec The container's OCI runtime specification, such as config.json of a bundle or spec.dump
/// of a checkpoint: a regular file, which is not followed if it is a symbolic link.
///
/// Errors:
/// - ENOENT: the file is missing.
/// - ELOOP, EISDIR, EPERM: it is not a regular file.
/// - EBADMSG: it is not JSON, or a mount is not as the specification has it.
/// - E2BIG: it is larger than 16 MiB.
#[unsafe(no_mangle)]
pub extern "C" fn CRChangesOptionsExcludeBindMounts(
    mut options: ObjectMut<CRChangesOptions>,
    at: At,
    spec: Text,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let exclude = &mut options.get("options")?.0.exclude;
        exclude.all_exact(bind_destinations(spec.place(at, "spec")?)?)
    })
}

/// Finds what the upper directory of an overlay changes in the lower ones. The overlay needn't be mounted,
/// and what didn't change isn't looked at.
///
/// A directory that hides the one below it is modified, and each name that it hides is deleted. A renamed
/// directory is added, with everything that came along. A file that was copied up is listed if something
/// about it differs, its bytes included, or if it has several names. The directories above what was added
/// or deleted are modified. Nothing outside of the directories is read, whatever they tell about redirects.
///
/// @param lower_directories An array of lower_directories_len places, the top one first; it may be NULL if
/// lower_directories_len is 0.
/// @param upper_at, upper_directory The directory that was written to.
/// @param options NULL for the defaults. An overlay that is mounted with an index needs its work directory.
/// @param watch NULL for none.
/// @param list Receives the changes, which the caller frees with CRChangeListFree.
///
/// Errors:
/// - As for CRChangesDirectories.
/// - E2BIG: there are more than 500 lower directories.
/// - EBADMSG: a redirect is malformed; or a file's data should be in a lower directory and is in none.
#[unsafe(no_mangle)]
pub extern "C" fn CRChangesOverlay(
    lower_directories: Array<CRPlace>,
    lower_directories_len: usize,
    upper_at: At,
    upper_directory: Text,
    options: Optional<CRChangesOptions>,
    watch: Optional<CRWatch>,
    list: Out<*mut CRChangeList>,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let lower = lower_directories.places(lower_directories_len, "lower_directories")?;
        let upper = upper_directory.place(upper_at, "upper_directory")?;
        let out = list.check("list")?;
        let options = options.copied(|options| &options.0);
        let found = changes::overlay_ambient(lower, upper, &options, &self::watch(&watch))?;
        out.write(New::of(CRChangeList::of(found)).into_raw());
        Ok(())
    })
}

/// Finds what a container changed in its root file system, which is an overlay that is mounted: what
/// CRChangesOverlay finds with the directories that the mount's options tell. They are read from the caller's
/// mount namespace, and their paths are looked up there. An overlay without an upper directory has no changes.
///
/// @param mount_point_at, mount_point The directory where the overlay is mounted.
/// @param options NULL for the defaults. CR_CHANGES_OVERLAY_XATTRS, if it is not CR_OVERLAY_AUTO, and a work
/// directory are used instead of what the mount tells.
/// @param watch NULL for none.
/// @param list Receives the changes, which the caller frees with CRChangeListFree.
///
/// Errors:
/// - As for CRChangesOverlay.
/// - EINVAL: nothing is mounted there, or only a part of a file system.
/// - EOPNOTSUPP: it is another file system than the kernel's overlay, such as fuse-overlayfs, which does not
///   tell its directories; or the overlay has layers of data alone.
/// - ENOENT: the overlay's directories are not where the options tell.
#[unsafe(no_mangle)]
pub extern "C" fn CRChangesMount(
    mount_point_at: At,
    mount_point: Text,
    options: Optional<CRChangesOptions>,
    watch: Optional<CRWatch>,
    list: Out<*mut CRChangeList>,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let mount_point = mount_point.place(mount_point_at, "mount_point")?;
        let out = list.check("list")?;
        let options = options.copied(|options| &options.0);
        let found = changes::mount_ambient(mount_point, &options, &self::watch(&watch))?;
        out.write(New::of(CRChangeList::of(found)).into_raw());
        Ok(())
    })
}

/// Finds what differs between two directories, such as the mounted root file system of a container and that
/// of its image.
///
/// Compared are type, permissions, owner, device number, size, modification time, the target of a symbolic
/// link, and all extended attributes except security.selinux and those that overlayfs keeps for itself. An
/// object of another type than before is modified. The directories above a change are modified, too, and so
/// are all names of a file with several if one of them is listed, or if other names belong to it than
/// before. The directories themselves are never listed. What vanishes meanwhile counts as not there.
///
/// @param new_at, new_directory What is there now. What is mounted below it is not looked into.
/// @param old_at, old_directory What was there before; a NULL path if nothing was, so that everything is
/// new.
/// @param options NULL for the defaults.
/// @param watch NULL for none.
/// @param list Receives the changes, which the caller frees with CRChangeListFree.
///
/// Errors:
/// - ENOENT, ENOTDIR: there is no such directory.
/// - EACCES: a directory may not be read.
/// - E2BIG: there are more than 4 million changes, or 256 MiB of them; or a path is longer than 4095 bytes.
/// - ECANCELED, ETIMEDOUT: the watch ended the work.
#[unsafe(no_mangle)]
pub extern "C" fn CRChangesDirectories(
    new_at: At,
    new_directory: Text,
    old_at: At,
    old_directory: OptionalText,
    options: Optional<CRChangesOptions>,
    watch: Optional<CRWatch>,
    list: Out<*mut CRChangeList>,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let new = new_directory.place(new_at, "new_directory")?;
        let old = old_directory.place(old_at, "old_directory")?;
        let out = list.check("list")?;
        let options = options.copied(|options| &options.0);
        let found = changes::directories_ambient(new, old, &options, &self::watch(&watch))?;
        out.write(New::of(CRChangeList::of(found)).into_raw());
        Ok(())
    })
}

/// Returns the changes of a list: an array that CRCreateRootFsDiffTar and CRExportAddRootFsDiff take as it
/// is. It belongs to the list, and so do the paths. NULL for NULL.
///
/// @param changes_len Receives the number of changes; 0 for NULL. It may be NULL.
#[unsafe(no_mangle)]
pub extern "C" fn CRChangeListChanges(
    list: Optional<CRChangeList>,
    changes_len: OptionalOut<usize>,
) -> *const CRChange {
    guard::value(ptr::null(), || {
        let changes = list.get().map(|list| list.changes.as_slice());
        changes_len.write(changes.map_or(0, <[CRChange]>::len));
        Ok(changes.map_or(ptr::null(), <[CRChange]>::as_ptr))
    })
}

/// Frees a list and the changes that belong to it.
#[unsafe(no_mangle)]
pub extern "C" fn CRChangeListFree(list: Owned<CRChangeList>) {
    guard::run(|| list.free());
}
