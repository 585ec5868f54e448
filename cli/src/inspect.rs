//! `crutils inspect`.

#![forbid(unsafe_code)]

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use crutils::checkpoint::inspect::Process;
use crutils::checkpoint::{InspectOptions, Inspection};
use crutils::watch::Watch;

use crate::args::{Inspect, Parents};
use crate::failure::Failure;
use crate::files;
use crate::html;
use crate::output::{DIM, HEADING, Output};
use crate::process::{print_process, print_statistics};
use crate::summary;
use crate::table::{Left, Right, Rows};
use crate::text::size;

/// Inspects what the argument names; `-` is standard input.
pub(crate) fn open(
    archive: &Path,
    parents: &Parents,
    watch: &Watch,
) -> Result<Inspection, Failure> {
    let mut options = InspectOptions::new();
    for parent in &parents.parents {
        options.parent(parent)?;
    }
    if archive.as_os_str() == "-" {
        use std::os::fd::AsFd as _;
        let inspection = Inspection::open(io::stdin().as_fd(), &options, watch)?;
        return Ok(inspection);
    }
    Ok(Inspection::open(archive, &options, watch)?)
}

pub(crate) fn run(
    options: &Inspect,
    output: &mut Output,
    watch: &Watch,
) -> Result<ExitCode, Failure> {
    if options.html.is_some() && options.archives.len() > 1 {
        return Err(Failure::Usage(
            "--html takes one archive at a time".to_owned(),
        ));
    }
    for (index, archive) in options.archives.iter().enumerate() {
        let inspection = open(archive, &options.parents, watch)?;
        if let Some(file) = &options.html {
            let page = html::page(&inspection, options.env);
            if file.as_os_str() == "-" {
                output.write_all(page.as_bytes())?;
            } else {
                fs::write(file, page).map_err(|error| Failure::File(file.clone(), error))?;
            }
            continue;
        }
        if options.json {
            output.line(inspection.to_json()?)?;
            continue;
        }
        if index > 0 {
            output.line("")?;
        }
        print(&inspection, options, output)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Refuses a process that the checkpoint doesn't have.
pub(crate) fn check_process(inspection: &Inspection, pid: u32) -> Result<(), Failure> {
    match inspection.process(pid) {
        Some(_) => Ok(()),
        None => Err(Failure::Missing(format!(
            "process {pid} is not in the checkpoint"
        ))),
    }
}

fn print(inspection: &Inspection, options: &Inspect, output: &mut Output) -> Result<(), Failure> {
    let wanted =
        |process: &&Process| options.pids.is_empty() || options.pids.contains(&process.pid);
    let processes: Vec<_> = inspection.processes().iter().filter(wanted).collect();
    for &pid in &options.pids {
        check_process(inspection, pid)?;
    }
    let parts = [
        options.processes,
        options.files,
        options.sockets,
        options.mounts,
        options.memory,
        options.env,
        options.stats,
        !options.pids.is_empty(),
    ];
    if options.tree {
        summary::tree(inspection, output)?;
    }
    let any = parts.contains(&true) || options.tree;
    if !any || options.all {
        summary::print(inspection, output)?;
    }
    let all = options.all;
    if all || options.processes || !options.pids.is_empty() {
        for process in &processes {
            print_process(process, output)?;
        }
    }
    if all || options.files {
        files::print_files(inspection, &processes, output)?;
    }
    if all || options.sockets {
        files::print_sockets(inspection, &processes, output)?;
    }
    if all || options.mounts {
        files::print_mounts(inspection, output)?;
    }
    if all || options.memory {
        for process in &processes {
            print_mappings(process, output)?;
        }
    }
    if options.env {
        print_environments(&processes, output)?;
    }
    if all || options.stats {
        print_statistics(inspection, output)?;
    }
    print_problems(inspection, output)?;
    Ok(())
}

pub(crate) fn print_mappings(process: &Process, output: &mut Output) -> io::Result<()> {
    output.heading(format_args!("Memory of {}  {}", process.pid, process.comm))?;
    let columns = [
        ("ADDRESS", Left),
        ("MODE", Left),
        ("SIZE", Right),
        ("HELD", Right),
        ("WHAT", Left),
    ];
    let mut rows = Rows::new(output, &columns);
    for mapping in &process.mappings {
        let held = mapping.present + mapping.parent + mapping.lazy;
        let what = match &mapping.path {
            Some(path) => path.to_string(),
            None => mapping.kind.to_owned(),
        };
        rows.add(vec![
            format!("{:#x}", mapping.start),
            mapping.permissions.clone(),
            size(mapping.end - mapping.start),
            if held == 0 { String::new() } else { size(held) },
            what,
        ]);
    }
    rows.print(output)
}

fn print_environments(processes: &[&Process], output: &mut Output) -> io::Result<()> {
    for process in processes {
        output.heading(format_args!(
            "Environment of {}  {}",
            process.pid, process.comm
        ))?;
        for one in process.environment.iter().flatten() {
            output.line(format_args!("  {one}"))?;
        }
        if process.environment.is_none() {
            let why = process.text_problem.as_deref().unwrap_or("is empty");
            output.line(format_args!("  {}", output.paint(DIM, format!("it {why}"))))?;
        }
    }
    Ok(())
}

fn print_problems(inspection: &Inspection, output: &mut Output) -> io::Result<()> {
    if inspection.problems().is_empty() {
        return Ok(());
    }
    let heading = output.paint(HEADING, "Damaged");
    output.line(format_args!("\n{heading}"))?;
    for problem in inspection.problems() {
        output.line(format_args!("  {}: {}", problem.member, problem.problem))?;
    }
    Ok(())
}
