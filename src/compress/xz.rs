//! The .xz format: streams one after the other, with zeros in a multiple of four between and behind them. liblzma takes
//! all of them for one member.

#![forbid(unsafe_code)]

use liblzma::stream::{Action, CONCATENATED, Error, Status, Stream, TELL_UNSUPPORTED_CHECK};

use super::reader::{Codec, Refused, Step};
use super::{Compression, MAX_WINDOW, Refusal};

/// What the decoder holds besides its dictionary: tables and the other filters, well under a MiB. The next larger
/// dictionary after 128 MiB is 192 MiB, so that this adds none.
const BESIDES: u64 = 1 << 20;

pub(super) struct Xz {
    stream: Stream,
}

impl Xz {
    pub(super) fn new() -> Result<Self, Refusal> {
        // Without the second flag a check this build doesn't know is passed over, and the content goes unverified.
        let stream = Stream::new_stream_decoder(
            u64::from(MAX_WINDOW) + BESIDES,
            CONCATENATED | TELL_UNSUPPORTED_CHECK,
        )
        .map_err(refusal)?;
        Ok(Xz { stream })
    }
}

impl Codec for Xz {
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, Refused> {
        let before = (self.stream.total_in(), self.stream.total_out());
        let status = self.stream.process(input, output, Action::Run);
        let after = (self.stream.total_in(), self.stream.total_out());
        let step = Step::between(before, after);
        match status {
            Ok(_) => Ok(step),
            Err(error) => Err(step.refused(refusal(error))),
        }
    }

    fn end(&mut self) -> Result<(), Refusal> {
        match self
            .stream
            .process(&[], &mut [], Action::Finish)
            .map_err(refusal)?
        {
            Status::StreamEnd => Ok(()),
            _ => Err(Refusal::Truncated(Compression::Xz)),
        }
    }

    fn begin_next(&mut self) -> Result<(), Refusal> {
        Err(Refusal::Trailing(Compression::Xz))
    }

    fn compression(&self) -> Compression {
        Compression::Xz
    }
}

fn refusal(error: Error) -> Refusal {
    match error {
        Error::MemLimit => Refusal::Window(Compression::Xz),
        Error::Mem => Refusal::Memory(Compression::Xz),
        Error::Options | Error::UnsupportedCheck => Refusal::Unsupported(Compression::Xz),
        Error::Data | Error::Format | Error::NoCheck | Error::Program => {
            Refusal::Corrupt(Compression::Xz)
        }
    }
}
