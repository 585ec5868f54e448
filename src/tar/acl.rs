//! POSIX ACLs as text, in the records `SCHILY.acl.access` and `SCHILY.acl.default` that star, GNU tar and bsdtar write:
//! entries `TAG:NAME:PERMISSIONS`, and the number of the user or group as a fourth field, between commas.

#![forbid(unsafe_code)]

use super::refusal::Refusal;

/// The records, and the xattrs by which the kernel knows the ACLs.
pub(super) const RECORDS: [(&str, &[u8]); 2] = [
    ("SCHILY.acl.access", b"system.posix_acl_access"),
    ("SCHILY.acl.default", b"system.posix_acl_default"),
];
/// The record of an ACL of NFSv4's kind.
pub(super) const NFS4: &[u8] = b"SCHILY.acl.ace";

/// The kernel's form (linux/posix_acl_xattr.h), all little-endian: four bytes of version, then entries of two bytes of
/// tag, two of permissions and four of id.
const VERSION: u32 = 2;
const USER_OWNER: u16 = 1;
const USER: u16 = 2;
const GROUP_OWNER: u16 = 4;
const GROUP: u16 = 8;
const MASK: u16 = 16;
const OTHER: u16 = 32;
/// The id of an entry that has none.
const NO_ID: u32 = u32::MAX;

/// A tag, its id and permissions: ordered as the kernel wants the entries.
type Entry = (u16, u32, u16);

/// The xattr that a record's text stands for.
pub(super) fn from_text(record: &'static str, text: &[u8]) -> Result<Vec<u8>, Refusal> {
    let text = str::from_utf8(text).map_err(|_| Refusal::RecordValue(record))?;
    let mut entries = Vec::new();
    for line in text.split([',', '\n']) {
        // What stands behind the sign is what the mask leaves of the permissions.
        let line = line.split('#').next().unwrap_or_default().trim();
        if !line.is_empty() {
            entries.push(entry(record, line)?);
        }
    }
    entries.sort_unstable();
    check(&entries).ok_or(Refusal::RecordValue(record))?;
    let mut value = VERSION.to_le_bytes().to_vec();
    for (tag, id, permissions) in entries {
        value.extend(tag.to_le_bytes());
        value.extend(permissions.to_le_bytes());
        value.extend(id.to_le_bytes());
    }
    Ok(value)
}

fn entry(record: &'static str, line: &str) -> Result<Entry, Refusal> {
    let malformed = || Refusal::RecordValue(record);
    let fields: Vec<&str> = line.split(':').map(str::trim).collect();
    // `mask` and `other` have no name, and not all writers leave its place.
    let (tag, name, permissions, number) = match *fields.as_slice() {
        [tag @ ("m" | "mask" | "o" | "other"), permissions] => (tag, "", permissions, None),
        [tag, name, permissions] => (tag, name, permissions, None),
        [tag, name, permissions, number] => (tag, name, permissions, Some(number)),
        _ => return Err(malformed()),
    };
    let permissions = bits(permissions).ok_or_else(malformed)?;
    let tag = match (tag, name) {
        ("u" | "user", "") => USER_OWNER,
        ("u" | "user", _) => USER,
        ("g" | "group", "") => GROUP_OWNER,
        ("g" | "group", _) => GROUP,
        ("m" | "mask", "") => MASK,
        ("o" | "other", "") => OTHER,
        _ => return Err(malformed()),
    };
    if !matches!(tag, USER | GROUP) {
        return Ok((tag, NO_ID, permissions));
    }
    // Without a fourth field the name may be the number.
    let number = number.filter(|number| !number.is_empty()).unwrap_or(name);
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Refusal::AclName(record));
    }
    match number.parse() {
        Ok(id) if id != NO_ID => Ok((tag, id, permissions)),
        _ => Err(malformed()),
    }
}

/// Three letters, each its own or a dash.
fn bits(text: &str) -> Option<u16> {
    let mut bits = 0;
    let letters = text.as_bytes();
    for (letter, (own, bit)) in letters.iter().zip([(b'r', 4), (b'w', 2), (b'x', 1)]) {
        match *letter {
            b'-' => {}
            letter if letter == own => bits |= bit,
            _ => return None,
        }
    }
    (letters.len() == 3).then_some(bits)
}

