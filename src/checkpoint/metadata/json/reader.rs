//! Reading values into fields, by the rules of the engines' own readers.

#![forbid(unsafe_code)]

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::str::FromStr;

use super::refusal::{Position, Refusal};
use super::{Shape, Value};

/// How many strings of lists and maps are held of one document; larger things count as several. A command line has no
/// more arguments by default (2 MiB, of which each takes ten bytes or more), and a cluster allows 256 KiB of annotations
/// for a whole pod. With this many, the largest kind of entry takes some forty mebibytes.
const MAX_ENTRIES: usize = 250_000;

/// As how many strings an entry counts that holds a map of its own.
pub(crate) const NESTED: usize = 8;

/// Reads the values of one document.
///
/// The rules, where two readers of one document must see the same: keys of known fields match without regard to case,
/// keys of maps exactly. The last of several wins, but what it doesn't name stays: a map is added to, an object's fields
/// and a list's elements are read over those that are there. `null` leaves texts, numbers and objects as they are and
/// empties lists and maps. Numbers of whole-numbered fields have neither fraction nor exponent.
pub(crate) struct Reader<'t> {
    text: &'t str,
    /// Where in the text its outermost value begins.
    outermost: usize,
    entries_left: usize,
}

impl<'t> Reader<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Reader {
            text,
            outermost: Value::outermost(text).at(),
            entries_left: MAX_ENTRIES,
        }
    }

    /// Calls `each` for every member of the object whose key is one of `keys`, with the key as it is there.
    pub(crate) fn fields(
        &mut self,
        field: &'static str,
        value: Value<'_>,
        keys: &[&'static str],
        mut each: impl FnMut(&mut Self, &'static str, Value<'_>) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        if !self.is(field, value, Shape::Object)? {
            return Ok(());
        }
        for (key, value) in value.members() {
            let Some(key) = key.string() else { continue };
            if let Some(&key) = keys.iter().find(|known| same_key(&key, known)) {
                each(self, key, value)?;
            }
        }
        Ok(())
    }

    /// Calls `each` for every member of the object, which counts as `weight` strings.
    pub(crate) fn entries(
        &mut self,
        field: &'static str,
        weight: usize,
        value: Value<'_>,
        mut each: impl FnMut(&mut Self, String, Value<'_>) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        if !self.is(field, value, Shape::Object)? {
            return Ok(());
        }
        for (key, value) in value.members() {
            self.count(field, weight)?;
            each(
                self,
                key.string().map(Cow::into_owned).unwrap_or_default(),
                value,
            )?;
        }
        Ok(())
    }

    /// Reads the array's elements, each with `each`, over those of `list`.
    pub(crate) fn list<T: Default>(
        &mut self,
        field: &'static str,
        list: &mut Vec<T>,
        value: Value<'_>,
        mut each: impl FnMut(&mut Self, &mut T, Value<'_>) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        if !self.is(field, value, Shape::List)? {
            list.clear();
            return Ok(());
        }
        let mut read = 0;
        // A vector may be twice as long as what is in it, so a large element weighs more than its size says.
        let weight = 1 + size_of::<T>() / 64;
        for element in value.elements() {
            self.count(field, weight)?;
            if read == list.len() {
                list.push(T::default());
            }
            if let Some(item) = list.get_mut(read) {
                each(self, item, element)?;
            }
            read += 1;
        }
        list.truncate(read);
        Ok(())
    }

    /// Reads an array of strings.
    pub(crate) fn texts(
        &mut self,
        field: &'static str,
        list: &mut Vec<String>,
        value: Value<'_>,
    ) -> Result<(), Refusal> {
        self.list(field, list, value, |reader, item, value| {
            reader.text(field, item, value)
        })
    }

    /// Reads an object of strings. A member that is `null` is an empty string.
    pub(crate) fn map(
        &mut self,
        field: &'static str,
        map: &mut BTreeMap<String, String>,
        value: Value<'_>,
    ) -> Result<(), Refusal> {
        if value.is_null() {
            map.clear();
        }
        self.entries(field, 1, value, |reader, key, value| {
            let mut text = String::new();
            reader.text(field, &mut text, value)?;
            map.insert(key, text);
            Ok(())
        })
    }

    /// Reads a string.
    pub(crate) fn text(
        &mut self,
        field: &'static str,
        text: &mut String,
        value: Value<'_>,
    ) -> Result<(), Refusal> {
        if self.is(field, value, Shape::Text)? {
            let string = value.string().ok_or_else(|| self.wrong(field, value))?;
            *text = string.into_owned();
        }
        Ok(())
    }

    /// Reads a string that `fits`, as the one that is there does.
    pub(crate) fn text_if(
        &mut self,
        field: &'static str,
        text: &mut String,
        value: Value<'_>,
        fits: impl FnOnce(&str) -> bool,
    ) -> Result<(), Refusal> {
        let mut read = text.clone();
        self.text(field, &mut read, value)?;
        if !fits(&read) {
            return Err(self.wrong(field, value));
        }
        *text = read;
        Ok(())
    }

    /// Reads a number, or a truth value.
    pub(crate) fn plain<T: FromStr>(
        &mut self,
        field: &'static str,
        target: &mut T,
        value: Value<'_>,
    ) -> Result<(), Refusal> {
        if !value.is_null() {
            // What a string or a list is written as is no number and no truth value.
            *target = value.raw().parse().map_err(|_| self.wrong(field, value))?;
        }
        Ok(())
    }

    /// The refusal of a value that isn't as `field` wants it.
    pub(crate) fn wrong(&self, field: &'static str, value: Value<'_>) -> Refusal {
        let place = self.place(value);
        Refusal::Value { field, place }
    }

    /// Whether there is a value; a refusal if it is of another shape.
    fn is(&self, field: &'static str, value: Value<'_>, wanted: Shape) -> Result<bool, Refusal> {
        match value.shape() {
            Shape::Null => Ok(false),
            found if found == wanted => Ok(true),
            _ if value.at() == self.outermost => {
                let place = self.place(value);
                Err(Refusal::Outermost { wanted, place })
            }
            _ => Err(self.wrong(field, value)),
        }
    }

    fn count(&mut self, field: &'static str, weight: usize) -> Result<(), Refusal> {
        match self.entries_left.checked_sub(weight) {
            Some(left) => self.entries_left = left,
            None => return Err(Refusal::TooManyEntries { field }),
        }
        Ok(())
    }

    fn place(&self, value: Value<'_>) -> Position {
        let before = self.text.as_bytes().get(..value.at()).unwrap_or_default();
        let line_start = before.iter().rposition(|&byte| byte == b'\n');
        Position {
            line: before.iter().filter(|&&byte| byte == b'\n').count() + 1,
            column: value.at() - line_start.map_or(0, |newline| newline + 1) + 1,
        }
    }
}

/// Whether `key` is `name` without regard to case. Two letters outside of ASCII fold to ASCII ones: the long s and the
/// Kelvin sign.
pub(crate) fn same_key(key: &str, name: &str) -> bool {
    let fold = |c: char| match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        _ => c.to_ascii_lowercase(),
    };
    key.chars().map(fold).eq(name.chars().map(fold))
}
