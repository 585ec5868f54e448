//! Where the blobs of images are: a layout directory, or an oci-archive in a regular file.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;

use nix::errno::Errno;

use super::document::parse;
use super::{Blob, Descriptor, INDEX, Index, MAX_DOCUMENT, MAX_MEMBERS, OCI_LAYOUT, Refusal};
use crate::archive::{ArchiveOrigin, Hash, Input, Reading};
use crate::error::{Called as _, Context as _, Result, quote};
use crate::fs::{Place, Root, RootPath, open_regular_at};
use crate::stream::Channel;
use crate::tar::Reader;

/// The layout that images are read from.
pub(crate) enum BlobStore {
    /// A directory.
    Directory(Root),
    /// A tar of such a directory: the file, and where its members' data are.
    Archive(Arc<File>, BTreeMap<Vec<u8>, Range>),
}

/// Where a member's data lies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Range {
    start: u64,
    len: u64,
}

impl BlobStore {
    /// Opens a directory, or an archive in a file. What can't be read by offset (a pipe, a compressed archive) is copied
    /// into a file that `spool` makes first.
    pub(crate) fn open_ambient(
        place: Place<'_>,
        spool: impl FnOnce() -> Result<File>,
        reading: &Reading,
    ) -> Result<Self> {
        if let Some(directory) = open_directory(place)? {
            let store = BlobStore::Directory(Root::new(directory));
            store.check_layout()?;
            return Ok(store);
        }
        let fd = match place.descriptor() {
            Some(fd) => fd.try_clone_to_owned(),
            None => Ok(OwnedFd::from(crate::fs::open_input_ambient(place)?)),
        };
        let fd = fd.called(|| "dup")?;
        let channel = Channel::reader(fd.as_fd(), &reading.watch)?;
        let mut origin = if channel.is_regular() {
            ArchiveOrigin::File(Arc::new(channel.into_file()))
        } else {
            ArchiveOrigin::Stream(Some(crate::archive::Peer {
                reader: Box::new(channel),
                abandoned: crate::watch::Cancellation::new(),
            }))
        };
        let mut input = origin.read(reading, Hash::Never, None)?;
        let file = match (&origin, &input) {
            (ArchiveOrigin::File(file), Input::File(_)) => Arc::clone(file),
            _ => {
                let file = Arc::new(spool()?);
                input.copy_to(&file, 0, u64::MAX)?;
                file
            }
        };
        let store = Self::index(file, reading)?;
        store.check_layout()?;
        Ok(store)
    }

    /// Finds the members of an archive: only headers are read.
    fn index(file: Arc<File>, reading: &Reading) -> Result<Self> {
        let input = ArchiveOrigin::File(Arc::clone(&file)).read(reading, Hash::Never, None)?;
        let mut reader = Reader::new(input);
        let mut members = BTreeMap::new();
        while let Some(member) = reader.next_member()? {
            reading.watch.check()?;
            let path = RootPath::clean(&member.path).at_entry(&member.path)?;
            let Some(extents) = member.extents().filter(|file| file.ranges().is_none()) else {
                continue;
            };
            if members.len() >= MAX_MEMBERS {
                return Err(Refusal::Members.into());
            }
            let range = Range {
                start: reader.source().consumed(),
                len: extents.stored(),
            };
            if members.insert(path.as_bytes().to_vec(), range).is_some() {
                return Err(Refusal::Twice(path.quoted()).into());
            }
        }
        Ok(BlobStore::Archive(file, members))
    }

    /// Fails unless `oci-layout` is there and says what it should.
    fn check_layout(&self) -> Result<()> {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Document {
            image_layout_version: String,
        }
        let Some(blob) = self.find(OCI_LAYOUT)? else {
            return Err(Refusal::NoLayout("oci-layout isn't there".to_owned()).into());
        };
        let document: Document = parse("oci-layout", &blob.document("oci-layout")?)?;
        if document.image_layout_version.starts_with("1.") {
            return Ok(());
        }
        let version = quote(document.image_layout_version.as_bytes());
        Err(Refusal::NoLayout(format!("its version is {version}, not 1.0.0")).into())
    }

    /// The images of the layout.
    pub(crate) fn index_document(&self) -> Result<Index> {
        let Some(blob) = self.find(INDEX)? else {
            return Err(Refusal::NoLayout("index.json isn't there".to_owned()).into());
        };
        Ok(parse("index", &blob.document("index")?)?)
    }

    /// The blob that a descriptor names. Its size is that of the file; nothing is verified.
    pub(crate) fn blob(&self, what: &'static str, descriptor: &Descriptor) -> Result<Blob> {
        let path = format!("{}/{}", super::BLOBS, descriptor.sha256()?);
        let missing = || Refusal::MissingBlob(what, quote(descriptor.digest.as_bytes()));
        Ok(self.find(&path)?.ok_or_else(missing)?)
    }

    /// The document that a descriptor names, if it is what the descriptor says.
    pub(crate) fn document(&self, what: &'static str, descriptor: &Descriptor) -> Result<Vec<u8>> {
        if descriptor.size > MAX_DOCUMENT {
            return Err(Refusal::DocumentSize(what, descriptor.size).into());
        }
        self.blob(what, descriptor)?
            .verified_document(what, descriptor)
    }

    fn find(&self, path: &str) -> Result<Option<Blob>> {
        match self {
            BlobStore::Directory(root) => find_file(root, path),
            BlobStore::Archive(file, members) => {
                Ok(members.get(path.as_bytes()).map(|range| Blob {
                    file: Arc::clone(file),
                    start: range.start,
                    len: range.len,
                }))
            }
        }
    }
}

/// Opens a directory; none if it is something else.
fn open_directory(place: Place<'_>) -> Result<Option<OwnedFd>> {
    match place.open_unnamed_directory_ambient() {
        Ok(directory) => Ok(Some(directory)),
        Err(error) if error.is(Errno::ENOTDIR) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A regular file below a directory; symlinks on the way stay inside of it, and the last name is no symlink.
fn find_file(root: &Root, path: &str) -> Result<Option<Blob>> {
    let path = RootPath::clean(path.as_bytes())?;
    let Some((directory, name)) = path.split() else {
        return Ok(None);
    };
    let directory = match root.directory(&directory) {
        Ok(directory) => directory,
        Err(error) if error.is_any(&[Errno::ENOENT, Errno::ENOTDIR]) => return Ok(None),
        Err(error) => return Err(error),
    };
    let Some(file) = open_regular_at(&directory, &name)? else {
        return Ok(None);
    };
    let len = file.metadata().called(|| "fstat")?.len();
    Ok(Some(Blob {
        file: Arc::new(file),
        start: 0,
        len,
    }))
}
