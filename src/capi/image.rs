//! Checkpoints as OCI images: written of exports and archives, looked at, and opened for import.

use std::ffi::{CString, c_char};
use std::ptr;

use super::argument::{At, New, Object, Optional, OptionalText, Out, Owned, Text};
use super::export::CRExport;
use super::export_options::CRExportOptions;
use super::guard::{self, Slot, Status};
use super::image_options::CRImageOptions;
use super::import::CRImport;
use super::import_options::CRImportOptions;
use super::string::{digits, until_nul};
use super::watch::{CRWatch, watch};
use crate::checkpoint::{Image, ImageLayer, Import, WrittenImage, image_from_archive};

/// An image that was written or looked at.
pub struct CRImage(Box<Told>);

/// A layer of an image. Later versions may add fields at the end.
#[repr(C)]
#[derive(Debug)]
pub struct CRImageLayer {
    /// The layer's media type.
    pub media_type: Text,
    /// The SHA-256 of the layer's bytes, as they are stored, as 64 hexadecimal digits.
    pub digest: Text,
    /// The SHA-256 of the layer's content; NULL for an image that containerd's ctr has made.
    pub diff_id: OptionalText,
    /// How many bytes are stored.
    pub size: u64,
}

/// What is known of an image. Its texts come from the image. Later versions may add fields at the end.
#[repr(C)]
#[derive(Debug)]
pub struct CRImageInfo {
    /// The SHA-256 of the image's manifest, by which registries know it, as 64 hexadecimal digits. Of an image that
    /// containerd's ctr has made, that of its index.
    pub digest: Text,
    /// The image's name in its layout; NULL if it has none.
    pub name: OptionalText,
    /// The SHA-256 of the image's config, which is its ID to engines; NULL for an image that containerd's ctr has made.
    pub config: OptionalText,
    /// The architecture that the image is for in Go's words, such as "amd64"; possibly empty.
    pub architecture: Text,
    /// The variant of the architecture; NULL if it has none.
    pub variant: OptionalText,
    /// The operating system that the image is for: "linux".
    pub os: Text,
    /// When the checkpoint was made, as RFC 3339; NULL if that isn't known.
    pub created: OptionalText,
    /// An array of the keys of the manifest's annotations, sorted. Never NULL.
    pub annotation_keys: *const *const c_char,
    /// An array of their values, in the same order. Never NULL.
    pub annotation_values: *const *const c_char,
    /// How many annotations there are.
    pub annotations_len: usize,
    /// An array of pointers to the layers, from the lowest on. Never NULL.
    pub layers: *const *const CRImageLayer,
    /// How many layers there are.
    pub layers_len: usize,
    /// How many members the layer of an image that was written has; 0 for an image that was looked at.
    pub members: u64,
    /// 1 if the layer of an image that was written is the archive as it was, byte by byte; otherwise 0.
    pub kept: u32,
    /// 0.
    pub flags: u32,
}

/// What C borrows of an image, and what that points to.
pub(super) struct Told {
    info: CRImageInfo,
    _texts: Vec<CString>,
    _keys: Vec<*const c_char>,
    _values: Vec<*const c_char>,
    _layers: Vec<CRImageLayer>,
    _pointers: Vec<*const CRImageLayer>,
}

/// Texts that stay where they are.
#[derive(Default)]
struct Texts(Vec<CString>);

impl Texts {
    fn keep(&mut self, text: CString) -> *const c_char {
        let pointer = text.as_ptr();
        self.0.push(text);
        pointer
    }

    fn text(&mut self, text: CString) -> Text {
        let lent = Text::lent(&text);
        self.0.push(text);
        lent
    }

    fn optional(&mut self, text: Option<CString>) -> OptionalText {
        let lent = OptionalText::lent(text.as_deref());
        self.0.extend(text);
        lent
    }

    fn of(&mut self, text: &str) -> Text {
        self.text(until_nul(text.as_bytes()))
    }

    fn of_optional(&mut self, text: Option<&str>) -> OptionalText {
        self.optional(text.map(|text| until_nul(text.as_bytes())))
    }

    fn layer(&mut self, layer: &ImageLayer) -> CRImageLayer {
        CRImageLayer {
            media_type: self.of(&layer.media_type),
            digest: self.text(digits(&layer.digest)),
            diff_id: self.optional(layer.diff_id.as_ref().map(digits)),
            size: layer.size,
        }
    }
}

