//! bzip2: one stream.

#![forbid(unsafe_code)]

use bzip2::{Decompress, Error, Status};

use super::reader::{Codec, Refused, Step};
use super::room::{NoRoom, with_room};
use super::{Compression, Refusal};

/// What a decoder takes at its beginning. The table for a block comes with the header, and its lack is an error.
const TAKEN: usize = 64 << 10;

/// A stream without content; the fourth byte is any digit but 0.
const EMPTY: [u8; 14] = *b"BZh9\x17\x72\x45\x38\x50\x90\0\0\0\0";
/// Where the digit is.
const DIGIT: usize = 3;

pub(super) struct Bzip2 {
    place: Current,
    /// Whether a stream has ended already.
    follows: bool,
}

enum Current {
    /// As many bytes were taken, and with them the stream may be one without content. It is told without a decoder: one
    /// clears megabytes at its beginning, for nothing, and a few bytes of such streams would keep a processor busy.
    Beginning { taken: usize, digit: u8 },
    /// Inside a stream.
    Stream(Decompress),
}

const BEGINNING: Current = Current::Beginning {
    taken: 0,
    digit: b'9',
};

impl Bzip2 {
    pub(super) fn new() -> Self {
        Bzip2 {
            place: BEGINNING,
            follows: false,
        }
    }

    fn decode(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, Refused> {
        let Current::Stream(stream) = &mut self.place else {
            return Err(Refusal::Corrupt(Compression::Bzip2).into());
        };
        let before = (stream.total_in(), stream.total_out());
        let status = stream.decompress(input, output);
        let step = Step::between(before, (stream.total_in(), stream.total_out()));
        let refusal = match status {
            Ok(Status::StreamEnd) => return Ok(step.ended()),
            Ok(Status::MemNeeded) => Refusal::Memory(Compression::Bzip2),
            Ok(_) => return Ok(step),
            Err(Error::DataMagic) if self.follows => Refusal::Trailing(Compression::Bzip2),
            Err(_) => Refusal::Corrupt(Compression::Bzip2),
        };
        Err(step.refused(refusal))
    }
}

/// How many bytes at the beginning of `input` go on with an empty stream of which `taken` bytes were there.
fn goes_on(input: &[u8], taken: usize) -> usize {
    let expected = EMPTY.iter().enumerate().skip(taken);
    let fits = |&(&byte, (at, &wanted)): &(&u8, (usize, &u8))| match at {
        DIGIT => matches!(byte, b'1'..=b'9'),
        _ => byte == wanted,
    };
    input.iter().zip(expected).take_while(fits).count()
}

impl Codec for Bzip2 {
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, Refused> {
        let Current::Beginning { taken, digit } = &mut self.place else {
            return self.decode(input, output);
        };
        let consumed = goes_on(input, *taken);
        if let Some(&found) = DIGIT.checked_sub(*taken).and_then(|at| input.get(at)) {
            *digit = found;
        }
        *taken += consumed;
        let step = Step::new(consumed, 0);
        if *taken == EMPTY.len() {
            return Ok(step.ended());
        }
        if consumed == input.len() {
            return Ok(step);
        }
        let mut before = EMPTY;
        before[DIGIT] = *digit;
        let before = &before[..*taken];
        let stream = with_room(TAKEN, || Decompress::new(false))
            .map_err(|NoRoom| Refusal::Memory(Compression::Bzip2))?;
        self.place = Current::Stream(stream);
        if !before.is_empty() {
            // Less than a stream without content yields nothing.
            self.decode(before, output)?;
        }
        let step = self.decode(&input[consumed..], output)?;
        Ok(step.after(consumed))
    }

    fn begin_next(&mut self) -> Result<(), Refusal> {
        (self.place, self.follows) = (BEGINNING, true);
        Ok(())
    }

    fn end(&mut self) -> Result<(), Refusal> {
        Err(Refusal::Truncated(Compression::Bzip2))
    }

    fn compression(&self) -> Compression {
        Compression::Bzip2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_without_content_take_no_decoder() {
        let mut codec = Bzip2::new();
        for digit in b'1'..=b'9' {
            let mut stream = EMPTY;
            stream[DIGIT] = digit;
            for piece in stream.chunks(5) {
                let step = codec.step(piece, &mut [0]).ok().unwrap();
                assert_eq!((step.consumed, step.produced), (piece.len(), 0));
                assert_eq!(step.ended, piece.len() < 5);
            }
            assert!(matches!(codec.place, Current::Beginning { .. }));
            codec.begin_next().unwrap();
        }
    }
}
