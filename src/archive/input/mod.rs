//! An archive being read: [`Input`], a [`BufRead`] of its tar stream.
//!
//! The way of a byte depends on where the archive is.
//!
//! A plain archive in a regular file ([`FileInput`]): file → window → tar reader. A member's data of more than a window
//! doesn't come this way: it is a range of the file, which the kernel shares or copies ([`Input::copy_to`]). So is a
//! plain archive in such a member.
//!
//! A zstd archive in a regular file of which not all is wanted ([`SeekInput`]): file → the frame that holds the byte,
//! decoded whole → tar reader. Frames that are passed over aren't decoded.
//!
//! Anything else ([`StreamInput`]):
//!
//! 1. The source yields it: a pipe, a regular file by its offsets ([`FromStart`]), or a member of another archive with
//!    zeros for its holes ([`Content`]).
//! 2. It is counted, digested if that is wanted, and the watch looked at ([`Raw`]).
//! 3. It lies in a buffer, whose first bytes tell the compression ([`Buffered`]). What was looked at of it and is of no
//!    use is put back there ([`PutBack`](crate::compress::PutBack)).
//! 4. It is decoded, piece by piece by whoever takes it, or ahead by threads of ours: a piece or a frame at a time
//!    ([`Ahead`](ahead::Ahead)).
//! 5. In front of the first ones it is told whether they are a tar stream at all ([`foreign`]). What came of how many
//!    bytes is held against the limit ([`Account`]), and it is kept if it may have to be read again ([`Recording`]).
//! 6. It lies in the buffer that the tar reader takes headers from and files are written from. What is left of a member
//!    that is passed over is consumed there.

#![forbid(unsafe_code)]

mod ahead;
mod buffered;
mod expand;
mod file;
mod foreign;
mod raw;
mod record;
mod seek;
mod stream;
#[cfg(test)]
mod tests;
mod through;

use std::fs::File;
use std::io::{self, BufRead, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use thiserror::Error as ThisError;

use nix::errno::Errno;

use crate::archive::Sha256Digest;
use crate::compress::{self, Compression, Decode, MAGIC_LEN};
use crate::error::{self, Called as _, Error, Kind, Result};
use crate::fs::fill_from;
use crate::tar::{Data, Extents, Source};
use crate::watch::{Cancellation, Watch};
use ahead::Decoding;
use buffered::Buffered;
pub(crate) use expand::Content;
use file::FileInput;
use foreign::{Foreign, LOOKED_AT};
use raw::{FromStart, Raw, Tally, Watched};
pub(crate) use record::Overflow;
use record::Recording;
use seek::SeekInput;
use stream::{Account, Feed, StreamInput};
use through::{copy_through, read_through, read_up_to};

/// How many bytes of holes a nested archive may have: they are read as zeros, which takes some seconds.
const MAX_HOLES: u64 = 64 << 30;

/// Why an archive isn't read on.
#[derive(Debug, ThisError)]
enum Refusal {
    /// Whatever was to write the archive into a pipe has failed: an engine would restore a container without files.
    #[error("there is nothing in it, not even an archive without members")]
    Void,
    /// A few bytes that become gigabytes fill whatever they are extracted to.
    #[error("the archive expands to more than {0} times its size")]
    Ratio(u64),
    /// Zeros that cost an archive nothing cost its reader time: an exabyte of them takes years.
    #[error("the archive has more than 64 GiB of holes in a sparse member")]
    Holes,
    /// What a pipe has yielded is gone unless it is kept, and memory is no place for a container's.
    #[error(
        "more than 32 MiB come before what is looked for; they can't be read again, and there is no spool directory"
    )]
    NoSpool,
    /// What was read is gone: extracting from here on would leave members out.
    #[error("the archive was read already, and can't be read again")]
    Consumed,
    /// A file that ends before its length would pass for an archive with fewer members.
    #[error("the archive's file ends {0} bytes before its length")]
    Shrank(u64),
    /// What comes next of the stream would be taken for the missing bytes.
    #[error("the spool has fewer bytes than were written to it")]
    SpoolShrank,
    /// Whoever is told that an archive is damaged looks for the damage, and not for the right program.
    #[error("{}", .0.told(*.1))]
    Foreign(Foreign, Compression),
}

