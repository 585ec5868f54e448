//! Real archives, as engines make them, through every function that they concern.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::api::{Change, add, delete, modify};
use crate::support::compressor::Compression;
use crate::support::os;
use crate::support::process::Test;
use crate::support::sandbox::{Fs, Sandbox, run};
use crate::support::stage::archives;
use crate::support::tree::{Aspects, Snapshot};

/// The archives of a checkpoint. The uncompressed one is unpacked first.
fn checkpoints(sandbox: &Sandbox) -> Vec<PathBuf> {
    let names = [
        "plain.tar.zst",
        "plain.tar.gz",
        "plain.pre.tar.zst",
        "plain.withprev.tar.zst",
        "rich.tar.zst",
    ];
    let mut all: Vec<_> = names.iter().map(|name| archives().join(name)).collect();
    let packed = fs::read(archives().join("plain.uncompressed.tar.zst")).unwrap();
    let plain = sandbox.path().join("plain.tar");
    fs::write(&plain, Compression::Zstd.unpack(&packed)).unwrap();
    all.push(plain);
    all
}

/// Unpacks one of the three trees with GNU tar.
pub fn unpack(name: &str, into: &Path) {
    fs::create_dir_all(into).unwrap();
    let options = "--zstd --xattrs --xattrs-include=* --numeric-owner --same-owner --same-permissions --sparse";
    run(&format!(
        "tar {options} -xf {} -C {}",
        archives().join(name).display(),
        into.display()
    ))
    .unwrap();
}

/// The container's root file system at the beginning, without the directories that the recording left out.
fn lower(into: &Path) {
    unpack("rich.lower.tar.zst", into);
    for name in ["proc", "sys", "dev", "run"] {
        fs::remove_dir(into.join(name)).unwrap();
    }
}

/// What the engine said had changed.
fn engines_changes() -> Vec<Change> {
    let list = fs::read_to_string(archives().join("rich.podman-diff")).unwrap();
    let one = |line: &str| match line.split_at(2) {
        ("A ", path) => add(path),
        ("C ", path) => modify(path),
        ("D ", path) => delete(path),
        _ => panic!("{line:?}"),
    };
    list.lines().map(one).collect()
}

api_tests! {
    the_runtime_of_real_archives_is_found,
    real_archives_are_imported_as_gnu_tar_unpacks_them,
    a_pre_copied_checkpoint_is_put_together_from_both_archives,
    what_the_engine_put_into_the_archive_survives_the_deletions,
    a_diff_loses_nothing,
    the_upper_directory_of_an_overlay_is_applied_without_its_internals
}

fn the_runtime_of_real_archives_is_found(t: &Test) {
    let sandbox = Sandbox::new();
    for input in checkpoints(&sandbox) {
        assert_eq!(
            t.runtime_from_archive(&input).unwrap(),
            "runc",
            "{}",
            input.display()
        );
    }
}

fn real_archives_are_imported_as_gnu_tar_unpacks_them(t: &Test) {
    needs_root!("unpack root's files");
    let sandbox = Sandbox::new();
    for (number, input) in checkpoints(&sandbox).into_iter().enumerate() {
        let (bundle, expected) = (
            sandbox.path().join(format!("b{number}")),
            sandbox.dir(&format!("e{number}")),
        );
        run(&format!(
            "tar --numeric-owner -xpf {} -C {}",
            input.display(),
            expected.display()
        ))
        .unwrap();
        t.import_without_config(&bundle, &input).unwrap();
        let config = sandbox.path().join(format!("c{number}"));
        t.import_config_only(&config, &input).unwrap();
        assert_eq!(Snapshot::of(&config).paths(), ["config.dump", "spec.dump"]);
        for name in ["config.dump", "spec.dump"] {
            assert_eq!(
                fs::read(config.join(name)).unwrap(),
                fs::read(expected.join(name)).unwrap()
            );
            fs::remove_file(expected.join(name)).unwrap();
        }
        for tree in [&bundle, &expected] {
            // The archive has no entry for this directory, so its time is that of the unpacking.
            if tree.join("volumes").exists() {
                os::set_times(&tree.join("volumes"), (1, 0), (1, 0)).unwrap();
            }
        }
        Snapshot::of(&expected).assert_same(
            &Snapshot::of(&bundle),
            Aspects::RESTORE,
            &input.display().to_string(),
        );
    }
}

