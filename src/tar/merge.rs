//! What the headers of one member say together: the overrides laid over the header's fields.

#![forbid(unsafe_code)]

use super::NAME_MAX;
use super::header::{self, Header};
use super::member::{DeviceNumber, Extent, Extents, Member, MemberKind, MemberType, Time};
use super::pax::Records;
use super::refusal::Refusal;
use super::{sparse, xattr};

/// What came before a member's own header.
#[derive(Debug, Default)]
pub(super) struct Overrides {
    /// The PAX records of the last `x` header.
    pub records: Records,
    /// The name of the last `L` header, or empty.
    pub long_name: Vec<u8>,
    /// The link of the last `K` header, or empty.
    pub long_link: Vec<u8>,
}

/// Where the sparse map of a member is.
#[derive(Debug)]
pub(super) enum Map {
    /// There is none.
    None,
    /// In the header block and those that follow it.
    Old,
    /// In the PAX records: read already, but not validated.
    Records(Vec<Extent>),
    /// In front of the data.
    Leading,
}

/// A member as its headers describe it, and what follows them.
#[derive(Debug)]
pub(super) struct Merged {
    /// A regular file is as long as the headers state its data, a sparse map in front of them included.
    pub member: Member,
    pub map: Map,
    /// The size of a sparse file, if the headers state one.
    pub real_size: Option<u64>,
    /// How many bytes the headers state that are no file's data: of a directory's list, and of a hard link, which may
    /// have none of them.
    pub passed_over: u64,
}

/// Takes the headers of a member together.
pub(super) fn merge(header: &Header, overrides: &Overrides) -> Result<Merged, Refusal> {
    // Nothing else about a member of an unknown type can be judged.
    member_type(header.kind, b"")?;
    let records = &overrides.records;
    let map = find_map(header, records)?;
    let path = path(header, overrides, &map)?;
    let member_type = member_type(header.kind, &path)?;
    if member_type != MemberType::Regular && !matches!(map, Map::None) {
        return Err(Refusal::SparseKind);
    }
    // A size is checked even where it is ignored; what else is in the records is checked though nothing needs it.
    let stated = records.number("size")?.unwrap_or(header.size);
    let size = || u64::try_from(stated).map_err(|_| Refusal::NegativeSize);
    records.time("ctime")?;
    let passed_over = match header.kind {
        b'1' | b'D' => size()?,
        _ => 0,
    };
    let kind = match member_type {
        MemberType::Regular => MemberKind::Regular(Extents::whole(size()?)),
        MemberType::Directory => MemberKind::Directory,
        MemberType::Symlink => MemberKind::Symlink {
            target: link(header, overrides)?,
        },
        MemberType::HardLink => MemberKind::HardLink {
            source: link(header, overrides)?,
        },
        MemberType::CharDevice => MemberKind::CharDevice(device(header)?),
        MemberType::BlockDevice => MemberKind::BlockDevice(device(header)?),
        MemberType::Fifo => MemberKind::Fifo,
    };
    let member = Member {
        path,
        kind,
        mode: u32::try_from(header.mode & 0o7777).unwrap_or_default(),
        uid: owner("uid", records.number("uid")?.unwrap_or(header.uid))?,
        gid: owner("gid", records.number("gid")?.unwrap_or(header.gid))?,
        mtime: records.time("mtime")?.unwrap_or(whole(header.mtime)),
        atime: records.time("atime")?.or(header.atime.map(whole)),
        xattrs: xattr::from_records(records.iter())?,
        xattrs_complete: records.get(b"CRUTILS.xattrs") == Some(b"complete")
            || records.get(b"comment") == Some(b"CRUTILS.xattrs=complete"),
        offset: 0,
    };
    Ok(Merged {
        member,
        real_size: real_size(header, records, &map)?,
        map,
        passed_over,
    })
}

/// The name of a member whose headers may be broken, for an error about it.
pub(super) fn rough_name<'a>(header: &'a Header, overrides: &'a Overrides) -> &'a [u8] {
    let long = Some(&*overrides.long_name).filter(|name| !name.is_empty());
    let name = header::text(
        long.or(overrides.records.get(b"path"))
            .unwrap_or(&header.path),
    );
    &name[..name.len().min(NAME_MAX)]
}

fn whole(seconds: i64) -> Time {
    Time {
        seconds,
        nanoseconds: 0,
    }
}

fn member_type(letter: u8, path: &[u8]) -> Result<MemberType, Refusal> {
    match letter {
        // Before ustar there was no type for directories.
        0 if path.ends_with(b"/") => Ok(MemberType::Directory),
        // `7` asks for contiguous storage, which POSIX lets readers ignore; `S` is an old GNU sparse file.
        0 | b'7' | b'S' => Ok(MemberType::Regular),
        // `D` is GNU's directory with the list of what was in it, which is passed over.
        b'D' => Ok(MemberType::Directory),
        letter => MemberType::of_letter(letter).ok_or(Refusal::Type(letter)),
    }
}