impl Told {
    pub(super) fn of(image: &Image, members: u64, kept: bool) -> Box<Self> {
        let mut texts = Texts::default();
        let mut keep = |text: &String| texts.keep(until_nul(text.as_bytes()));
        let keys: Vec<_> = image.annotations.keys().map(&mut keep).collect();
        let values: Vec<_> = image.annotations.values().map(&mut keep).collect();
        let layers: Vec<_> = image
            .layers
            .iter()
            .map(|layer| texts.layer(layer))
            .collect();
        let pointers: Vec<_> = layers.iter().map(std::ptr::from_ref).collect();
        let info = CRImageInfo {
            digest: texts.text(digits(&image.digest)),
            name: texts.of_optional(image.name.as_deref()),
            config: texts.optional(image.config.as_ref().map(digits)),
            architecture: texts.of(&image.architecture),
            variant: texts.of_optional(image.variant.as_deref()),
            os: texts.of(&image.os),
            created: texts.of_optional(image.created.as_deref()),
            annotation_keys: keys.as_ptr(),
            annotation_values: values.as_ptr(),
            annotations_len: keys.len(),
            layers: pointers.as_ptr(),
            layers_len: pointers.len(),
            members,
            kept: kept.into(),
            flags: 0,
        };
        Box::new(Told {
            info,
            _texts: texts.0,
            _keys: keys,
            _values: values,
            _layers: layers,
            _pointers: pointers,
        })
    }

    fn written(written: &WrittenImage) -> *mut CRImage {
        let told = Told::of(&written.image, written.members, written.kept);
        New::of(CRImage(told)).into_raw()
    }

    pub(super) fn info(&self) -> *const CRImageInfo {
        &raw const self.info
    }
}

/// Frees an image. What was written stays.
#[unsafe(no_mangle)]
pub extern "C" fn CRImageFree(image: Owned<CRImage>) {
    guard::run(|| image.free());
}

/// Returns what is known of an image. It belongs to the image. NULL for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn CRImageGetInfo(image: Optional<CRImage>) -> *const CRImageInfo {
    guard::value(ptr::null(), || {
        Ok(image.get().map_or(ptr::null(), |image| image.0.info()))
    })
}

/// Makes an OCI image of a checkpoint archive. An archive that is a gzip or zstd stream becomes the layer as it is,
/// unless the options choose another compression; where the file system can, the layer shares the archive's blocks.
/// Anything else is compressed on the way. The archive is read once, and the layer written once.
///
/// A layout is a directory that is made if it is missing. The image appears in its index when all of it is there; until
/// then, and after a failure, the layout has the images that it had. An oci-archive takes the place of a file, as
/// CRExportWrite has it; with a descriptor it is written from where that is, to a pipe or a socket once its layer is
/// complete.
///
/// The manifest has the annotations by which CRI-O and containerd recognise a checkpoint, those of podman if config.dump
/// is podman's, and others that describe the container.
///
/// @param at, archive The archive: a file, a pipe or a socket.
/// @param image_at, image The layout's directory, or the file of an oci-archive.
/// @param options NULL for the defaults.
/// @param watch NULL for none.
/// @param written Receives the image, which the caller frees with CRImageFree.
///
/// Errors:
/// - EINVAL: the directory is neither empty nor a layout; or an option can't be heeded.
/// - EBADMSG: the archive is malformed.
/// - EPERM: the archive has what no bundle may hold, a name that begins with ".wh.", or a link "parent".
/// - EXDEV: it has another link, or a name that is absolute or has a "..".
/// - ENODATA: it has no config.dump.
/// - E2BIG: there are more than 4 MiB of annotations, or of the layout's index.
/// - ECANCELED, ETIMEDOUT: the watch ended the work.
#[unsafe(no_mangle)]
pub extern "C" fn CRImageFromArchive(
    at: At,
    archive: Text,
    image_at: At,
    image: Text,
    options: Optional<CRImageOptions>,
    watch: Optional<CRWatch>,
    written: Out<*mut CRImage>,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let archive = archive.place(at, "archive")?;
        let image = image.place(image_at, "image")?;
        let out = written.check("written")?;
        let options = options.copied(|options| &options.0);
        let done = image_from_archive(archive, image, &options, &self::watch(&watch))?;
        out.write(Told::written(&done));
        Ok(())
    })
}

