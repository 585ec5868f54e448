//! What engines export of their bundles.

#![forbid(unsafe_code)]

use Need::{ContentAlone, OneOfThem, Optional, Required};

use crate::checkpoint::Engine;

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

/// A member of a bundle, by its name.
type Member = (&'static str, Need);

const PODMAN: &[Member] = &[
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
];

const CRIO: &[Member] = &[
    ("stats-dump", Optional),
    ("dump.log", Optional),
    ("checkpoint", Required),
    ("config.dump", Required),
    ("spec.dump", Required),
    ("bind.mounts", Optional),
    ("rootfs-diff.tar", Optional),
    ("deleted.files", Optional),
    ("io.kubernetes.cri-o.LogPath", Optional),
];

/// containerd restores nothing without its status.dump.
const CONTAINERD: &[Member] = &[
    ("checkpoint", Required),
    ("config.dump", Required),
    ("container.log", Optional),
    ("dump.log", Optional),
    ("rootfs-diff.tar", Optional),
    ("spec.dump", Required),
    ("stats-dump", Optional),
    ("status", Optional),
    ("status.dump", Required),
];

/// The members that an engine has in its bundle, in the engine's order; none for an engine that isn't known.
pub(super) fn members(engine: Engine) -> Option<&'static [Member]> {
    match engine {
        Engine::Podman => Some(PODMAN),
        Engine::Crio => Some(CRIO),
        Engine::Containerd => Some(CONTAINERD),
        Engine::Unknown => None,
    }
}
