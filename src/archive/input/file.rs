//! A plain archive in a regular file, or in a part of one.

#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{self, BufRead, Read};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use super::{Refusal, Way, copy_through, read_through};
use crate::error::Result;
use crate::fs::copy_range;
use crate::tar::Source;
use crate::watch::Watch;

/// How much is read ahead, for headers and small members.
const WINDOW: usize = 64 << 10;

/// A range of a regular file, read through a window. What is large moves inside the kernel.
pub(crate) struct FileInput {
    file: Arc<File>,
    /// Where the range begins.
    start: u64,
    /// Where it ends.
    end: u64,
    /// Where the next byte is.
    position: u64,
    window: Vec<u8>,
    window_start: u64,
    watch: Watch,
}

impl FileInput {
    pub(super) fn new(file: Arc<File>, start: u64, end: u64, watch: &Watch) -> Self {
        Self {
            file,
            start,
            end,
            position: start,
            window: Vec::new(),
            window_start: 0,
            watch: watch.clone(),
        }
    }

    /// The next `len` bytes, as an input of their own; this one stays where it is.
    pub(super) fn part(&self, len: u64) -> Self {
        let end = self.position.saturating_add(len).min(self.end);
        Self::new(Arc::clone(&self.file), self.position, end, &self.watch)
    }

    /// The bytes of the window from the current position on.
    fn ahead(&self) -> &[u8] {
        let start = self.position.checked_sub(self.window_start);
        start
            .and_then(|start| usize::try_from(start).ok())
            .and_then(|start| self.window.get(start..))
            .unwrap_or_default()
    }

    fn fill(&mut self) -> io::Result<()> {
        self.watch.check()?;
        let left = usize::try_from(self.end - self.position).unwrap_or(WINDOW);
        self.window.resize(WINDOW.min(left), 0);
        self.window_start = self.position;
        let result = self.file.read_at(&mut self.window, self.position);
        self.window.truncate(*result.as_ref().unwrap_or(&0));
        match result? {
            // The end of a file is no end of an archive while there are bytes left.
            0 if left > 0 => Err(Refusal::Shrank(self.end - self.position).into()),
            _ => Ok(()),
        }
    }
}

impl Way for FileInput {
    fn consumed(&self) -> u64 {
        self.position
    }

    fn is_void(&self) -> bool {
        self.start == self.end
    }

    fn copy_to(&mut self, target: &File, at: u64, len: u64) -> Result<u64> {
        if len <= WINDOW as u64 {
            return copy_through(self, target, at, len);
        }
        let len = len.min(self.end - self.position);
        let copied = copy_range(&self.file, self.position, target, at, len, &self.watch)?;
        self.position += copied;
        Ok(copied)
    }
}

impl Source for FileInput {
    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        let target = self.position.checked_add(bytes);
        let target = target.filter(|&target| target <= self.end);
        self.position = target.ok_or(io::ErrorKind::UnexpectedEof)?;
        self.watch.reach(self.position);
        Ok(())
    }

    /// There is nothing to be found: no decoder, no checksum.
    fn drain(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for FileInput {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        read_through(self, buffer)
    }
}

impl BufRead for FileInput {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.ahead().is_empty() {
            self.fill()?;
        }
        Ok(self.ahead())
    }

    fn consume(&mut self, amount: usize) {
        self.position += amount as u64;
        self.watch.reach(self.position);
    }
}