impl error::Refusal for Refusal {
    fn kind(&self) -> Kind {
        match self {
            Self::Ratio(_) | Self::Holes | Self::NoSpool => Kind::Limit,
            Self::Consumed | Self::Shrank(_) | Self::SpoolShrank => Kind::System,
            Self::Void | Self::Foreign(..) => Kind::Malformed,
        }
    }

    fn errno(&self) -> Errno {
        match self {
            Self::Consumed => Errno::ESPIPE,
            Self::Shrank(_) => Errno::ESTALE,
            _ => self.kind().errno(),
        }
    }
}

/// The tar stream in an archive, decompressed on the way if need be.
#[expect(clippy::large_enum_variant, reason = "an archive has one of it")]
pub(crate) enum Input<'a> {
    /// A plain archive in a regular file.
    File(FileInput),
    /// A zstd archive of frames in a regular file.
    Frames(Box<SeekInput>),
    /// Anything else.
    Stream(StreamInput<'a>),
}

/// A compressed or plain archive where the caller has it.
pub(crate) enum ArchiveOrigin {
    /// In a regular file, which can be read as often as need be.
    File(Arc<File>),
    /// In a pipe or a socket; nothing once it is being read.
    Stream(Option<Peer>),
    /// Made anew as often as need be, and how long it is, if that is known.
    Made(Arc<Make>, Option<u64>),
}

/// What makes an archive's bytes, from the first on.
pub(crate) type Make = dyn Fn() -> Result<Box<dyn Read + Send>> + Send + Sync;

/// A pipe or a socket that an archive comes out of.
pub(crate) struct Peer {
    /// What comes.
    pub(crate) reader: Box<dyn Read + Send>,
    /// Set once nobody waits for it any longer: the reader stops waiting for what may never come.
    pub(crate) abandoned: Cancellation,
}

/// Whether an archive's digest is computed while it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hash {
    /// It isn't.
    Never,
    /// It is if all of the archive passes through memory anyway.
    IfStream,
    /// It is: all of the archive passes through memory.
    Always,
}

/// How an archive is read.
#[derive(Clone)]
pub(crate) struct Reading {
    /// Who watches.
    pub(crate) watch: Watch,
    /// How many bytes may come of one byte of the archive.
    pub(crate) max_ratio: u64,
}

impl Default for Reading {
    fn default() -> Self {
        Self {
            watch: Watch::default(),
            max_ratio: u64::MAX,
        }
    }
}

impl From<Refusal> for io::Error {
    fn from(refusal: Refusal) -> Self {
        Error::from(refusal).into()
    }
}

impl ArchiveOrigin {
    /// How many bytes the archive has, if that is known.
    pub(crate) fn len(&self) -> Result<Option<u64>> {
        match self {
            ArchiveOrigin::File(file) => {
                let metadata = file.metadata().called(|| "fstat")?;
                Ok(Some(metadata.len()))
            }
            ArchiveOrigin::Stream(_) => Ok(None),
            ArchiveOrigin::Made(_, len) => Ok(*len),
        }
    }

    /// Reads the archive from its beginning, of which not all is wanted: what is passed over isn't read, if that is
    /// possible. Anything else is read as by [`read`](Self::read).
    pub(crate) fn look(
        &mut self,
        reading: &Reading,
        hash: Hash,
        overflow: Option<Overflow>,
    ) -> Result<Input<'static>> {
        if let (ArchiveOrigin::File(file), true) = (&*self, hash != Hash::Always) {
            let len = self.len()?.unwrap_or_default();
            let input = frames(file, len, reading);
            if let Some(input) = input.called(|| "read the archive")? {
                return Ok(Input::Frames(Box::new(input)));
            }
        }
        self.read(reading, hash, overflow)
    }

    /// Reads the archive from its beginning. A stream can be read once; what it yields is kept if there is an
    /// `overflow`.
    pub(crate) fn read(
        &mut self,
        reading: &Reading,
        hash: Hash,
        overflow: Option<Overflow>,
    ) -> Result<Input<'static>> {
        match self {
            ArchiveOrigin::File(file) => {
                let (file, len) = (Arc::clone(file), self.len()?.unwrap_or_default());
                if hash != Hash::Always && is_plain(&beginning(&*file)?)? {
                    return Ok(Input::File(FileInput::new(file, 0, len, &reading.watch)));
                }
                let peer = Peer {
                    reader: Box::new(FromStart::new(file, len)),
                    abandoned: Cancellation::new(),
                };
                stream(peer, reading, hash, overflow)
            }
            ArchiveOrigin::Stream(peer) => {
                let peer = peer.take().ok_or(Refusal::Consumed)?;
                stream(peer, reading, hash, overflow)
            }
            ArchiveOrigin::Made(make, _) => {
                let peer = Peer {
                    reader: make()?,
                    abandoned: Cancellation::new(),
                };
                stream(peer, reading, hash, overflow)
            }
        }
    }
}

