//! What the command says, and how it is laid out: one form of messages, and lines that fit.

use std::fs;
use std::process::Output;

use crate::support::{Scratch, crutils, data, rich, run, shown};

/// What a run told beside its output.
fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn every_failure_is_told_in_one_form() {
    let rich = rich();
    for arguments in [
        &["inspect", "/missing"][..],
        &["inspect", "--html", "/missing/page", &rich],
        &["inspect", "--no-such-option", &rich],
        &["list"],
        &["check", "-"],
        &["memory", "--pid", "1", "--dump", "/missing/pages", &rich],
        &["memory", "--regex", "(", &rich],
        &["memory", "--pid", "no number", &rich],
        &["cat", &rich, "no such member"],
        &["compare", &rich, "/missing"],
        &["extract", "/missing", "/missing"],
        &["import", &rich],
        &["import", "--volume", "no-equals-sign", &rich],
        &["export", "/missing", "/missing/archive"],
        &["image", "inspect", "/missing"],
        &["diff", "/missing"],
        &["apply", "/missing", "/missing"],
        &["no-such-command"],
    ] {
        let output = crutils().args(arguments).output().unwrap();
        let said = said(&output);
        assert!(!output.status.success(), "{arguments:?}");
        assert!(
            said.starts_with("crutils: ") && !said.contains("error: "),
            "{arguments:?}: {said}"
        );
        // Whatever file it is about, it is named, and not again by each who passes the message on.
        if arguments.iter().any(|one| one.starts_with("/missing")) {
            assert_eq!(said.matches("/missing").count(), 1, "{arguments:?}: {said}");
        }
        assert!(!said.contains("os error"), "{arguments:?}: {said}");
    }
}

#[test]
fn a_path_through_a_file_is_named_once() {
    let (scratch, rich) = (Scratch::new(), rich());
    fs::write(scratch.join("file"), b"").unwrap();
    for line in [
        &["image", "build", "--output", "file", &rich][..],
        &["image", "build", "--output", "file/image", &rich],
        &[
            "image",
            "build",
            "--output",
            "oci-archive:file/image",
            &rich,
        ],
        &["import", "--bundle", "file/bundle", &rich],
        &["export", "file/bundle", "archive"],
    ] {
        let output = run(scratch.path(), line);
        let (said, root) = (said(&output), scratch.path().to_str().unwrap());
        assert!(said.contains("ENOTDIR"), "{line:?}: {said}");
        assert!(said.matches(root).count() < 2, "{line:?}: {said}");
    }
}

#[test]
fn help_is_no_failure_and_has_no_prefix() {
    for arguments in [&["--help"][..], &["inspect", "-h"], &["--version"]] {
        let text = shown(crutils().args(arguments));
        assert!(!text.starts_with("crutils:"), "{text}");
    }
    // Without anything it is what it says instead of an error.
    let output = crutils().output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(!said(&output).starts_with("crutils:"));
}

#[test]
fn what_is_left_out_is_a_warning() {
    let scratch = Scratch::new();
    let (bundle, archive) = (scratch.join("bundle"), scratch.join("archive"));
    fs::create_dir_all(bundle.join("checkpoint")).unwrap();
    fs::write(bundle.join("checkpoint/inventory.img"), b"").unwrap();
    for name in ["config.dump", "spec.dump"] {
        fs::write(bundle.join(name), b"{}").unwrap();
    }
    let [bundle, archive] = [bundle, archive].map(|path| path.to_str().unwrap().to_owned());
    let output = run(scratch.path(), &["export", &bundle, &archive]);
    let said = said(&output);
    assert!(
        said.starts_with("crutils: warning: not in the bundle, and left out: "),
        "{said}"
    );
}

#[test]
fn applying_what_is_not_there_is_told() {
    let scratch = Scratch::new();
    let root = scratch.join("root");
    fs::create_dir(&root).unwrap();
    let root = root.to_str().unwrap();
    let output = run(scratch.path(), &["apply", "/missing", root]);
    assert_eq!(output.status.code(), Some(1));
    // A container that has changed nothing has no files that say what.
    let output = run(scratch.path(), &["apply", root, root]);
    assert!(output.status.success());
    let said = said(&output);
    assert!(
        said.starts_with("crutils: warning: ") && said.contains("rootfs-diff.tar"),
        "{said}"
    );
}

#[test]
fn rows_in_a_pipe_are_whole_lines() {
    let rich = rich();
    let text = shown(crutils().args(["list", &rich]));
    assert!(
        text.lines()
            .any(|line| line.ends_with("checkpoint/tmpfs-dev-45.tar.gz.img")),
        "{text}"
    );
    // Its heading and its sum are lines, too.
    assert_eq!(text.lines().count(), 39 + 2);
    let narrow = shown(crutils().args(["list", &rich]).env("COLUMNS", "80"));
    assert!(
        narrow.lines().all(|line| line.chars().count() <= 80),
        "{narrow}"
    );
}

#[test]
fn comparisons_and_tables_fit_on_narrow_screens() {
    let [rich, previous] = ["rich.tar.zst", "plain.withprev.tar.zst"].map(data);
    for columns in ["40", "80"] {
        let most: usize = columns.parse().unwrap();
        for arguments in [
            &["compare", &previous, &rich][..],
            &["memory", &previous],
            &["list", &rich],
        ] {
            let text = shown(crutils().args(arguments).env("COLUMNS", columns));
            for line in text.lines() {
                assert!(
                    line.chars().count() <= most,
                    "{arguments:?} at {columns}: {line:?}"
                );
                // A number stays beside its unit.
                let unit = line.trim_start().split(' ').next();
                assert!(
                    !matches!(unit, Some("B" | "KiB" | "MiB")),
                    "{arguments:?} at {columns}: {line:?}"
                );
            }
        }
    }
}
