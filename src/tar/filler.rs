//! Room in a tar stream that says nothing.

#![forbid(unsafe_code)]

use super::align::comment;
use super::refusal::Refusal;
use super::writer::{put_ascii, seal};
use super::{BLOCK, SPECIAL_MAX, number};
use crate::error::Result;

/// Appends to `out` the first piece of room that is `length` bytes long in the end, a multiple of 512. Returns how long
/// the piece is; what is left is the room for further ones.
///
/// A piece is a global extended header with a `comment`, which readers pass over wherever it stands, or with nothing.
pub(crate) fn fill(length: u64, out: &mut Vec<u8>) -> Result<u64> {
    let body = length.saturating_sub(BLOCK as u64).min(SPECIAL_MAX);
    let mut block = ::tar::Header::new_ustar();
    let ustar = block
        .as_ustar_mut()
        .ok_or(Refusal::Unwritable("no ustar header"))?;
    ustar.typeflag = *b"g";
    put_ascii(&mut ustar.name, b"pax_global_header");
    for field in [&mut ustar.mode, &mut ustar.uid, &mut ustar.gid] {
        number::write(field, 0);
    }
    number::write(&mut ustar.size, body);
    number::write(&mut ustar.mtime, 0);
    seal(&mut block);
    out.extend_from_slice(block.as_bytes());
    if body > 0 {
        out.extend_from_slice(&comment(usize::try_from(body).unwrap_or_default()));
    }
    Ok(BLOCK as u64 + body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_as_long_as_it_is_said_to_be() {
        for length in [
            512_u64,
            1024,
            5120,
            1 << 20,
            (1 << 20) + 512,
            (3 << 20) + 1536,
        ] {
            let (mut out, mut left) = (Vec::new(), length);
            while left > 0 {
                left -= fill(left, &mut out).unwrap();
            }
            assert_eq!(out.len() as u64, length);
        }
    }
}
