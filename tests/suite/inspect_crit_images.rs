//! Images of a container that has everything, as `crit encode` takes them.

use serde_json::{Value, json};

/// Open files of every kind.
fn files() -> Vec<Value> {
    let fown = json!({ "uid": 0, "euid": 0, "signum": 0, "pid_type": 0, "pid": 0 });
    let opts = json!({ "so_sndbuf": 1, "so_rcvbuf": 2, "so_snd_tmo_sec": 0, "so_snd_tmo_usec": 0,
                       "so_rcv_tmo_sec": 0, "so_rcv_tmo_usec": 0, "so_filter": ["0x1"] });
    let inet = |id: u64,
                ino: u64,
                family: &str,
                proto: u64,
                state: u64,
                ports: [u64; 2],
                addresses: [&str; 2]| {
        json!({ "type": "INETSK", "id": id, "isk": {
            "id": id, "ino": ino, "family": if family == "INET" { 2 } else { 10 }, "type": if proto == 6 { 1 } else { 2 },
            "proto": proto, "state": state, "src_port": ports[0], "dst_port": ports[1], "flags": "0x2", "backlog": 128,
            "src_addr": [addresses[0]], "dst_addr": [addresses[1]], "fown": fown, "opts": opts } })
    };
    let mut files = vec![
        json!({ "type": "REG", "id": 1, "reg": { "id": 1, "flags": "0x8002", "pos": 77, "fown": fown,
            "name": "/tmp/gone", "mnt_id": -1, "size": 5_000_000_000_u64, "mode": 0o100_644 } }),
        json!({ "type": "REG", "id": 2, "reg": { "id": 2, "flags": 0, "pos": 0, "fown": fown, "name": "/srv",
            "mode": 0o40_755 } }),
        json!({ "type": "UNIXSK", "id": 5, "usk": { "id": 5, "ino": 500, "type": 1, "state": 1, "flags": "0x2",
            "uflags": "0x0", "backlog": 0, "peer": 600, "fown": fown, "opts": opts, "name": "=00abc" } }),
        json!({ "type": "EVENTFD", "id": 6, "efd": { "id": 6, "flags": 2, "fown": fown, "counter": 9 } }),
        json!({ "type": "EVENTPOLL", "id": 7, "epfd": { "id": 7, "flags": "0x2", "fown": fown, "tfd": [
            { "id": 7, "tfd": 3, "events": "0x1", "data": "0x3" }] } }),
        json!({ "type": "SIGNALFD", "id": 8, "sgfd": { "id": 8, "flags": "0x2", "fown": fown, "sigmask": "0x4000" } }),
        json!({ "type": "TIMERFD", "id": 9, "tfd": { "id": 9, "flags": 2, "fown": fown, "clockid": 1, "ticks": 0,
            "settime_flags": 0, "vsec": 10, "vnsec": 0, "isec": 1, "insec": 0 } }),
        json!({ "type": "INOTIFY", "id": 10, "ify": { "id": 10, "flags": "0x0", "fown": fown } }),
        json!({ "type": "FIFO", "id": 11, "fifo": { "id": 11, "pipe_id": 78, "regf_id": 12 } }),
        json!({ "type": "REG", "id": 12, "reg": { "id": 12, "flags": 0, "pos": 0, "fown": fown, "name": "/run/fifo",
            "mode": 0o10_644 } }),
        json!({ "type": "PIPE", "id": 13, "pipe": { "id": 13, "pipe_id": 77, "flags": "0x1", "fown": fown } }),
        json!({ "type": "TTY", "id": 14, "tty": { "id": 14, "tty_info_id": 3, "flags": "0x2", "fown": fown } }),
        json!({ "type": "MEMFD", "id": 15, "memfd": { "id": 15, "flags": 2, "pos": 4, "fown": fown, "inode_id": 21 } }),
        json!({ "type": "FANOTIFY", "id": 18, "ffy": { "id": 18, "flags": "0x2", "fown": fown, "faflags": "0x0", "evflags": "0x0" } }),
        json!({ "type": "NS", "id": 19, "nsf": { "id": 19, "ns_id": 44, "ns_cflag": 0x4000_0000, "flags": 0 } }),
        json!({ "type": "TUNF", "id": 20, "tunf": { "id": 20, "netdev": "tun0" } }),
        json!({ "type": "EXT", "id": 21, "ext": { "id": 21, "fown": fown } }),
        json!({ "type": "BPFMAP", "id": 22, "bpf": { "id": 22, "flags": "0x2", "pos": 0, "fown": fown, "map_type": 1,
            "key_size": 4, "value_size": 4, "map_id": 5, "max_entries": 6, "map_flags": 0, "memlock": 0, "frozen": false,
            "map_name": "counters", "ifindex": 0 } }),
        json!({ "type": "PACKETSK", "id": 23, "psk": { "id": 23, "type": 3, "protocol": 768, "flags": "0x802", "ifindex": 1,
            "fown": fown, "opts": opts, "version": 0, "reserve": 0, "aux_data": false, "orig_dev": false, "vnet_hdr": false,
            "loss": false, "timestamp": 0, "copy_thresh": 0 } }),
        json!({ "type": "UNIXSK", "id": 24, "usk": { "id": 24, "ino": 501, "type": 5, "state": 10, "flags": "0x2",
            "uflags": "0x0", "backlog": 9, "peer": 0, "fown": fown, "opts": opts, "name": "/run/socket=00" } }),
        json!({ "type": "MEMFD", "id": 25, "memfd": { "id": 25, "flags": 2, "pos": 0, "fown": fown, "inode_id": 22 } }),
        json!({ "type": "NETLINKSK", "id": 16, "nlsk": { "id": 16, "ino": 5, "protocol": 15, "state": 7, "flags": "0x2",
            "portid": 99, "dst_portid": 0, "dst_group": 0, "fown": fown, "opts": opts } }),
    ];
    files.push(inet(
        3,
        0x2f,
        "INET",
        6,
        1,
        [8080, 4711],
        ["127.0.0.1", "10.0.2.2"],
    ));
    files.push(inet(4, 0x30, "INET6", 6, 10, [443, 0], ["::", "::"]));
    files.push(inet(17, 0x31, "INET6", 17, 7, [53, 0], ["fe80::1", "::"]));
    files
}

