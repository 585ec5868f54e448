//! The buffer in front of a decoder.

#![forbid(unsafe_code)]

use std::io::{self, BufRead, Read};

/// How much is read first: a configuration at the beginning is found in it.
const FIRST: usize = 16 << 10;
/// How much is read at once later on.
const MOST: usize = 256 << 10;

/// A buffer that grows with what is read through it, so that a look at a configuration doesn't pay for gigabytes.
pub(super) struct Buffered<R> {
    reader: R,
    buffer: Vec<u8>,
    /// What is in the buffer and wasn't taken yet.
    start: usize,
    end: usize,
}

impl<R: Read> Buffered<R> {
    pub(super) fn new(reader: R) -> Self {
        Self {
            reader,
            buffer: vec![0; FIRST],
            start: 0,
            end: 0,
        }
    }

    /// The first bytes, up to `most` of them, without taking them; fewer if there are no more.
    pub(super) fn peek(&mut self, most: usize) -> io::Result<&[u8]> {
        while self.end < most.min(FIRST) {
            match self.reader.read(&mut self.buffer[self.end..]) {
                Ok(0) => break,
                Ok(count) => self.end += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(&self.buffer[..self.end.min(most)])
    }

    fn is_empty(&self) -> bool {
        self.start >= self.end
    }
}

impl<R: Read> Read for Buffered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.is_empty() && buffer.len() >= MOST {
            return self.reader.read(buffer);
        }
        let count = self.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}

impl<R: Read> BufRead for Buffered<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.is_empty() {
            // What has filled it to its end may well go on, for gigabytes.
            if self.end == self.buffer.len() && self.end < MOST {
                self.buffer = vec![0; MOST.min(4 * self.end)];
            }
            (self.start, self.end) = (0, 0);
            self.end = self.reader.read(&mut self.buffer)?;
        }
        Ok(&self.buffer[self.start..self.end])
    }

    fn consume(&mut self, amount: usize) {
        self.start = self.end.min(self.start + amount);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives what it has piece by piece, with errors in between.
    struct Pieces(Vec<io::Result<&'static [u8]>>);

    impl Read for Pieces {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.0.is_empty() {
                return Ok(0);
            }
            let piece = self.0.remove(0)?;
            buffer[..piece.len()].copy_from_slice(piece);
            Ok(piece.len())
        }
    }

    fn failed(kind: io::ErrorKind) -> io::Result<&'static [u8]> {
        Err(kind.into())
    }

    fn rest(buffered: &mut Buffered<Pieces>) -> Vec<u8> {
        let mut rest = Vec::new();
        buffered.read_to_end(&mut rest).unwrap();
        rest
    }

    #[test]
    fn a_look_ahead_reads_on_after_short_and_interrupted_reads() {
        let interrupted = failed(io::ErrorKind::Interrupted);
        let mut buffered = Buffered::new(Pieces(vec![Ok(b"abc"), interrupted, Ok(b"def")]));
        assert_eq!(buffered.peek(5).unwrap(), b"abcde");
        assert_eq!(rest(&mut buffered), b"abcdef");
    }

    #[test]
    fn a_look_ahead_that_fails_loses_and_repeats_nothing() {
        let broken = failed(io::ErrorKind::Other);
        let mut buffered = Buffered::new(Pieces(vec![Ok(b"abc"), broken, Ok(b"def")]));
        assert_eq!(buffered.peek(5).unwrap_err().kind(), io::ErrorKind::Other);
        assert_eq!(buffered.peek(5).unwrap(), b"abcde");
        assert_eq!(rest(&mut buffered), b"abcdef");
    }

    #[test]
    fn a_read_that_fails_loses_and_repeats_nothing() {
        let broken = failed(io::ErrorKind::Other);
        let mut buffered = Buffered::new(Pieces(vec![Ok(b"abc"), broken, Ok(b"def")]));
        assert_eq!(buffered.fill_buf().unwrap(), b"abc");
        buffered.consume(3);
        assert!(buffered.fill_buf().is_err());
        assert_eq!(rest(&mut buffered), b"def");
    }
}
