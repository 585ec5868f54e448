//! Damaged archives: whatever stands in a stream, the reader ends, doesn't panic, and holds no more than its limits.

#![forbid(unsafe_code)]

use std::io::{self, BufRead, Read};

use super::testing::{Block, extended};
use super::{BLOCK, Extents, Member, NAME_MAX, Reader, Source};
use crate::error::{Called as _, Kind, Result};
use crate::fs::testing::Random;

/// How many damaged archives one test reads.
const ROUNDS: u64 = 5_000;

/// A stream that gives a few bytes at a time.
struct Trickle<'a> {
    bytes: &'a [u8],
    random: Random,
}

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Trickle<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let most = 1 + self.random.below(700);
        Ok(&self.bytes[..most.min(self.bytes.len())])
    }

    fn consume(&mut self, amount: usize) {
        self.bytes.consume(amount);
    }
}

impl Source for Trickle<'_> {}

/// One member of every form that the reader knows, and where the header blocks are.
// A list, however long it is.
#[allow(clippy::too_many_lines)]
fn archive() -> (Vec<u8>, Vec<usize>) {
    let sparse: [(&str, &[u8]); 4] = [
        ("GNU.sparse.major", b"1"),
        ("GNU.sparse.minor", b"0"),
        ("GNU.sparse.name", b"sparse"),
        ("GNU.sparse.realsize", b"1048576"),
    ];
    let map: [(&str, &[u8]); 3] = [
        ("GNU.sparse.size", b"99999"),
        ("GNU.sparse.numblocks", b"2"),
        ("GNU.sparse.map", b"0,3,4096,5"),
    ];
    let pairs: [(&str, &[u8]); 4] = [
        ("GNU.sparse.size", b"99999"),
        ("GNU.sparse.numblocks", b"1"),
        ("GNU.sparse.offset", b"77"),
        ("GNU.sparse.numbytes", b"8"),
    ];
    let records: [(&str, &[u8]); 8] = [
        ("path", b"long/name"),
        ("mtime", b"-5.25"),
        ("atime", b"1.5"),
        ("uid", b"70000"),
        ("size", b"8"),
        ("SCHILY.xattr.user.a", b"\0\n"),
        ("LIBARCHIVE.xattr.user.b%3D", b"AQI"),
        ("CRUTILS.xattrs", b"complete"),
    ];
    let mut leading = b"2\n0\n512\n4096\n8\n".to_vec();
    leading.resize(512 + 520, 0);
    let data = [b'd'; 8];
    let old = Block::gnu(b'S', b"old", 8)
        .set(483, b"00004000000\0")
        .set(482, &[1]);
    let old = old.set(386, b"00000000000\x0000000000003\0").bytes();
    let mut extension = b"00000010000\x0000000000005\0".to_vec();
    extension.resize(512, 0);
    let mut stream = Vec::new();
    let mut headers = Vec::new();
    for part in [
        Block::ustar(b'0', b"file", 8)
            .set(345, b"prefix")
            .with(&data),
        extended(b'g', &[("comment", b"hello")]),
        extended(b'x', &records),
        Block::ustar(b'0', b"file", 0).with(&data),
        Block::gnu(b'L', b"././@LongLink", 4).with(b"abc\0"),
        Block::gnu(b'K', b"././@LongLink", 4).with(b"def\0"),
        Block::gnu(b'2', b"a", 0)
            .set(345, b"00000000010\x0000000000011\0")
            .bytes(),
        extended(b'x', &sparse),
        Block::ustar(b'0', b"GNUSparseFile.0/sparse", leading.len()).with(&leading),
        extended(b'x', &map),
        Block::ustar(b'0', b"map", 8).with(&data),
        extended(b'x', &pairs),
        Block::ustar(b'0', b"pairs", 8).with(&data),
        [old, extension, [&data[..], &[0; 504]].concat()].concat(),
        Block::ustar(b'3', b"null", 0).bytes(),
        Block::v7(0, b"directory/", 0).bytes(),
        Block::ustar(b'0', b"star", 0)
            .set(508, b"tar\0")
            .set(476, b"00000000011 00000000000 ")
            .bytes(),
        vec![0; 1024],
    ] {
        headers.push(stream.len());
        stream.extend_from_slice(&part);
    }
    headers.pop();
    (stream, headers)
}

