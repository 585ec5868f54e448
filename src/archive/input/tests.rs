//! What a watch and a limit get to see of archives that yield much from little.

#![forbid(unsafe_code)]

use std::io::{Read as _, Write as _};
use std::num::NonZeroUsize;

use super::stream::BUFFER;
use super::*;
use crate::compress::{Encoding, Framing, encoder};
use crate::error::Called as _;
use crate::fs::spool_ambient;
use crate::tar::{Extent, Member, MemberKind, Reader, Time};
use crate::watch::{MAX_COPIED, Watch};

fn file(content: &[u8]) -> Arc<File> {
    let mut file = spool_ambient(None).unwrap();
    file.write_all(content).unwrap();
    Arc::new(file)
}

/// As zstd does it, at some thirty thousand to one.
fn zeros(length: usize) -> Vec<u8> {
    let mut packed = Vec::new();
    let encoding = Encoding::zstd(None, Framing::One).unwrap();
    let mut encoder = encoder(encoding, NonZeroUsize::MIN, Box::new(&mut packed)).unwrap();
    encoder.write_all(&vec![0; length]).unwrap();
    encoder.finish().unwrap();
    packed
}

fn watched() -> (Reading, Watch) {
    let reading = Reading::default();
    let watch = reading.watch.clone();
    (reading, watch)
}

/// Reads the input, and cancels once its first byte was there: that has to end it within a step.
fn cancelled_after_the_first_byte(mut input: Input<'_>, watch: &Watch) {
    input.read_exact(&mut [0]).unwrap();
    watch.cancel();
    let (mut buffer, mut done) = (vec![0; BUFFER], 0);
    let error = loop {
        match input.read(&mut buffer) {
            Ok(0) => panic!("it came to its end"),
            Ok(count) => done += count as u64,
            Err(error) => break Error::io("read", error),
        }
    };
    assert_eq!(error.kind(), Kind::Cancelled, "{error}");
    assert!(done <= MAX_COPIED, "{done}");
}

#[test]
fn a_few_bytes_that_become_many_are_cancelled_on_their_way() {
    let (reading, cancellation) = watched();
    let packed = zeros(64 << 20);
    assert!(packed.len() < BUFFER, "all of it is read at once");
    let input = ArchiveOrigin::File(file(&packed)).read(&reading, Hash::Never, None);
    cancelled_after_the_first_byte(input.unwrap(), &cancellation);
}

/// A file with `stored` bytes in front of a hole.
fn sparse(stored: u64, size: u64) -> Extents {
    let data = Extent {
        offset: 0,
        len: stored,
    };
    Extents::sparse(vec![data], size).unwrap()
}

