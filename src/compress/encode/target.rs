//! Where compressed bytes go, and the failure after which nothing more goes there.

#![forbid(unsafe_code)]

use std::io::{self, Write};

use nix::errno::Errno;

use super::Encode;
use crate::error::{Called as _, Error, Kind, Result};

/// An output that fails for good once it has failed: bytes behind a gap would be no stream, and a caller who overlooks
/// an error meets it again at the end. By itself it is the encoder that doesn't compress.
pub(super) struct EncoderOutput<'a> {
    output: Box<dyn Write + Send + 'a>,
    failure: Option<Failure>,
}

/// What is kept of an error, to tell it again.
enum Failure {
    /// A system call's.
    Errno(i32),
    /// One of this library's.
    Own(Kind, Errno, String, Option<u64>),
    /// Anything else that a writer may say.
    Other(io::ErrorKind, String),
}

impl<'a> EncoderOutput<'a> {
    pub(super) fn new(output: Box<dyn Write + Send + 'a>) -> Self {
        EncoderOutput {
            output,
            failure: None,
        }
    }

    /// Fails as it failed before, if it did.
    pub(super) fn check(&self) -> io::Result<()> {
        Err(match &self.failure {
            None => return Ok(()),
            Some(Failure::Errno(code)) => io::Error::from_raw_os_error(*code),
            Some(Failure::Own(kind, errno, message, offset)) => {
                let error = Error::new(*kind, message).with_errno(*errno);
                match offset {
                    Some(bytes) => error.at_offset(*bytes),
                    None => error,
                }
                .into()
            }
            Some(Failure::Other(kind, message)) => io::Error::new(*kind, message.clone()),
        })
    }

    /// Remembers a failure, unless there was one before, and hands it on.
    pub(super) fn fail(&mut self, error: impl Into<io::Error>) -> io::Error {
        let error = error.into();
        self.failure.get_or_insert_with(|| Failure::of(&error));
        error
    }
}

impl Failure {
    fn of(error: &io::Error) -> Self {
        if let Some(code) = error.raw_os_error() {
            return Failure::Errno(code);
        }
        match error.get_ref().and_then(|inner| inner.downcast_ref()) {
            Some(own) => Failure::of_own(own),
            None => Failure::Other(error.kind(), error.to_string()),
        }
    }

    fn of_own(error: &Error) -> Self {
        Failure::Own(
            error.kind(),
            Errno::from_raw(error.errno()),
            error.to_string(),
            error.offset(),
        )
    }
}

impl Write for EncoderOutput<'_> {
    /// Writes all of `bytes` or fails.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.check()?;
        match self.output.write_all(bytes) {
            Ok(()) => Ok(bytes.len()),
            Err(error) => Err(self.fail(error)),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.check()?;
        // An interruption says nothing of the bytes; unlike `write_all`, nothing below tries again.
        loop {
            match self.output.flush() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result.map_err(|error| self.fail(error)),
            }
        }
    }
}

impl Encode for EncoderOutput<'_> {
    fn finish(mut self: Box<Self>) -> Result<()> {
        self.flush().called(|| "write")
    }
}
