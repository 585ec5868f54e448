//! Where an image goes.

#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::ffi::OsStrExt as _;

use crate::archive::{Hasher, Sha256Digest};
use crate::checkpoint::image::Facts;
use crate::checkpoint::{Image, ImageForm, ImageLayer, ImageOptions};
use crate::error::{Called as _, Error, Result};
use crate::fs::{Identity, Name, Output, Place, check_close, spool_ambient};
use crate::oci::{Config, Descriptor, Layout, Manifest, Pack, REF_NAME, ROOM, media, write};
use crate::stream::Channel;
use crate::sys::write_all_at;
use crate::watch::{Phase, Watch};

/// An image under way. Dropped, it leaves nothing behind, but for what was written to a descriptor.
pub(super) struct ImageOutput {
    form: Form,
    /// What takes the layer, and where it begins there.
    layer: File,
    start: u64,
}

enum Form {
    Layout(Layout, Output),
    /// An oci-archive in a file of its own.
    File(Output),
    /// An oci-archive in a caller's file.
    Regular(File),
    /// An oci-archive that goes through a pipe.
    Channel(Channel),
}

/// A layer that was written.
pub(super) struct WrittenLayer {
    pub(super) digest: Sha256Digest,
    pub(super) size: u64,
    pub(super) diff_id: Sha256Digest,
    pub(super) media_type: &'static str,
}

impl ImageOutput {
    pub(super) fn open(place: Place<'_>, options: &ImageOptions, watch: &Watch) -> Result<Self> {
        if options.form == ImageForm::Layout {
            let layout = Layout::open_or_make_ambient(place, "image", options.sync)?;
            return match layout
                .begin_blob()
                .and_then(|blob| dup(blob.file()).map(|file| (blob, file)))
            {
                Ok((blob, layer)) => Ok(Self {
                    form: Form::Layout(layout, blob),
                    layer,
                    start: 0,
                }),
                Err(error) => Err(layout.abandon(error)),
            };
        }
        match place.descriptor() {
            Some(fd) => Self::descriptor(fd, options, watch),
            None => Self::file(place),
        }
    }

    fn file(place: Place<'_>) -> Result<Self> {
        let parts = place.split();
        let parts =
            parts.and_then(|(directory, name)| Some((directory, Name::new(name.as_bytes())?)));
        let (directory, name) = parts.ok_or_else(|| Error::argument("image", "names no file"))?;
        let directory = directory.open_unnamed_directory_ambient()?;
        crate::checkpoint::export::check_place("image", &directory, &name)?;
        let output = Output::create(&directory, &name)?;
        Ok(Self {
            layer: dup(output.file())?,
            form: Form::File(output),
            start: ROOM,
        })
    }

    fn descriptor(fd: BorrowedFd<'_>, options: &ImageOptions, watch: &Watch) -> Result<Self> {
        let channel = Channel::writer(fd, watch)?;
        if let Some(offset) = channel.offset()? {
            let file = channel.into_file();
            // A digest of what is cloned is one of what is in the image.
            return Ok(Self {
                layer: dup(&file)?,
                form: Form::Regular(file),
                start: offset.saturating_add(ROOM),
            });
        }
        let directory = options.spool_directory.as_ref();
        let directory = directory
            .map(|directory| directory.get().open_directory_ambient("directory"))
            .transpose()?;
        Ok(Self {
            layer: spool_ambient(directory.as_ref().map(|directory| directory.as_fd()))?,
            form: Form::Channel(channel),
            start: 0,
        })
    }

    /// What takes the layer, and where it begins there.
    pub(super) fn layer(&self) -> (&File, u64) {
        (&self.layer, self.start)
    }

    /// Writes the layer in order.
    pub(super) fn writer(&self) -> Result<Box<dyn Write + Send>> {
        Ok(Box::new(At {
            file: dup(&self.layer)?,
            at: self.start,
        }))
    }

    /// The file that it is, if it is one of the library's own, and if it is the caller's.
    pub(super) fn identities(&self) -> Result<(Option<Identity>, Option<Identity>)> {
        let identity = Identity::of(&self.layer)?;
        Ok(match self.form {
            Form::Regular(_) => (None, Some(identity)),
            _ => (Some(identity), None),
        })
    }

    /// A directory for unnamed files.
    pub(super) fn spool_directory(&self) -> Option<BorrowedFd<'_>> {
        match &self.form {
            Form::Layout(_, blob) => Some(blob.directory().as_fd()),
            Form::File(output) => Some(output.directory().as_fd()),
            Form::Regular(_) | Form::Channel(_) => None,
        }
    }

    /// Removes what was made, or says in the error for which it is removed that it stays.
    pub(super) fn abandon(self, error: Error) -> Error {
        match self.form {
            Form::Layout(layout, blob) => {
                let error = blob.abandon(error);
                layout.abandon(error)
            }
            Form::File(output) => output.abandon(error),
            Form::Regular(_) | Form::Channel(_) => error,
        }
    }

    /// Makes an image of the layer that was written.
    pub(super) fn finish(
        self,
        layer: &WrittenLayer,
        facts: &Facts,
        options: &ImageOptions,
        watch: &Watch,
    ) -> Result<Image> {
        let made = Documents::of(layer, facts, options).and_then(|documents| {
            watch.check()?;
            Ok(documents)
        });
        let documents = match made {
            Ok(documents) => documents,
            Err(error) => return Err(self.abandon(error)),
        };
        watch.begin(Phase::Publishing, None);
        match self.form {
            Form::Layout(mut layout, blob) => {
                let published = publish(&mut layout, blob, layer, &documents, watch);
                if let Err(error) = published {
                    return Err(layout.abandon(error));
                }
            }
            Form::File(output) => {
                let packed = pack_file(output.file(), 0, layer, &documents).map(drop);
                if let Err(error) = packed {
                    return Err(output.abandon(error));
                }
                if options.sync {
                    output.publish_synced()?;
                } else {
                    output.publish()?;
                }
            }
            Form::Regular(mut file) => {
                let end = pack_file(&file, self.start - ROOM, layer, &documents)?;
                file.seek(SeekFrom::Start(end)).called(|| "lseek")?;
                check_close(&file)?;
            }
            Form::Channel(channel) => send(channel, &self.layer, layer, &documents, watch)?,
        }
        watch.end();
        Ok(documents.image)
    }
}

