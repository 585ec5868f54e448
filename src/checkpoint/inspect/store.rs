//! Where a checkpoint lies: an archive, a bundle's directory, or a directory of images.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStringExt as _;
use std::sync::Arc;

use nix::fcntl::readlinkat;

use super::cursor::Cursors;
use super::images::{Images, stats};
use super::sets::{PagesKey, Set};
use super::text_pages;
use crate::archive::{ArchiveOrigin, Content, Hash, Input, Reading, type_of};
use crate::budget::Budget;
use crate::checkpoint::MAX_CONFIG;
use crate::checkpoint::bundle::check_config;
use crate::checkpoint::import::MemberInfo;
use crate::checkpoint::names::{INVENTORY, PARENT, STATS_DUMP, STATS_RESTORE};
use crate::checkpoint::{DocumentKind, MemberClass, Metadata};
use crate::criu::{ImageName, ImageType, Items, Stats};
use crate::error::{Called as _, Context as _, Error, Kind, Result};
use crate::fs::{Name, Node, Root, RootPath, open_regular_at, sorted_names};
use crate::tar::{Extent, Member, MemberKind, MemberType, Reader};
use crate::watch::Phase;

/// What a checkpoint is read from.
pub(super) enum Source {
    /// A plain archive: any byte of a member by one read.
    Plain(Arc<File>),
    /// An archive that is read from its beginning, as often as need be.
    Compressed(Box<Cursors>),
    /// An archive that was read.
    Spent,
    /// A directory.
    Directory,
}

/// Where a file of pages lies.
pub(super) enum Located {
    /// In a plain archive, from this offset on; a sparse one in these extents.
    At(u64, Option<Vec<Extent>>),
    /// In an archive that is read in order: the member with this index.
    Member(usize),
    /// A file of its own.
    File(File),
}

/// A checkpoint, read but for its pages.
pub(super) struct Store {
    /// For messages.
    pub(super) step: String,
    pub(super) source: Source,
    pub(super) members: Vec<MemberInfo>,
    pub(super) metadata: Metadata,
    pub(super) sets: BTreeMap<Set, Images>,
    pub(super) dump: Option<Stats>,
    pub(super) restore: Option<Stats>,
    pub(super) pages: BTreeMap<PagesKey, Located>,
    /// What was read of pages while it came past, by its offset.
    pub(super) kept: BTreeMap<PagesKey, BTreeMap<u64, Vec<u8>>>,
    /// What is wrong with documents that an inspection does without: their names, and why.
    pub(super) problems: Vec<(Vec<u8>, String)>,
    pub(super) reading: Reading,
    /// Whether a place in the archive can be reached without what is before it, so that nothing is kept of what comes past.
    seeks: bool,
    budget: Budget,
}

impl Store {
    fn new(step: &str, source: Source, reading: &Reading) -> Self {
        Self {
            step: step.to_owned(),
            source,
            members: Vec::new(),
            metadata: Metadata::default(),
            sets: BTreeMap::new(),
            dump: None,
            restore: None,
            pages: BTreeMap::new(),
            kept: BTreeMap::new(),
            problems: Vec::new(),
            reading: reading.clone(),
            seeks: false,
            budget: Budget::default(),
        }
    }

    /// Reads an archive.
    pub(super) fn archive(
        step: &str,
        mut origin: ArchiveOrigin,
        reading: &Reading,
        items: &mut Items,
    ) -> Result<Self> {
        reading.watch.begin(Phase::Reading, origin.len()?);
        let input = origin.look(reading, Hash::Never, None)?;
        let source = match (&origin, &input) {
            (ArchiveOrigin::File(file), Input::File(_)) => Source::Plain(Arc::clone(file)),
            (ArchiveOrigin::File(_), Input::Stream(_) | Input::Frames(_))
            | (ArchiveOrigin::Made(..), _) => {
                Source::Compressed(Box::new(Cursors::new(origin, &input, reading.clone())))
            }
            (ArchiveOrigin::Stream(_), _) => Source::Spent,
        };
        let mut store = Self::new(step, source, reading);
        store.seeks = matches!(input, Input::Frames(_));
        store.take_members(&mut Reader::new(input), items)?;
        reading.watch.end();
        Ok(store)
    }

    /// Reads an archive that comes past once.
    pub(super) fn stream(
        step: &str,
        reader: &mut Reader<Input<'static>>,
        reading: &Reading,
        items: &mut Items,
    ) -> Result<Self> {
        let mut store = Self::new(step, Source::Spent, reading);
        store.take_members(reader, items)?;
        Ok(store)
    }

    fn take_members(
        &mut self,
        reader: &mut Reader<Input<'static>>,
        items: &mut Items,
    ) -> Result<()> {
        while let Some(member) = reader.next_member()? {
            let taken = self.take_member(&member, reader, items);
            taken.at_entry(&member.path)?;
        }
        reader.finish()?;
        reader.source().refuse_void()
    }

