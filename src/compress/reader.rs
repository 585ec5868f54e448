//! The loop that all decoders share: bytes from a `BufRead` through a codec.

#![forbid(unsafe_code)]

use std::io::{self, BufRead, Read};
use std::mem;

use super::put_back::PutBack;
use super::{Compression, Refusal};
use crate::Error;
use crate::watch::Watch;

/// What one step of a codec did.
pub(super) struct Step {
    /// Bytes taken from the beginning of the input.
    pub(super) consumed: usize,
    /// Bytes written to the beginning of the output.
    pub(super) produced: usize,
    /// Whether the member ended with it.
    pub(super) ended: bool,
}

impl Step {
    pub(super) fn new(consumed: usize, produced: usize) -> Self {
        Step {
            consumed,
            produced,
            ended: false,
        }
    }

    /// A step between two readings of a codec's running totals.
    pub(super) fn between(before: (u64, u64), after: (u64, u64)) -> Self {
        let difference = |before: u64, after: u64| {
            usize::try_from(after.saturating_sub(before)).unwrap_or(usize::MAX)
        };
        Step::new(difference(before.0, after.0), difference(before.1, after.1))
    }

    /// The same step as the last one of a member.
    pub(super) fn ended(self) -> Self {
        Step {
            ended: true,
            ..self
        }
    }

    /// The same step if `consumed` bytes were taken before it.
    pub(super) fn after(self, consumed: usize) -> Self {
        Step {
            consumed: self.consumed + consumed,
            ..self
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

/// A decoder over memory: it undoes one compression, a member at a time.
pub(super) trait Codec {
    /// Takes some of `input` and writes some of `output`; neither is empty.
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, Refused>;

    /// Begins another member behind the one that has ended.
    fn begin_next(&mut self) -> Result<(), Refusal>;

    /// Tells whether the stream may end inside of a member. All output has been taken by then: every format ends with
    /// bytes that its codec consumes only after the last output.
    fn end(&mut self) -> Result<(), Refusal>;

    /// For messages.
    fn compression(&self) -> Compression;

    /// Whether a member can be decoded without those before it, and its end be found without decoding it.
    fn is_in_frames(&self) -> bool {
        false
    }
}

/// A reader of a decoded stream.
pub(crate) trait Decode<'a>: Read + Send {
    /// Has a read end where a frame does that can be decoded without those before it.
    fn pause_at_frames(&mut self) {}

    /// What is left of the input, if it is that of such frames, and one has just ended. Nothing more is read then.
    fn take_frames(&mut self) -> Option<PutBack<'a>> {
        None
    }
}

impl<'a> Decode<'a> for Box<dyn Decode<'a> + 'a> {
    fn pause_at_frames(&mut self) {
        (**self).pause_at_frames();
    }

    fn take_frames(&mut self) -> Option<PutBack<'a>> {
        (**self).take_frames()
    }
}

/// A stream that isn't compressed.
impl<'a> Decode<'a> for PutBack<'a> {}

/// A [`Read`] of what a [`Codec`] makes of a stream.
pub(super) struct Decoder<'a, C> {
    input: PutBack<'a>,
    codec: C,
    place: Section,
    state: State,
    watch: Watch,
    pauses: bool,
}

/// Where a stream is read. Members lie one after the other; zeros may follow the last one, since tape-minded writers
/// pad whatever they write.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Section {
    Member,
    Between,
    Padding,
}

enum State {
    Running,
    Ended,
    Refused(Refusal),
}

impl<'a, C: Codec> Decoder<'a, C> {
    pub(super) fn new(input: Box<dyn BufRead + Send + 'a>, codec: C, watch: &Watch) -> Self {
        Decoder {
            input: PutBack::new(input),
            codec,
            place: Section::Member,
            state: State::Running,
            watch: watch.clone(),
            pauses: false,
        }
    }

    /// Goes on behind the end of a member.
    pub(super) fn between(input: PutBack<'a>, codec: C, watch: &Watch) -> Self {
        Decoder {
            input,
            codec,
            place: Section::Between,
            state: State::Running,
            watch: watch.clone(),
            pauses: false,
        }
    }

    fn refuse(&mut self, refusal: Refusal) -> io::Error {
        self.state = State::Refused(refusal);
        Error::from(refusal).into()
    }

