//! OCI images as a C program has them.

#![allow(
    clippy::multiple_unsafe_ops_per_block,
    reason = "one argument holds for all of them"
)]

use std::ffi::{c_char, c_int};
use std::ptr;

use libc::AT_FDCWD;

use super::api::{C, Outcome};
use super::door::Place;
use super::door_c::{Error, Opaque, Owned, c_string, call, pair, text, texts};
use super::image::{Image, ImageOptions, Images, Layer, ListedImage};
use super::os::c_path;
use super::session::Options;
use super::session_c::c_options;

#[repr(C)]
struct CRImageLayer {
    media_type: *const c_char,
    digest: *const c_char,
    diff_id: *const c_char,
    size: u64,
}

#[repr(C)]
pub struct CRImageInfo {
    digest: *const c_char,
    name: *const c_char,
    config: *const c_char,
    architecture: *const c_char,
    variant: *const c_char,
    os: *const c_char,
    created: *const c_char,
    annotation_keys: *const *const c_char,
    annotation_values: *const *const c_char,
    annotations_len: usize,
    layers: *const *const CRImageLayer,
    layers_len: usize,
    members: u64,
    kept: u32,
    flags: u32,
}

#[repr(C)]
struct CRListedImage {
    name: *const c_char,
    digest: *const c_char,
    media_type: *const c_char,
    size: u64,
}

#[rustfmt::skip]
unsafe extern "C" {
    fn CRImageListFree(list: *mut Opaque);
    fn CRImageListImages(list: *const Opaque, images_len: *mut usize) -> *const *const CRListedImage;
    fn CRImageListOpen(at: c_int, image: *const c_char, options: *const Opaque, watch: *const Opaque, list: *mut *mut Opaque, error: Error) -> c_int;
    fn CRImageFree(image: *mut Opaque);
    fn CRImageGetInfo(image: *const Opaque) -> *const CRImageInfo;
    fn CRImageFromArchive(at: c_int, archive: *const c_char, image_at: c_int, image: *const c_char, options: *const Opaque, watch: *const Opaque, written: *mut *mut Opaque, error: Error) -> c_int;
    fn CRImageOpen(at: c_int, image: *const c_char, reference: *const c_char, options: *const Opaque, watch: *const Opaque, opened: *mut *mut Opaque, error: Error) -> c_int;
    fn CRImageOptionsNew() -> *mut Opaque;
    fn CRImageOptionsFree(options: *mut Opaque);
    fn CRImageOptionsSet(options: *mut Opaque, option: u32, value: u64, error: Error) -> c_int;
    fn CRImageOptionsName(options: *mut Opaque, name: *const c_char, error: Error) -> c_int;
    fn CRImageOptionsAnnotation(options: *mut Opaque, key: *const c_char, text: *const c_char, error: Error) -> c_int;
    fn CRImageOptionsArchitecture(options: *mut Opaque, architecture: *const c_char, error: Error) -> c_int;
    fn CRImageOptionsCreated(options: *mut Opaque, time: *const c_char, error: Error) -> c_int;
    fn CRImageOptionsSpoolDirectory(options: *mut Opaque, at: c_int, directory: *const c_char, error: Error) -> c_int;
}

// SAFETY of all calls: objects are live and used by this thread alone; strings end in NUL; arrays have the length that
// is said; slots are valid pointers; all outlive the call.

pub fn c_image_options(from: &ImageOptions) -> Outcome<Owned> {
    // SAFETY: see above.
    unsafe {
        let options = Owned(CRImageOptionsNew(), CRImageOptionsFree);
        let o = options.0;
        for (option, value) in &from.set {
            call(|error| CRImageOptionsSet(o, *option, *value, error))?;
        }
        for (key, value) in &from.annotations {
            let (key, value) = (c_string(key), c_string(value));
            call(|error| CRImageOptionsAnnotation(o, key.as_ptr(), value.as_ptr(), error))?;
        }
        type Set = unsafe extern "C" fn(*mut Opaque, *const c_char, Error) -> c_int;
        let texts: [(&Option<String>, Set); 3] = [
            (&from.name, CRImageOptionsName),
            (&from.architecture, CRImageOptionsArchitecture),
            (&from.created, CRImageOptionsCreated),
        ];
        for (text, set) in texts {
            if let Some(text) = text.as_ref().map(c_string) {
                call(|error| set(o, text.as_ptr(), error))?;
            }
        }
        if let Some(spool) = &from.spool {
            let spool = c_path(spool);
            call(|error| CRImageOptionsSpoolDirectory(o, AT_FDCWD, spool.as_ptr(), error))?;
        }
        Ok(options)
    }
}

