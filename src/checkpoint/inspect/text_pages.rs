//! The pages with arguments and environments.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::ops::Range;

use super::images::Images;
use super::sets::{PagesKey, Set};
use crate::criu::{Mm, PageSource, Pagemap};
use crate::error::{Called as _, Result};

/// How much of a process's arguments, and of its environment, is read.
pub(super) const MAX_TEXT: u64 = 2 << 20;
/// How much of them is kept of one file of pages that comes past once.
const MAX_KEPT: u64 = 16 << 20;

/// Where the arguments and the environment of a process are.
pub(super) fn ranges(mm: &Mm) -> [Range<u64>; 2] {
    let range = |start: u64, end: u64| {
        let end = end.max(start).min(start.saturating_add(MAX_TEXT));
        start..end
    };
    [
        range(mm.arguments_start, mm.arguments_end),
        range(mm.environment_start, mm.environment_end),
    ]
}

/// Reads from a file of pages, while it comes past, what is surely asked for later: as far as the page maps of its
/// processes and the places of their arguments came before it, which is the order of names.
pub(super) fn keep(
    sets: &BTreeMap<Set, Images>,
    (set, pages_id): PagesKey,
    mut content: impl Read,
) -> Result<BTreeMap<u64, Vec<u8>>> {
    let mut kept = BTreeMap::new();
    let (mut at, mut left) = (0, MAX_KEPT);
    for range in wanted(sets, set, pages_id) {
        let start = range.start.max(at);
        let len = range.end.saturating_sub(start).min(left);
        if len == 0 {
            continue;
        }
        io::copy(&mut content.by_ref().take(start - at), &mut io::sink()).called(|| "read")?;
        let mut bytes = Vec::new();
        content
            .by_ref()
            .take(len)
            .read_to_end(&mut bytes)
            .called(|| "read")?;
        at = start + bytes.len() as u64;
        left -= len;
        let is_short = (bytes.len() as u64) < len;
        kept.insert(start, bytes);
        if is_short {
            break;
        }
    }
    Ok(kept)
}

/// The ranges of a file of pages that hold them, in order.
fn wanted(sets: &BTreeMap<Set, Images>, set: Set, pages_id: u32) -> Vec<Range<u64>> {
    let Some(images) = sets.get(&set) else {
        return Vec::new();
    };
    let page = images.page_size();
    let mm = |pid| sets.values().find_map(|images| images.mms.get(pid));
    let mut wanted = Vec::new();
    for (pid, raw) in &images.pagemaps {
        if raw.pages_id != pages_id {
            continue;
        }
        // A page map that is malformed is told of later.
        if let (Some(mm), Ok(map)) = (mm(pid), raw.build(page)) {
            for range in ranges(mm) {
                add_stored(&map, range, &mut wanted);
            }
        }
    }
    wanted.sort_by_key(|range| range.start);
    wanted
}

/// The ranges of a file of pages that a range of addresses is in.
fn add_stored(map: &Pagemap, range: Range<u64>, wanted: &mut Vec<Range<u64>>) {
    let mut at = range.start;
    while at < range.end {
        let Some(run) = map.at_or_after(at).filter(|run| run.start < range.end) else {
            break;
        };
        at = at.max(run.start);
        let end = run.end.min(range.end);
        if !matches!(run.place, PageSource::Here(_)) {
            at = end;
            continue;
        }
        let Some(piece) = run.piece(at, end - at).filter(|piece| piece.len > 0) else {
            break;
        };
        wanted.push(piece.offset..piece.offset.saturating_add(piece.stored));
        at += piece.len;
    }
}
