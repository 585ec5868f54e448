//! The platform that an image is for.

#![forbid(unsafe_code)]

use std::fmt;

use serde::{Deserialize, Serialize};

/// What an image is for, in Go's words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Platform {
    #[serde(default)]
    pub(crate) architecture: String,
    #[serde(default)]
    pub(crate) os: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) variant: Option<String>,
}

impl Platform {
    /// Linux on `architecture`, which may be followed by a slash and a variant.
    pub(crate) fn linux(architecture: &str) -> Self {
        let (architecture, variant) = match architecture.split_once('/') {
            Some((architecture, variant)) => (architecture, Some(variant.to_owned())),
            None => (architecture, None),
        };
        Self {
            architecture: architecture.to_owned(),
            os: "linux".to_owned(),
            variant,
        }
    }

    /// Whether what is for `other` is what was asked for: a variant counts only if both have one.
    pub(crate) fn fits(&self, other: &Platform) -> bool {
        let variants = self.variant.as_ref().zip(other.variant.as_ref());
        self.architecture == other.architecture
            && self.os == other.os
            && variants.is_none_or(|(one, other)| one == other)
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

/// The machine's architecture in Go's words, with its variant.
pub(crate) fn host_architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        "arm" => "arm/v7",
        "powerpc64" => "ppc64le",
        "loongarch64" => "loong64",
        other => other,
    }
}
