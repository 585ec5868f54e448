//! An archive that is open for import.

#![forbid(unsafe_code)]

use std::ffi::OsStr;
use std::io::Read as _;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::Arc;

use super::contents::{Contents, MemberInfo};
use super::extract::{Imported, Pass};
use super::options::ImportOptions;
use super::targets::{Selection, Targets};
use super::verified::{Stamp, Verified};
use crate::archive::{
    ArchiveOrigin, Content, Hash, Input, Meter, Overflow, Peer, Reading, Sha256Digest, digest_of,
};
use crate::checkpoint::bundle::check_config;
use crate::checkpoint::image::{OpenImage, Unchanged};
use crate::checkpoint::names::CONFIGURATIONS;
use crate::checkpoint::{DocumentKind, MAX_CONFIG, Metadata};
use crate::error::{Called as _, Context as _, Error, Kind, Result};
use crate::fs::{Place, RootPath, open_input_ambient, spool_ambient};
use crate::stream::Channel;
use crate::tar::{Member, Reader};
use crate::watch::{Cancellation, Phase, WarningKind, Watch};

/// The file that every OCI image layout has at its top.
const OCI_LAYOUT: &str = "oci-layout";

/// A checkpoint archive that is open for import: it tells what it holds, then it is extracted.
///
/// The archive may be plain or compressed with gzip, bzip2, xz or zstd. In a regular file it is read from the file's
/// beginning, as often as need be; a pipe or a socket is read once.
pub struct Import {
    /// For messages.
    step: String,
    origin: ArchiveOrigin,
    options: ImportOptions,
    reading: Reading,
    /// Where looking at the archive has come to.
    reader: Option<Reader<Input<'static>>>,
    /// Whether all members were seen.
    complete: bool,
    /// The documents that are of interest.
    documents: &'static [DocumentKind],
    /// Whether what is looked at is kept, to be extracted after.
    keeps: bool,
    /// Whether nothing at all is an archive without members.
    accepts_nothing: bool,
    metadata: Metadata,
    contents: Contents,
    pub(super) targets: Targets,
    /// The image that the archive is in, and the digest that is told of it.
    pub(super) image: Option<Box<OpenImage>>,
    pub(super) told: Option<Sha256Digest>,
}

