#![forbid(unsafe_code)]

mod corruption;
mod encoding;
mod limits;

use std::io::{self, BufRead, BufReader, Cursor, Read, Write};

use super::*;
use crate::Error;

const ALL: [Compression; 4] = [
    Compression::Gzip,
    Compression::Bzip2,
    Compression::Xz,
    Compression::Zstd,
];

/// One complete member that holds `content`, with the checksum the format offers.
fn compress(compression: Compression, content: &[u8]) -> Vec<u8> {
    match compression {
        Compression::None => content.to_vec(),
        Compression::Gzip => {
            let mut encoder =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(content).unwrap();
            encoder.finish().unwrap()
        }
        Compression::Bzip2 => {
            let mut encoder =
                ::bzip2::write::BzEncoder::new(Vec::new(), ::bzip2::Compression::fast());
            encoder.write_all(content).unwrap();
            encoder.finish().unwrap()
        }
        Compression::Xz => {
            let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 0);
            encoder.write_all(content).unwrap();
            encoder.finish().unwrap()
        }
        Compression::Zstd => {
            let mut encoder = ::zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
            encoder.include_checksum(true).unwrap();
            encoder.write_all(content).unwrap();
            encoder.finish().unwrap()
        }
    }
}

/// Text that compresses, with no long repetitions, longer than any internal buffer of the decoders' callers.
fn lines(count: usize) -> Vec<u8> {
    (0..count)
        .flat_map(|n| format!("line {n} of {count}, {}\n", n * n % 7919).into_bytes())
        .collect()
}

fn decode_from(compression: Compression, input: impl BufRead + Send) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    match decoder(compression, Box::new(input), &Watch::new())?.read_to_end(&mut content) {
        Ok(_) => Ok(content),
        Err(error) => Err(Error::io("read", error)),
    }
}

fn decode(compression: Compression, stream: &[u8]) -> Result<Vec<u8>> {
    decode_from(compression, Cursor::new(stream.to_vec()))
}

fn refused(compression: Compression, stream: &[u8]) -> (Kind, i32) {
    let error = decode(compression, stream).expect_err("the stream is refused");
    assert!(
        error.to_string().contains(&compression.to_string()),
        "{error}"
    );
    (error.kind(), error.errno())
}

const MALFORMED: (Kind, i32) = (Kind::Malformed, libc::EBADMSG);

#[test]
fn the_magic_tells_the_compression() {
    assert_eq!(
        detect(&[0x1f, 0x8b, 0x08, 0, 0, 0, 0, 0, 0, 3]),
        Compression::Gzip
    );
    assert_eq!(detect(&[0x42, 0x5a, 0x68, b'9']), Compression::Bzip2);
    assert_eq!(
        detect(&[0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00, 0, 4]),
        Compression::Xz
    );
    assert_eq!(detect(&[0x28, 0xb5, 0x2f, 0xfd]), Compression::Zstd);
    for first in 0x50..=0x5f {
        assert_eq!(detect(&[first, 0x2a, 0x4d, 0x18]), Compression::Zstd);
    }
    for compression in ALL {
        assert_eq!(
            detect(&compress(compression, b"x")[..MAGIC_LEN]),
            compression
        );
    }
}

#[test]
fn everything_else_is_not_compressed() {
    let others: [&[u8]; 9] = [
        b"",
        b"\x1f\x8b",
        b"\x1f\x8b\x07",
        b"\xfd7zXZ",
        b"\x28\xb5\x2f",
        b"\x4f\x2a\x4d\x18\x01\0\0\0x",
        b"\x60\x2a\x4d\x18\x01\0\0\0x",
        b"\x5d\0\0\x80\0",
        b"etc/hosts\0",
    ];
    for other in others {
        assert_eq!(detect(other), Compression::None, "{other:?}");
    }
}

#[test]
fn an_uncompressed_stream_comes_out_as_it_is() {
    assert_eq!(decode(Compression::None, b"a\0b").unwrap(), b"a\0b");
    assert_eq!(decode(Compression::None, b"").unwrap(), b"");
}

#[test]
fn what_was_compressed_comes_out() {
    let content = lines(20_000);
    for compression in ALL {
        let stream = compress(compression, &content);
        assert!(stream.len() < content.len() / 2);
        assert!(
            decode(compression, &stream).unwrap() == content,
            "{compression}"
        );
    }
}

