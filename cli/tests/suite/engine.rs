//! What engines do, done with the command.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;

use crate::support::{Scratch, data, done, is_root, rich, run, say, sh};

#[test]
fn an_archive_is_extracted_as_tar_extracts_it() {
    let scratch = Scratch::new();
    let expected = scratch.dir("expected");
    let archive = rich();
    sh(&expected, &format!("tar --no-same-owner -xf {archive}"));
    // A relative directory is below the working directory, and it is made.
    done(scratch.path(), &["extract", &archive, "made/here"]);
    let made = scratch.path().join("made/here");
    sh(
        scratch.path(),
        "diff -r -x config.dump -x spec.dump expected made/here",
    );
    assert!(!made.join("config.dump").exists());
    let some = ["extract", &archive, "some", "checkpoint", "config.dump"];
    done(scratch.path(), &some);
    sh(
        scratch.path(),
        "diff -r expected/checkpoint some/checkpoint && cmp expected/config.dump some/config.dump",
    );
    assert_eq!(
        fs::read_dir(scratch.path().join("some")).unwrap().count(),
        2
    );
    let missing = run(
        scratch.path(),
        &["extract", &archive, "none", "no/such/member"],
    );
    assert_eq!(missing.status.code(), Some(3));
}

#[test]
fn a_container_is_imported_with_its_configuration_and_volumes() {
    if !is_root("make root's files") {
        return;
    }
    let scratch = Scratch::new();
    let archive = rich();
    let (root, volume) = (scratch.dir("root"), scratch.dir("volume"));
    sh(
        &root,
        &format!("tar --zstd -xf {}", data("rich.lower.tar.zst")),
    );
    // A link where the configuration goes leads nowhere.
    let bundle = scratch.dir("bundle");
    std::os::unix::fs::symlink(scratch.path().join("outside"), bundle.join("config.dump")).unwrap();
    let told = done(
        scratch.path(),
        &[
            "import",
            &archive,
            "--bundle",
            "bundle",
            "--config",
            "--rootfs",
            "root",
            "--volume",
            "vol1=volume",
            "--digest",
        ],
    );
    let sum = sh(scratch.path(), &format!("sha256sum {archive}"));
    assert!(sum.starts_with(&told[..64]), "{told}");
    assert!(root.join("usr/lib/gone/fresh").exists() && !root.join("etc/app/old.conf").exists());
    assert!(fs::read_dir(volume).unwrap().count() > 0);
    assert!(!scratch.path().join("outside").exists());
    let config = bundle.join("config.dump");
    assert!(fs::symlink_metadata(&config).unwrap().is_file());
    assert_eq!(fs::metadata(&config).unwrap().mode() & 0o777, 0o600);
    // An image of the bundle is as old as the checkpoint.
    let same = "cmp x/config.dump bundle/config.dump && \
                [ $(stat -c %Y x/config.dump) = $(stat -c %Y bundle/config.dump) ]";
    let line = format!("mkdir x && tar -xf {archive} -C x config.dump && {same}");
    sh(scratch.path(), &line);
    assert!(!bundle.join("rootfs-diff.tar").exists() && bundle.join("checkpoint").is_dir());
    let wrong = run(
        scratch.path(),
        &[
            "import",
            &archive,
            "--bundle",
            "b2",
            "--expect",
            &"0".repeat(64),
        ],
    );
    assert_eq!(wrong.status.code(), Some(3));
    assert!(!scratch.path().join("b2").exists());
    let much = run(
        scratch.path(),
        &["import", &archive, "--bundle", "b3", "--max-bytes", "100K"],
    );
    assert_eq!(much.status.code(), Some(3));
}

#[test]
fn an_export_is_what_an_import_takes() {
    let scratch = Scratch::new();
    let bundle = scratch.dir("bundle");
    sh(&bundle, &format!("tar --no-same-owner -xf {}", rich()));
    for (how, name) in [
        ("none", "a.tar"),
        ("gzip:1", "a.tar.gz"),
        ("zstd:19", "a.tar.zst"),
    ] {
        let told = done(
            scratch.path(),
            &["export", "bundle", name, "--compress", how],
        );
        assert!(
            told.starts_with(&format!("{name}: ")) && told.contains("members"),
            "{told}"
        );
        done(scratch.path(), &["extract", name, &format!("again-{name}")]);
        let line = format!("diff -r -x config.dump -x spec.dump bundle again-{name}");
        sh(scratch.path(), &line);
        let summary = done(scratch.path(), &["inspect", name]);
        assert!(summary.contains("44 sleep 1"), "{summary}");
    }
    // Standard output may be the archive, and then nothing else is in it.
    let piped = run(
        scratch.path(),
        &["export", "bundle", "-", "--compress", "none", "--digest"],
    );
    assert!(piped.stdout == fs::read(scratch.path().join("a.tar")).unwrap());
    assert!(
        String::from_utf8_lossy(&piped.stderr).contains("  -\n"),
        "{piped:?}"
    );
    let level = run(
        scratch.path(),
        &["export", "bundle", "x", "--compress", "zstd:99"],
    );
    assert_eq!(level.status.code(), Some(2));
    assert!(!scratch.path().join("x").exists());
}

