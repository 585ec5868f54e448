//! An archive that comes in order: the output of a decoder, a pipe, or the data of another archive's member.

#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{self, Read};
use std::mem;
use std::sync::Arc;

use super::Refusal;
use super::ahead::{Ahead, Decoding};
use super::raw::Tally;
use super::record::Record;
use crate::compress::{Decode, PutBack};
use crate::error::{Called as _, Result};
use crate::fs::write_all_at;
use crate::tar::Source;
use crate::watch::Watch;

/// The buffer between a stream and the files made from it.
pub(super) const BUFFER: usize = 256 << 10;
/// Up to how many bytes a stream may expand to whatever its ratio: a few blocks of zeros say nothing.
pub(super) const ANY_RATIO: u64 = 1 << 20;
/// How much is decoded by whoever takes it before a thread is worth its start.
const WORTH_A_THREAD: u64 = 1 << 20;

/// A tar stream, decompressed on the way if need be.
pub(crate) struct StreamInput<'a> {
    feed: Feed<'a>,
    /// Whether all that comes may be decoded ahead.
    may_run_ahead: bool,
    buffer: Vec<u8>,
    record: Record,
    account: Account,
}

/// Where the stream comes from.
#[expect(clippy::large_enum_variant, reason = "an archive has one of it")]
pub(super) enum Feed<'a> {
    /// From a reader whose source is lent: it stays in its thread.
    Lent(Box<dyn Decode<'a> + 'a>),
    /// From a reader that has all it needs.
    Own(Decoding),
    /// From such a reader, in pieces.
    Ahead(Ahead),
}

/// What came of what.
pub(super) struct Account {
    /// How many bytes the stream has yielded.
    yielded: u64,
    /// What was read for it.
    tally: Arc<Tally>,
    /// Who is told of it; nobody if another stream, which this is an archive in, does that.
    watch: Option<Watch>,
    /// How many bytes may come of one byte of the archive.
    max_ratio: u64,
}

impl Account {
    /// One of a stream that has yielded nothing.
    pub(super) fn new(tally: Arc<Tally>, watch: Option<Watch>, max_ratio: u64) -> Self {
        Self {
            yielded: 0,
            tally,
            watch,
            max_ratio,
        }
    }

    /// Takes in that the stream has yielded so many bytes, for which so many of the archive were read since its beginning.
    fn add(&mut self, yielded: usize, read: u64) -> Result<()> {
        self.yielded = self.yielded.saturating_add(yielded as u64);
        if let Some(watch) = &self.watch {
            watch.step(self.tally.pass(read))?;
        }
        self.check()
    }

    fn check(&self) -> Result<()> {
        let allowed = self.tally.behind().saturating_mul(self.max_ratio);
        if self.yielded > allowed.max(ANY_RATIO) {
            return Err(Refusal::Ratio(self.max_ratio).into());
        }
        Ok(())
    }
}

impl<'a> StreamInput<'a> {
    pub(super) fn new(feed: Feed<'a>, record: Record, account: Account) -> Self {
        Self {
            feed,
            may_run_ahead: false,
            buffer: Vec::new(),
            record,
            account,
        }
    }

    pub(super) fn tally(&self) -> &Arc<Tally> {
        &self.account.tally
    }

    /// Whether nothing has come.
    pub(super) fn is_void(&self) -> bool {
        self.account.yielded == 0
    }

    /// Begins again with the first byte, if all that was yielded is still there; nothing is kept from now on.
    pub(super) fn rewind(&mut self) -> bool {
        self.record.rewind()
    }

    /// Begins again with the first byte, if all that was yielded is still there, and goes on keeping.
    pub(super) fn begin_again(&mut self) -> bool {
        self.record.begin_again()
    }

    /// Lets a thread decode what comes, once it is much.
    pub(super) fn decode_ahead(&mut self) {
        self.may_run_ahead = true;
    }

    pub(super) fn copy_to(&mut self, target: &File, mut at: u64, len: u64) -> Result<u64> {
        let mut left = len;
        while left > 0 {
            let taken = self.take(left).called(|| "read the archive")?;
            if taken.is_empty() {
                break;
            }
            write_all_at(target, taken, at).called(|| "write")?;
            at += taken.len() as u64;
            left -= taken.len() as u64;
        }
        Ok(len - left)
    }

