//! An image's framing: a magic number, and messages with their lengths in front.

#![forbid(unsafe_code)]

use std::io::Read;

use super::wire::{Items, Message};
use super::{ImageType, Refusal};
use crate::budget::push;
use crate::error::{Called as _, Result};

/// How long one message may be, in bytes. The largest real ones are processes with 100,000 mappings, at 5 MiB.
pub(crate) const MAX_MESSAGE: u32 = 16 << 20;

/// How much is read at once: memory grows with what is there, not with what a length claims.
const PIECE: u64 = 64 << 10;

/// In front of the type's own number in all images but the inventory.
const COMMON: u32 = 0x5456_4319;
/// The same in statistics, which aren't restored from.
const SERVICE: u32 = 0x5510_5940;

/// Reads the messages of an image one after the other.
pub(crate) struct Image<R> {
    reader: R,
    /// How many bytes of the image are to come.
    left: u64,
    buffer: Vec<u8>,
}

impl<R: Read> Image<R> {
    /// Begins to read an image of `size` bytes that has to be of this type.
    ///
    /// # Errors
    ///
    /// [`Refusal::Magic`] for another type, [`Refusal::CutShort`].
    pub(crate) fn open(reader: R, size: u64, of: ImageType) -> Result<Self> {
        let mut image = Self {
            reader,
            left: size,
            buffer: Vec::new(),
        };
        let mut magic = image.number()?;
        // The oldest images, and every inventory, have the type's number alone.
        if matches!(magic, COMMON | SERVICE) {
            magic = image.number()?;
        }
        if magic != of.magic() {
            return Err(Refusal::Magic(magic, of.magic()).into());
        }
        Ok(image)
    }

    /// The next message; nothing at the image's end.
    pub(crate) fn next<M: Message>(&mut self, items: &mut Items) -> Result<Option<M>> {
        if self.left == 0 {
            return Ok(None);
        }
        let len = self.number()?;
        if len > MAX_MESSAGE {
            return Err(Refusal::TooLong(len).into());
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        let filled = self.fill(&mut buffer, u64::from(len));
        let message = filled.and_then(|()| Ok(M::decode(&buffer, items)?));
        self.buffer = buffer;
        message.map(Some)
    }

    /// The one message of an image that has exactly one.
    pub(crate) fn only<M: Message>(&mut self, items: &mut Items) -> Result<M> {
        self.next(items)?.ok_or_else(|| Refusal::Empty.into())
    }

    /// All messages.
    pub(crate) fn all<M: Message>(&mut self, items: &mut Items) -> Result<Vec<M>> {
        let mut all = Vec::new();
        while let Some(message) = self.next(items)? {
            push(&mut all, message).map_err(Refusal::from)?;
        }
        Ok(all)
    }

    /// Moves past the bytes that follow a message.
    pub(crate) fn skip(&mut self, bytes: u64) -> Result<()> {
        self.spend(bytes)?;
        let mut rest = bytes;
        let mut piece = std::mem::take(&mut self.buffer);
        while rest > 0 {
            piece.clear();
            let part = rest.min(PIECE);
            self.read_exactly(&mut piece, part)?;
            rest -= part;
        }
        self.buffer = piece;
        Ok(())
    }

    /// How many bytes are to come.
    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    fn number(&mut self) -> Result<u32> {
        self.spend(4)?;
        let mut bytes = [0; 4];
        self.reader
            .read_exact(&mut bytes)
            .called(|| "read the image")?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn fill(&mut self, buffer: &mut Vec<u8>, len: u64) -> Result<()> {
        self.spend(len)?;
        self.read_exactly(buffer, len)
    }

    fn read_exactly(&mut self, buffer: &mut Vec<u8>, len: u64) -> Result<()> {
        let read = self
            .reader
            .by_ref()
            .take(len)
            .read_to_end(buffer)
            .called(|| "read the image")?;
        if (read as u64) < len {
            return Err(Refusal::CutShort.into());
        }
        Ok(())
    }

    fn spend(&mut self, bytes: u64) -> Result<(), Refusal> {
        self.left = self.left.checked_sub(bytes).ok_or(Refusal::CutShort)?;
        Ok(())
    }
}