fn a_pre_copied_checkpoint_is_put_together_from_both_archives(t: &Test) {
    needs_root!("unpack root's files");
    let sandbox = Sandbox::new();
    let bundle = sandbox.path().join("bundle");
    for name in ["plain.pre.tar.zst", "plain.withprev.tar.zst"] {
        t.import_without_config(&bundle, &archives().join(name))
            .unwrap();
    }
    assert!(bundle.join("checkpoint/parent/pages-1.img").exists());
    assert_eq!(
        fs::read_link(bundle.join("checkpoint/parent")).unwrap(),
        Path::new("../pre-checkpoint")
    );
}

fn what_the_engine_put_into_the_archive_survives_the_deletions(t: &Test) {
    needs_root!("unpack root's files");
    let sandbox = Sandbox::new();
    let (bundle, root) = (sandbox.path().join("bundle"), sandbox.path().join("root"));
    unpack("rich.lower.tar.zst", &root);
    t.import_without_config(&bundle, &archives().join("rich.tar.zst"))
        .unwrap();
    t.apply_rootfs_diff_tar(&bundle, &root).unwrap();
    t.remove_deleted_files("rich".as_ref(), &bundle, &root)
        .unwrap();
    assert_eq!(Snapshot::of(&root.join("usr/lib/gone")).paths(), ["fresh"]);
    let merged = sandbox.path().join("merged");
    unpack("rich.merged.tar.zst", &merged);
    let same = |path: &str| {
        assert_eq!(
            fs::read(root.join(path)).unwrap(),
            fs::read(merged.join(path)).unwrap(),
            "{path}"
        )
    };
    let carried = [
        "usr/lib/gone/fresh",
        "data/a/b/c/numbers",
        "data/sparse",
        "data/hard",
        "etc/app/conf.d/21.conf",
    ];
    carried.into_iter().for_each(same);
    for path in [
        "etc/app/old.conf",
        "usr/lib/lk",
        "usr/lib/gone/a",
        "usr/lib/gone/sub",
    ] {
        assert!(fs::symlink_metadata(root.join(path)).is_err(), "{path}");
    }
    assert!(
        root.join("usr/lib/keep/libk.so").exists(),
        "the target of a deleted link"
    );
}

fn a_diff_loses_nothing(t: &Test) {
    needs_root!("unpack root's files");
    for kind in [Fs::Host, Fs::Tmpfs, Fs::Ext4, Fs::Xfs, Fs::Btrfs] {
        let Some(sandbox) = Sandbox::on(kind) else {
            continue;
        };
        let (merged, root, bundle) = (
            sandbox.path().join("merged"),
            sandbox.path().join("root"),
            sandbox.dir("bundle"),
        );
        unpack("rich.merged.tar.zst", &merged);
        lower(&root);
        // What the engine reports, and what it leaves out: its own files, and /bin, which lost a file afterwards.
        let mut changes = engines_changes();
        changes.extend(["/etc/hostname", "/etc/hosts", "/etc/mtab"].map(add));
        changes.push(modify("/bin"));
        let names = t
            .create_rootfs_diff_tar(&changes, &merged, &bundle)
            .unwrap();
        assert_eq!(names, ["rootfs-diff.tar", "deleted.files"]);
        t.apply_rootfs_diff_tar(&bundle, &root).unwrap();
        t.remove_deleted_files("rich".as_ref(), &bundle, &root)
            .unwrap();
        Snapshot::of(&merged).assert_same(
            &Snapshot::of(&root),
            Aspects::RESTORE,
            &format!("{kind:?}"),
        );
    }
}

fn the_upper_directory_of_an_overlay_is_applied_without_its_internals(t: &Test) {
    needs_root!("make devices");
    let sandbox = Sandbox::new();
    let (bundle, root) = (sandbox.dir("bundle"), sandbox.dir("root"));
    let packed = fs::read(archives().join("rich.upper.tar.zst")).unwrap();
    fs::write(bundle.join("rootfs-diff.tar"), &packed).unwrap();
    t.apply_rootfs_diff_tar(&bundle, &root).unwrap();
    let expected = sandbox.path().join("expected");
    unpack("rich.upper.tar.zst", &expected);
    let mut expected = Snapshot::of(&expected);
    for node in expected.0.values_mut() {
        node.xattrs
            .retain(|name, _| !name.starts_with(b"trusted.overlay."));
    }
    // The archive isn't written sparse, so where its holes are is the unpacker's choice.
    let aspects = Aspects {
        holes: false,
        ..Aspects::RESTORE
    };
    expected.assert_same(&Snapshot::of(&root), aspects, "the upper directory");
}