/// What is found of the overlay without its directories: the changes, and the members of an export.
fn of_the_mount(directory: &Path) -> (String, String) {
    let changes = done(directory, &["diff", "merged"]);
    let bundle = "mkdir -p bundle/checkpoint; echo {} | tee bundle/config.dump >bundle/spec.dump";
    sh(directory, bundle);
    let export = ["export", "bundle", "out.tar", "-c", "none", "-r", "merged"];
    done(directory, &export);
    (changes, done(directory, &["list", "out.tar"]))
}

#[test]
fn the_changes_of_an_overlay_are_listed_made_and_applied() {
    if !is_root("mount an overlay") {
        return;
    }
    let scratch = Scratch::new();
    for name in ["lower", "upper", "work", "merged", "out", "copy"] {
        scratch.dir(name);
    }
    sh(
        scratch.path(),
        "echo a > lower/kept; echo b > lower/changed; echo c > lower/gone; cp -a lower/. copy/",
    );
    // An overlay needs an upper directory on a file system that isn't one.
    let mount = "mount -t tmpfs t upper && mkdir upper/u upper/w && \
                 mount -t overlay o -o lowerdir=lower,upperdir=upper/u,workdir=upper/w merged";
    let mounted = Command::new("sh")
        .current_dir(scratch.path())
        .args(["-c", mount])
        .status();
    let unmount = "umount merged 2>/dev/null; umount upper 2>/dev/null; true";
    if !mounted.is_ok_and(|status| status.success()) {
        sh(scratch.path(), unmount);
        say(format_args!("skipped: no overlay can be mounted here"));
        return;
    }
    sh(
        scratch.path(),
        "echo new > merged/new; echo longer > merged/changed; rm merged/gone",
    );
    let arguments = [
        "diff", "merged", "out", "--lower", "lower", "--upper", "upper/u",
    ];
    let listed = done(scratch.path(), &arguments);
    let (of_mount, members) = of_the_mount(scratch.path());
    let json = done(
        scratch.path(),
        &["diff", "-j", "merged", "-l", "lower", "-u", "upper/u"],
    );
    let applied = run(scratch.path(), &["apply", "out", "copy"]);
    let same = Command::new("diff")
        .current_dir(scratch.path())
        .args(["-r", "merged", "copy"])
        .status();
    sh(scratch.path(), unmount);
    assert_eq!(listed, "C /changed\nD /gone\nA /new\n");
    assert_eq!(of_mount, listed);
    assert!(members.contains("rootfs-diff.tar"), "{members}");
    assert!(members.contains("deleted.files"), "{members}");
    assert_eq!(
        json.trim_end(),
        r#"[{"kind":"modified","path":"/changed"},{"kind":"deleted","path":"/gone"},{"kind":"added","path":"/new"}]"#
    );
    assert!(applied.status.success(), "{applied:?}");
    assert!(same.unwrap().success());
    // What is mounted there no more is no overlay, and one of the two directories is of no use.
    let without = run(scratch.path(), &["diff", "merged"]);
    assert_eq!(without.status.code(), Some(2), "{without:?}");
    let half = run(scratch.path(), &["diff", "merged", "--lower", "lower"]);
    assert_eq!(half.status.code(), Some(2));
}

#[test]
fn what_may_not_be_in_a_bundle_is_refused() {
    let scratch = Scratch::new();
    fs::write(scratch.join("config.json"), "{}").unwrap();
    sh(scratch.path(), "tar -cf evil.tar config.json");
    let refused = run(scratch.path(), &["extract", "evil.tar", "out"]);
    assert_eq!(refused.status.code(), Some(3), "{refused:?}");
    assert!(!scratch.join("out").exists());
}
