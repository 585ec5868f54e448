//! `crutils compare`.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use crutils::checkpoint::inspect::{Comparison, MemoryComparison, ProcessComparison};
use crutils::watch::Watch;

use crate::args::{Compare, Parents};
use crate::failure::Failure;
use crate::inspect;
use crate::output::{BAD, DIM, GOOD, HEADING, Output};
use crate::summary::wrap;
use crate::table::{Left, Right, Rows};
use crate::text::size;

/// A blank at which no line is broken.
const BESIDE: &str = "\u{a0}";

pub(crate) fn run(
    options: &Compare,
    output: &mut Output,
    watch: &Watch,
) -> Result<ExitCode, Failure> {
    let parents = |parents: &[std::path::PathBuf]| Parents {
        parents: parents.to_vec(),
    };
    if [&options.before, &options.after]
        .iter()
        .any(|one| one.as_os_str() == "-")
    {
        return Err(Failure::Usage(
            "compare reads an archive twice: - is of no use".to_owned(),
        ));
    }
    let mut before = inspect::open(&options.before, &parents(&options.before_parent), watch)?;
    let mut after = inspect::open(&options.after, &parents(&options.after_parent), watch)?;
    let comparison = before.compare(&mut after)?;
    if options.json {
        output.line(comparison.to_json()?)?;
    } else {
        print(&comparison, output)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print(comparison: &Comparison, output: &mut Output) -> Result<(), Failure> {
    output.line(output.paint(HEADING, "Processes"))?;
    for process in &comparison.gone_processes {
        let mark = output.paint(BAD, "-");
        output.line(format_args!("  {mark} {} {}", process.pid, process.comm))?;
    }
    for process in &comparison.new_processes {
        let mark = output.paint(GOOD, "+");
        output.line(format_args!("  {mark} {} {}", process.pid, process.comm))?;
    }
    for process in &comparison.processes {
        print_process(process, output)?;
    }
    if !comparison.new_sockets.is_empty() || !comparison.gone_sockets.is_empty() {
        output.heading("Sockets")?;
        print_lines(&comparison.gone_sockets, &comparison.new_sockets, output)?;
    }
    if comparison.members.is_empty() {
        return Ok(());
    }
    output.heading("Members")?;
    let mut rows = Rows::new(
        output,
        &[("BEFORE", Right), ("AFTER", Right), ("NAME", Left)],
    );
    for member in &comparison.members {
        let shown = |bytes: Option<u64>| bytes.map_or("-".to_owned(), size);
        rows.add(vec![
            shown(member.before),
            shown(member.after),
            member.name.to_string(),
        ]);
    }
    Ok(rows.print(output)?)
}

fn print_process(process: &ProcessComparison, output: &mut Output) -> Result<(), Failure> {
    let changed = match process.changed.as_slice() {
        [] => String::new(),
        changed => format!(
            "  {}",
            output.paint(DIM, format!("other {}", changed.join(", ")))
        ),
    };
    output.line(format_args!(
        "    {} {}{changed}",
        process.pid, process.comm
    ))?;
    wrapped(6, &format!("memory: {}", memory(&process.memory)), output)?;
    for mapping in &process.mappings {
        let what = match &mapping.path {
            Some(path) => path.to_string(),
            None => mapping.kind.to_owned(),
        };
        let line = format!("{:#x} {what}: {}", mapping.start, memory(&mapping.memory));
        wrapped(8, &line, output)?;
    }
    print_lines(&process.gone_files, &process.new_files, output)
}

fn print_lines(gone: &[String], new: &[String], output: &mut Output) -> Result<(), Failure> {
    let gone = gone.iter().map(|line| (BAD, "-", line));
    let new = new.iter().map(|line| (GOOD, "+", line));
    for (style, mark, line) in gone.chain(new) {
        let mark = output.paint(style, mark);
        for (index, line) in wrap(line, output.width - 8).iter().enumerate() {
            let lead = if index == 0 { mark.as_str() } else { " " };
            output.line(format_args!("      {lead} {line}"))?;
        }
    }
    Ok(())
}

/// Prints a line behind so many blanks, and what doesn't fit below it, two further in.
fn wrapped(blanks: usize, line: &str, output: &mut Output) -> Result<(), Failure> {
    for (index, line) in wrap(line, output.width - blanks - 2).iter().enumerate() {
        let blanks = blanks + if index == 0 { 0 } else { 2 };
        let line = line.replace(BESIDE, " ");
        output.line(format_args!("{:blanks$}{line}", ""))?;
    }
    Ok(())
}

fn memory(memory: &MemoryComparison) -> String {
    let parts = [
        (memory.same, "the same"),
        (memory.changed, "changed"),
        (memory.new, "new"),
        (memory.gone, "gone"),
        (memory.unknown, "in a previous checkpoint that isn't there"),
    ];
    let shown = parts.iter().filter(|(bytes, _)| *bytes > 0);
    let shown: Vec<_> = shown
        .map(|(bytes, what)| format!("{} {what}", size(*bytes).replace(' ', BESIDE)))
        .collect();
    if shown.is_empty() {
        "none".to_owned()
    } else {
        shown.join(", ")
    }
}
