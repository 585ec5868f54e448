//! What concerns the whole process is tested in a process of its own: it runs one of the tests named `within_…`, which
//! do nothing elsewhere.

#![forbid(unsafe_code)]

use super::*;

/// Names the runtime to a test that runs in a process of its own.
const RUNTIME: &str = "CRUTILS_TEST_RUNTIME";

/// Runs the test `within` in a process of its own, as the words that `script` finds in its arguments.
fn alone(within: &str, script: &str, runtime: &Path) {
    let mut shell = Command::new("/bin/sh");
    shell
        .args(["-c", script, "sh"])
        .arg(std::env::current_exe().unwrap());
    shell.args([
        "--test-threads=1",
        "--exact",
        &format!("checkpoint::probe::tests::alone::{within}"),
    ]);
    let output = shell.env(RUNTIME, runtime).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}"
    );
}

fn runtime() -> Option<PathBuf> {
    std::env::var_os(RUNTIME).map(PathBuf::from)
}

#[test]
fn the_working_directory_is_not_searched() {
    let directory = Directory::new();
    directory.program("crun", "#!/bin/sh\necho requires an argument\n");
    let working_directory = directory.0.path().display();
    for path in ["", ".", ":/no/such", "./", ".."] {
        alone(
            "within_a_search",
            &format!("cd '{working_directory}'; PATH={path}; export PATH; exec \"$@\""),
            Path::new("crun"),
        );
    }
}

#[test]
fn within_a_search() {
    if let Some(runtime) = runtime() {
        assert!(!runtime_supports_checkpoint_restore(&runtime));
        assert!(!runtime_supports_pod_checkpoint_restore(&runtime));
        assert!(
            runtime_supports_checkpoint_restore(&Path::new(".").join(runtime)),
            "by a path it can be run"
        );
    }
}

#[test]
fn a_process_that_ignores_its_children_gets_no_answer() {
    let directory = Directory::new();
    let runtime = directory.script("echo requires an argument");
    alone(
        "within_ignored_children",
        r#"exec env --ignore-signal=CHLD "$@""#,
        &runtime,
    );
}

#[test]
fn within_ignored_children() {
    if let Some(runtime) = runtime() {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let ignored = status
            .lines()
            .find_map(|line| line.strip_prefix("SigIgn:"))
            .unwrap();
        let ignored = u64::from_str_radix(ignored.trim(), 16).unwrap();
        assert_ne!(ignored & (1 << (libc::SIGCHLD - 1)), 0, "the scene is set");
        assert!(!runtime_supports_checkpoint_restore(&runtime));
        assert!(!runtime_supports_pod_checkpoint_restore(&runtime));
    }
}

#[test]
fn nothing_is_left_behind() {
    let directory = Directory::new();
    let runtime = directory.script("sleep 1000 & echo requires an argument");
    directory.program("hangs", "#!/bin/sh\nexec sleep 1000\n");
    alone("within_a_clean_process", r#"exec "$@""#, &runtime);
}

#[test]
fn within_a_clean_process() {
    let Some(runtime) = runtime() else { return };
    let count = |directory| fs::read_dir(directory).unwrap().count();
    let before = (count("/proc/self/fd"), count("/proc/self/task"));
    assert!(knows_checkpoint(&runtime, AMPLE));
    assert!(knows_mount_context(&runtime, AMPLE));
    assert!(!knows_mount_context(
        &runtime.with_file_name("hangs"),
        Patience {
            answer: Duration::ZERO,
            ..AMPLE
        }
    ));
    assert!(!knows_mount_context(Path::new("/no/such/runtime"), AMPLE));
    assert_eq!((count("/proc/self/fd"), count("/proc/self/task")), before);
    assert_eq!(
        waitid(Id::All, WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG),
        Err(Errno::ECHILD),
        "no child is left"
    );
}
