//! Where a zstd frame ends (RFC 8878, section 3.1), by its headers alone.

#![forbid(unsafe_code)]

use super::MAX_WINDOW;

/// The magic number of a frame.
const MAGIC: u32 = 0xfd2f_b528;
/// The magic number of a skippable frame without its last four bits.
const SKIPPABLE: u32 = 0x184d_2a50;
/// The most that any block holds.
const MAX_BLOCK: u64 = 128 << 10;

/// How far a frame has been walked through. Whoever walks shows it what it [wants](Walk::wants), until its length is
/// known.
pub(super) struct Walk {
    /// Where the next header is, from the beginning of the frame.
    at: u64,
    /// How long that header is, as far as is known.
    wanted: usize,
    place: Upcoming,
}

#[derive(Clone, Copy)]
enum Upcoming {
    /// At the frame's header.
    Header,
    /// At a block's header.
    Block(Header, u64),
    /// Behind the end.
    End(Length),
}

/// What a frame's header says.
#[derive(Clone, Copy)]
struct Header {
    len: usize,
    window: u64,
    content: Option<u64>,
    has_checksum: bool,
}

/// How long a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Length {
    /// How many bytes of the stream it has.
    pub(super) compressed: u64,
    /// How many bytes come of it at most.
    pub(super) bound: u64,
    /// How many bytes come of it as its header has it.
    pub(super) content: Option<u64>,
}

/// There is no whole frame, or none whose window is within the limit, or it needs a dictionary. A decoder says why.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unfit;

/// The least that a frame's header is looked at for: its magic and its descriptor.
const FIRST: usize = 5;
/// How long a block's header is.
const BLOCK: usize = 3;

impl Walk {
    /// At the beginning of a frame.
    pub(super) fn new() -> Self {
        Walk {
            at: 0,
            wanted: FIRST,
            place: Upcoming::Header,
        }
    }

    /// The offset, from the beginning of the frame, and the number of the bytes that it has to see next. None once its
    /// length is known.
    pub(super) fn wants(&self) -> Option<(u64, usize)> {
        match self.place {
            Upcoming::End(_) => None,
            Upcoming::Header | Upcoming::Block(..) => Some((self.at, self.wanted)),
        }
    }

    /// How long the frame is, once that is known.
    pub(super) fn length(&self) -> Option<Length> {
        match self.place {
            Upcoming::End(length) => Some(length),
            Upcoming::Header | Upcoming::Block(..) => None,
        }
    }

    /// How many bytes come of what was walked through, at most.
    pub(super) fn bound(&self) -> u64 {
        match self.place {
            Upcoming::Header => 0,
            Upcoming::Block(_, bound) => bound,
            Upcoming::End(length) => length.bound,
        }
    }

    /// Shows what it wants; fewer bytes say that the stream ends.
    pub(super) fn see(&mut self, bytes: &[u8]) -> Result<(), Unfit> {
        if bytes.len() < self.wanted {
            return Err(Unfit);
        }
        match self.place {
            Upcoming::Header => self.see_header(bytes),
            Upcoming::Block(header, bound) => self.see_block(header, bound, bytes),
            Upcoming::End(_) => Ok(()),
        }
    }

    fn see_header(&mut self, bytes: &[u8]) -> Result<(), Unfit> {
        let magic = number(bytes, 0, 4)?;
        if magic & !0xf == u64::from(SKIPPABLE) {
            if bytes.len() < 8 {
                self.wanted = 8;
                return Ok(());
            }
            self.place = Upcoming::End(Length {
                compressed: 8 + number(bytes, 4, 4)?,
                bound: 0,
                content: Some(0),
            });
            return Ok(());
        }
        if magic != u64::from(MAGIC) {
            return Err(Unfit);
        }
        let descriptor = *bytes.get(4).ok_or(Unfit)?;
        let len = header_len(descriptor);
        if bytes.len() < len {
            self.wanted = len;
            return Ok(());
        }
        let header = Header::parse(descriptor, bytes)?;
        (self.at, self.wanted) = (header.len as u64, BLOCK);
        self.place = Upcoming::Block(header, 0);
        Ok(())
    }

    fn see_block(&mut self, header: Header, bound: u64, bytes: &[u8]) -> Result<(), Unfit> {
        let block = number(bytes, 0, BLOCK)?;
        let (is_last, size) = (block & 1 == 1, block >> 3);
        let most = header.window.min(MAX_BLOCK);
        let (stored, content) = match (block >> 1) & 3 {
            // Raw; one byte that is repeated; compressed.
            0 => (size, size),
            1 => (1, size),
            2 => (size, most),
            _ => return Err(Unfit),
        };
        if size > most {
            return Err(Unfit);
        }
        self.at += BLOCK as u64 + stored;
        let bound = bound + content;
        self.place = if is_last {
            let checksum = if header.has_checksum { 4 } else { 0 };
            Upcoming::End(Length {
                compressed: self.at + checksum,
                bound: header.content.map_or(bound, |content| content.min(bound)),
                content: header.content,
            })
        } else {
            Upcoming::Block(header, bound)
        };
        Ok(())
    }
}

/// How long the header is that such a descriptor is in, with the magic.
fn header_len(descriptor: u8) -> usize {
    let window = usize::from(descriptor & 0x20 == 0);
    FIRST + window + dictionary_len(descriptor) + content_len(descriptor)
}

fn dictionary_len(descriptor: u8) -> usize {
    [0, 1, 2, 4][usize::from(descriptor & 3)]
}

