//! Asking a runtime what it can do: any failure is a no, and nothing it does can hold up the caller.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::process::{Test, Within};
use crate::support::sandbox::Sandbox;
use crate::support::script;

/// A runtime that is this shell script.
fn runtime(sandbox: &Sandbox, body: &str) -> PathBuf {
    let path = sandbox.path().join("runtime");
    script(&path, body);
    path
}

fn can_checkpoint(t: &Test, body: &str) -> bool {
    let sandbox = Sandbox::new();
    t.supports_checkpoint_restore(&runtime(&sandbox, body))
}

fn can_restore_pods(t: &Test, body: &str) -> bool {
    let sandbox = Sandbox::new();
    t.supports_pod_checkpoint_restore(&runtime(&sandbox, body))
}

/// Waits for a process to end; the watchdog is the only limit.
fn wait_for_the_end_of(pid: &str) {
    let status = format!("/proc/{}/stat", pid.trim());
    while fs::read_to_string(&status)
        .is_ok_and(|stat| !stat.contains(") Z ") && !stat.contains(") X "))
    {
        std::thread::yield_now();
    }
}

api_tests! {
    a_runtime_that_knows_the_command_can_checkpoint,
    a_runtime_that_shows_the_usage_of_the_command_as_runsc_does_can_checkpoint,
    any_failure_is_a_no,
    a_bare_name_is_looked_up_in_the_path,
    nothing_is_to_be_read_from_standard_input,
    a_runtime_that_asks_for_the_context_can_restore_pods,
    a_runtime_that_hangs_is_a_no_and_is_killed,
    a_child_that_holds_the_output_open_holds_up_nobody,
    output_without_end_is_cut_off,
    no_descriptor_of_the_caller_reaches_the_runtime
}

