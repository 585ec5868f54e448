//! What the headers say about an object.

#![forbid(unsafe_code)]

use std::ffi::CString;
use std::fs::File;
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStringExt as _;

use nix::fcntl::readlinkat;
use nix::sys::stat::{FileStat, SFlag, major, minor};

use super::Refusal;
use crate::error::{Called as _, Result};
use crate::fs::{Node, OverlayState, RootPath, data_extents, file_type, xattrs_of};
use crate::sys::Status;
use crate::tar::{
    DeviceNumber, Extent, Extents, Member, MemberKind, MemberType, Time, Xattr, sparse,
};

/// From how many bytes of holes on a file is stored as a sparse member.
const SPARSE_FROM: u64 = 64 << 10;
/// How often a file that gets shorter is looked at again.
const ATTEMPTS: u32 = 16;

/// The type of an object; `None` for what no archive can hold.
pub(crate) fn type_of(stat: &FileStat) -> Option<MemberType> {
    match file_type(stat) {
        SFlag::S_IFREG => Some(MemberType::Regular),
        SFlag::S_IFDIR => Some(MemberType::Directory),
        SFlag::S_IFLNK => Some(MemberType::Symlink),
        SFlag::S_IFCHR => Some(MemberType::CharDevice),
        SFlag::S_IFBLK => Some(MemberType::BlockDevice),
        SFlag::S_IFIFO => Some(MemberType::Fifo),
        _ => None,
    }
}

/// The member for an object, with all its xattrs but those of overlays that are left out; a regular file's as if it had
/// no holes. Whether there were any of those, too.
pub(super) fn member(
    path: &RootPath,
    node: &Node,
    stat: &FileStat,
    overlay: OverlayState,
) -> Result<(Member, bool)> {
    let kind = match type_of(stat) {
        Some(MemberType::Regular) => {
            MemberKind::Regular(Extents::whole(u64::try_from(stat.st_size).unwrap_or(0)))
        }
        Some(MemberType::Directory) => MemberKind::Directory,
        Some(MemberType::Symlink) => MemberKind::Symlink {
            target: readlinkat(node.as_fd(), c"")
                .called(|| "readlinkat")?
                .into_vec(),
        },
        Some(MemberType::CharDevice) => MemberKind::CharDevice(device_number(stat)?),
        Some(MemberType::BlockDevice) => MemberKind::BlockDevice(device_number(stat)?),
        Some(MemberType::Fifo) => MemberKind::Fifo,
        Some(MemberType::HardLink) | None => {
            return Err(Refusal::Type.into());
        }
    };
    let (xattrs, left_out) = xattrs(node, overlay)?;
    let member = Member {
        xattrs,
        ..header(path, stat, kind)
    };
    Ok((member, left_out))
}

/// The member for a further name of a file that was stored as `first`.
pub(super) fn hard_link(path: &RootPath, stat: &FileStat, first: &RootPath) -> Member {
    let source = first.as_bytes().to_vec();
    header(path, stat, MemberKind::HardLink { source })
}

/// What all members have in common.
fn header(path: &RootPath, stat: &FileStat, kind: MemberKind) -> Member {
    let path = if path.is_root() {
        b"."
    } else {
        path.as_bytes()
    };
    let mtime = Time {
        seconds: stat.st_mtime,
        nanoseconds: u32::try_from(stat.st_mtime_nsec).unwrap_or(0),
    };
    Member {
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        ..Member::made(path, kind, mtime)
    }
}

/// Puts `./` in front of the name, and of the one that a hard link leads to.
pub(super) fn put_dots(member: &mut Member) {
    if member.path != b"." {
        member.path.splice(..0, *b"./");
    }
    if let MemberKind::HardLink { source } = &mut member.kind {
        source.splice(..0, *b"./");
    }
}

fn device_number(stat: &FileStat) -> Result<DeviceNumber> {
    let number = |number: u64| u32::try_from(number).map_err(|_| Refusal::DeviceNumber);
    Ok(DeviceNumber {
        major: number(major(stat.st_rdev))?,
        minor: number(minor(stat.st_rdev))?,
    })
}

fn xattrs(node: &Node, overlay: OverlayState) -> Result<(Vec<Xattr>, bool)> {
    let xattr = |(name, value): (CString, Vec<u8>)| Xattr {
        name: name.into_bytes(),
        value,
    };
    let (found, left_out) = xattrs_of(node, overlay)?;
    Ok((found.into_iter().map(xattr).collect(), left_out))
}

/// What is stored of a regular file of `size` bytes: it leaves out holes, if they are worth it.
///
/// What is missing of a file that got shorter since its size was asked for isn't a hole: that is ESTALE, or if it lives,
/// the member is as long as the file is now.
pub(super) fn extents(file: &File, mut size: u64, lives: bool) -> Result<Extents> {
    // It may get shorter and shorter; every turn has at least a byte less, but nobody waits for the last one.
    for _ in 0..ATTEMPTS {
        if size < SPARSE_FROM {
            return Ok(Extents::whole(size));
        }
        let found = data_extents(file, size)?;
        let now = file.metadata().called(|| "fstat")?;
        if now.len() >= size {
            return without_holes(found, size);
        }
        if !lives {
            break;
        }
        size = now.len();
    }
    Err(Refusal::Shrank.into())
}

fn without_holes(found: Vec<(u64, u64)>, size: u64) -> Result<Extents> {
    let data: u64 = found.iter().map(|&(_, len)| len).sum();
    if size.saturating_sub(data) < SPARSE_FROM {
        return Ok(Extents::whole(size));
    }
    let extents = found
        .into_iter()
        .map(|(offset, len)| Extent { offset, len })
        .collect();
    Extents::sparse(sparse::fit(extents, size), size)
}

/// Whether the file's attributes are still those that were noted, apart from what writing to it changes.
pub(super) fn has_kept(
    noted: &Member,
    node: &Node,
    status: &Status,
    overlay: OverlayState,
) -> Result<bool> {
    let path = RootPath::clean(&noted.path)?;
    let (now, _) = member(&path, node, &status.stat, overlay)?;
    let expected = Member {
        path: noted.path.clone(),
        kind: noted.kind.clone(),
        mtime: noted.mtime,
        ..now
    };
    Ok(expected == *noted)
}
