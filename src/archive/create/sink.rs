//! A tar stream being written.

#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::mem;
use std::os::unix::fs::FileExt as _;

use nix::errno::Errno;
use thiserror::Error as ThisError;

use super::{LeftOut, Mark, Target};
use crate::archive::digest::{Hasher, Sha256Digest};
use crate::compress::Encode;
use crate::error::{self, Called as _, Error, Kind, Result};
use crate::fs::{Identity, copy_range, share_range};
use crate::stream::Channel;
use crate::sys::write_all_at;
use crate::tar::{self, END_OF_ARCHIVE, Extent, Extents, Member};
use crate::watch::{WarningKind, Watch};

/// Below this size data is gathered with the headers around it, from there on the kernel clones or copies it.
const GATHERED: u64 = 64 << 10;
/// From this size on data is compressed apart from what is around it: whoever looks for something else passes it over,
/// and headers and small members lie together.
const APART: u64 = 1 << 20;
/// How much is gathered before it is written.
const BUFFER: usize = 256 << 10;

/// Why a file's data can't go on.
#[derive(Debug, ThisError)]
pub(super) enum Refusal {
    /// A file that gets shorter while it is read would leave the archive with another file's bytes in its place.
    #[error("got shorter while it was read: {0} bytes are missing")]
    Shrank(u64),
    /// Writing to the file that is read destroys it.
    #[error("is the file that the archive is written to")]
    Output,
    /// Whoever reads the archive would take what follows for the missing bytes.
    #[error("the nested archive has {0} bytes, and not the {1} that its header says")]
    NestedLength(u64, u64),
}

impl error::Refusal for Refusal {
    fn kind(&self) -> Kind {
        match self {
            Self::Shrank(_) | Self::NestedLength(..) => Kind::System,
            Self::Output => Kind::Argument,
        }
    }

    fn errno(&self) -> Errno {
        match self {
            Self::Shrank(_) => Errno::ESTALE,
            _ => self.kind().errno(),
        }
    }
}

/// A tar stream on its way into an archive, in large writes. What of it has left for the archive is told to the watch.
pub(crate) struct Sink<'s> {
    output: StreamEnd<'s>,
    /// What of the stream is in the output.
    written: u64,
    /// Where the archive begins in the stream whose members come now: not at 0 for a nested one.
    archive_from: u64,
    /// What comes after it.
    gathered: Vec<u8>,
    members: u64,
    /// The caller's file that the archive goes to, which can't be in it.
    avoided: Option<Identity>,
    lives: bool,
    /// Room that was left and isn't written yet.
    room_left: u64,
    watch: &'s Watch,
}

/// Refuses the file that an archive is written to.
pub(super) fn check_avoided(file: &File, avoided: Option<Identity>) -> Result<()> {
    match avoided {
        Some(avoided) if Identity::of(file)? == avoided => Err(Refusal::Output.into()),
        _ => Ok(()),
    }
}

/// What takes the stream.
enum StreamEnd<'s> {
    /// A plain archive in a file: the kernel clones or copies large data there.
    File(Plain<'s>),
    /// A plain archive in a pipe, which the kernel hands large data to.
    Pipe(Channel),
    /// What compresses it, hashes it or sends it away: all data goes through memory.
    Encoder(Box<dyn Encode + 's>),
}

/// A plain archive in a file.
struct Plain<'s> {
    file: &'s File,
    /// Where the archive begins in it.
    start: u64,
    /// What digests it, if that is wanted.
    hasher: Option<Hasher>,
}

impl Plain<'_> {
    /// Clones or copies data to where `written` bytes of the archive are before it. Returns how much: with a digest only
    /// what was cloned, for the rest has to be seen anyway.
    fn take(&mut self, file: &File, data: Extent, written: u64, watch: &Watch) -> Result<u64> {
        let (from, to) = (data.offset, self.start + written);
        let Some(hasher) = &mut self.hasher else {
            return copy_range(file, from, self.file, to, data.len, watch);
        };
        let shared = share_range(file, from, self.file, to, data.len, watch)?;
        // What is in the archive counts, even if the file it came from is written to now.
        hasher.update_from(self.file, to, shared, |_| watch.check())?;
        Ok(shared)
    }
}

