//! `config.dump`: what an engine wrote about the container when it checkpointed it.

#![forbid(unsafe_code)]

#[cfg(test)]
mod tests;
mod time;

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::error::Category;

use crate::{Error, Kind, Result};

/// The time of an event that didn't happen, as engines write it.
const NO_TIME: &str = "0001-01-01T00:00:00Z";

/// How deep arrays and objects may be nested, as in the engines' own readers: what one of them refuses, none takes.
const MAX_DEPTH: usize = 10_000;

/// The part of `config.dump` that all engines write.
///
/// A text that the file lacks is empty here: engines leave out empty ones. The times are RFC 3339 with up to
/// nanoseconds, as they stand in the file; one that the file lacks is `0001-01-01T00:00:00Z`, which is also what
/// engines write for an event that didn't happen. The texts come from the archive: nothing but their form is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ContainerConfig {
    /// The container's ID (`id`).
    pub id: String,
    /// The container's name (`name`).
    pub name: String,
    /// The image that the root file system comes from (`rootfsImage`).
    pub rootfs_image: String,
    /// The ID of that image (`rootfsImageRef`).
    pub rootfs_image_ref: String,
    /// The name under which that image was asked for (`rootfsImageName`).
    pub rootfs_image_name: String,
    /// The OCI runtime that made the checkpoint, a name or a path (`runtime`).
    pub runtime: String,
    /// When the container was created (`createdTime`).
    pub created_time: String,
    /// When the container was checkpointed (`checkpointedTime`).
    pub checkpointed_time: String,
    /// When the container was last restored (`restoredTime`).
    pub restored_time: String,
    /// Whether the container had been restored from an earlier checkpoint (`restored`).
    pub restored: bool,
}

impl Default for ContainerConfig {
    fn default() -> Self {
        ContainerConfig {
            id: String::new(),
            name: String::new(),
            rootfs_image: String::new(),
            rootfs_image_ref: String::new(),
            rootfs_image_name: String::new(),
            runtime: String::new(),
            created_time: NO_TIME.to_owned(),
            checkpointed_time: NO_TIME.to_owned(),
            restored_time: NO_TIME.to_owned(),
            restored: false,
        }
    }
}

impl ContainerConfig {
    /// Reads the content of a `config.dump`: one JSON object, or `null`, which stands for an empty one.
    ///
    /// Keys are matched without regard to case, the last of several wins, `null` leaves a field as it is, and unknown
    /// keys are passed over however deeply they nest. Bytes that are not UTF-8, each for itself, and lone surrogates
    /// become U+FFFD. That is how engines read the file, which matters where two readers must see the same value.
    ///
    /// # Errors
    ///
    /// [`Kind::Malformed`] for what is not JSON, for a value of another type than its field, and for a time that is not
    /// RFC 3339 (a comma before the fraction and a single digit for the hour pass). The message tells line and column,
    /// counting a byte that is not UTF-8 as three; it repeats nothing of the content.
    pub fn parse(json: &[u8]) -> Result<ContainerConfig> {
        let text = repair(json);
        if is_too_deep(&text) {
            let why = format!("the JSON text is nested deeper than {MAX_DEPTH} levels");
            return Err(Error::new(Kind::Malformed, why));
        }
        let mut config = ContainerConfig::default();
        let mut field = None;
        let mut reader = serde_json::Deserializer::from_str(&text);
        let fields = Fields {
            config: &mut config,
            current: &mut field,
        };
        match fields.deserialize(&mut reader).and_then(|()| reader.end()) {
            Ok(()) => Ok(config),
            Err(error) => Err(malformed(&error, field)),
        }
    }
}

fn malformed(error: &serde_json::Error, field: Option<&str>) -> Error {
    let what = match (error.classify(), field) {
        (Category::Eof, _) => "the JSON text ends early".to_owned(),
        (Category::Data, Some(field)) => format!("{field}: a value of the wrong type or form"),
        (Category::Data, None) => "not a JSON object".to_owned(),
        (Category::Syntax | Category::Io, _) => "not JSON".to_owned(),
    };
    Error::new(
        Kind::Malformed,
        format!("{what} (line {}, column {})", error.line(), error.column()),
    )
}

