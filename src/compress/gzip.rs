//! gzip (RFC 1952): members one after the other, then zeros.

#![forbid(unsafe_code)]

use flate2::{Decompress, FlushDecompress, Status};

use super::reader::{Codec, Refused, Step};
use super::{Compression, Refusal};

/// The window of deflate (RFC 1951) is 2 to this power.
const WINDOW_BITS: u8 = 15;

/// The first byte of a member (RFC 1952, section 2.3.1).
const ID1: u8 = 0x1f;

pub(super) struct Gzip {
    place: Place,
}

enum Place {
    /// Inside a member: header, data or trailer. The checksums of the trailer are verified by the inflater.
    Member(Decompress),
    /// Behind the trailer of a member.
    Between,
    /// In the zeros that tape-minded writers leave after the last member.
    Padding,
}

impl Gzip {
    pub(super) fn new() -> Self {
        Gzip {
            place: Place::Member(Decompress::new_gzip(WINDOW_BITS)),
        }
    }
}

impl Codec for Gzip {
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, Refused> {
        match &mut self.place {
            Place::Member(inflate) => {
                let before = (inflate.total_in(), inflate.total_out());
                let status = inflate.decompress(input, output, FlushDecompress::None);
                let step = Step::between(before, (inflate.total_in(), inflate.total_out()));
                match status {
                    Ok(Status::StreamEnd) => self.place = Place::Between,
                    Ok(_) => {}
                    Err(_) => return Err(step.refused(Refusal::Corrupt(Compression::Gzip))),
                }
                Ok(step)
            }
            Place::Between => match input.first() {
                Some(&ID1) => {
                    self.place = Place::Member(Decompress::new_gzip(WINDOW_BITS));
                    self.step(input, output)
                }
                _ => {
                    self.place = Place::Padding;
                    self.step(input, output)
                }
            },
            Place::Padding if input.iter().all(|&byte| byte == 0) => Ok(Step {
                consumed: input.len(),
                produced: 0,
            }),
            Place::Padding => Err(Refusal::Trailing(Compression::Gzip).into()),
        }
    }

    fn end(&mut self) -> Result<(), Refusal> {
        match self.place {
            Place::Member(_) => Err(Refusal::Truncated(Compression::Gzip)),
            Place::Between | Place::Padding => Ok(()),
        }
    }

    fn stuck(&self) -> Refusal {
        Refusal::Corrupt(Compression::Gzip)
    }
}
