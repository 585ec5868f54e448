//! Where an archive goes.

#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom, Write};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;

use nix::errno::Errno;
use nix::sys::stat::SFlag;
use once_cell::unsync::OnceCell;

use super::members::{self, Judge, Storing};
use super::{Export, ExportOptions, Exported};
use crate::archive::{Hashing, Sha256Digest, Sink};
use crate::compress::{Encoding, encoder};
use crate::error::{Called as _, Context as _, Error, Result};
use crate::fs::{
    Identity, Name, Node, Output, OverlayState, Place, check_close, file_type, spool_ambient,
};
use crate::stream::Channel;
use crate::sys::Quiet;
use crate::watch::{Phase, Watch};

impl Export {
    /// Writes the archive to a place: into a file of this path, or to a descriptor.
    ///
    /// A path's file takes the place of a file or symlink that is there. It is private (mode 0600) from its beginning,
    /// and appears when it is whole; until then, and if anything fails, what was there before is untouched.
    ///
    /// A descriptor is a pipe, a socket, or a regular file, which is written from its offset on (with O_APPEND from its
    /// end); what is behind that stays as far as nothing is written over it. It stays the caller's, and isn't synced; the
    /// offset of a file is behind the archive then. A cancelled or failed export has written some of the archive, and the
    /// offset is anywhere in that. EINVAL, with nothing written, for a file that is to be stored itself.
    ///
    /// All members that have to be there are looked for first; for the total of a progress that somebody follows, and where
    /// a caller's file is written, nested archives are measured then, too, and otherwise when their turn comes. A file of the
    /// bundle that vanishes before it is looked at is left out; one that grows while it is read gives the bytes it had. The
    /// object that made an error is its [`entry`](crate::Error::entry).
    ///
    /// # Errors
    ///
    /// EINVAL for an unusable path or option; EISDIR for a directory; ENOENT for a required member that isn't there;
    /// EPERM and EXDEV for what no import would take; ESTALE for a file that got shorter while it was read, or, in a
    /// nested archive, vanished, was replaced or changed its attributes after it was measured (where a file system tells
    /// no birth times, one that was written to counts as replaced), unless what is stored may
    /// [live](ExportOptions::live); ECANCELED; ETIMEDOUT; E2BIG for names, xattrs and configuration above their limits;
    /// EPIPE if a pipe's reader goes away, without a signal; what the system calls give, EFBIG for a limit on the length
    /// of files among it.
    pub fn write<'p>(
        &self,
        archive: impl Into<Place<'p>>,
        options: &ExportOptions,
        watch: &Watch,
    ) -> Result<Exported> {
        let archive = archive.into();
        let written = match archive.descriptor() {
            Some(fd) => self.send(fd, options, watch),
            None => self.write_file(archive, options, watch),
        };
        written.context(|| archive.named("export to"))
    }

    fn write_file(
        &self,
        archive: Place<'_>,
        options: &ExportOptions,
        watch: &Watch,
    ) -> Result<Exported> {
        let encoding = options.encoder.encoding(options.compression)?;
        let parts = archive.split();
        let parts =
            parts.and_then(|(directory, name)| Some((directory, Name::new(name.as_bytes())?)));
        let (directory, name) = parts.ok_or_else(|| Error::argument("archive", "names no file"))?;
        let directory = directory.open_directory_ambient("archive")?;
        check_place("archive", &directory, &name)?;
        let output = Output::create(&directory, &name)?;
        let chosen = open_spool_directory(options)?;
        let chosen = chosen.as_ref().unwrap_or(&directory);
        let job = Job {
            export: self,
            options,
            encoding,
            watch,
            output: None,
            own: &[output.identity()?],
            judge: members::judge,
            spool: &|| spool_ambient(Some(chosen.as_fd())),
        };
        let exported = match job
            .fill(&output)
            .and_then(|done| watch.check().map(|()| done))
        {
            Ok(exported) => exported,
            Err(error) => return Err(output.abandon(error)),
        };
        watch.begin(Phase::Publishing, None);
        if options.sync {
            output.publish_synced()?;
        } else {
            output.publish()?;
        }
        watch.end();
        Ok(exported)
    }

    fn send(&self, fd: BorrowedFd<'_>, options: &ExportOptions, watch: &Watch) -> Result<Exported> {
        let encoding = options.encoder.encoding(options.compression)?;
        let channel = Channel::writer(fd, watch)?;
        let offset = channel.offset()?;
        let is_plain = encoding == Encoding::None && !options.digest;
        let chosen = open_spool_directory(options)?;
        let job = Job {
            export: self,
            options,
            encoding,
            watch,
            output: channel.is_regular().then(|| Identity::of(fd)).transpose()?,
            own: &[],
            judge: members::judge,
            spool: &|| spool_ambient(chosen.as_ref().map(|directory| directory.as_fd())),
        };
        let exported = match offset {
            Some(start) if is_plain => {
                let mut file = channel.into_file();
                let exported = job.copy(Sink::into_file_at(&file, start, watch))?;
                file.seek(SeekFrom::Start(start.saturating_add(exported.bytes)))
                    .called(|| "lseek")?;
                exported
            }
            _ if is_plain && channel.takes_files() => job.copy(Sink::into_pipe(channel, watch))?,
            _ => job.send(Box::new(channel))?,
        };
        if job.output.is_some() {
            check_close(fd)?;
        }
        Ok(exported)
    }
}

