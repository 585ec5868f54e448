//! An archive that becomes the layer of an image, in one pass: its bytes, or what it decodes to, are written and
//! digested while its members are looked at.

#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{self, BufRead, Read, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use nix::errno::Errno;

use super::target::{ImageOutput, WrittenLayer};
use crate::archive::{ArchiveOrigin, Content, Hash, Hasher, Hashing, Input, Peer, Reading};
use crate::checkpoint::bundle::{check_config, judge_bundle_member};
use crate::checkpoint::image::Facts;
use crate::checkpoint::layer::{check_layer_name, judge_layer_member};
use crate::checkpoint::{Compression as Wanted, DocumentKind, ImageOptions};
use crate::compress::{Compression, Encode, MAGIC_LEN, detect, encoder};
use crate::error::{self, Called as _, Context as _, Error, Kind, Result};
use crate::fs::{Place, RootPath, fill_from, open_input_ambient, share_range};
use crate::oci::media;
use crate::stream::Channel;
use crate::sys::write_all_at;
use crate::tar::{Member, Reader, Source as TarSource};
use crate::watch::{Cancellation, Phase, Watch};

/// The archive.
pub(super) struct Source {
    from: From,
    /// Its first bytes, which tell its compression. Those of a pipe were read already.
    first: Vec<u8>,
}

enum From {
    File(Arc<File>, u64),
    Stream(Channel),
}

/// What became of it.
pub(super) struct Taken {
    pub(super) layer: WrittenLayer,
    pub(super) facts: Facts,
    pub(super) members: u64,
    /// Whether the layer is the archive as it was.
    pub(super) kept: bool,
}

/// Why an archive doesn't become a layer.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    /// A layer without its end would pass for an archive with fewer members.
    #[error("the archive's file ends {0} bytes before its length")]
    Shrank(usize),
    /// What an engine can't unpack is no checkpoint to it.
    #[error(
        "ends with zeros, which other readers of layers don't take; out of a file it is compressed anew"
    )]
    Zeros,
    /// Two readers of such an archive disagree on what the container is.
    #[error("is in the archive twice")]
    Twice,
}

impl error::Refusal for Refusal {
    fn kind(&self) -> Kind {
        match self {
            Self::Shrank(_) => Kind::System,
            Self::Zeros => Kind::Unsupported,
            Self::Twice => Kind::Malformed,
        }
    }

    fn errno(&self) -> Errno {
        match self {
            Self::Shrank(_) => Errno::ESTALE,
            _ => self.kind().errno(),
        }
    }
}

impl Source {
    pub(super) fn open(archive: Place<'_>, watch: &Watch) -> Result<Self> {
        archive.check_given("archive")?;
        let channel = match archive.descriptor() {
            Some(fd) => Channel::reader(fd, watch)?,
            None => Channel::reader(open_input_ambient(archive)?.as_fd(), watch)?,
        };
        let mut first = vec![0; MAGIC_LEN];
        if channel.is_regular() {
            let file = channel.into_file();
            let len = file.metadata().called(|| "fstat")?.len();
            let read = read_at(&file, &mut first, 0)?;
            first.truncate(read);
            let from = From::File(Arc::new(file), len);
            return Ok(Self { from, first });
        }
        let mut channel = channel;
        let mut filled = 0;
        while filled < first.len() {
            match channel.read(&mut first[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) => return Err(Error::io("read the archive", error)),
            }
        }
        first.truncate(filled);
        let from = From::Stream(channel);
        Ok(Self { from, first })
    }

    /// Writes the layer.
    pub(super) fn take(
        self,
        target: &ImageOutput,
        options: &ImageOptions,
        watch: &Watch,
    ) -> Result<Taken> {
        let compression = detect(&self.first);
        let as_it_is = match (compression, options.compression) {
            (Compression::Gzip, None | Some(Wanted::Gzip)) => Some(media::LAYER_GZIP),
            (Compression::Zstd, None | Some(Wanted::Zstd)) => Some(media::LAYER_ZSTD),
            _ => None,
        };
        let total = match &self.from {
            From::File(_, len) => Some(*len),
            From::Stream(_) => None,
        };
        watch.begin(Phase::Writing, total);
        let taken = match as_it_is {
            Some(media_type) if self.ends_as_layers_do()? => {
                self.keep(target, media_type, options, watch)
            }
            _ => self.compress(target, options, watch),
        };
        watch.end();
        taken
    }