/// Reads into `config`, and keeps the name of the last known field, for an error that concerns its value.
struct Fields<'a> {
    config: &'a mut ContainerConfig,
    current: &'a mut Option<&'static str>,
}

impl<'de> DeserializeSeed<'de> for Fields<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for Fields<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or null")
    }

    fn visit_none<E: de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        const KEYS: [&str; 10] = [
            "id",
            "name",
            "rootfsImage",
            "rootfsImageRef",
            "rootfsImageName",
            "runtime",
            "createdTime",
            "checkpointedTime",
            "restoredTime",
            "restored",
        ];
        let config = self.config;
        while let Some(key) = map.next_key::<Cow<'_, str>>()? {
            *self.current = KEYS.into_iter().find(|name| same_key(&key, name));
            match *self.current {
                Some("id") => text(&mut config.id, &mut map)?,
                Some("name") => text(&mut config.name, &mut map)?,
                Some("rootfsImage") => text(&mut config.rootfs_image, &mut map)?,
                Some("rootfsImageRef") => text(&mut config.rootfs_image_ref, &mut map)?,
                Some("rootfsImageName") => text(&mut config.rootfs_image_name, &mut map)?,
                Some("runtime") => text(&mut config.runtime, &mut map)?,
                Some("createdTime") => time(&mut config.created_time, &mut map)?,
                Some("checkpointedTime") => time(&mut config.checkpointed_time, &mut map)?,
                Some("restoredTime") => time(&mut config.restored_time, &mut map)?,
                Some("restored") => {
                    config.restored = map.next_value::<Option<bool>>()?.unwrap_or(config.restored);
                }
                // The values of unknown keys may nest as deeply as the file is long; this reads them without recursion.
                _ => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        Ok(())
    }
}

fn text<'de, A: MapAccess<'de>>(field: &mut String, map: &mut A) -> Result<(), A::Error> {
    if let Some(value) = map.next_value()? {
        *field = value;
    }
    Ok(())
}

fn time<'de, A: MapAccess<'de>>(field: &mut String, map: &mut A) -> Result<(), A::Error> {
    if let Some(value) = map.next_value::<Option<String>>()? {
        if !time::is_rfc3339(&value) {
            return Err(de::Error::custom("not an RFC 3339 time"));
        }
        *field = value;
    }
    Ok(())
}

/// Whether `key` is `name` without regard to case. Two letters outside of ASCII fold to ASCII ones: the long s and the
/// Kelvin sign.
fn same_key(key: &str, name: &str) -> bool {
    let fold = |c: char| match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        _ => c.to_ascii_lowercase(),
    };
    key.chars().map(fold).eq(name.chars().map(fold))
}

/// The same JSON text with U+FFFD for each byte that is not UTF-8 and for each escaped lone surrogate.
fn repair(json: &[u8]) -> Cow<'_, str> {
    let text = match str::from_utf8(json) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => {
            let mut text = String::with_capacity(json.len());
            for chunk in json.utf8_chunks() {
                text.push_str(chunk.valid());
                text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
            }
            Cow::Owned(text)
        }
    };
    match without_lone_surrogates(&text) {
        Some(repaired) => Cow::Owned(repaired),
        None => text,
    }
}

/// `text` with `\ufffd` for each `\uXXXX` that is half of a surrogate pair without its other half; nothing if it has
/// none. A backslash outside of a string is an error wherever it stands, so strings needn't be told from the rest.
fn without_lone_surrogates(text: &str) -> Option<String> {
    const ESCAPE_LEN: usize = 6;
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
                let repaired = repaired.get_or_insert_default();
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
    let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
    // from_str_radix would take a sign.
    digits
        .bytes()
        .all(|digit| digit.is_ascii_hexdigit())
        .then(|| u16::from_str_radix(digits, 16).ok())?
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
