//! The members of an archive.

use std::ffi::{CString, c_char};
use std::os::unix::ffi::OsStrExt as _;
use std::ptr;

use super::argument::Text;
use super::string::{named, until_nul};
use crate::checkpoint::{MemberClass, MemberInfo, MemberType};

/// A regular file.
pub const CR_MEMBER_REGULAR: u32 = 1;
/// A directory.
pub const CR_MEMBER_DIRECTORY: u32 = 2;
/// A symbolic link.
pub const CR_MEMBER_SYMLINK: u32 = 3;
/// A further name of an earlier member.
pub const CR_MEMBER_HARD_LINK: u32 = 4;
/// A character device.
pub const CR_MEMBER_CHAR_DEVICE: u32 = 5;
/// A block device.
pub const CR_MEMBER_BLOCK_DEVICE: u32 = 6;
/// A named pipe.
pub const CR_MEMBER_FIFO: u32 = 7;

const _: () = assert!(CR_MEMBER_REGULAR == MemberType::Regular as u32);
const _: () = assert!(CR_MEMBER_DIRECTORY == MemberType::Directory as u32);
const _: () = assert!(CR_MEMBER_SYMLINK == MemberType::Symlink as u32);
const _: () = assert!(CR_MEMBER_HARD_LINK == MemberType::HardLink as u32);
const _: () = assert!(CR_MEMBER_CHAR_DEVICE == MemberType::CharDevice as u32);
const _: () = assert!(CR_MEMBER_BLOCK_DEVICE == MemberType::BlockDevice as u32);
const _: () = assert!(CR_MEMBER_FIFO == MemberType::Fifo as u32);

/// The types, by their numbers.
pub(super) const MEMBER_TYPES: [(u32, MemberType); 7] = {
    let [a, b, c, d, e, f, g] = MemberType::ALL;
    [
        (a as u32, a),
        (b as u32, b),
        (c as u32, c),
        (d as u32, d),
        (e as u32, e),
        (f as u32, f),
        (g as u32, g),
    ]
};

/// None of the other classes.
pub const CR_CLASS_OTHER: u32 = 1;
/// A document about the container: config.dump, spec.dump, network.status and their like.
pub const CR_CLASS_CONFIGURATION: u32 = 2;
/// Memory of processes.
pub const CR_CLASS_MEMORY_PAGES: u32 = 3;
/// Memory of graphics cards.
pub const CR_CLASS_GPU_PAGES: u32 = 4;
/// Another file that CRIU writes.
pub const CR_CLASS_CRIU_IMAGE: u32 = 5;
/// The changes of the root file system: rootfs-diff.tar and deleted.files.
pub const CR_CLASS_ROOTFS_DIFF: u32 = 6;
/// A named volume.
pub const CR_CLASS_VOLUME: u32 = 7;
/// The container's own /dev/shm.
pub const CR_CLASS_SHM: u32 = 8;
/// A log.
pub const CR_CLASS_LOG: u32 = 9;

const _: () = assert!(CR_CLASS_OTHER == MemberClass::Other as u32);
const _: () = assert!(CR_CLASS_CONFIGURATION == MemberClass::Configuration as u32);
const _: () = assert!(CR_CLASS_MEMORY_PAGES == MemberClass::MemoryPages as u32);
const _: () = assert!(CR_CLASS_GPU_PAGES == MemberClass::GpuPages as u32);
const _: () = assert!(CR_CLASS_CRIU_IMAGE == MemberClass::CriuImage as u32);
const _: () = assert!(CR_CLASS_ROOTFS_DIFF == MemberClass::RootfsDiff as u32);
const _: () = assert!(CR_CLASS_VOLUME == MemberClass::Volume as u32);
const _: () = assert!(CR_CLASS_SHM == MemberClass::Shm as u32);
const _: () = assert!(CR_CLASS_LOG == MemberClass::Log as u32);

/// A member of an archive. Later versions may add fields at the end.
#[repr(C)]
#[derive(Debug)]
pub struct CRMember {
    /// Its name as it stands in the archive: any bytes, not cleaned.
    pub name: Text,
    /// One of CR_MEMBER_*. Later versions may have more.
    pub kind: u32,
    /// One of CR_CLASS_*. Later versions may have more.
    pub member_class: u32,
    /// The size of a regular file in bytes, holes included; otherwise 0.
    pub size: u64,
    /// How many bytes of data the archive holds for it.
    pub stored: u64,
    /// Where its first header begins in the tar stream, in bytes.
    pub offset: u64,
}

/// The members of an archive as C borrows them.
pub(super) struct Members {
    /// The names that the members point to, and the members that the pointers point to.
    _names: Vec<CString>,
    _members: Box<[CRMember]>,
    pointers: Vec<*const CRMember>,
}

impl Members {
    pub(super) fn of(infos: &[MemberInfo]) -> Self {
        let names: Vec<CString> = infos
            .iter()
            .map(|info| until_nul(info.name.as_bytes()))
            .collect();
        let members: Box<[CRMember]> = infos.iter().zip(&names).map(member).collect();
        Members {
            pointers: members.iter().map(ptr::from_ref).collect(),
            _names: names,
            _members: members,
        }
    }

    /// An array of pointers, which is never NULL, and its length.
    pub(super) fn array(&self) -> (*const *const CRMember, usize) {
        (self.pointers.as_ptr(), self.pointers.len())
    }
}

fn member((info, name): (&MemberInfo, &CString)) -> CRMember {
    CRMember {
        name: Text::lent(name),
        kind: info.kind as u32,
        member_class: info.class as u32,
        size: info.size,
        stored: info.stored,
        offset: info.offset,
    }
}

/// Returns the name of a class for people, such as "memory pages". The string is static; NULL for a
/// number that isn't one of CR_CLASS_*.
///
/// @param member_class One of CR_CLASS_*.
#[unsafe(no_mangle)]
pub extern "C" fn CRClassName(member_class: u32) -> *const c_char {
    let names = MemberClass::ALL.map(|class| (class as u32, class.label()));
    named(member_class, names)
}
