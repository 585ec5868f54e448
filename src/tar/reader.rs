//! Reads a tar stream member by member.

#![forbid(unsafe_code)]

use std::io::{self, BufRead, Read};

use super::header::{self, Header};
use super::member::{Extent, Extents, Member, MemberKind};
use super::merge::{Map, Merged, Overrides, merge, rough_name};
use super::pax::Records;
use super::refusal::Refusal;
use super::sparse::{self, MapReader};
use super::{BLOCK, SPECIAL_MAX, padding};
use crate::budget::{NoRoom, ask_for};
use crate::error::{Error, Result};

/// From which length on the memory for what is made of a special header is asked for, and how much that is at most, in
/// headers of that length: a record of five bytes becomes several words.
const LONG: usize = 64 << 10;
const RECORDS: usize = 16;

/// A (decompressed) tar stream.
pub(crate) trait Source: BufRead {
    /// Moves past the next `bytes` bytes, by seeking if that is possible. If fewer are left, the error's kind is
    /// [`io::ErrorKind::UnexpectedEof`].
    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        if pass(self, bytes)? < bytes {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }

    /// Moves to the end, so that an error which is found only there is found: nothing that follows the archive's end
    /// is of interest.
    fn drain(&mut self) -> io::Result<()> {
        pass(self, u64::MAX).map(drop)
    }
}

/// Reads and discards the next `most` bytes. Returns how many there were.
fn pass(source: &mut (impl BufRead + ?Sized), most: u64) -> io::Result<u64> {
    let mut left = most;
    while left > 0 {
        let count = match source.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            result => result?.len(),
        };
        if count == 0 {
            break;
        }
        let count = count.min(usize::try_from(left).unwrap_or(usize::MAX));
        source.consume(count);
        left -= count as u64;
    }
    Ok(most - left)
}

/// Reads the members of a tar stream, in order.
#[derive(Debug)]
pub(crate) struct Reader<S> {
    source: S,
    /// How many bytes of the stream are behind.
    position: u64,
    /// How many of the current member's stored bytes are left.
    remaining: u64,
    /// How many bytes follow that are nobody's data.
    passed_over: u64,
    /// How many zero bytes follow them.
    padding: usize,
    /// The current member's name, for errors about its data.
    name: Vec<u8>,
    state: State,
    /// Whether a zero block stood where a header could have.
    marker_seen: bool,
    /// A block that was read to see whether a hard link has data, and is the next header.
    ahead: Option<tar::Header>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// A header, or what is left of the current member, comes next.
    Open,
    /// The last member was read.
    Ended,
    /// Where the next header begins isn't known any more.
    Failed,
}

/// What was read on the way to a member.
struct Approach {
    /// Where the first of the member's header blocks begins.
    start: Option<u64>,
    overrides: Overrides,
}

impl<S: Source> Reader<S> {
    /// Reads a tar stream that begins at the source's next byte.
    pub(crate) fn new(source: S) -> Self {
        Reader {
            source,
            position: 0,
            remaining: 0,
            passed_over: 0,
            padding: 0,
            name: Vec::new(),
            state: State::Open,
            marker_seen: false,
            ahead: None,
        }
    }

    /// Moves on to the next member; `None` after the last. What is left of the current member's data is skipped.
    ///
    /// # Errors
    ///
    /// A stream that breaks the format or ends too early is malformed; limits and unsupported members have their own
    /// kinds. After an error there is no further member.
    pub(crate) fn next_member(&mut self) -> Result<Option<Member>> {
        match self.state {
            State::Open => {}
            State::Ended => return Ok(None),
            State::Failed => return Err(Refusal::Failed.into()),
        }
        self.state = State::Failed;
        self.skip_rest()?;
        let member = self.advance()?;
        self.state = if member.is_some() {
            State::Open
        } else {
            State::Ended
        };
        Ok(member)
    }

