//! Windows and dictionaries at the limit of 128 MiB and beyond it.

#![forbid(unsafe_code)]

use super::*;

const LIMIT: (Kind, i32) = (Kind::Limit, libc::E2BIG);

/// A zstd frame (RFC 8878, section 3.1.1) with the given header fields and one raw block that holds `content`.
fn zstd_frame(descriptor: u8, header: &[u8], content: &[u8]) -> Vec<u8> {
    let size = u32::try_from(content.len()).unwrap();
    let block = ((size << 3) | 1).to_le_bytes();
    [
        b"\x28\xb5\x2f\xfd",
        &[descriptor][..],
        header,
        &block[..3],
        content,
    ]
    .concat()
}

/// An .xz stream whose block says that it needs a dictionary of the given encoded size.
fn xz_with_dictionary(encoded: u8, content: &[u8]) -> Vec<u8> {
    let mut stream = compress(Compression::Xz, content);
    // The block header follows the stream header of 12 bytes: size, flags, filter LZMA2 with one byte of properties.
    assert_eq!(stream[12..16], [2, 0, 0x21, 1]);
    stream[16] = encoded;
    let mut crc = flate2::Crc::new();
    crc.update(&stream[12..20]);
    stream[20..24].copy_from_slice(&crc.sum().to_le_bytes());
    stream
}

#[test]
fn a_zstd_window_of_128_mib_is_decoded_and_the_next_one_refused() {
    for (window_log, accepted) in [(27, true), (28, false)] {
        let mut encoder = ::zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(window_log).unwrap();
        encoder.write_all(b"content").unwrap();
        let stream = encoder.finish().unwrap();
        if accepted {
            assert_eq!(decode(Compression::Zstd, &stream).unwrap(), b"content");
        } else {
            assert_eq!(refused(Compression::Zstd, &stream), LIMIT);
        }
    }
}

#[test]
fn the_zstd_limit_holds_to_the_byte_and_for_every_way_to_say_it() {
    // The window descriptor is an exponent over 1 KiB and a mantissa in eighths.
    assert_eq!(
        decode(Compression::Zstd, &zstd_frame(0, &[17 << 3], b"content")).unwrap(),
        b"content"
    );
    assert_eq!(
        refused(
            Compression::Zstd,
            &zstd_frame(0, &[(17 << 3) | 1], b"content")
        ),
        LIMIT
    );
    assert_eq!(
        refused(Compression::Zstd, &zstd_frame(0, &[0xff], b"content")),
        LIMIT
    );
    // A single segment: the window is the content's size, here 128 MiB + 1.
    assert_eq!(
        refused(
            Compression::Zstd,
            &zstd_frame(0xa0, &0x0800_0001u32.to_le_bytes(), b"content")
        ),
        LIMIT
    );
    // The content's size is known, and the whole frame lies in one buffer.
    assert_eq!(
        decode(
            Compression::Zstd,
            &zstd_frame(0x80, &[17 << 3, 7, 0, 0, 0], b"content")
        )
        .unwrap(),
        b"content"
    );
    assert_eq!(
        refused(
            Compression::Zstd,
            &zstd_frame(0x80, &[18 << 3, 7, 0, 0, 0], b"content")
        ),
        LIMIT
    );
}

#[test]
fn a_later_zstd_frame_meets_the_same_limit() {
    let stream = [
        compress(Compression::Zstd, b"one"),
        zstd_frame(0, &[18 << 3], b"two"),
    ]
    .concat();
    assert_eq!(refused(Compression::Zstd, &stream), LIMIT);
}

#[test]
fn an_xz_dictionary_of_128_mib_is_decoded_and_the_next_one_refused() {
    // 30 encodes 128 MiB and 31, the next size there is, 192 MiB; 40 is 4 GiB.
    assert_eq!(
        decode(Compression::Xz, &xz_with_dictionary(30, b"content")).unwrap(),
        b"content"
    );
    assert_eq!(
        refused(Compression::Xz, &xz_with_dictionary(31, b"content")),
        LIMIT
    );
    assert_eq!(
        refused(Compression::Xz, &xz_with_dictionary(40, b"content")),
        LIMIT
    );
}

#[test]
fn an_xz_check_that_this_build_lacks_is_refused() {
    let mut stream = compress(Compression::Xz, b"content");
    // The check's number is in the stream flags of header and footer, each with a CRC-32; 2 is reserved.
    let footer = stream.len() - 12;
    stream[7] = 2;
    stream[footer + 9] = 2;
    for (field, crc_at) in [(6..8, 8), (footer + 4..footer + 10, footer)] {
        let mut crc = flate2::Crc::new();
        crc.update(&stream[field]);
        stream[crc_at..crc_at + 4].copy_from_slice(&crc.sum().to_le_bytes());
    }
    assert_eq!(
        refused(Compression::Xz, &stream),
        (Kind::Unsupported, libc::EOPNOTSUPP)
    );
}

#[test]
fn much_content_from_little_input_is_decoded_in_small_pieces() {
    let content = vec![0; 8 << 20];
    for compression in ALL {
        let stream = compress(compression, &content);
        assert!(stream.len() < 16 << 10, "{compression}");
        let mut reader = decoder(compression, Box::new(&stream[..]), &Watch::new()).unwrap();
        let (mut buffer, mut total) = (vec![1; 4096], 0);
        loop {
            match reader.read(&mut buffer).unwrap() {
                0 => break,
                n => total += n,
            }
        }
        assert_eq!(total, 8 << 20, "{compression}");
    }
}