/// A copy of what is told of an image.
///
/// # Safety
///
/// It is the library's, and lives during the call.
pub unsafe fn c_image(info: &CRImageInfo) -> Image {
    assert_eq!(info.flags, 0);
    // SAFETY: the caller guarantees it; arrays have the lengths that come with them.
    unsafe {
        let values = texts(info.annotation_values, info.annotations_len);
        let layers = std::slice::from_raw_parts(info.layers, info.layers_len);
        let layers = layers.iter().map(|layer| {
            let layer = &**layer;
            Layer {
                media_type: text(layer.media_type).unwrap(),
                digest: text(layer.digest).unwrap(),
                diff_id: text(layer.diff_id),
                size: layer.size,
            }
        });
        Image {
            digest: text(info.digest).unwrap(),
            name: text(info.name),
            config: text(info.config),
            architecture: text(info.architecture).unwrap(),
            variant: text(info.variant),
            os: text(info.os).unwrap(),
            created: text(info.created),
            annotations: texts(info.annotation_keys, info.annotations_len)
                .into_iter()
                .zip(values)
                .collect(),
            layers: layers.collect(),
            members: info.members,
            kept: info.kept == 1,
        }
    }
}

/// The image that `write` writes, or reads.
pub fn c_written(write: impl FnOnce(*mut *mut Opaque, Error) -> c_int) -> Outcome<Image> {
    let mut image = ptr::null_mut();
    let out = &raw mut image;
    let result = call(|error| write(out, error));
    let image = Owned(image, CRImageFree);
    // Outputs are written only on success.
    assert_eq!(image.0.is_null(), result.is_err());
    result?;
    // SAFETY: the image is live, and what it tells as long.
    unsafe { Ok(c_image(&*CRImageGetInfo(image.0))) }
}

impl Images for C {
    fn image_from_archive(
        &self,
        archive: Place<'_>,
        image: Place<'_>,
        options: &ImageOptions,
    ) -> Outcome<Image> {
        let options = c_image_options(options)?;
        let ((at, from), (image_at, to)) = (pair(archive), pair(image));
        let (from, to, watch) = (&from, &to, ptr::null());
        // SAFETY: see above.
        c_written(|written, error| unsafe {
            CRImageFromArchive(
                at,
                from.as_ptr(),
                image_at,
                to.as_ptr(),
                options.0,
                watch,
                written,
                error,
            )
        })
    }

    fn read_image(
        &self,
        image: Place<'_>,
        reference: Option<&str>,
        options: &Options,
    ) -> Outcome<Image> {
        let (options, (at, path)) = (c_options(options)?, pair(image));
        let (name, watch) = (reference.map(c_string), ptr::null());
        let name = name.as_ref().map_or(ptr::null(), |one| one.as_ptr());
        // SAFETY: see above.
        c_written(|opened, error| unsafe {
            CRImageOpen(at, path.as_ptr(), name, options.0, watch, opened, error)
        })
    }

    fn list_images(&self, image: Place<'_>, options: &Options) -> Outcome<Vec<ListedImage>> {
        let (options, (at, path)) = (c_options(options)?, pair(image));
        let mut list = ptr::null_mut();
        let out = &raw mut list;
        // SAFETY: see above.
        let result = call(|error| unsafe {
            CRImageListOpen(at, path.as_ptr(), options.0, ptr::null(), out, error)
        });
        let list = Owned(list, CRImageListFree);
        assert_eq!(list.0.is_null(), result.is_err());
        result?;
        let mut len = usize::MAX;
        // SAFETY: the list is live, and has as many images as it says, which live as long.
        unsafe {
            let images = std::slice::from_raw_parts(CRImageListImages(list.0, &raw mut len), len);
            let listed = images.iter().map(|image| ListedImage {
                name: text((**image).name),
                digest: text((**image).digest).unwrap(),
                media_type: text((**image).media_type).unwrap(),
                size: (**image).size,
            });
            Ok(listed.collect())
        }
    }

    fn check_image_options(&self, options: &ImageOptions) -> Outcome {
        c_image_options(options).map(drop)
    }
}
