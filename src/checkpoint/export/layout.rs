//! What engines export of their bundles.

#![forbid(unsafe_code)]

/// Which members a bundle has. The lists are those of the engines, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BundleLayout {
    /// podman's: artifacts, devshm-checkpoint.tar, config.dump, spec.dump, network.status, stats-dump, ctr.log,
    /// checkpoint, pre-checkpoint, rootfs-diff.tar, deleted.files, and all that is in the directory volumes.
    Podman,
    /// CRI-O's: stats-dump, dump.log, checkpoint, config.dump, spec.dump, bind.mounts, rootfs-diff.tar, deleted.files,
    /// io.kubernetes.cri-o.LogPath.
    Crio,
}

/// Whether a member has to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// An export without it fails.
    Required,
    /// What lacks it is told.
    Optional,
    /// An export without any of those fails.
    OneOfThem,
    /// What is in the directory, without the directory itself. Often there is nothing.
    ContentAlone,
}

impl BundleLayout {
    pub(super) fn members(self) -> &'static [(&'static str, Need)] {
        use Need::{ContentAlone, OneOfThem, Optional, Required};
        match self {
            BundleLayout::Podman => &[
                ("artifacts", Optional),
                ("devshm-checkpoint.tar", Optional),
                ("config.dump", Required),
                ("spec.dump", Required),
                ("network.status", Optional),
                ("stats-dump", Optional),
                ("ctr.log", Optional),
                ("checkpoint", OneOfThem),
                ("pre-checkpoint", OneOfThem),
                ("rootfs-diff.tar", Optional),
                ("deleted.files", Optional),
                ("volumes", ContentAlone),
            ],
            BundleLayout::Crio => &[
                ("stats-dump", Optional),
                ("dump.log", Optional),
                ("checkpoint", Required),
                ("config.dump", Required),
                ("spec.dump", Required),
                ("bind.mounts", Optional),
                ("rootfs-diff.tar", Optional),
                ("deleted.files", Optional),
                ("io.kubernetes.cri-o.LogPath", Optional),
            ],
        }
    }
}
