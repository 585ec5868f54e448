//! An image that is read.

#![forbid(unsafe_code)]

use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;

use super::{Image, ImageLayer};
use crate::archive::{ArchiveOrigin, Make, Reading};
use crate::checkpoint::names::{CHECKPOINT, ROOTFS_DIFF_TAR, SPEC_DUMP};
use crate::error::{self, Called as _, Context as _, Kind, Result, quote};
use crate::fs::{Place, PlaceBuf, spool_ambient};
use crate::oci::{
    Blob, BlobStore, Composition, Descriptor, Expected, MAX_LAYERS, Manifest, Merge, Part,
    Platform, Reference, Refusal, Resolved, host_architecture, media, plan, resolve, verify,
};

/// An image whose layers can be read.
pub(in crate::checkpoint) struct OpenImage {
    pub(in crate::checkpoint) image: Image,
    layers: Vec<(Blob, Expected)>,
    /// Whether containerd's `ctr` has put it together.
    pub(in crate::checkpoint) is_ctrs: bool,
    spec: Option<Vec<u8>>,
}

/// What changes when somebody writes to a file, unless he sets it back.
pub(in crate::checkpoint) struct Unchanged(Vec<(Arc<File>, (u64, i64, i64))>);

/// Why an image isn't read as a checkpoint.
#[derive(Debug, thiserror::Error)]
enum Unreadable {
    /// Memory is no place for a container's.
    #[error(
        "an oci-archive that is compressed or comes through a pipe has to be kept, and there is no spool directory"
    )]
    NoSpool,
    /// What was compared isn't what is extracted.
    #[error("a layer was written to after its SHA-256 was compared")]
    Written,
    /// An engine would restore a container without files.
    #[error("the image has no layer, and so no checkpoint")]
    NoLayer,
}

impl error::Refusal for Unreadable {
    fn kind(&self) -> Kind {
        match self {
            Self::NoSpool => Kind::Limit,
            Self::Written => Kind::Malformed,
            Self::NoLayer => Kind::NotInArchive,
        }
    }
}

/// Opens an image.
pub(in crate::checkpoint) fn open(
    place: Place<'_>,
    reference: Option<&str>,
    spool_directory: Option<&PlaceBuf>,
    reading: &Reading,
) -> Result<OpenImage> {
    place.check_given("image")?;
    let reference = Reference::parse(reference)?;
    let opened = open_store(place, spool_directory, reading).and_then(|store| {
        let resolved = resolve(&store, &reference, &Platform::linux(host_architecture()))?;
        OpenImage::of(&store, resolved)
    });
    opened.context(|| place.named("image"))
}

pub(in crate::checkpoint) fn open_store(
    place: Place<'_>,
    spool_directory: Option<&PlaceBuf>,
    reading: &Reading,
) -> Result<BlobStore> {
    let spool = || match spool_directory {
        Some(directory) => {
            let directory = directory.get().open_directory_ambient("directory")?;
            spool_ambient(Some(directory.as_fd()))
        }
        None => Err(Unreadable::NoSpool.into()),
    };
    BlobStore::open_ambient(place, spool, reading)
}

impl OpenImage {
    fn of(store: &BlobStore, resolved: Resolved) -> Result<Self> {
        let digest = resolved.descriptor.sha256()?;
        let mut image = Image {
            digest,
            name: resolved.name,
            architecture: String::new(),
            variant: None,
            os: String::new(),
            created: None,
            config: None,
            annotations: Default::default(),
            layers: Vec::new(),
        };
        match resolved.content {
            Composition::Image(manifest, config, diff_ids) => {
                image.architecture = config.architecture;
                image.variant = config.variant;
                image.os = config.os;
                image.created = config.created;
                image.config = Some(manifest.config.sha256()?);
                image.annotations = manifest.annotations.clone().unwrap_or_default();
                let layers = layers(store, &manifest, &diff_ids)?;
                Self::with(image, layers)
            }
            Composition::Parts(parts, annotations) => {
                image.annotations = annotations;
                Self::of_parts(store, image, &parts)
            }
        }
    }

    fn with(mut image: Image, layers: Vec<(Blob, Expected)>) -> Result<Self> {
        for (_, expected) in &layers {
            image.layers.push(ImageLayer {
                media_type: expected.descriptor.media_type.clone(),
                digest: expected.descriptor.sha256()?,
                size: expected.descriptor.size,
                diff_id: expected.diff_id,
            });
        }
        Ok(Self {
            image,
            layers,
            is_ctrs: false,
            spec: None,
        })
    }

    /// What `ctr checkpoint` has made: CRIU's images, the specification, and the changes of the root file system.
    fn of_parts(store: &BlobStore, mut image: Image, parts: &[Descriptor]) -> Result<Self> {
        if parts.len() > MAX_LAYERS {
            return Err(Refusal::Layers(parts.len()).into());
        }
        let (mut layers, mut spec) = (Vec::new(), None);
        for part in parts {
            match part.media_type.as_str() {
                media::CTR_SPEC => {
                    let bytes = store.document("specification", part)?;
                    spec = Some(value_of_any(&bytes)?);
                }
                media::CTR_CRIU | media::LAYER | media::LAYER_GZIP | media::LAYER_ZSTD => {
                    let expected = Expected {
                        what: "layer",
                        descriptor: part.clone(),
                        diff_id: None,
                    };
                    layers.push((store.blob("layer", part)?, expected));
                }
                // The image of the container, and the runtime's options.
                _ => {}
            }
        }
        let platform = parts.iter().find_map(|part| part.platform.clone());
        let platform = platform.unwrap_or_default();
        image.architecture = platform.architecture;
        image.os = platform.os;
        Ok(Self {
            is_ctrs: true,
            spec,
            ..Self::with(image, layers)?
        })
    }

