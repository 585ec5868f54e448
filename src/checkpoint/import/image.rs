//! An image that is open for import.

#![forbid(unsafe_code)]

use super::{Import, ImportOptions};
use crate::archive::Reading;
use crate::checkpoint::image::{self, Image};
use crate::error::{Context as _, Result};
use crate::fs::Place;
use crate::oci::{REF_NAME, candidates};
use crate::watch::Watch;

/// An image in a layout, as its index lists it. Nothing of the image itself was read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListedImage {
    /// Its name, if it has one.
    pub name: Option<String>,
    /// The digest of its manifest or index, as it stands there.
    pub digest: String,
    /// The media type of that.
    pub media_type: String,
    /// How many bytes that has.
    pub size: u64,
}

/// Lists the images of a layout or an oci-archive: what its index names, in the index's order.
///
/// # Errors
///
/// As [`Image::open`].
pub fn images<'p>(
    place: impl Into<Place<'p>>,
    options: &ImportOptions,
    watch: &Watch,
) -> Result<Vec<ListedImage>> {
    let place = place.into();
    let listed = image::open_store(place, options.spool_place(), &reading(options, watch))
        .and_then(|store| {
            let all = candidates(&store)?.into_iter();
            Ok(all
                .map(|one| ListedImage {
                    name: one.annotation(REF_NAME).map(str::to_owned),
                    digest: one.digest,
                    media_type: one.media_type,
                    size: one.size,
                })
                .collect())
        });
    listed.context(|| place.named("image"))
}

impl Image {
    /// Reads what an image says of itself: manifest and config, whose digests are verified. Its layers aren't read.
    ///
    /// The image is in a layout (a directory) or in an oci-archive (a file, a pipe or a socket). `reference` is its name,
    /// or `sha256:` and its digest; without one the only image is meant. Of an index of several platforms that image is
    /// meant that is for this machine. What isn't plain or isn't a regular file is copied into an unnamed file in
    /// [`ImportOptions::spool_directory`] first, as far as [`Limit::Ratio`](super::Limit::Ratio) allows; no other option
    /// counts.
    ///
    /// # Errors
    ///
    /// EINVAL for a malformed reference; ENOENT if there is no such file; ENODATA if there is no such image, or several
    /// and no reference; EBADMSG for what is no layout, for malformed documents, and for what isn't as its descriptor says;
    /// E2BIG for documents above 4 MiB, more than 127 layers or deeply nested indexes, for an archive that expands more
    /// than is allowed, and if a spool is needed and there is no directory for it; EOPNOTSUPP for encrypted layers, media
    /// types that aren't supported, and other digests than sha256.
    pub fn open<'p>(
        place: impl Into<Place<'p>>,
        reference: Option<&str>,
        options: &ImportOptions,
        watch: &Watch,
    ) -> Result<Self> {
        let place = place.into();
        let reading = reading(options, watch);
        image::open(place, reference, options.spool_place(), &reading).map(|open| open.image)
    }
}

/// How what an image says of itself is read, and an oci-archive that is compressed before that.
fn reading(options: &ImportOptions, watch: &Watch) -> Reading {
    Reading {
        watch: watch.clone(),
        max_ratio: options.max_ratio,
    }
}

impl Import {
    /// Opens the checkpoint in an OCI image: in a layout (a directory), or in an oci-archive (a file, a pipe or a socket).
    /// `reference` is the image's name, or `sha256:` and its digest; without one the only image is meant. All that is done
    /// with the import heeds the watch.
    ///
    /// What the image says of itself is verified here; its layers are when [`extract`](Self::extract) begins, each by its
    /// size, its digest and the digest of its content, before anything is made or changed. Several layers are taken in
    /// their order, with what they remove of each other. An oci-archive that is compressed or comes through a pipe is
    /// copied into an unnamed file first, in [`ImportOptions::spool_directory`]. [`ImportOptions::digest`] and
    /// [`ImportOptions::expected_digest`] are about the digest of the image's manifest.
    ///
    /// The index that containerd's `ctr checkpoint` makes is read, too: CRIU's images as `checkpoint`, the specification
    /// as `spec.dump`, and the changes of the root file system as `rootfs-diff.tar`, whose whiteouts are heeded. It has no
    /// `config.dump`.
    ///
    /// # Errors
    ///
    /// As [`Image::open`](crate::checkpoint::Image::open); EBADMSG for another digest than expected.
    pub fn open_image<'p>(
        image: impl Into<Place<'p>>,
        reference: Option<&str>,
        options: &ImportOptions,
        watch: &Watch,
    ) -> Result<Self> {
        let place = image.into();
        let step = place.named("image");
        let reading = reading(options, watch);
        let opened = image::open(place, reference, options.spool_place(), &reading)?;
        let mut own = options.clone();
        own.layer = true;
        let expected = own.expected_digest.take();
        own.digest = false;
        if opened.is_ctrs {
            own.oci_whiteouts(true);
        }
        let digest = opened.image.digest;
        if let Some(expected) = expected
            && expected != digest
        {
            return Err(super::Refusal::ImageDigest(digest, expected)).context(|| step);
        }
        let origin = opened.origin(&reading).context(|| step.as_str())?;
        let mut import = Self::of_origin(origin, step, &own, watch);
        import.told = (options.digest || expected.is_some()).then_some(digest);
        import.image = Some(Box::new(opened));
        Ok(import)
    }

    /// What the image says of itself, if the import is of one.
    #[must_use]
    pub fn image(&self) -> Option<&Image> {
        self.image.as_ref().map(|opened| &opened.image)
    }
}
