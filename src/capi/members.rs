//! The list of an archive's members.

use std::ffi::{CString, c_char};
use std::os::unix::ffi::OsStrExt;
use std::ptr;

use super::argument;
use super::guard;
use crate::checkpoint::{MemberClass, MemberInfo, MemberType};
use crate::error::{Error, Kind, Result};

/// A regular file.
pub const CR_MEMBER_REGULAR: u32 = 0;
/// A directory.
pub const CR_MEMBER_DIRECTORY: u32 = 1;
/// A symbolic link.
pub const CR_MEMBER_SYMLINK: u32 = 2;
/// A further name of an earlier member.
pub const CR_MEMBER_HARD_LINK: u32 = 3;
/// A character device.
pub const CR_MEMBER_CHAR_DEVICE: u32 = 4;
/// A block device.
pub const CR_MEMBER_BLOCK_DEVICE: u32 = 5;
/// A named pipe.
pub const CR_MEMBER_FIFO: u32 = 6;

const _: () = assert!(CR_MEMBER_REGULAR == MemberType::Regular as u32);
const _: () = assert!(CR_MEMBER_DIRECTORY == MemberType::Directory as u32);
const _: () = assert!(CR_MEMBER_SYMLINK == MemberType::Symlink as u32);
const _: () = assert!(CR_MEMBER_HARD_LINK == MemberType::HardLink as u32);
const _: () = assert!(CR_MEMBER_CHAR_DEVICE == MemberType::CharDevice as u32);
const _: () = assert!(CR_MEMBER_BLOCK_DEVICE == MemberType::BlockDevice as u32);
const _: () = assert!(CR_MEMBER_FIFO == MemberType::Fifo as u32);

/// None of the others.
pub const CR_CLASS_OTHER: u32 = 0;
/// What describes the container: config.dump, spec.dump, network.status and their like.
pub const CR_CLASS_CONFIGURATION: u32 = 1;
/// Memory of processes.
pub const CR_CLASS_MEMORY_PAGES: u32 = 2;
/// Memory of graphics cards.
pub const CR_CLASS_GPU_PAGES: u32 = 3;
/// What else CRIU writes.
pub const CR_CLASS_CRIU_IMAGE: u32 = 4;
/// The changes of the root file system: rootfs-diff.tar and deleted.files.
pub const CR_CLASS_ROOTFS_DIFF: u32 = 5;
/// Named volumes.
pub const CR_CLASS_VOLUME: u32 = 6;
/// The container's own /dev/shm.
pub const CR_CLASS_SHM: u32 = 7;
/// Logs.
pub const CR_CLASS_LOG: u32 = 8;

const _: () = assert!(CR_CLASS_OTHER == MemberClass::Other as u32);
const _: () = assert!(CR_CLASS_CONFIGURATION == MemberClass::Configuration as u32);
const _: () = assert!(CR_CLASS_MEMORY_PAGES == MemberClass::MemoryPages as u32);
const _: () = assert!(CR_CLASS_GPU_PAGES == MemberClass::GpuPages as u32);
const _: () = assert!(CR_CLASS_CRIU_IMAGE == MemberClass::CriuImage as u32);
const _: () = assert!(CR_CLASS_ROOTFS_DIFF == MemberClass::RootfsDiff as u32);
const _: () = assert!(CR_CLASS_VOLUME == MemberClass::Volume as u32);
const _: () = assert!(CR_CLASS_SHM == MemberClass::Shm as u32);
const _: () = assert!(CR_CLASS_LOG == MemberClass::Log as u32);

/// A member of an archive. Later versions may add fields at the end; CRMemberListAt answers one.
#[repr(C)]
#[derive(Debug)]
pub struct CRMember {
    /// Its name as it stands in the archive: any bytes, not cleaned. It belongs to the list.
    pub name: *const c_char,
    /// One of CR_MEMBER_*; more may follow.
    pub kind: u32,
    /// One of CR_CLASS_*; more may follow.
    pub member_class: u32,
    /// The size of a regular file in bytes, holes included; otherwise 0.
    pub size: u64,
    /// How many bytes of data the archive holds of it.
    pub stored: u64,
    /// Where its first header begins in the tar stream, in bytes.
    pub offset: u64,
}

/// The members of an archive, in the archive's order.
#[derive(Debug)]
pub struct CRMemberList {
    members: Vec<CRMember>,
    /// What the names of the members point to.
    #[allow(dead_code, reason = "owns what `members` points to")]
    names: Vec<CString>,
}

impl CRMemberList {
    pub(super) fn into_raw(members: &[MemberInfo]) -> Result<*mut CRMemberList> {
        let name = |member: &MemberInfo| {
            let name = CString::new(member.name.as_bytes());
            name.map_err(|_| Error::new(Kind::Malformed, "a name holds a NUL byte"))
        };
        let names: Vec<CString> = members.iter().map(name).collect::<Result<_>>()?;
        let member = |(member, name): (&MemberInfo, &CString)| CRMember {
            name: name.as_ptr(),
            kind: member.kind as u32,
            member_class: member.class as u32,
            size: member.size,
            stored: member.stored,
            offset: member.offset,
        };
        let members = members.iter().zip(&names).map(member).collect();
        Ok(Box::into_raw(Box::new(CRMemberList { members, names })))
    }
}

/// Answers how many members a list has. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRMemberListLen(list: *const CRMemberList) -> usize {
    // SAFETY: the caller passes NULL or a list that it hasn't freed.
    let list = || unsafe { list.as_ref() };
    guard::value(0, || Ok(list().map_or(0, |list| list.members.len())))
}

/// Answers a member of a list, which belongs to the list and lives as long as it does. NULL for NULL,
/// and for an index that the list doesn't have.
///
/// index: counts from 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRMemberListAt(
    list: *const CRMemberList,
    index: usize,
) -> *const CRMember {
    // SAFETY: the caller passes NULL or a list that it hasn't freed, and doesn't free it while it
    // uses the member.
    let list = || unsafe { list.as_ref() };
    guard::value(ptr::null(), || {
        let member = list().and_then(|list| list.members.get(index));
        Ok(member.map_or(ptr::null(), ptr::from_ref))
    })
}

/// Answers how many bytes of data the archive holds of all members of one class.
///
/// member_class: one of CR_CLASS_*; 0 for others, and for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRMemberListBytes(list: *const CRMemberList, member_class: u32) -> u64 {
    // SAFETY: the caller passes NULL or a list that it hasn't freed.
    let list = || unsafe { list.as_ref() };
    guard::value(0, || {
        let members = list().map_or(&[][..], |list| &list.members);
        let of_class = members
            .iter()
            .filter(|member| member.member_class == member_class);
        Ok(of_class.fold(0, |sum, member| u64::saturating_add(sum, member.stored)))
    })
}

/// Frees a list and the members that belong to it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRMemberListFree(list: *mut CRMemberList) {
    // SAFETY: the caller passes NULL or a list of this library's, and passes it only once.
    guard::run(|| unsafe { argument::free(list) });
}
