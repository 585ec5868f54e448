//! Texts and numbers for people.

#![forbid(unsafe_code)]

use crutils::checkpoint::inspect::{Process, RawText};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// A size as people read it, such as `80.0 KiB`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    // In tenths, rounded: no number has more digits than it should.
    let mut unit = 0;
    let mut divisor = 1_u128 << 10;
    let tenths = |divisor: u128| (u128::from(bytes) * 10 + divisor / 2) / divisor;
    while tenths(divisor) >= 10_240 && unit + 1 < UNITS.len() {
        unit += 1;
        divisor <<= 10;
    }
    let tenths = tenths(divisor);
    format!(
        "{}.{} {}",
        tenths / 10,
        tenths % 10,
        UNITS.get(unit).copied().unwrap_or("EiB")
    )
}

/// Microseconds as people read them.
pub(crate) fn time(microseconds: u32) -> String {
    match microseconds {
        0..1000 => format!("{microseconds} µs"),
        1000..1_000_000 => format!("{}.{} ms", microseconds / 1000, microseconds % 1000 / 100),
        _ => format!(
            "{}.{:02} s",
            microseconds / 1_000_000,
            microseconds % 1_000_000 / 10_000
        ),
    }
}

/// How many there are of something.
pub(crate) fn count(number: usize, one: &str, many: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        number => format!("{number} {many}"),
    }
}

/// A text that comes from a checkpoint, fit for a terminal.
pub(crate) fn safe(text: &str) -> String {
    RawText::from(text).to_string()
}

/// How many columns a text takes.
pub(crate) fn columns(text: &str) -> usize {
    text.width()
}

/// A text cut to so many columns, with a mark where something is missing.
pub(crate) fn fit(text: &str, width: usize, draws: bool) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mark = if draws { "…" } else { "~" };
    let mut fitted = String::new();
    let mut taken = 0;
    for c in text.chars() {
        taken += c.width().unwrap_or_default();
        if taken + 1 > width {
            break;
        }
        fitted.push(c);
    }
    fitted.push_str(mark);
    fitted
}

/// The text and as many blanks as make it so wide.
pub(crate) fn pad(text: &str, width: usize) -> String {
    let blanks = width.saturating_sub(text.width());
    format!("{text}{}", " ".repeat(blanks))
}

/// The command line of a process, or its name in brackets if it has none, as ps(1) has it.
pub(crate) fn command_line(process: &Process) -> String {
    let arguments = process.arguments.iter().flatten();
    let shown: Vec<_> = arguments
        .map(|argument| word(&argument.to_string()))
        .collect();
    if shown.is_empty() {
        return format!("[{}]", process.comm);
    }
    shown.join(" ")
}

/// A word of a command line, in quotes if it has blanks.
fn word(word: &str) -> String {
    let is_plain =
        !word.is_empty() && !word.contains([' ', '\'', '"', '*', '?', '$', ';', '&', '|']);
    if is_plain {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// A number, decimal or with 0x.
pub(crate) fn parse_number(text: &str) -> Result<u64, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed.map_err(|error| error.to_string())
}

/// A size, possibly with a suffix.
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    let upper = text.to_ascii_uppercase();
    let bare = upper
        .strip_suffix("IB")
        .or(upper.strip_suffix('B'))
        .unwrap_or(&upper);
    let (digits, shift) = [('K', 10), ('M', 20), ('G', 30), ('T', 40)]
        .into_iter()
        .find_map(|(suffix, shift)| Some((bare.strip_suffix(suffix)?, shift)))
        .unwrap_or((bare, 0));
    let number = parse_number(&digits.trim().to_ascii_lowercase())?;
    number
        .checked_mul(1 << shift)
        .ok_or_else(|| "is too large".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_as_people_read_them() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (81920, "80.0 KiB"),
            (1_048_524, "1023.9 KiB"),
            (1_048_575, "1.0 MiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn sizes_are_read_with_their_suffixes() {
        for (text, bytes) in [
            ("0", 0),
            ("256", 256),
            ("4k", 4096),
            ("4KiB", 4096),
            ("1M", 1 << 20),
            ("2gb", 2 << 30),
            ("0x10", 16),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for text in [
            "",
            "k",
            "-1",
            "1X",
            "99999999999999999999",
            "18446744073709551615K",
        ] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn texts_are_cut_at_columns_and_not_at_bytes() {
        assert_eq!(fit("hello", 5, true), "hello");
        assert_eq!(fit("hello!", 5, true), "hell…");
        assert_eq!(fit("日本語です", 6, true), "日本…");
        assert_eq!(columns(&pad("日", 5)), 5);
    }

    #[test]
    fn words_of_a_command_line_can_be_told_apart() {
        assert_eq!(word("a"), "a");
        assert_eq!(word(""), "''");
        assert_eq!(word("a b"), "'a b'");
        assert_eq!(word("it's"), "'it'\\''s'");
    }
}