/// The documents of an image, and what they say.
struct Documents {
    image: Image,
    config: (Sha256Digest, Vec<u8>),
    manifest: (Sha256Digest, Vec<u8>),
    descriptor: Descriptor,
}

impl Documents {
    fn of(layer: &WrittenLayer, facts: &Facts, options: &ImageOptions) -> Result<Self> {
        let (platform, created) = (facts.platform(options), facts.created(options));
        let annotations = facts.annotations(options);
        let config = Config::new(&platform, created.clone(), layer.diff_id);
        let config = write("config", &config)?;
        let config_digest = digest_of(&config);
        let manifest = Manifest::new(
            Descriptor::new(media::CONFIG, config_digest, config.len() as u64),
            Descriptor::new(layer.media_type, layer.digest, layer.size),
            annotations.clone(),
        );
        let manifest = write("manifest", &manifest)?;
        let digest = digest_of(&manifest);
        let mut descriptor = Descriptor::new(media::MANIFEST, digest, manifest.len() as u64);
        if let Some(name) = &options.name {
            let named = [(REF_NAME.to_owned(), name.clone())];
            descriptor.annotations = Some(named.into());
        }
        let image = Image {
            digest,
            name: options.name.clone(),
            architecture: platform.architecture,
            variant: platform.variant,
            os: platform.os,
            created,
            config: Some(config_digest),
            annotations,
            layers: vec![ImageLayer {
                media_type: layer.media_type.to_owned(),
                digest: layer.digest,
                size: layer.size,
                diff_id: Some(layer.diff_id),
            }],
        };
        Ok(Self {
            image,
            config: (config_digest, config),
            manifest: (digest, manifest),
            descriptor,
        })
    }

    fn pack(&self) -> Result<Pack> {
        let documents = vec![self.manifest.clone(), self.config.clone()];
        Pack::new(self.descriptor.clone(), documents)
    }
}

/// Puts an image into a layout: blobs, config, manifest, and the index last.
fn publish(
    layout: &mut Layout,
    blob: Output,
    layer: &WrittenLayer,
    documents: &Documents,
    watch: &Watch,
) -> Result<()> {
    layout.add_blob(blob, layer.digest, watch)?;
    layout.add_document(media::CONFIG, &documents.config.1, watch)?;
    layout.add_document(media::MANIFEST, &documents.manifest.1, watch)?;
    layout.publish(&documents.descriptor, watch)
}

/// Writes what an archive in a file has around its layer. Returns where it ends.
fn pack_file(file: &File, start: u64, layer: &WrittenLayer, documents: &Documents) -> Result<u64> {
    let behind = documents.pack()?.behind(layer.size)?;
    let room = Pack::room(layer.digest, layer.size)?;
    let at = start.saturating_add(ROOM).saturating_add(layer.size);
    write_all_at(file, &behind, at).called(|| "write")?;
    write_all_at(file, &room, start).called(|| "write")?;
    Ok(at.saturating_add(behind.len() as u64))
}

/// Sends an archive whose layer is in a file.
fn send(
    mut channel: Channel,
    file: &File,
    layer: &WrittenLayer,
    documents: &Documents,
    watch: &Watch,
) -> Result<()> {
    let failed = |error| Error::io("write", error);
    let before = documents.pack()?.before(layer.digest, layer.size)?;
    channel.write_all(&before).map_err(failed)?;
    let mut sent = 0;
    while channel.takes_files() && sent < layer.size {
        match channel
            .send_file(file, sent, layer.size - sent)
            .called(|| "sendfile")?
        {
            0 => break,
            step => {
                sent += step;
                watch.step(step)?;
            }
        }
    }
    let mut reader = file.try_clone().called(|| "dup")?;
    reader.seek(SeekFrom::Start(sent)).called(|| "lseek")?;
    io::copy(&mut reader.take(layer.size - sent), &mut channel).map_err(failed)?;
    channel.write_all(&Pack::end(layer.size)).map_err(failed)
}

/// Writes a file in order, from an offset on.
struct At {
    file: File,
    at: u64,
}

impl Write for At {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        write_all_at(&self.file, bytes, self.at)?;
        self.at += bytes.len() as u64;
        Ok(bytes.len())
    }

    /// Nothing is held back.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn digest_of(bytes: &[u8]) -> Sha256Digest {
    let mut hasher = Hasher::new();
    hasher.update(bytes);
    hasher.finish()
}

fn dup(file: &File) -> Result<File> {
    file.try_clone().called(|| "dup")
}