    /// What is left of the current member's stored data.
    pub(crate) fn data(&mut self) -> Data<'_, S> {
        Data { reader: self }
    }

    /// Reads and discards the stream to its end, so that an error found only there (a checksum over all of it) is
    /// found. What stands after the end of the archive is ignored, and so are members that weren't read.
    pub(crate) fn finish(&mut self) -> Result<()> {
        (self.remaining, self.passed_over, self.padding) = (0, 0, 0);
        if self.state == State::Open {
            self.state = State::Ended;
        }
        self.source.drain().map_err(|error| self.io_error(error))
    }

    /// The source, wherever it is.
    pub(crate) fn source(&self) -> &S {
        &self.source
    }

    /// Gives the source back, wherever it is.
    pub(crate) fn into_source(self) -> S {
        self.source
    }

    /// Whether the archive ended with a zero block, once there is no further member.
    ///
    /// The format asks for two. One is proof enough: no archive goes on after a zero block, so nothing that was cut off
    /// behind it can have been a member. Without any, an archive that was cut between two members looks the same.
    pub(crate) fn ended_with_marker(&self) -> bool {
        self.marker_seen && self.state == State::Ended
    }

    fn skip_rest(&mut self) -> Result<()> {
        let left = self.remaining.saturating_add(self.passed_over);
        if left > 0 {
            let skipped = self.source.skip(left);
            skipped.map_err(|error| self.io_error(error).at_entry(&self.name))?;
            self.position = self.position.saturating_add(left);
            (self.remaining, self.passed_over) = (0, 0);
        }
        self.skip_padding(self.padding)?;
        self.padding = 0;
        Ok(())
    }

    /// Some writers leave the padding after the last member out.
    fn skip_padding(&mut self, bytes: usize) -> Result<()> {
        self.read_up_to(&mut [0; BLOCK][..bytes]).map(|_| ())
    }

    fn advance(&mut self) -> Result<Option<Member>> {
        let mut approach = Approach {
            start: None,
            overrides: Overrides::default(),
        };
        loop {
            let ahead = if self.ahead.is_some() { BLOCK } else { 0 };
            let offset = self.position.saturating_sub(ahead as u64);
            let Some(mut block) = self.header_block()? else {
                return match approach.start {
                    None => Ok(None),
                    Some(start) => Err(Error::from(Refusal::Announced).at_offset(start)),
                };
            };
            let at_offset = |error: Error| error.at_offset(offset);
            let header = header::parse(&mut block).map_err(|refusal| at_offset(refusal.into()))?;
            if !matches!(header.kind, b'x' | b'X' | b'g' | b'L' | b'K' | b'V') {
                approach.start.get_or_insert(offset);
                let member = self.member(&header, &block, &approach).map_err(|error| {
                    let name = rough_name(&header, &approach.overrides);
                    at_offset(if name.is_empty() {
                        error
                    } else {
                        error.at_entry(name)
                    })
                })?;
                return Ok(Some(member));
            }
            self.special(&header, offset, &mut approach)
                .map_err(at_offset)?;
        }
    }

    /// The next header block, or `None` at the end of the archive: two zero blocks, or one or none before the end of
    /// the stream.
    fn header_block(&mut self) -> Result<Option<tar::Header>> {
        let Some(block) = self.block()? else {
            return Ok(None);
        };
        if !header::is_zero(&block) {
            return Ok(Some(block));
        }
        self.marker_seen = true;
        let offset = self.position;
        match self.block()? {
            Some(block) if !header::is_zero(&block) => {
                Err(Error::from(Refusal::LoneZeroBlock).at_offset(offset))
            }
            _ => Ok(None),
        }
    }

    /// The next block, or `None` if the stream ends here.
    fn block(&mut self) -> Result<Option<tar::Header>> {
        if let Some(block) = self.ahead.take() {
            return Ok(Some(block));
        }
        let mut block = tar::Header::new_old();
        match self.read_up_to(block.as_mut_bytes())? {
            0 => Ok(None),
            BLOCK => Ok(Some(block)),
            _ => Err(self.cut_short()),
        }
    }

    /// Takes in a header that says something about the next one.
    fn special(&mut self, header: &Header, offset: u64, approach: &mut Approach) -> Result<()> {
        let size = u64::try_from(header.size).map_err(|_| Refusal::NegativeSize)?;
        if size > SPECIAL_MAX {
            return Err(Refusal::SpecialTooLong.into());
        }
        if header.kind == b'V' {
            // GNU's name of the archive itself. What was announced was it.
            self.read_body(size)?;
            (approach.start, approach.overrides) = (None, Overrides::default());
            return Ok(());
        }
        let body = self.read_body(size)?;
        if body.len() >= LONG {
            ask_for(body.len() * RECORDS)?;
        }
        let overrides = &mut approach.overrides;
        match header.kind {
            // `X` is what Solaris called it before it was in a standard.
            b'x' | b'X' => overrides.records = Records::parse(body)?,
            b'L' => overrides.long_name = header::text(&body).to_vec(),
            b'K' => overrides.long_link = header::text(&body).to_vec(),
            _ => return check_global(&Records::parse(body)?).map_err(Error::from),
        }
        approach.start.get_or_insert(offset);
        Ok(())
    }

    /// The body of a special header. Memory grows with what is there, not with what the header claims.
    fn read_body(&mut self, size: u64) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        let mut left = size;
        let mut block = [0; BLOCK];
        while left > 0 {
            let part = &mut block[..usize::try_from(left).map_or(BLOCK, |left| left.min(BLOCK))];
            self.read_all(part)?;
            body.try_reserve(part.len()).map_err(|_| NoRoom)?;
            body.extend_from_slice(part);
            left -= part.len() as u64;
        }
        self.skip_padding(padding(size))?;
        Ok(body)
    }

    fn member(
        &mut self,
        header: &Header,
        block: &tar::Header,
        approach: &Approach,
    ) -> Result<Member> {
        let Merged {
            mut member,
            map,
            real_size,
            passed_over,
        } = merge(header, &approach.overrides)?;
        member.offset = approach.start.unwrap_or_default();
        let stated = member.stored();
        let (mut stored, padding) = (stated, padding(stated.max(passed_over)));
        let extents = match map {
            Map::None => None,
            Map::Old => Some(self.old_map(block)?),
            Map::Records(extents) => Some(extents),
            Map::Leading => Some(self.leading_map(&mut stored)?),
        };
        if let Some(extents) = extents {
            let extents = Extents::sparse(extents, real_size.unwrap_or(stated))?;
            if extents.stored() != stored {
                return Err(Refusal::SparseTotal.into());
            }
            member.kind = MemberKind::Regular(extents);
        }
        (self.remaining, self.passed_over, self.padding) = (stored, passed_over, padding);
        if matches!(member.kind, MemberKind::HardLink { .. }) && passed_over > 0 {
            let pax = approach.overrides.records.iter().next().is_some();
            self.find_link_data(pax)?;
        }
        self.name.clone_from(&member.path);
        Ok(member)
    }

    /// Finds out whether the hard link that states a size has that much data, which POSIX allows since 2001, or none, as
    /// before: what follows is the next header, or data. A copy of a header among the data is taken for a header, as by
    /// most readers.
    fn find_link_data(&mut self, pax: bool) -> Result<()> {
        let (stated, padding) = (self.passed_over, self.padding);
        (self.passed_over, self.padding) = (0, 0);
        let Some(block) = self.block()? else {
            return Ok(());
        };
        if header::is_zero(&block) {
            if pax {
                return Err(Refusal::LinkData.into());
            }
            self.ahead = Some(block);
        } else if header::is_header(&block) {
            self.ahead = Some(block);
        } else if let Some(rest) = stated.checked_sub(BLOCK as u64) {
            (self.passed_over, self.padding) = (rest, padding);
        }
        Ok(())
    }

    /// The map of an old GNU sparse file, which goes on in blocks after the header.
    fn old_map(&mut self, block: &tar::Header) -> Result<Vec<Extent>> {
        let gnu = block.as_gnu().ok_or(Refusal::StarSparse)?;
        let mut extents = Vec::new();
        sparse::read_old(&gnu.sparse, &mut extents)?;
        let mut extended = gnu.isextended[0] != 0;
        let mut read = 0;
        while extended {
            read += BLOCK as u64;
            if read > SPECIAL_MAX {
                return Err(Refusal::SparseMapTooLong.into());
            }
            let mut extension = tar::GnuExtSparseHeader::new();
            self.read_all(extension.as_mut_bytes())?;
            sparse::read_old(extension.sparse(), &mut extents)?;
            extended = extension.isextended[0] != 0;
        }
        Ok(extents)
    }

    /// The map in front of the data; `stored` is reduced to the data itself.
    fn leading_map(&mut self, stored: &mut u64) -> Result<Vec<Extent>> {
        let mut map = MapReader::default();
        let mut block = [0; BLOCK];
        loop {
            *stored = stored.checked_sub(BLOCK as u64).ok_or(Refusal::SparseMap)?;
            self.read_all(&mut block)?;
            if map.feed(&block)? {
                return Ok(map.into_extents());
            }
        }
    }

    /// Fills the buffer, or the stream is cut short.
    fn read_all(&mut self, buffer: &mut [u8]) -> Result<()> {
        if self.read_up_to(buffer)? < buffer.len() {
            Err(self.cut_short())
        } else {
            Ok(())
        }
    }

    /// Fills the buffer as far as the stream goes.
    fn read_up_to(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.read(&mut buffer[filled..])? {
                0 => break,
                count => filled += count,
            }
        }
        Ok(filled)
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        loop {
            match self.source.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.io_error(error)),
                Ok(count) => {
                    self.position = self.position.saturating_add(count as u64);
                    return Ok(count);
                }
            }
        }
    }

    fn io_error(&self, error: io::Error) -> Error {
        // A decoder below has its own word for a stream that ends too early.
        if error.kind() == io::ErrorKind::UnexpectedEof && error.get_ref().is_none() {
            return self.cut_short();
        }
        Error::io("read the archive", error).at_offset(self.position)
    }

    fn cut_short(&self) -> Error {
        let refusal = if self.position < BLOCK as u64 {
            Refusal::NoHeader
        } else {
            Refusal::CutShort
        };
        Error::from(refusal).at_offset(self.position)
    }
}

