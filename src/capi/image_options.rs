//! How an image is written.

use std::num::NonZeroUsize;

use super::argument::{At, New, ObjectMut, Owned, Text, member_of, truth, unknown_option};
use super::export_options::{compression, frame_size, in_range, level};
use super::guard::{self, Slot, Status};
use crate::PlaceBuf;
use crate::checkpoint::{ImageForm, ImageOptions};
use crate::error::Result;

/// An OCI image layout: a directory, which may hold several images.
pub const CR_FORM_LAYOUT: u32 = 1;
/// An oci-archive: a tar of a layout with one image.
pub const CR_FORM_ARCHIVE: u32 = 2;

const _: () = assert!(CR_FORM_LAYOUT == ImageForm::Layout as u32);
const _: () = assert!(CR_FORM_ARCHIVE == ImageForm::Archive as u32);

const FORMS: [(u32, ImageForm); 2] = [
    (CR_FORM_LAYOUT, ImageForm::Layout),
    (CR_FORM_ARCHIVE, ImageForm::Archive),
];

/// Sets the form: one of CR_FORM_*, CR_FORM_LAYOUT by default.
pub const CR_IMAGE_FORM: u32 = 1;
/// Sets the compression of the layer: CR_COMPRESSION_GZIP or CR_COMPRESSION_ZSTD; 0, the default, for gzip, which every
/// tool reads, unless an archive is a stream of one of the two already: it becomes the layer as it is. A choice
/// holds for such an archive, too. CR_COMPRESSION_NONE is EINVAL when the image is written: a push would compress
/// the layer and change the image's digest.
pub const CR_IMAGE_COMPRESSION: u32 = 2;
/// Sets the level of the compression; 0, the default, for the compression's own.
pub const CR_IMAGE_LEVEL: u32 = 3;
/// Sets how many bytes of content a frame of zstd holds at most, as CR_EXPORT_FRAME_SIZE.
pub const CR_IMAGE_FRAME_SIZE: u32 = 4;
/// Sets how many threads compress; 0, the default, for as many as the process may use cores.
pub const CR_IMAGE_WORKERS: u32 = 5;
/// Syncs the image and its names before it is done: 0 or 1. A descriptor is never synced.
pub const CR_IMAGE_SYNC: u32 = 6;
/// Lets the link "parent" of an incremental dump into the image: 0 or 1. Otherwise it is EPERM: the dump that it leads
/// to is in another image, and containerd restores no image with a symbolic link.
pub const CR_IMAGE_PARENT_LINKS: u32 = 7;

/// How an image is written. By default it has no name, goes into a layout, and isn't synced.
#[derive(Debug, Default)]
pub struct CRImageOptions(pub(super) ImageOptions);

fn set(options: &mut ImageOptions, option: u32, value: u64) -> Result<()> {
    match option {
        CR_IMAGE_FORM => options.form(form(value)?),
        CR_IMAGE_COMPRESSION if value == 0 => options.compression(None),
        CR_IMAGE_COMPRESSION => options.compression(Some(compression(value)?)),
        CR_IMAGE_LEVEL => options.level(level(value)?),
        CR_IMAGE_FRAME_SIZE => options.frame_size(frame_size(value)?),
        CR_IMAGE_WORKERS => options.workers(NonZeroUsize::new(in_range(value)?)),
        CR_IMAGE_SYNC => options.sync(truth(value)?),
        CR_IMAGE_PARENT_LINKS => options.parent_links(truth(value)?),
        _ => return Err(unknown_option("CR_IMAGE_", option)),
    };
    Ok(())
}

fn form(value: u64) -> Result<ImageForm> {
    let number = u32::try_from(value).unwrap_or(u32::MAX);
    member_of("CR_FORM_", &FORMS, number, "value")
}

/// Makes options with the defaults. The caller frees them with CRImageOptionsFree.
#[unsafe(no_mangle)]
pub extern "C" fn CRImageOptionsNew() -> New<CRImageOptions> {
    guard::value(New::none(), || Ok(New::of(CRImageOptions::default())))
}

