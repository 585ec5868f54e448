//! `crutils memory`.

#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::ExitCode;

use crutils::checkpoint::Inspection;
use crutils::checkpoint::inspect::{MemoryUse, RawText};
use crutils::watch::Watch;
use regex::bytes::{Regex, RegexBuilder};
use serde::Serialize;

use crate::args::Memory;
use crate::failure::{FAILED, Failure, warn};
use crate::inspect;
use crate::output::{DIM, NUMBER, Output};
use crate::table::{Left, Right, Rows};
use crate::text::{count, size};

/// How long a match may be that is found across two pieces of memory, and how much of one is shown.
const OVERLAP: usize = 4096;
const SHOWN: usize = 64;
/// How much of a regular expression's program is kept in memory.
const MAX_PROGRAM: usize = 10 << 20;

/// A match.
#[derive(Serialize)]
struct Match {
    pid: u32,
    address: u64,
    length: usize,
    text: RawText,
    mapping: Option<RawText>,
}

pub(crate) fn run(
    options: &Memory,
    output: &mut Output,
    watch: &Watch,
) -> Result<ExitCode, Failure> {
    let mut inspection = inspect::open(&options.archive, &options.parents, watch)?;
    if let Some(pid) = options.pid {
        inspect::check_process(&inspection, pid)?;
    }
    if let Some(regex) = pattern(options)? {
        return search(options, &regex, &mut inspection, output);
    }
    if let (Some(pid), Some(file)) = (options.pid, &options.dump) {
        dump(&mut inspection, pid, file)?;
    } else if let (Some(pid), Some(address)) = (options.pid, options.address) {
        show(&mut inspection, pid, address, options.length, output)?;
    } else if options.json {
        print_json(&inspection, options, output)?;
    } else if options.map || options.pid.is_some() {
        let wanted = |pid: u32| options.pid.is_none_or(|wanted| wanted == pid);
        for process in inspection.processes().iter().filter(|one| wanted(one.pid)) {
            inspect::print_mappings(process, output)?;
        }
    } else {
        print_table(&inspection, output)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn pattern(options: &Memory) -> Result<Option<Regex>, Failure> {
    let pattern = match (&options.search, &options.regex) {
        (Some(text), _) => {
            // Bytes that are not UTF-8 are matched as bytes.
            let bytes = text.as_bytes().iter().map(|byte| format!("\\x{byte:02x}"));
            format!("(?-u){}", bytes.collect::<String>())
        }
        (None, Some(regex)) => regex.clone(),
        (None, None) => return Ok(None),
    };
    let mut builder = RegexBuilder::new(&pattern);
    let built = builder.unicode(false).size_limit(MAX_PROGRAM).build();
    let regex = built.map_err(|error| {
        // Before its last line it shows the pattern.
        let text = error.to_string();
        let last = text.lines().last().unwrap_or_default();
        let reason = last.strip_prefix("error: ").unwrap_or(last);
        Failure::Usage(format!("--regex: {reason}"))
    })?;
    if regex.is_match(b"") {
        return Err(Failure::Usage(
            "the pattern matches nothing at all".to_owned(),
        ));
    }
    Ok(Some(regex))
}

fn search(
    options: &Memory,
    regex: &Regex,
    inspection: &mut Inspection,
    output: &mut Output,
) -> Result<ExitCode, Failure> {
    let pids: Vec<_> = match options.pid {
        Some(pid) => vec![pid],
        None => inspection
            .processes()
            .iter()
            .map(|process| process.pid)
            .collect(),
    };
    let mut matches = Vec::new();
    let mut passed_over = 0;
    for pid in pids {
        passed_over += search_process(pid, regex, options.most, inspection, &mut matches)?;
    }
    if options.json {
        output.line(serde_json::to_string(&matches)?)?;
    } else {
        let columns = [
            ("PID", Right),
            ("ADDRESS", Left),
            ("MATCH", Left),
            ("IN", Left),
        ];
        let mut rows = Rows::new(output, &columns);
        for found in &matches {
            rows.add(vec![
                found.pid.to_string(),
                format!("{:#x}", found.address),
                found.text.to_string(),
                found
                    .mapping
                    .as_ref()
                    .map(ToString::to_string)
                    .unwrap_or_default(),
            ]);
        }
        if !rows.is_empty() {
            rows.print(output)?;
        }
        let more = if matches.len() >= options.most {
            " or more"
        } else {
            ""
        };
        let line = format!("{}{more}", count(matches.len(), "match", "matches"));
        output.line(output.paint(DIM, line))?;
    }
    if passed_over > 0 {
        let bytes = size(passed_over);
        warn(&format!("{bytes} of memory aren't in the checkpoint"));
    }
    // As grep(1) has it.
    Ok(if matches.is_empty() {
        ExitCode::from(FAILED)
    } else {
        ExitCode::SUCCESS
    })
}

/// Memory that was read and may hold the beginning of a match.
#[derive(Default)]
struct Window {
    start: u64,
    bytes: Vec<u8>,
    /// Matches before this address were told.
    told: u64,
    mapping: Option<RawText>,
}

impl Window {
    fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }

    /// Tells the matches in it. Unless this is the last of what lies together, one that may go on is left for later.
    fn tell(
        &mut self,
        pid: u32,
        regex: &Regex,
        is_last: bool,
        most: usize,
        matches: &mut Vec<Match>,
    ) {
        let surely = if is_last {
            self.bytes.len()
        } else {
            self.bytes.len().saturating_sub(OVERLAP)
        };
        let mut kept = surely;
        for found in regex.find_iter(&self.bytes) {
            let address = self.start + found.start() as u64;
            if found.start() >= surely {
                break;
            }
            if matches.len() >= most {
                return;
            }
            if address < self.told {
                continue;
            }
            let shown = found.as_bytes();
            let text = shown.get(..SHOWN.min(shown.len())).unwrap_or_default();
            matches.push(Match {
                pid,
                address,
                length: shown.len(),
                text: text.into(),
                mapping: self.mapping.clone(),
            });
            self.told = self.start + found.end() as u64;
            kept = kept.max(found.end());
        }
        self.bytes.drain(..kept.min(self.bytes.len()));
        self.start += kept as u64;
    }
}

fn search_process(
    pid: u32,
    regex: &Regex,
    most: usize,
    inspection: &mut Inspection,
    matches: &mut Vec<Match>,
) -> Result<u64, Failure> {
    let mut window = Window::default();
    let passed_over = inspection.each_chunk(pid, 0..u64::MAX, |chunk| {
        if chunk.address != window.end() {
            window.tell(pid, regex, true, most, matches);
            window = Window {
                start: chunk.address,
                ..Window::default()
            };
        }
        window.mapping = chunk.mapping.map(|mapping| match &mapping.path {
            Some(path) => path.clone(),
            None => mapping.kind.into(),
        });
        window.bytes.extend_from_slice(chunk.bytes);
        window.tell(pid, regex, false, most, matches);
        Ok(matches.len() < most)
    })?;
    window.tell(pid, regex, true, most, matches);
    Ok(passed_over)
}

fn dump(inspection: &mut Inspection, pid: u32, file: &Path) -> Result<(), Failure> {
    let named = |error| Failure::File(file.to_owned(), error);
    let mut target: Box<dyn Write> = if file.as_os_str() == "-" {
        Box::new(io::stdout().lock())
    } else {
        Box::new(BufWriter::new(File::create(file).map_err(named)?))
    };
    let mut failed = None;
    let passed_over = inspection.each_chunk(pid, 0..u64::MAX, |chunk| {
        failed = target.write_all(chunk.bytes).err();
        Ok(failed.is_none())
    })?;
    if let Some(error) = failed {
        return Err(named(error));
    }
    target.flush().map_err(named)?;
    if passed_over > 0 {
        let bytes = size(passed_over);
        warn(&format!("{bytes} of memory aren't in the checkpoint"));
    }
    Ok(())
}

/// Shows memory as hexdump(1) does; rows that repeat are a star.
fn show(
    inspection: &mut Inspection,
    pid: u32,
    address: u64,
    len: u64,
    output: &mut Output,
) -> Result<(), Failure> {
    // A row of 16 takes 78 columns, and one of 8 takes 44; less is hard to read.
    let row = if output.width >= 78 { 16 } else { 8 };
    let (mut at, mut left) = (address, len);
    let (mut before, mut starred) = (Vec::new(), false);
    let mut buffer = vec![0; 64 << 10];
    while left > 0 {
        let part = usize::try_from(left.min(buffer.len() as u64)).unwrap_or(buffer.len());
        let target = buffer.get_mut(..part).unwrap_or_default();
        let read = inspection.read_memory(pid, at, target)?;
        if read == 0 {
            break;
        }
        for bytes in buffer.get(..read).unwrap_or_default().chunks(row) {
            if bytes == before.as_slice() {
                if !starred {
                    output.line("*")?;
                }
                starred = true;
            } else {
                starred = false;
                let number = output.paint(NUMBER, format!("{at:016x}"));
                output.line(format_args!("{number}  {}", hex(bytes, row)))?;
                before = bytes.to_vec();
            }
            at += bytes.len() as u64;
            left -= bytes.len() as u64;
        }
    }
    output.line(output.paint(NUMBER, format!("{at:016x}")))?;
    Ok(())
}

fn hex(bytes: &[u8], row: usize) -> String {
    let mut line = String::new();
    for index in 0..row {
        match bytes.get(index) {
            Some(byte) => line.push_str(&format!("{byte:02x} ")),
            None => line.push_str("   "),
        }
        if index + 1 == row / 2 && row > 8 {
            line.push(' ');
        }
    }
    let shown = |byte: &u8| match byte {
        b' '..=b'~' => char::from(*byte),
        _ => '.',
    };
    let text: String = bytes.iter().map(shown).collect();
    format!("{line} |{text}|")
}

/// A table of processes. What none of them has, has no column.
fn print_table(inspection: &Inspection, output: &mut Output) -> Result<(), Failure> {
    type Sum = fn(&MemoryUse) -> u64;
    let sums: [(&str, Sum); 6] = [
        ("MAPPED", |memory| memory.mapped),
        ("SHARED", |memory| memory.shared),
        ("HERE", |memory| memory.present),
        ("PREVIOUS", |memory| memory.parent),
        ("LAZY", |memory| memory.lazy),
        ("COMPRESSED TO", |memory| match memory.compressed {
            0 => 0,
            _ => memory.stored,
        }),
    ];
    let processes = inspection.processes();
    let is_usual = |name: &str| matches!(name, "MAPPED" | "HERE");
    let has_any = |sum: Sum| processes.iter().any(|one| sum(&one.memory) > 0);
    let shown: Vec<_> = sums
        .into_iter()
        .filter(|(name, sum)| is_usual(name) || has_any(*sum))
        .collect();
    let mut columns = vec![("PID", Right), ("NAME", Left)];
    columns.extend(shown.iter().map(|(name, _)| (*name, Right)));
    let mut rows = Rows::new(output, &columns);
    for process in processes {
        let mut row = vec![process.pid.to_string(), process.comm.to_string()];
        row.extend(shown.iter().map(|(_, sum)| size(sum(&process.memory))));
        rows.add(row);
    }
    Ok(rows.print(output)?)
}

fn print_json(
    inspection: &Inspection,
    options: &Memory,
    output: &mut Output,
) -> Result<(), Failure> {
    #[derive(Serialize)]
    struct Shown<'i> {
        pid: u32,
        comm: &'i RawText,
        memory: MemoryUse,
        mappings: &'i [crutils::checkpoint::inspect::Mapping],
    }
    let wanted = |pid: u32| options.pid.is_none_or(|wanted| wanted == pid);
    let processes = inspection.processes().iter().filter(|one| wanted(one.pid));
    let shown = processes.map(|process| Shown {
        pid: process.pid,
        comm: &process.comm,
        memory: process.memory,
        mappings: &process.mappings,
    });
    output.line(serde_json::to_string(&shown.collect::<Vec<_>>())?)?;
    Ok(())
}
