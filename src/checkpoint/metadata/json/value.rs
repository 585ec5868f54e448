//! Where values stand in a JSON text that has been checked.

#![forbid(unsafe_code)]

use std::borrow::Cow;
use std::fmt;

/// One value of a text that [`Document`](super::Document) has checked: nothing here looks for mistakes, and a text with
/// some would give other values, but no panic.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Value<'t> {
    text: &'t str,
    /// Where in the whole text it begins.
    at: usize,
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Null,
    Boolean,
    Number,
    Text,
    List,
    Object,
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Shape::Null => "null",
            Shape::Boolean => "a truth value",
            Shape::Number => "a number",
            Shape::Text => "a string",
            Shape::List => "a JSON array",
            Shape::Object => "a JSON object",
        })
    }
}

impl<'t> Value<'t> {
    /// The only value that isn't in another one.
    pub(super) fn outermost(text: &'t str) -> Self {
        let mut scanner = Scanner { text, base: 0 };
        scanner.next().unwrap_or(Value { text: "", at: 0 })
    }

    pub(crate) fn shape(self) -> Shape {
        match self.text.as_bytes().first() {
            Some(b'{') => Shape::Object,
            Some(b'[') => Shape::List,
            Some(b'"') => Shape::Text,
            Some(b't' | b'f') => Shape::Boolean,
            Some(b'-' | b'0'..=b'9') => Shape::Number,
            _ => Shape::Null,
        }
    }

    pub(crate) fn is_null(self) -> bool {
        self.shape() == Shape::Null
    }

    /// The value as it stands in the text, without the whitespace around it.
    pub(crate) fn raw(self) -> &'t str {
        self.text
    }

    /// Where in the whole text it begins, in bytes.
    pub(crate) fn at(self) -> usize {
        self.at
    }

    /// What a string says.
    pub(crate) fn string(self) -> Option<Cow<'t, str>> {
        let inner = self.text.strip_prefix('"')?.strip_suffix('"')?;
        if inner.contains('\\') {
            serde_json::from_str(self.text).ok().map(Cow::Owned)
        } else {
            Some(Cow::Borrowed(inner))
        }
    }

    /// The elements of an array, in order; of anything else none.
    pub(crate) fn elements(self) -> Elements<'t> {
        Elements(self.inside('['))
    }

    /// The members of an object, in order; of anything else none.
    pub(crate) fn members(self) -> Members<'t> {
        Members(self.inside('{'))
    }

    fn inside(self, bracket: char) -> Scanner<'t> {
        Scanner {
            text: self.text.strip_prefix(bracket).unwrap_or_default(),
            base: self.at + 1,
        }
    }
}

/// The elements of an array.
#[derive(Clone, Debug)]
pub(crate) struct Elements<'t>(Scanner<'t>);

impl<'t> Iterator for Elements<'t> {
    type Item = Value<'t>;

    fn next(&mut self) -> Option<Value<'t>> {
        self.0.next()
    }
}

/// The keys and values of an object.
#[derive(Clone, Debug)]
pub(crate) struct Members<'t>(Scanner<'t>);

impl<'t> Iterator for Members<'t> {
    type Item = (Value<'t>, Value<'t>);

    fn next(&mut self) -> Option<(Value<'t>, Value<'t>)> {
        Some((self.0.next()?, self.0.next()?))
    }
}

/// The values from some place on, up to the bracket that closes what they are in.
#[derive(Clone, Debug)]
struct Scanner<'t> {
    text: &'t str,
    /// Where in the whole text `text` begins.
    base: usize,
}

impl<'t> Scanner<'t> {
    fn next(&mut self) -> Option<Value<'t>> {
        // What stands between two values was checked, and tells nothing.
        let between = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b',' | b':');
        let start = self.text.bytes().position(|byte| !between(&byte))?;
        let rest = self.text.get(start..)?;
        let len = length(rest.as_bytes());
        let (text, after) = rest.split_at_checked(len)?;
        let at = self.base + start;
        (self.text, self.base) = (after, at + len);
        (len > 0).then_some(Value { text, at })
    }
}

/// How many bytes the value takes that `bytes` begins with; 0 if there is none.
pub(super) fn length(bytes: &[u8]) -> usize {
    match bytes.first() {
        Some(b'"') => string_length(bytes),
        Some(b'{' | b'[') => nested_length(bytes),
        _ => bytes
            .iter()
            .position(|byte| b" \t\r\n,:]}".contains(byte))
            .unwrap_or(bytes.len()),
    }
}

fn string_length(bytes: &[u8]) -> usize {
    let mut at = 1;
    loop {
        match bytes.get(at) {
            Some(b'"') => return at + 1,
            Some(b'\\') => at += 2,
            Some(_) => at += 1,
            None => return bytes.len(),
        }
    }
}

fn nested_length(bytes: &[u8]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    loop {
        match bytes.get(at) {
            Some(b'"') => {
                at += string_length(bytes.get(at..).unwrap_or_default());
                continue;
            }
            Some(b'{' | b'[') => depth += 1,
            Some(b'}' | b']') if depth <= 1 => return at + 1,
            Some(b'}' | b']') => depth -= 1,
            Some(_) => {}
            None => return bytes.len(),
        }
        at += 1;
    }
}
