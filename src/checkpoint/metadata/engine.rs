//! Which engine made a checkpoint.

#![forbid(unsafe_code)]

use std::collections::BTreeSet;

use super::Spec;
use crate::checkpoint::Engine;
use crate::checkpoint::names::writer_of;
use crate::fs::RootPath;

impl Engine {
    /// The engine that a specification's annotations tell of.
    pub(super) fn of_spec(spec: &Spec) -> Self {
        match spec.annotation("io.container.manager") {
            Some("libpod") => return Engine::Podman,
            Some("cri-o") => return Engine::Crio,
            _ => {}
        }
        let is_set = |key| spec.annotation(key).is_some();
        let podmans = |(key, value): (&String, &String)| {
            key.starts_with("io.podman.annotations.") && !value.is_empty()
        };
        if spec.annotations.iter().any(podmans) {
            Engine::Podman
        } else if is_set("io.kubernetes.cri-o.Metadata")
            || is_set("io.kubernetes.cri-o.ContainerID")
        {
            Engine::Crio
        } else if is_set("io.kubernetes.cri.sandbox-id") {
            Engine::Containerd
        } else {
            Engine::Unknown
        }
    }
}

/// The engines that the names of members speak for.
#[derive(Clone, Default)]
pub(super) struct Names(BTreeSet<Engine>);

impl Names {
    /// Takes the name of one more member into account.
    pub(super) fn saw(&mut self, path: &[u8]) {
        let path = RootPath::clean(path).ok();
        self.0.extend(path.as_ref().and_then(writer_of));
    }

    /// The one engine that they speak for.
    pub(super) fn engine(&self) -> Engine {
        match self.0.first() {
            Some(engine) if self.0.len() == 1 => *engine,
            _ => Engine::Unknown,
        }
    }
}
