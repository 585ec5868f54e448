//! What encoders write, and how they fail.

#![forbid(unsafe_code)]

mod failures;
mod frames;

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};

use ::zstd::zstd_safe;

use super::*;
use crate::fs::testing::{Random, noise};

/// How much content one thread gets at once, of gzip and of zstd; the tests' contents are some of these long.
const GZIP_BLOCK: usize = 256 << 10;
const ZSTD_JOB: usize = 2 << 20;

/// Makes the error of an output, time and again.
type Cause = fn() -> io::Error;

/// What an encoder wrote, and from where.
#[derive(Default)]
struct Log {
    bytes: Vec<u8>,
    threads: Vec<ThreadId>,
    calls: usize,
    flushed: bool,
    /// How many bytes there is room for: the write that brings more fails, or else the flush of all of them.
    failure: Option<(usize, Cause)>,
    failed: bool,
}

/// An output whose log outlives it.
#[derive(Clone, Default)]
struct Output(Arc<Mutex<Log>>);

impl Output {
    fn failing(room: usize, error: Cause) -> Self {
        let output = Output::default();
        output.log().failure = Some((room, error));
        output
    }

    fn log(&self) -> std::sync::MutexGuard<'_, Log> {
        self.0.lock().unwrap()
    }

    fn call(&self, bytes: &[u8], flushed: bool) -> io::Result<()> {
        let mut log = self.log();
        assert!(!log.failed, "after a failure there is no further call");
        log.calls += 1;
        if let Some((room, error)) = log.failure {
            let len = log.bytes.len() + bytes.len();
            if len > room || (flushed && len == room) {
                log.failed = true;
                return Err(error());
            }
        }
        log.threads.push(thread::current().id());
        log.bytes.extend_from_slice(bytes);
        log.flushed = flushed;
        Ok(())
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.call(bytes, false)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.call(&[], true)
    }
}

/// Memory pages of all sorts, in an order that gives neighbouring blocks different ones: text, noise, zeros, and what
/// was there before, near and far away.
fn pages(len: usize) -> Vec<u8> {
    let (mut random, text, noise) = (Random::new(3), lines(20_000), noise(1 << 16));
    let mut pages = Vec::new();
    while pages.len() < len {
        let size = 1 + random.below(40_000);
        let (text_at, noise_at) = (random.below(text.len() - size), random.below(1 << 14));
        match random.below(5) {
            0 | 1 => pages.extend_from_slice(&text[text_at..][..size]),
            2 => pages.extend_from_slice(&noise[noise_at..][..size]),
            3 => pages.resize(pages.len() + size, 0),
            _ => {
                let from = random.below(pages.len() + 1);
                let again = size.min(pages.len() - from);
                pages.extend_from_within(from..from + again);
            }
        }
    }
    pages.truncate(len);
    pages
}

/// Pages in which 256 words before the end of each block come again behind it. All begin with the three bytes that the
/// block ends with, and each goes on with another byte: one of them is what a deflater that was used before has left
/// where the next block comes, and such a deflater doesn't find that one.
fn seams(len: usize) -> Vec<u8> {
    let (mut pages, mut random) = (pages(len), Random::new(11));
    let (mut before, mut behind) = (Vec::new(), Vec::new());
    for byte in 0..=255 {
        let unique = random.next().to_le_bytes();
        let word = [&b"end"[..], &[byte], &unique[..4]].concat();
        before.extend_from_slice(&word);
        // What comes between is never the same, so that a match begins where a word does.
        behind.extend_from_slice(&[unique[4], unique[5], !byte]);
        behind.extend_from_slice(&word);
    }
    before.extend_from_slice(b"end");
    for end in (GZIP_BLOCK..len - behind.len()).step_by(GZIP_BLOCK) {
        pages[end - before.len()..end].copy_from_slice(&before);
        pages[end..end + behind.len()].copy_from_slice(&behind);
    }
    pages
}

fn workers(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).unwrap()
}

fn gzip() -> Encoding {
    Encoding::gzip(None).unwrap()
}

/// All content in one frame.
fn zstd() -> Encoding {
    Encoding::zstd(None, Framing::One).unwrap()
}

/// A frame for each 256 KiB.
fn frames() -> Encoding {
    let framing = Framing::Sized(u32::try_from(GZIP_BLOCK).unwrap());
    Encoding::zstd(None, framing).unwrap()
}

/// All encodings, each with a content that keeps several threads at work.
fn encodings() -> [(Encoding, Vec<u8>); 4] {
    [
        (Encoding::None, pages(100_000)),
        (gzip(), seams(5 * GZIP_BLOCK + 12_345)),
        (frames(), pages(5 * GZIP_BLOCK + 12_345)),
        (zstd(), pages(2 * ZSTD_JOB + 12_345)),
    ]
}

