//! `crutils check`.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::{Scratch, crutils, program, rich, run, sh};

/// How a run of the command ends.
fn code(command: &mut Command) -> Option<i32> {
    command.output().unwrap().status.code()
}

#[test]
fn a_check_tells_whether_a_checkpoint_is_whole() {
    let scratch = Scratch::new();
    let rich = rich();
    let checked = crutils().args(["check", "--json", &rich]).output().unwrap();
    let answer: Value = serde_json::from_slice(&checked.stdout).unwrap();
    assert_eq!(answer["whole"], true);
    let digest = answer["sha256"].as_str().unwrap().to_owned();
    assert!(sh(scratch.path(), &format!("sha256sum {rich}")).starts_with(&digest));
    // Whether a restore works here is up to this machine.
    let restorable = answer["restorable"].as_bool().unwrap();
    assert_eq!(checked.status.code(), Some(i32::from(!restorable)));
    let zeros = "0".repeat(64);
    let line = ["check", "--expect", &zeros, &rich];
    assert_eq!(code(crutils().args(line)), Some(3));
    // A byte less, and a bit more.
    let whole = fs::read(&rich).unwrap();
    let cut = scratch.join("cut.tar.zst");
    fs::write(&cut, &whole[..whole.len() - 1]).unwrap();
    let flipped = scratch.join("flipped.tar.zst");
    let mut bytes = whole.clone();
    bytes[whole.len() / 2] ^= 4;
    fs::write(&flipped, bytes).unwrap();
    for damaged in [cut, flipped] {
        let ended = code(crutils().arg("check").arg(&damaged));
        assert_eq!(ended, Some(3), "{damaged:?}");
    }
}

#[test]
fn a_missing_runtime_is_told_from_one_that_cannot_restore() {
    let scratch = Scratch::new();
    let rich = rich();
    let reason = |path: &Path| {
        let output = crutils()
            .args(["check", &rich])
            .env("PATH", path)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stdout)
            .unwrap()
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    };
    let text = reason(scratch.path());
    assert!(
        text.contains("runc made the checkpoint, and isn't installed here"),
        "{text}"
    );
    program(&scratch.join("runc"), "exit 1");
    let text = reason(scratch.path());
    assert!(
        text.contains("runc made the checkpoint, and can't restore here"),
        "{text}"
    );
}

#[test]
fn no_program_is_run_because_an_archive_names_it() {
    let scratch = Scratch::new();
    let (bundle, programs) = (scratch.dir("bundle"), scratch.dir("programs"));
    let ran = scratch.join("ran");
    for name in ["evil", "runc"] {
        program(
            &programs.join(name),
            &format!("echo {name} >> {}", ran.display()),
        );
    }
    for (runtime, expected) in [("evil", None), ("runc", Some("runc\n"))] {
        let config = format!(r#"{{"id": "x", "ociRuntime": "{runtime}", "runtime": "{runtime}"}}"#);
        fs::write(bundle.join("config.dump"), config).unwrap();
        let mut check = crutils();
        check.arg("check").arg(&bundle).env("PATH", &programs);
        check.output().unwrap();
        assert_eq!(
            fs::read_to_string(&ran).ok().as_deref(),
            expected,
            "{runtime}"
        );
    }
}

#[test]
fn what_is_asked_of_an_archive_is_not_taken_for_granted_of_a_directory() {
    let scratch = Scratch::new();
    let bundle = scratch.dir("bundle");
    let zeros = "0".repeat(64);
    for options in [&["--expect", &zeros][..], &["--digest"], &["--strict"]] {
        let mut check = crutils();
        check.arg("check").arg(&bundle).args(options);
        assert_eq!(code(&mut check), Some(2), "{options:?}");
    }
}

#[test]
fn what_has_no_checkpoint_is_told_from_nothing() {
    let scratch = Scratch::new();
    fs::write(scratch.join("empty"), b"").unwrap();
    sh(scratch.path(), "echo text >file && tar -cf other.tar file");
    for command in ["check", "inspect", "list"] {
        let (empty, other) = (
            run(scratch.path(), &[command, "empty"]),
            run(scratch.path(), &[command, "other.tar"]),
        );
        assert_eq!(empty.status.code(), Some(3), "{command}: {empty:?}");
        let text = String::from_utf8(other.stdout).unwrap();
        match command {
            "check" => assert!(
                text.starts_with("There is no whole checkpoint in it."),
                "{text}"
            ),
            "inspect" => assert!(text.starts_with("no checkpoint\n"), "{text}"),
            _ => assert!(text.contains("file"), "{text}"),
        }
    }
}
