//! gzip (RFC 1952): one member.

#![forbid(unsafe_code)]

use flate2::{Decompress, FlushDecompress, Status};

use super::reader::{Codec, Refused, Step};
use super::room::{NoRoom, with_room};
use super::{Compression, Refusal};

/// The window of deflate (RFC 1951) is 2 to this power.
const WINDOW_BITS: u8 = 15;

/// What an inflater takes: its window and its tables.
const TAKEN: usize = 64 << 10;

/// The first byte of a member (RFC 1952, section 2.3.1).
const ID1: u8 = 0x1f;

pub(super) struct Gzip {
    /// It reads the header, too, and verifies the checksums of the trailer.
    inflate: Decompress,
    /// Whether the next byte is the first one of a member that isn't the stream's first.
    follows: bool,
}

impl Gzip {
    pub(super) fn new() -> Result<Self, Refusal> {
        Ok(Gzip {
            inflate: inflater()?,
            follows: false,
        })
    }
}

fn inflater() -> Result<Decompress, Refusal> {
    with_room(TAKEN, || Decompress::new_gzip(WINDOW_BITS))
        .map_err(|NoRoom| Refusal::Memory(Compression::Gzip))
}

impl Codec for Gzip {
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, Refused> {
        if self.follows && input.first() != Some(&ID1) {
            return Err(Refusal::Trailing(Compression::Gzip).into());
        }
        self.follows = false;
        let inflate = &mut self.inflate;
        let before = (inflate.total_in(), inflate.total_out());
        let status = inflate.decompress(input, output, FlushDecompress::None);
        let step = Step::between(before, (inflate.total_in(), inflate.total_out()));
        match status {
            Ok(Status::StreamEnd) => Ok(step.ended()),
            Ok(_) => Ok(step),
            Err(_) => Err(step.refused(Refusal::Corrupt(Compression::Gzip))),
        }
    }

    fn begin_next(&mut self) -> Result<(), Refusal> {
        // flate2 can only reset an inflater to a stream without gzip's header.
        self.inflate = inflater()?;
        self.follows = true;
        Ok(())
    }

    fn end(&mut self) -> Result<(), Refusal> {
        Err(Refusal::Truncated(Compression::Gzip))
    }

    fn compression(&self) -> Compression {
        Compression::Gzip
    }
}
