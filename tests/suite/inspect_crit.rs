//! Inspections beside CRIU's own tool: what `crit` decodes of images, and images that `crit` encodes.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crutils::checkpoint::Inspection;
use crutils::checkpoint::inspect::Process;
use serde_json::{Value, json};

use crate::inspect::inspect;
use crate::support::sandbox::{Sandbox, run};
use crate::support::stage::archives;

/// Decodes all images below a directory, or encodes those that it is given, with the library that `crit` stands on.
const CRIT: &str = r#"
import json, os, sys
sys.path.append("/usr/lib/python3/dist-packages")
import pycriu
directory = sys.argv[2]
if sys.argv[1] == "encode":
    for name, image in json.load(sys.stdin).items():
        with open(os.path.join(directory, name), "wb") as f:
            pycriu.images.dump(image, f)
else:
    decoded = {}
    for name in os.listdir(directory):
        path = os.path.join(directory, name)
        if not name.endswith(".img") and not name.startswith("stats-") or name.startswith(("pages-", "tmpfs-")):
            continue
        with open(path, "rb") as f:
            decoded[name] = pycriu.images.load(f, False)["entries"]
    json.dump(decoded, sys.stdout)
"#;

/// Runs it; nothing, with a line that says why, if it isn't there.
fn crit(what: &str, directory: &Path, input: &Value) -> Option<Value> {
    let mut command = Command::new("python3");
    command.args(["-c", CRIT, what]).arg(directory);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().ok()?;
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.to_string().as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    if error.contains("No module named") {
        crate::support::say(format_args!(
            "skipped: {}: there is no crit",
            module_path!()
        ));
        return None;
    }
    assert!(output.status.success(), "{error}");
    Some(serde_json::from_slice(&output.stdout).unwrap_or(Value::Null))
}

/// A number, which crit prints as a text where it is an address.
fn number(value: &Value) -> u64 {
    let text = value.as_str().and_then(|text| text.strip_prefix("0x"));
    let parsed = text.map(|digits| u64::from_str_radix(digits, 16).unwrap());
    parsed
        .or_else(|| value.as_u64())
        .unwrap_or_else(|| panic!("{value}"))
}

fn numbers(value: &Value) -> Vec<u64> {
    value.as_array().into_iter().flatten().map(number).collect()
}

#[test]
fn real_images_are_decoded_as_crit_decodes_them() {
    let sandbox = Sandbox::new();
    for name in ["rich.tar.zst", "plain.tar.zst", "plain.withprev.tar.zst"] {
        let bundle = sandbox.dir(name);
        let archive = archives().join(name);
        run(&format!(
            "tar --no-same-owner -xf {} -C {}",
            archive.display(),
            bundle.display()
        ))
        .unwrap();
        let Some(images) = crit("decode", &bundle.join("checkpoint"), &Value::Null) else {
            return;
        };
        let inspection = inspect(&archive);
        let tree = images["pstree.img"].as_array().unwrap();
        assert_eq!(inspection.processes().len(), tree.len());
        for (process, entry) in inspection.processes().iter().zip(tree) {
            check_process(process, entry, &images);
        }
        let mounts = images["mountpoints-13.img"].as_array().unwrap();
        assert_eq!(inspection.mounts().len(), mounts.len());
        for (own, theirs) in inspection.mounts().iter().zip(mounts) {
            assert_eq!(u64::from(own.id), theirs["mnt_id"]);
            assert_eq!(u64::from(own.parent), theirs["parent_mnt_id"]);
            assert_eq!(
                own.mountpoint.to_string(),
                theirs["mountpoint"].as_str().unwrap()
            );
            assert_eq!(own.source.to_string(), theirs["source"].as_str().unwrap());
            assert_eq!(own.options.to_string(), theirs["options"].as_str().unwrap());
            let key = own.external.as_ref().map(ToString::to_string);
            assert_eq!(key.as_deref(), theirs["ext_key"].as_str());
        }
        let utsns = &images["utsns-12.img"][0];
        assert_eq!(
            inspection.host_name().unwrap().to_string(),
            utsns["nodename"].as_str().unwrap()
        );
    }
}