/// What `content` becomes when `cut` says how much of the rest goes into each write.
fn encode_cut(
    encoding: Encoding,
    threads: usize,
    content: &[u8],
    mut cut: impl FnMut(&mut dyn Encode) -> usize,
) -> Vec<u8> {
    let output = Output::default();
    let mut encoder = encoder(encoding, workers(threads), Box::new(output.clone())).unwrap();
    let mut rest = content;
    while !rest.is_empty() {
        let (now, later) = rest.split_at(cut(&mut *encoder).min(rest.len()));
        encoder.write_all(now).unwrap();
        rest = later;
    }
    encoder.finish().unwrap();
    let mut log = output.log();
    assert!(log.flushed, "the last call is a flush");
    std::mem::take(&mut log.bytes)
}

fn encode(encoding: Encoding, threads: usize, content: &[u8]) -> Vec<u8> {
    encode_cut(encoding, threads, content, |_| usize::MAX)
}

/// What a stream holds, by the decoders of this library, and by others that take one member and nothing else.
fn decoded(encoding: Encoding, stream: &[u8]) -> Vec<u8> {
    let compression = match encoding {
        Encoding::None => return stream.to_vec(),
        Encoding::Gzip(_) => Compression::Gzip,
        Encoding::Zstd(..) => Compression::Zstd,
    };
    assert_eq!(detect(stream), compression);
    let content = decode(compression, stream).unwrap();
    let mut other = Vec::new();
    if compression == Compression::Gzip {
        let mut decoder = flate2::bufread::GzDecoder::new(stream);
        decoder.read_to_end(&mut other).unwrap();
        assert_eq!(decoder.into_inner(), b"", "there is one member");
    } else if encoding == zstd() {
        let frame = zstd_safe::find_frame_compressed_size(stream).unwrap();
        assert_eq!(frame, stream.len(), "there is one frame");
        other = ::zstd::stream::decode_all(stream).unwrap();
    } else {
        other = ::zstd::stream::decode_all(stream).unwrap();
    }
    assert!(other == content, "another decoder finds the same");
    content
}

#[test]
fn the_number_of_workers_changes_no_byte() {
    for (encoding, content) in encodings() {
        let one = encode(encoding, 1, &content);
        assert!(decoded(encoding, &one) == content, "{encoding:?}");
        for threads in [2, 3, 7, usize::MAX] {
            assert!(
                encode(encoding, threads, &content) == one,
                "{encoding:?} with {threads} workers"
            );
        }
    }
}

#[test]
fn the_cuts_of_writes_and_flushes_change_no_byte() {
    let mut random = Random::unseen("cuts");
    for (encoding, content) in encodings() {
        let whole = encode(encoding, 2, &content);
        for size in [1, 4095, GZIP_BLOCK - 1, GZIP_BLOCK, 1 << 20] {
            assert!(
                encode_cut(encoding, 2, &content, |_| size) == whole,
                "{encoding:?} in writes of {size}"
            );
        }
        let random_cuts = encode_cut(encoding, 2, &content, |encoder| {
            if random.below(4) == 0 {
                encoder.flush().unwrap();
                assert_eq!(encoder.write(&[]).unwrap(), 0);
            }
            let most = 1 << random.below(21);
            1 + random.below(most)
        });
        assert!(random_cuts == whole, "{encoding:?} in writes of any size");
    }
}

#[test]
fn contents_as_long_as_blocks_and_a_byte_around_come_out_as_they_went_in() {
    for (encoding, block) in [
        (gzip(), GZIP_BLOCK),
        (frames(), GZIP_BLOCK),
        (zstd(), ZSTD_JOB),
    ] {
        let content = pages(2 * block + 1);
        for len in [0, 1, block - 1, block, block + 1, 2 * block, 2 * block + 1] {
            let stream = encode(encoding, 3, &content[..len]);
            assert!(
                decoded(encoding, &stream) == content[..len],
                "{encoding:?}, {len} bytes"
            );
        }
    }
}

