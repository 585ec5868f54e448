//! The form of the times in `config.dump`, as Go reads it: crates for RFC 3339 are stricter, and refuse what engines take.

#![forbid(unsafe_code)]

/// Whether `text` is a time of RFC 3339 as engines read it: upper case `T` and `Z`, any number of digits in the
/// fraction, a comma instead of its point, an hour of one digit, and zones up to 24:60. Leap seconds are not taken.
pub(in crate::checkpoint) fn is_rfc3339(text: &str) -> bool {
    read(text.as_bytes()).is_some()
}

/// Whether an RFC 3339 time is the first moment of the year 1, which stands for an event that didn't happen.
pub(super) fn is_zero(text: &str) -> bool {
    let digits_are_zero = |rest: &str| rest.bytes().all(|byte| !matches!(byte, b'1'..=b'9'));
    text.strip_prefix("0001-01-01T")
        .is_some_and(digits_are_zero)
}

fn read(mut rest: &[u8]) -> Option<()> {
    let rest = &mut rest;
    let year = number(rest, 4)?;
    one_of(rest, b"-")?;
    let month = number(rest, 2)?;
    one_of(rest, b"-")?;
    let day = number(rest, 2)?;
    one_of(rest, b"T")?;
    let hour = number(rest, 2).or_else(|| number(rest, 1))?;
    one_of(rest, b":")?;
    let minute = number(rest, 2)?;
    one_of(rest, b":")?;
    let second = number(rest, 2)?;
    if one_of(rest, b".,").is_some() {
        number(rest, 1)?;
        while number(rest, 1).is_some() {}
    }
    if one_of(rest, b"Z").is_none() {
        one_of(rest, b"+-")?;
        let zone_hour = number(rest, 2)?;
        one_of(rest, b":")?;
        let zone_minute = number(rest, 2)?;
        (zone_hour <= 24 && zone_minute <= 60).then_some(())?;
    }
    let in_range =
        (1..=days(year, month)).contains(&day) && hour < 24 && minute < 60 && second < 60;
    (in_range && rest.is_empty()).then_some(())
}

/// The number that the next `digits` bytes write in decimal.
fn number(rest: &mut &[u8], digits: usize) -> Option<u32> {
    let (head, tail) = rest.split_at_checked(digits)?;
    let number = head.iter().try_fold(0, |number, &byte| {
        Some(number * 10 + char::from(byte).to_digit(10)?)
    })?;
    *rest = tail;
    Some(number)
}

/// Takes the next byte if it is among `wanted`.
fn one_of(rest: &mut &[u8], wanted: &[u8]) -> Option<()> {
    let (first, tail) = rest.split_first()?;
    wanted.contains(first).then(|| *rest = tail)
}

/// How many days a month of the Gregorian calendar has; none if there is no such month.
fn days(year: u32, month: u32) -> u32 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(leap),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::is_rfc3339;

    #[test]
    fn times_that_engines_write_and_read_are_taken() {
        let times = [
            "0001-01-01T00:00:00Z",
            "2026-05-11T09:08:07Z",
            "2026-05-11T09:08:07.1Z",
            "2026-05-11T09:08:07.123456789+02:00",
            "2026-05-11T09:08:07.1234567890123-07:30",
            "2026-05-11T09:08:07,5Z",
            "2026-05-11T9:08:07Z",
            "2024-02-29T23:59:59Z",
            "2000-02-29T00:00:00Z",
            "9999-12-31T23:59:59.999999999+24:60",
        ];
        for time in times {
            assert!(is_rfc3339(time), "{time}");
        }
    }

    #[test]
    fn other_texts_are_not() {
        let texts = [
            "",
            "Z",
            "2026-05-11",
            "2026-05-11 09:08:07Z",
            "2026-05-11t09:08:07Z",
            "2026-05-11T09:08:07z",
            "2026-05-11T09:08:07",
            "2026-05-11T09:08:60Z",
            "2026-05-11T09:60:07Z",
            "2026-05-11T24:08:07Z",
            "2026-05-11T09:08:07+25:00",
            "2026-05-11T09:08:07+00:61",
            "2026-05-11T09:08:07+0100",
            "2026-05-11T09:08:07.Z",
            "2026-05-11T09:8:07Z",
            "2026-05-11T09:08:7Z",
            "2026-5-11T09:08:07Z",
            "2026-13-11T09:08:07Z",
            "2026-00-11T09:08:07Z",
            "2026-04-31T09:08:07Z",
            "2026-02-29T09:08:07Z",
            "1900-02-29T09:08:07Z",
            "2026-05-00T09:08:07Z",
            "+026-05-11T09:08:07Z",
            "2026-05-11T09:08:07Z ",
            " 2026-05-11T09:08:07Z",
            "12026-05-11T09:08:07Z",
            "2026-05-11T+9:08:07Z",
        ];
        for text in texts {
            assert!(!is_rfc3339(text), "{text}");
        }
    }
}
