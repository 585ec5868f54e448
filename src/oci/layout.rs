//! A layout directory that an image is written into.

#![forbid(unsafe_code)]

use std::fs::File;
use std::os::fd::OwnedFd;
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag, openat};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{UnlinkatFlags, unlinkat};
use serde_json::{Map, Value};

use super::document::{media, parse, write};
use super::{
    BLOBS, Descriptor, INDEX, LAYOUT_DOCUMENT, MAX_DOCUMENT, OCI_LAYOUT, REF_NAME, Refusal,
};
use crate::archive::{Hasher, Sha256Digest};
use crate::error::{Called as _, Error, Result};
use crate::fs::{
    Destination, Name, Node, Output, Place, RootPath, is_empty_directory, open_regular_at,
};
use crate::sys::write_all_at;
use crate::watch::Watch;

/// How long to wait before looking again whether another writer is done.
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

/// A layout that gets an image. Until [`publish`](Layout::publish) its index is what it was; dropped before, the layout has
/// blobs that nothing refers to, which [`abandon`](Layout::abandon) removes.
pub(crate) struct Layout {
    destination: Destination,
    blobs: OwnedFd,
    /// Held from the first blob on, so that nobody's index is lost and nobody's blob removed.
    lock: Option<Flock<File>>,
    /// The blobs that weren't there before.
    made: Vec<Name>,
    sync: bool,
}

impl Layout {
    /// Opens a layout, or makes one of a directory that is missing or empty.
    ///
    /// # Errors
    ///
    /// EINVAL for a directory that holds something else.
    pub(crate) fn open_or_make_ambient(place: Place<'_>, what: &str, sync: bool) -> Result<Self> {
        Destination::check_ambient(place, what)?;
        let destination = Destination::open_or_make_unnamed_ambient(place)?;
        match prepare(&destination, what) {
            Ok(blobs) => Ok(Self {
                destination,
                blobs,
                lock: None,
                made: Vec::new(),
                sync,
            }),
            Err(error) => Err(destination.abandon(error)),
        }
    }

    /// Starts a blob whose name will be known when it is complete.
    pub(crate) fn begin_blob(&self) -> Result<Output> {
        Output::create(&self.blobs, &name("blob")?)
    }

    /// Gives a blob that is complete its name.
    pub(crate) fn add_blob(
        &mut self,
        mut blob: Output,
        digest: Sha256Digest,
        watch: &Watch,
    ) -> Result<()> {
        let its = name(&digest.to_string())?;
        if self.lock.is_none() {
            match self.lock(watch) {
                Ok(lock) => self.lock = Some(lock),
                Err(error) => return Err(blob.abandon(error)),
            }
        }
        blob.rename(&its);
        let is_new = match Node::find_at(&self.blobs, &its) {
            Ok(found) => found.is_none(),
            Err(error) => return Err(blob.abandon(error)),
        };
        if is_new {
            self.made.push(its);
        }
        if self.sync {
            blob.publish_synced()
        } else {
            blob.publish()
        }
    }

    /// Adds a document as a blob.
    pub(crate) fn add_document(
        &mut self,
        media_type: &str,
        bytes: &[u8],
        watch: &Watch,
    ) -> Result<Descriptor> {
        let mut hasher = Hasher::new();
        hasher.update(bytes);
        let digest = hasher.finish();
        let blob = self.begin_blob()?;
        if let Err(error) = write_all_at(blob.file(), bytes, 0) {
            return Err(blob.abandon(Error::io("write", error)));
        }
        self.add_blob(blob, digest, watch)?;
        Ok(Descriptor::new(media_type, digest, bytes.len() as u64))
    }

    /// Lists the image in the index, instead of another of the same name. From then on the image is there.
    pub(crate) fn publish(&mut self, image: &Descriptor, watch: &Watch) -> Result<()> {
        if self.lock.is_none() {
            self.lock = Some(self.lock(watch)?);
        }
        let root = self.destination.root();
        let before = open_regular_at(root, &name(INDEX)?)?;
        let bytes = write("index", &with_image(before.as_ref(), image)?)?;
        let index = Output::create(root, &name(INDEX)?)?;
        if let Err(error) = write_all_at(index.file(), &bytes, 0) {
            return Err(index.abandon(Error::io("write", error)));
        }
        // After a crash of the system the images that were there before are still to be found.
        if self.sync || before.is_some() {
            index.publish_synced()?;
        } else {
            index.publish()?;
        }
        self.made.clear();
        Ok(())
    }

