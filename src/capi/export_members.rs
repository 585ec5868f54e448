//! Exporting a checkpoint: its members.

use super::argument::{Array, At, Bytes, Object, ObjectMut, Text, member_of};
use super::change::CRChange;
use super::export::CRExport;
use super::guard::{self, Slot, Status};
use super::metadata::{CRMetadata, ENGINES};
use crate::checkpoint::Presence;

/// An export without the member fails.
pub const CR_PRESENCE_REQUIRED: u32 = 1;
/// CRExportResult lists the member as missing if it doesn't exist.
pub const CR_PRESENCE_OPTIONAL: u32 = 2;

const _: () = assert!(CR_PRESENCE_REQUIRED == Presence::Required as u32);
const _: () = assert!(CR_PRESENCE_OPTIONAL == Presence::Optional as u32);

const PRESENCES: [(u32, Presence); 2] = [
    (CR_PRESENCE_REQUIRED, Presence::Required),
    (CR_PRESENCE_OPTIONAL, Presence::Optional),
];

/// Adds all members that an engine has in its bundle, in the engine's order. A name that is added by
/// itself, before or afterwards, is left out here.
///
/// | engine | members |
/// | ------ | ------- |
/// | CR_ENGINE_PODMAN | artifacts, devshm-checkpoint.tar, config.dump, spec.dump, network.status, stats-dump, ctr.log, checkpoint, pre-checkpoint, rootfs-diff.tar, deleted.files, the content of volumes |
/// | CR_ENGINE_CRIO | stats-dump, dump.log, checkpoint, config.dump, spec.dump, bind.mounts, rootfs-diff.tar, deleted.files, io.kubernetes.cri-o.LogPath |
/// | CR_ENGINE_CONTAINERD | checkpoint, config.dump, container.log, dump.log, rootfs-diff.tar, spec.dump, stats-dump, status, status.dump |
///
/// config.dump, spec.dump and checkpoint are required (of podman's checkpoint and pre-checkpoint one of
/// them), and so is containerd's status.dump; all others are optional. An engine that has no config.dump
/// makes one with CRMetadataBuild, and adds it with CRExportAddMetadata.
///
/// @param at, bundle The bundle's directory.
/// @param engine One of CR_ENGINE_*.
///
/// Errors:
/// - ENOENT, ENOTDIR: there is no such directory.
/// - EINVAL: a bundle was added before; or the engine is not one of CR_ENGINE_*.
#[unsafe(no_mangle)]
pub extern "C" fn CRExportAddBundle(
    mut checkpoint: ObjectMut<CRExport>,
    at: At,
    bundle: Text,
    engine: u32,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let export = &mut checkpoint.get("checkpoint")?.export;
        let bundle = bundle.place(at, "bundle")?;
        export.add_bundle(bundle, member_of("CR_ENGINE_", &ENGINES, engine, "engine")?)
    })
}

/// Adds a file or a directory of a bundle; a directory with everything below it that is on the same mount.
/// Sockets are left out with a warning. Anything else that has no place in a bundle fails the export before
/// anything is written: devices, fifos, and symbolic links except the "parent" that CRIU makes.
///
/// @param at, bundle The bundle's directory.
/// @param name The member's name in the bundle and in the archive. Symbolic links above its last component
/// are followed, and don't lead out of the bundle.
/// @param presence One of CR_PRESENCE_*.
///
/// Errors:
/// - ENOENT, ENOTDIR: there is no such directory.
/// - EINVAL: the name can't be a member's, or was added before.
/// - E2BIG: the name is longer than 4095 bytes.
#[unsafe(no_mangle)]
pub extern "C" fn CRExportAddMember(
    mut checkpoint: ObjectMut<CRExport>,
    at: At,
    bundle: Text,
    name: Text,
    presence: u32,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let export = &mut checkpoint.get("checkpoint")?.export;
        let bundle = bundle.place(at, "bundle")?;
        let presence = member_of("CR_PRESENCE_", &PRESENCES, presence, "presence")?;
        export.add_member(bundle, name.os_str("name")?, presence)
    })
}