fn a_runtime_that_knows_the_command_can_checkpoint(t: &Test) {
    assert!(can_checkpoint(t, r#"test "$*" = "checkpoint --help""#));
    assert!(can_checkpoint(t, "echo help; echo more >&2; exit 0"));
}

fn a_runtime_that_shows_the_usage_of_the_command_as_runsc_does_can_checkpoint(t: &Test) {
    let usage = "checkpoint [flags] <container id> - save current state of container.";
    for to in ["1", "2"] {
        let body =
            format!("test \"$*\" = 'checkpoint --help' || exit 1; echo '{usage}' >&{to}; exit 128");
        assert!(can_checkpoint(t, &body));
        assert!(!can_checkpoint(t, &body.replace("128", "2")));
    }
    let unknown = "echo 'flag provided but not defined: -lsm-mount-context' >&2; exit 128";
    assert!(!can_restore_pods(t, unknown));
    assert!(!can_checkpoint(
        t,
        "echo 'Usage: runsc <flags> <subcommand> <subcommand args>' >&2; exit 128"
    ));
    assert!(!can_checkpoint(t, "exit 128"));
    // The second time it says nothing any more.
    assert!(!can_checkpoint(
        t,
        "echo 'checkpoint [flags] <container id>'; test -e \"$0.was\" && exit 1; touch \"$0.was\"; exit 128"
    ));
}

fn any_failure_is_a_no(t: &Test) {
    for body in ["exit 1", "exit 127", "kill -9 $$", "kill -TERM $$"] {
        assert!(!can_checkpoint(t, body), "{body}");
    }
    let sandbox = Sandbox::new();
    fs::write(sandbox.path().join("plain"), "#!/bin/sh\nexit 0\n").unwrap();
    script(&sandbox.path().join("interpreter"), "exit 0");
    fs::write(sandbox.path().join("interpreter"), "exit 0\n").unwrap();
    for path in [
        sandbox.path().join("plain"),
        sandbox.path().join("interpreter"),
        sandbox.path().join("missing"),
        sandbox.path().into(),
        "".into(),
        "crutils-no-such-program".into(),
    ] {
        assert!(!t.supports_checkpoint_restore(&path), "{}", path.display());
        assert!(
            !t.supports_pod_checkpoint_restore(&path),
            "{}",
            path.display()
        );
    }
}

fn a_bare_name_is_looked_up_in_the_path(t: &Test) {
    t.within(Within::Process, || {
        assert!(t.supports_checkpoint_restore(Path::new("true")));
        assert!(!t.supports_checkpoint_restore(Path::new("false")));
        let sandbox = Sandbox::new();
        runtime(&sandbox, "exit 0");
        std::env::set_current_dir(sandbox.path()).unwrap();
        assert!(!t.supports_checkpoint_restore(Path::new("runtime")));
        assert!(t.supports_checkpoint_restore(Path::new("./runtime")));
    });
}

fn nothing_is_to_be_read_from_standard_input(t: &Test) {
    assert!(can_checkpoint(t, r#"test -z "$(cat)""#));
    assert!(can_restore_pods(
        t,
        r#"test -z "$(cat)" && echo requires an argument"#
    ));
}

fn a_runtime_that_asks_for_the_context_can_restore_pods(t: &Test) {
    for said in [
        "flag needs an argument: -lsm-mount-context",
        "runtime: option '--lsm-mount-context' requires an argument",
        "error: a value is required for '--lsm-mount-context <LSM_MOUNT_CONTEXT>' but none was supplied",
    ] {
        let check = "test \"$*\" = \"restore --lsm-mount-context\" || exit 0";
        assert!(
            can_restore_pods(t, &format!("{check}; echo \"{said}\" >&2; exit 1")),
            "{said}"
        );
        assert!(
            can_restore_pods(t, &format!("{check}; echo \"{said}\"; exit 0")),
            "{said}"
        );
    }
    assert!(can_restore_pods(
        t,
        "printf 'flag needs an '; printf 'argument' >&2"
    ));
    assert!(!can_restore_pods(
        t,
        "echo unknown flag: --lsm-mount-context >&2; exit 1"
    ));
    assert!(!can_restore_pods(t, "exit 0"));
}

fn a_runtime_that_hangs_is_a_no_and_is_killed(t: &Test) {
    let sandbox = Sandbox::new();
    let pids = sandbox.path().join("pids");
    let path = runtime(
        &sandbox,
        &format!(
            "echo $$ >> {0}; sleep 100000 & echo $! >> {0}; wait",
            pids.display()
        ),
    );
    assert!(!t.supports_checkpoint_restore(&path));
    assert!(!t.supports_pod_checkpoint_restore(&path));
    for pid in fs::read_to_string(&pids).unwrap().lines() {
        wait_for_the_end_of(pid);
    }
}

fn a_child_that_holds_the_output_open_holds_up_nobody(t: &Test) {
    let sandbox = Sandbox::new();
    let pid = sandbox.path().join("pid");
    let path = runtime(
        &sandbox,
        &format!(
            "sleep 100000 & echo $! > {}; echo requires an argument",
            pid.display()
        ),
    );
    assert!(t.supports_pod_checkpoint_restore(&path));
    wait_for_the_end_of(&fs::read_to_string(&pid).unwrap());
}

fn output_without_end_is_cut_off(t: &Test) {
    assert!(!can_restore_pods(t, "exec yes"));
    assert!(!can_checkpoint(t, "exec yes"));
}

fn no_descriptor_of_the_caller_reaches_the_runtime(t: &Test) {
    t.within(Within::Process, || {
        let sandbox = Sandbox::new();
        let out = sandbox.path().join("out");
        let path = runtime(&sandbox, &format!("ls /proc/self/fd > {}", out.display()));
        let mut plain = std::process::Command::new(&path);
        assert!(
            plain
                .stdin(std::process::Stdio::null())
                .status()
                .unwrap()
                .success()
        );
        let expected = fs::read_to_string(&out).unwrap();
        assert!(t.supports_checkpoint_restore(&path));
        assert_eq!(fs::read_to_string(&out).unwrap(), expected);
        t.supports_pod_checkpoint_restore(&path);
        assert_eq!(fs::read_to_string(&out).unwrap(), expected);
    });
}
