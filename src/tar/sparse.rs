//! Sparse maps: which ranges of a file hold data. The old GNU form lists them in header blocks, PAX 0.0 and 0.1 in
//! records, PAX 1.0 in front of the data (GNU tar manual, "Storing Sparse Files").

#![forbid(unsafe_code)]

use super::member::Extent;
use super::refusal::Refusal;
use super::{BLOCK, SPECIAL_MAX, number, padding};

/// The encoded length that a map written by [`fit`] stays below: half of what readers accept at most, in bytes.
const FIT: u64 = 512 << 10;

/// Makes a map writable: widens the extents to whole blocks of 512 bytes, and then fills holes, the smallest first,
/// until the PAX 1.0 map of a file of `size` bytes is encoded in less than 512 KiB.
///
/// What is filled becomes data: the caller writes zeros for it. `extents` are in order and don't overlap; empty ones
/// fall away.
pub(crate) fn fit(extents: Vec<Extent>, size: u64) -> Vec<Extent> {
    let extents = widen(extents, size);
    if encoded_len(&extents, size) < FIT {
        return extents;
    }
    let mut holes: Vec<(u64, usize)> = (0..extents.len())
        .map(|at| (hole_after(&extents, at, size), at))
        .collect();
    holes.sort_unstable();
    // Each filled hole makes the map shorter, so the least number that fits can be bisected.
    let (mut too_few, mut enough) = (0, holes.len());
    while enough - too_few > 1 {
        let half = too_few.midpoint(enough);
        if encoded_len(&fill(&extents, &holes[..half], size), size) < FIT {
            enough = half;
        } else {
            too_few = half;
        }
    }
    fill(&extents, &holes[..enough], size)
}

/// The extents from block to block; the last one may end with the file.
fn widen(extents: Vec<Extent>, size: u64) -> Vec<Extent> {
    let mut out: Vec<Extent> = Vec::new();
    for extent in extents.into_iter().filter(|extent| extent.len > 0) {
        let start = extent.offset - extent.offset % BLOCK as u64;
        let until = end(&extent)
            .checked_next_multiple_of(BLOCK as u64)
            .map_or(size, |until| until.min(size));
        match out.last_mut() {
            Some(last) if start <= end(last) => last.len = until.saturating_sub(last.offset),
            _ => out.push(Extent {
                offset: start,
                len: until.saturating_sub(start),
            }),
        }
    }
    out
}

fn end(extent: &Extent) -> u64 {
    extent.offset.saturating_add(extent.len)
}

/// The length of the hole between an extent and the next one, or the end of the file.
fn hole_after(extents: &[Extent], at: usize, size: u64) -> u64 {
    let next = extents.get(at + 1).map_or(size, |next| next.offset);
    next.saturating_sub(end(&extents[at]))
}

/// The extents without the holes that follow those with the given indices.
fn fill(extents: &[Extent], holes: &[(u64, usize)], size: u64) -> Vec<Extent> {
    let mut filled = vec![false; extents.len()];
    for (_, at) in holes {
        filled[*at] = true;
    }
    let mut out: Vec<Extent> = Vec::new();
    let mut joins = false;
    for (at, extent) in extents.iter().enumerate() {
        let until = if filled[at] {
            end(extent).saturating_add(hole_after(extents, at, size))
        } else {
            end(extent)
        };
        match out.last_mut() {
            Some(last) if joins => last.len = until.saturating_sub(last.offset),
            _ => out.push(Extent {
                offset: extent.offset,
                len: until.saturating_sub(extent.offset),
            }),
        }
        joins = filled[at];
    }
    out
}

/// The numbers of a PAX 1.0 map: the count, then offset and length of each extent. A file that ends in a hole has an
/// empty extent at its end, from which readers without `GNU.sparse.realsize` learn the size.
fn numbers(extents: &[Extent], size: u64) -> impl Iterator<Item = u64> {
    let last = Some(Extent {
        offset: size,
        len: 0,
    })
    .filter(|_| extents.last().is_none_or(|last| end(last) < size));
    let count = extents.len() as u64 + u64::from(last.is_some());
    let pairs = extents
        .iter()
        .copied()
        .chain(last)
        .flat_map(|extent| [extent.offset, extent.len]);
    std::iter::once(count).chain(pairs)
}

fn encoded_len(extents: &[Extent], size: u64) -> u64 {
    numbers(extents, size)
        .map(|number| u64::from(number.checked_ilog10().unwrap_or(0)) + 2)
        .sum()
}

