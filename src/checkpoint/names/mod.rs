//! The names inside a checkpoint archive: one table of what engines write, which all else is asked of.

#![forbid(unsafe_code)]

mod class;
mod document;
mod table;

pub use class::MemberClass;
pub use document::DocumentKind;
pub use table::KNOWN_MEMBERS;
pub(super) use table::{Need, layout, writer_of};

/// Directories that the engine and its network tools have left in the bundle.
pub(super) const ARTIFACTS: &str = "artifacts";
/// What was mounted from the host.
pub(super) const BIND_MOUNTS: &str = "bind.mounts";
/// The directory that CRIU dumps into.
pub(super) const CHECKPOINT: &str = "checkpoint";
/// The container's configuration as its engine wrote it: JSON, in which `runtime` names the OCI runtime.
pub(super) const CONFIG_DUMP: &str = "config.dump";
/// The log of the container's output.
pub(super) const CONTAINER_LOG: &str = "container.log";
/// The log of the container's output.
pub(super) const CTR_LOG: &str = "ctr.log";
/// What was deleted from the container's root file system: a JSON array of paths.
pub(super) const DELETED_FILES: &str = "deleted.files";
/// The content of the container's own /dev/shm: a tar archive.
pub(super) const SHM_TAR: &str = "devshm-checkpoint.tar";
/// CRIU's log of the checkpoint.
pub(super) const DUMP_LOG: &str = "dump.log";
/// The log of the container's output, under the name of the annotation that has its path.
pub(super) const LOG_PATH: &str = "io.kubernetes.cri-o.LogPath";
/// The container's networks.
pub(super) const NETWORK_STATUS: &str = "network.status";
/// A pod's configuration.
pub(super) const POD_DUMP: &str = "pod.dump";
/// The containers of a pod's checkpoint.
pub(super) const POD_OPTIONS: &str = "pod.options";
/// The directory that CRIU dumps memory into before the checkpoint.
pub(super) const PRE_CHECKPOINT: &str = "pre-checkpoint";
/// CRIU's log of a restore.
pub(super) const RESTORE_LOG: &str = "restore.log";
/// What changed in the container's root file system, but for deletions: a tar archive.
pub(super) const ROOTFS_DIFF_TAR: &str = "rootfs-diff.tar";
/// The container's OCI runtime specification.
pub(super) const SPEC_DUMP: &str = "spec.dump";
/// CRIU's statistics of the checkpoint.
pub(super) const STATS_DUMP: &str = "stats-dump";
/// CRIU's statistics of a restore.
pub(super) const STATS_RESTORE: &str = "stats-restore";
/// How the container was doing.
pub(super) const STATUS: &str = "status";
/// How the container was doing, as the engine told its clients.
pub(super) const STATUS_DUMP: &str = "status.dump";
/// The directory of the archives of named volumes.
pub(super) const VOLUMES: &str = "volumes";

/// The directories that CRIU dumps into.
pub(super) const DUMPS: [&str; 2] = [CHECKPOINT, PRE_CHECKPOINT];
/// In a dump: what CRIU reads before anything else.
pub(super) const INVENTORY: &str = "inventory.img";
/// In a dump that was made after another: the link to that one.
pub(super) const PARENT: &str = "parent";
/// The bundle's own configuration, which no archive may bring.
pub(super) const CONFIG_JSON: &str = "config.json";

/// The two that say what the container is; engines read them as files of their own.
pub(super) const CONFIGURATIONS: [&str; 2] = [CONFIG_DUMP, SPEC_DUMP];

/// The member that holds the volume `name`.
pub(super) fn volume_tar(name: &[u8]) -> Vec<u8> {
    [VOLUMES.as_bytes(), b"/", name, b".tar"].concat()
}

/// The volume that the member at `path` holds.
pub(super) fn volume_of(path: &[u8]) -> Option<&[u8]> {
    let name = path.strip_prefix(VOLUMES.as_bytes())?.strip_prefix(b"/")?;
    name.strip_suffix(b".tar")
}
