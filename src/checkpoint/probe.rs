//! What an OCI runtime can do, found out by running it.
//!
//! Nothing here waits longer than [`Patience`] says, and nothing is left behind: the runtime gets a process group of its
//! own, which is killed while its leader is still unreaped, so that its number can't have passed to anybody else.

#![forbid(unsafe_code)]

#[cfg(test)]
mod tests;

use std::ffi::OsStr;
use std::io::{self, PipeReader, Read};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::{AccessFlags, Pid, access};

/// How much of a runtime's output is read; usage messages have a few KiB.
const MAX_OUTPUT: usize = 1 << 20;

/// How long one runtime is waited for. The two together stay below the 10 s that callers are promised.
#[derive(Clone, Copy)]
struct Patience {
    /// Until the runtime has ended by itself.
    answer: Duration,
    /// Until it is gone after it was killed. A process that hangs in the kernel doesn't go.
    end: Duration,
}

const PATIENCE: Patience = Patience {
    answer: Duration::from_secs(8),
    end: Duration::from_secs(1),
};

/// How parsers of command lines complain about an option that lacks its value, which only one that knows the option
/// does: Go's flag package and its kin (runc), getopt (crun), and clap (youki), in its present and its former wording.
const OPTION_IS_KNOWN: [&[u8]; 4] = [
    b"flag needs an argument",
    b"requires an argument",
    b"a value is required for",
    b"requires a value but none was supplied",
];

/// What gVisor's runsc ends with once it has shown how a command is used, and for other failures.
const USAGE_STATUS: i32 = 128;
/// What it shows then, on the first line.
const CHECKPOINT_USAGE: &[u8] = b"checkpoint [flags] <container id>";

/// Tells whether the OCI runtime at `runtime_path` can checkpoint and restore containers: whether
/// `runtime_path checkpoint --help` exits with status 0, or shows the command's usage and exits with 128 as gVisor's
/// runsc does.
///
/// A name without a slash is looked up in the absolute directories of `PATH`. The runtime inherits environment and
/// working directory, reads from `/dev/null`, and its output is discarded. The answer comes within 10 seconds, and
/// whatever processes the runtime started in its process group are killed.
///
/// Any failure is `false`: a runtime that can't be run, is killed, or takes too long; and a process that ignores SIGCHLD
/// or reaps the children of others, since the runtime's status is lost then.
#[must_use]
pub fn runtime_supports_checkpoint_restore(runtime_path: &Path) -> bool {
    knows_checkpoint(runtime_path, PATIENCE)
}

/// Tells whether the OCI runtime at `runtime_path` can restore containers into a pod: whether
/// `runtime_path restore --lsm-mount-context` complains, on either output, that the option lacks its value. runc's,
/// crun's and youki's wordings are known. The exit status doesn't matter. runsc has no such option.
///
/// All else is as in [`runtime_supports_checkpoint_restore`]; a runtime that writes more than 1 MiB is `false`, too.
#[must_use]
pub fn runtime_supports_pod_checkpoint_restore(runtime_path: &Path) -> bool {
    knows_mount_context(runtime_path, PATIENCE)
}

fn knows_checkpoint(runtime: &Path, patience: Patience) -> bool {
    const ASKED: [&str; 2] = ["checkpoint", "--help"];
    let begin = Instant::now();
    match run(runtime, ASKED, &mut RuntimeOutput::Discarded, patience) {
        Some(Some(0)) => true,
        Some(Some(USAGE_STATUS)) => {
            let answer = patience.answer.saturating_sub(begin.elapsed());
            let patience = Patience { answer, ..patience };
            let mut output = RuntimeOutput::Collected(Vec::new());
            let status = run(runtime, ASKED, &mut output, patience);
            status == Some(Some(USAGE_STATUS)) && output.holds(CHECKPOINT_USAGE)
        }
        _ => false,
    }
}

fn knows_mount_context(runtime: &Path, patience: Patience) -> bool {
    let mut output = RuntimeOutput::Collected(Vec::new());
    let ended = run(
        runtime,
        ["restore", "--lsm-mount-context"],
        &mut output,
        patience,
    )
    .is_some();
    ended && OPTION_IS_KNOWN.iter().any(|phrase| output.holds(phrase))
}

/// Where the output of a runtime goes.
enum RuntimeOutput {
    Discarded,
    Collected(Vec<u8>),
}

impl RuntimeOutput {
    fn holds(&self, phrase: &[u8]) -> bool {
        match self {
            RuntimeOutput::Discarded => false,
            RuntimeOutput::Collected(text) => {
                text.windows(phrase.len()).any(|window| window == phrase)
            }
        }
    }
}