    fn take_member(
        &mut self,
        member: &Member,
        reader: &mut Reader<Input<'static>>,
        items: &mut Items,
    ) -> Result<()> {
        let path = RootPath::clean(&member.path)?;
        self.reading.watch.at(path.as_bytes());
        let index = self.members.len();
        self.add_member(
            &member.path,
            &path,
            member.kind.member_type(),
            member.size(),
        )?;
        if let Some(info) = self.members.last_mut() {
            (info.stored, info.offset) = (member.stored(), member.offset);
        }
        if let Some(kind) = DocumentKind::of(path.as_bytes()) {
            let problem = self.take_document(kind, member, reader)?;
            self.problems
                .extend(problem.map(|why| (member.path.clone(), why)));
            return Ok(());
        }
        match &member.kind {
            MemberKind::Regular(file) => {
                let begins = reader.source().consumed();
                let located = match self.source {
                    Source::Plain(_) => Located::At(begins, file.ranges().map(<[Extent]>::to_vec)),
                    _ => Located::Member(index),
                };
                let mut data = reader.data();
                let content = Content::new(file, &mut data);
                self.take_file(&path, file.size(), content, located, items)
            }
            MemberKind::Symlink { target } => {
                self.take_parent(&path, target);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn add_member(
        &mut self,
        name: &[u8],
        path: &RootPath,
        kind: MemberType,
        size: u64,
    ) -> Result<()> {
        self.budget.take(name.len())?;
        self.metadata.saw(path.as_bytes());
        self.members.push(MemberInfo {
            name: OsString::from_vec(name.to_vec()),
            kind,
            class: MemberClass::of(path.as_bytes()),
            size,
            stored: size,
            offset: 0,
        });
        Ok(())
    }

    /// Takes in a document. What is wrong with one is told and doesn't keep anybody from looking at the rest.
    fn take_document(
        &mut self,
        kind: DocumentKind,
        member: &Member,
        reader: &mut Reader<Input<'static>>,
    ) -> Result<Option<String>> {
        let file = match check_config(member) {
            Ok(file) => file,
            Err(error) => return problem(error).map(Some),
        };
        let mut bytes = Vec::new();
        let mut data = reader.data();
        Content::new(file, &mut data)
            .read_to_end(&mut bytes)
            .called(|| "read")?;
        self.insert(kind, bytes)
    }

    fn insert(&mut self, kind: DocumentKind, bytes: Vec<u8>) -> Result<Option<String>> {
        if self.metadata.document(kind).is_some() {
            return Ok(Some("is there twice".to_owned()));
        }
        let inserted = self.metadata.insert(kind, bytes);
        inserted.err().map(problem).transpose()
    }

    /// Takes in what may be an image.
    fn take_file(
        &mut self,
        path: &RootPath,
        size: u64,
        content: impl Read,
        located: Located,
        items: &mut Items,
    ) -> Result<()> {
        match path.as_bytes() {
            name if name == STATS_DUMP.as_bytes() => {
                self.dump = Some(stats(content, size, items)?);
            }
            name if name == STATS_RESTORE.as_bytes() => {
                self.restore = Some(stats(content, size, items)?);
            }
            path => {
                if let Some((set, name)) = Set::of(path) {
                    return self.take_image(set, name, size, content, located, items);
                }
            }
        }
        Ok(())
    }

    fn take_image(
        &mut self,
        set: Set,
        name: &[u8],
        size: u64,
        content: impl Read,
        located: Located,
        items: &mut Items,
    ) -> Result<()> {
        let images = self.sets.entry(set).or_default();
        if let ImageName::Pages(id) = ImageName::of(name) {
            images.pages.insert(id, size);
            if matches!(located, Located::Member(_)) && !self.seeks {
                let kept = text_pages::keep(&self.sets, (set, id), content)?;
                self.kept.insert((set, id), kept);
            }
            self.pages.insert((set, id), located);
            return Ok(());
        }
        images.take(name, size, content, items)
    }

    fn take_parent(&mut self, path: &RootPath, target: &[u8]) {
        if let Some((set, name)) = Set::of(path.as_bytes())
            && name == PARENT.as_bytes()
        {
            self.sets.entry(set).or_default().parent = Some(target.to_vec());
        }
    }

    /// Reads the directory of a bundle, or of images. Nothing outside of it is looked at.
    pub(super) fn directory(
        step: &str,
        directory: OwnedFd,
        reading: &Reading,
        items: &mut Items,
    ) -> Result<Self> {
        let mut store = Self::new(step, Source::Directory, reading);
        let root = Root::new(directory);
        let images = [INVENTORY.as_bytes(), b"pstree.img"];
        let holds_images = images.iter().try_fold(false, |found, name| {
            let name = Name::new(name).ok_or_else(not_a_name)?;
            Ok::<_, Error>(found || Node::find_at(&root, &name)?.is_some())
        })?;
        if holds_images {
            store.images_directory(&root, Set::Itself, items)?;
            return Ok(store);
        }
        for name in sorted_names(&root)? {
            let path = RootPath::clean(name.bytes())?;
            let taken = store.take_entry(&root, &path, &name, items);
            taken.at_entry(name.bytes())?;
        }
        Ok(store)
    }

    /// Takes in one of the files at the top of a bundle, or one of its directories of images.
    fn take_entry(
        &mut self,
        root: &Root,
        path: &RootPath,
        name: &Name,
        items: &mut Items,
    ) -> Result<()> {
        let Some((kind, size)) = self.add_entry(root, path, name)? else {
            return Ok(());
        };
        match (path.as_bytes(), kind) {
            (directory, MemberType::Directory) => {
                let Some(set) = Set::of_directory(directory) else {
                    return Ok(());
                };
                let directory = Root::new(root.directory_without_links(path)?);
                self.images_directory(&directory, set, items)
            }
            (path_bytes, MemberType::Regular) => {
                let document = DocumentKind::of(path_bytes);
                let is_stats = [STATS_DUMP, STATS_RESTORE]
                    .iter()
                    .any(|name| name.as_bytes() == path_bytes);
                if document.is_none() && !is_stats {
                    return Ok(());
                }
                let Some(file) = open_regular_at(root, name)? else {
                    return Ok(());
                };
                let Some(kind) = document else {
                    return self.take_file(path, size, file, Located::Member(0), items);
                };
                let mut bytes = Vec::new();
                file.take(MAX_CONFIG + 1)
                    .read_to_end(&mut bytes)
                    .called(|| "read")?;
                let problem = self.insert(kind, bytes)?;
                self.problems
                    .extend(problem.map(|why| (name.bytes().to_vec(), why)));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Lists an entry of a directory: its type and size, if it has a type that an archive could hold.
    fn add_entry(
        &mut self,
        directory: &Root,
        path: &RootPath,
        name: &Name,
    ) -> Result<Option<(MemberType, u64)>> {
        let Some(node) = Node::find_at(directory, name)? else {
            return Ok(None);
        };
        let stat = node.stat()?;
        let Some(kind) = type_of(&stat) else {
            return Ok(None);
        };
        let size = match kind {
            MemberType::Regular => u64::try_from(stat.st_size).unwrap_or_default(),
            _ => 0,
        };
        self.add_member(path.as_bytes(), path, kind, size)?;
        Ok(Some((kind, size)))
    }

    fn images_directory(&mut self, directory: &Root, set: Set, items: &mut Items) -> Result<()> {
        for name in sorted_names(directory)? {
            let path = [set.prefix().as_bytes(), name.bytes()].concat();
            let taken = self.take_image_entry(directory, set, &name, &path, items);
            taken.at_entry(&path)?;
        }
        Ok(())
    }

    fn take_image_entry(
        &mut self,
        directory: &Root,
        set: Set,
        name: &Name,
        path: &[u8],
        items: &mut Items,
    ) -> Result<()> {
        self.reading.watch.at(path);
        self.reading.watch.check()?;
        let clean = RootPath::clean(path)?;
        let Some((kind, size)) = self.add_entry(directory, &clean, name)? else {
            return Ok(());
        };
        match (kind, ImageName::of(name.bytes())) {
            (MemberType::Symlink, ImageName::Parent) => {
                let target = readlinkat(directory.as_fd(), name).called(|| "readlinkat")?;
                let target = target.into_vec();
                self.sets.entry(set).or_default().parent = Some(target);
            }
            // Statistics lie beside the images of CRIU itself.
            (
                MemberType::Regular,
                ImageName::Messages(ImageType::StatsDump | ImageType::StatsRestore, _),
            ) => {
                if let (Set::Itself, Some(file)) = (set, open_regular_at(directory, name)?) {
                    let path = RootPath::clean(name.bytes())?;
                    return self.take_file(&path, size, file, Located::Member(0), items);
                }
            }
            (MemberType::Regular, image) if image != ImageName::Other => {
                if let Some(file) = open_regular_at(directory, name)? {
                    let content = file.try_clone().called(|| "dup")?;
                    let located = Located::File(file);
                    return self.take_image(set, name.bytes(), size, content, located, items);
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// What is wrong with a part that an inspection does without, in words. That the caller has called it off, or has no memory
/// for it, is no fault of the part's.
pub(super) fn problem(error: Error) -> Result<String> {
    let is_the_callers = matches!(error.kind(), Kind::Cancelled | Kind::Deadline);
    if is_the_callers || error.errno() == libc::ENOMEM {
        return Err(error);
    }
    Ok(error.to_string())
}

fn not_a_name() -> Error {
    Error::new(Kind::Internal, "a constant is no name")
}

#[cfg(test)]
mod tests {
    use nix::errno::Errno;

    use super::*;

    #[test]
    fn what_is_the_callers_is_no_problem_of_a_document() {
        let damaged = Error::new(Kind::Malformed, "damaged");
        assert_eq!(problem(damaged).unwrap(), "damaged");
        problem(Error::system("read", Errno::EIO)).unwrap();
        for error in [
            Error::system("read", Errno::ENOMEM),
            Error::new(Kind::Cancelled, "cancelled"),
            Error::new(Kind::Deadline, "late"),
        ] {
            problem(error).unwrap_err();
        }
    }
}
