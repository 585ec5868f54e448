//! Writes the headers of a member: ustar where everything fits, else a PAX extended header in front (POSIX `pax`).

#![forbid(unsafe_code)]

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::align::{self, ALIGNED_FROM};
use super::member::{Extents, Member, MemberKind};
use super::refusal::Refusal;
use super::{BLOCK, NAME_MAX, SPECIAL_MAX, number, padding, pax, sparse, xattr};
use crate::error::{Context as _, Result};

/// What ends a tar stream: two zero blocks.
pub(crate) const END_OF_ARCHIVE: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

/// How long name and link are in a header, in bytes.
const NAME: usize = 100;

/// How long the part of a name before its last slashes is in a header, in bytes.
const PREFIX: usize = 155;

/// The records of an extended header, by key.
type Records = BTreeMap<Vec<u8>, Vec<u8>>;

/// Appends the headers of `member` to `out`, and the sparse map if it has one; the caller has `member.stored()` bytes of
/// data and [`padding`] follow. A directory's name gets its trailing slash here. `member.offset` is not used.
///
/// What is appended begins at `position` in the stream, which decides how long it gets: data of 64 KiB or more begins on
/// a boundary of 4096 bytes.
///
/// # Errors
///
/// A name or link that is too long, or xattrs that don't fit 1 MiB, exceed a limit; a member that no header can
/// express is an internal error. Nothing was appended then.
pub(crate) fn encode(member: &Member, position: u64, out: &mut Vec<u8>) -> Result<()> {
    encode_member(member, position, out).at_entry(&member.path)
}

fn encode_member(member: &Member, position: u64, out: &mut Vec<u8>) -> Result<(), Refusal> {
    check(member)?;
    let mut records = Records::new();
    let mut path = full_path(member);
    let stored = member.stored();
    let mut size = stored;
    let mut map = Vec::new();
    if let Some(extents) = member.extents().and_then(Extents::ranges) {
        map = sparse::encode(extents, member.size())?;
        size = size
            .checked_add(map.len() as u64)
            .ok_or(Refusal::Unwritable("the size doesn't fit"))?;
        let placeholder = beside(&path, b"GNUSparseFile.0");
        let real_name = std::mem::replace(&mut path, Cow::Owned(placeholder));
        add(&mut records, "GNU.sparse.major", b"1");
        add(&mut records, "GNU.sparse.minor", b"0");
        add(&mut records, "GNU.sparse.name", &real_name);
        add(
            &mut records,
            "GNU.sparse.realsize",
            member.size().to_string().as_bytes(),
        );
    }
    for xattr in &member.xattrs {
        let (key, value) = xattr::to_record(xattr)?;
        records.insert(key, value);
    }
    if member.xattrs_complete {
        // The alignment of large members has the comment.
        let (key, value): (&str, &[u8]) = if stored >= ALIGNED_FROM {
            ("CRUTILS.xattrs", b"complete")
        } else {
            ("comment", b"CRUTILS.xattrs=complete")
        };
        add(&mut records, key, value);
    }
    if str::from_utf8(&member.path).is_err()
        || str::from_utf8(member.kind.link().unwrap_or_default()).is_err()
    {
        // POSIX: the names in these records are bytes, not UTF-8. Some readers refuse them otherwise.
        add(&mut records, "hdrcharset", b"BINARY");
    }
    let block = member_block(member, &path, size, &mut records)?;
    let mut body = pax::encode(&records);
    if stored >= ALIGNED_FROM {
        align::fill(&mut body, position, BLOCK + map.len());
    }
    if !body.is_empty() {
        if body.len() as u64 > SPECIAL_MAX {
            return Err(Refusal::SpecialTooLong);
        }
        out.extend_from_slice(extended_block(&full_path(member), body.len())?.as_bytes());
        out.extend_from_slice(&body);
        out.resize(out.len() + padding(body.len() as u64), 0);
    }
    out.extend_from_slice(block.as_bytes());
    out.extend_from_slice(&map);
    Ok(())
}

fn check(member: &Member) -> Result<(), Refusal> {
    for (what, name) in [
        ("name", &*full_path(member)),
        ("link", member.kind.link().unwrap_or_default()),
    ] {
        if name.len() > NAME_MAX {
            return Err(Refusal::NameTooLong(what));
        }
        if name.contains(&0) {
            return Err(Refusal::Nul(what));
        }
    }
    let problem = if member.path.is_empty() {
        "it has no name"
    } else if member.kind.link().is_some_and(<[u8]>::is_empty) {
        "a link without a target"
    } else if i64::try_from(member.size()).is_err() {
        "the size doesn't fit 63 bits"
    } else if member
        .mtime
        .nanoseconds
        .max(member.atime.map_or(0, |atime| atime.nanoseconds))
        > 999_999_999
    {
        "a time has a second or more in nanoseconds"
    } else if member.uid == u32::MAX || member.gid == u32::MAX {
        "the owner is no user or group"
    } else {
        return Ok(());
    };
    Err(Refusal::Unwritable(problem))
}

/// The name with exactly one trailing slash if it is a directory's.
fn full_path(member: &Member) -> Cow<'_, [u8]> {
    if member.kind != MemberKind::Directory {
        return Cow::Borrowed(&member.path);
    }
    Cow::Owned([trimmed(&member.path), b"/"].concat())
}

fn trimmed(path: &[u8]) -> &[u8] {
    let end = path
        .iter()
        .rposition(|byte| *byte != b'/')
        .map_or(0, |last| last + 1);
    &path[..end]
}

