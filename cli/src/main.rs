//! The command `crutils`: looks into checkpoints of containers, writes their archives and reads them.
//!
//! It stands on the public API of the library alone. Whatever comes from a checkpoint is escaped before it is printed.

#![forbid(unsafe_code)]

mod args;
mod cat;
mod check;
mod compare;
mod diff;
mod engine_args;
mod export;
mod failure;
mod files;
mod html;
mod image;
mod image_args;
mod import;
mod inspect;
mod list;
mod manual;
mod memory;
mod output;
mod process;
mod progress;
mod signals;
mod summary;
mod table;
mod text;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

use args::{Arguments, Command};
use failure::{Failure, USAGE};
use output::Output;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let text = error.render().to_string();
            match text.strip_prefix("error: ") {
                Some(wrong) => failure::tell(wrong),
                // Help, or the version. Nobody is left to be told that nobody can be told.
                None => drop(error.print()),
            }
            return ExitCode::from(if error.use_stderr() { USAGE } else { 0 });
        }
    };
    let signals = match signals::Signals::new() {
        Ok(signals) => signals,
        Err(error) => return Failure::from(error).report(None),
    };
    let mut output = Output::new(&arguments.common);
    let done = run(&arguments, &mut output, &signals);
    match done.and_then(|code| Ok(output.flush().map(|()| code)?)) {
        Ok(code) => code,
        Err(failure) => failure.report(signals.caught()),
    }
}

fn run(
    arguments: &Arguments,
    output: &mut Output,
    signals: &signals::Signals,
) -> Result<ExitCode, Failure> {
    let watch = progress::watch(&arguments.common, signals);
    match &arguments.command {
        Command::Inspect(options) => inspect::run(options, output, &watch),
        Command::List(options) => list::run(options, output, &watch),
        Command::Check(options) => check::run(options, output, &watch),
        Command::Memory(options) => memory::run(options, output, &watch),
        Command::Cat(options) => cat::run(options, &watch),
        Command::Compare(options) => compare::run(options, output, &watch),
        Command::Extract(options) => import::extract(options, &watch),
        Command::Import(options) => import::run(options, output, &watch),
        Command::Export(options) => export::run(options, output, &watch),
        Command::Image(options) => image::run(options, output, &watch),
        Command::Diff(options) => diff::run(options, output, &watch),
        Command::Apply(options) => diff::apply(options),
        Command::Completions { shell } => {
            let mut command = Arguments::command();
            clap_complete::generate(*shell, &mut command, "crutils", &mut std::io::stdout());
            Ok(ExitCode::SUCCESS)
        }
        Command::Man { directory } => {
            manual::write(Arguments::command(), directory)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}