impl Input<'static> {
    /// The same archive from its beginning, if that costs less than [`look`](ArchiveOrigin::look): what one of the two has
    /// found of its frames, the other knows.
    pub(crate) fn again(&self) -> Option<Self> {
        match self {
            Input::Frames(input) => Some(Input::Frames(Box::new(input.again()))),
            _ => None,
        }
    }

    /// Reads the archive in a regular file once, from its beginning on. Its compression is told by the first bytes;
    /// the name plays no part.
    pub(crate) fn new(file: File, reading: &Reading) -> Result<Self> {
        ArchiveOrigin::File(Arc::new(file)).read(reading, Hash::Never, None)
    }
}

impl<'a> Input<'a> {
    /// The archive that a regular file's data is, compressed or not.
    pub(crate) fn nested<'d: 'a, 'i: 'a>(
        file: &Extents,
        data: &'a mut Data<'d, Input<'i>>,
        reading: &Reading,
    ) -> Result<Self> {
        if let (Input::File(outer), None) = (data.source(), file.ranges()) {
            let mut first = [0; LOOKED_AT];
            let (read, result) = read_up_to(&mut outer.part(file.stored()), LOOKED_AT, &mut first);
            result.called(|| "read the archive")?;
            if is_plain(&first[..read])? {
                return Ok(Input::File(outer.part(file.stored())));
            }
        }
        check_holes(file)?;
        // What a nested archive expands to is measured by the bytes of the archive that was opened: one after the other,
        // several compressions would multiply the ratio.
        let (tally, told, data): (_, _, Box<dyn Read + Send + 'a>) = match data.source() {
            Input::Stream(outer) => (Arc::clone(outer.tally()), None, Box::new(data)),
            Input::File(_) | Input::Frames(_) => {
                let tally = Tally::new(false);
                // The outer archive tells the watch where it is.
                let nobody = Watch::default();
                let counted = Raw::new(data, &tally, &nobody);
                (tally, Some(nobody), Box::new(counted))
            }
        };
        let (reader, compression) = decoded(Content::new(file, data), &reading.watch)?;
        let (feed, record) = (Feed::Lent(reader), Recording::off());
        let account = Account::new(tally, told, reading.max_ratio);
        let input = StreamInput::new(feed, compression, record, account);
        Ok(Input::Stream(input))
    }

    /// Lets what comes from now on be decoded ahead, by a thread of ours: all of it will be taken.
    pub(crate) fn decode_ahead(&mut self) {
        if let Input::Stream(input) = self {
            input.decode_ahead();
        }
    }

    /// Moves the next `len` bytes to `target` at offset `at`. Returns the bytes moved: fewer if the archive ends.
    pub(crate) fn copy_to(&mut self, target: &File, at: u64, len: u64) -> Result<u64> {
        self.way_mut().copy_to(target, at, len)
    }

    /// Begins again with the first byte, if all that was yielded is still there, and goes on keeping it if it `keeps`.
    pub(crate) fn rewind(&mut self, keeps: bool) -> bool {
        match self {
            Input::Stream(input) => input.rewind(keeps),
            _ => false,
        }
    }

    /// How many bytes of the archive were read so far.
    pub(crate) fn consumed(&self) -> u64 {
        self.way().consumed()
    }

