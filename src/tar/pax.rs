//! PAX extended headers: records of the form `LENGTH KEY=VALUE\n`, LENGTH counting the whole record, itself included
//! (POSIX `pax`, "pax Extended Header").

#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use super::member::Time;
use super::refusal::Refusal;

/// The keys whose values are names or texts: a NUL would end them early for whoever passes them to the kernel.
const TEXTS: [&[u8]; 4] = [b"path", b"linkpath", b"uname", b"gname"];

/// How many digits a fraction of a second has at most; further ones are dropped.
const FRACTION: usize = 9;

/// The records of one extended header, in their order.
#[derive(Debug, Default)]
pub(super) struct Records {
    body: Vec<u8>,
    places: Vec<RecordSpan>,
}

/// Where a record stands in the body.
#[derive(Debug)]
struct RecordSpan {
    /// Where the key begins.
    key: usize,
    /// Where the `=` stands.
    equals: usize,
    /// Where the newline stands.
    end: usize,
}

impl Records {
    /// Takes the body of an extended header apart. Values may hold newlines and NULs: only the lengths count.
    pub(super) fn parse(body: Vec<u8>) -> Result<Self, Refusal> {
        let mut places = Vec::new();
        let mut at = 0;
        while at < body.len() {
            let (place, next) = place(&body, at).ok_or(Refusal::Record)?;
            places.push(place);
            at = next;
        }
        Ok(Records { body, places })
    }

    /// Every record, key and value, in order, duplicates included.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.places.iter().map(|place| self.at(place))
    }

    fn at(&self, place: &RecordSpan) -> (&[u8], &[u8]) {
        (
            &self.body[place.key..place.equals],
            &self.body[place.equals + 1..place.end],
        )
    }

    /// The value of the last record with this key, unless that is empty: an empty value takes an override back.
    pub(super) fn get(&self, key: &[u8]) -> Option<&[u8]> {
        let mut newest_first = self.places.iter().rev().map(|place| self.at(place));
        newest_first
            .find(|(other, _)| *other == key)
            .map(|(_, value)| value)
            .filter(|value| !value.is_empty())
    }

    /// The decimal number of the record with this key, which may be negative.
    pub(super) fn number(&self, key: &'static str) -> Result<Option<i64>, Refusal> {
        self.parsed(key, integer)
    }

    /// The time of the record with this key.
    pub(super) fn time(&self, key: &'static str) -> Result<Option<Time>, Refusal> {
        self.parsed(key, parse_time)
    }

    fn parsed<T>(
        &self,
        key: &'static str,
        parse: impl Fn(&[u8]) -> Option<T>,
    ) -> Result<Option<T>, Refusal> {
        let value = self.get(key.as_bytes());
        value
            .map(|value| parse(value).ok_or(Refusal::RecordValue(key)))
            .transpose()
    }
}

/// The record that begins at `start`, and where the next one does.
fn place(body: &[u8], start: usize) -> Option<(RecordSpan, usize)> {
    let record = &body[start..];
    let space = record.iter().position(|byte| *byte == b' ')?;
    let length: usize = unsigned(&record[..space])?;
    // The shortest record is a digit, a space, a key of one byte, `=` and the newline.
    if length < 5 || length > record.len() || record[length - 1] != b'\n' {
        return None;
    }
    let text = record.get(space + 1..length - 1)?;
    let equals = text.iter().position(|byte| *byte == b'=')?;
    let (key, value) = (&text[..equals], &text[equals + 1..]);
    if key.is_empty() || key.contains(&0) || (TEXTS.contains(&key) && value.contains(&0)) {
        return None;
    }
    let key = start + space + 1;
    Some((
        RecordSpan {
            key,
            equals: key + equals,
            end: start + length - 1,
        },
        start + length,
    ))
}

/// A decimal number that may be negative. A `+` is no part of one: some readers take it, for others the number is 0.
fn integer(text: &[u8]) -> Option<i64> {
    let text = str::from_utf8(text)
        .ok()
        .filter(|text| !text.starts_with('+'));
    text?.parse().ok()
}

/// A decimal number without a sign.
fn unsigned(text: &[u8]) -> Option<usize> {
    let text = str::from_utf8(text)
        .ok()
        .filter(|text| !text.starts_with('+'));
    text?.parse().ok()
}

/// Decimal seconds, negative or not, with a fraction or without.
fn parse_time(text: &[u8]) -> Option<Time> {
    let dot = text
        .iter()
        .position(|byte| *byte == b'.')
        .unwrap_or(text.len());
    let seconds: i64 = integer(&text[..dot])?;
    let fraction = text.get(dot + 1..).unwrap_or_default();
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digits = fraction
        .iter()
        .copied()
        .chain(std::iter::repeat(b'0'))
        .take(FRACTION);
    let nanoseconds = digits.fold(0_u32, |value, digit| value * 10 + u32::from(digit - b'0'));
    Some(if text[0] == b'-' && nanoseconds > 0 {
        Time {
            seconds: seconds.checked_sub(1)?,
            nanoseconds: 1_000_000_000 - nanoseconds,
        }
    } else {
        Time {
            seconds,
            nanoseconds,
        }
    })
}

/// The text of a time, exact and without trailing zeros.
pub(super) fn format_time(time: Time) -> String {
    let (sign, seconds, nanoseconds) = match time {
        Time {
            seconds: ..0,
            nanoseconds: 1..,
        } => (
            "-",
            (time.seconds + 1).unsigned_abs(),
            1_000_000_000_u32.saturating_sub(time.nanoseconds),
        ),
        Time {
            seconds: ..0,
            nanoseconds,
        } => ("-", time.seconds.unsigned_abs(), nanoseconds),
        Time {
            seconds,
            nanoseconds,
        } => ("", seconds.unsigned_abs(), nanoseconds),
    };
    if nanoseconds == 0 {
        return format!("{sign}{seconds}");
    }
    let fraction = format!("{nanoseconds:0FRACTION$}");
    format!("{sign}{seconds}.{}", fraction.trim_end_matches('0'))
}

