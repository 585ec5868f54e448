//! OCI images through both doors: Rust's and C's.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use crutils::PlaceBuf;
use crutils::checkpoint::{
    Image as RustImage, ImageForm, ImageOptions as RustOptions, WrittenImage, image_from_archive,
    images,
};

use super::api::{Outcome, Rust};
use super::door::{Place, host, rust_watch};
use super::export::{rust_compression, rust_frame_size};
use super::session::{Options, rust_options};

const FORM: u32 = 1;
const COMPRESSION: u32 = 2;
const LEVEL: u32 = 3;
const FRAME_SIZE: u32 = 4;
const WORKERS: u32 = 5;
const SYNC: u32 = 6;
const PARENT_LINKS: u32 = 7;

/// How an image is written.
#[derive(Clone, Debug, Default)]
pub struct ImageOptions {
    /// Scalar options by their numbers, with their values.
    pub set: Vec<(u32, u64)>,
    pub name: Option<String>,
    pub annotations: Vec<(String, String)>,
    pub architecture: Option<String>,
    pub created: Option<String>,
    pub spool: Option<PathBuf>,
}

impl ImageOptions {
    pub fn new() -> Self {
        Self::default()
    }

    fn with(mut self, option: u32, value: u64) -> Self {
        self.set.push((option, value));
        self
    }

    /// An archive instead of a layout.
    pub fn archive(self) -> Self {
        self.with(FORM, 2)
    }

    pub fn compression(self, which: u64) -> Self {
        self.with(COMPRESSION, which)
    }

    pub fn level(self, level: u64) -> Self {
        self.with(LEVEL, level)
    }

    pub fn frame_size(self, size: u64) -> Self {
        self.with(FRAME_SIZE, size)
    }

    pub fn workers(self, number: u64) -> Self {
        self.with(WORKERS, number)
    }

    pub fn sync(self) -> Self {
        self.with(SYNC, 1)
    }

    pub fn parent_links(self) -> Self {
        self.with(PARENT_LINKS, 1)
    }

    pub fn named(name: &str) -> Self {
        Self {
            name: Some(name.into()),
            ..Self::default()
        }
    }

    pub fn annotation(mut self, key: &str, value: &str) -> Self {
        self.annotations.push((key.into(), value.into()));
        self
    }

    pub fn architecture(self, architecture: &str) -> Self {
        Self {
            architecture: Some(architecture.into()),
            ..self
        }
    }

    pub fn created(self, time: &str) -> Self {
        Self {
            created: Some(time.into()),
            ..self
        }
    }

    pub fn spool(self, directory: &Path) -> Self {
        Self {
            spool: Some(directory.into()),
            ..self
        }
    }
}

/// A layer of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    pub media_type: String,
    pub digest: String,
    pub diff_id: Option<String>,
    pub size: u64,
}

/// What the index of a layout tells of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedImage {
    pub name: Option<String>,
    pub digest: String,
    pub media_type: String,
    pub size: u64,
}

/// What is told of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    pub digest: String,
    pub name: Option<String>,
    pub config: Option<String>,
    pub architecture: String,
    pub variant: Option<String>,
    pub os: String,
    pub created: Option<String>,
    pub annotations: Vec<(String, String)>,
    pub layers: Vec<Layer>,
    /// Of an image that was written.
    pub members: u64,
    pub kept: bool,
}

impl Image {
    /// The same, as one who reads it sees it.
    pub fn read(self) -> Self {
        Self {
            members: 0,
            kept: false,
            ..self
        }
    }

    pub fn annotation(&self, key: &str) -> Option<&str> {
        let mut all = self.annotations.iter();
        let found = all.find(|(own, _)| own == key);
        found.map(|(_, value)| value.as_str())
    }
}

/// A way to images.
pub trait Images {
    fn image_from_archive(
        &self,
        archive: Place<'_>,
        image: Place<'_>,
        options: &ImageOptions,
    ) -> Outcome<Image>;
    fn read_image(
        &self,
        image: Place<'_>,
        reference: Option<&str>,
        options: &Options,
    ) -> Outcome<Image>;
    /// The images that a layout or an archive has.
    fn list_images(&self, image: Place<'_>, options: &Options) -> Outcome<Vec<ListedImage>>;
    /// Whether there can be such options.
    fn check_image_options(&self, options: &ImageOptions) -> Outcome;
}

pub fn rust_image_options(from: &ImageOptions) -> Outcome<RustOptions> {
    let mut options = RustOptions::new();
    for (option, value) in &from.set {
        match *option {
            FORM => options.form([ImageForm::Layout, ImageForm::Archive][*value as usize - 1]),
            COMPRESSION => options.compression(Some(rust_compression(*value))),
            LEVEL => options.level(Some(*value as i32)),
            FRAME_SIZE => options.frame_size(rust_frame_size(*value)),
            WORKERS => options.workers(NonZeroUsize::new(*value as usize)),
            SYNC => options.sync(*value == 1),
            _ => options.parent_links(*value == 1),
        };
    }
    if let Some(name) = &from.name {
        options.name(Some(name))?;
    }
    for (key, value) in &from.annotations {
        options.annotation(key, value.as_str())?;
    }
    if let Some(architecture) = &from.architecture {
        options.architecture(Some(architecture))?;
    }
    if let Some(created) = &from.created {
        options.created(Some(created))?;
    }
    if let Some(spool) = &from.spool {
        options.spool_directory(Some(PlaceBuf::new(spool)?));
    }
    Ok(options)
}

pub fn rust_image(image: &RustImage) -> Image {
    let layers = image.layers.iter().map(|layer| Layer {
        media_type: layer.media_type.clone(),
        digest: layer.digest.to_string(),
        diff_id: layer.diff_id.as_ref().map(ToString::to_string),
        size: layer.size,
    });
    Image {
        digest: image.digest.to_string(),
        name: image.name.clone(),
        config: image.config.as_ref().map(ToString::to_string),
        architecture: image.architecture.clone(),
        variant: image.variant.clone(),
        os: image.os.clone(),
        created: image.created.clone(),
        annotations: image.annotations.clone().into_iter().collect(),
        layers: layers.collect(),
        members: 0,
        kept: false,
    }
}

pub fn rust_written(written: &WrittenImage) -> Image {
    Image {
        members: written.members,
        kept: written.kept,
        ..rust_image(&written.image)
    }
}

impl Images for Rust {
    fn image_from_archive(
        &self,
        archive: Place<'_>,
        image: Place<'_>,
        options: &ImageOptions,
    ) -> Outcome<Image> {
        let options = rust_image_options(options)?;
        let written = image_from_archive(host(archive), host(image), &options, &rust_watch(None))?;
        Ok(rust_written(&written))
    }

    fn read_image(
        &self,
        image: Place<'_>,
        reference: Option<&str>,
        options: &Options,
    ) -> Outcome<Image> {
        let (options, watch) = (rust_options(options)?, rust_watch(None));
        let image = RustImage::open(host(image), reference, &options, &watch)?;
        Ok(rust_image(&image))
    }

    fn list_images(&self, image: Place<'_>, options: &Options) -> Outcome<Vec<ListedImage>> {
        let listed = images(host(image), &rust_options(options)?, &rust_watch(None))?;
        let listed = listed.into_iter().map(|one| ListedImage {
            name: one.name,
            digest: one.digest,
            media_type: one.media_type,
            size: one.size,
        });
        Ok(listed.collect())
    }

    fn check_image_options(&self, options: &ImageOptions) -> Outcome {
        rust_image_options(options).map(drop)
    }
}
