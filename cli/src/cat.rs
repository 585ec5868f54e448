//! `crutils cat`.

#![forbid(unsafe_code)]

use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::process::ExitCode;

use crutils::checkpoint::inspect::copy_member;
use crutils::watch::Watch;

use crate::args::Cat;
use crate::failure::Failure;

pub(crate) fn run(options: &Cat, watch: &Watch) -> Result<ExitCode, Failure> {
    let name = options.member.as_bytes();
    let mut output = io::stdout().lock();
    if options.archive.as_os_str() == "-" {
        copy_member(io::stdin().as_fd(), name, &mut output, watch)?;
    } else {
        copy_member(&options.archive, name, &mut output, watch)?;
    }
    output.flush()?;
    Ok(ExitCode::SUCCESS)
}
