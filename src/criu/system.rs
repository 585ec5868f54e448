//! Messages that describe the checkpoint as a whole.

#![forbid(unsafe_code)]

use super::KernelIds;
use super::wire::{Bytes, messages};

messages! {
    /// inventory.img.
    Inventory {
        /// 0 in a pre-dump, 1 and 2 before pages were compressed, 3 since.
        1 image_version: u32,
        3 root_ids: Option<KernelIds>,
        6 lsm: Option<u32>,
        8 dump_uptime: Option<u64>,
        9 pre_dump_mode: Option<u32>,
        10 tcp_close: Option<bool>,
        11 network_lock: Option<u32>,
        12 plugins: Option<Plugins>,
        13 run_id: Option<Bytes>,
        15 compress: Option<u32>,
        16 compress_region: Option<u32>,
    }

    /// Plugins that the dump has used.
    Plugins {
        12 names: Vec<Bytes>,
    }

    /// A mount, mountpoints-ID.img.
    Mount {
        1 fs_type: u32,
        2 id: u32,
        3 device: u32,
        4 parent: u32,
        5 flags: u32,
        6 root: Bytes,
        7 mountpoint: Bytes,
        8 source: Bytes,
        9 options: Bytes,
        10 shared_id: Option<u32>,
        11 master_id: Option<u32>,
        12 with_plugin: Option<bool>,
        13 external: Option<bool>,
        14 fs_name: Option<Bytes>,
        16 deleted: Option<bool>,
        18 external_key: Option<Bytes>,
    }

    /// Host name, utsns-ID.img.
    UtsNs {
        1 node_name: Bytes,
        2 domain_name: Bytes,
    }

    /// User ids, userns-ID.img.
    UserNs {
        1 uids: Vec<IdMapping>,
        2 gids: Vec<IdMapping>,
    }

    /// A range of ids.
    IdMapping {
        1 first: u32,
        2 lower: u32,
        3 count: u32,
    }

    /// pidns-ID.img.
    PidNs {
        1 external_key: Option<Bytes>,
    }

    /// netns-ID.img.
    NetNs {
        8 external_key: Option<Bytes>,
    }

    /// A network device, netdev-ID.img.
    NetDevice {
        1 device_type: u32,
        2 index: u32,
        3 mtu: u32,
        5 name: Bytes,
        7 address: Option<Bytes>,
    }

    /// stats-dump and stats-restore.
    Stats {
        1 dump: Option<DumpStats>,
        2 restore: Option<RestoreStats>,
    }

    /// How a dump went. Times are microseconds.
    DumpStats {
        1 freezing_time: u32,
        2 frozen_time: u32,
        3 memdump_time: u32,
        4 memwrite_time: u32,
        5 pages_scanned: u64,
        6 pages_skipped_parent: u64,
        7 pages_written: u64,
        8 irmap_resolve: Option<u32>,
        9 pages_lazy: u64,
        10 page_pipes: Option<u64>,
        11 page_pipe_bufs: Option<u64>,
        12 shmem_scanned: Option<u64>,
        13 shmem_skipped_parent: Option<u64>,
        14 shmem_written: Option<u64>,
    }

    /// How a restore went. Times are microseconds.
    RestoreStats {
        1 pages_compared: u64,
        2 pages_skipped_cow: u64,
        3 forking_time: u32,
        4 restore_time: u32,
        5 pages_restored: Option<u64>,
    }

    /// cpuinfo.img.
    CpuInfo {
        1 x86: Vec<X86Cpu>,
    }

    /// An x86 CPU.
    X86Cpu {
        /// 1 Intel, 2 AMD.
        1 vendor: u32,
        2 family: u32,
        3 model: u32,
        4 stepping: u32,
        6 capabilities: Vec<u32>,
        7 model_name: Option<Bytes>,
    }
}
