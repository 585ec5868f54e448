//! An input that something can be put back into.

#![forbid(unsafe_code)]

use std::io::{self, BufRead, Read};

/// What a decoder reads from. Who has looked further than is of use to it puts that back.
pub(crate) struct PutBack<'a> {
    /// What comes before the input, and how much of it was taken again.
    back: Vec<u8>,
    taken: usize,
    input: Box<dyn BufRead + Send + 'a>,
}

impl<'a> PutBack<'a> {
    pub(super) fn new(input: Box<dyn BufRead + Send + 'a>) -> Self {
        PutBack {
            back: Vec::new(),
            taken: 0,
            input,
        }
    }

    /// The same with `bytes` in front.
    pub(super) fn with(mut self, mut bytes: Vec<u8>) -> Self {
        bytes.extend_from_slice(&self.back[self.taken..]);
        (self.back, self.taken) = (bytes, 0);
        self
    }

    /// One that has nothing.
    pub(crate) fn empty() -> Self {
        PutBack::new(Box::new(io::empty()))
    }
}

impl Read for PutBack<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.back.is_empty() {
            return self.input.read(buffer);
        }
        let count = self.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for PutBack<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.taken < self.back.len() {
            return Ok(&self.back[self.taken..]);
        }
        self.input.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        if self.taken == self.back.len() {
            return self.input.consume(amount);
        }
        self.taken = self.back.len().min(self.taken + amount);
        if self.taken == self.back.len() {
            (self.back, self.taken) = (Vec::new(), 0);
        }
    }
}