fn check_process(process: &Process, entry: &Value, images: &Value) {
    let pid = process.pid;
    assert_eq!(u64::from(pid), entry["pid"]);
    assert_eq!(u64::from(process.ppid), entry["ppid"]);
    assert_eq!(u64::from(process.pgid), entry["pgid"]);
    assert_eq!(u64::from(process.sid), entry["sid"]);
    let threads: Vec<_> = process
        .threads
        .iter()
        .map(|thread| u64::from(thread.tid))
        .collect();
    assert_eq!(threads, numbers(&entry["threads"]));
    let core = &images[format!("core-{pid}.img")][0];
    assert_eq!(
        process.comm.to_string(),
        core["tc"]["comm"].as_str().unwrap()
    );
    let limits = core["tc"]["rlimits"]["rlimits"].as_array().unwrap();
    assert_eq!(process.limits.len(), limits.len());
    for (own, theirs) in process.limits.iter().zip(limits) {
        assert_eq!(own.soft.unwrap_or(u64::MAX), number(&theirs["cur"]));
        assert_eq!(own.hard.unwrap_or(u64::MAX), number(&theirs["max"]));
    }
    check_credentials(process, &core["thread_core"]["creds"]);
    check_memory(process, images);
    let ids = &images[format!("ids-{pid}.img")][0];
    let fdinfo = &images[format!("fdinfo-{}.img", number(&ids["files_id"]))];
    let fds: Vec<_> = process
        .descriptors
        .iter()
        .map(|own| [own.fd, own.file].map(u64::from))
        .collect();
    let theirs = fdinfo.as_array().unwrap().iter();
    let theirs: Vec<_> = theirs
        .map(|entry| [number(&entry["fd"]), number(&entry["id"])])
        .collect();
    assert_eq!(fds, theirs);
}

fn check_credentials(process: &Process, creds: &Value) {
    let own = process.credentials.as_ref().unwrap();
    let ids = [
        own.uid, own.gid, own.euid, own.egid, own.suid, own.sgid, own.fsuid, own.fsgid,
    ];
    let theirs = [
        "uid", "gid", "euid", "egid", "suid", "sgid", "fsuid", "fsgid",
    ];
    assert_eq!(ids.map(u64::from), theirs.map(|id| number(&creds[id])));
    let halves = |mask: u64| vec![mask & 0xffff_ffff, mask >> 32];
    let capabilities = own.capabilities;
    for (mask, name) in [
        (capabilities.effective, "cap_eff"),
        (capabilities.permitted, "cap_prm"),
        (capabilities.inheritable, "cap_inh"),
        (capabilities.bounding, "cap_bnd"),
    ] {
        assert_eq!(halves(mask), numbers(&creds[name]), "{name}");
    }
    let groups: Vec<_> = own.groups.iter().map(|group| u64::from(*group)).collect();
    assert_eq!(groups, numbers(&creds["groups"]));
}

fn check_memory(process: &Process, images: &Value) {
    let pid = process.pid;
    let vmas = images[format!("mm-{pid}.img")][0]["vmas"]
        .as_array()
        .unwrap();
    assert_eq!(process.mappings.len(), vmas.len());
    for (own, theirs) in process.mappings.iter().zip(vmas) {
        assert_eq!(
            (own.start, own.end),
            (number(&theirs["start"]), number(&theirs["end"]))
        );
        assert_eq!(own.offset, number(&theirs["pgoff"]));
    }
    // The first entry of a page map is its head.
    let pages = images[format!("pagemap-{pid}.img")]
        .as_array()
        .unwrap()
        .iter()
        .skip(1);
    let present = |flags: u64| flags & 4 != 0;
    let sum = |wanted: bool| {
        let entries = pages
            .clone()
            .filter(|entry| present(number(&entry["flags"])) == wanted);
        entries
            .map(|entry| number(&entry["nr_pages"]) * 4096)
            .sum::<u64>()
    };
    assert_eq!(
        (process.memory.present, process.memory.parent),
        (sum(true), sum(false))
    );
}

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
fn everything() -> Value {
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
            "seals": 0, "inode_id": 21 }])),
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

