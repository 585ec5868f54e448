//! One block of a deflate stream, compressed for itself.

#![forbid(unsafe_code)]

use flate2::{Compress, CompressError, Crc, FlushCompress, Status};

use super::super::Compression;
use super::super::room::{NoRoom, with_room};
use super::{GzipLevel, Refusal};

/// What a deflater takes: its window, its tables, and what it has not yet given.
const TAKEN: usize = 512 << 10;

/// A part of the content on its way to a thread.
pub(super) struct Block {
    /// What comes before the part in the stream and may be referred to, and the part itself.
    pub(super) bytes: Vec<u8>,
    /// How many of `bytes` come before.
    pub(super) dictionary: usize,
    /// Whether the stream ends with this part.
    pub(super) last: bool,
    pub(super) level: GzipLevel,
    /// A buffer for the result. What is in it doesn't matter.
    pub(super) deflated: Vec<u8>,
}

/// What became of a [`Block`].
pub(super) struct Piece {
    /// Whole bytes of a deflate stream, to be followed by the next piece.
    pub(super) deflated: Vec<u8>,
    /// The checksum of the part, and its length.
    pub(super) crc: Crc,
    /// The block's bytes, whose memory can be used again.
    pub(super) bytes: Vec<u8>,
}

/// Deflates one block.
pub(super) fn deflate(block: Block) -> Result<Piece, Refusal> {
    let mut piece = Piece {
        deflated: block.deflated,
        crc: Crc::new(),
        bytes: block.bytes,
    };
    piece.deflated.clear();
    let (before, content) = piece.bytes.split_at(block.dictionary);
    piece.crc.update(content);
    run(
        block.level,
        before,
        content,
        block.last,
        &mut piece.deflated,
    )?;
    Ok(piece)
}

fn run(
    level: GzipLevel,
    before: &[u8],
    content: &[u8],
    last: bool,
    deflated: &mut Vec<u8>,
) -> Result<(), Refusal> {
    // A new one for each block: one that is used again looks into what it remembers of the block before, and which one
    // that was depends on the number of threads.
    let level = flate2::Compression::new(u32::from(level.0));
    let mut compress = with_room(TAKEN, || Compress::new(level, false)).map_err(no_memory)?;
    if !before.is_empty() {
        compress.set_dictionary(before).map_err(failed)?;
    }
    let flush = if last {
        FlushCompress::Finish
    } else {
        FlushCompress::Sync
    };
    // Nine bits a literal is the worst that any level does, so one turn is enough; each further one finds more room.
    let room = content.len() + content.len() / 8 + 64;
    loop {
        deflated.try_reserve(room).map_err(|_| no_memory(NoRoom))?;
        let taken = usize::try_from(compress.total_in()).unwrap_or(usize::MAX);
        let rest = content.get(taken..).unwrap_or_default();
        let status = compress.compress_vec(rest, deflated, flush);
        let status = status.map_err(failed)?;
        // Room that is left says that all is taken and flushed.
        if status == Status::StreamEnd || (!last && deflated.len() < deflated.capacity()) {
            return Ok(());
        }
    }
}

fn no_memory(NoRoom: NoRoom) -> Refusal {
    Refusal::Memory(Compression::Gzip)
}

#[allow(clippy::needless_pass_by_value, reason = "it is given to map_err")]
fn failed(_: CompressError) -> Refusal {
    Refusal::Codec(Compression::Gzip, "deflate")
}