/// Has the kernel hand data to a pipe. Returns how much, which is less if the file ends or can't be sent.
fn send(pipe: &Channel, file: &File, data: Extent, watch: &Watch) -> Result<u64> {
    let mut done = 0;
    while done < data.len {
        match pipe
            .send_file(file, data.offset + done, data.len - done)
            .called(|| "sendfile")?
        {
            0 => break,
            sent => {
                done += sent;
                watch.step(sent)?;
            }
        }
    }
    Ok(done)
}

/// An archive that is whole.
pub(crate) struct Finished {
    /// How many bytes the stream has.
    pub(crate) length: u64,
    /// Its digest, if that was wanted.
    pub(crate) sha256: Option<Sha256Digest>,
}

impl<'s> Sink<'s> {
    /// Starts a plain archive in `file`, at its beginning.
    pub(crate) fn into_file(file: &'s File, watch: &'s Watch) -> Self {
        Self::into_file_at(file, 0, watch)
    }

    /// Starts a plain archive in `file`, at the offset `start`.
    pub(crate) fn into_file_at(file: &'s File, start: u64, watch: &'s Watch) -> Self {
        let plain = Plain {
            file,
            start,
            hasher: None,
        };
        Self::new(StreamEnd::File(plain), watch)
    }

    /// Starts a plain archive in `file`, which is open for reading, too, and digests it. Data that is cloned is read for
    /// that, all else passes through memory once.
    pub(crate) fn into_digested_file(file: &'s File, watch: &'s Watch) -> Self {
        let plain = Plain {
            file,
            start: 0,
            hasher: Some(Hasher::new()),
        };
        Self::new(StreamEnd::File(plain), watch)
    }

    /// Starts a plain archive in a pipe that [takes files](Channel::takes_files).
    pub(crate) fn into_pipe(pipe: Channel, watch: &'s Watch) -> Self {
        Self::new(StreamEnd::Pipe(pipe), watch)
    }

    /// Starts an archive that `encoder` makes.
    pub(crate) fn into_encoder(encoder: Box<dyn Encode + 's>, watch: &'s Watch) -> Self {
        Self::new(StreamEnd::Encoder(encoder), watch)
    }

    fn new(output: StreamEnd<'s>, watch: &'s Watch) -> Self {
        Self {
            output,
            written: 0,
            archive_from: 0,
            gathered: Vec::with_capacity(BUFFER),
            members: 0,
            avoided: None,
            lives: false,
            room_left: 0,
            watch,
        }
    }

    /// Refuses to store this file, if there is one: the archive goes there.
    pub(crate) fn avoiding(self, avoided: Option<Identity>) -> Self {
        Self { avoided, ..self }
    }

    /// Says whether what is stored lives: a file that gets shorter while it is read is then padded.
    pub(crate) fn living(self, lives: bool) -> Self {
        Self { lives, ..self }
    }

    /// Begins a member: what its header announces has to follow.
    pub(crate) fn header(&mut self, member: &Member) -> Result<()> {
        self.watch.at(&member.path);
        self.members += 1;
        self.inner_header(member)
    }

    /// Begins a member whose data is an archive: until [`end_nested`](Sink::end_nested), its members come.
    pub(super) fn begin_nested(&mut self, member: &Member) -> Result<()> {
        self.header(member)?;
        self.archive_from = self.position();
        Ok(())
    }

    /// The header of a member of a nested archive, which is data of the member around it.
    pub(super) fn inner_header(&mut self, member: &Member) -> Result<()> {
        self.watch.check()?;
        self.write_room()?;
        tar::encode(member, self.inner_position(), &mut self.gathered)?;
        self.write_if_full()
    }