/// An archive with one member, and `test` with its data.
fn within(
    extents: &Extents,
    content: &[u8],
    reading: &Reading,
    test: impl FnOnce(Result<Input<'_>>),
) {
    let mut archive = Vec::new();
    let kind = MemberKind::Regular(extents.clone());
    let member = Member::made(b"rootfs-diff.tar", kind, Time::default());
    crate::tar::encode(&member, archive.len() as u64, &mut archive).unwrap();
    archive.extend(content);
    archive.resize(archive.len().next_multiple_of(512) + 1024, 0);
    let outer = ArchiveOrigin::File(file(&archive)).read(reading, Hash::Never, None);
    let mut reader = Reader::new(outer.unwrap());
    let found = reader.next_member().unwrap().unwrap();
    let found = found.extents().unwrap();
    assert_eq!(found, extents);
    test(Input::nested(found, &mut reader.data(), reading));
}

#[test]
fn holes_in_an_archive_are_cancelled_on_their_way() {
    let (reading, cancellation) = watched();
    within(&sparse(512, 4 << 30), &[7; 512], &reading, |input| {
        cancelled_after_the_first_byte(input.unwrap(), &cancellation);
    });
}

#[test]
fn an_exabyte_of_holes_is_refused() {
    let reading = Reading::default();
    for (size, refused) in [
        (512 + MAX_HOLES, false),
        (513 + MAX_HOLES, true),
        (1 << 62, true),
    ] {
        within(&sparse(512, size), &[7; 512], &reading, |input| {
            let kind = input.err().map(|error| error.kind());
            assert_eq!(kind, refused.then_some(Kind::Limit), "{size}");
        });
    }
}

/// How many bytes of 8 MiB of zeros, compressed in a sparse or a plain member, come through under a ratio.
fn expanded(extents: &Extents, packed: &[u8], max_ratio: u64) -> Result<u64> {
    let reading = Reading {
        max_ratio,
        ..Reading::default()
    };
    let mut result = Ok(0);
    within(extents, packed, &reading, |input| {
        let copied = io::copy(&mut input.unwrap(), &mut io::sink());
        result = copied.called(|| "read");
    });
    result
}

#[test]
fn holes_do_not_count_for_the_ratio() {
    const LENGTH: u64 = 8 << 20;
    let packed = zeros(8 << 20);
    let stored = packed.len() as u64;
    let plain = Extents::whole(stored);
    assert_eq!(expanded(&plain, &packed, LENGTH).unwrap(), LENGTH);
    assert_eq!(
        expanded(&plain, &packed, 100).unwrap_err().kind(),
        Kind::Limit
    );
    // Not compressed, but all hole.
    let hole = sparse(512, LENGTH);
    assert_eq!(expanded(&hole, &[7; 512], LENGTH).unwrap(), LENGTH);
    assert_eq!(
        expanded(&hole, &[7; 512], 100).unwrap_err().kind(),
        Kind::Limit
    );
}

/// A file that yields three bytes at a time, as some of FUSE's do.
struct Reluctant(Vec<u8>);

impl FileExt for Reluctant {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = self
            .0
            .get(usize::try_from(offset).unwrap()..)
            .unwrap_or_default();
        (&rest[..rest.len().min(3)]).read(buffer)
    }

    fn write_at(&self, _: &[u8], _: u64) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[test]
fn a_beginning_that_comes_in_pieces_is_read_on() {
    for length in [0, 2, 9, 511, 512, 513, 4000] {
        let content: Vec<u8> = (0..=250).cycle().take(length).collect();
        let first = beginning(&Reluctant(content.clone())).unwrap();
        assert_eq!(first, content[..content.len().min(512)]);
    }
    let packed = zeros(1000);
    let first = beginning(&Reluctant(packed)).unwrap();
    assert_eq!(compress::detect(&first), Compression::Zstd);
}

/// A stream that yields `most` bytes at a time, and may be read again.
fn stream_of(content: &[u8], most: usize) -> Input<'static> {
    struct Trickle(io::Cursor<Vec<u8>>, usize);
    impl Read for Trickle {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let part = buffer.len().min(self.1);
            self.0.read(&mut buffer[..part])
        }
    }
    let peer = Peer {
        reader: Box::new(Trickle(io::Cursor::new(content.to_vec()), most)),
        abandoned: Cancellation::new(),
    };
    let mut origin = ArchiveOrigin::Stream(Some(peer));
    let overflow = Some(Overflow::Refuse);
    let input = origin.read(&Reading::default(), Hash::Never, overflow);
    input.unwrap()
}

#[test]
fn a_stream_comes_again_from_its_first_byte_wherever_it_was_left() {
    let content: Vec<u8> = (0..=250).cycle().take(300_000).collect();
    for most in [3, 1000, 1 << 20] {
        let mut input = stream_of(&content, most);
        for taken in [1, 700, 17_000] {
            let mut part = vec![0; taken];
            input.read_exact(&mut part).unwrap();
            assert!(part == content[..taken], "{most} {taken}");
            assert!(input.rewind(true));
        }
        assert!(input.rewind(false));
        let mut all = Vec::new();
        input.read_to_end(&mut all).unwrap();
        assert!(all == content, "{most}");
        assert!(!input.rewind(false));
    }
}

#[test]
fn all_that_is_kept_comes_before_more_is_refused() {
    let content = vec![7; (32 << 20) + 1];
    let mut input = stream_of(&content, 1 << 20);
    input.read_exact(&mut vec![0; 32 << 20]).unwrap();
    let error = Error::io("read", input.read(&mut [0]).unwrap_err());
    assert_eq!(error.kind(), Kind::Limit);
}

#[test]
fn what_is_no_tar_is_told_though_it_comes_in_pieces() {
    // Longer than what tells a compression.
    let mut encrypted = b"age-encryption.org/v1".to_vec();
    encrypted.resize(5000, b'x');
    for most in [1, 3, 9000] {
        let error = stream_of(&encrypted, most).read(&mut [0]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "this is no tar archive: it is a file that age has encrypted"
        );
    }
}
