//! The documents of a checkpoint, by the names of their members.

#![forbid(unsafe_code)]

use super::table::Row;
use crate::fs::RootPath;

/// A document that tells of a checkpoint. The numbers are those of the C ABI (`CR_DOCUMENT_*`); more may follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u32)]
pub enum DocumentKind {
    /// `config.dump`: what the engine wrote about the container. Every checkpoint has one.
    Config = 1,
    /// `spec.dump`: the container's OCI runtime specification. Every checkpoint has one.
    Spec = 2,
    /// `network.status`: the container's networks (podman).
    NetworkStatus = 3,
    /// `bind.mounts`: what was mounted from the host (CRI-O).
    BindMounts = 4,
    /// `pod.options`: the containers of a pod's checkpoint.
    PodOptions = 5,
    /// `pod.dump`: a pod's configuration. It has no fields here, only bytes.
    PodDump = 6,
    /// `status`: how the container was doing (containerd).
    Status = 7,
    /// `status.dump`: the same as the engine told its clients (containerd). It has no fields here, only bytes.
    StatusDump = 8,
}

impl DocumentKind {
    /// All of them, in the order of their numbers.
    pub const ALL: [DocumentKind; 8] = [
        DocumentKind::Config,
        DocumentKind::Spec,
        DocumentKind::NetworkStatus,
        DocumentKind::BindMounts,
        DocumentKind::PodOptions,
        DocumentKind::PodDump,
        DocumentKind::Status,
        DocumentKind::StatusDump,
    ];

    /// The document that a member named `path` is; nothing if it is none. The name is cleaned as an import cleans it, so
    /// that `./config.dump` and `/config.dump` are config.dump; `config.dump.old` and `x/config.dump` are not.
    #[must_use]
    pub fn of(path: &[u8]) -> Option<Self> {
        Row::of(&RootPath::clean(path).ok()?)?.document
    }

    /// Whether an image tells what it says of the container.
    pub(crate) fn is_of_image(self) -> bool {
        matches!(self, DocumentKind::Config | DocumentKind::Spec)
    }

    /// The name of its member.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            DocumentKind::Config => super::CONFIG_DUMP,
            DocumentKind::Spec => super::SPEC_DUMP,
            DocumentKind::NetworkStatus => super::NETWORK_STATUS,
            DocumentKind::BindMounts => super::BIND_MOUNTS,
            DocumentKind::PodOptions => super::POD_OPTIONS,
            DocumentKind::PodDump => super::POD_DUMP,
            DocumentKind::Status => super::STATUS,
            DocumentKind::StatusDump => super::STATUS_DUMP,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::DocumentKind;

    #[test]
    fn a_document_is_known_by_its_whole_cleaned_name() {
        for (path, kind) in [
            (&b"config.dump"[..], Some(DocumentKind::Config)),
            (b"./spec.dump", Some(DocumentKind::Spec)),
            (b"/network.status", Some(DocumentKind::NetworkStatus)),
            (b"../bind.mounts/", Some(DocumentKind::BindMounts)),
            (b"x/../pod.options", Some(DocumentKind::PodOptions)),
            (b"pod.dump", Some(DocumentKind::PodDump)),
            (b"status", Some(DocumentKind::Status)),
            (b"status.dump", Some(DocumentKind::StatusDump)),
            (b"config.dump.old", None),
            (b"config.dum", None),
            (b"CONFIG.DUMP", None),
            (b"checkpoint/config.dump", None),
            (b"status/x", None),
            (b"config.dump\0", None),
            (b"", None),
            (b"\xff", None),
        ] {
            assert_eq!(DocumentKind::of(path), kind, "{}", path.escape_ascii());
        }
    }

    #[test]
    fn numbers_and_names_are_the_abis() {
        let all = DocumentKind::ALL.map(|kind| (kind as u32, kind.name()));
        let expected = [
            (1, "config.dump"),
            (2, "spec.dump"),
            (3, "network.status"),
            (4, "bind.mounts"),
            (5, "pod.options"),
            (6, "pod.dump"),
            (7, "status"),
            (8, "status.dump"),
        ];
        assert_eq!(all, expected);
    }
}
