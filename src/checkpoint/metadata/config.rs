//! `config.dump`: what an engine wrote about the container when it checkpointed it.

#![forbid(unsafe_code)]

use std::borrow::Cow;

use super::document::{DocumentContent, document};
use super::json::{Document, Reader, Refusal, Value, same_key};
use super::time;
use crate::checkpoint::names::CONFIG_DUMP;

/// The time of an event that didn't happen, as engines write it.
pub(super) const NO_TIME: &str = "0001-01-01T00:00:00Z";

const KEYS: &[&str] = &[
    "id",
    "name",
    "rootfsImage",
    "rootfsImageRef",
    "rootfsImageName",
    "runtime",
    "createdTime",
    "checkpointedTime",
    "restoredTime",
    "restored",
];

/// The part of `config.dump` that all engines write.
///
/// A text that the file lacks is empty here: engines leave out empty ones. The times are RFC 3339 with up to
/// nanoseconds, as they stand in the file; one that the file lacks is `0001-01-01T00:00:00Z`, which is also what
/// engines write for an event that didn't happen. The texts come from the archive: nothing but their form is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ContainerConfig {
    /// The container's ID (`id`).
    pub id: String,
    /// The container's name (`name`).
    pub name: String,
    /// The image that the root file system comes from (`rootfsImage`).
    pub rootfs_image: String,
    /// The ID of that image (`rootfsImageRef`).
    pub rootfs_image_ref: String,
    /// The name under which that image was asked for (`rootfsImageName`).
    pub rootfs_image_name: String,
    /// The OCI runtime that made the checkpoint, a name or a path (`runtime`).
    pub runtime: String,
    /// When the container was created (`createdTime`).
    pub created_time: String,
    /// When the container was checkpointed (`checkpointedTime`).
    pub checkpointed_time: String,
    /// When the container was last restored (`restoredTime`).
    pub restored_time: String,
    /// Whether the container had been restored from an earlier checkpoint (`restored`).
    pub restored: bool,
    has_runtime: bool,
    document: Document,
}

document!(ContainerConfig, "config.dump", KEYS);

impl ContainerConfig {
    /// Whether the file has the key `runtime` with another value than `null`: an empty runtime and none are told apart.
    #[must_use]
    pub fn has_runtime(&self) -> bool {
        self.has_runtime
    }

    /// The volumes by name that podman's file says were mounted into the container (`namedVolumes`), as far as they are
    /// written as podman does.
    pub(crate) fn named_volumes(&self) -> impl Iterator<Item = Cow<'_, str>> {
        let lists = of_key(self.document.root(), "namedVolumes");
        let volumes = lists.flat_map(Value::elements);
        volumes.filter_map(|volume| of_key(volume, "volumeName").last()?.string())
    }
}

/// The values of an object that have this key.
fn of_key<'t>(object: Value<'t>, name: &'static str) -> impl Iterator<Item = Value<'t>> {
    let members = object.members();
    members.filter_map(move |(key, value)| same_key(&key.string()?, name).then_some(value))
}

impl Default for ContainerConfig {
    fn default() -> Self {
        ContainerConfig {
            id: String::new(),
            name: String::new(),
            rootfs_image: String::new(),
            rootfs_image_ref: String::new(),
            rootfs_image_name: String::new(),
            runtime: String::new(),
            created_time: NO_TIME.to_owned(),
            checkpointed_time: NO_TIME.to_owned(),
            restored_time: NO_TIME.to_owned(),
            restored: false,
            has_runtime: false,
            document: Document::default(),
        }
    }
}

impl DocumentContent for ContainerConfig {
    fn fill(&mut self, root: Value<'_>, reader: &mut Reader<'_>) -> Result<(), Refusal> {
        reader.fields(CONFIG_DUMP, root, KEYS, |reader, key, value| match key {
            "id" => reader.text(key, &mut self.id, value),
            "name" => reader.text(key, &mut self.name, value),
            "rootfsImage" => reader.text(key, &mut self.rootfs_image, value),
            "rootfsImageRef" => reader.text(key, &mut self.rootfs_image_ref, value),
            "rootfsImageName" => reader.text(key, &mut self.rootfs_image_name, value),
            "runtime" => {
                self.has_runtime |= !value.is_null();
                reader.text(key, &mut self.runtime, value)
            }
            "createdTime" => reader.text_if(key, &mut self.created_time, value, time::is_rfc3339),
            "checkpointedTime" => {
                reader.text_if(key, &mut self.checkpointed_time, value, time::is_rfc3339)
            }
            "restoredTime" => reader.text_if(key, &mut self.restored_time, value, time::is_rfc3339),
            _ => reader.plain(key, &mut self.restored, value),
        })
    }
}
