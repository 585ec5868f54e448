//! One 512-byte header block.

#![forbid(unsafe_code)]

use super::refusal::Refusal;
use super::{BLOCK, number};

/// The trailer by which star marks its headers, in the last bytes of the block.
const STAR_TRAILER: &[u8] = b"tar\0";

/// How much of the ustar prefix is the prefix in a star header: its times follow.
const STAR_PREFIX: usize = 131;

/// The fields of a header block, as far as they matter here and before any override.
#[derive(Debug)]
pub(super) struct Header {
    /// The type letter.
    pub kind: u8,
    /// Prefix and name, joined.
    pub path: Vec<u8>,
    pub link: Vec<u8>,
    pub mode: i64,
    pub uid: i64,
    pub gid: i64,
    pub size: i64,
    pub mtime: i64,
    pub atime: Option<i64>,
    pub major: i64,
    pub minor: i64,
    /// The size that a GNU header states for a sparse file; `None` in the other dialects.
    pub real_size: Option<i64>,
}

/// Whether a block is all zeros, as at the end of an archive.
pub(super) fn is_zero(block: &tar::Header) -> bool {
    block.as_bytes().iter().all(|byte| *byte == 0)
}

/// Takes a header block apart. A wrong checksum, and a numeric field that holds no number, are errors.
pub(super) fn parse(block: &mut tar::Header) -> Result<Header, Refusal> {
    verify(block)?;
    let mut header = parse_common(block)?;
    if block.as_bytes()[257..263] == *b"ustar\0" {
        // Some writers leave the version out; with it in place the crate takes the block for what it is.
        block.as_mut_bytes()[263..265].copy_from_slice(b"00");
    }
    if let Some(ustar) = block.as_ustar() {
        parse_ustar(&mut header, ustar)?;
    } else if let Some(gnu) = block.as_gnu() {
        parse_gnu(&mut header, gnu, block.as_bytes())?;
    }
    Ok(header)
}

/// Checks the sum over the block, in which its own field counts as spaces. Old writers summed signed bytes.
fn verify(block: &tar::Header) -> Result<(), Refusal> {
    let stated = number::parse(&block.as_old().cksum).ok_or(Refusal::Checksum)?;
    let own = &block.as_old().cksum;
    let sum = |bytes: &[u8]| i64::from(bytes.iter().map(|byte| u32::from(*byte)).sum::<u32>());
    let unsigned = sum(block.as_bytes()) - sum(own) + sum(&[b' '; 8]);
    // Read as signed, a byte from 128 on is less by 256.
    let high = |bytes: &[u8]| i64::from(bytes.iter().map(|byte| u32::from(byte >> 7)).sum::<u32>());
    let signed = || unsigned - 256 * (high(block.as_bytes()) - high(own));
    if stated == unsigned || stated == signed() {
        Ok(())
    } else {
        Err(Refusal::Checksum)
    }
}

/// Whether a block has the checksum of a header.
pub(super) fn is_header(block: &tar::Header) -> bool {
    verify(block).is_ok()
}

fn parse_common(block: &tar::Header) -> Result<Header, Refusal> {
    let old = block.as_old();
    Ok(Header {
        kind: old.linkflag[0],
        path: text(&old.name).to_vec(),
        link: text(&old.linkname).to_vec(),
        mode: field("mode", &old.mode)?,
        uid: field("uid", &old.uid)?,
        gid: field("gid", &old.gid)?,
        size: field("size", &old.size)?,
        mtime: field("mtime", &old.mtime)?,
        atime: None,
        major: 0,
        minor: 0,
        real_size: None,
    })
}

fn parse_ustar(header: &mut Header, ustar: &tar::UstarHeader) -> Result<(), Refusal> {
    header.major = field("devmajor", &ustar.dev_major)?;
    header.minor = field("devminor", &ustar.dev_minor)?;
    if ustar.pad.ends_with(STAR_TRAILER) {
        let (prefix, times) = ustar.prefix.split_at(STAR_PREFIX);
        add_prefix(header, text(prefix));
        header.atime = Some(field("atime", &times[..12])?).filter(|seconds| *seconds != 0);
        field("ctime", &times[12..])?;
    } else {
        add_prefix(header, text(&ustar.prefix));
    }
    Ok(())
}

fn parse_gnu(
    header: &mut Header,
    gnu: &tar::GnuHeader,
    block: &[u8; BLOCK],
) -> Result<(), Refusal> {
    header.major = field("devmajor", &gnu.dev_major)?;
    header.minor = field("devminor", &gnu.dev_minor)?;
    if header.kind == b'S' {
        header.real_size = Some(field("realsize", &gnu.realsize)?);
    }
    match (time(&gnu.atime), time(&gnu.ctime)) {
        (Ok(atime), Ok(_)) => header.atime = atime,
        // Some writers put a ustar prefix into a header that passes for GNU: text where the times belong.
        _ if header.kind != b'S' => {
            let prefix = text(&block[345..500]);
            if prefix.is_ascii() {
                add_prefix(header, prefix);
            }
        }
        _ => return Err(Refusal::Number("atime or ctime")),
    }
    Ok(())
}

/// The time in a field that may be unused.
fn time(bytes: &[u8]) -> Result<Option<i64>, ()> {
    match bytes.first() {
        None | Some(0) => Ok(None),
        Some(_) => number::parse(bytes)
            .map(|seconds| Some(seconds).filter(|seconds| *seconds != 0))
            .ok_or(()),
    }
}

fn field(name: &'static str, bytes: &[u8]) -> Result<i64, Refusal> {
    number::parse(bytes).ok_or(Refusal::Number(name))
}

/// The bytes of a text field: up to the first NUL, or all of them.
pub(super) fn text(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or(bytes)
}

fn add_prefix(header: &mut Header, prefix: &[u8]) {
    if !prefix.is_empty() {
        header.path = [prefix, b"/", &header.path].concat();
    }
}

#[cfg(test)]
mod tests;
