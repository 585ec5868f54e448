#![forbid(unsafe_code)]

mod alone;

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::PathBuf;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::*;
use crate::fs::testing::Scratch;

/// A runtime that ends by itself is never short of time, however slow the machine.
const AMPLE: Patience = Patience {
    answer: Duration::from_secs(600),
    end: Duration::from_secs(600),
};

/// For a runtime that never ends.
const SHORT: Patience = Patience {
    answer: Duration::from_millis(300),
    end: Duration::from_secs(600),
};

/// A directory that is removed with its content.
struct Directory(Scratch);

impl Directory {
    fn new() -> Self {
        Directory(Scratch::new())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A program with this text. Another process writes it: a program that a descriptor can write can't be run, and
    /// tests beside this one may pass a descriptor of this process to their children.
    fn program(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        let mut shell = Command::new("/bin/sh");
        shell
            .args([
                "-c",
                r#"printf %s "$1" > "$2" && chmod 755 "$2""#,
                "sh",
                text,
            ])
            .arg(&path);
        assert!(shell.status().unwrap().success());
        path
    }

    fn script(&self, text: &str) -> PathBuf {
        self.program("runtime", &format!("#!/bin/sh\n{text}\n"))
    }

    /// A fifo, open for reading: its end is seen when no process holds the other side any more.
    fn fifo(&self) -> File {
        let path = self.path("fifo");
        mkfifo(&path, Mode::S_IRWXU).unwrap();
        let reader = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(&path)
            .unwrap();
        // Opening doesn't wait for a writer, reading does.
        fcntl(&reader, FcntlArg::F_SETFL(OFlag::empty())).unwrap();
        reader
    }
}

/// Whether a runtime with this script passes each of the two questions.
fn ask(script: &str) -> (bool, bool) {
    let directory = Directory::new();
    let runtime = directory.script(script);
    (
        knows_checkpoint(&runtime, AMPLE),
        knows_mount_context(&runtime, AMPLE),
    )
}

#[test]
fn the_runtime_is_asked_for_help_on_checkpoint() {
    assert_eq!(
        ask(r#"[ "$#" = 2 ] && [ "$1" = checkpoint ] && [ "$2" = --help ]"#),
        (true, false)
    );
}

#[test]
fn the_runtime_is_asked_about_an_option_without_its_value() {
    let script = r#"[ "$#" = 2 ] && [ "$1" = restore ] && [ "$2" = --lsm-mount-context ] && echo requires an argument"#;
    assert_eq!(ask(script), (false, true));
}

#[test]
fn only_the_status_0_is_support_for_checkpoints() {
    for (script, expected) in [
        ("exit 0", true),
        ("exit 1", false),
        ("exit 255", false),
        ("kill -9 $$", false),
    ] {
        assert_eq!(ask(script), (expected, false), "{script}");
    }
}

#[test]
fn the_wording_of_each_runtime_is_known() {
    let runc = "Incorrect Usage: flag needs an argument: -lsm-mount-context";
    let crun = "crun: option '--lsm-mount-context' requires an argument\nTry `crun restore --help' for more information.";
    let youki =
        "error: a value is required for '--lsm-mount-context <CONTEXT>' but none was supplied";
    let former = "error: The argument '--lsm-mount-context <CONTEXT>' requires a value but none was supplied";
    for text in [runc, crun, youki, former] {
        for redirection in ["", ">&2"] {
            let script = format!("cat {redirection} <<'END'\n{text}\nEND\nexit 64");
            assert_eq!(ask(&script), (false, true), "{script}");
        }
    }
}

#[test]
fn other_complaints_are_no_support_for_pods() {
    for text in [
        "Incorrect Usage: flag provided but not defined: -lsm-mount-context",
        "crun: unrecognized option '--lsm-mount-context'",
        "error: unexpected argument '--lsm-mount-context' found",
        "requires an  argument",
        "",
    ] {
        assert!(!ask(&format!("echo \"{text}\" >&2; exit 1")).1, "{text}");
    }
}

#[test]
fn the_phrase_may_be_split_across_both_outputs() {
    assert_eq!(
        ask("printf 'flag needs '; printf 'an arg' >&2; printf 'ument'; kill -9 $$"),
        (false, true)
    );
}

#[test]
fn input_is_empty_and_a_process_group_its_own() {
    let group = nix::unistd::getpgrp();
    let script = format!(
        "read line && exit 1; read -r pid x x x pgrp x < /proc/$$/stat; [ $pgrp != {group} ]"
    );
    assert!(ask(&script).0);
}

#[test]
fn what_cannot_be_run_supports_nothing() {
    let directory = Directory::new();
    let plain = directory.script("echo requires an argument");
    fs::set_permissions(&plain, fs::Permissions::from_mode(0o644)).unwrap();
    let without_interpreter = directory.program("bare", "echo requires an argument\n");
    let bad_interpreter = directory.program("bad", "#!/no/such/interpreter\n");
    let garbage = directory.program("garbage", "\u{1}\u{2}");
    let candidates = [
        directory.path("missing"),
        directory.path("missing/below"),
        directory.0.path().to_path_buf(),
        plain.clone(),
        plain.join("below"),
        without_interpreter,
        bad_interpreter,
        garbage,
        PathBuf::new(),
        PathBuf::from("/dev/null"),
        PathBuf::from("no-such-runtime-anywhere"),
        PathBuf::from(OsStr::from_bytes(b"a\0b")),
        PathBuf::from(OsStr::from_bytes(b"/a\0b")),
    ];
    for candidate in candidates {
        assert!(
            !runtime_supports_checkpoint_restore(&candidate),
            "{candidate:?}"
        );
        assert!(
            !runtime_supports_pod_checkpoint_restore(&candidate),
            "{candidate:?}"
        );
    }
}

#[test]
fn a_bare_name_is_searched_for() {
    assert!(runtime_supports_checkpoint_restore(Path::new("true")));
    assert!(!runtime_supports_checkpoint_restore(Path::new("false")));
}

#[test]
fn a_search_skips_what_is_not_absolute_not_a_file_or_not_executable() {
    let directory = Directory::new();
    for name in ["a", "b", "c", "d"] {
        fs::create_dir(directory.path(name)).unwrap();
    }
    fs::create_dir(directory.path("a/crun")).unwrap();
    fs::write(directory.path("b/crun"), "").unwrap();
    fs::set_permissions(directory.path("b/crun"), fs::Permissions::from_mode(0o644)).unwrap();
    let found = directory.program("c/crun", "");
    directory.program("d/crun", "");
    let all = std::env::join_paths(["a", "b", "c", "d"].map(|name| directory.path(name))).unwrap();
    assert_eq!(find(Path::new("crun"), Some(&all)), Some(found));
    assert_eq!(find(Path::new("runc"), Some(&all)), None);
    assert_eq!(find(Path::new("crun"), None), None);
    for relative in ["", ".", ":", "src/.."] {
        assert_eq!(find(Path::new("crun"), Some(OsStr::new(relative))), None);
    }
    assert_eq!(
        find(Path::new("./crun"), Some(&all)),
        Some(PathBuf::from("./crun"))
    );
}

#[test]
fn a_runtime_that_hangs_supports_nothing_and_is_killed_with_its_children() {
    let directory = Directory::new();
    let mut fifo = directory.fifo();
    let fifo_path = directory.path("fifo").display().to_string();
    let runtime = directory.script(&format!(
        "exec 3>{fifo_path}; echo requires an argument; sleep 1000 & sleep 1000"
    ));
    assert!(!knows_checkpoint(&runtime, SHORT));
    assert!(!knows_mount_context(&runtime, SHORT));
    // This ends only when nobody holds the fifo any more.
    fifo.read_to_end(&mut Vec::new()).unwrap();
}

#[test]
fn a_runtime_that_closes_its_output_and_hangs_supports_nothing() {
    let directory = Directory::new();
    let runtime =
        directory.script("echo requires an argument; exec >/dev/null 2>&1; exec sleep 1000");
    assert!(!knows_mount_context(&runtime, SHORT));
}

#[test]
fn a_child_that_holds_the_output_does_not_delay_the_answer_and_is_killed() {
    let directory = Directory::new();
    let mut fifo = directory.fifo();
    let fifo_path = directory.path("fifo").display().to_string();
    let runtime = directory.script(&format!(
        "exec 3>{fifo_path}; echo held >&3; sleep 1000 & echo requires an argument; exit 0"
    ));
    // With ample patience this would be the 1000 s of the child.
    assert!(knows_checkpoint(&runtime, AMPLE));
    assert!(knows_mount_context(&runtime, AMPLE));
    let mut text = String::new();
    fifo.read_to_string(&mut text).unwrap();
    assert_eq!(text, "held\nheld\n");
}

#[test]
fn a_flood_of_output_is_cut_off() {
    let directory = Directory::new();
    let runtime = directory.script("echo requires an argument; exec yes");
    assert!(!knows_mount_context(&runtime, AMPLE));
    assert!(!knows_checkpoint(&runtime, SHORT));
}

#[test]
fn output_up_to_the_cap_is_searched_as_a_whole() {
    let phrase = "requires an argument";
    let filler = MAX_OUTPUT - phrase.len();
    let script = |filler: usize| format!("head -c {filler} /dev/zero; printf '{phrase}'");
    assert_eq!(ask(&script(filler)), (true, true));
    assert_eq!(ask(&script(filler + 1)), (true, false));
}