    /// Where the archive comes from that the layers are together.
    pub(in crate::checkpoint) fn origin(&self, reading: &Reading) -> Result<ArchiveOrigin> {
        let parts = match self.layers.as_slice() {
            [(blob, _)] if !self.is_ctrs => return origin_of_one(blob),
            layers if self.is_ctrs => self.parts(layers),
            layers => {
                let blobs: Vec<Blob> = layers.iter().map(|(blob, _)| blob.clone()).collect();
                plan(&blobs, reading)?
            }
        };
        let reading = reading.clone();
        let make: Arc<Make> = Arc::new(move || {
            let merge: Box<dyn Read + Send> = Box::new(Merge::new(parts.clone(), &reading));
            Ok(merge)
        });
        Ok(ArchiveOrigin::Made(make, None))
    }

    fn parts(&self, layers: &[(Blob, Expected)]) -> Vec<Part> {
        let spec = self.spec.iter();
        let spec = spec.map(|spec| Part::Bytes(SPEC_DUMP.as_bytes().to_vec(), spec.clone()));
        let layers = layers.iter().map(|(blob, expected)| {
            if expected.descriptor.media_type == media::CTR_CRIU {
                Part::Layer {
                    blob: blob.clone(),
                    below: [CHECKPOINT.as_bytes(), b"/"].concat(),
                    dropped: Default::default(),
                }
            } else {
                Part::File(ROOTFS_DIFF_TAR.as_bytes().to_vec(), blob.clone())
            }
        });
        spec.chain(layers).collect()
    }

    /// Reads every layer once, and fails unless each is as the manifest and the config say.
    pub(in crate::checkpoint) fn verify(&self, reading: &Reading) -> Result<Unchanged> {
        let mut states = Vec::new();
        for (blob, expected) in &self.layers {
            states.push((Arc::clone(&blob.file), state(&blob.file)?));
            verify(blob, expected, reading)?;
        }
        Ok(Unchanged(states))
    }
}

impl Unchanged {
    /// Fails if a file was written to since its layers were verified.
    pub(in crate::checkpoint) fn check(&self) -> Result<()> {
        for (file, before) in &self.0 {
            if state(file)? != *before {
                return Err(Unreadable::Written.into());
            }
        }
        Ok(())
    }
}

fn state(file: &File) -> Result<(u64, i64, i64)> {
    let metadata = file.metadata().called(|| "fstat")?;
    Ok((metadata.len(), metadata.mtime(), metadata.mtime_nsec()))
}

fn origin_of_one(blob: &Blob) -> Result<ArchiveOrigin> {
    let len = blob.file.metadata().called(|| "fstat")?.len();
    if blob.start == 0 && blob.len == len {
        return Ok(ArchiveOrigin::File(Arc::clone(&blob.file)));
    }
    let (blob, len) = (blob.clone(), blob.len);
    let make: Arc<Make> = Arc::new(move || Ok(blob.reader()));
    Ok(ArchiveOrigin::Made(make, Some(len)))
}

fn layers(
    store: &BlobStore,
    manifest: &Manifest,
    diff_ids: &[crate::archive::Sha256Digest],
) -> Result<Vec<(Blob, Expected)>> {
    let mut found = Vec::new();
    for (descriptor, diff_id) in manifest.layers()?.iter().zip(diff_ids) {
        let shown = || quote(descriptor.digest.as_bytes());
        let media_type = descriptor.media_type.as_str();
        if media_type.ends_with("+encrypted") {
            return Err(Refusal::Encrypted(shown(), quote(media_type.as_bytes())).into());
        }
        let is_known = [
            media::LAYER,
            media::LAYER_GZIP,
            media::LAYER_ZSTD,
            media::DOCKER_LAYER,
        ]
        .contains(&media_type);
        if !is_known {
            let what = format!("layer {}", shown());
            return Err(Refusal::MediaType(what, quote(media_type.as_bytes())).into());
        }
        let expected = Expected {
            what: "layer",
            descriptor: descriptor.clone(),
            diff_id: Some(*diff_id),
        };
        found.push((store.blob("layer", descriptor)?, expected));
    }
    if found.is_empty() {
        return Err(Unreadable::NoLayer.into());
    }
    Ok(found)
}

/// The value of a protobuf `Any`: its field 2.
fn value_of_any(mut bytes: &[u8]) -> Result<Vec<u8>> {
    let malformed = || Refusal::Document("specification", "it is no protobuf Any".to_owned());
    while !bytes.is_empty() {
        let key = varint(&mut bytes).ok_or_else(malformed)?;
        if key & 7 != 2 {
            return Err(malformed().into());
        }
        let len = varint(&mut bytes).and_then(|len| usize::try_from(len).ok());
        let value = len.and_then(|len| bytes.split_at_checked(len));
        let (value, rest) = value.ok_or_else(malformed)?;
        if key >> 3 == 2 {
            return Ok(value.to_vec());
        }
        bytes = rest;
    }
    Err(malformed().into())
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..63).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}
