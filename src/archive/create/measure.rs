//! The first pass over an archive: how long it gets.

#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek as _, Write as _};
use std::ops::Range;

use super::record::{Mark, NestedMember};
use super::sink::{check_avoided, warn};
use super::{LeftOut, Target};
use crate::error::{Called as _, Result};
use crate::fs::{FromOffset, Identity, OverlayState};
use crate::sys::Quiet;
use crate::tar::{self, END_OF_ARCHIVE, Member};
use crate::watch::Watch;

/// How much of the spool is written and read at once.
const BUFFER: usize = 64 << 10;

/// Adds up how long the members are in a stream, without reading any data.
pub(crate) struct Measure<'m> {
    size: u64,
    /// The headers of the last member, whose length alone is of interest.
    headers: Vec<u8>,
    notes: Option<Notes<'m>>,
    members: u64,
    /// The caller's file that the archive will go to, which can't be in it.
    avoided: Option<Identity>,
    lives: bool,
    watch: &'m Watch,
}

/// Where the members are noted down for the second pass.
struct Notes<'m> {
    spool: BufWriter<Quiet<&'m File>>,
    /// The name of the archive that is measured, in the one around it.
    within: &'m [u8],
}

impl<'m> Measure<'m> {
    /// Measures alone: what is left out is told to nobody.
    pub(crate) fn alone(watch: &'m Watch) -> Self {
        Self {
            size: 0,
            headers: Vec::new(),
            notes: None,
            members: 0,
            avoided: None,
            lives: false,
            watch,
        }
    }

    /// Refuses this file, if there is one: the archive will go there.
    pub(crate) fn avoiding(self, avoided: Option<Identity>) -> Self {
        Self { avoided, ..self }
    }

    /// Says whether what is stored lives.
    pub(crate) fn living(self, lives: bool) -> Self {
        Self { lives, ..self }
    }

    /// How many members were found so far.
    pub(crate) fn members(&self) -> u64 {
        self.members
    }

    /// How long the members are so far.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Adds the length of a member that isn't told as one.
    pub(crate) fn add(&mut self, member: &Member) -> Result<()> {
        self.watch.check()?;
        self.headers.clear();
        tar::encode(member, self.size, &mut self.headers)?;
        let length = self.headers.len() as u64 + tar::padding(member.stored()) as u64;
        self.size = self
            .size
            .saturating_add(length)
            .saturating_add(member.stored());
        Ok(())
    }

    fn note(&mut self, member: &Member, source: Option<Mark>) -> Result<()> {
        let Some(notes) = &mut self.notes else {
            return Ok(());
        };
        let member = member.clone();
        NestedMember { member, source }.write(&mut notes.spool)
    }
}

impl Target for Measure<'_> {
    fn take(&mut self, member: &Member) -> Result<()> {
        self.members += 1;
        self.add(member)?;
        self.note(member, None)
    }

    fn take_file(&mut self, member: &Member, file: &File, mark: Mark) -> Result<()> {
        check_avoided(file, self.avoided)?;
        self.members += 1;
        self.add(member)?;
        self.note(member, Some(mark))
    }

    fn leave_out(&mut self, path: &[u8], why: LeftOut) {
        if let Some(notes) = &self.notes {
            warn(self.watch, &[notes.within, b"/", path].concat(), why);
        }
    }

    fn lives(&self) -> bool {
        self.lives
    }
}

/// An archive that is going to be a member of another one, measured.
pub(crate) struct Measured<'m> {
    spool: &'m File,
    /// Where its records are in the spool.
    records: Range<u64>,
    pub(super) within: &'m [u8],
    size: u64,
    pub(super) lives: bool,
    pub(super) overlay: OverlayState,
}

impl<'m> Measured<'m> {
    /// Measures with `measure` what `store` stores, which will be a member called `within`; the details go behind what is in
    /// `spool`, a file that nobody else has. Returns what `store` returned, too.
    pub(crate) fn new<T>(
        mut spool: &'m File,
        within: &'m [u8],
        mut measure: Measure<'m>,
        store: impl FnOnce(&mut Measure<'m>) -> Result<T>,
    ) -> Result<(Self, T)> {
        let call = || "write spool";
        let start = spool.stream_position().called(call)?;
        measure.notes = Some(Notes {
            spool: BufWriter::with_capacity(BUFFER, Quiet(spool)),
            within,
        });
        let told = store(&mut measure)?;
        if let Some(notes) = &mut measure.notes {
            notes.spool.flush().called(call)?;
        }
        let measured = Self {
            spool,
            records: start..spool.stream_position().called(call)?,
            within,
            size: measure.size.saturating_add(END_OF_ARCHIVE.len() as u64),
            lives: measure.lives,
            overlay: OverlayState::LeftOut,
        };
        Ok((measured, told))
    }

    /// Says what was done with the xattrs of overlays when it was measured.
    pub(crate) fn with_overlay_xattrs(self, overlay: OverlayState) -> Self {
        Self { overlay, ..self }
    }

    /// How long the archive is, with its end.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// The records of its members, from the first.
    pub(super) fn records(&self) -> BufReader<impl Read + use<'m>> {
        // The file's own offset is where the next archive's records go.
        let records = FromOffset::new(self.spool, self.records.start);
        let length = self.records.end.saturating_sub(self.records.start);
        BufReader::with_capacity(BUFFER, records.take(length))
    }
}
