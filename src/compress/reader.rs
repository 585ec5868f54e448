//! The loop that all decoders share: bytes from a `BufRead` through a codec.

#![forbid(unsafe_code)]

use std::io::{self, BufRead, Read};

use super::Refusal;
use crate::Error;

/// What one step of a codec did.
pub(super) struct Step {
    /// Bytes taken from the beginning of the input.
    pub(super) consumed: usize,
    /// Bytes written to the beginning of the output.
    pub(super) produced: usize,
}

impl Step {
    /// A step between two readings of a codec's running totals.
    pub(super) fn between(before: (u64, u64), after: (u64, u64)) -> Self {
        let difference = |before: u64, after: u64| {
            usize::try_from(after.saturating_sub(before)).unwrap_or(usize::MAX)
        };
        Step {
            consumed: difference(before.0, after.0),
            produced: difference(before.1, after.1),
        }
    }

    /// The same step if it met a refusal.
    pub(super) fn refused(self, refusal: Refusal) -> Refused {
        Refused {
            refusal,
            produced: self.produced,
        }
    }
}

/// A refusal, and what comes before it: what a stream yields up to its damage doesn't depend on how it is read.
pub(super) struct Refused {
    pub(super) refusal: Refusal,
    /// Bytes that the step which met it had written to the beginning of the output.
    pub(super) produced: usize,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Refused {
            refusal,
            produced: 0,
        }
    }
}

/// A decoder over memory: it undoes one compression, all members of a stream included.
pub(super) trait Codec {
    /// Takes some of `input` and writes some of `output`; neither is empty.
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, Refused>;

    /// Tells whether the stream may end here. All output has been taken by then: every format ends with bytes that
    /// its codec consumes only after the last output.
    fn end(&mut self) -> Result<(), Refusal>;

    /// The refusal of a stream that makes the codec neither consume nor produce anything.
    fn stuck(&self) -> Refusal;
}

/// A [`Read`] of what a [`Codec`] makes of a stream.
pub(super) struct Decoder<'a, C> {
    input: Box<dyn BufRead + Send + 'a>,
    codec: C,
    state: State,
}

enum State {
    Running,
    Ended,
    Refused(Refusal),
}

impl<'a, C: Codec> Decoder<'a, C> {
    pub(super) fn new(input: Box<dyn BufRead + Send + 'a>, codec: C) -> Self {
        Decoder {
            input,
            codec,
            state: State::Running,
        }
    }

    fn refuse(&mut self, refusal: Refusal) -> io::Error {
        self.state = State::Refused(refusal);
        Error::from(refusal).into()
    }
}

