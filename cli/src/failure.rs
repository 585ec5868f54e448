//! Failures, and what the command exits with.

#![forbid(unsafe_code)]

use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::process::ExitCode;

use crutils::Kind;
use crutils::checkpoint::inspect::RawText;

pub(crate) const FAILED: u8 = 1;
pub(crate) const USAGE: u8 = 2;
pub(crate) const REFUSED: u8 = 3;
/// A shell's number for a program that a signal has ended, less the signal.
const SIGNALLED: u8 = 128;
const SIGINT: u8 = 2;
const SIGPIPE: u8 = 13;

/// Why the command ends without having done its work.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The library says so.
    Library(crutils::Error),
    /// The standard output can't be written.
    Io(io::Error),
    /// A file that was named isn't there, or can't be written.
    File(PathBuf, io::Error),
    /// The arguments contradict each other, or what is there.
    Usage(String),
    /// The checkpoint is without what was asked for.
    Missing(String),
}

impl From<crutils::Error> for Failure {
    fn from(error: crutils::Error) -> Self {
        Failure::Library(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Failure::Io(error)
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Failure::Io(error.into())
    }
}

impl Failure {
    /// Says what is wrong, and what to exit with; `signal` is the one that was caught.
    pub(crate) fn report(self, signal: Option<u8>) -> ExitCode {
        let (code, message) = match &self {
            Failure::Library(error) => (library_code(error.kind(), signal), error.to_string()),
            // Whoever reads the output has what they want.
            Failure::Io(error) | Failure::File(_, error)
                if error.kind() == io::ErrorKind::BrokenPipe =>
            {
                return ExitCode::from(SIGNALLED + SIGPIPE);
            }
            Failure::Io(error) => (FAILED, described(error)),
            Failure::File(path, error) => {
                let path = RawText::from(path.as_os_str().as_bytes());
                (FAILED, format!("{path:?}: {}", described(error)))
            }
            Failure::Usage(message) => (USAGE, message.clone()),
            Failure::Missing(message) => (REFUSED, message.clone()),
        };
        tell(&message);
        ExitCode::from(code)
    }
}

/// What the system says, without the number of the error.
fn described(error: &io::Error) -> String {
    let text = error.to_string();
    let number = error
        .raw_os_error()
        .map(|errno| format!(" (os error {errno})"));
    let described = number.and_then(|number| text.strip_suffix(&number).map(str::to_owned));
    described.unwrap_or(text)
}

/// Says what is wrong. Nobody is left to be told that nobody can be told.
pub(crate) fn tell(message: &str) {
    let _ = writeln!(io::stderr(), "crutils: {}", message.trim_end());
}

/// Says what is lost, though the work is done.
pub(crate) fn warn(message: &str) {
    tell(&format!("warning: {message}"));
}

fn library_code(kind: Kind, signal: Option<u8>) -> u8 {
    match kind {
        Kind::Malformed | Kind::Escape | Kind::Forbidden | Kind::Limit | Kind::NotInArchive => {
            REFUSED
        }
        Kind::Argument => USAGE,
        Kind::Cancelled => SIGNALLED + signal.unwrap_or(SIGINT),
        _ => FAILED,
    }
}