#[test]
fn an_empty_content_comes_out_empty() {
    for compression in ALL {
        assert_eq!(
            decode(compression, &compress(compression, b"")).unwrap(),
            b"",
            "{compression}"
        );
    }
}

#[test]
fn a_stream_of_no_bytes_at_all_is_cut_short() {
    for compression in ALL {
        assert_eq!(refused(compression, b""), MALFORMED);
    }
}

#[test]
fn members_are_concatenated() {
    for compression in ALL {
        let stream = [&b"one, "[..], b"", b"two, ", &lines(500), b"", b""]
            .map(|c| compress(compression, c))
            .concat();
        let expected = [b"one, two, ", &lines(500)[..]].concat();
        assert!(
            decode(compression, &stream).unwrap() == expected,
            "{compression}"
        );
    }
}

#[test]
fn the_sizes_of_buffers_do_not_matter() {
    let content = lines(40);
    for compression in ALL {
        let mut stream = [&content[..7], b"", &content[7..100], &content[100..]]
            .map(|c| compress(compression, c))
            .concat();
        match compression {
            Compression::Gzip => stream.extend([0; 5]),
            Compression::Xz => stream.extend([0; 8]),
            Compression::Zstd => stream.extend(b"\x53\x2a\x4d\x18\x03\0\0\0abc"),
            _ => {}
        }
        for capacity in (1..40).chain([1 << 16]) {
            for size in [1, 2, 13, 1 << 16] {
                let input = BufReader::with_capacity(capacity, &stream[..]);
                let mut reader = decoder(compression, Box::new(input), &Watch::new()).unwrap();
                let (mut got, mut buffer) = (Vec::<u8>::new(), vec![0; size]);
                loop {
                    match reader.read(&mut buffer).unwrap() {
                        0 => break,
                        n => got.extend(&buffer[..n]),
                    }
                }
                assert!(
                    got == content,
                    "{compression}, input {capacity}, output {size}"
                );
                assert_eq!(
                    reader.read(&mut buffer).unwrap(),
                    0,
                    "the end stays the end"
                );
            }
        }
    }
}

#[test]
fn an_empty_buffer_takes_nothing() {
    for compression in ALL {
        let stream = compress(compression, b"content");
        let mut reader = decoder(compression, Box::new(&stream[..]), &Watch::new()).unwrap();
        assert_eq!(reader.read(&mut []).unwrap(), 0);
        let mut content = String::new();
        reader.read_to_string(&mut content).unwrap();
        assert_eq!(content, "content");
    }
}

/// Gives `bytes` one by one, each after an interruption, and then fails as a broken disk does.
struct Failing<'a> {
    bytes: &'a [u8],
    interrupt: bool,
    last: Option<i32>,
}

impl Read for Failing<'_> {
    fn read(&mut self, output: &mut [u8]) -> io::Result<usize> {
        self.interrupt = !self.interrupt;
        match (self.interrupt, self.bytes.split_first(), self.last) {
            (true, ..) => Err(io::ErrorKind::Interrupted.into()),
            (_, Some((&first, rest)), _) => {
                self.bytes = rest;
                output[0] = first;
                Ok(1)
            }
            (_, None, Some(errno)) => Err(io::Error::from_raw_os_error(errno)),
            (_, None, None) => Ok(0),
        }
    }
}

#[test]
fn a_failed_read_keeps_its_errno() {
    for compression in ALL {
        let stream = compress(compression, b"content");
        for (cut, errno) in [
            (0, libc::EIO),
            (stream.len() / 2, libc::ESTALE),
            (stream.len(), libc::EISDIR),
        ] {
            let input = Failing {
                bytes: &stream[..cut],
                interrupt: false,
                last: Some(errno),
            };
            let error = decode_from(compression, BufReader::new(input)).unwrap_err();
            assert_eq!(
                (error.kind(), error.errno()),
                (Kind::System, errno),
                "{compression}"
            );
        }
    }
}

#[test]
fn an_interrupted_read_is_repeated() {
    for compression in ALL {
        let stream = compress(compression, b"content");
        let input = BufReader::new(Failing {
            bytes: &stream,
            interrupt: false,
            last: None,
        });
        let mut reader = decoder(compression, Box::new(input), &Watch::new()).unwrap();
        let mut first = [0];
        assert_eq!(
            reader.read(&mut first).unwrap(),
            1,
            "no interruption comes through"
        );
        assert_eq!(&first, b"c");
    }
}
