//! Inspections beside CRIU's own tool, key by key: what `crit` decodes of real images, and of images that `crit` encodes.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crutils::checkpoint::Inspection;
use serde_json::{Value, json};

use crate::inspect::inspect;
use crate::inspect_crit_images::{container, cores, everything, memory};
use crate::support::sandbox::{Sandbox, run};
use crate::support::stage::archives;

/// What CRIU's images don't tell.
const OTHERS: [&str; 4] = ["schema", "input", "container", "sizes"];

/// Runs the script; nothing, with a line that says why, if `crit` isn't there.
fn crit(what: &str, directory: &Path, input: &Value) -> Option<Value> {
    let mut command = Command::new("python3");
    command.args(["-c", include_str!("inspect_crit.py"), what]);
    command
        .arg(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().ok()?;
    let mut stdin = child.stdin.take().unwrap();
    // A script that reads none of it may have ended.
    let _ = stdin.write_all(input.to_string().as_bytes());
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

/// What differs between two values, a line each.
fn differences(own: &Value, expected: &Value, at: &str, found: &mut Vec<String>) {
    match (own, expected) {
        (Value::Object(one), Value::Object(other)) => {
            let keys = one
                .keys()
                .chain(other.keys().filter(|key| !one.contains_key(*key)));
            for key in keys {
                differences(&own[key], &expected[key], &format!("{at}.{key}"), found);
                if one.contains_key(key) != other.contains_key(key) {
                    found.push(format!("{at}.{key}: one of the two lacks it"));
                }
            }
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            for (index, (own, expected)) in one.iter().zip(other).enumerate() {
                differences(own, expected, &format!("{at}[{index}]"), found);
            }
        }
        _ if own == expected => {}
        _ => found.push(format!("{at}: {own}, and crit has {expected}")),
    }
}

/// Compares all that an inspection tells of images with what crit has of them. Of texts that aren't complete it counts that
/// they aren't, not in which words.
fn check(inspection: &Inspection, directory: &Path) -> Option<()> {
    let expected = crit("expect", directory, &Value::Null)?;
    let mut own: Value = serde_json::from_str(&inspection.to_json().unwrap()).unwrap();
    for key in OTHERS {
        own.as_object_mut().unwrap().remove(key).unwrap();
    }
    for process in own["processes"].as_array_mut().unwrap() {
        process["text_problem"] = (!process["text_problem"].is_null()).into();
    }
    let mut found = Vec::new();
    differences(&own, &expected, "", &mut found);
    assert!(found.is_empty(), "{}", found.join("\n"));
    Some(())
}

#[test]
fn real_images_are_told_as_crit_decodes_them() {
    let sandbox = Sandbox::new();
    for names in [
        &["rich.tar.zst"][..],
        &["plain.tar.zst"],
        &["plain.tar.gz"],
        &["plain.uncompressed.tar.zst"],
        &["plain.pre.tar.zst"],
        &["plain.withprev.tar.zst"],
        &["plain.withprev.tar.zst", "plain.pre.tar.zst"],
    ] {
        let bundle = sandbox.dir(&names.join("+"));
        for name in names {
            let (archive, to) = (archives().join(name), bundle.display());
            run(&format!(
                "tar --no-same-owner -xf {} -C {to}",
                archive.display()
            ))
            .unwrap();
        }
        let inspection = match names {
            [name] => inspect(&archives().join(name)),
            _ => inspect(&bundle),
        };
        if check(&inspection, &bundle).is_none() {
            return;
        }
    }
}

#[test]
fn every_key_of_an_inspection_is_what_crit_encodes() {
    let sandbox = Sandbox::new();
    let directory = sandbox.dir("images");
    let mut images = everything();
    let magics = [
        ("core-", "CORE"),
        ("mm-", "MM"),
        ("pagemap-", "PAGEMAP"),
        ("mountpoints-", "MNTS"),
        ("utsns-", "UTSNS"),
        ("netns-", "NETNS"),
        ("netdev-", "NETDEV"),
        ("cpuinfo", "CPUINFO"),
        ("stats-", "STATS"),
    ];
    let cores = cores()
        .into_iter()
        .map(|(name, core)| (name, json!([core])));
    for (name, entries) in cores.chain(memory()).chain(container()) {
        let (_, magic) = magics
            .iter()
            .find(|(prefix, _)| name.starts_with(prefix))
            .unwrap();
        images[name] = json!({ "magic": magic, "entries": entries });
    }
    let process = |pid: u32, threads: &[u32]| {
        json!({ "pid": pid, "ppid": if pid == 7 { 0 } else { 7 }, "pgid": pid, "sid": 7,
        "threads": threads })
    };
    images["pstree.img"]["entries"] = json!([
        process(7, &[7, 8]),
        process(9, &[9]),
        process(10, &[10]),
        process(11, &[11]),
        process(12, &[12])
    ]);
    images["ids-7.img"]["entries"][0]["uts_ns_id"] = json!(4);
    images["ids-7.img"]["entries"][0]["pid_ns_id"] = json!(9);
    images["ids-7.img"]["entries"][0]["mnt_ns_id"] = json!(0);
    // The table of descriptors is shared.
    images["ids-12.img"] = images["ids-7.img"].clone();
    images["inventory.img"]["entries"][0]["tcp_close"] = json!(true);
    let remaps = images["remap-fpath.img"]["entries"].as_array_mut().unwrap();
    remaps.push(json!({ "orig_id": 12, "remap_id": 99, "remap_type": "LINKED" }));
    if crit("encode", &directory, &images).is_none() {
        return;
    }
    let mut pages = vec![0; 4096 * 19];
    pages[16..24].copy_from_slice(b"seven\0x\0");
    pages[24..4104].fill(b'e');
    fs::write(directory.join("pages-1.img"), &pages).unwrap();
    fs::write(directory.join("pages-2.img"), &pages[..8192]).unwrap();
    fs::write(
        directory.join("descriptors.json"),
        r#"["/dev/null","pipe:[1]","pipe:[2]"]"#,
    )
    .unwrap();
    let mut inspection = inspect(&directory);
    assert_eq!(inspection.processes().len(), 5);
    assert_eq!(
        inspection.processes()[0].arguments.as_ref().unwrap()[0],
        "seven"
    );
    check(&inspection, &directory).unwrap();
    // The second page of the memfd, which the process hasn't got of its own.
    let mut bytes = [0; 8];
    assert_eq!(inspection.read_memory(7, 0x51000, &mut bytes).unwrap(), 8);
    assert_eq!(&bytes, b"eeeeeeee");
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
        ("fanotify", ""),
        ("namespace", "namespace 44"),
        ("tun", "tun0"),
        ("external", ""),
        ("bpf map", "counters"),
        ("packet socket", ""),
        ("unix socket", ""),
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
        ("packet", "768", "unconnected", "*:*", 0, 0),
        ("unix", "seqpacket", "listen", "*:*", 0, 0),
    ];
    let expected = expected.map(|own| (own.0, own.1, own.2, own.3.to_owned(), own.4, own.5));
    assert_eq!(sockets, expected);
    assert_eq!(inspection.sockets()[2].name.as_ref().unwrap(), &"@abc");
    assert_eq!(inspection.sockets()[2].peer, Some(600));
    assert_eq!(
        inspection.sockets()[6].name.as_ref().unwrap(),
        &"/run/socket"
    );
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
