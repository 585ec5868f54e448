//! The container engines whose checkpoints are known.

#![forbid(unsafe_code)]

/// What podman leaves out of a rootfs diff: what it mounts or writes itself when it starts a container.
const PODMAN: &[&str] = &[
    "/dev",
    "/etc/hostname",
    "/etc/hosts",
    "/etc/resolv.conf",
    "/proc",
    "/run",
    "/run/notify",
    "/run/.containerenv",
    "/run/secrets",
    "/run/podman-init",
    "/sys",
    "/etc/mtab",
];

/// What CRI-O leaves out of a rootfs diff, beside the destinations of the bind mounts in the container's specification.
const CRIO: &[&str] = &[
    "/dev",
    "/dev/shm",
    "/proc",
    "/run",
    "/run/.containerenv",
    "/run/secrets",
    "/sys",
];

/// A container engine. The numbers are those of the C ABI (`CR_ENGINE_*`); more may follow.
///
/// Which one made a checkpoint is told by the first of these that tells anything, from what is the engine's alone to
/// what is only usual:
///
/// 1. The keys of config.dump. podman writes its whole configuration, `lockID` and `staticDir` always; the others write
///    the ten keys of [`ContainerConfig`](super::ContainerConfig). Whoever runs a container chooses values there, but no
///    keys.
/// 2. The annotation `io.container.manager` of spec.dump: `libpod` or `cri-o`. Engines set it after what the container's
///    user asked for; containerd doesn't know it, and passes on what its configuration lets a user set.
/// 3. Annotations that only one engine sets: `io.podman.annotations.…`, then `io.kubernetes.cri-o.Metadata` and
///    `io.kubernetes.cri-o.ContainerID`, then `io.kubernetes.cri.sandbox-id` of containerd. Other names in
///    `io.kubernetes.cri-o.` prove nothing: podman sets some too. Empty ones don't count. A podman user may set any of
///    them, which is why podman's own come first.
/// 4. The names of members that one engine alone writes, as far as they have been seen: `bind.mounts` and
///    `io.kubernetes.cri-o.LogPath` of CRI-O; `status`, `status.dump` and `container.log` of containerd;
///    `network.status`, `ctr.log`, `artifacts`, `volumes` and `devshm-checkpoint.tar` of podman. If they speak for more
///    than one engine, they tell nothing.
///
/// **It is a hint, not a proof.** Annotations are partly the user's, and whoever makes an archive can make it look like
/// any engine's. It says how an honest archive is to be read; no decision about trust may hang on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[repr(u32)]
pub enum Engine {
    /// Nothing tells.
    #[default]
    Unknown = 0,
    /// podman.
    Podman = 1,
    /// CRI-O.
    Crio = 2,
    /// containerd.
    Containerd = 3,
}

impl Engine {
    /// Those that are known.
    pub(super) const KNOWN: [Engine; 3] = [Engine::Podman, Engine::Crio, Engine::Containerd];

    /// Its name in small letters: `podman`, `cri-o`, `containerd`, or `unknown`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Engine::Unknown => "unknown",
            Engine::Podman => "podman",
            Engine::Crio => "cri-o",
            Engine::Containerd => "containerd",
        }
    }

    /// The paths that the engine leaves out of a rootfs diff, as the container sees them: what it mounts or writes itself
    /// when it starts a container. CRI-O leaves out the destinations of bind mounts besides
    /// ([`bind_destinations`](crate::checkpoint::bind_destinations)); containerd leaves out nothing.
    #[must_use]
    pub fn excluded_paths(self) -> &'static [&'static str] {
        match self {
            Engine::Podman => PODMAN,
            Engine::Crio => CRIO,
            Engine::Containerd | Engine::Unknown => &[],
        }
    }
}