/// Images of a process with everything open.
pub(crate) fn everything() -> Value {
    let image = |magic: &str, entries: Value| json!({ "magic": magic, "entries": entries });
    let order = [
        ("REG", 1),
        ("REG", 2),
        ("INETSK", 3),
        ("INETSK", 4),
        ("UNIXSK", 5),
        ("EVENTFD", 6),
        ("EVENTPOLL", 7),
        ("SIGNALFD", 8),
        ("TIMERFD", 9),
        ("INOTIFY", 10),
        ("FIFO", 11),
        ("PIPE", 13),
        ("TTY", 14),
        ("MEMFD", 15),
        ("NETLINKSK", 16),
        ("INETSK", 17),
        ("FANOTIFY", 18),
        ("NS", 19),
        ("TUNF", 20),
        ("EXT", 21),
        ("BPFMAP", 22),
        ("PACKETSK", 23),
        ("UNIXSK", 24),
    ];
    let fdinfo = order
        .iter()
        .enumerate()
        .map(|(fd, (of, id))| json!({ "id": id, "flags": 1, "type": of, "fd": fd }));
    json!({
        "inventory.img": image("INVENTORY", json!([{ "img_version": 2, "lsmtype": "APPARMOR" }])),
        "pstree.img": image("PSTREE", json!([{ "pid": 7, "ppid": 0, "pgid": 7, "sid": 7, "threads": [7, 8] }])),
        "ids-7.img": image("IDS", json!([{ "vm_id": 1, "files_id": 4, "fs_id": 1, "sighand_id": 1 }])),
        "fs-7.img": image("FS", json!([{ "cwd_id": 2, "root_id": 2, "umask": 63 }])),
        "fdinfo-4.img": image("FDINFO", fdinfo.collect()),
        "files.img": image("FILES", files().into()),
        "tty-info.img": image("TTY_INFO", json!([{ "id": 3, "type": "PTY", "locked": false, "exclusive": false,
            "packet_mode": false, "sid": 7, "pgrp": 7, "rdev": 0, "pty": { "index": 5 } }])),
        "memfd.img": image("MEMFD_INODE", json!([{ "name": "region", "uid": 0, "gid": 0, "size": 8192, "shmid": 30,
            "seals": 0, "inode_id": 21 }, { "name": "/dev/zero", "uid": 0, "gid": 0, "size": 4096, "shmid": 31, "seals": 0,
            "inode_id": 22 }])),
        "pipes-data.img": image("PIPES_DATA", json!([{ "pipe_id": 77, "bytes": 5, "size": 65536, "extra": "aGVsbG8=" }])),
        "fifo-data.img": image("FIFO_DATA", json!([{ "pipe_id": 78, "bytes": 2, "size": 65536, "extra": "aGk=" }])),
        "sk-queues.img": image("SK_QUEUES", json!([{ "id_for": 5, "length": 3, "extra": "YWJj" }])),
        "tcp-stream-2f.img": image("TCP_STREAM", json!([{ "inq_len": 4, "inq_seq": 1, "outq_len": 2, "outq_seq": 1,
            "opt_mask": "0x0", "snd_wscale": 7, "mss_clamp": 1460, "extra": { "inq": "YWJjZA==", "outq": "ZWY=" } }])),
        "remap-fpath.img": image("REMAP_FPATH", json!([{ "orig_id": 1, "remap_id": 10, "remap_type": "GHOST" }])),
        "ghost-file-a.img": image("GHOST_FILE", json!([{ "uid": 5, "gid": 6, "mode": 0o100_644, "extra": "YWJjZGVm" }])),
        "pidns-9.img": image("PIDNS", json!([{ "ext_key": "extRootPidNS" }])),
    })
}

