//! What a checkpoint says of its container, typed.
//!
//! All documents are read in one way ([`json`]), and each keeps the bytes that it was read from. What stands in them comes
//! from the archive: nothing but its form is checked, and none of it is a path, a name or a command to be used unseen.

#![forbid(unsafe_code)]

mod bind_mounts;
mod build;
mod config;
mod document;
mod engine;
mod json;
mod network_status;
mod output;
mod pod_options;
mod refusal;
mod spec;
mod status;
#[cfg(test)]
mod tests;
mod text;
mod time;

pub use bind_mounts::{BindMount, BindMounts};
pub use config::ContainerConfig;
pub use document::Unknown;
pub use network_status::{Network, NetworkInterface, NetworkStatus, Subnet};
pub use pod_options::PodOptions;
pub(super) use spec::parse_mounts;
pub use spec::{Mount, Spec};
pub use status::ContainerdStatus;
pub use text::Text;
pub(super) use time::is_rfc3339;

use std::fmt;

use super::{DocumentKind, Engine};
use crate::error::{Context as _, Result};
use build::Draft;
use document::{DocumentContent, check_size, read};
use engine::Names;
use json::{Unreadable, same_key};
use refusal::Refusal;

/// The documents of one checkpoint, and what they tell together.
///
/// Texts are nothing where no document has them, or has an empty one.
#[derive(Clone, Default)]
pub struct Metadata {
    // Behind pointers: optimized code may look at fields of what isn't there before it asks whether it is, which is
    // harmless, but an error to valgrind, under which programs are tested that use the library.
    config: Option<Box<ContainerConfig>>,
    podmans: Podmans,
    spec: Option<Box<Spec>>,
    network_status: Optional<NetworkStatus>,
    bind_mounts: Optional<BindMounts>,
    pod_options: Optional<PodOptions>,
    status: Optional<ContainerdStatus>,
    pod_dump: Option<Vec<u8>>,
    status_dump: Option<Vec<u8>>,
    names: Names,
    draft: Draft,
}

/// A document that a checkpoint may be without, or have malformed, and still be of use.
#[derive(Clone, Default)]
enum Optional<T> {
    #[default]
    Absent,
    Read(T),
    Malformed(Unreadable),
}

/// What podman's config.dump has besides what all engines write.
#[derive(Clone, Default)]
struct Podmans {
    /// Whether it has keys that podman alone writes.
    is_podmans: bool,
    pod: Option<String>,
    image_id: Option<String>,
}

impl Metadata {
    /// Takes in a document, instead of an earlier one of its kind.
    ///
    /// # Errors
    ///
    /// EBADMSG for a config.dump or spec.dump that is malformed, E2BIG for any document above 16 MiB, and then
    /// nothing is taken in. Another document that is malformed is taken in, and its accessor tells.
    pub fn insert(&mut self, kind: DocumentKind, bytes: Vec<u8>) -> Result<()> {
        check_size(&bytes)?;
        match kind {
            DocumentKind::Config => {
                let config = read(bytes).map_err(|unreadable| unreadable.why)?;
                self.podmans = Podmans::of(&config);
                self.config = Some(Box::new(config));
            }
            DocumentKind::Spec => {
                let spec = read(bytes).map_err(|unreadable| unreadable.why)?;
                self.spec = Some(Box::new(spec));
            }
            DocumentKind::NetworkStatus => self.network_status = Optional::of(bytes),
            DocumentKind::BindMounts => self.bind_mounts = Optional::of(bytes),
            DocumentKind::PodOptions => self.pod_options = Optional::of(bytes),
            DocumentKind::PodDump => self.pod_dump = Some(bytes),
            DocumentKind::Status => self.status = Optional::of(bytes),
            DocumentKind::StatusDump => self.status_dump = Some(bytes),
        }
        self.saw(kind.name().as_bytes());
        Ok(())
    }

    /// Takes the name of a member into account, which may tell the engine.
    pub(crate) fn saw(&mut self, member_path: &[u8]) {
        self.names.saw(member_path);
    }

    /// `config.dump`, if the checkpoint has one.
    #[must_use]
    pub fn config(&self) -> Option<&ContainerConfig> {
        self.config.as_deref()
    }

    /// `spec.dump`, if the checkpoint has one.
    #[must_use]
    pub fn spec(&self) -> Option<&Spec> {
        self.spec.as_deref()
    }

