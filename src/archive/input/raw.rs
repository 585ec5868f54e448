//! The bytes of the archive itself, before any decoder.

#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{self, Read, Sink, Write as _};
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::Refusal;
use crate::archive::{Hashing, Sha256Digest};
use crate::compress::{Decode, PutBack};
use crate::watch::Watch;

/// What was read of an archive so far.
#[derive(Default)]
pub(super) struct Tally {
    bytes: AtomicU64,
    /// How many of them whatever was taken of the stream has come from; what is decoded ahead comes from more.
    behind: AtomicU64,
    hasher: Mutex<Option<Hashing<Sink>>>,
}

impl Tally {
    pub(super) fn new(hashed: bool) -> Arc<Self> {
        Arc::new(Self {
            bytes: AtomicU64::new(0),
            behind: AtomicU64::new(0),
            hasher: Mutex::new(hashed.then(|| Hashing::new(io::sink()))),
        })
    }

    /// How many bytes were read.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// How many bytes whatever was taken of the stream has come from.
    pub(super) fn behind(&self) -> u64 {
        self.behind.load(Ordering::Relaxed)
    }

    /// Says that what is taken by now has come from so many bytes. Returns how many more these are than before.
    pub(super) fn pass(&self, bytes: u64) -> u64 {
        bytes.saturating_sub(self.behind.swap(bytes, Ordering::Relaxed))
    }

    /// Their digest, if it was asked for; nothing more is hashed.
    pub(super) fn take_digest(&self) -> Option<Sha256Digest> {
        let mut hasher = self.hasher.lock().unwrap_or_else(PoisonError::into_inner);
        hasher.take().map(|hasher| hasher.finish().1)
    }

    fn add(&self, bytes: &[u8]) {
        self.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        let mut hasher = self.hasher.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(hasher) = hasher.as_mut() {
            // A sink takes everything.
            let _ = hasher.write_all(bytes);
        }
    }
}

/// A reader of them that counts, hashes and looks at the watch. Whoever takes the stream tells it: that is the thread
/// which its reports have to come from.
pub(super) struct Raw<R> {
    reader: R,
    tally: Arc<Tally>,
    watch: Watch,
}

impl<R> Raw<R> {
    pub(super) fn new(reader: R, tally: &Arc<Tally>, watch: &Watch) -> Self {
        Self {
            reader,
            tally: Arc::clone(tally),
            watch: watch.clone(),
        }
    }
}

impl<R: Read> Read for Raw<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.tally.add(&buffer[..count]);
        self.watch.check()?;
        Ok(count)
    }
}

/// A reader that looks at the watch, and tells it nothing: what it yields was counted on its way here, or comes of
/// nothing.
pub(super) struct Watched<R> {
    reader: R,
    watch: Watch,
}

impl<R> Watched<R> {
    pub(super) fn new(reader: R, watch: &Watch) -> Self {
        let watch = watch.clone();
        Self { reader, watch }
    }
}

impl<'a, R: Decode<'a>> Decode<'a> for Watched<R> {
    fn pause_at_frames(&mut self) {
        self.reader.pause_at_frames();
    }

    fn take_frames(&mut self) -> Option<PutBack<'a>> {
        self.reader.take_frames()
    }
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.watch.check()?;
        self.reader.read(buffer)
    }
}

/// Reads a regular file from its beginning, whatever its descriptor's own offset is.
pub(super) struct FromStart {
    file: Arc<File>,
    at: u64,
    /// How long the file says that it is.
    len: u64,
}

impl FromStart {
    pub(super) fn new(file: Arc<File>, len: u64) -> Self {
        Self::at(file, 0, len)
    }

    /// Reads it from an offset on.
    pub(super) fn at(file: Arc<File>, at: u64, len: u64) -> Self {
        Self { file, at, len }
    }
}

impl Read for FromStart {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.at)?;
        self.at += count as u64;
        if count == 0 && !buffer.is_empty() && self.at < self.len {
            return Err(Refusal::Shrank(self.len - self.at).into());
        }
        Ok(count)
    }
}
