//! The documents of an image: descriptor, index, manifest and config, as JSON.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::platform::Platform;
use super::{MAX_DOCUMENT, MAX_LAYERS, Refusal};
use crate::archive::Sha256Digest;
use crate::error::quote;

/// The media types of images.
pub(crate) mod media {
    pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
    pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    pub(crate) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
    pub(crate) const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
    pub(crate) const LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
    pub(crate) const LAYER_ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
    /// Docker's forms of the same.
    pub(crate) const DOCKER_INDEX: &str =
        "application/vnd.docker.distribution.manifest.list.v2+json";
    pub(crate) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
    pub(crate) const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
    /// What containerd's `ctr checkpoint` puts into an index.
    pub(crate) const CTR: &str = "application/vnd.containerd.container.";
    pub(crate) const CTR_CRIU: &str =
        "application/vnd.containerd.container.criu.checkpoint.criu.tar";
    pub(crate) const CTR_SPEC: &str =
        "application/vnd.containerd.container.checkpoint.config.v1+proto";
}

/// Annotations, or none.
pub(crate) type Annotations = BTreeMap<String, String>;

/// A blob as a document names it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) annotations: Option<Annotations>,
    pub(crate) digest: String,
    #[serde(default)]
    pub(crate) media_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) platform: Option<Platform>,
    pub(crate) size: u64,
}

impl Descriptor {
    /// One of a blob that was written.
    pub(crate) fn new(media_type: &str, digest: Sha256Digest, size: u64) -> Self {
        Self {
            digest: format!("sha256:{digest}"),
            media_type: media_type.to_owned(),
            size,
            ..Self::default()
        }
    }

    /// The digest, if it is one that can be a file's name.
    pub(crate) fn sha256(&self) -> Result<Sha256Digest, Refusal> {
        let Some(digits) = self.digest.strip_prefix("sha256:") else {
            return Err(self.other_algorithm());
        };
        let is_lower = !digits.bytes().any(|byte| byte.is_ascii_uppercase());
        let parsed = digits.parse().ok().filter(|_| is_lower);
        parsed.ok_or_else(|| Refusal::Digest(quote(self.digest.as_bytes())))
    }

    fn other_algorithm(&self) -> Refusal {
        let shown = quote(self.digest.as_bytes());
        let is_known = self.digest.strip_prefix("sha512:").is_some_and(|digits| {
            digits.len() == 128 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
        });
        if is_known {
            Refusal::Algorithm(shown)
        } else {
            Refusal::Digest(shown)
        }
    }

    /// An annotation, if it is there.
    pub(crate) fn annotation(&self, key: &str) -> Option<&str> {
        self.annotations.as_ref()?.get(key).map(String::as_str)
    }

    /// Whether it names an index.
    pub(crate) fn is_index(&self) -> bool {
        matches!(self.media_type.as_str(), media::INDEX | media::DOCKER_INDEX)
    }

    /// Whether it names a manifest. One without a media type does: old writers leave it out.
    pub(crate) fn is_manifest(&self) -> bool {
        matches!(
            self.media_type.as_str(),
            media::MANIFEST | media::DOCKER_MANIFEST | ""
        )
    }
}

/// `index.json`, and an index that it names.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Index {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) annotations: Option<Annotations>,
    #[serde(default)]
    pub(crate) manifests: Option<Vec<Descriptor>>,
    #[serde(default)]
    pub(crate) media_type: String,
    #[serde(default)]
    pub(crate) schema_version: u64,
}

/// An image's manifest.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manifest {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) annotations: Option<Annotations>,
    pub(crate) config: Descriptor,
    #[serde(default)]
    pub(crate) layers: Option<Vec<Descriptor>>,
    #[serde(default)]
    pub(crate) media_type: String,
    #[serde(default)]
    pub(crate) schema_version: u64,
}

/// An image's config.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Config {
    #[serde(default)]
    pub(crate) architecture: String,
    #[serde(default)]
    config: serde_json::Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) created: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    history: Vec<History>,
    #[serde(default)]
    pub(crate) os: String,
    #[serde(default)]
    rootfs: RootFs,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) variant: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct History {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    comment: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    created: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    created_by: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct RootFs {
    #[serde(default)]
    diff_ids: Option<Vec<String>>,
    #[serde(default, rename = "type")]
    kind: String,
}

impl Config {
    /// The config of an image of one layer.
    pub(crate) fn new(platform: &Platform, created: Option<String>, diff_id: Sha256Digest) -> Self {
        Self {
            architecture: platform.architecture.clone(),
            config: serde_json::Value::Object(serde_json::Map::new()),
            history: vec![History {
                comment: Some("checkpoint".to_owned()),
                created: created.clone(),
                created_by: Some("crutils".to_owned()),
            }],
            created,
            os: platform.os.clone(),
            rootfs: RootFs {
                diff_ids: Some(vec![format!("sha256:{diff_id}")]),
                kind: "layers".to_owned(),
            },
            variant: platform.variant.clone(),
        }
    }

    /// The digests of the layers' contents.
    pub(crate) fn diff_ids(&self) -> Result<Vec<Sha256Digest>, Refusal> {
        let ids = self.rootfs.diff_ids.iter().flatten();
        ids.map(|id| {
            let descriptor = Descriptor {
                digest: id.clone(),
                ..Descriptor::default()
            };
            descriptor.sha256()
        })
        .collect()
    }
}

impl Manifest {
    /// The manifest of an image of one layer.
    pub(crate) fn new(config: Descriptor, layer: Descriptor, annotations: Annotations) -> Self {
        Self {
            annotations: Some(annotations),
            config,
            layers: Some(vec![layer]),
            media_type: media::MANIFEST.to_owned(),
            schema_version: 2,
        }
    }

    /// The layers, from the lowest on.
    pub(crate) fn layers(&self) -> Result<&[Descriptor], Refusal> {
        let layers = self.layers.as_deref().unwrap_or_default();
        if layers.len() > MAX_LAYERS {
            return Err(Refusal::Layers(layers.len()));
        }
        Ok(layers)
    }
}

/// Reads a document; `what` is what messages call it.
pub(crate) fn parse<T: DeserializeOwned>(what: &'static str, bytes: &[u8]) -> Result<T, Refusal> {
    if bytes.len() as u64 > MAX_DOCUMENT {
        return Err(Refusal::DocumentSize(what, bytes.len() as u64));
    }
    // A list of values would pass for an object.
    if bytes
        .trim_ascii_start()
        .first()
        .is_some_and(|first| *first != b'{')
    {
        return Err(Refusal::Document(what, "it is no object".to_owned()));
    }
    // Where the error is tells enough; what stands there may be hostile.
    serde_json::from_slice(bytes).map_err(|error| {
        let kind = if error.is_eof() {
            "it is cut short"
        } else if error.is_data() {
            "a value is missing or of another type"
        } else {
            "it is no JSON"
        };
        let place = format!("{kind} (line {}, column {})", error.line(), error.column());
        Refusal::Document(what, place)
    })
}

/// The bytes of a document: keys in a fixed order, no white space.
pub(crate) fn write<T: Serialize>(what: &'static str, document: &T) -> Result<Vec<u8>, Refusal> {
    let bytes =
        serde_json::to_vec(document).map_err(|error| Refusal::Document(what, error.to_string()))?;
    if bytes.len() as u64 > MAX_DOCUMENT {
        return Err(Refusal::DocumentSize(what, bytes.len() as u64));
    }
    Ok(bytes)
}
