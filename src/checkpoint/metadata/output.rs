//! The metadata of a checkpoint as one JSON text.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use super::document::Kept as _;
use super::json::{Document, Value, Writer, to_utf8};
use super::{
    BindMount, ContainerdStatus, DocumentKind, Metadata, NetworkInterface, PodOptions, Subnet,
};
use crate::error::Result;

impl Metadata {
    /// All of it as one JSON object, indented by two spaces, for people and programs that don't link this library.
    ///
    /// These keys are always there, in this order; what the checkpoint doesn't say is `null`:
    ///
    /// | key | what |
    /// | --- | --- |
    /// | `engine` | the name of the [engine](super::Engine::name) |
    /// | `id`, `name`, `container_name`, `runtime` | strings, as the accessors of these names give them |
    /// | `image` | `name` and `ref` |
    /// | `times` | `created`, `checkpointed`, `restored`: RFC 3339 |
    /// | `pod` | `id`, `name`, `namespace` |
    /// | `annotations` | those of spec.dump: an object of strings |
    /// | `networks` | of network.status: network -> `interfaces` -> name -> `subnets` (`ipnet`, `gateway`), `mac_address` |
    /// | `bind_mounts` | an array of `source`, `destination`, `file_type`, `permissions` |
    /// | `pod_options` | `version`, `containers`, `annotations` |
    /// | `status` | `created_at`, `started_at`, `finished_at` (nanoseconds), `exit_code`, `pid`, `reason`, `message` |
    /// | `config`, `spec`, `pod_dump`, `status_dump` | the whole documents, with all keys, in the order they came in |
    /// | `errors` | the documents that are malformed: member -> message |
    ///
    /// A `pod_dump` or `status_dump` that isn't JSON is a string. Bytes that are not UTF-8 are U+FFFD. Characters that a
    /// terminal would obey are escaped. A document that would become more than four times as long by its indentation
    /// stands on one line. The container's environment is in `spec`, with whatever secrets it holds.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut writer = Writer::default();
        writer.object(|writer| {
            writer.key("engine").text(self.engine().name());
            writer.key("id").text_or_null(self.id());
            writer.key("name").text_or_null(self.name());
            let container_name = self.container_name();
            writer.key("container_name").text_or_null(container_name);
            writer.key("runtime").text_or_null(self.runtime());
            self.write_parts(writer);
            self.write_optional(writer);
            self.write_documents(writer);
            writer.key("errors").object(|writer| {
                note(writer, DocumentKind::NetworkStatus, self.network_status());
                note(writer, DocumentKind::BindMounts, self.bind_mounts());
                note(writer, DocumentKind::PodOptions, self.pod_options());
                note(writer, DocumentKind::Status, self.status());
            });
        });
        writer.finish()
    }

    fn write_parts(&self, writer: &mut Writer) {
        writer.key("image").object(|writer| {
            writer.key("name").text_or_null(self.image_name());
            writer.key("ref").text_or_null(self.image_ref());
        });
        writer.key("times").object(|writer| {
            writer.key("created").text_or_null(self.created_time());
            let checkpointed = self.checkpointed_time();
            writer.key("checkpointed").text_or_null(checkpointed);
            writer.key("restored").text_or_null(self.restored_time());
        });
        writer.key("pod").object(|writer| {
            writer.key("id").text_or_null(self.pod_id());
            writer.key("name").text_or_null(self.pod_name());
            writer.key("namespace").text_or_null(self.pod_namespace());
        });
        writer.key("annotations");
        match self.spec() {
            Some(spec) => write_map(writer, &spec.annotations),
            None => writer.null(),
        }
    }

    fn write_optional(&self, writer: &mut Writer) {
        write(
            writer.key("networks"),
            self.network_status(),
            |writer, status| {
                writer.object(|writer| {
                    for (name, network) in &status.networks {
                        writer.key(name).object(|writer| {
                            write_interfaces(writer.key("interfaces"), &network.interfaces);
                        });
                    }
                });
            },
        );
        write(
            writer.key("bind_mounts"),
            self.bind_mounts(),
            |writer, bind| {
                writer.list(&bind.mounts, write_bind_mount);
            },
        );
        write(
            writer.key("pod_options"),
            self.pod_options(),
            write_pod_options,
        );
        write(writer.key("status"), self.status(), write_status);
    }

    fn write_documents(&self, writer: &mut Writer) {
        let config = self.config().map(|config| config.kept().root());
        write_copy(writer.key("config"), config);
        let spec = self.spec().map(|spec| spec.kept().root());
        write_copy(writer.key("spec"), spec);
        write_dump(writer.key("pod_dump"), self.pod_dump.as_deref());
        write_dump(writer.key("status_dump"), self.status_dump.as_deref());
    }
}

fn write_copy(writer: &mut Writer, value: Option<Value<'_>>) {
    match value {
        Some(value) => writer.copy(value),
        None => writer.null(),
    }
}

/// Writes a document of which only its bytes are known.
fn write_dump(writer: &mut Writer, bytes: Option<&[u8]>) {
    match bytes.map(|bytes| Document::new(bytes.to_vec())) {
        Some(Ok(document)) => writer.copy(document.root()),
        Some(Err(unreadable)) => writer.text(&to_utf8(&unreadable.bytes)),
        None => writer.null(),
    }
}

/// Writes a document that may be absent or malformed.
fn write<T>(writer: &mut Writer, document: Result<Option<T>>, write: impl FnOnce(&mut Writer, T)) {
    match document {
        Ok(Some(document)) => write(writer, document),
        Ok(None) | Err(_) => writer.null(),
    }
}

/// Notes why a document is malformed, if it is.
fn note<T>(writer: &mut Writer, kind: DocumentKind, document: Result<Option<T>>) {
    if let Err(error) = document {
        writer.key(kind.name()).text(&error.to_string());
    }
}

fn write_map(writer: &mut Writer, map: &BTreeMap<String, String>) {
    writer.object(|writer| {
        for (key, value) in map {
            writer.key(key).text(value);
        }
    });
}

fn write_interfaces(writer: &mut Writer, interfaces: &BTreeMap<String, NetworkInterface>) {
    writer.object(|writer| {
        for (name, interface) in interfaces {
            writer.key(name).object(|writer| {
                writer.key("subnets").list(&interface.subnets, write_subnet);
                writer.key("mac_address").text(&interface.mac_address);
            });
        }
    });
}

fn write_subnet(writer: &mut Writer, subnet: &Subnet) {
    writer.object(|writer| {
        writer.key("ipnet").text(&subnet.ipnet);
        writer.key("gateway").text(&subnet.gateway);
    });
}

fn write_bind_mount(writer: &mut Writer, mount: &BindMount) {
    writer.object(|writer| {
        writer.key("source").text(&mount.source);
        writer.key("destination").text(&mount.destination);
        writer.key("file_type").text(&mount.file_type);
        writer.key("permissions").plain(mount.permissions);
    });
}

fn write_pod_options(writer: &mut Writer, options: &PodOptions) {
    writer.object(|writer| {
        writer.key("version").plain(options.version);
        write_map(writer.key("containers"), &options.containers);
        write_map(writer.key("annotations"), &options.annotations);
    });
}

fn write_status(writer: &mut Writer, status: &ContainerdStatus) {
    writer.object(|writer| {
        writer.key("created_at").plain(status.created_at);
        writer.key("started_at").plain(status.started_at);
        writer.key("finished_at").plain(status.finished_at);
        writer.key("exit_code").plain(status.exit_code);
        writer.key("pid").plain(status.pid);
        writer.key("reason").text(&status.reason);
        writer.key("message").text(&status.message);
    });
}
