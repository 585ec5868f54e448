//! `pod.options`: what a checkpoint of a whole pod says of its containers.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use super::document::{DocumentContent, document};
use super::json::{Document, Reader, Refusal, Value};
use crate::checkpoint::names::POD_OPTIONS;

const KEYS: &[&str] = &["version", "containers", "annotations"];

/// `pod.options`: the containers of a checkpointed pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PodOptions {
    /// The version of the file's form (`version`).
    pub version: i64,
    /// The full names of the containers, by their short names (`containers`).
    pub containers: BTreeMap<String, String>,
    /// What is said of the checkpoint, such as the engine's name (`annotations`).
    pub annotations: BTreeMap<String, String>,
    document: Document,
}

document!(PodOptions, "pod.options", KEYS);

impl DocumentContent for PodOptions {
    fn fill(&mut self, root: Value<'_>, reader: &mut Reader<'_>) -> Result<(), Refusal> {
        reader.fields(POD_OPTIONS, root, KEYS, |reader, key, value| match key {
            "version" => reader.plain(key, &mut self.version, value),
            "containers" => reader.map(key, &mut self.containers, value),
            _ => reader.map(key, &mut self.annotations, value),
        })
    }
}
