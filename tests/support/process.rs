//! How a test runs: under a watchdog, and where it has to, in a process of its own.

use std::ops::Deref;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::api::Api;
use super::os;
use super::sandbox::Sandbox;

/// Tells a test that it is the inner run, in the process that the outer run has made for it.
const INNER: &str = "CRUTILS_TEST_INNER";
/// Tells the inner run what the outer one has prepared for it.
const PREPARED: &str = "CRUTILS_TEST_PREPARED";
/// How much of the processor's time this process may take, for each test that runs at once, before a test counts as
/// hanging, in seconds. The wall's time says nothing on a busy machine.
const LIMIT: u64 = 300;
/// How long the process may take none of the processor's time before a test counts as waiting for ever, in seconds. What
/// it waits for may be a busy machine's other processes.
const IDLE: u64 = 1800;

/// A running test: its name, and the way into the library that it tests.
pub struct Test {
    api: &'static dyn Api,
    name: String,
}

impl Deref for Test {
    type Target = dyn Api;

    fn deref(&self) -> &Self::Target {
        self.api
    }
}

/// The process that a test asks to run in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Within {
    /// A new one, otherwise like the test's.
    Process,
    /// One with this umask.
    Umask(u32),
    /// One of an ordinary user.
    User,
    /// One of an ordinary user who is root in a user namespace that knows no other id.
    UserNamespace,
    /// One of the real root, in a user namespace that maps root alone.
    RootsNamespace,
    /// One that may not make files larger than this many KiB.
    FileSize(u32),
    /// One that sees these PATH and environment: `PATH=…` and the like, split at spaces.
    Environment(&'static str),
    /// One that may have this many descriptors open.
    Descriptors(u32),
    /// One that may have this many MiB of address space.
    AddressSpace(u32),
    /// One of the real root that lacks this capability: its name without `cap_`.
    Without(&'static str),
}

impl Test {
    /// Runs `body` under the watchdog.
    pub fn run(module: &str, door: &str, api: &'static dyn Api, body: fn(&Test)) {
        let path = module
            .split_once("::")
            .expect("a module within the crate")
            .1;
        let test = Test {
            api,
            name: format!("{path}::{door}"),
        };
        let (done, watch) = mpsc::channel::<()>();
        let name = test.name.clone();
        thread::spawn(move || {
            if !ended_in_time(&watch) {
                // A call into the library that hangs can't be cancelled: the whole process has to go.
                eprintln!(
                    "{name} hangs: no end after {LIMIT} s of the processor, or {IDLE} s without any"
                );
                std::process::abort();
            }
        });
        body(&test);
        drop(done);
    }

    /// The test's name, as the harness knows it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs the body in a process as `within` says; that a test does nothing outside of `body` is its own business.
    #[track_caller]
    pub fn within(&self, within: Within, body: impl FnOnce()) {
        if self.is_inner() {
            return body();
        }
        if let Err(reason) = permitted(within) {
            return super::say(format_args!("skipped: {}: {reason}", self.name));
        }
        self.run_inner(within, wrapper(within));
    }

    /// The same, in a directory that root prepares, who may do what the inner process may not.
    #[track_caller]
    pub fn within_prepared(
        &self,
        within: Within,
        prepare: impl FnOnce(&Path),
        body: impl FnOnce(&Path),
    ) {
        if self.is_inner() {
            let path = std::env::var_os(PREPARED).expect("a prepared directory");
            return body(Path::new(&path));
        }
        if !os::is_real_root() {
            return super::say(format_args!(
                "skipped: {}: only root can prepare it",
                self.name
            ));
        }
        if let Err(reason) = permitted(within) {
            return super::say(format_args!("skipped: {}: {reason}", self.name));
        }
        let sandbox = Sandbox::new();
        prepare(sandbox.path());
        let mut command = wrapper(within);
        command.env(PREPARED, sandbox.path());
        self.run_inner(within, command);
    }

    fn is_inner(&self) -> bool {
        std::env::var(INNER).is_ok_and(|name| name == self.name)
    }

    #[track_caller]
    fn run_inner(&self, within: Within, mut command: Command) {
        let own = std::env::current_exe().expect("the test's own path");
        command
            .arg(own)
            .args(["--exact", &self.name, "--nocapture", "--test-threads=1"])
            .env(INNER, &self.name);
        let output = command.output().expect("a new process");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(
            output.status.success(),
            "{within:?}: {}\n{out}{err}",
            output.status
        );
        assert!(
            out.contains("1 passed"),
            "{within:?}: the inner test didn't run\n{out}{err}"
        );
        for line in err.lines().filter(|line| line.starts_with("skipped: ")) {
            super::say(format_args!("{line}"));
        }
    }
}

/// Whether the test ends before it counts as hanging.
fn ended_in_time(watch: &mpsc::Receiver<()>) -> bool {
    let at_once = thread::available_parallelism().map_or(1, usize::from) as u64;
    let (begin, mut before, mut idle) = (os::processor_time(), Duration::ZERO, 0);
    while watch.recv_timeout(Duration::from_secs(1)) == Err(mpsc::RecvTimeoutError::Timeout) {
        let spent = os::processor_time().saturating_sub(begin);
        // The watchdogs themselves take some microseconds.
        let works = spent.saturating_sub(before) > Duration::from_millis(1);
        idle = if works { 0 } else { idle + 1 };
        if spent > Duration::from_secs(LIMIT * at_once) || idle > IDLE {
            return false;
        }
        before = spent;
    }
    true
}

/// Whether there may be such a process, or why not: a system can forbid user namespaces, and in a chroot the kernel
/// makes none.
fn permitted(within: Within) -> Result<(), String> {
    if !matches!(within, Within::UserNamespace | Within::RootsNamespace) {
        return Ok(());
    }
    let output = wrapper(within).arg("true").output().expect("a new process");
    if output.status.success() {
        return Ok(());
    }
    let reason = String::from_utf8_lossy(&output.stderr);
    Err(format!("{within:?}: {}", reason.trim()))
}

/// The command that makes the process and then executes its further arguments.
fn wrapper(within: Within) -> Command {
    let mut line: Vec<String> = Vec::new();
    let user = "setpriv --reuid 1000 --regid 1000 --clear-groups";
    let mut add = |words: &str| line.extend(words.split(' ').map(Into::into));
    match within {
        Within::Process => add("env"),
        Within::Umask(mask) => {
            add("sh -c");
            line.extend([format!("umask {mask:03o}; exec \"$@\""), "sh".into()]);
        }
        Within::User if os::is_real_root() => add(user),
        Within::User => add("env"),
        Within::UserNamespace if os::is_real_root() => add(&format!("{user} unshare -Ur")),
        Within::UserNamespace | Within::RootsNamespace => add("unshare -Ur"),
        Within::FileSize(kib) => {
            add("sh -c");
            line.extend([format!("ulimit -f {}; exec \"$@\"", kib * 2), "sh".into()]);
        }
        Within::Without(capability) => add(&format!("setpriv --bounding-set -{capability}")),
        Within::Environment(words) => add(&format!("env {words}")),
        Within::AddressSpace(mebibytes) => {
            add("sh -c");
            line.extend([
                format!("ulimit -v {}; exec \"$@\"", mebibytes * 1024),
                "sh".into(),
            ]);
        }
        Within::Descriptors(number) => {
            add("sh -c");
            line.extend([format!("ulimit -n {number}; exec \"$@\""), "sh".into()]);
        }
    }
    let mut command = Command::new(&line[0]);
    command.args(&line[1..]);
    command
}
