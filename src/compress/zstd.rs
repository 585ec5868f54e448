//! Zstandard (RFC 8878): frames one after the other, skippable ones among them and behind them.

#![forbid(unsafe_code)]

use zstd::zstd_safe::zstd_sys::ZSTD_ErrorCode;
use zstd::zstd_safe::{DCtx, DParameter, ErrorCode, InBuffer, OutBuffer, is_error_kind};

use super::reader::{Codec, Step};
use super::{Compression, MAX_WINDOW, Refusal};

pub(super) struct Zstd {
    context: DCtx<'static>,
    place: Place,
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
        })
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
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, Refusal> {
        // A frame that lies in the input as a whole, and fits the output, is decoded at once without a look at its
        // window. The first byte goes in alone, so that no frame does and the limit doesn't depend on buffer sizes.
        let (input, place) = match self.place {
            Place::Start => (
                input.get(..1).unwrap_or(input),
                Place::Frame { first: true },
            ),
            Place::Between => (
                input.get(..1).unwrap_or(input),
                Place::Frame { first: false },
            ),
            inside => (input, inside),
        };
        self.place = place;
        let mut source = InBuffer::around(input);
        let mut target = OutBuffer::around(output);
        let hint = self
            .context
            .decompress_stream(&mut target, &mut source)
            .map_err(|code| self.refusal(code))?;
        if hint == 0 {
            self.place = Place::Between;
        }
        Ok(Step {
            consumed: source.pos(),
            produced: target.pos(),
        })
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