/// Runs a runtime to its end. The answer is its exit status, if it has one; nothing if it couldn't be run, was still
/// running in the end, wrote too much, or if somebody else took its status.
fn run(
    runtime: &Path,
    arguments: [&str; 2],
    output: &mut RuntimeOutput,
    patience: Patience,
) -> Option<Option<i32>> {
    let deadline = Instant::now() + patience.answer;
    let program = find(runtime, std::env::var_os("PATH").as_deref())?;
    let mut command = Command::new(program);
    command.arg0(runtime).args(arguments).process_group(0);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let pipe = match output {
        RuntimeOutput::Discarded => None,
        // One pipe for both, since the phrase may be split across them.
        RuntimeOutput::Collected(_) => {
            let (reader, writer) = io::pipe().ok()?;
            fcntl(&reader, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).ok()?;
            command.stdout(writer.try_clone().ok()?).stderr(writer);
            Some(reader)
        }
    };
    let mut child = command.spawn().ok()?;
    // The command holds the pipe's other end.
    drop(command);
    let group = Pid::from_raw(i32::try_from(child.id()).ok()?);
    let ended = wait(group, pipe, output, deadline);
    if ended != Err(Lost::ByOthers) {
        // The leader is not reaped yet, so the number is still the group's. It has no member left if this fails.
        let _ = killpg(group, Signal::SIGKILL);
        reap(&mut child, patience.end);
    }
    ended.ok()
}

/// Why a runtime has no status.
#[derive(Debug, PartialEq, Eq)]
enum Lost {
    /// It ran too long or wrote too much, and is to be killed.
    Patience,
    /// Another part of the process reaped it, or the process ignores SIGCHLD. Its number may belong to others now.
    ByOthers,
}

/// Waits until the runtime has ended, without reaping it, and collects what it has written until then. Processes that it
/// left behind may hold the pipe open; nothing waits for them.
fn wait(
    runtime: Pid,
    mut pipe: Option<PipeReader>,
    output: &mut RuntimeOutput,
    deadline: Instant,
) -> Result<Option<i32>, Lost> {
    // A runtime answers within milliseconds; one that doesn't isn't asked more often than this.
    const LONGEST_PAUSE: Duration = Duration::from_millis(20);
    let mut pause = Duration::from_millis(1);
    loop {
        // In this order: what the runtime has written is in the pipe once it has ended.
        let ended = status(runtime)?;
        if let (Some(reader), RuntimeOutput::Collected(text)) = (&mut pipe, &mut *output)
            && drain(reader, text)? == Drained::ToTheEnd
        {
            pipe = None;
        }
        if let Some(code) = ended {
            return Ok(code);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Lost::Patience);
        }
        await_output(pipe.as_ref(), pause.min(left));
        pause = LONGEST_PAUSE.min(pause * 2);
    }
}

/// Whether the runtime has ended and, if so, its exit status; a signal leaves none.
fn status(runtime: Pid) -> Result<Option<Option<i32>>, Lost> {
    loop {
        match waitid(
            Id::Pid(runtime),
            WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT,
        ) {
            Ok(WaitStatus::StillAlive) => return Ok(None),
            Ok(WaitStatus::Exited(_, code)) => return Ok(Some(Some(code))),
            Err(Errno::EINTR) => {}
            Err(Errno::ECHILD) => return Err(Lost::ByOthers),
            // Killed; by a signal that has no name if this is an error.
            Ok(_) | Err(_) => return Ok(Some(None)),
        }
    }
}

#[derive(PartialEq, Eq)]
enum Drained {
    /// Nothing more for now.
    ForNow,
    /// All holders of the pipe's other end have closed it.
    ToTheEnd,
}

/// Reads what is in the pipe.
fn drain(pipe: &mut PipeReader, text: &mut Vec<u8>) -> Result<Drained, Lost> {
    let mut piece = [0; 4096];
    loop {
        match pipe.read(&mut piece) {
            Ok(0) => return Ok(Drained::ToTheEnd),
            // Each turn adds to the text, so the cap bounds the loop, too.
            Ok(n) if text.len() + n <= MAX_OUTPUT => {
                text.extend_from_slice(piece.get(..n).unwrap_or_default());
            }
            Ok(_) => return Err(Lost::Patience),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Drained::ForNow),
            Err(_) => return Err(Lost::Patience),
        }
    }
}

/// Pauses until there is output or a while has passed.
fn await_output(pipe: Option<&PipeReader>, pause: Duration) {
    let mut wanted = Vec::from_iter(pipe.map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLIN)));
    // Rounded up: a wait of no time would spin. An interruption only makes the pause shorter.
    let milliseconds = u16::try_from(pause.as_millis() + 1).unwrap_or(u16::MAX);
    let _ = poll(&mut wanted, PollTimeout::from(milliseconds));
}

/// Takes the status of a runtime that has ended or was killed, so that no zombie stays.
fn reap(child: &mut Child, patience: Duration) {
    let deadline = Instant::now() + patience;
    while matches!(child.try_wait(), Ok(None)) && Instant::now() < deadline {
        await_output(None, Duration::from_millis(1));
    }
}

/// The file of a runtime. A path stays as it is; a bare name is searched for in the absolute directories of
/// `search_path`, never in the working directory, which may be anybody's.
fn find(runtime: &Path, search_path: Option<&OsStr>) -> Option<PathBuf> {
    let name = runtime.as_os_str().as_bytes();
    if name.contains(&b'/') {
        return Some(runtime.to_owned());
    }
    if name.is_empty() {
        return None;
    }
    std::env::split_paths(search_path?)
        .filter(|directory| directory.is_absolute())
        .map(|directory| directory.join(runtime))
        .find(|file| file.is_file() && access(file, AccessFlags::X_OK).is_ok())
}