/// Frees options.
#[unsafe(no_mangle)]
pub extern "C" fn CRImageOptionsFree(options: Owned<CRImageOptions>) {
    guard::run(|| options.free());
}

/// Sets an option of an image.
///
/// @param option One of CR_IMAGE_*.
/// @param value The value, as the option's comment says.
///
/// Errors:
/// - EINVAL: the option is 0, or doesn't take this value.
/// - EOPNOTSUPP: this version of the library doesn't know the option.
#[unsafe(no_mangle)]
pub extern "C" fn CRImageOptionsSet(
    mut options: ObjectMut<CRImageOptions>,
    option: u32,
    value: u64,
    error: Slot,
) -> Status {
    guard::status(error, || set(&mut options.get("options")?.0, option, value))
}

/// Sets the image's name (org.opencontainers.image.ref.name): a tag such as "latest", or a full name such as
/// "registry.example/c/counter:1", which podman load gives the image. Another image of this name in the layout loses
/// it. An image without a name is found if it is the only one.
///
/// @param name Letters and digits, single separators of -._:@+ between them, and slashes; at most 512 bytes.
///
/// Errors:
/// - EINVAL: the name has another form.
#[unsafe(no_mangle)]
pub extern "C" fn CRImageOptionsName(
    mut options: ObjectMut<CRImageOptions>,
    name: Text,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let options = options.get("options")?;
        options.0.name(Some(name.str("name")?)).map(drop)
    })
}

/// Adds an annotation to the image's manifest, instead of one of the same key that the checkpoint's metadata gives.
///
/// @param key The key, in UTF-8 and not empty.
/// @param text The value, in UTF-8.
///
/// Errors:
/// - EINVAL: the key is empty, or one of the two is not UTF-8.
#[unsafe(no_mangle)]
pub extern "C" fn CRImageOptionsAnnotation(
    mut options: ObjectMut<CRImageOptions>,
    key: Text,
    text: Text,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let options = options.get("options")?;
        let (key, text) = (key.str("key")?, text.str("text")?);
        options.0.annotation(key, text).map(drop)
    })
}

/// Sets the architecture that the image is for. By default that is the one of CRIU's images, or this machine's.
///
/// @param architecture The name that Go gives it, such as "amd64"; a variant follows behind a slash, as in "arm/v7".
///
/// Errors:
/// - EINVAL: it has another form.
#[unsafe(no_mangle)]
pub extern "C" fn CRImageOptionsArchitecture(
    mut options: ObjectMut<CRImageOptions>,
    architecture: Text,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let options = options.get("options")?;
        let architecture = architecture.str("architecture")?;
        options.0.architecture(Some(architecture)).map(drop)
    })
}

/// Sets when the image was created. By default that is when the checkpoint was made according to config.dump, or else
/// the time of modification of that file, so that the same checkpoint becomes the same bytes.
///
/// @param time The time as RFC 3339.
///
/// Errors:
/// - EINVAL: it is no such time.
#[unsafe(no_mangle)]
pub extern "C" fn CRImageOptionsCreated(
    mut options: ObjectMut<CRImageOptions>,
    time: Text,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let options = options.get("options")?;
        options.0.created(Some(time.str("time")?)).map(drop)
    })
}

/// Sets the directory for the unnamed file that holds the layer while an oci-archive is written to a pipe or a socket.
/// By default that is the directory that TMPDIR names, or else /var/tmp.
///
/// @param at, directory An existing directory. It is opened when an image is written.
///
/// Errors:
/// - EMFILE: no descriptor is left.
#[unsafe(no_mangle)]
pub extern "C" fn CRImageOptionsSpoolDirectory(
    mut options: ObjectMut<CRImageOptions>,
    at: At,
    directory: Text,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let options = options.get("options")?;
        let directory = PlaceBuf::new(directory.place(at, "directory")?)?;
        options.0.spool_directory(Some(directory));
        Ok(())
    })
}