    /// Removes what was made, or says in the error for which it is removed that it stays.
    pub(crate) fn abandon(self, error: Error) -> Error {
        let mut error = error;
        for its in &self.made {
            match unlinkat(&self.blobs, its, UnlinkatFlags::NoRemoveDir) {
                Ok(()) | Err(Errno::ENOENT) => {}
                Err(errno) => {
                    let text = format!("blob {} stays and can't be removed", its.quoted());
                    error = error.context(format!("{text} ({errno:?})"));
                }
            }
        }
        drop(self.blobs);
        self.destination.abandon(error)
    }

    /// Waits until no other writer of this library's is at work on the layout.
    fn lock(&self, watch: &Watch) -> Result<Flock<File>> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let fd = openat(self.destination.root(), ".", flags, Mode::empty());
        let mut file = File::from(fd.called(|| "open the layout")?);
        loop {
            watch.check()?;
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(lock) => return Ok(lock),
                Err((same, Errno::EWOULDBLOCK | Errno::EINTR)) => file = same,
                Err((_, errno)) => return Err(Error::system("flock the layout", errno)),
            }
            thread::sleep(BETWEEN_LOOKS);
        }
    }
}

/// Makes what a layout has besides images, and opens the directory of blobs.
fn prepare(destination: &Destination, what: &str) -> Result<OwnedFd> {
    let root = destination.root();
    match open_regular_at(root, &name(OCI_LAYOUT)?)? {
        Some(_) => {}
        None if is_empty_directory(root)? => {
            let document = Output::create(root, &name(OCI_LAYOUT)?)?;
            if let Err(error) = write_all_at(document.file(), LAYOUT_DOCUMENT, 0) {
                return Err(document.abandon(Error::io("write", error)));
            }
            document.publish()?;
        }
        None => {
            let why = "is a directory that is neither empty nor an OCI image layout";
            return Err(Error::argument(what, why));
        }
    }
    let mut path = RootPath::root();
    for part in BLOBS.split('/') {
        let directory = root.directory_without_links(&path)?;
        match mkdirat(&directory, part, Mode::from_bits_truncate(0o755)) {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(errno) => return Err(Error::system(format!("mkdirat {part}"), errno)),
        }
        path = path.join(&name(part)?)?;
    }
    root.directory_without_links(&path)
}

/// The index with one more image: what it holds besides stays.
fn with_image(before: Option<&File>, image: &Descriptor) -> Result<Value> {
    let mut index = match before {
        Some(file) => read_index(file)?,
        None => Map::from_iter([
            ("mediaType".to_owned(), Value::from(media::INDEX)),
            ("schemaVersion".to_owned(), Value::from(2)),
        ]),
    };
    let manifests = index.entry("manifests").or_insert(Value::Null);
    if manifests.is_null() {
        *manifests = Value::Array(Vec::new());
    }
    let list = manifests.as_array_mut().ok_or_else(|| {
        Refusal::Document("index of the layout", "manifests is no list".to_owned())
    })?;
    list.retain(|one| !is_same(one, image));
    let image = serde_json::to_value(image);
    list.push(image.map_err(|error| Refusal::Document("index", error.to_string()))?);
    Ok(Value::Object(index))
}

fn read_index(file: &File) -> Result<Map<String, Value>> {
    let len = file.metadata().called(|| "fstat")?.len();
    if len > MAX_DOCUMENT {
        return Err(Refusal::DocumentSize("index of the layout", len).into());
    }
    let mut bytes = Vec::new();
    let mut reader = std::io::Read::take(file, MAX_DOCUMENT);
    std::io::Read::read_to_end(&mut reader, &mut bytes).called(|| "read index.json")?;
    Ok(parse("index of the layout", &bytes)?)
}

/// Whether an entry of the index is replaced by the image: it has its name, or both have none and are the same.
fn is_same(entry: &Value, image: &Descriptor) -> bool {
    let name = entry
        .get("annotations")
        .and_then(|annotations| annotations.get(REF_NAME))
        .and_then(Value::as_str);
    match (name, image.annotation(REF_NAME)) {
        (Some(one), Some(other)) => one == other,
        (None, None) => entry.get("digest").and_then(Value::as_str) == Some(&image.digest),
        _ => false,
    }
}

fn name(text: &str) -> Result<Name> {
    Name::new(text.as_bytes()).ok_or_else(|| Error::argument("name", "is no single component"))
}