/// Adds a file of these bytes, which are copied, with mode 0600 and owner 0:0. CR_EXPORT_TIME sets its
/// time.
///
/// @param name The member's name.
/// @param bytes An array of bytes_len bytes; it may be NULL if bytes_len is 0.
///
/// Errors:
/// - EINVAL: the name can't be a member's, or was added before.
/// - E2BIG: the name is longer than 4095 bytes.
#[unsafe(no_mangle)]
pub extern "C" fn CRExportAddBytes(
    mut checkpoint: ObjectMut<CRExport>,
    name: Text,
    bytes: Bytes,
    bytes_len: usize,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let export = &mut checkpoint.get("checkpoint")?.export;
        export.add_bytes(name.os_str("name")?, bytes.to_vec(bytes_len, "bytes")?)
    })
}

/// Adds every document that metadata holds (config.dump, spec.dump and their like) as a file of its bytes.
///
/// Errors:
/// - EINVAL: the name of a document was added before. None is added then.
#[unsafe(no_mangle)]
pub extern "C" fn CRExportAddMetadata(
    mut checkpoint: ObjectMut<CRExport>,
    metadata: Object<CRMetadata>,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let export = &mut checkpoint.get("checkpoint")?.export;
        export.add_metadata(metadata.get("metadata")?.get())
    })
}

/// Adds a regular file under a name of its own, with its attributes.
///
/// @param name The member's name.
/// @param at, file The file. A descriptor keeps its offset: the whole file is meant, wherever that is.
///
/// Errors:
/// - EINVAL: the name can't be a member's, or was added before; or the file isn't a regular file.
/// - E2BIG: the name is longer than 4095 bytes.
/// - ENOENT: the file is missing.
#[unsafe(no_mangle)]
pub extern "C" fn CRExportAddFile(
    mut checkpoint: ObjectMut<CRExport>,
    name: Text,
    at: At,
    file: Text,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let export = &mut checkpoint.get("checkpoint")?.export;
        export.add_file(name.os_str("name")?, file.place(at, "file")?)
    })
}

/// Adds a directory as an archive within the archive, such as volumes/NAME.tar: the directory itself (as
/// "./") and everything below it that is on the same mount, of any type except sockets. The archive within
/// has mode 0600 and owner 0:0.
///
/// @param name The member's name.
/// @param at, directory The directory.
///
/// Errors:
/// - EINVAL: the name can't be a member's, or was added before.
/// - E2BIG: the name is longer than 4095 bytes.
/// - ENOENT, ENOTDIR: there is no such directory.
#[unsafe(no_mangle)]
pub extern "C" fn CRExportAddDirectoryTar(
    mut checkpoint: ObjectMut<CRExport>,
    name: Text,
    at: At,
    directory: Text,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let export = &mut checkpoint.get("checkpoint")?.export;
        let directory = directory.place(at, "directory")?;
        export.add_directory_tar(name.os_str("name")?, directory)
    })
}

/// Adds the changes of a container's root file system: rootfs-diff.tar and deleted.files, each only if it
/// has content. Both are what CRCreateRootFsDiffTar makes of the changes; neither is on the disk before the
/// archive is.
///
/// @param changes An array of changes_len changes, which are copied; it may be NULL if changes_len is 0.
/// CRChangesMount, CRChangesOverlay and CRChangesDirectories find them.
/// @param at, root The directory where the container's root file system is mounted.
///
/// Errors:
/// - EINVAL: a diff was added before; a change has an unknown kind, flags, or no path; or the root itself
///   is deleted.
/// - E2BIG: a path is longer than 4095 bytes.
/// - ENOENT, ENOTDIR: there is no such directory.
#[unsafe(no_mangle)]
pub extern "C" fn CRExportAddRootFsDiff(
    mut checkpoint: ObjectMut<CRExport>,
    changes: Array<CRChange>,
    changes_len: usize,
    at: At,
    root: Text,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let export = &mut checkpoint.get("checkpoint")?.export;
        let changes = changes.changes(changes_len)?;
        export.add_rootfs_diff(changes, root.place(at, "root")?)
    })
}