/// The name of something in a directory of its own beside the path: `a/b` becomes `a/DIRECTORY/b`.
fn beside(path: &[u8], directory: &[u8]) -> Vec<u8> {
    let path = trimmed(path);
    let base = path
        .iter()
        .rposition(|byte| *byte == b'/')
        .map_or(0, |slash| slash + 1);
    [&path[..base], directory, b"/", &path[base..]].concat()
}

fn add(records: &mut Records, key: &str, value: &[u8]) {
    records.insert(key.into(), value.into());
}

/// The header block of the member itself; what doesn't fit goes into the records.
fn member_block(
    member: &Member,
    path: &[u8],
    size: u64,
    records: &mut Records,
) -> Result<tar::Header, Refusal> {
    let mut block = tar::Header::new_ustar();
    let ustar = block
        .as_ustar_mut()
        .ok_or(Refusal::Unwritable("no ustar header"))?;
    ustar.typeflag = [member.kind.member_type().letter()];
    match split(path) {
        Some((prefix, name)) => {
            ustar.prefix[..prefix.len()].copy_from_slice(prefix);
            ustar.name[..name.len()].copy_from_slice(name);
        }
        None => {
            put_ascii(&mut ustar.name, path);
            // A sparse file has its name in a record already, which some readers would take this one over.
            if member.extents().and_then(Extents::ranges).is_none() {
                add(records, "path", path);
            }
        }
    }
    let link = member.kind.link().unwrap_or_default();
    put_ascii(&mut ustar.linkname, link);
    if link.len() > NAME || !link.is_ascii() {
        add(records, "linkpath", link);
    }
    number::write(&mut ustar.mode, u64::from(member.mode & 0o7777));
    put_number(&mut ustar.uid, u64::from(member.uid), "uid", records);
    put_number(&mut ustar.gid, u64::from(member.gid), "gid", records);
    put_number(&mut ustar.size, size, "size", records);
    let seconds = u64::try_from(member.mtime.seconds).ok();
    let fits = seconds.is_some_and(|seconds| number::write(&mut ustar.mtime, seconds));
    if !fits || member.mtime.nanoseconds != 0 {
        add(records, "mtime", pax::format_time(member.mtime).as_bytes());
    }
    if !fits {
        number::write(&mut ustar.mtime, 0);
    }
    if let Some(atime) = member.atime {
        add(records, "atime", pax::format_time(atime).as_bytes());
    }
    let (major, minor) = match member.kind {
        MemberKind::CharDevice(number) | MemberKind::BlockDevice(number) => {
            (number.major, number.minor)
        }
        _ => (0, 0),
    };
    if !number::write(&mut ustar.dev_major, major.into())
        || !number::write(&mut ustar.dev_minor, minor.into())
    {
        return Err(Refusal::Unwritable("the device number doesn't fit"));
    }
    seal(&mut block);
    Ok(block)
}

/// The header block in front of the records of a member.
fn extended_block(path: &[u8], size: usize) -> Result<tar::Header, Refusal> {
    let mut block = tar::Header::new_ustar();
    let ustar = block
        .as_ustar_mut()
        .ok_or(Refusal::Unwritable("no ustar header"))?;
    ustar.typeflag = *b"x";
    put_ascii(&mut ustar.name, &beside(path, b"PaxHeaders.0"));
    for field in [&mut ustar.mode, &mut ustar.uid, &mut ustar.gid] {
        number::write(field, 0);
    }
    number::write(&mut ustar.size, size as u64);
    number::write(&mut ustar.mtime, 0);
    seal(&mut block);
    Ok(block)
}

/// Prefix and name of a path that fits a header: split at a slash, which readers put back.
fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    if !path.is_ascii() {
        return None;
    }
    if path.len() <= NAME {
        return Some((b"", path));
    }
    // The last slash of a directory can't be the one, for no name would be left.
    let end = path.len().min(PREFIX + 2) - 1;
    let slash = path[..end].iter().rposition(|byte| *byte == b'/')?;
    let (prefix, name) = (&path[..slash], &path[slash + 1..]);
    (!prefix.is_empty() && name.len() <= NAME).then_some((prefix, name))
}

/// What of a text fits a field in ASCII, for readers that don't know the record with the whole text.
pub(super) fn put_ascii(field: &mut [u8], text: &[u8]) {
    let mut len = 0;
    for (place, byte) in field
        .iter_mut()
        .zip(text.iter().filter(|byte| byte.is_ascii()))
    {
        *place = *byte;
        len += 1;
    }
    if text.last() != Some(&b'/') {
        // What is dropped must not leave a slash at the end, which makes a directory for old readers.
        let kept = trimmed(&field[..len]).len();
        field[kept..len].fill(0);
    }
}

fn put_number(field: &mut [u8], value: u64, key: &str, records: &mut Records) {
    if !number::write(field, value) {
        number::write(field, 0);
        add(records, key, value.to_string().as_bytes());
    }
}

/// Writes the sum over the block: six digits, NUL and space, over a field that counts as spaces.
pub(super) fn seal(block: &mut tar::Header) {
    block.as_old_mut().cksum = [b' '; 8];
    let sum: u64 = block.as_bytes().iter().map(|byte| u64::from(*byte)).sum();
    number::write(&mut block.as_old_mut().cksum[..7], sum);
}

#[cfg(test)]
mod tests;