impl Import {
    /// Opens an archive: a file, whose path's symlinks are followed, or a descriptor of a file, a pipe or a socket. A
    /// regular file is read from its beginning, and a descriptor's offset stays; a pipe or a socket is read from where
    /// it is, and nobody else should read from it while the import lives. All that is done with the import heeds the
    /// watch.
    ///
    /// # Errors
    ///
    /// ENOENT if the archive is missing, EISDIR for a directory, EBADF for a descriptor that can't be read from; the
    /// system calls' own.
    pub fn open<'p>(
        archive: impl Into<Place<'p>>,
        options: &ImportOptions,
        watch: &Watch,
    ) -> Result<Self> {
        Self::open_named(archive.into(), "archive", options, watch)
    }

    /// [`open`](Self::open), where the caller calls the argument `what`.
    pub(in crate::checkpoint) fn open_named(
        archive: Place<'_>,
        what: &str,
        options: &ImportOptions,
        watch: &Watch,
    ) -> Result<Self> {
        archive.check_given(what)?;
        let step = archive.named("archive");
        let opened = match archive.descriptor() {
            Some(fd) => Self::new(fd, options, watch),
            None => {
                open_input_ambient(archive).and_then(|file| Self::new(file.as_fd(), options, watch))
            }
        };
        opened
            .context(|| step.as_str())
            .map(|import| Self { step, ..import })
    }

    fn new(input: BorrowedFd<'_>, options: &ImportOptions, watch: &Watch) -> Result<Self> {
        let abandoned = Cancellation::new();
        let channel = Channel::reader(input, &watch.until(&abandoned))?;
        let origin = if channel.is_regular() {
            ArchiveOrigin::File(Arc::new(channel.into_file()))
        } else {
            let reader = Box::new(channel);
            ArchiveOrigin::Stream(Some(Peer { reader, abandoned }))
        };
        Ok(Self::of_origin(
            origin,
            "archive".to_owned(),
            options,
            watch,
        ))
    }

    /// One of an archive that comes from there; `step` is what messages call it.
    pub(super) fn of_origin(
        origin: ArchiveOrigin,
        step: String,
        options: &ImportOptions,
        watch: &Watch,
    ) -> Self {
        Self {
            step,
            origin,
            options: options.clone(),
            reading: Reading {
                watch: watch.clone(),
                max_ratio: options.max_ratio,
            },
            reader: None,
            complete: false,
            documents: &DocumentKind::ALL,
            keeps: true,
            accepts_nothing: false,
            metadata: Metadata::default(),
            contents: Contents::default(),
            targets: Targets::default(),
            image: None,
            told: None,
        }
    }

    /// What the archive says of the container. Reads as far as it must, which is to config.dump and spec.dump, and to
    /// the end if one of them is missing; documents that come later are known after [`members`](Self::members). Of a
    /// plain archive in a file only headers are read on the way.
    ///
    /// # Errors
    ///
    /// EBADMSG if the archive or one of the two is malformed, or is there twice, or if there is nothing at all; EXDEV or EPERM if one isn't a regular
    /// file; E2BIG if it is larger than 16 MiB, and as [`ImportOptions::spool_directory`] says.
    pub fn metadata(&mut self) -> Result<&Metadata> {
        let wanted = [DocumentKind::Config, DocumentKind::Spec];
        self.look_until(|metadata| wanted.iter().all(|kind| metadata.document(*kind).is_some()))?;
        Ok(&self.metadata)
    }

    /// All members of the archive. Of a plain archive in a file only headers are read; anything else is read to its
    /// end.
    ///
    /// # Errors
    ///
    /// As [`metadata`](Self::metadata); E2BIG for more than 4 million members, or 256 MiB of names.
    pub fn members(&mut self) -> Result<&[MemberInfo]> {
        self.look_until(|_| false)?;
        Ok(&self.contents.members)
    }

    /// Looks at the archive until config.dump was seen, and at nothing else: whatever is wrong with another document,
    /// this one tells what it tells.
    pub(in crate::checkpoint) fn only_config(mut self) -> Result<Metadata> {
        self.documents = &[DocumentKind::Config];
        self.keeps = false;
        self.accept_nothing();
        self.look_until(|metadata| metadata.document(DocumentKind::Config).is_some())?;
        let layout = |member: &MemberInfo| member.name == OCI_LAYOUT;
        if self.metadata.config().is_none() && self.contents.members.iter().any(layout) {
            let layout = Error::from(super::Refusal::Layout);
            return Err(layout.context(self.step.as_str()));
        }
        Ok(self.metadata)
    }

    /// Takes nothing at all for an archive without members.
    pub(super) fn accept_nothing(&mut self) {
        self.accepts_nothing = true;
    }

    /// Sets the directory into which [`extract`](Self::extract) extracts every member that has no other destination,
    /// except config.dump and spec.dump; with [`ImportOptions::configuration`] those too. A directory that is missing is
    /// made, with its missing parents, once the archive's first header is understood.
    ///
    /// # Errors
    ///
    /// EINVAL for a path that is missing and relative to the working directory, and if a bundle was set before.
    pub fn to_bundle<'d>(&mut self, bundle: impl Into<Place<'d>>) -> Result<()> {
        let selection = if self.options.configuration {
            Selection::All
        } else {
            Selection::AllButConfiguration
        };
        self.targets.set_bundle(bundle.into(), "bundle", selection)
    }

    /// [`to_bundle`](Self::to_bundle) as the documented function has it, where the argument is called `destination`.
    pub(super) fn choose_all_but_configuration(&mut self, bundle: Place<'_>) -> Result<()> {
        let selection = Selection::AllButConfiguration;
        self.targets.set_bundle(bundle, "destination", selection)
    }

    /// Sets the directory into which [`extract`](Self::extract) extracts the members of these names, and everything below
    /// them; config.dump and spec.dump may be among them. A name that isn't in the archive is ENODATA at the end.
    ///
    /// # Errors
    ///
    /// As [`to_bundle`](Self::to_bundle); EINVAL for a name that means the archive's root.
    pub fn to_bundle_only<'d>(
        &mut self,
        bundle: impl Into<Place<'d>>,
        names: &[impl AsRef<OsStr>],
    ) -> Result<()> {
        let names = names.iter().map(|name| super::member_path(name.as_ref()));
        let selection = Selection::Named(names.collect::<Result<_>>()?);
        self.targets.set_bundle(bundle.into(), "bundle", selection)
    }

    /// Has config.dump and spec.dump extracted into the bundle, and reads no further than to the second of them.
    pub(super) fn choose_configuration(&mut self, bundle: Place<'_>) -> Result<()> {
        let names = CONFIGURATIONS.map(|name| RootPath::clean(name.as_bytes()));
        let [config, spec] = names;
        let selection = Selection::Configuration([config?, spec?]);
        self.targets.set_bundle(bundle, "destination", selection)
    }

    /// Sets the root directory of the container, to which [`extract`](Self::extract) applies rootfs-diff.tar straight from
    /// the archive, and from which it removes what deleted.files lists after all else. Neither goes into the bundle
    /// then. An archive without them is no error.
    ///
    /// # Errors
    ///
    /// ENOENT or ENOTDIR for what is no directory; EINVAL for a path that is relative to the working directory, and if a
    /// root was set before.
    pub fn to_root<'d>(&mut self, root: impl Into<Place<'d>>) -> Result<()> {
        self.targets.set_root(root.into())
    }

    /// Sets the existing directory into which [`extract`](Self::extract) extracts a named volume (volumes/NAME.tar). A
    /// volume that isn't in the archive is ENODATA at the end; volumes without a directory go into the bundle, as they
    /// are.
    ///
    /// # Errors
    ///
    /// ENOENT or ENOTDIR for what is no directory; EINVAL for a name that isn't one component, and if its directory was
    /// set before.
    pub fn to_volume<'d>(
        &mut self,
        volume: impl AsRef<OsStr>,
        directory: impl Into<Place<'d>>,
    ) -> Result<()> {
        self.targets.add_volume(volume.as_ref(), directory.into())
    }

    /// Sets the existing directory into which [`extract`](Self::extract) extracts the container's own /dev/shm
    /// (devshm-checkpoint.tar). ENODATA at the end if the archive hasn't any.
    ///
    /// # Errors
    ///
    /// ENOENT or ENOTDIR for what is no directory; EINVAL if a directory was set before.
    pub fn to_shm<'d>(&mut self, directory: impl Into<Place<'d>>) -> Result<()> {
        self.targets.set_shm(directory.into())
    }

    /// Extracts everything that has a destination, in one pass over the archive, and then removes what the container had
    /// deleted. If [`metadata`](Self::metadata) or [`members`](Self::members) has read a part of the archive, that part
    /// isn't read again as long as it is still kept, so that a pipe is read once.
    ///
    /// # Errors
    ///
    /// For the bundle, EPERM for config.json, devices and fifos, EXDEV for links other than those CRIU makes
    /// (`checkpoint/parent`) and hard links among the archive's own files. EBADMSG for a malformed archive, for
    /// nothing at all, for two of a configuration file, or for another digest than expected; ENODATA for what was asked for and isn't
    /// there; E2BIG for a limit; ECANCELED; ETIMEDOUT; ESPIPE for a pipe that was read already; what the system calls give. A
    /// bundle that this call has made is removed again; in one that was there, and in every other directory, what was
    /// done stays, and the error says how far it came.
    pub fn extract(&mut self) -> Result<Imported> {
        self.run().context(|| self.step.as_str())
    }

    fn run(&mut self) -> Result<Imported> {
        // Nothing is made for options that contradict each other.
        self.options.rules.check()?;
        let layers = self.image.as_ref().map(|image| image.verify(&self.reading));
        let layers = layers.transpose()?;
        let verified = self.verify()?;
        let hash = match verified {
            None if self.wants_digest() => Hash::Always,
            _ => Hash::Never,
        };
        let mut reader = self.read_again(hash)?;
        let watch = self.reading.watch.clone();
        watch.begin(Phase::Extracting, self.origin.len()?);
        // What is replayed was read before.
        watch.advance(reader.source().consumed());
        let meter = Meter::default();
        let pass = Pass::new(&self.targets, &self.options, &self.reading, &meter);
        let pass = pass.accepting_nothing(self.accepts_nothing);
        let imported = pass.run(&mut reader, |reader| {
            let digest = self.check_digest(reader, verified)?;
            layers.as_ref().map_or(Ok(()), Unchanged::check)?;
            Ok(digest.or(self.told))
        })?;
        watch.end();
        Ok(imported)
    }

    fn wants_digest(&self) -> bool {
        self.options.digest || self.options.expected_digest.is_some()
    }

    /// Compares the digest of an archive that can be read twice with the expected one.
    fn verify(&self) -> Result<Option<Verified>> {
        let (Some(expected), ArchiveOrigin::File(file)) =
            (self.options.expected_digest, &self.origin)
        else {
            return Ok(None);
        };
        let watch = &self.reading.watch;
        let stamp = Stamp::of(file)?;
        watch.begin(Phase::Verifying, Some(stamp.len));
        let digest = digest_of(file, stamp.len, watch)?;
        watch.end();
        expect(expected, digest)?;
        Ok(Some(Verified { digest, stamp }))
    }

    /// The digest of an archive that was read to its end, if it was asked for and is as expected.
    fn check_digest(
        &self,
        reader: &Reader<Input<'_>>,
        verified: Option<Verified>,
    ) -> Result<Option<Sha256Digest>> {
        if let (Some(verified), ArchiveOrigin::File(file)) = (verified, &self.origin)
            && Stamp::of(file)? != verified.stamp
        {
            return Err(super::Refusal::Written.into());
        }
        let verified = verified.map(|verified| verified.digest);
        let digest = reader.source().take_digest().or(verified);
        match (self.options.expected_digest, digest) {
            (Some(expected), Some(digest)) => expect(expected, digest)?,
            // It was to be computed on the way, and wasn't.
            (Some(_), None) => return Err(Error::new(Kind::Internal, "no digest to compare")),
            (None, _) => {}
        }
        Ok(digest)
    }

    /// Reads the archive from its beginning: what was seen already once more, if it was kept.
    fn read_again(&mut self, hash: Hash) -> Result<Reader<Input<'static>>> {
        let seen = self.reader.take().map(Reader::into_source);
        let mut input = match seen.and_then(|mut seen| seen.rewind(false).then_some(seen)) {
            Some(seen) => seen,
            None if self.targets.are_few() => self.origin.look(&self.reading, hash, None)?,
            None => self.origin.read(&self.reading, hash, None)?,
        };
        if !matches!(self.targets.selection, Selection::Configuration(_)) {
            input.decode_ahead();
        }
        Ok(Reader::new(input))
    }

    /// Takes members in until all were seen, or what is known of the container is enough.
    fn look_until(&mut self, is_enough: impl Fn(&Metadata) -> bool) -> Result<()> {
        self.look(is_enough).context(|| self.step.as_str())
    }

    fn look(&mut self, is_enough: impl Fn(&Metadata) -> bool) -> Result<()> {
        if self.complete || is_enough(&self.metadata) {
            return Ok(());
        }
        let mut reader = match self.reader.take() {
            Some(reader) => reader,
            None => self.begin_to_look()?,
        };
        while !is_enough(&self.metadata) {
            let Some(member) = reader.next_member()? else {
                // A damaged archive may have had what is missing.
                reader.finish()?;
                if !self.accepts_nothing {
                    reader.source().refuse_void()?;
                }
                self.complete = true;
                break;
            };
            self.take_in(&member, &mut reader).at_entry(&member.path)?;
        }
        self.reader = Some(reader);
        self.reading.watch.end();
        Ok(())
    }

    fn begin_to_look(&mut self) -> Result<Reader<Input<'static>>> {
        self.reading.watch.begin(Phase::Reading, self.origin.len()?);
        let overflow = match (&self.origin, &self.options.spool_directory) {
            _ if !self.keeps => None,
            (ArchiveOrigin::File(_) | ArchiveOrigin::Made(..), _) => Some(Overflow::Forget),
            (ArchiveOrigin::Stream(_), None) => Some(Overflow::Refuse),
            (ArchiveOrigin::Stream(_), Some(directory)) => {
                let directory = directory.get().open_directory_ambient("directory")?;
                Some(Overflow::Spool(spool_ambient(Some(directory.as_fd()))?))
            }
        };
        let hash = if self.wants_digest() {
            Hash::IfStream
        } else {
            Hash::Never
        };
        let input = self.origin.look(&self.reading, hash, overflow)?;
        // A look that failed, or that an extraction has ended, may have seen the same members before.
        (self.metadata, self.contents) = Default::default();
        Ok(Reader::new(input))
    }

    /// What an inspection reads.
    pub(in crate::checkpoint) fn origin(&self) -> &ArchiveOrigin {
        &self.origin
    }

    pub(in crate::checkpoint) fn reading(&self) -> &Reading {
        &self.reading
    }

    pub(in crate::checkpoint) fn step(&self) -> &str {
        &self.step
    }

    /// Lets `look` read a pipe to its end, from its first byte on, and keeps what it yields: afterwards the session is where
    /// it began.
    pub(in crate::checkpoint) fn look_from_beginning<T>(
        &mut self,
        look: impl FnOnce(&mut Reader<Input<'static>>) -> Result<T>,
    ) -> Result<T> {
        let seen = self.reader.take().map(Reader::into_source);
        let mut reader = match seen.and_then(|mut seen| seen.rewind(true).then_some(seen)) {
            Some(seen) => Reader::new(seen),
            None => self.begin_to_look()?,
        };
        let looked = look(&mut reader)?;
        self.reading.watch.end();
        let mut seen = reader.into_source();
        if seen.rewind(true) {
            self.reader = Some(Reader::new(seen));
            (self.metadata, self.contents) = Default::default();
            self.complete = false;
        }
        Ok(looked)
    }

    fn take_in(&mut self, member: &Member, reader: &mut Reader<Input<'static>>) -> Result<()> {
        let path = RootPath::clean(&member.path)?;
        self.reading.watch.at(path.as_bytes());
        self.contents.add(member, &path)?;
        self.metadata.saw(path.as_bytes());
        let kind = DocumentKind::of(path.as_bytes());
        let Some(kind) = kind.filter(|kind| self.documents.contains(kind)) else {
            return Ok(());
        };
        let file = if matches!(kind, DocumentKind::Config | DocumentKind::Spec) {
            let file = check_config(member)?;
            if self.metadata.document(kind).is_some() {
                return Err(super::Refusal::Twice.into());
            }
            file
        } else if let Some(file) = member.extents().filter(|file| file.size() <= MAX_CONFIG) {
            file
        } else {
            let why = "is no regular file of at most 16 MiB";
            self.reading
                .watch
                .warn(WarningKind::Ignored, path.as_bytes(), why);
            return Ok(());
        };
        let mut bytes = Vec::new();
        let mut data = reader.data();
        Content::new(file, &mut data)
            .read_to_end(&mut bytes)
            .called(|| "read")?;
        self.metadata.insert(kind, bytes)
    }
}

fn expect(expected: Sha256Digest, digest: Sha256Digest) -> Result<()> {
    if expected == digest {
        return Ok(());
    }
    Err(super::Refusal::Digest(digest, expected).into())
}
