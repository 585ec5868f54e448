//! An image that is open for import.

#![forbid(unsafe_code)]

use super::{Import, ImportOptions};
use crate::archive::Reading;
use crate::checkpoint::image::{self, Image};
use crate::error::{Context as _, Error, Kind, Result};
use crate::fs::Place;
use crate::watch::Watch;

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
        let reading = Reading {
            watch: watch.clone(),
            max_ratio: options.max_ratio,
        };
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
            let text = format!("its digest is sha256:{digest}, not sha256:{expected}");
            return Err(Error::new(Kind::Malformed, text).context(step));
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