    /// The data of a member of `bytes.len()` bytes.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        let stored = bytes.len() as u64;
        self.cut_around(stored)?;
        self.raw(bytes)?;
        self.pad(stored)?;
        self.cut_around(stored)
    }

    /// The data that the header of `member` has announced, out of `file`: one that grew meanwhile gives the bytes it
    /// had.
    pub(crate) fn data(&mut self, member: &Member, file: &File) -> Result<()> {
        let missing = self.data_or_zeros(member, file)?;
        if missing > 0 {
            let text = format!("got shorter while it was read: {missing} bytes are zeros");
            self.warn(WarningKind::Changed, &member.path, &text);
        }
        Ok(())
    }

    /// The same; if it lives, zeros stand for what is missing at the end of `file`. Returns how many these are.
    pub(super) fn data_or_zeros(&mut self, member: &Member, file: &File) -> Result<u64> {
        check_avoided(file, self.avoided)?;
        let mut missing = 0;
        self.cut_around(member.stored())?;
        for extent in member.extents().into_iter().flat_map(Extents::iter) {
            let copied = if extent.len < GATHERED {
                self.gather(file, extent)?
            } else {
                self.copy(file, extent)?
            };
            let short = extent.len - copied;
            if short > 0 && !self.lives {
                return Err(Refusal::Shrank(short).into());
            }
            missing += short;
            self.zeros(short)?;
        }
        self.pad(member.stored())?;
        self.cut_around(member.stored())?;
        Ok(missing)
    }

    /// Leaves room of `length` bytes in which there is no member.
    pub(super) fn fill(&mut self, length: u64) {
        self.room_left += length;
    }

    /// Writes the room that was left before a member. At the end of an archive it is zeros like the end itself.
    fn write_room(&mut self) -> Result<()> {
        while self.room_left > 0 {
            self.room_left -= tar::fill(self.room_left, &mut self.gathered)?;
            self.write_if_full()?;
        }
        Ok(())
    }

    fn zeros(&mut self, length: u64) -> Result<()> {
        let zeros = [0; 4096];
        let mut left = length;
        while left > 0 {
            let piece = usize::try_from(left)
                .unwrap_or(zeros.len())
                .min(zeros.len());
            self.raw(&zeros[..piece])?;
            left -= piece as u64;
        }
        Ok(())
    }

    /// Where the next header begins in the archive that it is a part of.
    pub(super) fn inner_position(&self) -> u64 {
        self.position() + self.room_left - self.archive_from
    }

    /// Tells a warning.
    pub(super) fn warn(&self, kind: WarningKind, path: &[u8], text: &str) {
        self.watch.warn(kind, path, text);
    }

    /// Tells of what isn't stored.
    pub(super) fn left_out(&self, path: &[u8], why: LeftOut) {
        warn(self.watch, path, why);
    }

    /// Sets data of so many bytes apart from what is before, or behind it.
    fn cut_around(&mut self, stored: u64) -> Result<()> {
        if stored < APART || !matches!(self.output, StreamEnd::Encoder(_)) {
            return Ok(());
        }
        self.write()?;
        match &mut self.output {
            StreamEnd::Encoder(encoder) => encoder.cut(),
            StreamEnd::File(_) | StreamEnd::Pipe(_) => Ok(()),
        }
    }

    /// The end of a nested archive of `size` bytes, which is data of the member around it.
    pub(super) fn end_nested(&mut self, size: u64) -> Result<()> {
        self.raw(&END_OF_ARCHIVE)?;
        let room = mem::take(&mut self.room_left);
        self.zeros(room)?;
        let length = self.position() - self.archive_from;
        if length != size {
            return Err(Refusal::NestedLength(length, size).into());
        }
        self.archive_from = 0;
        self.pad(size)
    }

    /// How many members the stream has.
    pub(crate) fn members(&self) -> u64 {
        self.members
    }

    /// Ends the stream, and the archive with it.
    pub(crate) fn finish(mut self) -> Result<Finished> {
        self.raw(&END_OF_ARCHIVE)?;
        self.write()?;
        let sha256 = match self.output {
            StreamEnd::File(output) => output.hasher.map(Hasher::finish),
            StreamEnd::Pipe(_) => None,
            StreamEnd::Encoder(encoder) => {
                encoder.finish()?;
                None
            }
        };
        Ok(Finished {
            length: self.written,
            sha256,
        })
    }

    fn raw(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(self.room()));
            self.gathered.extend_from_slice(now);
            self.write_if_full()?;
            bytes = later;
        }
        Ok(())
    }

    fn pad(&mut self, stored: u64) -> Result<()> {
        self.gathered
            .resize(self.gathered.len() + tar::padding(stored), 0);
        self.write_if_full()
    }

    /// Data that is worth to be cloned or copied by the kernel, where that goes.
    fn copy(&mut self, file: &File, extent: Extent) -> Result<u64> {
        self.write()?;
        let moved = match &mut self.output {
            StreamEnd::File(output) => output.take(file, extent, self.written, self.watch)?,
            StreamEnd::Pipe(pipe) => send(pipe, file, extent, self.watch)?,
            StreamEnd::Encoder(_) => 0,
        };
        self.written += moved;
        let rest = Extent {
            offset: extent.offset + moved,
            len: extent.len - moved,
        };
        Ok(moved + self.gather(file, rest)?)
    }

    fn gather(&mut self, file: &File, extent: Extent) -> Result<u64> {
        let mut done = 0;
        while done < extent.len {
            let want = usize::try_from(extent.len - done)
                .unwrap_or(BUFFER)
                .min(self.room());
            let start = self.gathered.len();
            self.gathered.resize(start + want, 0);
            let read = file.read_at(&mut self.gathered[start..], extent.offset + done);
            self.gathered.truncate(start + *read.as_ref().unwrap_or(&0));
            match read {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(Error::io("read", error)),
                Ok(0) => break,
                Ok(read) => done += read as u64,
            }
            self.write_if_full()?;
        }
        Ok(done)
    }

    /// How long the stream is so far.
    fn position(&self) -> u64 {
        self.written + self.gathered.len() as u64
    }

    /// How much may be gathered before it is written; never nothing between two calls.
    fn room(&self) -> usize {
        BUFFER.saturating_sub(self.gathered.len()).max(1)
    }

    fn write_if_full(&mut self) -> Result<()> {
        if self.gathered.len() >= BUFFER {
            self.write()
        } else {
            Ok(())
        }
    }

    fn write(&mut self) -> Result<()> {
        let result = match &mut self.output {
            StreamEnd::File(output) => {
                if let Some(hasher) = &mut output.hasher {
                    hasher.update(&self.gathered);
                }
                let at = output.start + self.written;
                write_all_at(output.file, &self.gathered, at)
            }
            StreamEnd::Pipe(pipe) => pipe.write_all(&self.gathered),
            StreamEnd::Encoder(encoder) => encoder.write_all(&self.gathered),
        };
        result.called(|| "write")?;
        let bytes = self.gathered.len() as u64;
        self.written += bytes;
        self.gathered.clear();
        self.watch.step(bytes)
    }
}

impl Target for Sink<'_> {
    fn take(&mut self, member: &Member) -> Result<()> {
        self.header(member)
    }

    fn take_file(&mut self, member: &Member, file: &File, _: Mark) -> Result<()> {
        self.header(member)?;
        self.data(member, file)
    }

    fn leave_out(&mut self, path: &[u8], why: LeftOut) {
        warn(self.watch, path, why);
    }

    fn lives(&self) -> bool {
        self.lives
    }
}

/// Tells the watch of what isn't stored.
pub(super) fn warn(watch: &Watch, path: &[u8], why: LeftOut) {
    let (kind, text) = match why {
        LeftOut::Socket => (
            WarningKind::Socket,
            "a socket isn't stored: no archive can hold it",
        ),
        LeftOut::OverlayXattrs => (
            WarningKind::Xattr,
            "its xattrs that overlays keep their state in aren't stored",
        ),
        LeftOut::Gone => (WarningKind::Vanished, "isn't there any more"),
    };
    watch.warn(kind, path, text);
}
