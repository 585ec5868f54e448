//! `bind.mounts`: what CRI-O mounted into a container from the host.

#![forbid(unsafe_code)]

use super::document::{DocumentContent, document};
use super::json::{Document, Reader, Refusal, Value};

/// `bind.mounts`: the bind mounts of a CRI-O container, so that a restore can make sources that are missing.
///
/// The paths come from the archive, and sources are paths on the host: a caller that makes one decides whether it may.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BindMounts {
    /// The mounts, in the file's order.
    pub mounts: Vec<BindMount>,
    document: Document,
}

/// One of the [`BindMounts`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BindMount {
    /// What was mounted, a path on the host (`source`).
    pub source: String,
    /// Where it was mounted, as the container sees it (`destination`).
    pub destination: String,
    /// `directory` or `file` (`file_type`).
    pub file_type: String,
    /// The source's permission bits (`permissions`).
    pub permissions: u32,
}

document!(BindMounts, "bind.mounts");

impl DocumentContent for BindMounts {
    fn fill(&mut self, root: Value<'_>, reader: &mut Reader<'_>) -> Result<(), Refusal> {
        reader.list("bind mounts", &mut self.mounts, root, read_mount)
    }
}

fn read_mount(
    reader: &mut Reader<'_>,
    mount: &mut BindMount,
    value: Value<'_>,
) -> Result<(), Refusal> {
    let keys = ["source", "destination", "file_type", "permissions"];
    reader.fields("bind mount", value, &keys, |reader, key, value| match key {
        "source" => reader.text(key, &mut mount.source, value),
        "destination" => reader.text(key, &mut mount.destination, value),
        "file_type" => reader.text(key, &mut mount.file_type, value),
        _ => reader.plain(key, &mut mount.permissions, value),
    })
}