fn content_len(descriptor: u8) -> usize {
    match descriptor >> 6 {
        0 => usize::from(descriptor & 0x20 != 0),
        flag => 1 << flag,
    }
}

impl Header {
    fn parse(descriptor: u8, bytes: &[u8]) -> Result<Self, Unfit> {
        let (dictionary, content) = (dictionary_len(descriptor), content_len(descriptor));
        let is_single = descriptor & 0x20 != 0;
        let mut at = FIRST;
        let mut window = 0;
        if !is_single {
            let byte = number(bytes, at, 1)?;
            let base = 1 << (10 + (byte >> 3));
            window = base + base / 8 * (byte & 7);
            at += 1;
        }
        let is_plain = number(bytes, at, dictionary)? == 0;
        at += dictionary;
        let size = match content {
            0 => None,
            // Less than 256 takes one byte.
            2 => Some(number(bytes, at, 2)? + 256),
            len => Some(number(bytes, at, len)?),
        };
        let header = Header {
            len: at + content,
            window: if is_single { size.unwrap_or(0) } else { window },
            content: size,
            has_checksum: descriptor & 4 != 0,
        };
        let is_fit = descriptor & 8 == 0 && is_plain && header.window <= u64::from(MAX_WINDOW);
        if is_fit { Ok(header) } else { Err(Unfit) }
    }
}

/// The little-endian number of `len` bytes, up to eight.
fn number(bytes: &[u8], at: usize, len: usize) -> Result<u64, Unfit> {
    let bytes = bytes.get(at..at + len).ok_or(Unfit)?;
    let digits = bytes.iter().rev();
    Ok(digits.fold(0, |number, &byte| number << 8 | u64::from(byte)))
}

#[cfg(test)]
mod tests {
    use zstd::zstd_safe::find_frame_compressed_size;

    use super::*;

    /// Walks through the frame that `stream` begins with.
    fn walk(stream: &[u8]) -> Result<Length, Unfit> {
        let mut walk = Walk::new();
        while let Some((at, wanted)) = walk.wants() {
            let at = usize::try_from(at).unwrap();
            let end = stream.len().min(at + wanted);
            walk.see(stream.get(at..end).unwrap_or_default())?;
        }
        let length = walk.length().unwrap();
        if length.compressed > stream.len() as u64 {
            return Err(Unfit);
        }
        Ok(length)
    }

    fn content(len: usize) -> Vec<u8> {
        let byte = |n| u8::try_from(n * n % 251 + n / 7000 % 5);
        (0..len).map(|n| byte(n).unwrap_or(255)).collect()
    }

    #[test]
    fn libzstd_finds_the_same_ends() {
        for len in [0, 1, 255, 256, 1000, 65_791, 65_792, 300_000, 1 << 20] {
            let content = content(len);
            for (with_size, checksum, log) in [
                (true, true, 0),
                (true, false, 20),
                (false, true, 10),
                (false, false, 0),
            ] {
                let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
                encoder.include_checksum(checksum).unwrap();
                encoder.include_contentsize(with_size).unwrap();
                if log > 0 {
                    encoder.window_log(log).unwrap();
                }
                if with_size {
                    encoder.set_pledged_src_size(Some(len as u64)).unwrap();
                }
                std::io::Write::write_all(&mut encoder, &content).unwrap();
                let mut stream = encoder.finish().unwrap();
                let length = walk(&stream).unwrap();
                assert_eq!(length.compressed, stream.len() as u64);
                assert_eq!(find_frame_compressed_size(&stream), Ok(stream.len()));
                assert_eq!(length.content, with_size.then_some(len as u64));
                assert!(length.bound >= len as u64);
                for cut in [0, 3, 4, stream.len() / 2, stream.len() - 1] {
                    assert_eq!(walk(&stream[..cut]), Err(Unfit), "cut at {cut}");
                }
                stream.extend(b"behind");
                assert_eq!(walk(&stream).unwrap(), length);
            }
        }
    }

    #[test]
    fn a_skippable_frame_has_no_content() {
        let skippable = b"\x5e\x2a\x4d\x18\x03\0\0\0abc";
        let length = walk(skippable).unwrap();
        assert_eq!(
            (length.compressed, length.bound, length.content),
            (11, 0, Some(0))
        );
        assert_eq!(walk(b"\x5e\x2a\x4d\x18\xff\xff\xff\xff"), Err(Unfit));
        assert_eq!(walk(b"\x60\x2a\x4d\x18\x03\0\0\0abc"), Err(Unfit));
    }

    #[test]
    fn what_a_decoder_would_refuse_is_unfit() {
        let magic = b"\x28\xb5\x2f\xfd";
        let raw = b"\x09\0\0x";
        let fit = [&magic[..], &[0, 0], raw].concat();
        walk(&fit).unwrap();
        for (what, stream) in [
            ("a reserved bit", [&magic[..], &[8, 0], raw].concat()),
            ("a dictionary", [&magic[..], &[1, 0, 7], raw].concat()),
            (
                "a window of 144 MiB",
                [&magic[..], &[0, (17 << 3) | 1], raw].concat(),
            ),
            (
                "a block of a reserved type",
                [&magic[..], &[0, 0], &b"\x0f\0\0x"[..]].concat(),
            ),
            (
                "a block larger than the window",
                [&magic[..], &[0, 0], &b"\x0b\x20\0x"[..]].concat(),
            ),
        ] {
            assert_eq!(walk(&stream), Err(Unfit), "{what}");
        }
    }
}
