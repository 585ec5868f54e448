//! An archive being read.
//!
//! As long as an archive is plain and lies in a regular file, a member's data is a range of that file, which the kernel
//! copies or shares; so is an archive in such a member. Of a zstd archive of several frames in a regular file those are
//! decoded that are needed, unless all of it is wanted. Anything else is a stream.

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

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use thiserror::Error as ThisError;

use nix::errno::Errno;

use crate::archive::Sha256Digest;
use crate::compress::{self, Compression, Decode, MAGIC_LEN};
use crate::error::{self, Called as _, Error, Kind, Result};
use crate::tar::{Data, Extents, Source};
use crate::watch::{Cancellation, Watch};
use ahead::Decoding;
use buffered::Buffered;
pub(crate) use expand::Content;
use file::FileInput;
use foreign::{Checked, Foreign, LOOKED_AT};
use raw::{FromStart, Raw, Tally, Watched};
pub(crate) use record::Overflow;
use record::Record;
use seek::SeekInput;
use stream::{Account, Feed, StreamInput};

/// How many bytes of holes a nested archive may have: they are read as zeros, which takes some seconds.
const MAX_HOLES: u64 = 64 << 30;

/// Why an archive isn't read on.
#[derive(Debug, ThisError)]
enum Refusal {
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
            Self::Foreign(..) => Kind::Malformed,
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
pub(crate) enum Origin {
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

impl Origin {
    /// How many bytes the archive has, if that is known.
    pub(crate) fn len(&self) -> Result<Option<u64>> {
        match self {
            Origin::File(file) => {
                let metadata = file.metadata().called(|| "fstat")?;
                Ok(Some(metadata.len()))
            }
            Origin::Stream(_) => Ok(None),
            Origin::Made(_, len) => Ok(*len),
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
        if let (Origin::File(file), true) = (&*self, hash != Hash::Always) {
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
            Origin::File(file) => {
                let (file, len) = (Arc::clone(file), self.len()?.unwrap_or_default());
                if hash != Hash::Always && is_plain(&beginning(&*file, 0)?)? {
                    return Ok(Input::File(FileInput::new(file, 0, len, &reading.watch)));
                }
                let peer = Peer {
                    reader: Box::new(FromStart::new(file, len)),
                    abandoned: Cancellation::new(),
                };
                stream(peer, reading, hash, overflow)
            }
            Origin::Stream(peer) => {
                let peer = peer.take().ok_or(Refusal::Consumed)?;
                stream(peer, reading, hash, overflow)
            }
            Origin::Made(make, _) => {
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
    /// Reads the archive in a regular file once, from its beginning on. Its compression is told by the first bytes;
    /// the name plays no part.
    pub(crate) fn new(file: File, reading: &Reading) -> Result<Self> {
        Origin::File(Arc::new(file)).read(reading, Hash::Never, None)
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
            let (read, result) = read_up_to(&mut outer.part(file.stored()), &mut first);
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
        let content = Watched::new(Content::new(file, data), &reading.watch);
        let reader = decoded(content, &reading.watch)?;
        let feed = Feed::Lent(reader);
        let account = Account::new(tally, told, reading.max_ratio);
        Ok(Input::Stream(StreamInput::new(
            feed,
            Record::off(),
            account,
        )))
    }

    /// Lets what comes from now on be decoded ahead, by a thread of ours: all of it will be taken.
    pub(crate) fn decode_ahead(&mut self) {
        match self {
            Input::File(_) | Input::Frames(_) => {}
            Input::Stream(input) => input.decode_ahead(),
        }
    }

    /// Moves the next `len` bytes to `target` at offset `at`. Returns the bytes moved: fewer if the archive ends.
    pub(crate) fn copy_to(&mut self, target: &File, at: u64, len: u64) -> Result<u64> {
        match self {
            Input::File(input) => input.copy_to(target, at, len),
            Input::Frames(input) => input.copy_to(target, at, len),
            Input::Stream(input) => input.copy_to(target, at, len),
        }
    }

    /// Begins again with the first byte, if all that was yielded is still there.
    pub(crate) fn rewind(&mut self) -> bool {
        match self {
            Input::File(_) | Input::Frames(_) => false,
            Input::Stream(input) => input.rewind(),
        }
    }

    /// Begins again with the first byte, as [`rewind`](Self::rewind), and goes on keeping what is yielded.
    pub(crate) fn begin_again(&mut self) -> bool {
        match self {
            Input::File(_) | Input::Frames(_) => false,
            Input::Stream(input) => input.begin_again(),
        }
    }

    /// How many bytes of the archive were read so far.
    pub(crate) fn consumed(&self) -> u64 {
        match self {
            Input::File(input) => input.position(),
            Input::Frames(input) => input.consumed(),
            Input::Stream(input) => input.tally().behind(),
        }
    }

    /// Whether there is nothing at all, once it was read to its end: no header, and no end of an archive either.
    pub(crate) fn is_void(&self) -> bool {
        match self {
            Input::File(input) => input.is_void(),
            Input::Frames(input) => input.is_void(),
            Input::Stream(input) => input.is_void(),
        }
    }

    /// The digest of the archive, which was read to its end, if it was asked for.
    pub(crate) fn take_digest(&self) -> Option<Sha256Digest> {
        match self {
            Input::File(_) | Input::Frames(_) => None,
            Input::Stream(input) => input.tally().take_digest(),
        }
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
    let reader = decoded(Raw::new(peer.reader, &tally, &watch), &watch)?;
    let feed = Feed::Own(Decoding {
        reader,
        watch,
        abandoned: peer.abandoned,
    });
    let record = overflow.map_or_else(Record::off, Record::new);
    let account = Account::new(tally, Some(reading.watch.clone()), reading.max_ratio);
    Ok(Input::Stream(StreamInput::new(feed, record, account)))
}

fn decoded<'a>(raw: impl Read + Send + 'a, watch: &Watch) -> Result<Box<dyn Decode<'a> + 'a>> {
    let mut input = Buffered::new(raw);
    let magic = input.peek(MAGIC_LEN).called(|| "read the archive")?;
    let compression = compress::detect(magic);
    let reader = compress::decoder(compression, Box::new(input), watch)?;
    // A few bytes may become gigabytes between two reads of the archive.
    let reader = Watched::new(reader, watch);
    Ok(Box::new(Checked::new(reader, compression)))
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

/// The first bytes of a file from an offset on, of which one read may yield but a few.
fn beginning(file: &impl FileExt, offset: u64) -> Result<Vec<u8>> {
    let mut first = vec![0; LOOKED_AT];
    let mut reader = At { file, offset };
    let (read, result) = read_up_to(&mut reader, &mut first);
    result.called(|| "read the archive")?;
    first.truncate(read);
    Ok(first)
}

/// Reads a file from an offset on.
struct At<'f, F> {
    file: &'f F,
    offset: u64,
}

impl<F: FileExt> Read for At<'_, F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.offset)?;
        self.offset += count as u64;
        Ok(count)
    }
}

/// Fills a buffer as far as the reader goes. Returns how far, and what has ended it.
fn read_up_to(reader: &mut impl Read, buffer: &mut [u8]) -> (usize, io::Result<()>) {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (filled, Err(error)),
        }
    }
    (filled, Ok(()))
}

impl Read for Input<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Input::File(input) => input.read(buffer),
            Input::Frames(input) => input.read(buffer),
            Input::Stream(input) => input.read(buffer),
        }
    }
}

impl Source for Input<'_> {
    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        match self {
            Input::File(input) => input.skip(bytes),
            Input::Frames(input) => input.skip(bytes),
            Input::Stream(input) => input.skip(bytes),
        }
    }

    fn drain(&mut self) -> io::Result<()> {
        match self {
            // There is nothing to be found: no decoder, no checksum.
            Input::File(_) => Ok(()),
            Input::Frames(input) => input.drain(),
            Input::Stream(input) => input.drain(),
        }
    }
}
