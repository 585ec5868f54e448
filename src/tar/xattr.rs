//! Xattrs as PAX records.
//!
//! `SCHILY.xattr.NAME` holds the raw value. A name with a `=` in it doesn't fit there; it goes into libarchive's form,
//! `LIBARCHIVE.xattr.` with the name percent-encoded and the value in base64 without padding. Both forms are read; where
//! an attribute is there in both, the raw value counts. POSIX ACLs come as attributes, or as text in records of their own.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use data_encoding::{BASE64_NOPAD, Encoding, HEXLOWER_PERMISSIVE};
use once_cell::sync::OnceCell;

use super::acl;
use super::member::Xattr;
use super::refusal::Refusal;

/// The prefix of the keys with raw values.
const SCHILY: &[u8] = b"SCHILY.xattr.";

/// The prefix of the keys with encoded names and values.
const LIBARCHIVE: &[u8] = b"LIBARCHIVE.xattr.";

/// The xattrs among PAX records, sorted by name; of duplicates the last, of several forms the one that is the most exact.
pub(super) fn from_records<'a>(
    records: impl Iterator<Item = (&'a [u8], &'a [u8])>,
) -> Result<Vec<Xattr>, Refusal> {
    let (mut raw, mut encoded, mut texts) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for (key, value) in records {
        if let Some(name) = key.strip_prefix(SCHILY) {
            raw.insert(name.to_vec(), value.to_vec());
        } else if let Some(name) = key.strip_prefix(LIBARCHIVE) {
            encoded.insert(decode_name(name)?, decode_base64(value)?);
        } else if key == acl::NFS4 {
            return Err(Refusal::Nfs4Acl);
        } else if let Some((record, name)) = acl_record(key) {
            // An empty value takes the record back.
            let value = Some(value).filter(|value| !value.is_empty());
            let acl = value.map(|text| acl::from_text(record, text)).transpose()?;
            texts.insert(name.to_vec(), acl);
        }
    }
    let texts = texts.into_iter();
    let mut found: BTreeMap<Vec<u8>, Vec<u8>> =
        texts.filter_map(|(name, acl)| Some((name, acl?))).collect();
    found.append(&mut encoded);
    found.append(&mut raw);
    Ok(found
        .into_iter()
        .map(|(name, value)| Xattr { name, value })
        .collect())
}

/// The record of an ACL with this key, and the xattr that it becomes.
fn acl_record(key: &[u8]) -> Option<(&'static str, &'static [u8])> {
    let mut records = acl::RECORDS.into_iter();
    records.find(|(record, _)| record.as_bytes() == key)
}

/// The record, key and value, of an xattr.
pub(super) fn to_record(xattr: &Xattr) -> Result<(Vec<u8>, Vec<u8>), Refusal> {
    if xattr.name.is_empty() || xattr.name.contains(&0) {
        return Err(Refusal::Unwritable(
            "an xattr has an empty name or one with a NUL",
        ));
    }
    Ok(if xattr.name.contains(&b'=') {
        (
            [LIBARCHIVE, &encode_name(&xattr.name)].concat(),
            BASE64_NOPAD.encode(&xattr.value).into_bytes(),
        )
    } else {
        ([SCHILY, &xattr.name].concat(), xattr.value.clone())
    })
}

fn encode_name(name: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(name.len());
    for byte in name {
        if byte.is_ascii_graphic() && !matches!(byte, b'%' | b'=') {
            out.push(*byte);
        } else {
            out.extend_from_slice(format!("%{byte:02X}").as_bytes());
        }
    }
    out
}

/// A `%` that no two hexadecimal digits follow stands for itself.
fn decode_name(encoded: &[u8]) -> Result<Vec<u8>, Refusal> {
    let mut name = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    while let Some((byte, after)) = rest.split_first() {
        let escaped = after
            .get(..2)
            .filter(|_| *byte == b'%')
            .and_then(hexadecimal);
        name.push(escaped.unwrap_or(*byte));
        rest = if escaped.is_some() {
            &after[2..]
        } else {
            after
        };
    }
    if name.contains(&0) {
        Err(Refusal::RecordValue("LIBARCHIVE.xattr"))
    } else {
        Ok(name)
    }
}

fn hexadecimal(digits: &[u8]) -> Option<u8> {
    match HEXLOWER_PERMISSIVE.decode(digits).ok()?[..] {
        [byte] => Some(byte),
        _ => None,
    }
}

