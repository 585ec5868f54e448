//! How an image is written.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use crate::checkpoint::compression::{Compression, EncoderOptions, FrameSize};
use crate::checkpoint::metadata::is_rfc3339;
use crate::compress::Encoding;
use crate::error::{Error, Result};
use crate::fs::PlaceBuf;
use crate::oci::{Platform, check_name};

/// In which form an image lies in a file system. The numbers are those of the C ABI (`CR_FORM_*`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
#[repr(u32)]
pub enum ImageForm {
    /// A layout: a directory, which may hold several images. skopeo and podman call it `oci:DIRECTORY:NAME`.
    #[default]
    Layout = 1,
    /// An oci-archive: a tar of such a directory, with one image. skopeo and podman call it `oci-archive:FILE`.
    Archive = 2,
}

/// How an image is written. The default: into a layout, without a name; gzip for what isn't compressed as an image can
/// have it already; for the checkpoint's architecture; not synced.
#[derive(Clone, Debug, Default)]
pub struct ImageOptions {
    pub(in crate::checkpoint) form: ImageForm,
    pub(in crate::checkpoint) compression: Option<Compression>,
    encoder: EncoderOptions,
    pub(in crate::checkpoint) sync: bool,
    pub(in crate::checkpoint) parent_links: bool,
    pub(in crate::checkpoint) name: Option<String>,
    pub(in crate::checkpoint) annotations: BTreeMap<String, String>,
    pub(in crate::checkpoint) platform: Option<Platform>,
    pub(in crate::checkpoint) created: Option<String>,
    pub(in crate::checkpoint) spool_directory: Option<PlaceBuf>,
}

impl ImageOptions {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// In which form the image is written.
    pub fn form(&mut self, form: ImageForm) -> &mut Self {
        self.form = form;
        self
    }

    /// How the layer is compressed. None: gzip, which every tool reads, but an archive that is a gzip or zstd stream
    /// becomes the layer as it is. A choice holds for such an archive, too: if it is compressed in another way, it is
    /// compressed anew. EINVAL when the image is written for [`Compression::None`]: a push would compress the layer, and
    /// the image's digest would change.
    pub fn compression(&mut self, compression: Option<Compression>) -> &mut Self {
        self.compression = compression;
        self
    }

    /// At which level the layer is compressed, unless an archive becomes it as it is; none: the compression's default. A
    /// level that the compression doesn't have is EINVAL when the image is written.
    pub fn level(&mut self, level: Option<i32>) -> &mut Self {
        self.encoder.level = level;
        self
    }

    /// How the layer is cut into frames, where it is compressed with zstd.
    pub fn frame_size(&mut self, size: FrameSize) -> &mut Self {
        self.encoder.frame_size = size;
        self
    }

    /// How many threads compress. None: as many as the process may use cores.
    pub fn workers(&mut self, number: Option<NonZeroUsize>) -> &mut Self {
        self.encoder.workers = number;
        self
    }

    /// Whether the image is on the disk, and has its names there, before it is done. Not for descriptors. The index of a
    /// layout that had images is synced in any case.
    pub fn sync(&mut self, wanted: bool) -> &mut Self {
        self.sync = wanted;
        self
    }

    /// Whether the link `parent` that an incremental dump has may be in the image. Otherwise it is EPERM: the dump that it
    /// leads to is in another image, and containerd restores no image with a symlink.
    pub fn parent_links(&mut self, allow: bool) -> &mut Self {
        self.parent_links = allow;
        self
    }

    /// The image's name (`org.opencontainers.image.ref.name`): a tag such as `latest`, or a full name such as
    /// `registry.example/checkpoints/counter:1`, which `podman load` gives the image. Another image of this name in the
    /// layout loses it. None: the image has no name, and is found if it is the only one.
    ///
    /// # Errors
    ///
    /// EINVAL for what the specification's grammar doesn't take: letters and digits, single separators of `-._:@+` between
    /// them, and slashes; at most 512 bytes.
    pub fn name(&mut self, name: Option<&str>) -> Result<&mut Self> {
        if let Some(name) = name {
            check_name("name", name)?;
        }
        self.name = name.map(str::to_owned);
        Ok(self)
    }

