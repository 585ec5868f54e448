//! `deleted.files`: a JSON array of the paths that a container deleted from its image.
//!
//! Paths are bytes and JSON text is Unicode. Bytes that are not UTF-8 stand in the strings as they are: readers that
//! know nothing of it see what they would have seen anyway, and this one gets every path back exactly.

#![forbid(unsafe_code)]

#[cfg(test)]
mod tests;

use nix::errno::Errno;

use crate::budget::{NoRoom, push};
use crate::error::{self, Kind, Result};

/// The most paths that are read from one list; each takes memory to the end of the removal.
const MAX_PATHS: usize = 4_000_000;

/// How many bytes stand for one of a path at most.
const LONGEST_ESCAPE: usize = 6;
/// How many stand around a path, and at the end.
const AROUND: usize = 16;

/// Why a list is refused. The numbers are bytes from its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Refusal {
    /// The list ends within a value: the deletions behind it are lost.
    #[error("the JSON text ends early, at byte {0}")]
    Truncated(usize),
    /// The text breaks JSON's grammar, or goes on behind its end.
    #[error("not JSON at byte {0}")]
    Syntax(usize),
    /// Some other value stands where an array, or a string in it, is expected.
    #[error("not an array of strings at byte {0}")]
    Type(usize),
    /// No path has a NUL: cut there, the path would name another file.
    #[error("a NUL in the path at byte {0}")]
    Nul(usize),
    /// A small file would take a multiple of its size in memory.
    #[error("more than {MAX_PATHS} paths")]
    TooMany,
    /// The caller has less memory than the list takes.
    #[error(transparent)]
    Room(#[from] NoRoom),
}

impl error::Refusal for Refusal {
    fn kind(&self) -> Kind {
        match self {
            Self::TooMany => Kind::Limit,
            Self::Truncated(_) | Self::Syntax(_) | Self::Type(_) | Self::Nul(_) => Kind::Malformed,
            Self::Room(none) => none.kind(),
        }
    }

    fn errno(&self) -> Errno {
        match self {
            Self::Room(none) => none.errno(),
            _ => self.kind().errno(),
        }
    }
}

/// Many paths in little memory: one after the other, without an allocation for each.
#[derive(Debug, Default)]
pub(super) struct Paths {
    bytes: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
}

impl Paths {
    pub(super) fn push(&mut self, path: &[u8]) -> Result<(), NoRoom> {
        self.bytes.try_reserve(path.len()).map_err(|_| NoRoom)?;
        self.bytes.extend_from_slice(path);
        push(&mut self.ends, self.bytes.len())
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The path of this number; of a number that no path has, an empty one.
    pub(super) fn get(&self, number: usize) -> &[u8] {
        let end = |number: usize| self.ends.get(number).copied().unwrap_or_default();
        let start = number.checked_sub(1).map_or(0, end);
        self.bytes.get(start..end(number)).unwrap_or_default()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).map(|number| self.get(number))
    }
}

/// The paths of a list, in its order. They take the place of the text, so that a list of millions of short names costs
/// its own size and a number for each.
///
/// `null` for the list is an empty one, `null` for a path an empty path. Bytes that are not UTF-8 are kept; an escaped
/// surrogate without its other half becomes U+FFFD.
///
/// # Errors
///
/// [`Kind::Malformed`] for what is not a JSON array of strings, byte order mark and empty text included, and for a path
/// with a NUL; [`Kind::Limit`] for more than 4 million paths. The message repeats nothing of the content.
pub(super) fn parse(json: Vec<u8>) -> Result<Paths> {
    Ok(parse_at_most(MAX_PATHS, json)?)
}

fn parse_at_most(limit: usize, json: Vec<u8>) -> Result<Paths, Refusal> {
    let mut text = Text {
        json,
        at: 0,
        written: 0,
    };
    let ends = text.list(limit)?;
    text.skip_space();
    if text.at < text.json.len() {
        return Err(Refusal::Syntax(text.at));
    }
    let Text {
        json: mut bytes,
        written,
        ..
    } = text;
    bytes.truncate(written);
    Ok(Paths { bytes, ends })
}

/// A list as JSON: two spaces of indentation, no newline at the end. What would be special in HTML or a script (`<`,
/// `>`, `&`, U+2028, U+2029) is escaped, as the engines' own writers do. [`parse`] gives the same paths back.
pub(crate) fn encode<'a>(paths: impl Iterator<Item = &'a [u8]>) -> Result<Vec<u8>, NoRoom> {
    let mut json = vec![b'['];
    for (n, path) in paths.enumerate() {
        let most = path.len().saturating_mul(LONGEST_ESCAPE) + AROUND;
        json.try_reserve(most).map_err(|_| NoRoom)?;
        json.extend_from_slice(if n == 0 { b"\n  \"" } else { b",\n  \"" });
        for chunk in path.utf8_chunks() {
            for c in chunk.valid().chars() {
                encode_char(&mut json, c);
            }
            json.extend_from_slice(chunk.invalid());
        }
        json.push(b'"');
    }
    json.extend_from_slice(if json.len() == 1 { b"]" } else { b"\n]" });
    Ok(json)
}

