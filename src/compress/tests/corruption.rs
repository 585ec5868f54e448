//! Streams that were cut, changed or appended to.

#![forbid(unsafe_code)]

use super::*;
use crate::watch::Watch;

/// Skippable frames: one with three bytes, one with none.
const SKIPPABLE: &[u8] = b"\x50\x2a\x4d\x18\x03\0\0\0abc\x5f\x2a\x4d\x18\0\0\0\0";

#[test]
fn what_may_follow_the_last_member_is_fixed() {
    let garbage: &[u8] = b"garbage";
    // (compression, what follows, whether it may)
    let cases: [(Compression, &[u8], bool); 28] = [
        (Compression::Gzip, &[0], true),
        (Compression::Gzip, &[0; 5000], true),
        (Compression::Gzip, garbage, false),
        (Compression::Gzip, b"\0\0\0g", false),
        (Compression::Gzip, b"\x1f", false),
        (Compression::Gzip, b"\x1f\x8b\x08", false),
        (Compression::Gzip, b"\xff", false),
        (Compression::Bzip2, &[0], true),
        (Compression::Bzip2, &[0; 5000], true),
        (Compression::Bzip2, b"\0\0\0g", false),
        (Compression::Bzip2, garbage, false),
        (Compression::Bzip2, b"B", false),
        (Compression::Bzip2, b"BZh9", false),
        (Compression::Xz, &[0; 4], true),
        (Compression::Xz, &[0; 4096], true),
        (Compression::Xz, &[0; 1], false),
        (Compression::Xz, &[0; 4098], false),
        (Compression::Xz, garbage, false),
        (Compression::Xz, b"\0\0\0\0garbage.", false),
        (Compression::Zstd, SKIPPABLE, true),
        (Compression::Zstd, &SKIPPABLE[..SKIPPABLE.len() - 1], false),
        (Compression::Zstd, &SKIPPABLE[..10], false),
        (Compression::Zstd, &[0], true),
        (Compression::Zstd, &[0; 5000], true),
        (Compression::Zstd, b"\0\0\0g", false),
        (Compression::Zstd, garbage, false),
        (Compression::Zstd, b"\x28", false),
        (Compression::Zstd, b"\x28\xb5\x2f\xfd", false),
    ];
    for (compression, tail, allowed) in cases {
        for content in [&b""[..], b"content"] {
            let stream = [compress(compression, content), tail.to_vec()].concat();
            if allowed {
                assert_eq!(
                    decode(compression, &stream).unwrap(),
                    content,
                    "{compression} {tail:?}"
                );
            } else {
                assert_eq!(
                    refused(compression, &stream),
                    MALFORMED,
                    "{compression} {tail:?}"
                );
            }
        }
    }
}

#[test]
fn zeros_between_members_are_for_xz_alone() {
    for compression in ALL {
        let stream = [
            compress(compression, b"one, "),
            vec![0; 8],
            compress(compression, b"two"),
        ]
        .concat();
        if compression == Compression::Xz {
            assert_eq!(decode(compression, &stream).unwrap(), b"one, two");
        } else {
            assert_eq!(refused(compression, &stream), MALFORMED);
        }
    }
}

#[test]
fn skippable_frames_may_lie_between_zstd_frames() {
    let stream = [
        compress(Compression::Zstd, b"one, "),
        SKIPPABLE.to_vec(),
        compress(Compression::Zstd, b"two"),
    ];
    assert_eq!(
        decode(Compression::Zstd, &stream.concat()).unwrap(),
        b"one, two"
    );
}

#[test]
fn a_stream_cut_anywhere_is_refused() {
    for compression in ALL {
        for content in [b"".to_vec(), b"content".to_vec(), lines(30)] {
            let one = compress(compression, &content);
            for cut in 0..one.len() {
                assert_eq!(
                    refused(compression, &one[..cut]),
                    MALFORMED,
                    "{compression} at {cut}"
                );
                let second = [&one[..], &one[..cut]].concat();
                match decode(compression, &second) {
                    Ok(decoded) => assert!(
                        cut == 0 && decoded == content,
                        "{compression} at {cut} of the second"
                    ),
                    Err(error) => assert!(
                        cut > 0 && error.kind() == Kind::Malformed,
                        "{compression} at {cut}: {error}"
                    ),
                }
            }
        }
    }
}

