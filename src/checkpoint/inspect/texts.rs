//! Arguments and environments, out of the memory of processes.

#![forbid(unsafe_code)]

use std::ops::Range;

use super::memory::{Backing, Generation, Owner, find, read_piece};
use super::sets::Set;
use super::store::{Store, problem};
use super::{Inspection, RawText, text_pages};
use crate::budget::Budget;
use crate::error::Result;

/// What is wanted of a process's memory.
struct Wanted {
    /// The process, as an index.
    process: usize,
    ranges: [Range<u64>; 2],
    /// Where the first of it lies, by which all are read in the archive's order.
    place: (usize, Set, u32, u64),
}

/// Reads arguments and environment of all processes, in the order in which they lie in the archive.
pub(super) fn read(inspection: &mut Inspection, stores: &mut [Store], set: Set) -> Result<()> {
    let mut wanted = wanted(inspection, stores, set);
    wanted.sort_by_key(|wanted| wanted.place);
    let mut budget = Budget::default();
    for wanted in wanted {
        let pid = inspection
            .processes
            .get(wanted.process)
            .map_or(0, |process| process.pid);
        let mut problem = None;
        let mut parts = Vec::new();
        for range in wanted.ranges {
            let (bytes, why) = bytes(&inspection.generations, stores, pid, range)?;
            problem = problem.or(why);
            parts.push(split(&bytes, &mut budget)?);
        }
        let (environment, arguments) = (parts.pop().flatten(), parts.pop().flatten());
        if let Some(process) = inspection.processes.get_mut(wanted.process) {
            process.arguments = arguments;
            process.environment = environment;
            process.text_problem = problem;
        }
    }
    Ok(())
}

fn wanted(inspection: &Inspection, stores: &[Store], set: Set) -> Vec<Wanted> {
    let images = stores.first().and_then(|store| store.sets.get(&set));
    let Some(images) = images else {
        return Vec::new();
    };
    let one = |(process, one): (usize, &super::Process)| {
        let mm = images.mms.get(&one.pid)?;
        let ranges = text_pages::ranges(mm);
        let owner = Owner::Process(one.pid);
        let place = match find(
            &inspection.generations,
            owner,
            ranges[0].start,
            ranges[0].end,
        ) {
            Backing::Stored(generation, pages, piece) => {
                let generation = inspection.generations.get(generation)?;
                (generation.store, generation.set, pages, piece.offset)
            }
            _ => (0, set, 0, 0),
        };
        Some(Wanted {
            process,
            ranges,
            place,
        })
    };
    let processes = inspection.processes.iter().enumerate();
    processes.filter_map(one).collect()
}

/// The bytes of a range, as far as they are there, and why that isn't all.
fn bytes(
    generations: &[Generation],
    stores: &mut [Store],
    pid: u32,
    range: Range<u64>,
) -> Result<(Vec<u8>, Option<String>)> {
    let mut bytes = Vec::new();
    let mut at = range.start;
    let is_cut = range.end - range.start >= text_pages::MAX_TEXT;
    while at < range.end {
        let (generation, pages, piece) = match find(generations, Owner::Process(pid), at, range.end)
        {
            Backing::Stored(generation, pages, piece) => (generation, pages, piece),
            Backing::Lazy(_) => return Ok((bytes, Some("went to a server for lazy pages".into()))),
            Backing::Missing(_) => {
                let why = "are in the previous checkpoint, which isn't there";
                return Ok((bytes, Some(why.into())));
            }
            Backing::Nothing(_) => return Ok((bytes, Some("aren't in the checkpoint".into()))),
        };
        let place = generations.get(generation);
        let store = place.and_then(|generation| stores.get_mut(generation.store));
        let (Some(place), Some(store)) = (place, store) else {
            break;
        };
        match read_piece(store, (place.set, pages), &piece) {
            Ok(part) => {
                at += part.len() as u64;
                bytes.extend(part);
            }
            Err(error) => return Ok((bytes, Some(problem(error)?))),
        }
    }
    let why = is_cut.then(|| "are longer than 2 MiB and cut off".to_owned());
    Ok((bytes, why))
}

/// Texts that each end with a NUL; nothing if there are no bytes.
fn split(bytes: &[u8], budget: &mut Budget) -> Result<Option<Vec<RawText>>> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let bytes = bytes.strip_suffix(b"\0").unwrap_or(bytes);
    let mut texts = Vec::new();
    for part in bytes.split(|&byte| byte == 0) {
        budget.take(part.len() + size_of::<RawText>())?;
        texts.push(part.into());
    }
    // A process that has set its title leaves NULs behind it.
    while texts.len() > 1 && texts.last().is_some_and(RawText::is_empty) {
        texts.pop();
    }
    Ok(Some(texts))
}