fn encode_char(json: &mut Vec<u8>, c: char) {
    let short = match c {
        '"' | '\\' => c,
        '\n' => 'n',
        '\r' => 'r',
        '\t' => 't',
        '\u{8}' => 'b',
        '\u{c}' => 'f',
        '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
            json.extend_from_slice(format!("\\u{:04x}", u32::from(c)).as_bytes());
            return;
        }
        _ => {
            json.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            return;
        }
    };
    json.push(b'\\');
    json.extend_from_slice(short.encode_utf8(&mut [0; 4]).as_bytes());
}

/// A JSON text and how far it is read. What is read is no deeper than a string in an array, so nothing recurses.
///
/// The paths are written over the text that was read: none is longer than what spells it.
struct Text {
    json: Vec<u8>,
    at: usize,
    /// How many bytes of paths there are at the beginning, never more than were read.
    written: usize,
}

impl Text {
    /// Reads the list; where each of its paths ends.
    fn list(&mut self, limit: usize) -> Result<Vec<usize>, Refusal> {
        let mut ends = Vec::new();
        self.skip_space();
        if self.peek()? != b'[' {
            return self.null().map(|()| ends);
        }
        self.at += 1;
        self.skip_space();
        if self.peek()? == b']' {
            self.at += 1;
            return Ok(ends);
        }
        loop {
            self.skip_space();
            self.path()?;
            if ends.len() == limit {
                return Err(Refusal::TooMany);
            }
            push(&mut ends, self.written)?;
            self.skip_space();
            match self.next()? {
                b',' => {}
                b']' => return Ok(ends),
                _ => return Err(Refusal::Syntax(self.at - 1)),
            }
        }
    }

    fn path(&mut self) -> Result<(), Refusal> {
        let start = self.at;
        if self.peek()? != b'"' {
            return self.null();
        }
        self.at += 1;
        let first = self.written;
        loop {
            match self.next()? {
                b'"' => break,
                b'\\' => self.escape()?,
                0..0x20 => return Err(Refusal::Syntax(self.at - 1)),
                byte => self.write(&[byte]),
            }
        }
        if self.json[first..self.written].contains(&0) {
            Err(Refusal::Nul(start))
        } else {
            Ok(())
        }
    }

    /// Adds to the path that is being read.
    fn write(&mut self, bytes: &[u8]) {
        let end = self.written + bytes.len();
        if let Some(place) = self.json.get_mut(self.written..end) {
            place.copy_from_slice(bytes);
            self.written = end;
        }
    }

    /// Reads an escape behind its backslash.
    fn escape(&mut self) -> Result<(), Refusal> {
        let byte = match self.next()? {
            byte @ (b'"' | b'\\' | b'/') => byte,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'b' => 8,
            b'f' => 12,
            b'u' => {
                let c = self.escaped_char()?;
                self.write(c.encode_utf8(&mut [0; 4]).as_bytes());
                return Ok(());
            }
            _ => return Err(Refusal::Syntax(self.at - 1)),
        };
        self.write(&[byte]);
        Ok(())
    }

    /// Reads the character of a `\u` escape behind its `u`: one unit of UTF-16, or two that are a pair.
    fn escaped_char(&mut self) -> Result<char, Refusal> {
        let first = self.unit()?;
        if matches!(first, 0xd800..=0xdbff)
            && self
                .json
                .get(self.at..)
                .is_some_and(|rest| rest.starts_with(b"\\u"))
        {
            let behind_first = self.at;
            self.at += 2;
            let second = self.unit()?;
            if let Some(Ok(c)) = char::decode_utf16([first, second]).next() {
                return Ok(c);
            }
            self.at = behind_first;
        }
        Ok(char::from_u32(first.into()).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn unit(&mut self) -> Result<u16, Refusal> {
        let mut unit = 0;
        for _ in 0..4 {
            let digit = char::from(self.next()?)
                .to_digit(16)
                .ok_or(Refusal::Syntax(self.at - 1))?;
            unit = unit << 4 | u16::try_from(digit).unwrap_or_default();
        }
        Ok(unit)
    }

    /// Reads `null`, the one value besides a list or a path that may stand for it.
    fn null(&mut self) -> Result<(), Refusal> {
        let rest = self.json.get(self.at..).unwrap_or_default();
        if rest.starts_with(b"null") {
            self.at += 4;
            return Ok(());
        }
        Err(match rest.first() {
            Some(b'[' | b'{' | b'"' | b't' | b'f' | b'-' | b'0'..=b'9') => Refusal::Type(self.at),
            _ if b"null".starts_with(rest) => Refusal::Truncated(self.json.len()),
            _ => Refusal::Syntax(self.at),
        })
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.json.get(self.at) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Result<u8, Refusal> {
        self.json
            .get(self.at)
            .copied()
            .ok_or(Refusal::Truncated(self.at))
    }

    fn next(&mut self) -> Result<u8, Refusal> {
        let byte = self.peek()?;
        self.at += 1;
        Ok(byte)
    }
}