/// Which form of sparse map the headers announce.
fn find_map(header: &Header, records: &Records) -> Result<Map, Refusal> {
    if header.kind == b'S' {
        return if header.real_size.is_some() {
            Ok(Map::Old)
        } else {
            Err(Refusal::StarSparse)
        };
    }
    let pairs = records.iter().any(|(key, _)| is_pair(key));
    let any = |keys: &[&[u8]]| keys.iter().any(|key| records.get(key).is_some());
    let version = (
        records.get(b"GNU.sparse.major"),
        records.get(b"GNU.sparse.minor"),
    );
    match version {
        (Some(b"1"), Some(b"0")) => Ok(Map::Leading),
        (Some(b"0"), Some(b"0" | b"1")) => record_map(records, pairs),
        // The first two forms don't state a version everywhere.
        (None, None) if pairs || any(&[b"GNU.sparse.map", b"GNU.sparse.numblocks"]) => {
            record_map(records, pairs)
        }
        // A size without a map is one that some readers believe.
        (None, None) if any(&[b"GNU.sparse.size", b"GNU.sparse.realsize"]) => {
            Err(Refusal::SparseMap)
        }
        (None, None) => Ok(Map::None),
        // Half a version is a whole one for some readers, and none for others.
        _ => Err(Refusal::SparseVersion),
    }
}

/// Whether a record is half an extent of a PAX 0.0 map.
fn is_pair(key: &[u8]) -> bool {
    key == b"GNU.sparse.offset" || key == b"GNU.sparse.numbytes"
}

fn record_map(records: &Records, pairs: bool) -> Result<Map, Refusal> {
    let announced = records.get(b"GNU.sparse.numblocks");
    if !pairs {
        let map = records.get(b"GNU.sparse.map");
        let numbers = map
            .into_iter()
            .flat_map(|map| map.split(|byte| *byte == b','));
        return Ok(Map::Records(sparse::from_records(announced, numbers)?));
    }
    let mut numbers = Vec::new();
    for (key, value) in records.iter().filter(|(key, _)| is_pair(key)) {
        let is_offset = numbers.len() % 2 == 0;
        if is_offset != (key == b"GNU.sparse.offset") {
            return Err(Refusal::SparseMap);
        }
        numbers.push(value);
    }
    Ok(Map::Records(sparse::from_records(
        announced,
        numbers.into_iter(),
    )?))
}

fn real_size(header: &Header, records: &Records, map: &Map) -> Result<Option<u64>, Refusal> {
    let stated = match map {
        Map::None => None,
        Map::Old => header.real_size,
        Map::Records(_) | Map::Leading => match records.number("GNU.sparse.size")? {
            Some(size) => Some(size),
            None => records.number("GNU.sparse.realsize")?,
        },
    };
    stated
        .map(|size| u64::try_from(size).map_err(|_| Refusal::NegativeSize))
        .transpose()
}

fn path(header: &Header, overrides: &Overrides, map: &Map) -> Result<Vec<u8>, Refusal> {
    let real_name = match map {
        // With or without a map: the name in the header is one that the writer has made up.
        Map::Records(_) | Map::Leading | Map::None => overrides.records.get(b"GNU.sparse.name"),
        Map::Old => None,
    };
    let long = Some(&*overrides.long_name).filter(|name| !name.is_empty());
    name(
        "name",
        real_name
            .or(long)
            .or(overrides.records.get(b"path"))
            .unwrap_or(&header.path),
    )
}

fn link(header: &Header, overrides: &Overrides) -> Result<Vec<u8>, Refusal> {
    let long = Some(&*overrides.long_link).filter(|link| !link.is_empty());
    name(
        "link",
        long.or(overrides.records.get(b"linkpath"))
            .unwrap_or(&header.link),
    )
}

fn name(what: &'static str, bytes: &[u8]) -> Result<Vec<u8>, Refusal> {
    if bytes.len() > NAME_MAX {
        Err(Refusal::NameTooLong(what))
    } else if bytes.contains(&0) {
        Err(Refusal::Nul(what))
    } else {
        Ok(bytes.to_vec())
    }
}

fn owner(what: &'static str, id: i64) -> Result<u32, Refusal> {
    // The highest 32-bit number is -1, which chown takes for "leave it".
    u32::try_from(id)
        .ok()
        .filter(|id| *id != u32::MAX)
        .ok_or(Refusal::Owner(what))
}

fn device(header: &Header) -> Result<DeviceNumber, Refusal> {
    let part = |what, number: i64, most: u32| {
        u32::try_from(number)
            .ok()
            .filter(|number| *number <= most)
            .ok_or(Refusal::Device(what))
    };
    // The kernel's dev_t: 12 bits and 20 bits.
    Ok(DeviceNumber {
        major: part("major", header.major, 4095)?,
        minor: part("minor", header.minor, 1_048_575)?,
    })
}

#[cfg(test)]
mod tests;
