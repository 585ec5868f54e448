//! Where a member's data begins: on a boundary of blocks of file systems, so that they can share it with a file.

#![forbid(unsafe_code)]

use super::{BLOCK, SPECIAL_MAX, padding};

/// Data of this many bytes or more begins on a boundary.
pub(super) const ALIGNED_FROM: u64 = 64 << 10;

/// What the boundaries are multiples of: the block size of file systems that share blocks, on most machines.
const BOUNDARY: usize = 4096;

/// Lengthens the body of an extended header, which may be empty, so that what comes `after` bytes behind it begins on a
/// boundary; the extended header begins at `position` in the stream. An empty body counts as no extended header at all.
///
/// The record that does it is a `comment`, which POSIX has all readers ignore. A body that is as long as they can be
/// stays as it is.
pub(super) fn fill(body: &mut Vec<u8>, position: u64, after: usize) {
    let padded = body.len() + padding(body.len() as u64);
    let own_block = if body.is_empty() { 0 } else { BLOCK };
    let over = usize::try_from(position % BOUNDARY as u64).unwrap_or_default();
    let missing = (BOUNDARY - (over + own_block + padded + after) % BOUNDARY) % BOUNDARY;
    // The header of a body that wasn't needed before takes a block.
    let length = match (missing, body.is_empty()) {
        (0, _) => return,
        (BLOCK, true) => BOUNDARY,
        (_, true) => missing - BLOCK,
        (_, false) => padded + missing,
    };
    if length as u64 <= SPECIAL_MAX {
        let record = comment(length - body.len());
        body.extend_from_slice(&record);
    }
}

/// A record of `length` bytes, which are enough for it, that says nothing.
pub(super) fn comment(length: usize) -> Vec<u8> {
    let mut record = format!("{length} comment=").into_bytes();
    record.resize(length - 1, b' ');
    record.push(b'\n');
    record
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where what is `after` bytes behind a body begins in the stream.
    fn begins_at(position: u64, body: &[u8], after: usize) -> u64 {
        let blocks = if body.is_empty() {
            0
        } else {
            1 + body.len().div_ceil(512)
        };
        position + 512 * blocks as u64 + after as u64
    }

    #[test]
    fn data_begins_on_a_boundary_wherever_the_header_is() {
        for blocks in 0..16 {
            for old in [0, 1, 500, 511, 512, 513, 4096, 70_000] {
                for after in [512, 1024, 512 * 9] {
                    let (position, mut body) = (512 * blocks, vec![b'x'; old]);
                    fill(&mut body, position, after);
                    let case = format!("{blocks} blocks, {old} bytes, {after} after");
                    assert_eq!(begins_at(position, &body, after) % 4096, 0, "{case}");
                    assert!(body.len() - old <= 4096 + 511, "{case}");
                    assert!(body[..old].iter().all(|byte| *byte == b'x'), "{case}");
                }
            }
        }
    }

    #[test]
    fn what_is_on_a_boundary_already_stays() {
        let mut body = Vec::new();
        fill(&mut body, 4096 * 3 - 512, 512);
        assert_eq!(body, b"");
    }

    #[test]
    fn the_record_has_the_length_that_it_tells() {
        for old in [0, 1, 12, 499, 500, 501, 511, 512] {
            let mut body = vec![b'x'; old];
            fill(&mut body, 1024, 512);
            let record = String::from_utf8(body.split_off(old)).unwrap();
            let (length, text) = record.split_once(' ').unwrap();
            assert_eq!(length.parse(), Ok(record.len()), "{old}");
            assert!(text.starts_with("comment= "), "{record:?}");
            assert!(text.ends_with(" \n"), "{record:?}");
        }
    }

    #[test]
    fn a_header_at_its_limit_is_not_lengthened() {
        for short in 0..8 {
            let old = (1 << 20) - 512 * short;
            let mut body = vec![b'x'; old];
            fill(&mut body, 0, 512);
            assert!(body.len() <= 1 << 20, "{short}");
        }
    }
}
