//! Zstandard (RFC 8878): frames one after the other, skippable ones among them and behind them.

#![forbid(unsafe_code)]

use zstd::zstd_safe::zstd_sys::ZSTD_ErrorCode;
use zstd::zstd_safe::{DCtx, DParameter, ErrorCode, InBuffer, OutBuffer, is_error_kind};

use super::reader::{Codec, Refused, Step};
use super::{Compression, MAX_WINDOW, Refusal};

pub(super) struct Zstd {
    context: DCtx<'static>,
    place: Place,
    /// How many bytes libzstd needs for its next block.
    wanted: usize,
    /// Whether it may have more of the last block than the output had room for.
    pending: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before the first frame.
    Start,
    /// Inside a frame; `first` is the first one of the stream.
    Frame { first: bool },
    /// Behind the end of a frame.
    Between,
}

impl Zstd {
    pub(super) fn new() -> Result<Self, Refusal> {
        let mut context = DCtx::try_create().ok_or(Refusal::Memory(Compression::Zstd))?;
        context
            .set_parameter(DParameter::WindowLogMax(MAX_WINDOW.ilog2()))
            .map_err(|_| Refusal::Unsupported(Compression::Zstd))?;
        Ok(Zstd {
            context,
            place: Place::Start,
            wanted: 1,
            pending: false,
        })
    }

    fn decode(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, Refused> {
        let mut source = InBuffer::around(input);
        let mut target = OutBuffer::around(&mut *output);
        let hint = self
            .context
            .decompress_stream(&mut target, &mut source)
            .map_err(|code| self.refusal(code))?;
        let step = Step {
            consumed: source.pos(),
            produced: target.pos(),
        };
        self.wanted = hint.max(1);
        self.pending = step.produced == output.len();
        if hint == 0 {
            self.place = Place::Between;
        }
        Ok(step)
    }

    fn refusal(&self, code: ErrorCode) -> Refusal {
        if is_error_kind(
            code,
            ZSTD_ErrorCode::ZSTD_error_frameParameter_windowTooLarge,
        ) {
            Refusal::Window(Compression::Zstd)
        } else if is_error_kind(code, ZSTD_ErrorCode::ZSTD_error_memory_allocation) {
            Refusal::Memory(Compression::Zstd)
        } else if is_error_kind(code, ZSTD_ErrorCode::ZSTD_error_prefix_unknown)
            && self.place != (Place::Frame { first: true })
        {
            Refusal::Trailing(Compression::Zstd)
        } else {
            Refusal::Corrupt(Compression::Zstd)
        }
    }
}

impl Codec for Zstd {
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, Refused> {
        // A frame that lies in the input as a whole, and fits the output, is decoded at once without a look at its
        // window. The first byte goes in alone, so that no frame does and the limit doesn't depend on buffer sizes.
        let place = match self.place {
            Place::Start => Place::Frame { first: true },
            Place::Between => Place::Frame { first: false },
            inside => inside,
        };
        if place != self.place {
            (self.place, self.wanted, self.pending) = (place, 1, false);
        }
        if self.pending {
            let step = self.decode(&[], output)?;
            if step.produced > 0 {
                return Ok(step);
            }
        }
        // A block at a time: a call that meets a damaged one doesn't tell what it has written of those before it.
        self.decode(&input[..self.wanted.min(input.len())], output)
    }

    fn end(&mut self) -> Result<(), Refusal> {
        match self.place {
            Place::Between => Ok(()),
            Place::Start | Place::Frame { .. } => Err(Refusal::Truncated(Compression::Zstd)),
        }
    }

    fn stuck(&self) -> Refusal {
        Refusal::Corrupt(Compression::Zstd)
    }
}