/// Writes an export as an OCI image, whose one layer is the archive that CRExportWrite would write. Each byte is read once
/// and written once. For the rest, see CRImageFromArchive.
///
/// @param at, image The layout's directory, or the file of an oci-archive.
/// @param image_options NULL for the defaults.
/// @param options How members are stored; NULL for the defaults. What is said there of compression, threads, digest
/// and sync doesn't count: image_options say it.
/// @param watch NULL for none.
/// @param written Receives the image, which the caller frees with CRImageFree.
///
/// Errors:
/// - As for CRExportWrite and CRImageFromArchive.
#[unsafe(no_mangle)]
pub extern "C" fn CRExportWriteImage(
    checkpoint: Object<CRExport>,
    at: At,
    image: Text,
    image_options: Optional<CRImageOptions>,
    options: Optional<CRExportOptions>,
    watch: Optional<CRWatch>,
    written: Out<*mut CRImage>,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let export = &checkpoint.get("checkpoint")?.export;
        let image = image.place(at, "image")?;
        let out = written.check("written")?;
        let options = options.copied(|options| &options.0);
        let how = image_options.copied(|options| &options.0);
        let done = export.write_image(image, &how, &options, &self::watch(&watch))?;
        out.write(Told::written(&done));
        Ok(())
    })
}

/// Reads what an image says of itself: its manifest and its config, whose digests are verified. Its layers aren't read.
///
/// @param at, image A layout's directory, or an oci-archive: a file, a pipe or a socket.
/// @param reference The image's name, or "sha256:" and the digest of its manifest; NULL or "" for the only image. Of
/// an index of several platforms the image for this machine is meant.
/// @param options NULL for the defaults. CRImportOptionsSpoolDirectory says where an oci-archive is kept that is
/// compressed or comes through a pipe, and CR_IMPORT_LIMIT_RATIO how much may come of a compressed one.
/// @param watch NULL for none.
/// @param opened Receives the image, which the caller frees with CRImageFree.
///
/// Errors:
/// - EINVAL: the reference is malformed.
/// - ENOENT: there is no such file or directory.
/// - ENODATA: there is no such image; or there are several, and no reference.
/// - EBADMSG: it is no layout; or a document is malformed, or not as its descriptor says.
/// - E2BIG: a document is larger than 4 MiB, there are more than 127 layers, or indexes are nested deeply; or an
///   archive has to be kept, and there is no directory for it, or it expands more than is allowed.
/// - EOPNOTSUPP: a layer is encrypted; or a media type or an algorithm of digests isn't supported.
#[unsafe(no_mangle)]
pub extern "C" fn CRImageOpen(
    at: At,
    image: Text,
    reference: OptionalText,
    options: Optional<CRImportOptions>,
    watch: Optional<CRWatch>,
    opened: Out<*mut CRImage>,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let image = image.place(at, "image")?;
        let reference = reference.str("reference")?;
        let out = opened.check("opened")?;
        let options = options.copied(|options| &options.0);
        let read = Image::open(image, reference, &options, &self::watch(&watch))?;
        out.write(New::of(CRImage(Told::of(&read, 0, false))).into_raw());
        Ok(())
    })
}

/// Opens the checkpoint in an OCI image for import. What the image says of itself is verified here; its layers are when
/// CRImportExtract begins, by size, digest and the digest of their content, before anything is made or changed.
/// Several layers are taken in their order, with what they remove of each other. CR_IMPORT_DIGEST and
/// CRImportOptionsExpectedDigest are about the digest of the image's manifest. The index that containerd's ctr makes is
/// read, too.
///
/// @param at, image As for CRImageOpen.
/// @param reference As for CRImageOpen.
/// @param options NULL for the defaults.
/// @param watch NULL for none. It holds for all that is done with the import.
/// @param import Receives the import, which the caller frees with CRImportFree.
///
/// Errors:
/// - As for CRImageOpen.
/// - EBADMSG: the image has another digest than expected.
#[unsafe(no_mangle)]
pub extern "C" fn CRImportOpenImage(
    at: At,
    image: Text,
    reference: OptionalText,
    options: Optional<CRImportOptions>,
    watch: Optional<CRWatch>,
    import: Out<*mut CRImport>,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let image = image.place(at, "image")?;
        let reference = reference.str("reference")?;
        let out = import.check("import")?;
        let options = options.copied(|options| &options.0);
        let opened = Import::open_image(image, reference, &options, &self::watch(&watch))?;
        out.write(New::of(CRImport::new(opened)).into_raw());
        Ok(())
    })
}

/// Returns what the image says of itself that an import is of. It belongs to the import. NULL for an import of an
/// archive, and for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn CRImportImageInfo(import: Optional<CRImport>) -> *const CRImageInfo {
    guard::value(ptr::null(), || {
        let told = import.get().and_then(CRImport::image);
        Ok(told.map_or(ptr::null(), Told::info))
    })
}
