//! The command, run as a person runs it.

use std::fs;
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::support::{Scratch, crutils, data, rich, sh};

/// Runs the command on archives that all tests share.
fn run_on(arguments: &[&str], archives: &[&str]) -> Output {
    let mut command = crutils();
    command
        .args(arguments)
        .args(archives.iter().map(|name| data(name)));
    command.output().unwrap()
}

/// What a run printed.
fn text(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

/// What is printed by a run that succeeds.
fn printed(arguments: &[&str], archives: &[&str]) -> String {
    let output = run_on(arguments, archives);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {error}");
    assert_eq!(error, "", "{arguments:?}");
    text(&output).to_owned()
}

/// The document that is printed by a run that succeeds.
fn json(arguments: &[&str], archives: &[&str]) -> Value {
    serde_json::from_str(&printed(arguments, archives)).unwrap()
}

#[test]
fn the_summary_tells_the_container_its_processes_and_what_it_needs() {
    let summary = printed(&["inspect"], &["rich.tar.zst"]);
    for line in [
        "podman · runc · x86_64",
        "localhost/app:1",
        "host name   601fef5fe841",
        "memory pages    144.0 KiB",
        "2 processes with 144.0 KiB of memory",
        "└─ 44 sleep 1",
        "/dev/null is mounted from outside, 3 times",
    ] {
        assert!(summary.contains(line), "{line:?} isn't in\n{summary}");
    }
    let first = printed(&["inspect", "--tree"], &["rich.tar.zst"]);
    assert!(first.starts_with("2 processes"), "{first}");
}

#[test]
fn no_line_is_longer_than_the_screen_is_wide() {
    let commands: [&[&str]; 8] = [
        &["inspect"],
        &["inspect", "--all"],
        &["inspect", "--files", "--sockets", "--mounts"],
        &["inspect", "--memory"],
        &["inspect", "--stats", "--processes"],
        &["list"],
        &["memory"],
        &["memory", "--pid", "1"],
    ];
    for columns in ["40", "80", "120"] {
        for arguments in commands {
            let mut command = crutils();
            command.args(arguments).arg(rich()).env("COLUMNS", columns);
            let output = command.output().unwrap();
            let most: usize = columns.parse().unwrap();
            for line in text(&output).lines() {
                let wide = line.chars().count();
                assert!(wide <= most, "{arguments:?} at {columns}: {wide}: {line:?}");
            }
        }
    }
}

#[test]
fn colours_are_printed_where_they_are_wanted() {
    let plain = printed(&["inspect"], &["rich.tar.zst"]);
    assert!(!plain.contains('\x1b'), "not a terminal");
    let always = printed(&["inspect", "--color", "always"], &["rich.tar.zst"]);
    assert!(always.contains("\x1b["));
    let stripped = printed(&["--color=never", "inspect"], &["rich.tar.zst"]);
    assert_eq!(stripped, plain);
}

#[test]
fn a_terminal_without_utf8_gets_ascii() {
    let mut command = crutils();
    command.args(["inspect", &rich()]).env("LC_ALL", "C");
    let output = command.output().unwrap();
    assert!(
        output.stdout.is_ascii(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    assert!(text(&output).contains("`- 44 sleep 1"));
}

#[test]
fn json_is_the_librarys_document() {
    let document = json(&["inspect", "--json"], &["rich.tar.zst"]);
    assert_eq!(document["schema"], 1);
    assert_eq!(document["processes"][1]["arguments"][0], "sleep");
    let two = printed(&["inspect", "-j"], &["rich.tar.zst", "plain.tar.gz"]);
    let documents = serde_json::Deserializer::from_str(&two).into_iter::<Value>();
    assert_eq!(documents.map(Result::unwrap).count(), 2);
}

#[test]
fn a_process_is_told_alone() {
    let one = printed(&["inspect", "--pid", "44"], &["rich.tar.zst"]);
    assert!(
        one.contains("Process 44  sleep") && !one.contains("Process 1 "),
        "{one}"
    );
    assert!(one.contains("/bin/busybox"));
    for command in ["inspect", "memory"] {
        let output = run_on(&[command, "--pid", "45"], &["rich.tar.zst"]);
        assert_eq!(output.status.code(), Some(3), "{command}");
    }
    let environment = printed(&["inspect", "--env", "--pid", "44"], &["rich.tar.zst"]);
    assert!(environment.contains("  TERM=xterm\n"), "{environment}");
    let all = printed(&["inspect", "--all"], &["rich.tar.zst"]);
    assert!(!all.contains("TERM=xterm"), "environments hold secrets");
}

#[test]
fn a_previous_checkpoint_is_named() {
    let both = printed(
        &["inspect", "--parent", &data("plain.pre.tar.zst")],
        &["plain.withprev.tar.zst"],
    );
    assert!(both.contains("1 sh -c"), "{both}");
    let alone = printed(&["inspect"], &["plain.withprev.tar.zst"]);
    assert!(
        alone.contains("is the previous checkpoint, which isn't there"),
        "{alone}"
    );
}

#[test]
fn an_archive_is_read_from_standard_input() {
    let packed = fs::read(rich()).unwrap();
    for arguments in [
        &["inspect", "-"][..],
        &["list", "-"],
        &["cat", "-", "deleted.files"],
    ] {
        let mut command = crutils();
        command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        let bytes = packed.clone();
        let writer = std::thread::spawn(move || {
            // cat stops reading when it has what it wants.
            let _ = input.write_all(&bytes);
        });
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        assert!(
            output.status.success() && !output.stdout.is_empty(),
            "{arguments:?}"
        );
    }
}

#[test]
fn members_are_listed_with_class_size_and_offset() {
    let listed = json(&["list", "--json"], &["rich.tar.zst"]);
    let members = listed.as_array().unwrap();
    assert_eq!(members.len(), 39);
    let pages = members
        .iter()
        .find(|member| member["name"] == "checkpoint/pages-1.img")
        .unwrap();
    assert_eq!(
        (&pages["class"], &pages["type"]),
        (&"memory pages".into(), &"file".into())
    );
    assert_eq!(pages["size"], 81920);
    let table = printed(&["list"], &["rich.tar.zst"]);
    assert!(table.contains("39 members"), "{table}");
}

#[test]
fn a_member_is_written_as_it_is() {
    let line = ["cat", &rich(), "deleted.files"];
    let output = crutils().args(line).output().unwrap();
    let listed: Vec<String> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        listed,
        ["/etc/app/old.conf", "/usr/lib/gone", "/usr/lib/lk"]
    );
    assert_eq!(output.stdout.len(), 61);
}

#[test]
fn memory_is_searched_dumped_and_shown() {
    let scratch = Scratch::new();
    let found = json(
        &["memory", "--json", "--search", "container=podman"],
        &["rich.tar.zst"],
    );
    let found = found.as_array().unwrap();
    let pids: Vec<_> = found
        .iter()
        .map(|one| one["pid"].as_u64().unwrap())
        .collect();
    assert_eq!(pids, [1, 44]);
    assert_eq!(found[0]["mapping"], "stack");
    let address = format!("0x{:x}", found[1]["address"].as_u64().unwrap());
    let shown = printed(
        &[
            "memory",
            "--pid",
            "44",
            "--address",
            &address,
            "--length",
            "16",
        ],
        &["rich.tar.zst"],
    );
    assert!(shown.contains("|container=podman|"), "{shown}");
    let by_regex = json(
        &["memory", "-j", "--pid", "44", "--regex", "TERM=[a-z]+"],
        &["rich.tar.zst"],
    );
    assert_eq!(by_regex[0]["text"], "TERM=xterm");
    let none = run_on(&["memory", "--search", "no such text"], &["rich.tar.zst"]);
    assert_eq!(none.status.code(), Some(1));
    let dump = scratch.join("dump");
    printed(
        &["memory", "--pid", "44", "--dump", dump.to_str().unwrap()],
        &["rich.tar.zst"],
    );
    let line = ["cat", &rich(), "checkpoint/pages-2.img"];
    let pages = crutils().args(line).output().unwrap().stdout;
    assert_eq!(pages.len(), 65536);
    assert!(
        fs::read(dump).unwrap() == pages,
        "a dump is the pages in order"
    );
    let map = printed(&["memory", "--pid", "44"], &["rich.tar.zst"]);
    assert!(map.contains("r-xp") && map.contains("heap"), "{map}");
}

#[test]
fn patterns_that_are_wrong_are_told() {
    for pattern in ["(", "x*", "a{1000000}{1000000}"] {
        let output = run_on(&["memory", "--regex", pattern], &["rich.tar.zst"]);
        assert_eq!(output.status.code(), Some(2), "{pattern}");
    }
}

#[test]
fn checkpoints_are_compared() {
    let compared = json(&["compare", "--json"], &["plain.tar.gz", "rich.tar.zst"]);
    assert_eq!(compared["new_processes"][0]["pid"], 44);
    let same = printed(&["compare"], &["rich.tar.zst", "rich.tar.zst"]);
    assert!(same.contains("memory: 80.0 KiB the same"), "{same}");
    assert!(!same.contains("changed"), "{same}");
}

#[test]
fn exit_codes_say_what_went_wrong() {
    let scratch = Scratch::new();
    let junk = scratch.join("junk");
    fs::write(&junk, vec![b'x'; 5000]).unwrap();
    let junk = junk.to_str().unwrap();
    let plain = &rich();
    for (arguments, code) in [
        (&["inspect", "/nonexistent"][..], 1),
        (&["list", "/nonexistent"], 1),
        (&["inspect", junk], 3),
        (&["list", junk], 3),
        (&["cat", plain, "no such member"], 3),
        (&["inspect"], 2),
        (&["frobnicate"], 2),
        (&["memory", plain, "--dump", "x"], 2),
        (&["check", "-"], 2),
        (&["compare", plain, "-"], 2),
        (&["--help"], 0),
        (&["--version"], 0),
    ] {
        let output = crutils().args(arguments).output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(code),
            "{arguments:?}: {output:?}"
        );
        assert_eq!(output.stderr.is_empty(), code == 0, "{arguments:?}");
    }
}

#[test]
fn signals_end_it_with_their_own_codes() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let mut command = crutils();
        command
            .args(["list", "-"])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // It waits for more of the archive when it has taken this much.
        let packed = fs::read(rich()).unwrap();
        let mut input = child.stdin.take().unwrap();
        input.write_all(&packed[..packed.len() / 2]).unwrap();
        let pipe = format!("/proc/{}/fd/0", child.id());
        while !is_caught(child.id()) {
            assert!(Path::new(&pipe).exists());
            std::thread::yield_now();
        }
        let id = child.id().to_string();
        let sent = Command::new("kill")
            .args(["-s", signal, &id])
            .status()
            .unwrap();
        assert!(sent.success());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{signal}: {output:?}");
        drop(input);
    }
}