/// Whether sorted entries are an ACL: the three that every one has, a mask if there are others, none twice.
fn check(entries: &[Entry]) -> Option<()> {
    let count = |tag| entries.iter().filter(|entry| entry.0 == tag).count();
    let named = count(USER) + count(GROUP);
    let mask = count(MASK);
    let twice = entries
        .windows(2)
        .any(|pair| (pair[0].0, pair[0].1) == (pair[1].0, pair[1].1));
    let whole = [USER_OWNER, GROUP_OWNER, OTHER]
        .iter()
        .all(|tag| count(*tag) == 1);
    (whole && !twice && (mask == 1 || named == 0)).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: &str = "SCHILY.acl.access";

    fn read(text: &str) -> Result<Vec<u8>, Refusal> {
        from_text(RECORD, text.as_bytes())
    }

    /// Version 2, and entries as the kernel documents them.
    fn acl(entries: &[(u16, u16, u32)]) -> Vec<u8> {
        let mut out = vec![2, 0, 0, 0];
        for (tag, permissions, id) in entries {
            out.extend(tag.to_le_bytes());
            out.extend(permissions.to_le_bytes());
            out.extend(id.to_le_bytes());
        }
        out
    }

    #[test]
    fn entries_are_read_in_any_order_and_put_into_the_kernels() {
        let expected = acl(&[
            (1, 6, u32::MAX),
            (2, 4, 5),
            (2, 7, 1234),
            (4, 5, u32::MAX),
            (8, 6, 70_000),
            (16, 7, u32::MAX),
            (32, 0, u32::MAX),
        ]);
        for text in [
            "user::rw-,user:joe:rwx:1234,user:sys:r--:5,group::r-x,group:x:rw-:70000,mask::rwx,other::---",
            "other::---,mask::rwx,group:70000:rw-,group::r-x,user:5:r--,user:1234:rwx,user::rw-",
            "u::rw-\nu:1234:rwx\t#effective:rwx\nu:5:r--\ng::r-x\ng:70000:rw-\nm:rwx\no:---\n",
        ] {
            assert_eq!(read(text), Ok(expected.clone()), "{text}");
        }
    }

    #[test]
    fn the_three_entries_of_every_acl_are_enough() {
        let expected = acl(&[(1, 7, u32::MAX), (4, 5, u32::MAX), (32, 4, u32::MAX)]);
        assert_eq!(read("user::rwx,group::r-x,other::r--"), Ok(expected));
    }

    #[test]
    fn a_name_without_its_number_is_not_kept() {
        for entry in ["user:joe:rwx", "group:staff:r--", "user:joe:rwx:"] {
            let text = format!("user::rwx,group::r-x,{entry},mask::rwx,other::r--");
            assert_eq!(read(&text), Err(Refusal::AclName(RECORD)), "{text}");
        }
    }

    #[test]
    fn what_is_no_acl_is_malformed() {
        for text in [
            "",
            "x",
            "user::rwx",
            "user::rwx,group::r-x",
            "user::rwx,user::rwx,group::r-x,other::r--",
            "user::rwx,user:1:rwx,user:1:r--,mask::rwx,group::r-x,other::r--",
            "user::rwx,user:1:rwx,group::r-x,other::r--",
            "user::rw,group::r-x,other::r--",
            "user::xwr,group::r-x,other::r--",
            "user::rwxr,group::r-x,other::r--",
            "user::rwx,group::r-x,other:5:r--",
            "user::rwx,group::r-x,other::r--,mask:5:rwx",
            "user::rwx,user:x:rwx:4294967295,group::r-x,mask::rwx,other::r--",
            "user::rwx,user:x:rwx:99999999999,group::r-x,mask::rwx,other::r--",
            "user::rwx:1:2:3,group::r-x,other::r--",
            "default:user::rwx,group::r-x,other::r--",
        ] {
            assert_eq!(read(text), Err(Refusal::RecordValue(RECORD)), "{text}");
        }
        let bytes = from_text(RECORD, b"user::rwx,group::r-x,other::\xff");
        assert_eq!(bytes, Err(Refusal::RecordValue(RECORD)));
    }
}
