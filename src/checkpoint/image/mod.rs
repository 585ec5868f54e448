//! Checkpoints as OCI images: an image of one layer, which is the archive, and annotations of its manifest by which
//! engines recognise a checkpoint.

#![forbid(unsafe_code)]

mod facts;
mod open;
mod options;

use std::collections::BTreeMap;
use std::ffi::OsString;

pub(super) use facts::Facts;
pub(super) use open::{OpenImage, Unchanged, open, open_store};
pub use options::{ImageForm, ImageOptions};

use super::Sha256Digest;

/// An image of a checkpoint. Its texts come from the image: nothing but their form is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Image {
    /// The digest of its manifest, by which registries know it. Of an image that containerd's `ctr` made, that of its index.
    pub digest: Sha256Digest,
    /// Its name in the layout, if it has one.
    pub name: Option<String>,
    /// The architecture that it is for in Go's words, such as `amd64`; may be empty.
    pub architecture: String,
    /// The variant of the architecture, if it has one.
    pub variant: Option<String>,
    /// The operating system that it is for: `linux`.
    pub os: String,
    /// When the checkpoint was made, as RFC 3339, if that is known.
    pub created: Option<String>,
    /// The digest of its config, which is the image's ID to engines. None for an image that containerd's `ctr` made.
    pub config: Option<Sha256Digest>,
    /// The annotations of its manifest.
    pub annotations: BTreeMap<String, String>,
    /// Its layers, from the lowest on. One that was written has one.
    pub layers: Vec<ImageLayer>,
}

/// A layer of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImageLayer {
    /// Its media type.
    pub media_type: String,
    /// The digest of its bytes, as they are stored.
    pub digest: Sha256Digest,
    /// How many bytes are stored.
    pub size: u64,
    /// The digest of its content. None for an image that containerd's `ctr` made.
    pub diff_id: Option<Sha256Digest>,
}

/// An image that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WrittenImage {
    /// The image.
    pub image: Image,
    /// Whether the layer is the archive as it was, byte by byte.
    pub kept: bool,
    /// How many members the layer has, those in nested archives not counted.
    pub members: u64,
    /// As [`Exported::missing`](super::Exported::missing); empty for an image of an archive.
    pub missing: Vec<OsString>,
    /// As [`Exported::lacking`](super::Exported::lacking); empty for an image of an archive.
    pub lacking: Vec<OsString>,
}
