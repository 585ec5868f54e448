//! One way of reading JSON for all documents of a checkpoint: as the engines' own readers do.
//!
//! The text is checked as a whole first ([`Document`]), without recursion, and then read where it stands ([`Value`],
//! [`Reader`]), without a tree of it: what isn't asked for costs no memory. serde checks, and reads numbers and strings; its
//! derived readers decide otherwise than the engines' where a key is there twice, in other letters, or `null`.

#![forbid(unsafe_code)]

mod reader;
mod refusal;
mod value;
mod writer;

use std::fmt;

use serde::de::{Deserialize as _, IgnoredAny};
use serde_json::error::Category;

pub(crate) use reader::{NESTED, Reader, same_key};
pub(crate) use refusal::{Position, Refusal};
pub(crate) use value::{Members, Shape, Value};
pub(crate) use writer::Writer;

/// How deep arrays and objects may be nested, as in the engines' own readers: what one of them refuses, none takes.
pub(crate) const MAX_DEPTH: usize = 10_000;

/// How long the escape of one UTF-16 unit is: `\uXXXX`.
const ESCAPE_LEN: usize = 6;

/// A well-formed JSON text. It takes no more than four times the bytes that it was read from.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Document {
    /// What is read.
    text: String,
    /// The bytes as they came, where they are not those of `text`.
    original: Option<Vec<u8>>,
}

/// Bytes that are no document, and why.
#[derive(Clone)]
pub(crate) struct Unreadable {
    pub(crate) bytes: Vec<u8>,
    pub(crate) why: Refusal,
}

impl Document {
    /// Takes exactly one JSON value with whitespace around it. Bytes that are not UTF-8, each for itself, and lone
    /// surrogates become U+FFFD.
    pub(crate) fn new(bytes: Vec<u8>) -> Result<Self, Unreadable> {
        let document = Document::repaired(bytes);
        match check(&document.text) {
            Ok(()) => Ok(document),
            Err(why) => Err(Unreadable {
                bytes: document.into_original(),
                why,
            }),
        }
    }

    fn repaired(bytes: Vec<u8>) -> Self {
        match String::from_utf8(bytes) {
            Ok(text) => match without_lone_surrogates(&text) {
                Some(repaired) => Document {
                    text: repaired,
                    original: Some(text.into_bytes()),
                },
                None => Document {
                    text,
                    original: None,
                },
            },
            Err(error) => {
                let bytes = error.into_bytes();
                let text = to_utf8(&bytes);
                Document {
                    text: without_lone_surrogates(&text).unwrap_or(text),
                    original: Some(bytes),
                }
            }
        }
    }

    /// The outermost value.
    pub(crate) fn root(&self) -> Value<'_> {
        Value::outermost(&self.text)
    }

    /// For reading this document's values.
    pub(crate) fn reader(&self) -> Reader<'_> {
        Reader::new(&self.text)
    }

    /// The bytes as they came.
    pub(crate) fn original(&self) -> &[u8] {
        match &self.original {
            Some(bytes) => bytes,
            None => self.text.as_bytes(),
        }
    }

    pub(crate) fn into_original(self) -> Vec<u8> {
        self.original.unwrap_or_else(|| self.text.into_bytes())
    }
}

impl Default for Document {
    /// `null`, from which every document reads as an empty one.
    fn default() -> Self {
        Document {
            text: "null".to_owned(),
            original: None,
        }
    }
}

impl fmt::Debug for Document {
    /// The length alone: a specification's environment holds secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Document({} bytes)", self.original().len())
    }
}

/// Whether `text` is one JSON value that isn't nested too deep.
fn check(text: &str) -> Result<(), Refusal> {
    if is_too_deep(text) {
        return Err(Refusal::TooDeep);
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    // A value that nobody asks for is read without recursion.
    let read = IgnoredAny::deserialize(&mut reader).and_then(|_| reader.end());
    read.map_err(|error| {
        let place = Position {
            line: error.line(),
            column: error.column(),
        };
        match error.classify() {
            Category::Eof => Refusal::CutShort(place),
            _ => Refusal::Syntax(place),
        }
    })
}

/// Whether arrays and objects are nested too deep, as far as brackets outside of strings tell.
fn is_too_deep(json: &str) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => depth += 1,
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return true;
        }
    }
    false
}

/// The same bytes with U+FFFD for each that is not UTF-8.
pub(crate) fn to_utf8(bytes: &[u8]) -> String {
    let replacement = char::REPLACEMENT_CHARACTER;
    let len = bytes
        .utf8_chunks()
        .map(|chunk| chunk.valid().len() + chunk.invalid().len() * replacement.len_utf8())
        .sum();
    // Not grown while it is filled: that would take up to twice as much.
    let mut text = String::with_capacity(len);
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| replacement));
    }
    text
}

/// `text` with `\ufffd` for each `\uXXXX` that is half of a surrogate pair without its other half; nothing if it has
/// none. A backslash outside of a string is an error wherever it stands, so strings needn't be told from the rest.
fn without_lone_surrogates(text: &str) -> Option<String> {
    let mut repaired: Option<String> = None;
    let (mut copied, mut at) = (0, 0);
    while let Some(backslash) = text
        .as_bytes()
        .get(at..)
        .and_then(|rest| rest.iter().position(|&byte| byte == b'\\'))
    {
        at += backslash;
        at += match (escaped_unit(text, at), escaped_unit(text, at + ESCAPE_LEN)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 2 * ESCAPE_LEN,
            (Some(0xd800..=0xdfff), _) => {
                // What takes an escape's place is as long as the escape.
                let repaired = repaired.get_or_insert_with(|| String::with_capacity(text.len()));
                repaired.push_str(text.get(copied..at).unwrap_or_default());
                repaired.push_str("\\ufffd");
                copied = at + ESCAPE_LEN;
                ESCAPE_LEN
            }
            (Some(_), _) => ESCAPE_LEN,
            // Another escape: the character behind the backslash begins none.
            (None, _) => 2,
        };
    }
    repaired.map(|mut repaired| {
        repaired.push_str(text.get(copied..).unwrap_or_default());
        repaired
    })
}

/// The UTF-16 unit that `\uXXXX` at byte `at` stands for, if there is one.
fn escaped_unit(text: &str, at: usize) -> Option<u16> {
    let digits = text.get(at..at + ESCAPE_LEN)?.strip_prefix("\\u")?;
    // from_str_radix would take a sign.
    digits
        .bytes()
        .all(|digit| digit.is_ascii_hexdigit())
        .then(|| u16::from_str_radix(digits, 16).ok())?
}