impl<C: Codec> Read for Decoder<'_, C> {
    fn read(&mut self, output: &mut [u8]) -> io::Result<usize> {
        if output.is_empty() {
            return Ok(0);
        }
        loop {
            match self.state {
                State::Running => {}
                State::Ended => return Ok(0),
                State::Refused(refusal) => return Err(Error::from(refusal).into()),
            }
            let input = match self.input.fill_buf() {
                Ok(input) => input,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if input.is_empty() {
                self.codec.end().map_err(|refusal| self.refuse(refusal))?;
                self.state = State::Ended;
                continue;
            }
            // What is there is decoded as far as the output goes; more input may be long in coming.
            let (mut taken, mut filled, mut refused) = (0, 0, None);
            // Each turn consumes or produces at least a byte, so the loop ends with the input at the latest.
            while taken < input.len() && filled < output.len() && refused.is_none() {
                match self.codec.step(&input[taken..], &mut output[filled..]) {
                    Ok(Step {
                        consumed: 0,
                        produced: 0,
                    }) => refused = Some(self.codec.stuck()),
                    Ok(Step { consumed, produced }) => {
                        taken += consumed;
                        filled += produced;
                    }
                    Err(Refused { refusal, produced }) => {
                        filled += produced;
                        refused = Some(refusal);
                    }
                }
            }
            self.input.consume(taken);
            let error = refused.map(|refusal| self.refuse(refusal));
            match error {
                _ if filled > 0 => return Ok(filled),
                Some(error) => return Err(error),
                None => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Compression;
    use super::*;

    /// Copies one byte a step; refuses its first step or its first end, and nothing later.
    struct Once {
        step: bool,
        end: bool,
    }

    impl Codec for Once {
        fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, Refused> {
            if std::mem::take(&mut self.step) {
                return Err(Refusal::Corrupt(Compression::Gzip).into());
            }
            output[0] = input[0];
            Ok(Step {
                consumed: 1,
                produced: 1,
            })
        }

        fn end(&mut self) -> Result<(), Refusal> {
            if std::mem::take(&mut self.end) {
                Err(Refusal::Truncated(Compression::Gzip))
            } else {
                Ok(())
            }
        }

        fn stuck(&self) -> Refusal {
            Refusal::Corrupt(Compression::Gzip)
        }
    }

    /// Ends after each piece and then goes on, as a growing file does.
    struct Pieces(Vec<&'static [u8]>);

    impl Read for Pieces {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            unreachable!("a decoder takes the buffer")
        }
    }

    impl BufRead for Pieces {
        fn fill_buf(&mut self) -> io::Result<&[u8]> {
            if self.0.first().is_some_and(|piece| piece.is_empty()) {
                self.0.remove(0);
                return Ok(b"");
            }
            Ok(self.0.first().copied().unwrap_or_default())
        }

        fn consume(&mut self, amount: usize) {
            if amount > 0 {
                self.0[0] = &self.0[0][amount..];
            }
        }
    }

    fn read(reader: &mut impl Read) -> Result<String, String> {
        let mut text = String::new();
        reader
            .read_to_string(&mut text)
            .map(|_| text)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_refusal_is_repeated_even_if_the_codec_would_go_on() {
        let mut reader = Decoder::new(
            Box::new(&b"ab"[..]),
            Once {
                step: true,
                end: false,
            },
        );
        assert_eq!(read(&mut reader).unwrap_err(), "the gzip stream is corrupt");
        assert_eq!(read(&mut reader).unwrap_err(), "the gzip stream is corrupt");
        let mut reader = Decoder::new(
            Box::new(&b""[..]),
            Once {
                step: false,
                end: true,
            },
        );
        assert_eq!(
            read(&mut reader).unwrap_err(),
            "the gzip stream is cut short"
        );
        assert_eq!(
            read(&mut reader).unwrap_err(),
            "the gzip stream is cut short"
        );
    }

    #[test]
    fn the_end_stays_the_end_even_if_the_input_goes_on() {
        let input = Pieces(vec![b"ab", b"cd", b""]);
        let mut reader = Decoder::new(
            Box::new(input),
            Once {
                step: false,
                end: false,
            },
        );
        assert_eq!(read(&mut reader).unwrap(), "ab");
        assert_eq!(read(&mut reader).unwrap(), "");
    }

    #[test]
    fn what_comes_before_a_refusal_is_yielded_first() {
        struct Half;
        impl Codec for Half {
            fn step(&mut self, _: &[u8], output: &mut [u8]) -> Result<Step, Refused> {
                output[0] = b'x';
                Err(Refused {
                    refusal: Refusal::Corrupt(Compression::Xz),
                    produced: 1,
                })
            }
            fn end(&mut self) -> Result<(), Refusal> {
                Ok(())
            }
            fn stuck(&self) -> Refusal {
                Refusal::Corrupt(Compression::Zstd)
            }
        }
        let mut reader = Decoder::new(Box::new(&b"a"[..]), Half);
        let mut output = [0; 9];
        assert_eq!(reader.read(&mut output).unwrap(), 1);
        assert_eq!(output[0], b'x');
        assert_eq!(read(&mut reader).unwrap_err(), "the xz stream is corrupt");
    }

    #[test]
    fn a_codec_that_neither_takes_nor_gives_is_refused() {
        struct Idle;
        impl Codec for Idle {
            fn step(&mut self, _: &[u8], _: &mut [u8]) -> Result<Step, Refused> {
                Ok(Step {
                    consumed: 0,
                    produced: 0,
                })
            }
            fn end(&mut self) -> Result<(), Refusal> {
                Ok(())
            }
            fn stuck(&self) -> Refusal {
                Refusal::Corrupt(Compression::Zstd)
            }
        }
        let mut reader = Decoder::new(Box::new(&b"a"[..]), Idle);
        assert_eq!(read(&mut reader).unwrap_err(), "the zstd stream is corrupt");
    }
}