    /// Whether a file doesn't end with zeros: archives may, but to other readers of layers these are no stream.
    fn ends_as_layers_do(&self) -> Result<bool> {
        match &self.from {
            From::File(file, len) if *len >= 4 => {
                let mut last = [0; 4];
                read_at(file, &mut last, len - 4)?;
                Ok(last != [0; 4])
            }
            _ => Ok(true),
        }
    }

    /// Takes the archive's own bytes for the layer.
    fn keep(
        self,
        target: &ImageOutput,
        media_type: &'static str,
        options: &ImageOptions,
        watch: &Watch,
    ) -> Result<Taken> {
        let (to, start) = target.layer();
        let shared = match &self.from {
            From::File(file, len) => share_range(file, 0, to, start, *len, watch)?,
            From::Stream(_) => 0,
        };
        let is_file = matches!(self.from, From::File(..));
        let to = to.try_clone().called(|| "dup")?;
        let copying = Copying {
            reader: self.reader(shared),
            to,
            start,
            at: 0,
            shared,
            last: [0xff; 4],
            is_file,
        };
        // What is shared was told to the watch when it was.
        let scanned = scan(Box::new(copying), Sheet::None, options, watch)?;
        let digest = scanned.source.input.take_digest();
        let digest = digest.ok_or_else(|| Error::new(Kind::Internal, "no digest of a layer"))?;
        let size = scanned.source.input.consumed();
        Ok(Taken {
            layer: WrittenLayer {
                digest,
                size,
                diff_id: scanned.source.hasher.finish(),
                media_type,
            },
            facts: scanned.facts,
            members: scanned.members,
            kept: true,
        })
    }

    /// Compresses what the archive decodes to.
    fn compress(
        self,
        target: &ImageOutput,
        options: &ImageOptions,
        watch: &Watch,
    ) -> Result<Taken> {
        let encoding = options.encoding()?;
        let workers = options.number_of_workers();
        let mut hashing = Counted {
            inner: Hashing::new(target.writer()?),
            bytes: 0,
        };
        let (facts, members, diff_id) = {
            let encoder = encoder(encoding, workers, Box::new(&mut hashing))?;
            let scanned = scan(self.reader(0), Sheet::Encoder(encoder), options, watch)?;
            if let Sheet::Encoder(encoder) = scanned.source.sheet {
                encoder.finish()?;
            }
            let diff_id = scanned.source.hasher.finish();
            (scanned.facts, scanned.members, diff_id)
        };
        let size = hashing.bytes;
        let media_type = match options.compression {
            Some(Wanted::Zstd) => media::LAYER_ZSTD,
            _ => media::LAYER_GZIP,
        };
        Ok(Taken {
            layer: WrittenLayer {
                digest: hashing.inner.finish().1,
                size,
                diff_id,
                media_type,
            },
            facts,
            members,
            kept: false,
        })
    }

    /// Reads the archive; of a file from `from` on.
    fn reader(self, from: u64) -> Box<dyn Read + Send> {
        match self.from {
            From::File(file, len) => Box::new(Blocks {
                file,
                at: from,
                end: len,
            }),
            From::Stream(channel) => Box::new(io::Cursor::new(self.first).chain(channel)),
        }
    }
}

/// Reads a range of a regular file, which has to stay as long as it is.
struct Blocks {
    file: Arc<File>,
    at: u64,
    end: u64,
}

impl Read for Blocks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let want = buffer.len().min(left);
        let count = self.file.read_at(&mut buffer[..want], self.at)?;
        if count == 0 && want > 0 {
            return Err(Error::from(Refusal::Shrank(left)).into());
        }
        self.at += count as u64;
        Ok(count)
    }
}

/// Reads what is written to a file on the way, behind what it shares already: that comes out of the file itself, since
/// what is there counts.
struct Copying {
    reader: Box<dyn Read + Send>,
    to: File,
    start: u64,
    at: u64,
    shared: u64,
    last: [u8; 4],
    is_file: bool,
}