/// Padding may be there or not, and what the last digit has beyond the value may be anything.
fn decode_base64(text: &[u8]) -> Result<Vec<u8>, Refusal> {
    static LENIENT: OnceCell<Encoding> = OnceCell::new();
    let malformed = || Refusal::RecordValue("LIBARCHIVE.xattr");
    let encoding = LENIENT.get_or_try_init(|| {
        let mut own = BASE64_NOPAD.specification();
        own.check_trailing_bits = false;
        own.encoding()
    });
    let last = text.iter().rposition(|byte| *byte != b'=');
    let digits = &text[..last.map_or(0, |last| last + 1)];
    let encoding = encoding.map_err(|_| malformed())?;
    encoding.decode(digits).map_err(|_| malformed())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn xattr(name: &[u8], value: &[u8]) -> Xattr {
        Xattr {
            name: name.to_vec(),
            value: value.to_vec(),
        }
    }

    #[test]
    fn values_are_raw_and_the_last_duplicate_counts() {
        let records: [(&[u8], &[u8]); 5] = [
            (b"SCHILY.xattr.user.b", b"1"),
            (b"SCHILY.xattr.user.a", b"\0\n\xff="),
            (b"path", b"x"),
            (b"SCHILY.xattr.user.b", b"2"),
            (b"SCHILY.xattr.user.b", b""),
        ];
        assert_eq!(
            from_records(records.into_iter()),
            Ok(vec![xattr(b"user.a", b"\0\n\xff="), xattr(b"user.b", b"")])
        );
    }

    #[test]
    fn libarchive_records_are_read_and_the_raw_value_counts_more() {
        let records: [(&[u8], &[u8]); 6] = [
            (b"LIBARCHIVE.xattr.user.a%3Db", b"aGVsbG8"),
            (b"LIBARCHIVE.xattr.user.%3d%zz%", b"aGVsbG9v="),
            (b"LIBARCHIVE.xattr.user.bits", b"aGVsbG9="),
            (b"SCHILY.xattr.user.both", b"raw"),
            (b"LIBARCHIVE.xattr.user.both", b"aGVsbG8"),
            (b"LIBARCHIVE.xattr.user.plain", b"aGVsbG8"),
        ];
        assert_eq!(
            from_records(records.into_iter()),
            Ok(vec![
                xattr(b"user.=%zz%", b"helloo"),
                xattr(b"user.a=b", b"hello"),
                xattr(b"user.bits", b"hello"),
                xattr(b"user.both", b"raw"),
                xattr(b"user.plain", b"hello"),
            ])
        );
    }

    #[test]
    fn acls_as_text_become_the_kernels_attributes_unless_those_are_there() {
        let text: &[u8] = b"user::rwx,group::r-x,other::r--";
        let binary = b"\x02\0\0\0\x01\0\x07\0\xff\xff\xff\xff\x04\0\x05\0\xff\xff\xff\xff\x20\0\x04\0\xff\xff\xff\xff";
        let records: [(&[u8], &[u8]); 3] = [
            (b"SCHILY.acl.access", text),
            (b"SCHILY.acl.default", text),
            (b"SCHILY.xattr.system.posix_acl_default", b"exact"),
        ];
        assert_eq!(
            from_records(records.into_iter()),
            Ok(vec![
                xattr(b"system.posix_acl_access", binary),
                xattr(b"system.posix_acl_default", b"exact"),
            ])
        );
        let taken_back: [(&[u8], &[u8]); 2] =
            [(b"SCHILY.acl.access", text), (b"SCHILY.acl.access", b"")];
        assert_eq!(from_records(taken_back.into_iter()), Ok(vec![]));
        let foreign: [(&[u8], &[u8]); 1] = [(b"SCHILY.acl.ace", b"owner@:rwx::allow")];
        assert_eq!(from_records(foreign.into_iter()), Err(Refusal::Nfs4Acl));
    }

    #[test]
    fn a_name_with_an_equals_sign_is_written_encoded() {
        for (value, base64) in [
            (&b""[..], &b""[..]),
            (b"f", b"Zg"),
            (b"fo", b"Zm8"),
            (b"foo", b"Zm9v"),
            (b"\xff\xfe", b"//4"),
        ] {
            assert_eq!(
                to_record(&xattr(b"user.a=b%\xe9 ", value)),
                Ok((
                    b"LIBARCHIVE.xattr.user.a%3Db%25%E9%20".to_vec(),
                    base64.to_vec()
                ))
            );
        }
        assert_eq!(
            to_record(&xattr(b"user.%", b"=\0")),
            Ok((b"SCHILY.xattr.user.%".to_vec(), b"=\0".to_vec()))
        );
    }

    #[test]
    fn broken_encodings_are_malformed() {
        let refused = Err(Refusal::RecordValue("LIBARCHIVE.xattr"));
        let broken: [(&[u8], &[u8]); 4] = [
            (b"LIBARCHIVE.xattr.a%3D", b"Z"),
            (b"LIBARCHIVE.xattr.a%3D", b"Zm9vZ"),
            (b"LIBARCHIVE.xattr.a%3D", b"Z m"),
            (b"LIBARCHIVE.xattr.a%00%3D", b""),
        ];
        for record in broken {
            assert_eq!(from_records([record].into_iter()), refused, "{record:?}");
        }
    }

    #[test]
    fn a_name_that_no_xattr_has_is_not_written() {
        for name in [&b""[..], b"user.a\0b"] {
            assert!(matches!(
                to_record(&xattr(name, b"")),
                Err(Refusal::Unwritable(_))
            ));
        }
    }
}