    /// Takes some of the next `most` bytes, as they lie in memory: none at the end.
    fn take(&mut self, most: u64) -> io::Result<&[u8]> {
        self.run_ahead();
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let count = match &self.feed {
            Feed::Ahead(_) => 0,
            Feed::Lent(_) | Feed::Own(_) => self.fill_buffer(most.min(BUFFER))?,
        };
        match &mut self.feed {
            Feed::Ahead(ahead) => {
                go_on(ahead, &mut self.account)?;
                Ok(ahead.take(most))
            }
            Feed::Lent(_) | Feed::Own(_) => Ok(&self.buffer[..count]),
        }
    }

    /// Reads some of the next `most` bytes into the buffer.
    fn fill_buffer(&mut self, most: usize) -> io::Result<usize> {
        let mut buffer = mem::take(&mut self.buffer);
        if buffer.len() < most {
            buffer.resize(most, 0);
        }
        let read = loop {
            match self.read(&mut buffer[..most]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result,
            }
        };
        self.buffer = buffer;
        read
    }

    /// Starts to decode ahead, if that is worth it by now.
    fn run_ahead(&mut self) {
        let worth_it = self.account.yielded >= WORTH_A_THREAD && self.record.is_off();
        if !self.may_run_ahead || !worth_it || !matches!(self.feed, Feed::Own(_)) {
            return;
        }
        let nothing = Feed::Lent(Box::new(PutBack::empty()));
        self.feed = match mem::replace(&mut self.feed, nothing) {
            Feed::Own(decoding) => Feed::Ahead(Ahead::new(decoding, &self.account.tally)),
            other => other,
        };
    }
}

/// Sees to it that there is something to be taken, unless the stream is at its end.
fn go_on(ahead: &mut Ahead, account: &mut Account) -> Result<(), io::Error> {
    if ahead.is_empty() {
        let (yielded, read) = ahead.advance()?;
        account.add(yielded, read)?;
    } else {
        // What was refused stays refused.
        account.check()?;
    }
    Ok(())
}

impl Source for StreamInput<'_> {
    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        let mut left = bytes;
        while left > 0 {
            match self.take(left)?.len() {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => left -= count as u64,
            }
        }
        Ok(())
    }

    fn drain(&mut self) -> io::Result<()> {
        while !self.take(u64::MAX)?.is_empty() {}
        Ok(())
    }
}

impl Read for StreamInput<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(count) = self.record.replay(buffer)? {
            return Ok(count);
        }
        self.run_ahead();
        let count = match &mut self.feed {
            Feed::Lent(reader) => reader.read(buffer)?,
            Feed::Own(decoding) => decoding.reader.read(buffer)?,
            Feed::Ahead(ahead) => {
                go_on(ahead, &mut self.account)?;
                let taken = ahead.take(buffer.len());
                buffer[..taken.len()].copy_from_slice(taken);
                return Ok(taken.len());
            }
        };
        let read = self.account.tally.bytes();
        self.account.add(count, read)?;
        self.record.keep(&buffer[..count])?;
        Ok(count)
    }
}

/// Writes the next `len` bytes of `reader` to `target` at offset `at`. Returns how many there were.
pub(super) fn copy_through(
    reader: &mut impl Read,
    buffer: &mut Vec<u8>,
    target: &File,
    mut at: u64,
    len: u64,
) -> Result<u64> {
    let size = usize::try_from(len).unwrap_or(BUFFER).min(BUFFER);
    if buffer.len() < size {
        buffer.resize(size, 0);
    }
    let mut left = len;
    while left > 0 {
        let want = usize::try_from(left).unwrap_or(BUFFER).min(buffer.len());
        let read = match reader.read(&mut buffer[..want]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            result => result.called(|| "read the archive")?,
        };
        if read == 0 {
            break;
        }
        write_all_at(target, &buffer[..read], at).called(|| "write")?;
        left -= read as u64;
        at += read as u64;
    }
    Ok(len - left)
}