impl Read for Copying {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let from = self.start.saturating_add(self.at);
        let count = if self.at < self.shared {
            let left = usize::try_from(self.shared - self.at).unwrap_or(usize::MAX);
            let want = buffer.len().min(left);
            match self.to.read_at(&mut buffer[..want], from)? {
                0 if want > 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => count,
            }
        } else {
            let count = self.reader.read(buffer)?;
            write_all_at(&self.to, &buffer[..count], from)?;
            count
        };
        self.at += count as u64;
        for byte in &buffer[count.saturating_sub(4)..count] {
            self.last.rotate_left(1);
            self.last[3] = *byte;
        }
        if count == 0 && !buffer.is_empty() && !self.is_file && self.last == [0; 4] {
            return Err(Error::from(Refusal::Zeros).into());
        }
        Ok(count)
    }
}

/// Counts what is written.
struct Counted<W> {
    inner: Hashing<W>,
    bytes: u64,
}

impl<W: io::Write> io::Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// What takes the content of the archive.
enum Sheet<'s> {
    None,
    Encoder(Box<dyn Encode + 's>),
}

/// The content of the archive, of which every byte is digested, and handed on to an encoder if there is one.
struct Seen<'s> {
    input: Input<'static>,
    hasher: Hasher,
    sheet: Sheet<'s>,
    /// How many of the next bytes were digested already.
    digested: usize,
}

impl Read for Seen<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Seen<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let bytes = self.input.fill_buf()?;
        if self.digested == 0 {
            self.hasher.update(bytes);
            if let Sheet::Encoder(encoder) = &mut self.sheet {
                encoder.write_all(bytes)?;
            }
            self.digested = bytes.len();
        }
        Ok(bytes)
    }

    fn consume(&mut self, amount: usize) {
        self.digested = self.digested.saturating_sub(amount);
        self.input.consume(amount);
    }
}

/// Nothing is passed over.
impl TarSource for Seen<'_> {}

/// What was seen of an archive that was read to its end.
struct Scanned<'s> {
    source: Seen<'s>,
    facts: Facts,
    members: u64,
}

/// Looks at every member of an archive, and refuses what can't be in a layer.
fn scan<'s>(
    reader: Box<dyn Read + Send>,
    sheet: Sheet<'s>,
    options: &ImageOptions,
    watch: &Watch,
) -> Result<Scanned<'s>> {
    let reading = Reading {
        watch: watch.clone(),
        ..Reading::default()
    };
    let peer = Peer {
        reader,
        abandoned: Cancellation::new(),
    };
    let mut input = ArchiveOrigin::Stream(Some(peer)).read(&reading, Hash::Always, None)?;
    input.decode_ahead();
    let mut reader = Reader::new(Seen {
        input,
        hasher: Hasher::new(),
        sheet,
        digested: 0,
    });
    let (mut facts, mut members) = (Facts::default(), 0);
    while let Some(member) = reader.next_member()? {
        members += 1;
        take_member(&member, &mut reader, &mut facts, options).at_entry(&member.path)?;
    }
    reader.finish()?;
    let source = reader.into_source();
    source.input.refuse_void()?;
    Ok(Scanned {
        source,
        facts,
        members,
    })
}

fn take_member(
    member: &Member,
    reader: &mut Reader<Seen<'_>>,
    facts: &mut Facts,
    options: &ImageOptions,
) -> Result<()> {
    check_layer_name(&member.path)?;
    let path = RootPath::clean(&member.path)?;
    judge_bundle_member(&path, member)?;
    judge_layer_member(&path, member, options.parent_links)?;
    facts.metadata.saw(path.as_bytes());
    if facts.core.is_none() && Facts::is_core(path.as_bytes()) && member.stored() >= 14 {
        let mut core = [0; 14];
        reader.data().read_exact(&mut core).called(|| "read")?;
        facts.core = Some(core);
        return Ok(());
    }
    let kind = DocumentKind::of(path.as_bytes());
    let Some(kind) = kind.filter(|kind| kind.is_of_image()) else {
        return Ok(());
    };
    let file = check_config(member)?;
    if facts.metadata.document(kind).is_some() {
        return Err(Refusal::Twice.into());
    }
    if kind == DocumentKind::Config {
        facts.time = member.mtime.seconds;
    }
    let mut bytes = Vec::new();
    let mut data = reader.data();
    Content::new(file, &mut data)
        .read_to_end(&mut bytes)
        .called(|| "read")?;
    facts.metadata.insert(kind, bytes)
}

fn read_at(file: &File, buffer: &mut [u8], at: u64) -> Result<usize> {
    fill_from(file, buffer, at).called(|| "read the archive")
}