    fn end(&mut self) -> Result<(), Refusal> {
        match self.place {
            Section::Member => self.codec.end(),
            Section::Between | Section::Padding => Ok(()),
        }
    }
}

/// One turn: as far as the next end of a member at most.
fn turn<C: Codec>(
    codec: &mut C,
    place: &mut Section,
    input: &[u8],
    output: &mut [u8],
) -> Result<Step, Refused> {
    if *place == Section::Between {
        if input.first() == Some(&0) {
            *place = Section::Padding;
        } else {
            codec.begin_next()?;
            *place = Section::Member;
        }
    }
    if *place == Section::Padding {
        return match input.iter().all(|&byte| byte == 0) {
            true => Ok(Step::new(input.len(), 0)),
            false => Err(Refusal::Trailing(codec.compression()).into()),
        };
    }
    match codec.step(input, output)? {
        Step {
            consumed: 0,
            produced: 0,
            ended: false,
        } => Err(Refusal::Corrupt(codec.compression()).into()),
        step => {
            if step.ended {
                *place = Section::Between;
            }
            Ok(step)
        }
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
                self.end().map_err(|refusal| self.refuse(refusal))?;
                self.state = State::Ended;
                continue;
            }
            // What is there is decoded as far as the output goes; more input may be long in coming.
            let (mut taken, mut filled, mut refused) = (0, 0, None);
            // Each turn consumes or produces at least a byte, so the loop ends with the input at the latest.
            while taken < input.len() && filled < output.len() && refused.is_none() {
                let (codec, place) = (&mut self.codec, &mut self.place);
                match turn(codec, place, &input[taken..], &mut output[filled..]) {
                    Ok(step) => {
                        taken += step.consumed;
                        filled += step.produced;
                        // A great many members may yield nothing.
                        let pauses = self.pauses && filled > 0;
                        if step.ended && (pauses || self.watch.check().is_err()) {
                            break;
                        }
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
                None => self.watch.check()?,
            }
        }
    }
}

impl<'a, C: Codec + Send> Decode<'a> for Decoder<'a, C> {
    fn pause_at_frames(&mut self) {
        self.pauses = self.codec.is_in_frames();
    }

    fn take_frames(&mut self) -> Option<PutBack<'a>> {
        let is_running = matches!(self.state, State::Running);
        (self.pauses && is_running && self.place == Section::Between)
            .then(|| mem::replace(&mut self.input, PutBack::empty()))
    }
}

#[cfg(test)]
mod tests {
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
            Ok(Step::new(1, 1))
        }

        fn end(&mut self) -> Result<(), Refusal> {
            if std::mem::take(&mut self.end) {
                Err(Refusal::Truncated(Compression::Gzip))
            } else {
                Ok(())
            }
        }

        fn begin_next(&mut self) -> Result<(), Refusal> {
            unreachable!("the member doesn't end")
        }
        fn compression(&self) -> Compression {
            Compression::Gzip
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
            &Watch::new(),
        );
        assert_eq!(read(&mut reader).unwrap_err(), "the gzip stream is corrupt");
        assert_eq!(read(&mut reader).unwrap_err(), "the gzip stream is corrupt");
        let mut reader = Decoder::new(
            Box::new(&b""[..]),
            Once {
                step: false,
                end: true,
            },
            &Watch::new(),
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
            &Watch::new(),
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
            fn begin_next(&mut self) -> Result<(), Refusal> {
                unreachable!("the member doesn't end")
            }
            fn compression(&self) -> Compression {
                Compression::Zstd
            }
        }
        let mut reader = Decoder::new(Box::new(&b"a"[..]), Half, &Watch::new());
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
                Ok(Step::new(0, 0))
            }
            fn end(&mut self) -> Result<(), Refusal> {
                Ok(())
            }
            fn begin_next(&mut self) -> Result<(), Refusal> {
                unreachable!("the member doesn't end")
            }
            fn compression(&self) -> Compression {
                Compression::Zstd
            }
        }
        let mut reader = Decoder::new(Box::new(&b"a"[..]), Idle, &Watch::new());
        assert_eq!(read(&mut reader).unwrap_err(), "the zstd stream is corrupt");
    }
}
