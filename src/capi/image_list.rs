//! The images of a layout, as C borrows them.

use std::ffi::CString;
use std::ptr;

use super::argument::{At, New, Optional, OptionalOut, OptionalText, Out, Owned, Text};
use super::guard::{self, Slot, Status};
use super::import_options::CRImportOptions;
use super::string::until_nul;
use super::watch::{CRWatch, watch};
use crate::checkpoint::{ListedImage, images};

/// An image as the index of its layout lists it: nothing of the image itself was read. Its texts come from the index.
/// Later versions may add fields at the end.
#[repr(C)]
#[derive(Debug)]
pub struct CRListedImage {
    /// The image's name in its layout; NULL if it has none.
    pub name: OptionalText,
    /// The digest of its manifest or index as it stands in the index: "sha256:" and 64 hexadecimal digits, which
    /// CRImageOpen takes as a reference, or what else a writer has put there.
    pub digest: Text,
    /// The media type of the manifest or index; possibly empty.
    pub media_type: Text,
    /// How many bytes the manifest or index has.
    pub size: u64,
}

/// The images of a layout or an oci-archive.
pub struct CRImageList {
    /// What the images point to, and the images that the pointers point to.
    _texts: Vec<Texts>,
    _images: Box<[CRListedImage]>,
    pointers: Vec<*const CRListedImage>,
}

struct Texts {
    name: Option<CString>,
    digest: CString,
    media_type: CString,
}

impl CRImageList {
    fn of(listed: &[ListedImage]) -> Self {
        let text = |text: &String| until_nul(text.as_bytes());
        let texts = listed.iter().map(|image| Texts {
            name: image.name.as_ref().map(text),
            digest: text(&image.digest),
            media_type: text(&image.media_type),
        });
        let texts: Vec<Texts> = texts.collect();
        let images: Box<[CRListedImage]> = listed.iter().zip(&texts).map(image).collect();
        CRImageList {
            pointers: images.iter().map(ptr::from_ref).collect(),
            _texts: texts,
            _images: images,
        }
    }
}

fn image((image, texts): (&ListedImage, &Texts)) -> CRListedImage {
    CRListedImage {
        name: OptionalText::lent(texts.name.as_deref()),
        digest: Text::lent(&texts.digest),
        media_type: Text::lent(&texts.media_type),
        size: image.size,
    }
}

/// Lists the images of a layout or an oci-archive: what its index names, in the index's order. The images themselves aren't
/// read, and an index of several platforms is one image.
///
/// @param at, image A layout's directory, or an oci-archive: a file, a pipe or a socket.
/// @param options NULL for the defaults. CRImportOptionsSpoolDirectory says where an oci-archive is kept that is
/// compressed or comes through a pipe, and CR_IMPORT_LIMIT_RATIO how much may come of a compressed one.
/// @param watch NULL for none.
/// @param list Receives the images, which the caller frees with CRImageListFree.
///
/// Errors:
/// - ENOENT: there is no such file or directory.
/// - EBADMSG: it is no layout, or its index is malformed.
/// - E2BIG: the index is larger than 4 MiB; or an archive has to be kept, and there is no directory for
///   it, or it expands more than is allowed.
/// - ECANCELED, ETIMEDOUT: the watch ended the work.
#[unsafe(no_mangle)]
pub extern "C" fn CRImageListOpen(
    at: At,
    image: Text,
    options: Optional<CRImportOptions>,
    watch: Optional<CRWatch>,
    list: Out<*mut CRImageList>,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let image = image.place(at, "image")?;
        let out = list.check("list")?;
        let options = options.copied(|options| &options.0);
        let listed = images(image, &options, &self::watch(&watch))?;
        out.write(New::of(CRImageList::of(&listed)).into_raw());
        Ok(())
    })
}

/// Returns the images of a list: an array of pointers, which is never NULL for a list. It belongs to the list, and so do
/// the images. NULL for NULL.
///
/// @param images_len Receives the number of images; 0 for NULL. It may be NULL.
#[unsafe(no_mangle)]
pub extern "C" fn CRImageListImages(
    list: Optional<CRImageList>,
    images_len: OptionalOut<usize>,
) -> *const *const CRListedImage {
    guard::value(ptr::null(), || {
        let images = list.get().map(|list| list.pointers.as_slice());
        images_len.write(images.map_or(0, <[_]>::len));
        Ok(images.map_or(ptr::null(), <[_]>::as_ptr))
    })
}

/// Frees a list and the images that belong to it.
#[unsafe(no_mangle)]
pub extern "C" fn CRImageListFree(list: Owned<CRImageList>) {
    guard::run(|| list.free());
}
