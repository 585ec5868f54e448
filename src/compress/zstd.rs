//! Zstandard (RFC 8878): one frame, which may be a skippable one.

#![forbid(unsafe_code)]

use zstd::zstd_safe::zstd_sys::ZSTD_ErrorCode;
use zstd::zstd_safe::{DCtx, DParameter, ErrorCode, InBuffer, OutBuffer, is_error_kind};

use super::reader::{Codec, Refused, Step};
use super::{Compression, MAX_WINDOW, Refusal};

pub(super) struct Zstd {
    context: DCtx<'static>,
    /// Whether a frame has ended already.
    follows: bool,
    /// How many bytes libzstd needs for its next block.
    wanted: usize,
    /// Whether it may have more of the last block than the output had room for.
    pending: bool,
}

/// How many bytes go in first. A frame that lies in the input as a whole, and fits the output, is decoded at once without
/// a look at its window. The first byte goes in alone, so that no frame does and the limit doesn't depend on buffer
/// sizes.
const FIRST: usize = 1;

impl Zstd {
    pub(super) fn new() -> Result<Self, Refusal> {
        let mut context = DCtx::try_create().ok_or(Refusal::Memory(Compression::Zstd))?;
        context
            .set_parameter(DParameter::WindowLogMax(MAX_WINDOW.ilog2()))
            .map_err(|_| Refusal::Unsupported(Compression::Zstd))?;
        Ok(Zstd {
            context,
            follows: false,
            wanted: FIRST,
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
        let step = Step::new(source.pos(), target.pos());
        self.wanted = hint.max(1);
        self.pending = step.produced == output.len();
        Ok(if hint == 0 { step.ended() } else { step })
    }

    fn refusal(&self, code: ErrorCode) -> Refusal {
        if is_error_kind(
            code,
            ZSTD_ErrorCode::ZSTD_error_frameParameter_windowTooLarge,
        ) {
            Refusal::Window(Compression::Zstd)
        } else if is_error_kind(code, ZSTD_ErrorCode::ZSTD_error_memory_allocation) {
            Refusal::Memory(Compression::Zstd)
        } else if is_error_kind(code, ZSTD_ErrorCode::ZSTD_error_prefix_unknown) && self.follows {
            Refusal::Trailing(Compression::Zstd)
        } else {
            Refusal::Corrupt(Compression::Zstd)
        }
    }
}

impl Codec for Zstd {
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, Refused> {
        if self.pending {
            let step = self.decode(&[], output)?;
            if step.produced > 0 || step.ended {
                return Ok(step);
            }
        }
        // A block at a time: a call that meets a damaged one doesn't tell what it has written of those before it.
        self.decode(&input[..self.wanted.min(input.len())], output)
    }

    fn begin_next(&mut self) -> Result<(), Refusal> {
        // libzstd begins the next frame by itself, with the memory of the last one.
        (self.follows, self.wanted, self.pending) = (true, FIRST, false);
        Ok(())
    }

    fn end(&mut self) -> Result<(), Refusal> {
        Err(Refusal::Truncated(Compression::Zstd))
    }

    fn compression(&self) -> Compression {
        Compression::Zstd
    }

    fn is_in_frames(&self) -> bool {
        true
    }
}
