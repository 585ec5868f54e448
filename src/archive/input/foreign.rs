//! What an input is that is no tar archive, for the message.

#![forbid(unsafe_code)]

use std::fmt;

use super::Refusal;
use crate::compress::{Compression, detect};
use crate::error::Result;

/// How many bytes from the beginning of a stream [`Foreign::of`] looks at: a header of tar.
pub(super) const LOOKED_AT: usize = 512;

/// Where a header of tar has its checksum.
const CHECKSUM: std::ops::Range<usize> = 148..156;

/// What begins like this isn't tar. A member's name may begin so, too, but then the header's checksum is right.
const MAGIC: &[(&[u8], &str)] = &[
    (b"\x04\x22\x4d\x18", "an lz4 frame"),
    (b"\x02\x21\x4c\x18", "an lz4 frame in the legacy format"),
    (b"LZIP", "an lzip stream"),
    (b"\x89LZO\0\r\n\x1a\n", "an lzop stream"),
    (b"\x1f\x9d", "a stream of compress (.Z)"),
    (b"\xff\x06\0\0sNaPpY", "a snappy stream"),
    (b"\x78\x01", "a zlib stream"),
    (b"\x78\x5e", "a zlib stream"),
    (b"\x78\x9c", "a zlib stream"),
    (b"\x78\xda", "a zlib stream"),
    (b"age-encryption.org/", "a file that age has encrypted"),
    (
        b"-----BEGIN AGE ENCRYPTED FILE-----",
        "a file that age has encrypted",
    ),
    (b"-----BEGIN PGP MESSAGE-----", "an OpenPGP message"),
    (b"Salted__", "a file that openssl has encrypted"),
    (b"LUKS\xba\xbe", "a LUKS volume"),
    (b"07070", "a cpio archive"),
    (b"\xc7\x71", "a cpio archive"),
    (b"\x71\xc7", "a cpio archive"),
    (b"PK\x03\x04", "a zip archive"),
    (b"PK\x05\x06", "a zip archive"),
    (b"PK\x07\x08", "a zip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a rar archive"),
    (b"xar!", "a xar archive"),
    (b"!<arch>\n", "an ar archive"),
    (b"\xed\xab\xee\xdb", "an rpm package"),
    (b"hsqs", "a squashfs image"),
    (b"QFI\xfb", "a qcow2 image"),
    (b"\x7fELF", "an ELF file"),
    (
        b"\x19\x43\x56\x54",
        "an image of CRIU's, which a checkpoint archive holds",
    ),
    (
        b"\x55\x43\x56\x54",
        "an image of CRIU's, which a checkpoint archive holds",
    ),
    (b"%PDF-", "a PDF document"),
    (b"<!DOCTYPE html", "an HTML page"),
    (b"<html", "an HTML page"),
];

/// An input that is something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Foreign {
    /// What [`detect`] knows.
    Compressed(Compression),
    /// Anything else.
    Named(&'static str),
}

impl Foreign {
    /// Tells by the first bytes of a stream what it is, unless it may be a tar archive: [`LOOKED_AT`] of them, or all
    /// if there are fewer.
    pub(super) fn of(first: &[u8]) -> Option<Self> {
        if is_header(first) {
            return None;
        }
        match detect(first) {
            Compression::None => {}
            compression => return Some(Foreign::Compressed(compression)),
        }
        let magic = MAGIC.iter().find(|(magic, _)| first.starts_with(magic));
        let name = magic.map(|(_, name)| *name);
        name.or_else(|| lzma(first))
            .or_else(|| json(first))
            .map(Foreign::Named)
    }
}

impl Foreign {
    /// What it is, and what is around it.
    pub(super) fn told(self, outer: Compression) -> String {
        match (outer, self) {
            (Compression::None, foreign) => format!("this is no tar archive: it is {foreign}"),
            (outer, Foreign::Compressed(_)) => format!(
                "the {outer} stream holds {self}, no tar archive: one compression is undone, not two"
            ),
            (outer, Foreign::Named(_)) => {
                format!("the {outer} stream holds no tar archive: it is {self}")
            }
        }
    }
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Foreign::Compressed(compression) => write!(f, "a {compression} stream"),
            Foreign::Named(name) => f.write_str(name),
        }
    }
}

/// Whether this is a header of tar, by its checksum. One of another reading (signed bytes) that begins like something
/// else isn't worth to be known.
fn is_header(block: &[u8]) -> bool {
    let Some(field) = block.get(CHECKSUM).filter(|_| block.len() >= LOOKED_AT) else {
        return false;
    };
    let digits = field.iter().skip_while(|&&byte| byte == b' ');
    let told = digits
        .take_while(|byte| matches!(byte, b'0'..=b'7'))
        .fold(0, |sum, &digit| sum * 8 + u32::from(digit - b'0'));
    let bytes = block[..LOOKED_AT].iter().enumerate();
    let sum: u32 = bytes
        .map(|(at, &byte)| u32::from(if CHECKSUM.contains(&at) { b' ' } else { byte }))
        .sum();
    told == sum
}

/// The .lzma format has no magic: properties, which all writers set alike, a dictionary's size, which is a power of two
/// or one and a half of it, and a length, which is unknown or short of 256 GiB.
fn lzma(first: &[u8]) -> Option<&'static str> {
    let (header, _) = first.split_first_chunk::<13>()?;
    let [0x5d, size @ .., _, _, _, _, _, _, _, _] = *header else {
        return None;
    };
    let size = u32::from_le_bytes(size);
    let length = &header[5..];
    let usual = size >= 1 << 12 && size.count_ones() <= 2;
    (usual && (length == [0xff; 8] || length[5..] == [0; 3]))
        .then_some("an LZMA stream in the .lzma format")
}

fn json(first: &[u8]) -> Option<&'static str> {
    let text = first.trim_ascii_start();
    let has = |key: &[u8]| text.windows(key.len()).any(|window| window == key);
    if !text.starts_with(b"{") && !text.starts_with(b"[") {
        return None;
    }
    // Whatever follows is text, or this isn't JSON.
    if text
        .iter()
        .any(|&byte| byte < b' ' && !byte.is_ascii_whitespace())
    {
        return None;
    }
    Some(if has(b"\"imageLayoutVersion\"") {
        "the oci-layout file of an OCI image layout; a checkpoint is a layer of the image"
    } else if has(b"\"manifests\"") || has(b"application/vnd.oci.image") {
        "JSON of an OCI image layout (index.json or a manifest); a checkpoint is a layer of the image"
    } else {
        "JSON text"
    })
}

/// Refuses what begins like something that is no tar archive; `outer` is the compression around it.
pub(super) fn check(first: &[u8], outer: Compression) -> Result<()> {
    match Foreign::of(first) {
        Some(foreign) => Err(Refusal::Foreign(foreign, outer).into()),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header_named(name: &[u8]) -> Vec<u8> {
        let mut header = tar::Header::new_ustar();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name);
        header.set_size(5);
        header.set_cksum();
        header.as_bytes().to_vec()
    }

    #[test]
    fn a_member_may_be_called_like_any_magic() {
        for (magic, name) in MAGIC {
            if magic.contains(&0) {
                continue;
            }
            let header = header_named(magic);
            assert_eq!(Foreign::of(&header), None, "{name}");
            assert_eq!(
                Foreign::of(&header[..511]),
                Some(Foreign::Named(name)),
                "a cut one is no header"
            );
        }
        let header = header_named(b"BZh9");
        assert_eq!(Foreign::of(&header), None);
    }
}