/// The core of a process or a thread.
fn core(task: &Value, thread: &Value) -> Value {
    let registers = [
        "r15", "r14", "r13", "r12", "bp", "bx", "r11", "r10", "r9", "r8", "ax", "cx", "dx", "si",
        "di", "orig_ax", "ip", "cs", "flags", "sp", "ss", "fs_base", "gs_base", "ds", "es", "fs",
        "gs",
    ];
    let zeros: serde_json::Map<_, _> = registers
        .map(|name| (name.to_owned(), 0.into()))
        .into_iter()
        .collect();
    let float = json!({ "cwd": 0, "swd": 0, "twd": 0, "fop": 0, "rip": 0, "rdp": 0, "mxcsr": 0, "mxcsr_mask": 0 });
    let mut core = json!({ "mtype": "X86_64",
        "thread_info": { "clear_tid_addr": 0, "gpregs": zeros, "fpregs": float } });
    for (key, value) in [("tc", task), ("thread_core", thread)] {
        if !value.is_null() {
            core[key] = value.clone();
        }
    }
    core
}

fn task(state: u32, exit_code: u32, comm: &str) -> Value {
    json!({ "task_state": state, "exit_code": exit_code, "personality": 0, "flags": 0, "blk_sigset": 0, "comm": comm })
}

/// Processes that differ in all that a process can.
pub(crate) fn cores() -> Vec<(&'static str, Value)> {
    let mut leader = task(1, 0, "leader");
    leader["rlimits"] = json!({ "rlimits": (0..16).map(|index| json!({ "cur": index * 3,
        "max": if index % 2 == 0 { u64::MAX } else { 1 << 40 } })).collect::<Vec<_>>() });
    leader["oom_score_adj"] = json!(-500);
    leader["loginuid"] = json!(1000);
    let creds = json!({ "uid": 1, "gid": 2, "euid": 3, "egid": 4, "suid": 5, "sgid": 6, "fsuid": 7, "fsgid": 8,
        "cap_inh": [1, 256], "cap_prm": [2, 128], "cap_eff": [4, 64], "cap_bnd": [4_294_967_295_u32, 32], "secbits": 37,
        "groups": [0, 4_294_967_294_u32, 7], "lsm_profile": "profile (enforce)" });
    let thread = |comm: &str, mode: &str, nice: i32| {
        json!({ "futex_rla": 0, "futex_rla_len": 0, "sched_nice": nice,
        "seccomp_mode": mode, "comm": comm, "creds": creds })
    };
    let mut none = task(1, 0, "nobody logged in");
    none["loginuid"] = json!(u32::MAX);
    vec![
        ("core-7.img", core(&leader, &thread("main", "filter", -20))),
        (
            "core-8.img",
            core(&Value::Null, &thread("worker", "strict", 19)),
        ),
        ("core-9.img", core(&task(6, 3 << 8, "zombie"), &Value::Null)),
        ("core-10.img", core(&task(2, 9, "killed"), &Value::Null)),
        (
            "core-11.img",
            core(
                &task(3, 0, "stopped"),
                &json!({ "futex_rla": 0, "futex_rla_len": 0 }),
            ),
        ),
        ("core-12.img", core(&none, &thread("other", "disabled", 0))),
    ]
}