#[test]
fn everything_that_crit_encodes_is_told() {
    let sandbox = Sandbox::new();
    let directory = sandbox.dir("images");
    if crit("encode", &directory, &everything()).is_none() {
        return;
    }
    assert!(fs::read_dir(&directory).unwrap().count() > 10);
    let inspection = inspect(&directory);
    let process = &inspection.processes()[0];
    assert_eq!(
        (process.pid, process.threads.len(), process.umask),
        (7, 2, Some(63))
    );
    assert_eq!(process.cwd.as_ref().unwrap(), &"/srv");
    let shown = process.descriptors.iter().map(|own| {
        let path = own.path.as_ref().map(ToString::to_string);
        let detail = own.detail.clone();
        (own.kind, path.or(detail).unwrap_or_default())
    });
    let expected = [
        ("regular", "/tmp/gone"),
        ("directory", "/srv"),
        ("inet socket", ""),
        ("inet socket", ""),
        ("unix socket", ""),
        ("eventfd", "counter 9"),
        ("epoll", "watches 1"),
        ("signalfd", "signals 0x4000"),
        ("timerfd", "clock 1"),
        ("inotify", "watches 0"),
        ("fifo", "/run/fifo"),
        ("pipe", ""),
        ("tty", "pts/5"),
        ("memfd", "region"),
        ("netlink socket", ""),
        ("inet socket", ""),
    ];
    let expected = expected.map(|(kind, text)| (kind, text.to_owned()));
    assert_eq!(shown.collect::<Vec<_>>(), expected);
    let first = &process.descriptors[0];
    assert_eq!(
        (first.position, first.size),
        (Some(77), Some(5_000_000_000))
    );
    assert_eq!(
        (first.flags, first.close_on_exec, first.deleted),
        (Some(0x8002), true, true)
    );
    check_sockets_and_the_rest(&inspection);
}

fn check_sockets_and_the_rest(inspection: &Inspection) {
    let sockets: Vec<_> = inspection
        .sockets()
        .iter()
        .map(|own| {
            (
                own.family.as_str(),
                own.protocol.as_str(),
                own.state,
                own.ends(),
                own.unread,
                own.unsent,
            )
        })
        .collect();
    let expected = [
        (
            "ipv4",
            "tcp",
            "established",
            "127.0.0.1:8080 -> 10.0.2.2:4711",
            4,
            2,
        ),
        ("ipv6", "tcp", "listen", "[::]:443", 0, 0),
        ("unix", "stream", "connected", "*:*", 3, 0),
        ("netlink", "15", "unconnected", "*:*", 0, 0),
        ("ipv6", "udp", "unconnected", "[fe80::1]:53", 0, 0),
    ];
    let expected = expected.map(|own| (own.0, own.1, own.2, own.3.to_owned(), own.4, own.5));
    assert_eq!(sockets, expected);
    assert_eq!(inspection.sockets()[2].name.as_ref().unwrap(), &"@abc");
    assert_eq!(inspection.sockets()[2].peer, Some(600));
    let pipes: Vec<_> = inspection
        .pipes()
        .iter()
        .map(|pipe| (pipe.id, pipe.unread))
        .collect();
    assert_eq!(pipes, [(78, 2), (77, 5)]);
    let [ghost] = inspection.ghost_files() else {
        panic!()
    };
    assert_eq!((ghost.id, ghost.size, ghost.uid, ghost.gid), (10, 6, 5, 6));
    assert_eq!(ghost.path.as_ref().unwrap(), &"/tmp/gone");
    let [namespace] = inspection.external_namespaces() else {
        panic!()
    };
    assert_eq!(
        (namespace.kind, namespace.key.to_string()),
        ("pid", "extRootPidNS".to_owned())
    );
    assert_eq!(inspection.criu().lsm, Some("apparmor"));
}