/// Changes a few bytes, mostly to such as mean something, and gives most headers a checksum that fits again.
fn damage(stream: &mut Vec<u8>, headers: &[usize], random: &mut Random) {
    for _ in 0..=random.below(4) {
        let at = match random.below(3) {
            // Numbers, type and dialect of a header.
            0 => headers[random.below(headers.len())] + 100 + random.below(165),
            _ => random.below(stream.len()),
        };
        let bytes = b"0123456789\0\0 =\n,-SLKxg\x80\xff";
        stream[at] = bytes[random.below(bytes.len())];
    }
    for header in headers {
        if random.below(8) > 0 {
            let mut block = [0; BLOCK];
            block.copy_from_slice(&stream[*header..header + BLOCK]);
            stream[*header..header + BLOCK].copy_from_slice(&Block::of(block).bytes());
        }
    }
    if random.below(4) == 0 {
        stream.truncate(random.below(stream.len()));
    }
}

fn read(stream: &[u8], random: &mut Random) -> Result<Vec<Member>> {
    let mut reader = Reader::new(Trickle {
        bytes: stream,
        random: Random::new(random.next()),
    });
    let mut members = Vec::new();
    while let Some(member) = reader.next_member()? {
        if random.below(2) == 0 {
            let copied = io::copy(&mut reader.data(), &mut io::sink()).called(|| "read")?;
            assert_eq!(copied, member.stored());
        }
        members.push(member);
    }
    reader.finish()?;
    Ok(members)
}

#[test]
fn the_undamaged_archive_is_read() {
    let (stream, _) = archive();
    let paths: Vec<_> = read(&stream, &mut Random::new(1))
        .unwrap()
        .into_iter()
        .map(|member| member.path)
        .collect();
    let expected: [&[u8]; 10] = [
        b"prefix/file",
        b"long/name",
        b"abc",
        b"sparse",
        b"map",
        b"pairs",
        b"old",
        b"null",
        b"directory/",
        b"star",
    ];
    assert_eq!(paths, expected);
}

#[test]
fn damaged_archives_neither_panic_nor_escape_the_limits() {
    let seed = std::env::var("CRUTILS_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or(0x5eed);
    println!("CRUTILS_SEED={seed}");
    let mut random = Random::new(seed);
    let (whole, headers) = archive();
    let (mut read_to_the_end, mut refused) = (0, 0);
    for _ in 0..ROUNDS {
        let mut stream = whole.clone();
        damage(&mut stream, &headers, &mut random);
        match read(&stream, &mut random) {
            Err(error) => {
                refused += 1;
                assert!(
                    matches!(
                        error.kind(),
                        Kind::Malformed | Kind::Limit | Kind::Unsupported
                    ),
                    "{error:?}"
                );
            }
            Ok(members) => {
                read_to_the_end += 1;
                members.iter().for_each(check);
            }
        }
    }
    // Damage that is always or never noticed would test nothing.
    assert!(
        read_to_the_end > ROUNDS / 20 && refused > ROUNDS / 20,
        "{read_to_the_end} {refused}"
    );
}

fn check(member: &Member) {
    let link = member.kind.link().unwrap_or_default();
    assert!(member.path.len() <= NAME_MAX && link.len() <= NAME_MAX);
    assert!(!member.path.contains(&0) && !link.contains(&0));
    assert!(member.mtime.nanoseconds < 1_000_000_000);
    if let Some(extents) = member.extents().and_then(Extents::ranges) {
        assert_eq!(
            extents.iter().map(|extent| extent.len).sum::<u64>(),
            member.stored()
        );
        assert!(
            extents
                .last()
                .is_none_or(|last| last.offset + last.len <= member.size())
        );
    } else {
        assert_eq!(member.size(), member.stored());
    }
}