/// The PAX 1.0 map of a file, padded to whole blocks.
pub(super) fn encode(extents: &[Extent], size: u64) -> Result<Vec<u8>, Refusal> {
    let inner = extents.split_last().map_or(extents, |(_, inner)| inner);
    if inner.iter().any(|extent| extent.len % BLOCK as u64 != 0) {
        // The format doesn't say whether the next extent would begin in the same block, and readers differ.
        return Err(Refusal::Unwritable(
            "an extent before the last isn't whole blocks long",
        ));
    }
    if encoded_len(extents, size) > SPECIAL_MAX {
        return Err(Refusal::SparseMapTooLong);
    }
    let mut map = Vec::new();
    for number in numbers(extents, size) {
        map.extend_from_slice(number.to_string().as_bytes());
        map.push(b'\n');
    }
    map.resize(map.len() + padding(map.len() as u64), 0);
    Ok(map)
}

/// Adds the extents of an old GNU header or extension block; an entry without offset ends the list.
pub(super) fn read_old(
    entries: &[tar::GnuSparseHeader],
    extents: &mut Vec<Extent>,
) -> Result<(), Refusal> {
    for entry in entries {
        // Some readers look at the one for the end of the list, some at the other.
        match (entry.offset[0], entry.numbytes[0]) {
            (0, 0) => break,
            (0, _) | (_, 0) => return Err(Refusal::SparseMap),
            _ => {}
        }
        extents.push(Extent {
            offset: old_number(&entry.offset)?,
            len: old_number(&entry.numbytes)?,
        });
    }
    Ok(())
}

fn old_number(field: &[u8]) -> Result<u64, Refusal> {
    number::parse(field)
        .and_then(|value| u64::try_from(value).ok())
        .ok_or(Refusal::SparseMap)
}

/// The extents of a PAX 0.0 or 0.1 map: its numbers, and how many pairs of them it announces.
pub(super) fn from_records<'a>(
    announced: Option<&[u8]>,
    numbers: impl Iterator<Item = &'a [u8]>,
) -> Result<Vec<Extent>, Refusal> {
    let announced = announced.and_then(decimal).ok_or(Refusal::SparseMap)?;
    let mut extents = Vec::new();
    let mut numbers = numbers.map(decimal);
    while let Some(offset) = numbers.next() {
        let (Some(offset), Some(Some(len))) = (offset, numbers.next()) else {
            return Err(Refusal::SparseMap);
        };
        extents.push(Extent { offset, len });
    }
    if extents.len() as u64 == announced {
        Ok(extents)
    } else {
        Err(Refusal::SparseMap)
    }
}

fn decimal(text: &[u8]) -> Option<u64> {
    text.iter().try_fold(None, |value: Option<u64>, byte| {
        Some(Some(digit(value, *byte)?))
    })?
}

/// A decimal number with one more digit.
fn digit(value: Option<u64>, byte: u8) -> Option<u64> {
    let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
    value.unwrap_or(0).checked_mul(10)?.checked_add(digit)
}

/// Reads a PAX 1.0 map block by block.
#[derive(Debug, Default)]
pub(super) struct MapReader {
    blocks: u64,
    /// The number whose digits are being read.
    number: Option<u64>,
    /// How many extents are still to come, once that is known.
    missing: Option<u64>,
    /// The offset whose length is being read.
    offset: Option<u64>,
    extents: Vec<Extent>,
}

impl MapReader {
    /// Takes the next block of the map; `true` when it was the last one.
    pub(super) fn feed(&mut self, block: &[u8; BLOCK]) -> Result<bool, Refusal> {
        self.blocks += 1;
        if self.blocks * BLOCK as u64 > SPECIAL_MAX {
            return Err(Refusal::SparseMapTooLong);
        }
        for byte in block {
            if *byte != b'\n' {
                self.number = Some(digit(self.number, *byte).ok_or(Refusal::SparseMap)?);
                continue;
            }
            let number = self.number.take().ok_or(Refusal::SparseMap)?;
            self.line(number);
            if self.missing == Some(0) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn line(&mut self, number: u64) {
        match (self.missing, self.offset.take()) {
            (None, _) => self.missing = Some(number),
            (Some(_), None) => self.offset = Some(number),
            (Some(missing), Some(offset)) => {
                self.extents.push(Extent {
                    offset,
                    len: number,
                });
                self.missing = Some(missing - 1);
            }
        }
    }

    /// The extents that were read.
    pub(super) fn into_extents(self) -> Vec<Extent> {
        self.extents
    }
}

#[cfg(test)]
mod tests;
