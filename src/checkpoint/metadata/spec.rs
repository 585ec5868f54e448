//! `spec.dump`: the container's OCI runtime specification.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use super::document::{DocumentContent, check_size, document};
use super::json::{Document, Reader, Refusal, Value};
use crate::checkpoint::names::SPEC_DUMP;
use crate::error::Result;

const KEYS: &[&str] = &["annotations", "hostname", "mounts", "process", "root"];

/// The part of `spec.dump`, an OCI runtime specification, that tells who made the container and what runs in it.
///
/// What the file lacks is empty. Only the keys that fields are named after count as known; `process` and `root` are, with
/// whatever they hold besides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Spec {
    /// The container's annotations (`annotations`). Some are the engine's, some may be the container's user's.
    pub annotations: BTreeMap<String, String>,
    /// The container's host name (`hostname`).
    pub hostname: String,
    /// The root file system, a path on the host or in the bundle (`root.path`).
    pub root_path: String,
    /// The command line of the container's first process (`process.args`).
    pub args: Vec<String>,
    /// What is mounted in the container, in order (`mounts`).
    pub mounts: Vec<Mount>,
    document: Document,
}

/// One mount of a [`Spec`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mount {
    /// Where it is mounted, as the container sees it (`destination`).
    pub destination: String,
    /// The file system's type (`type`).
    pub fs_type: String,
    /// What is mounted: a path on the host, or a name (`source`).
    pub source: String,
    /// The options (`options`).
    pub options: Vec<String>,
}

impl Mount {
    /// Whether this is a bind mount: one of the type `bind`, or with the option `bind` or `rbind`.
    #[must_use]
    pub fn is_bind(&self) -> bool {
        let binds = |option: &String| matches!(option.as_str(), "bind" | "rbind");
        self.fs_type == "bind" || self.options.iter().any(binds)
    }
}

document!(Spec, "spec.dump", KEYS);

impl Spec {
    /// The annotation `key`, if it is there and not empty: engines write empty ones for what they don't know.
    pub(super) fn annotation(&self, key: &str) -> Option<&str> {
        let value = self.annotations.get(key)?;
        Some(value.as_str()).filter(|value| !value.is_empty())
    }
}

impl DocumentContent for Spec {
    fn fill(&mut self, root: Value<'_>, reader: &mut Reader<'_>) -> Result<(), Refusal> {
        reader.fields(SPEC_DUMP, root, KEYS, |reader, key, value| match key {
            "annotations" => reader.map(key, &mut self.annotations, value),
            "hostname" => reader.text(key, &mut self.hostname, value),
            "mounts" => reader.list(key, &mut self.mounts, value, read_mount),
            // The readers of engines hold these two by pointer, which `null` resets.
            "process" => {
                if value.is_null() {
                    self.args.clear();
                }
                reader.fields(key, value, &["args"], |reader, _, value| {
                    reader.texts("process.args", &mut self.args, value)
                })
            }
            _ => {
                if value.is_null() {
                    self.root_path.clear();
                }
                reader.fields(key, value, &["path"], |reader, _, value| {
                    reader.text("root.path", &mut self.root_path, value)
                })
            }
        })
    }
}

/// The mounts of a specification, whatever the rest of it is, as long as it is JSON.
pub(crate) fn parse_mounts(json: &[u8]) -> Result<Vec<Mount>> {
    check_size(json)?;
    let document = Document::new(json.to_vec()).map_err(|unreadable| unreadable.why)?;
    let mut mounts = Vec::new();
    let mut reader = document.reader();
    reader.fields(
        "spec",
        document.root(),
        &["mounts"],
        |reader, key, value| reader.list(key, &mut mounts, value, read_mount),
    )?;
    Ok(mounts)
}

fn read_mount(reader: &mut Reader<'_>, mount: &mut Mount, value: Value<'_>) -> Result<(), Refusal> {
    let keys = ["destination", "type", "source", "options"];
    reader.fields("mounts", value, &keys, |reader, key, value| match key {
        "destination" => reader.text("mounts.destination", &mut mount.destination, value),
        "type" => reader.text("mounts.type", &mut mount.fs_type, value),
        "source" => reader.text("mounts.source", &mut mount.source, value),
        _ => reader.texts("mounts.options", &mut mount.options, value),
    })
}
