//! An archive that comes in order: the output of a decoder, a pipe, or the data of another archive's member.

#![forbid(unsafe_code)]

use std::io::{self, BufRead, Read};
use std::mem;
use std::sync::Arc;

use super::ahead::{Ahead, Decoding, gains_time};
use super::foreign::{self, LOOKED_AT};
use super::raw::Tally;
use super::record::Recording;
use super::{Refusal, Way, read_through, read_up_to};
use crate::compress::{Compression, Decode, PutBack};
use crate::error::Result;
use crate::tar::Source;
use crate::watch::Watch;

/// The buffer between a stream and the files made from it, at first: a configuration at the beginning is found in it.
const FIRST: usize = 16 << 10;
/// The same, once much is taken.
pub(super) const BUFFER: usize = 256 << 10;
/// Up to how many bytes a stream may expand to whatever its ratio: a few blocks of zeros say nothing.
pub(super) const ANY_RATIO: u64 = 1 << 20;
/// How much is decoded by whoever takes it before a thread is worth its start.
const WORTH_A_THREAD: u64 = 1 << 20;

/// A tar stream, decompressed on the way if need be.
pub(crate) struct StreamInput<'a> {
    feed: Feed<'a>,
    /// The compression that is undone, until the first bytes of what comes out were looked at.
    unseen: Option<Compression>,
    /// Whether all that comes may be decoded ahead.
    may_run_ahead: bool,
    /// What was decoded here, how much of that there is, and how much of it was taken.
    buffer: Vec<u8>,
    filled: usize,
    taken: usize,
    record: Recording,
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
    /// Reads a stream of which a `compression` is undone by the feed.
    pub(super) fn new(
        feed: Feed<'a>,
        compression: Compression,
        record: Recording,
        account: Account,
    ) -> Self {
        Self {
            feed,
            unseen: Some(compression),
            may_run_ahead: false,
            buffer: Vec::new(),
            filled: 0,
            taken: 0,
            record,
            account,
        }
    }

    pub(super) fn tally(&self) -> &Arc<Tally> {
        &self.account.tally
    }

    /// Begins again with the first byte, if all that was yielded is still there; what was kept goes then unless it
    /// `keeps` it.
    pub(super) fn rewind(&mut self, keeps: bool) -> bool {
        let rewound = self.record.rewind(keeps);
        if rewound {
            // What is left in the buffer comes again out of the record.
            (self.filled, self.taken) = (0, 0);
        }
        rewound
    }

    /// Lets a thread decode what comes, once it is much.
    pub(super) fn decode_ahead(&mut self) {
        self.may_run_ahead = true;
    }

    /// Starts to decode ahead, if that is worth it by now.
    fn run_ahead(&mut self) {
        let worth_it = self.account.yielded >= WORTH_A_THREAD && self.record.is_off();
        if !self.may_run_ahead || !worth_it || !matches!(self.feed, Feed::Own(_)) {
            return;
        }
        // How many cores there are takes some system calls to find out.
        self.may_run_ahead = false;
        if !gains_time() {
            return;
        }
        let nothing = Feed::Lent(Box::new(PutBack::empty()));
        self.feed = match mem::replace(&mut self.feed, nothing) {
            Feed::Own(decoding) => Feed::Ahead(Ahead::new(decoding, &self.account.tally)),
            other => other,
        };
    }

    /// Sees to it that there is something to be taken, unless the stream is at its end. All of the buffer was taken.
    fn go_on(&mut self) -> io::Result<()> {
        self.run_ahead();
        let reader: &mut dyn Read = match &mut self.feed {
            Feed::Lent(reader) => reader,
            Feed::Own(decoding) => &mut decoding.reader,
            Feed::Ahead(ahead) if ahead.left().is_empty() => {
                let (yielded, read) = ahead.advance()?;
                return Ok(self.account.add(yielded, read)?);
            }
            // What was refused stays refused.
            Feed::Ahead(_) => return Ok(self.account.check()?),
        };
        // What has filled it to its end may well go on, for gigabytes.
        if self.filled == self.buffer.len() && self.filled < BUFFER {
            self.buffer = vec![0; (4 * self.filled).clamp(FIRST, BUFFER)];
        }
        (self.filled, self.taken) = (0, 0);
        if let Some(count) = self.record.replay(&mut self.buffer)? {
            self.filled = count;
            return Ok(());
        }
        let least = self.unseen.map_or(1, |_| LOOKED_AT);
        let room = self.buffer.len().min(self.record.room());
        let (count, result) = read_up_to(reader, least, &mut self.buffer[..room]);
        if count == 0 {
            // What comes before a failure comes first: whoever reads on meets it again.
            result?;
        }
        let yielded = &self.buffer[..count];
        if let Some(compression) = self.unseen {
            foreign::check(&yielded[..count.min(LOOKED_AT)], compression)?;
            self.unseen = None;
        }
        let read = self.account.tally.bytes();
        self.account.add(count, read)?;
        self.record.keep(yielded)?;
        self.filled = count;
        Ok(())
    }
}

impl Way for StreamInput<'_> {
    fn consumed(&self) -> u64 {
        self.account.tally.behind()
    }

    fn is_void(&self) -> bool {
        self.account.yielded == 0
    }
}

impl Source for StreamInput<'_> {}

impl Read for StreamInput<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        read_through(self, buffer)
    }
}

impl BufRead for StreamInput<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.taken == self.filled {
            self.go_on()?;
        }
        Ok(match &self.feed {
            Feed::Ahead(ahead) if self.taken == self.filled => ahead.left(),
            _ => &self.buffer[self.taken..self.filled],
        })
    }

    fn consume(&mut self, amount: usize) {
        match &mut self.feed {
            Feed::Ahead(ahead) if self.taken == self.filled => ahead.consume(amount),
            _ => self.taken = self.filled.min(self.taken + amount),
        }
    }
}