    /// Refuses what was read to its end and has nothing at all: no header, and no end of an archive either.
    pub(crate) fn refuse_void(&self) -> Result<()> {
        if self.way().is_void() {
            return Err(Refusal::Void.into());
        }
        Ok(())
    }

    /// The digest of the archive, which was read to its end, if it was asked for.
    pub(crate) fn take_digest(&self) -> Option<Sha256Digest> {
        match self {
            Input::Stream(input) => input.tally().take_digest(),
            _ => None,
        }
    }

    fn way(&self) -> &(dyn Way + 'a) {
        match self {
            Input::File(input) => input,
            Input::Frames(input) => &**input,
            Input::Stream(input) => input,
        }
    }

    fn way_mut(&mut self) -> &mut (dyn Way + 'a) {
        match self {
            Input::File(input) => input,
            Input::Frames(input) => &mut **input,
            Input::Stream(input) => input,
        }
    }
}

/// What is done in another way with each kind of archive, beside what a tar stream can do.
trait Way: Source {
    /// How many bytes of the archive were read so far.
    fn consumed(&self) -> u64;

    /// Whether nothing has come.
    fn is_void(&self) -> bool;

    /// Moves the next `len` bytes to `target` at offset `at`. Returns how many there were.
    fn copy_to(&mut self, target: &File, at: u64, len: u64) -> Result<u64> {
        copy_through(self, target, at, len)
    }
}

/// An archive of zstd frames with a table of them, if it is one.
fn frames(file: &Arc<File>, len: u64, reading: &Reading) -> io::Result<Option<SeekInput>> {
    if compress::has_seek_table(&**file, len)? {
        return SeekInput::new(file, len, reading);
    }
    Ok(None)
}

fn stream(
    peer: Peer,
    reading: &Reading,
    hash: Hash,
    overflow: Option<Overflow>,
) -> Result<Input<'static>> {
    let tally = Tally::new(hash != Hash::Never);
    let watch = reading.watch.until(&peer.abandoned);
    let (reader, compression) = decoded(Raw::new(peer.reader, &tally, &watch), &watch)?;
    let feed = Feed::Own(Decoding {
        reader,
        watch,
        abandoned: peer.abandoned,
    });
    let record = overflow.map_or_else(Recording::off, Recording::new);
    let account = Account::new(tally, Some(reading.watch.clone()), reading.max_ratio);
    let input = StreamInput::new(feed, compression, record, account);
    Ok(Input::Stream(input))
}

/// What decodes an archive, and which compression that undoes.
fn decoded<'a>(
    raw: impl Read + Send + 'a,
    watch: &Watch,
) -> Result<(Box<dyn Decode<'a> + 'a>, Compression)> {
    let mut input = Buffered::new(raw);
    let magic = input.peek(MAGIC_LEN).called(|| "read the archive")?;
    let compression = compress::detect(magic);
    let reader = compress::decoder(compression, Box::new(input), watch)?;
    // A few bytes may become gigabytes between two reads of the archive.
    Ok((Box::new(Watched::new(reader, watch)), compression))
}

/// Refuses an archive in a sparse member with more holes than anybody makes.
fn check_holes(file: &Extents) -> Result<(), Refusal> {
    if file.size().saturating_sub(file.stored()) > MAX_HOLES {
        return Err(Refusal::Holes);
    }
    Ok(())
}

/// Whether a stream that begins so isn't compressed.
fn is_plain(first: &[u8]) -> Result<bool> {
    let compression = compress::detect(first);
    if compression == Compression::None {
        foreign::check(first, compression)?;
    }
    Ok(compression == Compression::None)
}

/// The first bytes of a file, of which one read may yield but a few.
fn beginning(file: &impl FileExt) -> Result<Vec<u8>> {
    let mut first = vec![0; LOOKED_AT];
    let read = fill_from(file, &mut first, 0);
    first.truncate(read.called(|| "read the archive")?);
    Ok(first)
}

impl Read for Input<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        read_through(self, buffer)
    }
}

impl BufRead for Input<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.way_mut().fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.way_mut().consume(amount);
    }
}

impl Source for Input<'_> {
    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        self.way_mut().skip(bytes)
    }

    fn drain(&mut self) -> io::Result<()> {
        self.way_mut().drain()
    }
}
