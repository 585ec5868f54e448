//! An inspection as one JSON document, which docs/inspect.md describes key by key.

#![forbid(unsafe_code)]

use std::io::{self, Write};

use serde::ser::{Error as _, SerializeStruct as _};
use serde::{Serialize, Serializer};

use super::Inspection;
use crate::checkpoint::{Engine, MemberClass, Metadata};
use crate::error::{Error, Kind, Result};

/// The version of the document. Keys may be added under the same number; one that is removed or means something else gets
/// a new one.
const SCHEMA: u32 = 1;

/// A document's bytes. It is as long as what it tells of, so that there may be no memory for it.
#[derive(Default)]
struct Bytes(Vec<u8>);

impl Write for Bytes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_reserve(bytes.len())?;
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes a JSON document.
pub(super) fn document(value: &impl Serialize) -> Result<String> {
    let mut bytes = Bytes::default();
    let written = serde_json::to_writer(&mut bytes, value);
    written.map_err(|error| match error.io_error_kind() {
        Some(kind) => Error::io("write the document", kind.into()),
        None => Error::new(Kind::Internal, error.to_string()),
    })?;
    String::from_utf8(bytes.0).map_err(|error| Error::new(Kind::Internal, error.to_string()))
}

/// What the engine says of the container.
#[derive(Serialize)]
struct Container<'m> {
    engine: &'static str,
    id: Option<&'m str>,
    name: Option<&'m str>,
    image: Option<&'m str>,
    image_ref: Option<&'m str>,
    runtime: Option<&'m str>,
    created: Option<&'m str>,
    checkpointed: Option<&'m str>,
    restored: Option<&'m str>,
    pod: Option<Pod<'m>>,
}

#[derive(Serialize)]
struct Pod<'m> {
    id: Option<&'m str>,
    name: Option<&'m str>,
    namespace: Option<&'m str>,
    container: Option<&'m str>,
}

/// How many bytes of each class there are.
#[derive(Serialize)]
struct Size {
    class: &'static str,
    members: usize,
    bytes: u64,
}

impl<'m> Container<'m> {
    fn of(metadata: &'m Metadata) -> Self {
        let pod = Pod {
            id: metadata.pod_id(),
            name: metadata.pod_name(),
            namespace: metadata.pod_namespace(),
            container: metadata.container_name(),
        };
        let has_pod = [pod.id, pod.name, pod.namespace]
            .iter()
            .any(Option::is_some);
        Container {
            engine: match metadata.engine() {
                Engine::Podman => "podman",
                Engine::Crio => "cri-o",
                Engine::Containerd => "containerd",
                Engine::Unknown => "unknown",
            },
            id: metadata.id(),
            name: metadata.name(),
            image: metadata.image_name(),
            image_ref: metadata.image_ref(),
            runtime: metadata.runtime(),
            created: metadata.created_time(),
            checkpointed: metadata.checkpointed_time(),
            restored: metadata.restored_time(),
            pod: has_pod.then_some(pod),
        }
    }
}

impl Inspection {
    /// The whole inspection as a JSON document. Its schema is versioned: keys may be added, and none changes its meaning
    /// under the same `schema`. Texts that are not UTF-8 have U+FFFD for what isn't. Environments are in it, which may
    /// hold secrets.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub fn to_json(&self) -> Result<String> {
        document(self)
    }

    fn sizes(&self) -> Vec<Size> {
        let of = |class: MemberClass| {
            let members = self.members().iter().filter(|member| member.class == class);
            let (count, bytes) = members.fold((0, 0_u64), |(count, bytes), member| {
                (count + 1, bytes.saturating_add(member.size))
            });
            Size {
                class: class.label(),
                members: count,
                bytes,
            }
        };
        let sizes = MemberClass::ALL.into_iter().map(of);
        sizes.filter(|size| size.members > 0).collect()
    }
}

impl Serialize for Inspection {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let metadata = self.metadata();
        let metadata = metadata.ok_or_else(|| S::Error::custom("there is no input"))?;
        let mut document = serializer.serialize_struct("Inspection", 18)?;
        document.serialize_field("schema", &SCHEMA)?;
        document.serialize_field("input", &self.input())?;
        document.serialize_field("container", &Container::of(metadata))?;
        document.serialize_field("sizes", &self.sizes())?;
        document.serialize_field("criu", self.criu())?;
        document.serialize_field("host_name", &self.host_name())?;
        document.serialize_field("processes", self.processes())?;
        document.serialize_field("pipes", self.pipes())?;
        document.serialize_field("sockets", self.sockets())?;
        document.serialize_field("ghost_files", self.ghost_files())?;
        document.serialize_field("shared_memory", self.shared_memory())?;
        document.serialize_field("mounts", self.mounts())?;
        document.serialize_field("external_namespaces", self.external_namespaces())?;
        document.serialize_field("network_devices", self.network_devices())?;
        document.serialize_field("standard_descriptors", self.standard_descriptors())?;
        document.serialize_field("dump_statistics", &self.dump_statistics())?;
        document.serialize_field("restore_statistics", &self.restore_statistics())?;
        document.serialize_field("problems", self.problems())?;
        document.end()
    }
}
