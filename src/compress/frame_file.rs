//! The frames of a zstd archive in a regular file, found by hopping from one header to the next.
//!
//! A seek table tells that there are several frames; where they are is never believed of it: a table that lies would make
//! content appear that a reader of the whole stream doesn't see. A hop reads a few bytes for each block, which has 128 KiB
//! of content at most. The table tells where several threads can begin to hop: what they find from a place on is so
//! whoever has named the place.

#![forbid(unsafe_code)]

use std::io;
use std::os::unix::fs::FileExt;
use std::thread::scope;

use zstd::zstd_safe::DCtx;

use super::frame::{Unfit, Walk};
use super::put_back::PutBack;
use super::reader::{Decode, Decoder};
use super::seek_table;
use super::split::MOST;
use super::worker::spawn_quiet_in;
use super::zstd::Zstd;
use crate::Result;
use crate::fs::fill_from;
use crate::watch::Watch;

/// How much is read for a header, where the next one is near, and where it is far.
const NEAR: usize = 4 << 10;
const FAR: usize = 32;

/// A larger table isn't looked at: it would tell of half a terabyte in frames of 4 MiB, and of less in smaller ones.
const MAX_TABLE: u64 = 1 << 20;

/// A frame in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// Where it begins and ends in the file.
    pub(crate) start: u64,
    pub(crate) end: u64,
    /// How many bytes come of it.
    pub(crate) content: u64,
}

/// A reader of headers.
#[derive(Default)]
pub(crate) struct Hops {
    bytes: Vec<u8>,
    start: u64,
}

/// Whether a file ends with a seek table of zstd's. Nothing more is believed of it.
pub(crate) fn has_seek_table(file: &impl FileExt, len: u64) -> io::Result<bool> {
    let mut footer = [0; seek_table::FOOTER];
    let Some(at) = len.checked_sub(footer.len() as u64) else {
        return Ok(false);
    };
    if fill_from(file, &mut footer, at)? < footer.len() {
        return Ok(false);
    }
    let Some(table) = seek_table::length(&footer).and_then(|table| len.checked_sub(table)) else {
        return Ok(false);
    };
    let mut header = [0; seek_table::HEADER];
    let read = fill_from(file, &mut header, table)?;
    Ok(read == header.len() && seek_table::is_header(header, len - table))
}

impl Hops {
    /// The frame at an offset of a file. None if there is no whole one, or it doesn't say how much content it has, or has
    /// more than is decoded at once.
    pub(crate) fn frame(&mut self, file: &impl FileExt, start: u64) -> io::Result<Option<Frame>> {
        self.frame_before(file, start, u64::MAX)
    }

    /// The same, if it ends before another offset or there.
    fn frame_before(
        &mut self,
        file: &impl FileExt,
        start: u64,
        before: u64,
    ) -> io::Result<Option<Frame>> {
        let mut walk = Walk::new();
        while let Some((at, wanted)) = walk.wants() {
            let Some(at) = start.checked_add(at).filter(|at| *at < before) else {
                return Ok(None);
            };
            if let Err(Unfit) = walk.see(self.read(file, at, wanted)?) {
                return Ok(None);
            }
            if walk.bound() > MOST as u64 {
                return Ok(None);
            }
        }
        let Some(length) = walk.length() else {
            return Ok(None);
        };
        let end = start.checked_add(length.compressed);
        Ok(end.zip(length.content).and_then(|(end, content)| {
            let is_fit =
                content <= length.bound && (content == 0 || length.compressed <= MOST as u64);
            is_fit.then_some(Frame {
                start,
                end,
                content,
            })
        }))
    }

    /// Some bytes of the file, fewer at its end.
    fn read(&mut self, file: &impl FileExt, at: u64, wanted: usize) -> io::Result<&[u8]> {
        let known = |hops: &Self| {
            let from = usize::try_from(at.checked_sub(hops.start)?).ok()?;
            let end = from.checked_add(wanted)?;
            (end <= hops.bytes.len()).then_some(from..end)
        };
        if let Some(range) = known(self) {
            return Ok(&self.bytes[range]);
        }
        let is_near = at.saturating_sub(self.start) < 2 * NEAR as u64;
        self.bytes.resize(if is_near { NEAR } else { FAR }, 0);
        let read = fill_from(file, &mut self.bytes, at);
        self.bytes.truncate(*read.as_ref().unwrap_or(&0));
        self.start = at;
        read?;
        let end = wanted.min(self.bytes.len());
        Ok(&self.bytes[..end])
    }
}