/// A global header may say what concerns no member: a comment, GNU's name of the archive, and what star, which begins all
/// of its pax archives so, tells of itself and of the volume.
fn check_global(records: &Records) -> Result<(), Refusal> {
    const ARCHIVE: [&[u8]; 4] = [
        b"comment",
        b"GNU.volume.label",
        b"SCHILY.archtype",
        b"SCHILY.release",
    ];
    let says = |key: &&[u8]| !ARCHIVE.contains(key) && !key.starts_with(b"SCHILY.volhdr.");
    match records.iter().map(|(key, _)| key).find(says) {
        Some(key) => Err(Refusal::Global(key.to_vec())),
        None => Ok(()),
    }
}

/// What is left of the current member's stored data: for a sparse file its extents alone, one after the other.
///
/// Reading ends with the member. A stream that ends before it is an error of kind malformed.
#[derive(Debug)]
pub(crate) struct Data<'a, S> {
    reader: &'a mut Reader<S>,
}

impl<S> Data<'_, S> {
    /// The source, whose next bytes are this data, [`Member::stored`] in all. Whoever takes some of them says so
    /// with [`consumed`](Self::consumed).
    pub(crate) fn source(&mut self) -> &mut S {
        &mut self.reader.source
    }

    /// Says that `bytes` bytes were taken from the source. More than remain leave the reader without a next member.
    pub(crate) fn consumed(&mut self, bytes: u64) {
        let reader = &mut *self.reader;
        if bytes > reader.remaining {
            reader.state = State::Failed;
        }
        reader.remaining = reader.remaining.saturating_sub(bytes);
        reader.position = reader.position.saturating_add(bytes);
    }
}

impl<S: Source> Read for Data<'_, S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.reader.remaining).unwrap_or(usize::MAX);
        let part = buffer.len().min(left);
        if part == 0 {
            return Ok(0);
        }
        let count = self.reader.read(&mut buffer[..part])?;
        if count == 0 {
            return Err(self.reader.cut_short().into());
        }
        self.reader.remaining -= count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests;