/// The body of an extended header with these records, in the order of their keys.
pub(super) fn encode(records: &BTreeMap<Vec<u8>, Vec<u8>>) -> Vec<u8> {
    let mut body = Vec::new();
    for (key, value) in records {
        let length = length(key.len() + value.len());
        body.reserve(length);
        body.extend_from_slice(length.to_string().as_bytes());
        body.push(b' ');
        body.extend_from_slice(key);
        body.push(b'=');
        body.extend_from_slice(value);
        body.push(b'\n');
    }
    body
}

/// The length of a record whose key and value have `content` bytes: its own digits count, too.
fn length(content: usize) -> usize {
    // Space, `=` and newline.
    let rest = content + 3;
    let mut total = rest + 1;
    while rest + digits(total) != total {
        total = rest + digits(total);
    }
    total
}

/// How many decimal digits a number has that isn't 0.
fn digits(number: usize) -> usize {
    number
        .checked_ilog10()
        .map_or(1, |power| power as usize + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &[u8]) -> Result<Records, Refusal> {
        Records::parse(body.to_vec())
    }

    #[test]
    fn values_are_taken_by_their_length() {
        let records = parse(b"12 path=a\nb\n15 SCHILY.x=\0\n\n5 k=\n").unwrap();
        let all: Vec<_> = records.iter().collect();
        let expected: [(&[u8], &[u8]); 3] =
            [(b"path", b"a\nb"), (b"SCHILY.x", b"\0\n"), (b"k", b"")];
        assert_eq!(all, expected);
    }

    #[test]
    fn the_last_duplicate_counts_and_an_empty_one_takes_back() {
        let records = parse(b"9 path=a\n9 path=b\n8 size=\n9 gid=17\n7 gid=\n").unwrap();
        assert_eq!(records.get(b"path"), Some(&b"b"[..]));
        assert_eq!(records.get(b"gid"), None);
        assert_eq!(records.number("size"), Ok(None));
    }

    #[test]
    fn malformed_records_are_refused() {
        let broken: [&[u8]; 15] = [
            b"path=a\n",
            b"9 path=a",
            b"8 path=a\n",
            b"11 path=a\n",
            b"99 path=a\n",
            b"8 patha\n",
            b"4 =\n",
            b"5 =a\n",
            b"-9 path=a\n",
            b"+10 path=a\n",
            b"99999999999999999999 path=a\n",
            b"12 path=a\0b\n",
            b"8 a\0b=c\n",
            b" path=a\n",
            b"9 path=a\nx",
        ];
        for body in broken {
            assert_eq!(
                parse(body).unwrap_err(),
                Refusal::Record,
                "{}",
                body.escape_ascii()
            );
        }
        // The length ends before its own space.
        assert_eq!(parse(b"00000005 a=\n").unwrap_err(), Refusal::Record);
    }

    #[test]
    fn a_nul_is_malformed_in_names_alone() {
        assert!(parse(b"13 comment=\0\n").is_ok());
        for body in [
            &b"15 linkpath=a\0\n"[..],
            b"11 uname=\0\n",
            b"11 gname=\0\n",
        ] {
            assert_eq!(parse(body).unwrap_err(), Refusal::Record);
        }
    }

    #[test]
    fn times_before_the_epoch_round_down() {
        for (text, seconds, nanoseconds) in [
            ("0", 0, 0),
            ("1500000000.999999999", 1_500_000_000, 999_999_999),
            ("1.5", 1, 500_000_000),
            ("1.", 1, 0),
            ("1.0000000019", 1, 1),
            ("-5.25", -6, 750_000_000),
            ("-0.5", -1, 500_000_000),
            ("-5", -5, 0),
            ("-5.0", -5, 0),
            ("-9223372036854775808", i64::MIN, 0),
        ] {
            assert_eq!(
                parse_time(text.as_bytes()),
                Some(Time {
                    seconds,
                    nanoseconds
                }),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            ".5",
            "-",
            "+7",
            "-.5",
            "1.x",
            "1.-5",
            "1,5",
            " 1",
            "1e3",
            "9223372036854775808",
            "-9223372036854775808.5",
        ] {
            assert_eq!(parse_time(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn times_are_written_exactly() {
        for (seconds, nanoseconds, text) in [
            (0, 0, "0"),
            (1_500_000_000, 1, "1500000000.000000001"),
            (1, 500_000_000, "1.5"),
            (-6, 750_000_000, "-5.25"),
            (-1, 500_000_000, "-0.5"),
            (-5, 0, "-5"),
            (i64::MIN, 0, "-9223372036854775808"),
            (i64::MIN, 999_999_999, "-9223372036854775807.000000001"),
        ] {
            assert_eq!(
                format_time(Time {
                    seconds,
                    nanoseconds
                }),
                text
            );
        }
    }

    #[test]
    fn records_count_their_own_length() {
        let record =
            |key: &str, len: usize| encode(&BTreeMap::from([(key.into(), vec![b'v'; len])]));
        assert_eq!(record("a", 0), b"5 a=\n");
        assert!(record("a", 4).starts_with(b"9 a=vvvv\n"));
        // One byte more needs two digits, which are another byte more.
        assert!(record("a", 5).starts_with(b"11 a=vvvvv\n"));
        assert!(record("path", 90).starts_with(b"99 path="));
        assert!(record("path", 91).starts_with(b"101 path="));
    }
}