/// Frames of a file, by where they begin.
#[derive(Default)]
pub(crate) struct FoundFrames(Vec<Frame>);

impl FoundFrames {
    /// Looks for the frames that a table tells of, with several threads, and keeps those that are there. What the table
    /// says apart from where they begin isn't kept. An error is met again by whoever goes there.
    pub(crate) fn look(
        file: &(impl FileExt + Sync),
        len: u64,
        workers: usize,
        watch: &Watch,
    ) -> Self {
        let claims = claims(file, len).unwrap_or_default();
        let part = claims.len().div_ceil(workers.max(1)).max(1);
        let mut parts = claims.chunks(part);
        let own = parts.next().unwrap_or_default();
        let frames = scope(|scope| {
            let others = parts.map(|part| {
                let look = move || look_for(file, part, watch);
                spawn_quiet_in(scope, "crutils-frames", look)
            });
            // Where there may be no thread its frames aren't looked for.
            let others: Vec<_> = others.flatten().collect();
            let mut frames = look_for(file, own, watch);
            for other in others {
                frames.extend(other.join().unwrap_or_default());
            }
            frames
        });
        FoundFrames(frames)
    }

    /// The frame that begins there, if it was found.
    pub(crate) fn at(&self, start: u64) -> Option<Frame> {
        let found = self.0.binary_search_by_key(&start, |frame| frame.start);
        found.ok().and_then(|at| self.0.get(at)).copied()
    }
}

/// Those of the claimed frames that are there. As what is claimed doesn't overlap, no place is looked at twice.
fn look_for(file: &impl FileExt, claims: &[(u64, u64)], watch: &Watch) -> Vec<Frame> {
    let mut hops = Hops::default();
    let mut frames = Vec::new();
    for &(start, end) in claims {
        if watch.check().is_err() {
            break;
        }
        if let Ok(Some(frame)) = hops.frame_before(file, start, end) {
            frames.push(frame);
        }
    }
    frames
}

/// Where frames begin and end as the table says it; none if there is no table, or a very large one.
fn claims(file: &impl FileExt, len: u64) -> io::Result<Vec<(u64, u64)>> {
    let mut footer = [0; seek_table::FOOTER];
    let end = len.saturating_sub(footer.len() as u64);
    if fill_from(file, &mut footer, end)? < footer.len() {
        return Ok(Vec::new());
    }
    let table = seek_table::length(&footer).filter(|table| *table <= MAX_TABLE);
    let Some((table, start)) = table.and_then(|table| Some((table, len.checked_sub(table)?)))
    else {
        return Ok(Vec::new());
    };
    let mut bytes = vec![0; usize::try_from(table).unwrap_or(0)];
    let read = fill_from(file, &mut bytes, start)?;
    bytes.truncate(read);
    let mut at = 0_u64;
    let mut claims = Vec::new();
    for compressed in seek_table::compressed_sizes(&bytes, &footer) {
        let next = at.saturating_add(compressed).min(start);
        if next > at {
            claims.push((at, next));
        }
        at = next;
    }
    Ok(claims)
}

/// Decodes a frame of a file; the memory of `content` is used again. None if it doesn't decode at once to what it
/// announces: a decoder says why.
pub(crate) fn decode_frame(
    file: &impl FileExt,
    frame: Frame,
    mut content: Vec<u8>,
) -> io::Result<Option<Vec<u8>>> {
    content.clear();
    let sizes = usize::try_from(frame.end - frame.start)
        .ok()
        .zip(usize::try_from(frame.content).ok());
    let Some((compressed, wanted)) = sizes.filter(|(compressed, _)| *compressed <= MOST) else {
        return Ok(None);
    };
    let mut bytes = Vec::new();
    if bytes.try_reserve_exact(compressed).is_err() || content.try_reserve_exact(wanted).is_err() {
        return Ok(None);
    }
    bytes.resize(compressed, 0);
    if fill_from(file, &mut bytes, frame.start)? < compressed {
        return Ok(None);
    }
    let decoded =
        DCtx::try_create().and_then(|mut context| context.decompress(&mut content, &bytes).ok());
    Ok((decoded == Some(wanted)).then_some(content))
}

/// A decoder of what comes from the end of a frame on, which `input` begins with.
pub(crate) fn decoder_between<'a>(
    input: Box<dyn io::BufRead + Send + 'a>,
    watch: &Watch,
) -> Result<Box<dyn Decode<'a> + 'a>> {
    let codec = Zstd::new()?;
    Ok(Box::new(Decoder::between(
        PutBack::new(input),
        codec,
        watch,
    )))
}