#[test]
fn a_changed_bit_never_changes_the_content_unnoticed() {
    for compression in ALL {
        for content in [b"content, content".to_vec(), lines(12)] {
            let stream = compress(compression, &content);
            let mut noticed = 0;
            for bit in 0..stream.len() * 8 {
                let mut changed = stream.clone();
                changed[bit / 8] ^= 1 << (bit % 8);
                match decode(compression, &changed) {
                    Ok(decoded) => assert!(decoded == content, "{compression}, bit {bit}"),
                    Err(error) => {
                        assert_ne!(error.kind(), Kind::Internal);
                        noticed += 1;
                    }
                }
            }
            // Only a few header fields, such as gzip's time, may change without harm.
            assert!(
                noticed > (stream.len() - 10) * 8,
                "{compression}: {noticed} of {} bits",
                stream.len() * 8
            );
        }
    }
}

#[test]
fn a_changed_checksum_is_noticed_even_for_an_empty_content() {
    for (compression, from_end) in [
        (Compression::Gzip, 8),
        (Compression::Bzip2, 4),
        (Compression::Zstd, 1),
    ] {
        let mut stream = compress(compression, b"");
        let at = stream.len() - from_end;
        stream[at] ^= 0x10;
        assert_eq!(refused(compression, &stream), MALFORMED, "{compression}");
    }
}

#[test]
fn a_length_that_disagrees_with_the_content_is_noticed() {
    let mut stream = compress(Compression::Gzip, b"content");
    let last = stream.len() - 1;
    stream[last] = 1;
    assert_eq!(refused(Compression::Gzip, &stream), MALFORMED);
}

#[test]
fn a_refusal_is_final() {
    for compression in ALL {
        let mut stream = compress(compression, &lines(100));
        let middle = stream.len() / 2;
        stream[middle] ^= 0xff;
        stream.extend(compress(compression, b"more"));
        let mut reader = decoder(compression, Box::new(&stream[..]), &Watch::new()).unwrap();
        let first = reader.read_to_end(&mut Vec::new()).unwrap_err();
        let second = reader.read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(first.to_string(), second.to_string());
        assert_eq!(
            Error::io("read", second).kind(),
            Kind::Malformed,
            "{compression}"
        );
    }
}

#[test]
fn another_compression_than_the_one_asked_for_is_refused() {
    for compression in ALL {
        for other in ALL {
            if other != compression {
                assert_eq!(
                    refused(compression, &compress(other, b"content")),
                    MALFORMED
                );
            }
        }
    }
}

#[test]
fn skippable_frames_may_come_first_or_alone() {
    let one = compress(Compression::Zstd, b"one");
    let stream = [SKIPPABLE, &one].concat();
    assert_eq!(detect(&stream), Compression::Zstd);
    assert_eq!(decode(Compression::Zstd, &stream).unwrap(), b"one");
    assert_eq!(decode(Compression::Zstd, SKIPPABLE).unwrap(), b"");
    assert_eq!(
        refused(Compression::Zstd, &[SKIPPABLE, b"garbage"].concat()),
        MALFORMED
    );
}

/// Gives a hundred streams at once, when somebody has just cancelled.
struct Cancelling {
    stream: Vec<u8>,
    given: bool,
    cancellation: Watch,
}

impl Read for Cancelling {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        unreachable!("a decoder takes the buffer")
    }
}

impl BufRead for Cancelling {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        assert!(!self.given, "another buffer was asked for");
        self.cancellation.cancel();
        Ok(&self.stream)
    }

    fn consume(&mut self, amount: usize) {
        // All but the last member is still there.
        assert!(amount < self.stream.len() / 2, "{amount}");
        self.given = true;
    }
}

#[test]
fn members_without_content_are_cancelled_between_two_of_them() {
    for compression in [Compression::Gzip, Compression::Bzip2, Compression::Zstd] {
        let watch = Watch::new();
        let cancellation = watch.clone();
        let input = Cancelling {
            stream: compress(compression, b"").repeat(100),
            given: false,
            cancellation,
        };
        let mut reader = decoder(compression, Box::new(input), &watch).unwrap();
        let error = reader.read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(Error::io("read", error).kind(), Kind::Cancelled);
    }
}

#[test]
fn bzip2_streams_without_content_come_in_every_level_and_piece() {
    let full = compress(Compression::Bzip2, b"full");
    for digit in b'1'..=b'9' {
        let mut empty = compress(Compression::Bzip2, b"");
        empty[3] = digit;
        let stream = [&empty, &full, &empty, &empty, &full, &empty, &[0; 3][..]].concat();
        for capacity in 1..20 {
            let input = BufReader::with_capacity(capacity, &stream[..]);
            let content = decode_from(Compression::Bzip2, input).unwrap();
            assert_eq!(content, b"fullfull", "level {digit}, input {capacity}");
        }
    }
    let mut empty = compress(Compression::Bzip2, b"");
    for digit in [b'0', b':'] {
        empty[3] = digit;
        assert_eq!(refused(Compression::Bzip2, &empty), MALFORMED);
    }
}
