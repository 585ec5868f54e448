//! bzip2: streams one after the other, then nothing.

#![forbid(unsafe_code)]

use bzip2::{Decompress, Error, Status};

use super::reader::{Codec, Refused, Step};
use super::{Compression, Refusal};

pub(super) struct Bzip2 {
    /// The stream under way; none behind the end of one.
    stream: Option<Decompress>,
    /// Whether a stream has ended already.
    ended_one: bool,
}

impl Bzip2 {
    pub(super) fn new() -> Self {
        Bzip2 {
            stream: Some(Decompress::new(false)),
            ended_one: false,
        }
    }
}

impl Codec for Bzip2 {
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, Refused> {
        let stream = self.stream.get_or_insert_with(|| Decompress::new(false));
        let before = (stream.total_in(), stream.total_out());
        let status = stream.decompress(input, output);
        let step = Step::between(before, (stream.total_in(), stream.total_out()));
        let refusal = match status {
            Ok(Status::StreamEnd) => {
                self.stream = None;
                self.ended_one = true;
                return Ok(step);
            }
            Ok(Status::MemNeeded) => Refusal::Memory(Compression::Bzip2),
            Ok(_) => return Ok(step),
            Err(Error::DataMagic) if self.ended_one => Refusal::Trailing(Compression::Bzip2),
            Err(_) => Refusal::Corrupt(Compression::Bzip2),
        };
        Err(step.refused(refusal))
    }

    fn end(&mut self) -> Result<(), Refusal> {
        match self.stream {
            Some(_) => Err(Refusal::Truncated(Compression::Bzip2)),
            None => Ok(()),
        }
    }

    fn stuck(&self) -> Refusal {
        Refusal::Corrupt(Compression::Bzip2)
    }
}
