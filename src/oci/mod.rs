//! Floor 2: images in the form of the OCI image specification: their documents, and the two forms in which they lie in a
//! file system.
//!
//! A layout is a directory with `oci-layout`, `index.json` and `blobs/sha256/DIGEST`; an oci-archive is a tar of such a
//! directory. [`Layout`] and [`Pack`] write them: whole, or not at all. [`BlobStore`] reads both. Nothing here knows what a
//! checkpoint is.

#![forbid(unsafe_code)]

mod blob;
mod blob_store;
mod document;
mod layout;
mod merge;
mod pack;
mod platform;
mod reference;
mod resolve;

use nix::errno::Errno;
use thiserror::Error as ThisError;

use crate::error::{self, Kind};

pub(crate) use blob::{Blob, Expected, verify};
pub(crate) use blob_store::BlobStore;
pub(crate) use document::{Annotations, Config, Descriptor, Index, Manifest, media, write};
pub(crate) use layout::Layout;
pub(crate) use merge::{Merge, Part, plan};
pub(crate) use pack::{Pack, ROOM};
pub(crate) use platform::{Platform, host_architecture};
pub(crate) use reference::{REF_NAME, Reference, check_name};
pub(crate) use resolve::{Composition, Resolved, candidates, resolve};

/// The file at the top of a layout that says what it is.
pub(crate) const OCI_LAYOUT: &str = "oci-layout";
/// The file at the top of a layout that lists its images.
pub(crate) const INDEX: &str = "index.json";
/// The directory of blobs whose names are SHA-256 digests.
pub(crate) const BLOBS: &str = "blobs/sha256";
/// What `oci-layout` holds.
pub(crate) const LAYOUT_DOCUMENT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// How large an index, a manifest or a config may be, in bytes: what registries take.
pub(crate) const MAX_DOCUMENT: u64 = 4 << 20;
/// How many layers an image may have: as many as engines stack.
pub(crate) const MAX_LAYERS: usize = 127;
/// How deep indexes may be in each other.
pub(crate) const MAX_DEPTH: usize = 4;
/// How many members an oci-archive may have.
pub(crate) const MAX_MEMBERS: usize = 65_536;

/// Why an image isn't read or written.
#[derive(Debug, ThisError)]
pub(crate) enum Refusal {
    /// Readers of JSON that isn't what it should be see different images.
    #[error("the {0} is malformed: {1}")]
    Document(&'static str, String),
    /// A document is held in memory whole.
    #[error("the {0} has {1} bytes, more than the {MAX_DOCUMENT} that it may have")]
    DocumentSize(&'static str, u64),
    /// A digest is a file's name: another one would lead out of the directory of blobs.
    #[error("{0} is no digest: sha256: and 64 hexadecimal digits in lower case")]
    Digest(String),
    /// The specification allows it, and nothing verifies it here.
    #[error("the digest {0} is of an algorithm other than sha256, which isn't supported")]
    Algorithm(String),
    /// What isn't there can't be read; a layout may lack blobs of other images.
    #[error("the {0} {1} isn't there")]
    MissingBlob(&'static str, String),
    /// The content was cut short or changed.
    #[error("the {0} {1} has {2} bytes, not the {3} that its descriptor says")]
    Size(&'static str, String, u64, u64),
    /// A blob without its end would pass for a shorter one.
    #[error("the file ends {0} bytes before the blob does")]
    Shrank(usize),
    /// The content was changed.
    #[error("the {0} {1} is damaged: its SHA-256 is {2}")]
    Damaged(&'static str, String, String),
    /// The content of a layer is another one than the image's config says.
    #[error("the content of layer {0} has the SHA-256 {2}, not the diff_id {1} of the config")]
    DiffId(String, String, String),
    /// A config that lists other layers than the manifest belongs to another image.
    #[error("the config lists {0} layers, and the manifest {1}")]
    LayerCount(usize, usize),
    /// Whoever made it has the key.
    #[error("layer {0} is encrypted ({1}); skopeo copy --decryption-key decrypts an image")]
    Encrypted(String, String),
    /// It is none of the forms that a layer's content is read from.
    #[error("{0} has the media type {1}, which isn't supported")]
    MediaType(String, String),
    /// Each one is opened and read.
    #[error("the image has {0} layers, more than {MAX_LAYERS}")]
    Layers(usize),
    /// A chain of indexes without an end.
    #[error("indexes lie in each other more than {MAX_DEPTH} deep")]
    Depth,
    /// The directory or the archive isn't what it was named as.
    #[error("is no OCI image layout: {0}")]
    NoLayout(String),
    /// Two of a name, of which readers take one or the other.
    #[error("{0} is in the archive twice")]
    Twice(String),
    /// They are remembered.
    #[error("the archive has more than {MAX_MEMBERS} members")]
    Members,
    /// Nothing has the name or digest that was asked for.
    #[error("no image {0} is in it; there are: {1}")]
    NoImage(String, String),
    /// Without a name the only one is meant.
    #[error("holds {0} images, and none was named; there are: {1}")]
    Ambiguous(usize, String),
    /// No image of an index is for this platform.
    #[error("no image in the index is for {0}; there are: {1}")]
    Platform(String, String),
}

impl error::Refusal for Refusal {
    fn kind(&self) -> Kind {
        match self {
            Self::Document(..)
            | Self::Digest(_)
            | Self::Size(..)
            | Self::Damaged(..)
            | Self::DiffId(..)
            | Self::LayerCount(..)
            | Self::NoLayout(_)
            | Self::Twice(_) => Kind::Malformed,
            Self::DocumentSize(..) | Self::Layers(_) | Self::Depth | Self::Members => Kind::Limit,
            Self::Algorithm(_) | Self::Encrypted(..) | Self::MediaType(..) => Kind::Unsupported,
            Self::MissingBlob(..)
            | Self::NoImage(..)
            | Self::Ambiguous(..)
            | Self::Platform(..) => Kind::NotInArchive,
            Self::Shrank(_) => Kind::System,
        }
    }

    fn errno(&self) -> Errno {
        match self {
            Self::Shrank(_) => Errno::ESTALE,
            _ => self.kind().errno(),
        }
    }
}