    /// `network.status`, if the checkpoint has one.
    ///
    /// # Errors
    ///
    /// EBADMSG if it is malformed, E2BIG if it has too many entries; [`document`](Metadata::document) has its bytes all
    /// the same. So with the accessors that follow.
    pub fn network_status(&self) -> Result<Option<&NetworkStatus>> {
        self.network_status.get(DocumentKind::NetworkStatus)
    }

    /// `bind.mounts`, if the checkpoint has one.
    ///
    /// # Errors
    ///
    /// Those of [`network_status`](Metadata::network_status).
    pub fn bind_mounts(&self) -> Result<Option<&BindMounts>> {
        self.bind_mounts.get(DocumentKind::BindMounts)
    }

    /// `pod.options`, if the checkpoint has one.
    ///
    /// # Errors
    ///
    /// Those of [`network_status`](Metadata::network_status).
    pub fn pod_options(&self) -> Result<Option<&PodOptions>> {
        self.pod_options.get(DocumentKind::PodOptions)
    }

    /// `status`, if the checkpoint has one.
    ///
    /// # Errors
    ///
    /// Those of [`network_status`](Metadata::network_status).
    pub fn status(&self) -> Result<Option<&ContainerdStatus>> {
        self.status.get(DocumentKind::Status)
    }

    /// The bytes of a document as they came, if the checkpoint has it.
    #[must_use]
    pub fn document(&self, kind: DocumentKind) -> Option<&[u8]> {
        match kind {
            DocumentKind::Config => self.config().map(ContainerConfig::original),
            DocumentKind::Spec => self.spec().map(Spec::original),
            DocumentKind::NetworkStatus => self.network_status.bytes(NetworkStatus::original),
            DocumentKind::BindMounts => self.bind_mounts.bytes(BindMounts::original),
            DocumentKind::PodOptions => self.pod_options.bytes(PodOptions::original),
            DocumentKind::PodDump => self.pod_dump.as_deref(),
            DocumentKind::Status => self.status.bytes(ContainerdStatus::original),
            DocumentKind::StatusDump => self.status_dump.as_deref(),
        }
    }

    /// The engine that made the checkpoint, as far as what was read of it tells: a hint, see [`Engine`]. It may change
    /// from unknown to known when more is read.
    #[must_use]
    pub fn engine(&self) -> Engine {
        if self.podmans.is_podmans {
            return Engine::Podman;
        }
        match self.spec().map(Engine::of_spec) {
            None | Some(Engine::Unknown) => self.names.engine(),
            Some(engine) => engine,
        }
    }

    /// Whether config.dump has the keys that podman's own has, without which podman restores nothing.
    pub(crate) fn has_podmans_config(&self) -> bool {
        self.podmans.is_podmans
    }