/// Mappings of every status, each of four pages, and page maps with every flag.
pub(crate) fn memory() -> Vec<(&'static str, Value)> {
    let status: [u64; 16] = [
        1 << 2,
        1 << 3,
        1 << 12,
        1 << 5,
        1 << 1,
        1 << 14,
        1 << 10,
        1 << 11,
        1 << 13,
        1 << 6,
        1 << 7,
        1 << 8,
        1 << 9,
        1,
        0,
        1 << 14,
    ];
    let vmas = status.iter().enumerate().map(|(index, status)| {
        let index = index as u64;
        // Mappings of a memfd have the number of its file.
        let (offset, id) = match (*status, index) {
            (0x4000, 5) => (0, 15),
            (0x4000, _) => (4096, 25),
            _ => (index << 12, index % 2 + 1),
        };
        json!({ "start": index << 16, "end": (index << 16) + 16384, "pgoff": offset, "shmid": id,
            "prot": index % 8, "flags": if index.is_multiple_of(3) { 1 } else { 0x122 }, "status": status, "fd": -1 })
    });
    let mm = json!({ "mm_start_code": 0, "mm_end_code": 0, "mm_start_data": 0, "mm_end_data": 0, "mm_start_stack": 0,
        "mm_start_brk": 0, "mm_brk": 0, "mm_arg_start": 0x30010, "mm_arg_end": 0x30018, "mm_env_start": 0x30018,
        "mm_env_end": 0x31008, "exe_file_id": 1, "vmas": vmas.collect::<Vec<_>>() });
    // Pages in one mapping, in two with a gap between them that was dumped, too, in the parent, and lazy ones.
    let pages = json!([{ "pages_id": 1 }, { "vaddr": 0x30000, "nr_pages": 2, "flags": 4 },
        { "vaddr": 0x43000, "nr_pages": 14, "flags": 4 }, { "vaddr": 0x60000, "nr_pages": 3, "flags": 1 },
        { "vaddr": 0x70000, "nr_pages": 1, "flags": 2 }, { "vaddr": 0x80000, "nr_pages": 1, "flags": 6 },
        { "vaddr": 0x90000, "nr_pages": 2, "in_parent": true }, { "vaddr": 0xa0000, "nr_pages": 2 }]);
    let shared = json!([{ "pages_id": 2 }, { "vaddr": 0, "nr_pages": 2, "flags": 4 }, { "vaddr": 4096 * 5, "nr_pages": 1,
        "flags": 1 }]);
    vec![
        ("mm-7.img", json!([mm])),
        ("pagemap-7.img", pages),
        ("pagemap-shmem-30.img", shared),
    ]
}

/// What there is of the container as a whole.
pub(crate) fn container() -> Vec<(&'static str, Value)> {
    let mounts = (0..21).map(|index| json!({ "fstype": index, "mnt_id": index + 100, "root_dev": (index << 20) + 7,
        "parent_mnt_id": index + 99, "flags": 0, "root": "/root", "mountpoint": format!("/mnt/{index}"), "source": "source",
        "options": "a,b=c" }));
    let mut mounts: Vec<_> = mounts.filter(|mount| mount["fstype"] != 20).collect();
    mounts[3]["ext_key"] = json!("/key");
    mounts[4]["ext_mount"] = json!(true);
    mounts[16]["fsname"] = json!("nfs");
    let device = |of: &str, name: &str| {
        json!({ "type": of, "ifindex": 2, "mtu": 1500, "flags": 0, "name": name,
        "address": "AgD+qrvM" })
    };
    let cpu = |vendor: &str, model: Option<&str>| {
        let mut cpu = json!({ "vendor_id": vendor, "cpu_family": 6, "model": 85, "stepping": 7, "capability_ver": 1,
            "capability": [1, 2] });
        model
            .iter()
            .for_each(|model| cpu["model_id"] = json!(model));
        cpu
    };
    vec![
        ("mountpoints-5.img", json!(mounts)),
        (
            "utsns-3.img",
            json!([{ "nodename": "other", "domainname": "none" }]),
        ),
        (
            "utsns-4.img",
            json!([{ "nodename": "host", "domainname": "none" }]),
        ),
        ("netns-6.img", json!([{ "ext_key": "extRootNetNS" }])),
        (
            "netdev-6.img",
            json!([
                device("LOOPBACK", "lo"),
                device("VETH", "eth0"),
                device("MACVLAN", "macvlan1")
            ]),
        ),
        (
            "cpuinfo.img",
            json!([{ "x86_entry": [cpu("INTEL", Some("Xeon")), cpu("AMD", None)] }]),
        ),
        (
            "stats-dump",
            json!([{ "dump": { "freezing_time": 1, "frozen_time": 2, "memdump_time": 3, "memwrite_time": 4,
            "pages_scanned": 5, "pages_skipped_parent": 6, "pages_written": 7, "pages_lazy": 8 } }]),
        ),
        (
            "stats-restore",
            json!([{ "restore": { "pages_compared": 9, "pages_skipped_cow": 10, "forking_time": 11,
            "restore_time": 12, "pages_restored": 13 } }]),
        ),
    ]
}
