//! Writing an image: of an export, or of an archive that is there.

#![forbid(unsafe_code)]

mod archive;
mod target;

use crate::checkpoint::export::LayerTarget;
use crate::checkpoint::{Compression, Export, ExportOptions, ImageOptions, WrittenImage};
use crate::error::{Context as _, Result};
use crate::fs::Place;
use crate::oci::media;
use crate::watch::Watch;
use archive::{Source, Taken};
use target::{ImageOutput, WrittenLayer};

impl Export {
    /// Writes the checkpoint as an image: an OCI layout, or an oci-archive. Its one layer is the archive that
    /// [`write`](Self::write) would write, compressed as the options of the image say; members pass through once, and
    /// nothing is copied before.
    ///
    /// A layout is a directory that is made if it is missing. The image appears in its index when all of it is there;
    /// until then, and if anything fails, the layout has the images that it had. An oci-archive takes the place of a
    /// file, as an archive does; to a pipe or a socket it is sent once its layer is complete in an unnamed file. In a
    /// regular file that is given by its descriptor it is written from the offset on.
    ///
    /// The manifest has the annotations by which CRI-O and containerd know a checkpoint, and those of podman's if
    /// config.dump is podman's; besides what describes the container. `options` says how members are stored; its
    /// compression, level, frames, threads, digest and sync are those of `image_options` instead.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write); EINVAL for a directory that is neither empty nor a layout; EPERM, before anything is
    /// written, for a name that begins with `.wh.`, and for the link to another dump unless it is
    /// [allowed](ImageOptions::parent_links); ENODATA without config.dump; EBADMSG if config.dump or spec.dump is malformed;
    /// E2BIG for more than 4 MiB of annotations, or of an index.
    pub fn write_image<'p>(
        &self,
        image: impl Into<Place<'p>>,
        image_options: &ImageOptions,
        options: &ExportOptions,
        watch: &Watch,
    ) -> Result<WrittenImage> {
        let image = image.into();
        let written = self.write_image_to(image, image_options, options, watch);
        written.context(|| image.named("export to the image"))
    }

    fn write_image_to(
        &self,
        image: Place<'_>,
        image_options: &ImageOptions,
        options: &ExportOptions,
        watch: &Watch,
    ) -> Result<WrittenImage> {
        let encoding = image_options.encoding()?;
        let facts = self.facts(options)?;
        facts.check(watch)?;
        let mut options = options.clone();
        options.workers(Some(image_options.number_of_workers()));
        let target = ImageOutput::open(image, image_options, watch)?;
        let layer = target.identities().and_then(|(own, output)| {
            let layer = LayerTarget {
                writer: target.writer()?,
                encoding,
                own: own.as_slice(),
                output,
                spool: target.spool_directory(),
                parent_links: image_options.parent_links,
            };
            self.write_layer(layer, &options, watch)
        });
        let layer = match layer {
            Ok(layer) => layer,
            Err(error) => return Err(target.abandon(error)),
        };
        let made = WrittenLayer {
            digest: layer.digest,
            size: layer.exported.bytes,
            diff_id: layer.diff_id,
            media_type: match image_options.compression {
                Some(Compression::Zstd) => media::LAYER_ZSTD,
                _ => media::LAYER_GZIP,
            },
        };
        Ok(WrittenImage {
            image: target.finish(&made, &facts, image_options, watch)?,
            kept: false,
            members: layer.exported.members,
            missing: layer.exported.missing,
            lacking: layer.exported.lacking,
        })
    }
}

/// Makes an image of a checkpoint archive: a file, a pipe or a socket. An archive that is a gzip or zstd stream becomes the
/// layer as it is, unless the options say otherwise; where the file system can, it shares the archive's blocks. Anything
/// else is compressed on the way. The archive is read once, and the layer written once.
///
/// Where the image goes, and what its manifest says, is as for [`Export::write_image`].
///
/// ```no_run
/// use crutils::checkpoint::{ImageOptions, image_from_archive};
/// use crutils::watch::Watch;
///
/// let mut options = ImageOptions::new();
/// options.name(Some("localhost/counter:1"))?;
/// let written = image_from_archive("/srv/counter.tar.zst", "/srv/images", &options, &Watch::new())?;
/// println!("sha256:{}", written.image.digest);
/// # Ok::<(), crutils::Error>(())
/// ```
///
/// # Errors
///
/// ENOENT if the archive is missing, EISDIR for a directory; EBADMSG if it is malformed; EPERM for what no bundle may
/// hold (config.json, devices, fifos), for a name that begins with `.wh.`, and for the link to another dump unless it is
/// [allowed](ImageOptions::parent_links); EXDEV for other links, and for a name that is absolute or has a `..`; ENODATA without
/// config.dump; EOPNOTSUPP for a stream with zeros behind its end that comes out of a pipe and can't be a layer as it is.
/// For the image, as [`Export::write_image`].
pub fn image_from_archive<'a, 'i>(
    archive: impl Into<Place<'a>>,
    image: impl Into<Place<'i>>,
    options: &ImageOptions,
    watch: &Watch,
) -> Result<WrittenImage> {
    let (archive, image) = (archive.into(), image.into());
    options.encoding()?;
    let source = Source::open(archive, watch).context(|| archive.named("archive"))?;
    let target = ImageOutput::open(image, options, watch);
    let target = target.context(|| image.named("image"))?;
    let taken = source.take(&target, options, watch);
    let taken = taken.and_then(|taken| taken.facts.check(watch).map(|()| taken));
    let Taken {
        layer,
        facts,
        members,
        kept,
    } = match taken {
        Ok(taken) => taken,
        Err(error) => return Err(target.abandon(error).context(archive.named("archive"))),
    };
    let finished = target.finish(&layer, &facts, options, watch);
    Ok(WrittenImage {
        image: finished.context(|| image.named("image"))?,
        kept,
        members,
        missing: Vec::new(),
        lacking: Vec::new(),
    })
}
