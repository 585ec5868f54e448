//! What a call leaves of itself in the process: nothing.

use std::collections::BTreeMap;
use std::fs;

use crate::support::api::{add, delete};
use crate::support::compressor::Compression;
use crate::support::process::{Test, Within};
use crate::support::stage::Stage;
use crate::support::tarball::{archive, dir, file, symlink};

/// Everything of the process that a library could change behind its caller's back.
fn state() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let wanted = [
        "Umask",
        "Uid",
        "Gid",
        "Groups",
        "SigBlk",
        "SigIgn",
        "SigCgt",
        "CapEff",
        "Seccomp",
        "NoNewPrivs",
    ];
    for (key, value) in status
        .lines()
        .filter_map(|line| line.split_once(':'))
        .filter(|(key, _)| wanted.contains(key))
    {
        found.insert(key.into(), value.trim().into());
    }
    for link in ["cwd", "root", "ns/mnt", "ns/user"] {
        found.insert(
            link.into(),
            format!("{:?}", fs::read_link(format!("/proc/self/{link}")).unwrap()),
        );
    }
    for entry in fs::read_dir("/proc/self/fd").unwrap().map(Result::unwrap) {
        // Reading this very directory needs a descriptor, which is gone when its link is read.
        if let Ok(target) = fs::read_link(entry.path())
            && !target.ends_with("fd")
        {
            found.insert(format!("fd {:?}", entry.file_name()), format!("{target:?}"));
        }
    }
    found.insert(
        "environment".into(),
        format!("{:?}", std::env::vars_os().collect::<Vec<_>>()),
    );
    found.insert(
        "children".into(),
        fs::read_to_string(format!("/proc/self/task/{}/children", std::process::id()))
            .unwrap_or_default(),
    );
    found
}

/// The number of threads, once those that are ending have ended.
fn threads_become(number: usize) {
    while fs::read_dir("/proc/self/task").unwrap().count() > number {
        std::thread::yield_now();
    }
}

/// Calls everything, with success and with failure.
fn everything(t: &Test) {
    for compression in Compression::ALL {
        let stage = Stage::new(t);
        let good = archive([
            dir("d"),
            file("d/f", "x").mode(0o666),
            symlink("l", "d"),
            file("config.dump", r#"{"runtime":"x"}"#),
        ]);
        stage.apply_bytes(&compression.pack(&good)).unwrap();
        stage
            .apply_bytes(&compression.pack(&archive([file("d/f/g", "x")])))
            .unwrap_err();
        stage
            .apply_bytes(&compression.pack(&[b'x'; 5000]))
            .unwrap_err();
        stage.create(&[add("/d"), delete("/gone")]).unwrap();
        stage.remove(r#"["/l", "/d/f"]"#).unwrap();
        stage.remove("[").unwrap_err();
        let input = stage.sandbox.path().join("input");
        fs::write(
            &input,
            compression.pack(&archive([
                file("config.dump", r#"{"runtime":"x"}"#),
                file("x", "x"),
            ])),
        )
        .unwrap();
        let bundle = stage.sandbox.path().join("bundle");
        t.import_without_config(&bundle, &input).unwrap();
        t.import_config_only(&bundle, &input).unwrap();
        t.runtime_from_archive(&input).unwrap();
        t.create_file_with_label(&bundle, "restore.log".as_ref(), c"")
            .unwrap();
        t.create_rootfs_diff_tar(&[add("/d")], &stage.root, &input)
            .unwrap_err();
        t.create_rootfs_diff_tar(&[add("/d")], &input, &stage.base)
            .unwrap_err();
        assert!(t.supports_checkpoint_restore("true".as_ref()));
        assert!(!t.supports_pod_checkpoint_restore("true".as_ref()));
    }
}

api_tests! {
    the_process_is_as_it_was,
    calls_run_side_by_side
}

fn the_process_is_as_it_was(t: &Test) {
    t.within(Within::Umask(0o027), || {
        // What is computed or opened once may stay.
        everything(t);
        let threads = fs::read_dir("/proc/self/task").unwrap().count();
        let before = state();
        for _ in 0..3 {
            everything(t);
        }
        assert_eq!(before, state());
        threads_become(threads);
    });
}

fn calls_run_side_by_side(t: &Test) {
    std::thread::scope(|scope| {
        for number in 0..8 {
            scope.spawn(move || {
                let stage = Stage::new(t);
                for round in 0..20 {
                    stage
                        .apply([dir("d"), file("d/f", format!("{number} {round}"))])
                        .unwrap();
                    assert_eq!(stage.read("d/f"), format!("{number} {round}"));
                }
            });
        }
    });
}
