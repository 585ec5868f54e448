//! What the headers say about an object.

#![forbid(unsafe_code)]

use std::ffi::CString;
use std::fs::File;
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStringExt as _;

use nix::errno::Errno;
use nix::fcntl::readlinkat;
use nix::sys::stat::{FileStat, major, minor};

use crate::error::{Called as _, Error, Kind, Result};
use crate::fs::{Node, OverlayState, RootPath, data_extents, xattrs_of};
use crate::sys::Status;
use crate::tar::{Extent, Member, MemberKind, Time, Xattr, sparse};

/// From how many bytes of holes on a file is stored as a sparse member.
const SPARSE_FROM: u64 = 64 << 10;
/// How often a file that gets shorter is looked at again.
const ATTEMPTS: u32 = 16;

/// The member for an object, with all its xattrs but those of overlays that are left out; a regular file's as if it had
/// no holes. Whether there were any of those, too.
pub(super) fn member(
    path: &RootPath,
    node: &Node,
    stat: &FileStat,
    kind: MemberKind,
    overlay: OverlayState,
) -> Result<(Member, bool)> {
    let size = match kind {
        MemberKind::Regular => u64::try_from(stat.st_size).unwrap_or(0),
        _ => 0,
    };
    let link = match kind {
        MemberKind::Symlink => readlinkat(node.as_fd(), c"")
            .called(|| "readlinkat")?
            .into_vec(),
        _ => Vec::new(),
    };
    let (major, minor) = match kind {
        MemberKind::CharDevice | MemberKind::BlockDevice => device_numbers(stat)?,
        _ => (0, 0),
    };
    let (xattrs, left_out) = xattrs(node, overlay)?;
    let member = Member {
        kind,
        link,
        size,
        stored: size,
        major,
        minor,
        xattrs,
        ..header(path, stat)
    };
    Ok((member, left_out))
}

/// The member for a further name of a file that was stored as `first`.
pub(super) fn hard_link(path: &RootPath, stat: &FileStat, first: &RootPath) -> Member {
    Member {
        kind: MemberKind::Hardlink,
        link: first.as_bytes().to_vec(),
        ..header(path, stat)
    }
}

/// What all members have in common.
fn header(path: &RootPath, stat: &FileStat) -> Member {
    let path = if path.is_root() {
        b".".to_vec()
    } else {
        path.as_bytes().to_vec()
    };
    Member {
        path,
        kind: MemberKind::Regular,
        link: Vec::new(),
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        mtime: Time {
            seconds: stat.st_mtime,
            nanoseconds: u32::try_from(stat.st_mtime_nsec).unwrap_or(0),
        },
        atime: None,
        major: 0,
        minor: 0,
        xattrs: Vec::new(),
        xattrs_complete: false,
        size: 0,
        stored: 0,
        sparse: None,
        offset: 0,
    }
}

/// Puts `./` in front of the name, and of the one that a hard link leads to.
pub(super) fn put_dots(member: &mut Member) {
    if member.path != b"." {
        member.path.splice(..0, *b"./");
    }
    if member.kind == MemberKind::Hardlink {
        member.link.splice(..0, *b"./");
    }
}

fn device_numbers(stat: &FileStat) -> Result<(u32, u32)> {
    let number = |number: u64| {
        u32::try_from(number).map_err(|_| Error::new(Kind::Unsupported, "device number too large"))
    };
    Ok((number(major(stat.st_rdev))?, number(minor(stat.st_rdev))?))
}

fn xattrs(node: &Node, overlay: OverlayState) -> Result<(Vec<Xattr>, bool)> {
    let xattr = |(name, value): (CString, Vec<u8>)| Xattr {
        name: name.into_bytes(),
        value,
    };
    let (found, left_out) = xattrs_of(node, overlay)?;
    Ok((found.into_iter().map(xattr).collect(), left_out))
}

/// The member of a regular file with its holes, if they are worth it.
///
/// What is missing of a file that got shorter since its size was asked for isn't a hole: that is ESTALE, or if it lives,
/// the member is as long as the file is now.
pub(super) fn with_holes(member: Member, file: &File, lives: bool) -> Result<Member> {
    let mut member = member;
    // It may get shorter and shorter; every turn has at least a byte less, but nobody waits for the last one.
    for _ in 0..ATTEMPTS {
        if member.size < SPARSE_FROM {
            return Ok(member);
        }
        let extents = data_extents(file, member.size)?;
        let now = file.metadata().map_err(|error| Error::io("fstat", error))?;
        if now.len() >= member.size {
            return Ok(sparse_member(member, extents));
        }
        if !lives {
            break;
        }
        (member.size, member.stored) = (now.len(), now.len());
    }
    let text = "got shorter while it was looked at";
    Err(Error::new(Kind::System, text).with_errno(Errno::ESTALE))
}

fn sparse_member(member: Member, extents: Vec<(u64, u64)>) -> Member {
    let data: u64 = extents.iter().map(|&(_, len)| len).sum();
    if member.size.saturating_sub(data) < SPARSE_FROM {
        return member;
    }
    let extents = extents
        .into_iter()
        .map(|(offset, len)| Extent { offset, len })
        .collect();
    let extents = sparse::fit(extents, member.size);
    let stored = extents.iter().map(|extent| extent.len).sum();
    Member {
        sparse: Some(extents),
        stored,
        ..member
    }
}

/// Whether the file's attributes are still those that were noted, apart from what writing to it changes.
pub(super) fn has_kept(
    noted: &Member,
    node: &Node,
    status: &Status,
    overlay: OverlayState,
) -> Result<bool> {
    let path = RootPath::clean(&noted.path)?;
    let (now, _) = member(&path, node, &status.stat, MemberKind::Regular, overlay)?;
    let expected = Member {
        path: noted.path.clone(),
        mtime: noted.mtime,
        size: noted.size,
        stored: noted.stored,
        sparse: noted.sparse.clone(),
        ..now
    };
    Ok(expected == *noted)
}