/// One writing of an archive.
pub(super) struct Job<'j> {
    pub(super) export: &'j Export,
    pub(super) options: &'j ExportOptions,
    pub(super) encoding: Encoding,
    pub(super) watch: &'j Watch,
    /// The caller's file that the archive goes to, if it goes to one.
    pub(super) output: Option<Identity>,
    /// The files of the export's own that it goes to.
    pub(super) own: &'j [Identity],
    pub(super) judge: Judge,
    pub(super) spool: &'j dyn Fn() -> Result<File>,
}

impl<'j> Job<'j> {
    /// Writes the archive into a file of its own.
    fn fill(&self, output: &Output) -> Result<Exported> {
        if self.encoding != Encoding::None {
            let file = output.file().try_clone().called(|| "dup")?;
            return self.send(Box::new(Quiet(file)));
        }
        self.copy(if self.options.digest {
            Sink::into_digested_file(output.file(), self.watch)
        } else {
            Sink::into_file(output.file(), self.watch)
        })
    }

    /// Has the kernel clone and copy what it can, into a file or a pipe.
    fn copy(&self, sink: Sink<'_>) -> Result<Exported> {
        let storing = self.storing();
        let mut found = storing.find()?;
        let (finished, members) = storing.store(
            &mut found,
            sink.avoiding(self.output).living(self.options.live),
        )?;
        Ok(Exported {
            bytes: finished.length,
            members,
            sha256: finished.sha256,
            missing: found.missing,
            lacking: found.lacking,
        })
    }

    /// Sends everything through memory.
    fn send(&self, writer: Box<dyn Write + Send + '_>) -> Result<Exported> {
        let storing = self.storing();
        let mut found = storing.find()?;
        let mut outlet = Outlet::new(writer, self.options.digest);
        let workers = self.options.encoder.number_of_workers();
        let encoder = encoder(self.encoding, workers, Box::new(&mut outlet))?;
        let sink = Sink::into_encoder(encoder, self.watch)
            .avoiding(self.output)
            .living(self.options.live);
        let (_, members) = storing.store(&mut found, sink)?;
        let (bytes, sha256) = outlet.finish();
        Ok(Exported {
            bytes,
            members,
            sha256,
            missing: found.missing,
            lacking: found.lacking,
        })
    }

    pub(super) fn storing(&self) -> Storing<'j> {
        Storing {
            export: self.export,
            watch: self.watch,
            output: self.output,
            time: self.options.time,
            excluded: &self.options.excluded,
            own: self.own,
            overlay: if self.options.overlay_xattrs {
                OverlayState::Kept
            } else {
                OverlayState::LeftOut
            },
            lives: self.options.live,
            judge: self.judge,
            spool: OnceCell::new(),
            make_spool: self.spool,
        }
    }
}

/// What takes the bytes of the archive, and counts them.
pub(super) struct Outlet<'o> {
    writer: Outgoing<'o>,
    bytes: u64,
}

enum Outgoing<'o> {
    Plain(Box<dyn Write + Send + 'o>),
    Hashed(Hashing<Box<dyn Write + Send + 'o>>),
}

impl<'o> Outlet<'o> {
    pub(super) fn new(writer: Box<dyn Write + Send + 'o>, digest: bool) -> Self {
        let writer = if digest {
            Outgoing::Hashed(Hashing::new(writer))
        } else {
            Outgoing::Plain(writer)
        };
        Self { writer, bytes: 0 }
    }

    pub(super) fn finish(self) -> (u64, Option<Sha256Digest>) {
        match self.writer {
            Outgoing::Plain(_) => (self.bytes, None),
            Outgoing::Hashed(hashing) => (self.bytes, Some(hashing.finish().1)),
        }
    }
}

impl Write for Outlet<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = match &mut self.writer {
            Outgoing::Plain(writer) => writer.write(bytes)?,
            Outgoing::Hashed(writer) => writer.write(bytes)?,
        };
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.writer {
            Outgoing::Plain(writer) => writer.flush(),
            Outgoing::Hashed(writer) => writer.flush(),
        }
    }
}

/// Refuses a name that no file can take the place of; hours later it would be as much in the way.
pub(in crate::checkpoint) fn check_place(
    argument: &str,
    directory: &OwnedFd,
    name: &Name,
) -> Result<()> {
    let Some(node) = Node::find_at(directory, name)? else {
        return Ok(());
    };
    match file_type(&node.stat()?) {
        SFlag::S_IFREG | SFlag::S_IFLNK => Ok(()),
        SFlag::S_IFDIR => Err(Error::system(name.quoted(), Errno::EISDIR)),
        _ => Err(Error::argument(
            argument,
            "is a fifo, a socket or a device, which a file would replace; a descriptor of it can be written to",
        )),
    }
}

pub(super) fn open_spool_directory(options: &ExportOptions) -> Result<Option<OwnedFd>> {
    let directory = options.spool_directory.as_ref();
    directory
        .map(|directory| directory.get().open_directory_ambient("directory"))
        .transpose()
}