    /// Adds an annotation to the manifest, instead of one of the same key that the checkpoint's metadata gives.
    ///
    /// # Errors
    ///
    /// EINVAL for an empty key. More than 4 MiB of annotations are E2BIG when the image is written.
    pub fn annotation(
        &mut self,
        key: impl Into<String>,
        value: impl Into<String>,
    ) -> Result<&mut Self> {
        let key = key.into();
        if key.is_empty() {
            return Err(Error::argument("key", "is empty"));
        }
        self.annotations.insert(key, value.into());
        Ok(self)
    }

    /// The architecture that the image is for, in Go's words (`amd64`, `arm64`), with a variant behind a slash (`arm/v7`).
    /// None: that of CRIU's images, or this machine's if there are none.
    ///
    /// # Errors
    ///
    /// EINVAL for what isn't lower-case letters and digits.
    pub fn architecture(&mut self, architecture: Option<&str>) -> Result<&mut Self> {
        let is_word = |word: &str| {
            let is_fit = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
            (1..=32).contains(&word.len()) && word.bytes().all(is_fit)
        };
        if let Some(text) = architecture {
            let (first, second) = text.split_once('/').unwrap_or((text, "none"));
            if !is_word(first) || !is_word(second) {
                return Err(Error::argument("architecture", "is no name of one"));
            }
        }
        self.platform = architecture.map(Platform::linux);
        Ok(self)
    }

    /// When the image was created, as RFC 3339. None: when the checkpoint was made according to config.dump, or else the
    /// time of modification of that file, so that the same checkpoint becomes the same bytes.
    ///
    /// # Errors
    ///
    /// EINVAL for what is no time of RFC 3339.
    pub fn created(&mut self, time: Option<&str>) -> Result<&mut Self> {
        if let Some(time) = time
            && !is_plain_time(time)
        {
            return Err(Error::argument("time", "is no time of RFC 3339"));
        }
        self.created = time.map(str::to_owned);
        Ok(self)
    }

    /// The directory for the unnamed file that holds the layer of an oci-archive while it is written to a pipe or a
    /// socket. None: the one that TMPDIR names, or else /var/tmp.
    pub fn spool_directory(&mut self, directory: Option<PlaceBuf>) -> &mut Self {
        self.spool_directory = directory;
        self
    }

    /// EINVAL for a level or a size of frames that doesn't exist, and for no compression.
    pub(in crate::checkpoint) fn encoding(&self) -> Result<Encoding> {
        let compression = self.compression.unwrap_or(Compression::Gzip);
        if compression == Compression::None {
            let why = "a layer that isn't compressed would be by a push, which changes the image's digest";
            return Err(Error::argument("compression", why));
        }
        self.encoder.encoding(compression)
    }

    pub(in crate::checkpoint) fn number_of_workers(&self) -> NonZeroUsize {
        self.encoder.number_of_workers()
    }
}

/// Whether a text is a time that every reader of RFC 3339 takes.
pub(in crate::checkpoint) fn is_plain_time(text: &str) -> bool {
    let shape = text.bytes().enumerate().all(|(at, byte)| match at {
        4 | 7 => byte == b'-',
        10 => byte == b'T',
        13 | 16 => byte == b':',
        0..=18 => byte.is_ascii_digit(),
        _ => byte.is_ascii_digit() || b".Z:+-".contains(&byte),
    });
    let zone = text.as_bytes().iter().rev().take(6);
    let hour_of_zone = zone.rev().copied().collect::<Vec<u8>>();
    let is_zone = text.ends_with('Z')
        || matches!(hour_of_zone.as_slice(), [b'+' | b'-', b'0' | b'1', ..])
        || matches!(
            hour_of_zone.as_slice(),
            [b'+' | b'-', b'2', b'0'..=b'3', ..]
        );
    shape && is_zone && text.len() <= 64 && is_rfc3339(text)
}