/// Whether the process has begun to catch SIGTERM.
fn is_caught(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("SigCgt:"))
        .unwrap();
    let mask = u64::from_str_radix(line.trim(), 16).unwrap();
    mask & (1 << 14) != 0 && mask & (1 << 1) != 0
}

#[test]
fn output_that_nobody_reads_ends_it_quietly() {
    let line = format!(
        "{} inspect --all --env {} 2>&1 >/dev/full; echo $?",
        env!("CARGO_BIN_EXE_crutils"),
        rich()
    );
    let full = sh(Path::new("."), &line);
    assert!(full.ends_with("1\n") && full.contains("No space"), "{full}");
    let mut command = crutils();
    command.args(["inspect", "--json", &rich()]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = command
        .stdout(writer)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(141));
    assert!(output.stderr.is_empty() && output.status.signal().is_none());
}

#[test]
fn what_comes_from_a_checkpoint_does_nothing_to_a_terminal() {
    let scratch = Scratch::new();
    let line = format!(
        "mkdir b && tar --no-same-owner -xf '{}' -C b && cd b && \
         mv ctr.log \"$(printf 'evil\\033]0;title\\007\\nname')\" && \
         sed -i 's/localhost.app:1/a\\\\u001b[2Jb\\\\u202ec/' config.dump && tar -cf ../evil.tar *",
        rich()
    );
    sh(scratch.path(), &line);
    for arguments in [
        &["list"][..],
        &["inspect"],
        &["inspect", "--all"],
        &["check"],
    ] {
        let output = crutils()
            .args(arguments)
            .arg(scratch.join("evil.tar"))
            .output()
            .unwrap();
        let all = [output.stdout, output.stderr].concat();
        let all = String::from_utf8(all).unwrap();
        let is_harmless = |c: char| c == '\n' || !c.is_control() && c != '\u{202e}';
        assert!(all.chars().all(is_harmless), "{arguments:?}: {all:?}");
    }
}

#[test]
fn completions_and_manual_pages_are_made() {
    let scratch = Scratch::new();
    for shell in ["bash", "zsh", "fish"] {
        let completions = printed(&["completions", shell], &[]);
        assert!(completions.contains("inspect"), "{shell}");
    }
    printed(&["man", scratch.path().to_str().unwrap()], &[]);
    let page = fs::read_to_string(scratch.join("crutils-inspect.1")).unwrap();
    assert!(page.contains("checkpoint"));
    assert!(scratch.join("crutils.1").exists());
}
