//! Frames that are compressed each by itself, and the table of them.

#![forbid(unsafe_code)]

use super::*;

/// The seek table at the end of a stream, read as its format has it: compressed and decompressed sizes.
fn table(stream: &[u8]) -> Vec<(usize, usize)> {
    let number = |at: usize| {
        usize::try_from(u32::from_le_bytes(stream[at..at + 4].try_into().unwrap())).unwrap()
    };
    let end = stream.len();
    assert_eq!(stream[end - 4..], [0xb1, 0xea, 0x92, 0x8f]);
    assert_eq!(stream[end - 5], 0, "there are no checksums");
    let count = number(end - 9);
    let start = end - 9 - 8 * count;
    assert_eq!(stream[start - 8..start - 4], [0x5e, 0x2a, 0x4d, 0x18]);
    assert_eq!(number(start - 4), 8 * count + 9);
    let entries: Vec<_> = (0..count)
        .map(|n| (number(start + 8 * n), number(start + 8 * n + 4)))
        .collect();
    let sum: usize = entries.iter().map(|entry| entry.0).sum();
    assert_eq!(
        sum,
        start - 8,
        "nothing lies between the frames and the table"
    );
    entries
}

#[test]
fn each_frame_of_the_table_is_decoded_by_itself() {
    let content = pages(5 * GZIP_BLOCK + 12_345);
    let stream = encode(frames(), 2, &content);
    let entries = table(&stream);
    assert_eq!(entries.len(), 6);
    let (mut at, mut decoded_at) = (0, 0);
    for (compressed, decompressed) in entries {
        let frame = &stream[at..at + compressed];
        assert_eq!(zstd_safe::find_frame_compressed_size(frame), Ok(compressed));
        let size = zstd_safe::get_frame_content_size(frame).unwrap();
        assert_eq!(
            size,
            Some(decompressed as u64),
            "the frame says how long it is"
        );
        assert_eq!(frame[4] & 0b100, 0b100, "it has a checksum");
        let decoded = ::zstd::bulk::decompress(frame, decompressed).unwrap();
        assert!(decoded == content[decoded_at..][..decompressed]);
        at += compressed;
        decoded_at += decompressed;
    }
    assert_eq!(decoded_at, content.len());
}

/// The blocks that a frame has, by their headers (RFC 8878, 3.1.1).
fn blocks(frame: &[u8]) -> usize {
    let (single, size) = (frame[4] >> 5 & 1, frame[4] >> 6);
    let size = if size == 0 { single } else { 1 << size };
    let mut at = 5 + usize::from(1 - single) + usize::from(size);
    for count in 1.. {
        let header = u32::from_le_bytes([frame[at], frame[at + 1], frame[at + 2], 0]);
        if header & 1 == 1 {
            return count;
        }
        let is_repeated = header >> 1 & 3 == 1;
        at += 3 + if is_repeated {
            1
        } else {
            usize::try_from(header >> 3).unwrap()
        };
    }
    0
}

/// Whoever looks for a place in an archive reads the header of each.
#[test]
fn frames_have_few_blocks_wherever_the_content_changes() {
    let content = pages(2 << 20);
    let encoding = Encoding::zstd(None, Framing::Sized(1 << 20)).unwrap();
    let stream = encode(encoding, 2, &content);
    let entries = table(&stream);
    assert_eq!(entries.len(), 2);
    // Of 128 KiB there would be eight.
    assert!(blocks(&stream) <= 9, "{}", blocks(&stream));
    assert!(blocks(&stream[entries[0].0..]) <= 9);
}

#[test]
fn no_content_is_one_frame_and_a_table() {
    let entries = table(&encode(frames(), 2, b""));
    assert_eq!(entries.iter().map(|entry| entry.1).collect::<Vec<_>>(), [0]);
}

#[test]
fn a_cut_begins_a_frame_and_changes_no_content() {
    let content = pages(3 * GZIP_BLOCK);
    for encoding in [gzip(), zstd(), frames(), Encoding::None] {
        let mut streams = Vec::new();
        for threads in [1, 3] {
            let output = Output::default();
            let mut encoder =
                encoder(encoding, workers(threads), Box::new(output.clone())).unwrap();
            // At the beginning, twice, within a frame, and where one is full.
            encoder.cut().unwrap();
            encoder.write_all(&content[..1000]).unwrap();
            encoder.cut().unwrap();
            encoder.cut().unwrap();
            encoder
                .write_all(&content[1000..1000 + GZIP_BLOCK])
                .unwrap();
            encoder.cut().unwrap();
            encoder.write_all(&content[1000 + GZIP_BLOCK..]).unwrap();
            encoder.cut().unwrap();
            encoder.finish().unwrap();
            streams.push(std::mem::take(&mut output.log().bytes));
        }
        assert!(streams[0] == streams[1], "{encoding:?}");
        assert!(decoded(encoding, &streams[0]) == content, "{encoding:?}");
        if encoding == frames() {
            let sizes: Vec<_> = table(&streams[0]).iter().map(|entry| entry.1).collect();
            let rest = GZIP_BLOCK - 1000;
            assert_eq!(sizes, [1000, GZIP_BLOCK, GZIP_BLOCK, rest]);
        }
    }
}

#[test]
fn frames_of_a_size_that_nobody_reads_well_are_refused() {
    for size in [0, (64 << 10) - 1, (64 << 20) + 1, u32::MAX] {
        let error = Encoding::zstd(None, Framing::Sized(size)).unwrap_err();
        assert_eq!(
            (error.kind(), error.errno()),
            (Kind::Argument, libc::EINVAL)
        );
    }
}
