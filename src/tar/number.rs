//! Numeric header fields: octal text, or base-256 as GNU tar and star write what doesn't fit octal.

#![forbid(unsafe_code)]

/// The number in a header field. Octal digits may stand between spaces, a NUL ends them, and a field of spaces and NULs
/// alone is 0; a set first bit says that the rest is a big-endian two's complement number. `None` for other bytes, beyond
/// 63 bits, and for anything behind a NUL that no digit stands before: some readers take it for the number, others for
/// nothing, and so they find the next header in different places.
pub(super) fn parse(field: &[u8]) -> Option<i64> {
    match field.first() {
        Some(first) if first & 0x80 != 0 => binary(*first, &field[1..]),
        _ => octal(field),
    }
}

fn binary(first: u8, rest: &[u8]) -> Option<i64> {
    // Shifting the marker out and back fills it with the sign, which is the bit below.
    let head = (first << 1).cast_signed() >> 1;
    // A field has at most 12 bytes, so 128 bits can't overflow.
    let value = rest.iter().fold(i128::from(head), |value, byte| {
        (value << 8) | i128::from(*byte)
    });
    i64::try_from(value).ok()
}

fn octal(field: &[u8]) -> Option<i64> {
    // A NUL ends the text, whatever stands behind it.
    let mut parts = field.splitn(2, |byte| *byte == 0);
    let before = parts.next().unwrap_or_default();
    let behind = parts.next().unwrap_or_default();
    let goes_on = behind.iter().any(|byte| !matches!(byte, b' ' | 0));
    let digits = trimmed(before);
    if goes_on && (digits.is_empty() || before.ends_with(b" ")) {
        return None;
    }
    digits.iter().try_fold(0_i64, |value, byte| match byte {
        b'0'..=b'7' => value.checked_mul(8)?.checked_add(i64::from(byte - b'0')),
        _ => None,
    })
}

fn trimmed(text: &[u8]) -> &[u8] {
    let is_text = |byte: &u8| *byte != b' ';
    match (
        text.iter().position(is_text),
        text.iter().rposition(is_text),
    ) {
        (Some(start), Some(end)) => &text[start..=end],
        _ => &[],
    }
}

/// Writes a number as octal digits that fill the field up to its last byte, which is a NUL. `false`, and nothing
/// written, if it needs more digits.
pub(super) fn write(field: &mut [u8], value: u64) -> bool {
    let Some((end, digits)) = field.split_last_mut() else {
        return false;
    };
    let digit =
        |at: usize| u32::try_from(3 * at).map_or(0, |bits| value.checked_shr(bits).unwrap_or(0));
    if digit(digits.len()) != 0 {
        return false;
    }
    for (at, place) in digits.iter_mut().rev().enumerate() {
        *place = b'0' + (digit(at) & 7).to_le_bytes()[0];
    }
    *end = 0;
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octal_stands_between_spaces_and_nuls() {
        assert_eq!(parse(b"0000644\0"), Some(0o644));
        assert_eq!(parse(b"   644 \0"), Some(0o644));
        assert_eq!(parse(b"  17\0 \0"), Some(15));
        assert_eq!(parse(b"77777777"), Some(16_777_215));
        assert_eq!(parse(b"17\09zzz"), Some(15));
    }

    #[test]
    fn an_empty_field_is_zero() {
        assert_eq!(parse(b"\0\0\0\0"), Some(0));
        assert_eq!(parse(b"    "), Some(0));
        assert_eq!(parse(b""), Some(0));
    }

    #[test]
    fn what_is_no_octal_number_is_none() {
        for field in [
            &b"0000698\0"[..],
            b"12 34\0",
            b"-1\0",
            b"+7\0",
            b"12 \0x",
            b"0x1f",
        ] {
            assert_eq!(parse(field), None, "{field:?}");
        }
    }

    #[test]
    fn what_only_some_readers_see_is_no_number() {
        for field in [
            &b"\0\0\0\0\0\0\0\x002000"[..],
            b"\0\0 17\0 \0",
            b"  \0 17\0",
            b"\x00\x300000644",
            b"\0x",
        ] {
            assert_eq!(parse(field), None, "{field:?}");
        }
    }

    #[test]
    fn base_256_is_signed() {
        assert_eq!(parse(b"\x80\0\0\0\0\0\x01\x02"), Some(258));
        assert_eq!(parse(&[0xff; 8]), Some(-1));
        assert_eq!(
            parse(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfa]),
            Some(-6)
        );
        assert_eq!(
            parse(b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff"),
            Some(i64::MAX)
        );
        assert_eq!(parse(b"\xff\xff\xff\xff\x80\0\0\0\0\0\0\0"), Some(i64::MIN));
    }

    #[test]
    fn base_256_beyond_63_bits_is_none() {
        assert_eq!(parse(b"\x80\0\0\0\x80\0\0\0\0\0\0\0"), None);
        assert_eq!(
            parse(b"\xff\xff\xff\xff\x7f\xff\xff\xff\xff\xff\xff\xff"),
            None
        );
        assert_eq!(parse(b"\x81\0\0\0\0\0\0\0\0\0\0\0"), None);
    }

    #[test]
    fn written_octal_fills_the_field() {
        let mut field = [b'x'; 8];
        assert!(write(&mut field, 0o644));
        assert_eq!(&field, b"0000644\0");
        assert!(write(&mut field, 2_097_151));
        assert_eq!(&field, b"7777777\0");
        assert!(!write(&mut field, 2_097_152));
        assert_eq!(&field, b"7777777\0");
    }
}
