//! The texts that a checkpoint tells of its container, by number.

#![forbid(unsafe_code)]

use super::Metadata;

/// A text that [`Metadata::text`] tells. The numbers are those of the C ABI (`CR_TEXT_*`); more may follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u32)]
pub enum Text {
    /// The container's ID.
    Id = 1,
    /// The container's name as its engine has it.
    Name = 2,
    /// The OCI runtime that made the checkpoint, a name or a path. It comes from the archive: see
    /// [`RuntimeName`](Self::RuntimeName).
    Runtime = 3,
    /// The runtime if it is fit to be looked up among runtimes that are known: it has no slash, no control character, and
    /// no dash at its beginning.
    RuntimeName = 4,
    /// The image that the root file system comes from, by the name that a person knows.
    ImageName = 5,
    /// The same image, by an ID or a name with a digest.
    ImageRef = 6,
    /// When the container was created, as RFC 3339 has it.
    Created = 7,
    /// When the checkpoint was made, as RFC 3339 has it.
    Checkpointed = 8,
    /// When the container was last restored, as RFC 3339 has it.
    Restored = 9,
    /// The container's name within its pod.
    ContainerName = 10,
    /// The ID of the pod, or of its sandbox.
    PodId = 11,
    /// The name of the pod.
    PodName = 12,
    /// The namespace of the pod.
    PodNamespace = 13,
}

impl Text {
    /// All of them, in the order of their numbers.
    pub const ALL: [Text; 13] = [
        Text::Id,
        Text::Name,
        Text::Runtime,
        Text::RuntimeName,
        Text::ImageName,
        Text::ImageRef,
        Text::Created,
        Text::Checkpointed,
        Text::Restored,
        Text::ContainerName,
        Text::PodId,
        Text::PodName,
        Text::PodNamespace,
    ];
}

impl Metadata {
    /// A text by its number; nothing where no document has it. A runtime that is there and empty is "".
    #[must_use]
    pub fn text(&self, which: Text) -> Option<&str> {
        match which {
            Text::Id => self.id(),
            Text::Name => self.name(),
            Text::Runtime => self.runtime(),
            Text::RuntimeName => self.validated_runtime_name().ok(),
            Text::ImageName => self.image_name(),
            Text::ImageRef => self.image_ref(),
            Text::Created => self.created_time(),
            Text::Checkpointed => self.checkpointed_time(),
            Text::Restored => self.restored_time(),
            Text::ContainerName => self.container_name(),
            Text::PodId => self.pod_id(),
            Text::PodName => self.pod_name(),
            Text::PodNamespace => self.pod_namespace(),
        }
    }
}