    /// The container's ID.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.config_text(|config| &config.id)
    }

    /// The container's name as its engine has it; for one of a pod that is a long one, with the pod's name in it.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.config_text(|config| &config.name)
    }

    /// The OCI runtime that made the checkpoint, a name or a path, possibly an empty one. Nothing if there is no
    /// config.dump, or none of its keys says it.
    #[must_use]
    pub fn runtime(&self) -> Option<&str> {
        let config = self.config().filter(|config| config.has_runtime())?;
        Some(&config.runtime)
    }

    /// The OCI runtime's name, if it is fit to be looked up among runtimes that are known: it has no slash, no control
    /// character, and no dash at its beginning. Even so the archive chose it.
    ///
    /// # Errors
    ///
    /// ENODATA if the checkpoint names no runtime or an empty one; EPERM if the name is a path, an option or has a
    /// control character.
    pub fn validated_runtime_name(&self) -> Result<&str> {
        let name = self.runtime().unwrap_or_default();
        let refusal = match name {
            "" => Refusal::NoRuntime,
            "." | ".." => Refusal::RuntimePath,
            _ if name.contains('/') => Refusal::RuntimePath,
            _ if name.starts_with('-') => Refusal::RuntimeOption,
            _ if name.contains(char::is_control) => Refusal::RuntimeControl,
            _ => return Ok(name),
        };
        Err(refusal.into())
    }

    /// The image that the root file system comes from, by the name that a person knows.
    #[must_use]
    pub fn image_name(&self) -> Option<&str> {
        self.config_text(|config| &config.rootfs_image_name)
            .or_else(|| self.config_text(|config| &config.rootfs_image))
    }

    /// The same image, by what can't come to mean another one: an ID, or a name with a digest.
    #[must_use]
    pub fn image_ref(&self) -> Option<&str> {
        self.config_text(|config| &config.rootfs_image_ref)
            .or(self.podmans.image_id.as_deref())
    }

    /// When the container was created, as RFC 3339.
    #[must_use]
    pub fn created_time(&self) -> Option<&str> {
        self.time(|config| &config.created_time)
    }

    /// When the container was checkpointed, as RFC 3339. podman doesn't say.
    #[must_use]
    pub fn checkpointed_time(&self) -> Option<&str> {
        self.time(|config| &config.checkpointed_time)
    }

    /// When the container was last restored, as RFC 3339.
    #[must_use]
    pub fn restored_time(&self) -> Option<&str> {
        self.time(|config| &config.restored_time)
    }

    /// The name that the container has within its pod.
    #[must_use]
    pub fn container_name(&self) -> Option<&str> {
        self.annotation(
            "io.kubernetes.container.name",
            "io.kubernetes.cri.container-name",
        )
    }

    /// The ID of the container's pod.
    #[must_use]
    pub fn pod_id(&self) -> Option<&str> {
        self.podmans.pod.as_deref().or_else(|| {
            self.annotation(
                "io.kubernetes.cri-o.SandboxID",
                "io.kubernetes.cri.sandbox-id",
            )
        })
    }

    /// The name of the container's pod. podman doesn't say.
    #[must_use]
    pub fn pod_name(&self) -> Option<&str> {
        self.annotation("io.kubernetes.pod.name", "io.kubernetes.cri.sandbox-name")
    }

    /// The namespace of the container's pod.
    #[must_use]
    pub fn pod_namespace(&self) -> Option<&str> {
        self.annotation(
            "io.kubernetes.pod.namespace",
            "io.kubernetes.cri.sandbox-namespace",
        )
    }

    fn config_text(&self, text: impl FnOnce(&ContainerConfig) -> &String) -> Option<&str> {
        let text = text(self.config()?);
        (!text.is_empty()).then_some(text.as_str())
    }

    fn time(&self, text: impl FnOnce(&ContainerConfig) -> &String) -> Option<&str> {
        self.config_text(text).filter(|text| !time::is_zero(text))
    }

    /// An annotation of CRI-O's or containerd's, by their names for it. Of podman none counts: they would be its user's.
    fn annotation(&self, crios: &str, containerds: &str) -> Option<&str> {
        let spec = self.spec()?;
        match self.engine() {
            Engine::Podman => None,
            Engine::Crio => spec.annotation(crios),
            Engine::Containerd => spec.annotation(containerds),
            Engine::Unknown => spec.annotation(crios).or(spec.annotation(containerds)),
        }
    }
}

impl fmt::Debug for Metadata {
    /// The names of the documents alone: their content may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let has = |kind: &DocumentKind| self.document(*kind).is_some();
        let documents = DocumentKind::ALL.into_iter().filter(has);
        f.debug_list()
            .entries(documents.map(DocumentKind::name))
            .finish()
    }
}

impl<T: DocumentContent> Optional<T> {
    fn of(bytes: Vec<u8>) -> Self {
        match read(bytes) {
            Ok(content) => Optional::Read(content),
            Err(unreadable) => Optional::Malformed(unreadable),
        }
    }

    fn get(&self, kind: DocumentKind) -> Result<Option<&T>> {
        match self {
            Optional::Absent => Ok(None),
            Optional::Read(content) => Ok(Some(content)),
            Optional::Malformed(unreadable) => {
                Err(&unreadable.why).at_entry(kind.name().as_bytes())
            }
        }
    }

    fn bytes(&self, original: impl FnOnce(&T) -> &[u8]) -> Option<&[u8]> {
        match self {
            Optional::Absent => None,
            Optional::Read(content) => Some(original(content)),
            Optional::Malformed(unreadable) => Some(&unreadable.bytes),
        }
    }
}

impl Podmans {
    /// What of podman's own is in a config.dump. Of what isn't as podman writes it, nothing is taken: to all others these
    /// keys are unknown ones.
    fn of(config: &ContainerConfig) -> Self {
        let mut podmans = Podmans::default();
        for (key, raw) in config.unknown() {
            let is = |name| same_key(&key, name);
            let target = if is("pod") {
                &mut podmans.pod
            } else if is("rootfsImageID") {
                &mut podmans.image_id
            } else {
                podmans.is_podmans |= is("lockID") || is("staticDir");
                continue;
            };
            if let Ok(text) = serde_json::from_str::<String>(raw) {
                *target = Some(text).filter(|text| !text.is_empty());
            }
        }
        podmans
    }
}
