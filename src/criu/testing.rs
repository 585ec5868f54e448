//! Images for tests, written without the decoder's tables.

#![forbid(unsafe_code)]
#![allow(
    clippy::cast_possible_truncation,
    reason = "the values are the tests' own"
)]

/// A varint.
pub(crate) fn varint(mut number: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while number > 0x7f {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
    out
}

/// A field with a number.
pub(crate) fn number(field: u32, value: u64) -> Vec<u8> {
    [varint(u64::from(field) << 3), varint(value)].concat()
}

/// A field with bytes, a text or a message.
pub(crate) fn bytes(field: u32, value: impl AsRef<[u8]>) -> Vec<u8> {
    let value = value.as_ref();
    let key = varint(u64::from(field) << 3 | 2);
    [key, varint(value.len() as u64), value.to_vec()].concat()
}

/// A message of fields.
pub(crate) fn message(fields: &[Vec<u8>]) -> Vec<u8> {
    fields.concat()
}

/// A message with its length in front.
pub(crate) fn framed(message: impl AsRef<[u8]>) -> Vec<u8> {
    let message = message.as_ref();
    [&(message.len() as u32).to_le_bytes(), message].concat()
}

/// An image of these messages.
pub(crate) fn image(magic: u32, messages: &[Vec<u8>]) -> Vec<u8> {
    let mut out = 0x5456_4319_u32.to_le_bytes().to_vec();
    out.extend(magic.to_le_bytes());
    messages
        .iter()
        .for_each(|message| out.extend(framed(message)));
    out
}
