//! What sort of thing a member of a checkpoint archive is.

#![forbid(unsafe_code)]

use super::table::Row;
use crate::fs::RootPath;

/// What sort of thing a member of a checkpoint archive is, by its name alone. The numbers are those of the C ABI
/// (`CR_CLASS_*`); more may follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[repr(u32)]
pub enum MemberClass {
    /// None of the others, such as `artifacts`.
    Other = 1,
    /// What describes the container: `config.dump`, `spec.dump`, `network.status`, `bind.mounts`, `pod.options`,
    /// `pod.dump`, `status`, `status.dump`.
    Configuration = 2,
    /// Memory of processes: `pages-*.img` in `checkpoint` or `pre-checkpoint`.
    MemoryPages = 3,
    /// Memory of graphics cards: `amdgpu-pages-*.img` there.
    GpuPages = 4,
    /// What else CRIU writes: `checkpoint` and `pre-checkpoint` with the rest of their content, and its statistics.
    CriuImage = 5,
    /// The changes of the root file system: `rootfs-diff.tar` and `deleted.files`.
    RootfsDiff = 6,
    /// Named volumes: `volumes` and what is in it.
    Volume = 7,
    /// The container's /dev/shm: `devshm-checkpoint.tar`.
    Shm = 8,
    /// Logs, of the container (`ctr.log`, `container.log`, `io.kubernetes.cri-o.LogPath`) and of CRIU (`dump.log`,
    /// `restore.log`).
    Log = 9,
}

impl MemberClass {
    /// All of them, in the order of their numbers.
    pub const ALL: [MemberClass; 9] = [
        MemberClass::Other,
        MemberClass::Configuration,
        MemberClass::MemoryPages,
        MemberClass::GpuPages,
        MemberClass::CriuImage,
        MemberClass::RootfsDiff,
        MemberClass::Volume,
        MemberClass::Shm,
        MemberClass::Log,
    ];

    /// The class of a member named `path`, which is cleaned as an import cleans it.
    #[must_use]
    pub fn of(path: &[u8]) -> Self {
        let Ok(path) = RootPath::clean(path) else {
            return MemberClass::Other;
        };
        let mut names = path.components().skip(1);
        match (Row::of(&path), names.next(), names.next()) {
            (Some(dump), Some(image), None) if dump.class == MemberClass::CriuImage => {
                Self::of_image(image)
            }
            (Some(known), _, _) => known.class,
            (None, _, _) => MemberClass::Other,
        }
    }

    /// The class of an image of CRIU's.
    fn of_image(name: &[u8]) -> Self {
        if !name.ends_with(b".img") {
            MemberClass::CriuImage
        } else if name.starts_with(b"pages-") {
            MemberClass::MemoryPages
        } else if name.starts_with(b"amdgpu-pages-") {
            MemberClass::GpuPages
        } else {
            MemberClass::CriuImage
        }
    }

    /// What people call it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            MemberClass::Other => "other",
            MemberClass::Configuration => "configuration",
            MemberClass::MemoryPages => "memory pages",
            MemberClass::GpuPages => "GPU pages",
            MemberClass::CriuImage => "CRIU images",
            MemberClass::RootfsDiff => "rootfs diff",
            MemberClass::Volume => "volumes",
            MemberClass::Shm => "shared memory",
            MemberClass::Log => "logs",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::MemberClass;
    use crate::checkpoint::DocumentKind;

    #[test]
    fn members_are_classed_by_their_cleaned_names() {
        let cases = [
            (
                MemberClass::MemoryPages,
                "checkpoint/pages-1.img ./pre-checkpoint//pages-22.img checkpoint/pages-shmem-7.img",
            ),
            (MemberClass::GpuPages, "checkpoint/amdgpu-pages-1-0001.img"),
            (
                MemberClass::CriuImage,
                "checkpoint checkpoint/ pre-checkpoint/ checkpoint/parent checkpoint/inventory.img \
                 checkpoint/pagemap-1.img checkpoint/amdgpu-kfd-1.img checkpoint/pages-1.img.part \
                 checkpoint/deep/pages-1.img stats-dump stats-restore",
            ),
            (MemberClass::RootfsDiff, "rootfs-diff.tar /deleted.files"),
            (MemberClass::Volume, "volumes volumes/data.tar"),
            (MemberClass::Shm, "devshm-checkpoint.tar"),
            (
                MemberClass::Log,
                "ctr.log dump.log restore.log container.log io.kubernetes.cri-o.LogPath",
            ),
            (
                MemberClass::Other,
                "/ . artifacts artifacts/config.dump pages-1.img x/checkpoint/pages-1.img \
                 checkpoint.old/pages-1.img rootfs-diff.tar.gz volumes.tar ctr.log/x config.json a\0b",
            ),
        ];
        for (class, paths) in cases {
            for path in paths.split_whitespace() {
                assert_eq!(MemberClass::of(path.as_bytes()), class, "{path:?}");
            }
        }
        assert_eq!(MemberClass::of(b""), MemberClass::Other);
    }

    #[test]
    fn every_document_is_configuration() {
        for kind in DocumentKind::ALL {
            let class = MemberClass::of(kind.name().as_bytes());
            assert_eq!(class, MemberClass::Configuration, "{}", kind.name());
        }
    }

    #[test]
    fn numbers_and_labels_are_the_abis() {
        let all = MemberClass::ALL.map(|class| (class as u32, class.label()));
        let expected = [
            (1, "other"),
            (2, "configuration"),
            (3, "memory pages"),
            (4, "GPU pages"),
            (5, "CRIU images"),
            (6, "rootfs diff"),
            (7, "volumes"),
            (8, "shared memory"),
            (9, "logs"),
        ];
        assert_eq!(all, expected);
    }
}
