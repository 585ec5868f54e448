//! Overlays whose layers are on different file systems: a directory has another inode number each time that the kernel
//! looks it up anew. What is remembered of it must not depend on that.

use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::os;
use crate::support::process::Test;
use crate::support::sandbox::{Fs, Sandbox};
use crate::support::stage::Stage;
use crate::support::tarball::{archive, dir, file, unended};

const DIRECTORIES: usize = 200;

/// Makes the kernel forget the directories that nobody holds.
fn drop_caches() -> std::io::Result<()> {
    fs::write("/proc/sys/vm/drop_caches", "2")
}

fn inode(path: &Path) -> u64 {
    fs::metadata(path).unwrap().ino()
}

/// Whether numbers change on this kernel, and this process may make them.
fn changes_numbers(sandbox: &Sandbox) -> bool {
    let probe = sandbox.dir("probe");
    let before = inode(&probe);
    let changed = drop_caches().is_ok() && inode(&probe) != before;
    fs::remove_dir(probe).unwrap();
    changed
}

/// Drops the caches again and again until `work` has ended.
fn dropping_caches<T>(work: impl FnOnce() -> T) -> T {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                drop_caches().unwrap();
            }
        });
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        done.store(true, Ordering::Relaxed);
        outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Feeds `first` into a fifo, waits until `reached` is there, calls `between`, and feeds `rest`.
fn feed(
    fifo: &Path,
    first: &[u8],
    reached: &Path,
    ended: &AtomicBool,
    between: impl FnOnce(),
    rest: &[u8],
) {
    let mut fifo = fs::OpenOptions::new().write(true).open(fifo).unwrap();
    fifo.write_all(first).unwrap();
    while !reached.exists() && !ended.load(Ordering::Relaxed) {
        std::thread::yield_now();
    }
    between();
    fifo.write_all(rest).unwrap();
}

/// Directories with what was there before and what the diff brings.
fn lists() -> (Vec<crate::support::tarball::Entry>, String) {
    let mut entries = Vec::new();
    for number in 0..DIRECTORIES {
        entries.push(dir(format!("d/{number}")).mode(0o500).mtime(7));
        entries.push(file(format!("d/{number}/fresh"), "fresh"));
    }
    let names: Vec<_> = (0..DIRECTORIES)
        .map(|number| format!("\"/d/{number}\""))
        .collect();
    (entries, format!("[{}]", names.join(", ")))
}

api_tests! {
    directories_are_finished_though_their_numbers_change_meanwhile,
    applying_finishes_every_directory_whoever_drops_the_caches,
    what_the_diff_has_put_there_stays_whoever_drops_the_caches
}

fn directories_are_finished_though_their_numbers_change_meanwhile(t: &Test) {
    needs_root!("mount file systems");
    let Some(sandbox) = Sandbox::on(Fs::OverlayAcross) else {
        return;
    };
    if !changes_numbers(&sandbox) {
        skip!("inode numbers don't change here");
    }
    let outside = Sandbox::new();
    let (bundle, fifo) = (sandbox.dir("bundle"), outside.path().join("fifo"));
    os::mknod(&fifo, libc::S_IFIFO | 0o600, 0, 0).unwrap();
    // What comes after the marker is more than is read ahead.
    let first = [
        dir("checkpoint").mode(0o500).mtime(5),
        dir("checkpoint/a").mode(0o500).mtime(6),
        file("checkpoint/a/f", "x"),
        file("marker/x", "x"),
        file("ahead", vec![b'x'; 8 << 20]),
    ];
    let (first, rest) = (unended(first), archive([file("last/x", "x")]));
    let ended = AtomicBool::new(false);
    let numbers = || {
        (
            inode(&bundle.join("checkpoint")),
            inode(&bundle.join("checkpoint/a")),
        )
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            feed(
                &fifo,
                &first,
                &bundle.join("ahead"),
                &ended,
                || {
                    let before = numbers();
                    drop_caches().unwrap();
                    let after = numbers();
                    assert!(
                        before.0 != after.0 && before.1 != after.1,
                        "{before:?} {after:?}"
                    );
                },
                &rest,
            )
        });
        let outcome = t.import_without_config(&bundle, &fifo);
        ended.store(true, Ordering::Relaxed);
        outcome.unwrap();
    });
    let tree = crate::support::tree::Snapshot::of(&bundle);
    let (above, below) = (tree.get("checkpoint"), tree.get("checkpoint/a"));
    assert_eq!(
        (above.mode, above.mtime, below.mode, below.mtime),
        (0o500, (5, 0), 0o500, (6, 0))
    );
}

fn applying_finishes_every_directory_whoever_drops_the_caches(t: &Test) {
    needs_root!("mount file systems");
    let Some(stage) = Stage::on(t, Fs::OverlayAcross) else {
        return;
    };
    if !changes_numbers(&stage.sandbox) {
        skip!("inode numbers don't change here");
    }
    stage.write("kept/f", "old");
    os::set_times(&stage.at("kept"), (5, 0), (8, 9)).unwrap();
    let (mut entries, _) = lists();
    entries.insert(0, file("kept/f", "new"));
    dropping_caches(|| stage.apply(entries)).unwrap();
    let tree = stage.tree();
    for number in 0..DIRECTORIES {
        let node = tree.get(&format!("d/{number}"));
        assert_eq!((node.mode, node.mtime), (0o500, (7, 0)), "{number}");
    }
    assert_eq!(tree.get("kept").mtime, (8, 9));
}

fn what_the_diff_has_put_there_stays_whoever_drops_the_caches(t: &Test) {
    needs_root!("mount file systems");
    let Some(stage) = Stage::on(t, Fs::OverlayAcross) else {
        return;
    };
    if !changes_numbers(&stage.sandbox) {
        skip!("inode numbers don't change here");
    }
    for number in 0..DIRECTORIES {
        stage.write(&format!("d/{number}/old/f"), "old");
    }
    let (entries, list) = lists();
    stage.apply(entries).unwrap();
    drop_caches().unwrap();
    dropping_caches(|| stage.remove(list)).unwrap();
    let mut expected: Vec<_> = (0..DIRECTORIES)
        .flat_map(|number| [format!("d/{number}"), format!("d/{number}/fresh")])
        .collect();
    expected.push("d".into());
    expected.sort();
    let mut found = stage.tree().paths();
    found.sort();
    assert_eq!(found, expected);
    assert_eq!(
        (stage.tree_mode("d/7"), stage.tree().get("d/7").mtime),
        (0o500, (7, 0))
    );
}