#[test]
fn every_level_round_trips_and_no_other_is_there() {
    let content = pages(GZIP_BLOCK + 70_000);
    for level in 1..=9 {
        let encoding = Encoding::gzip(Some(level)).unwrap();
        assert!(decoded(encoding, &encode(encoding, 2, &content)) == content);
    }
    for level in 1..=19 {
        let encoding = Encoding::zstd(Some(level), Framing::default()).unwrap();
        assert!(decoded(encoding, &encode(encoding, 1, &content)) == content);
    }
    for (made, levels) in [
        (
            Encoding::gzip as fn(_) -> _,
            [i32::MIN, -1, 0, 10, 257, i32::MAX],
        ),
        (
            |level| Encoding::zstd(level, Framing::default()),
            [i32::MIN, -1, 0, 20, 259, i32::MAX],
        ),
    ] {
        for level in levels {
            let error = made(Some(level)).unwrap_err();
            assert_eq!(
                (error.kind(), error.errno()),
                (Kind::Argument, libc::EINVAL)
            );
            assert!(error.to_string().starts_with("level: "), "{error}");
        }
    }
    assert_eq!(gzip(), Encoding::gzip(Some(6)).unwrap());
    assert_eq!(
        Encoding::zstd(None, Framing::default()).unwrap(),
        Encoding::zstd(Some(3), Framing::default()).unwrap()
    );
    let small = encode(Encoding::gzip(Some(8)).unwrap(), 1, &content);
    assert!(small.len() < encode(Encoding::gzip(Some(1)).unwrap(), 1, &content).len());
    let small = encode(
        Encoding::zstd(Some(19), Framing::default()).unwrap(),
        1,
        &content,
    );
    assert!(
        small.len()
            < encode(
                Encoding::zstd(Some(1), Framing::default()).unwrap(),
                1,
                &content
            )
            .len()
    );
}

#[test]
fn a_gzip_member_says_nothing_of_where_it_was_made() {
    for content in [&b"123456789"[..], &pages(2 * GZIP_BLOCK)] {
        let stream = encode(gzip(), 2, content);
        // RFC 1952, section 2.3: ID1, ID2, CM, FLG, MTIME, XFL, OS.
        assert_eq!(stream[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
        let length = u32::try_from(content.len()).unwrap();
        assert_eq!(stream[stream.len() - 4..], length.to_le_bytes());
    }
    // The checksum that every description of CRC-32 gives as its check.
    let stream = encode(gzip(), 1, b"123456789");
    assert_eq!(
        stream[stream.len() - 8..][..4],
        0xcbf4_3926_u32.to_le_bytes()
    );
}

#[test]
fn zstd_has_a_checksum_and_a_window_of_8_mib_at_most() {
    for level in 1..=19 {
        let encoding = Encoding::zstd(Some(level), Framing::One).unwrap();
        let stream = encode(encoding, 1, b"content");
        // RFC 8878, section 3.1.1.1: after the magic number the descriptor, without a size, single segment or
        // dictionary but with a checksum, and the window's exponent and mantissa.
        assert_eq!(stream[4], 0b100, "level {level}");
        let base = 1u64 << (10 + (stream[5] >> 3));
        let window = base + base / 8 * u64::from(stream[5] & 7);
        assert!(window <= 8 << 20, "level {level}: {window}");
        // A single segment, whose window is its content, with a size of one byte, and a checksum.
        let stream = encode(
            Encoding::zstd(Some(level), Framing::default()).unwrap(),
            1,
            b"content",
        );
        assert_eq!(stream[4..6], [0b0010_0100, 7], "level {level}");
        assert_eq!(decode(Compression::Zstd, &stream).unwrap(), b"content");
    }
}

#[test]
fn a_block_refers_to_the_one_before_it() {
    let mut content = noise(GZIP_BLOCK);
    let alone = encode(gzip(), 1, &content).len();
    content.extend_from_within(GZIP_BLOCK - (16 << 10)..);
    let stream = encode(gzip(), 1, &content);
    assert!(
        stream.len() < alone + 1024,
        "{} after {alone}",
        stream.len()
    );
    assert!(decoded(gzip(), &stream) == content);
}

#[test]
fn only_the_thread_that_writes_touches_the_output() {
    for (encoding, content) in encodings() {
        let output = Output::default();
        let mut encoder = encoder(encoding, workers(3), Box::new(output.clone())).unwrap();
        encoder.write_all(&content).unwrap();
        encoder.finish().unwrap();
        let me = thread::current().id();
        assert!(
            output.log().threads.iter().all(|&id| id == me),
            "{encoding:?}"
        );
    }
}

#[test]
fn what_is_ready_is_written_before_the_end() {
    for (encoding, block) in [
        (gzip(), GZIP_BLOCK),
        (frames(), GZIP_BLOCK),
        (zstd(), ZSTD_JOB),
    ] {
        let output = Output::default();
        let mut encoder = encoder(encoding, workers(1), Box::new(output.clone())).unwrap();
        // One thread has at most two blocks waiting and at work, and libzstd three and the one that is filled.
        encoder.write_all(&noise(6 * block)).unwrap();
        assert!(output.log().bytes.len() > block / 2, "{encoding:?}");
    }
}
