//! Writing JSON that a person reads.

#![forbid(unsafe_code)]

use std::fmt::{self, Write as _};

use super::Value;
use super::value::length;

/// How many times longer than itself a copied value may become by indentation, and how many bytes besides. A value that
/// nests deep in few bytes would grow without bound; it is written on one line instead.
const GROWTH: usize = 4;
const SLACK: usize = 4096;

/// Writes one JSON value, indented by two spaces. Characters that a terminal would obey or hide are escaped.
#[derive(Default)]
pub(crate) struct Writer {
    out: String,
    depth: usize,
    /// Whether the object or array that is being written has a member yet.
    begun: bool,
}

impl Writer {
    /// What was written.
    pub(crate) fn finish(self) -> String {
        self.out
    }

    /// Writes an object, with the members that `fill` writes.
    pub(crate) fn object(&mut self, fill: impl FnOnce(&mut Self)) {
        self.nest('{', fill, '}');
    }

    /// Writes an array of `items`, each with `write`.
    pub(crate) fn list<T>(
        &mut self,
        items: impl IntoIterator<Item = T>,
        mut write: impl FnMut(&mut Self, T),
    ) {
        let fill = |writer: &mut Self| {
            for item in items {
                writer.next_line();
                write(writer, item);
            }
        };
        self.nest('[', fill, ']');
    }

    /// Begins a member of an object; its value is to be written next.
    pub(crate) fn key(&mut self, key: &str) -> &mut Self {
        self.next_line();
        self.text(key);
        self.out.push_str(": ");
        self
    }

    pub(crate) fn text(&mut self, text: &str) {
        // A string is always JSON.
        let json = serde_json::to_string(text).unwrap_or_default();
        self.visibly(&json);
    }

    /// Writes a text, `null` if there is none.
    pub(crate) fn text_or_null(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.text(text),
            None => self.null(),
        }
    }

    pub(crate) fn null(&mut self) {
        self.out.push_str("null");
    }

    /// Writes a number or a truth value.
    pub(crate) fn plain(&mut self, value: impl fmt::Display) {
        // Writing to a String doesn't fail.
        let _ = write!(self.out, "{value}");
    }

    /// Writes what stands in another text: the same members in the same order, repeated ones too, and numbers and
    /// escapes as they are there.
    pub(crate) fn copy(&mut self, value: Value<'_>) {
        let raw = value.raw();
        let (before, depth) = (self.out.len(), self.depth);
        let longest = raw.len().saturating_mul(GROWTH).saturating_add(SLACK);
        if !self.copy_within(raw, Some(before.saturating_add(longest))) {
            self.out.truncate(before);
            self.depth = depth;
            self.copy_within(raw, None);
        }
    }

    /// Copies `raw`, indented if there is a length that must not be exceeded; false if it would be.
    fn copy_within(&mut self, raw: &str, longest: Option<usize>) -> bool {
        let mut rest = raw;
        while let Some(first) = rest.chars().next() {
            let token = match first {
                '{' | '[' | '}' | ']' | ',' | ':' => 1,
                _ if first.is_ascii_whitespace() => 0,
                _ => length(rest.as_bytes()),
            };
            let (token, after) = rest.split_at_checked(token).unwrap_or((rest, ""));
            rest = after.trim_ascii_start();
            self.copy_token(token, rest, longest.is_some());
            if longest.is_some_and(|longest| self.out.len() > longest) {
                return false;
            }
        }
        true
    }

    fn copy_token(&mut self, token: &str, rest: &str, indented: bool) {
        match token {
            "{" | "[" => {
                self.out.push_str(token);
                self.depth += 1;
                if indented && !rest.starts_with(['}', ']']) {
                    self.indent();
                }
            }
            "}" | "]" => {
                self.depth = self.depth.saturating_sub(1);
                if indented && !self.out.ends_with(['{', '[']) {
                    self.indent();
                }
                self.out.push_str(token);
            }
            "," => {
                self.out.push(',');
                if indented {
                    self.indent();
                }
            }
            ":" => self.out.push_str(if indented { ": " } else { ":" }),
            _ => self.visibly(token),
        }
    }

    fn nest(&mut self, open: char, fill: impl FnOnce(&mut Self), close: char) {
        self.out.push(open);
        self.depth += 1;
        self.begun = false;
        fill(self);
        self.depth -= 1;
        if self.begun {
            self.indent();
        }
        self.begun = true;
        self.out.push(close);
    }

    /// Begins the line of a member or an element.
    fn next_line(&mut self) {
        if self.begun {
            self.out.push(',');
        }
        self.indent();
        self.begun = true;
    }

    fn indent(&mut self) {
        self.out.push('\n');
        self.out.extend(std::iter::repeat_n("  ", self.depth));
    }

    /// Writes a piece of JSON, with escapes for the characters in it that don't print. Those stand in strings alone.
    fn visibly(&mut self, json: &str) {
        for c in json.chars() {
            let prints = match c {
                ' '..='~' => true,
                '\u{0}'..='\u{7f}' => false,
                _ => c.escape_debug().len() == 1,
            };
            if prints {
                self.out.push(c);
                continue;
            }
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a String doesn't fail.
                let _ = write!(self.out, "\\u{unit:04x}");
            }
        }
    }
}
