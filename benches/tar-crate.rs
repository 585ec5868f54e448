// SPDX-License-Identifier: Apache-2.0
//! `tar-crate ARCHIVE DIRECTORY`: unpacks with the tar crate's own extraction, one of the peers of the benchmarks.
#![forbid(unsafe_code)]

use std::env;
use std::fs::File;
use std::io;
use std::process::ExitCode;

use tar::Archive;

fn main() -> ExitCode {
    let mut arguments = env::args_os().skip(1);
    let (Some(archive), Some(directory)) = (arguments.next(), arguments.next()) else {
        eprintln!("tar-crate ARCHIVE DIRECTORY");
        return ExitCode::from(2);
    };
    let unpacked = File::open(archive).and_then(|file| {
        let mut archive = Archive::new(io::BufReader::with_capacity(1 << 20, file));
        archive.set_preserve_permissions(true);
        archive.unpack(directory)
    });
    match unpacked {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tar-crate: {error}");
            ExitCode::FAILURE
        }
    }
}
