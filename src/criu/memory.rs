//! Messages that describe memory.

#![forbid(unsafe_code)]

use super::wire::{Zigzag, messages};

messages! {
    /// The address space of a process, mm-ID.img.
    Mm {
        8 arguments_start: u64,
        9 arguments_end: u64,
        10 environment_start: u64,
        11 environment_end: u64,
        12 exe_file_id: u32,
        14 mappings: Vec<Vma>,
        15 dumpable: Option<i32>,
    }

    /// One mapping.
    Vma {
        1 start: u64,
        2 end: u64,
        /// In bytes.
        3 offset: u64,
        /// Of a file: its number in files.img; else of the shared memory.
        4 shmid: u64,
        5 protection: u32,
        6 flags: u32,
        7 status: u32,
        8 fd: Zigzag,
    }

    /// The head of a page map.
    PagemapHead {
        1 pages_id: u32,
    }

    /// A run of pages.
    PagemapEntry {
        1 address: u64,
        2 compat_pages: u32,
        3 in_parent: Option<bool>,
        4 flags: Option<u32>,
        5 pages: Option<u64>,
        6 compressed_sizes: Vec<u32>,
        7 total_compressed: Option<u64>,
        8 region_pages: Option<u32>,
    }

    /// A memfd.
    MemfdInode {
        1 name: super::Bytes,
        2 uid: u32,
        3 gid: u32,
        4 size: u64,
        5 shmid: u32,
        6 seals: u32,
        7 id: u64,
    }
}

/// Flags of a mapping (MAP_*).
pub(crate) mod vma_flags {
    pub(crate) const SHARED: u32 = 1;
    pub(crate) const GROWS_DOWN: u32 = 0x100;
}

/// What a mapping is.
pub(crate) mod vma_status {
    pub(crate) const STACK: u32 = 1 << 1;
    pub(crate) const VSYSCALL: u32 = 1 << 2;
    pub(crate) const VDSO: u32 = 1 << 3;
    pub(crate) const HEAP: u32 = 1 << 5;
    pub(crate) const FILE_PRIVATE: u32 = 1 << 6;
    pub(crate) const FILE_SHARED: u32 = 1 << 7;
    pub(crate) const ANON_SHARED: u32 = 1 << 8;
    pub(crate) const SYSV_IPC: u32 = 1 << 10;
    pub(crate) const SOCKET: u32 = 1 << 11;
    pub(crate) const VVAR: u32 = 1 << 12;
    pub(crate) const AIO_RING: u32 = 1 << 13;
    pub(crate) const MEMFD: u32 = 1 << 14;
    pub(crate) const GUARD: u32 = 1 << 16;
    pub(crate) const PLUGIN: u32 = 1 << 27;
}
