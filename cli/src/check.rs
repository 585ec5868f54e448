//! `crutils check`.

#![forbid(unsafe_code)]

use std::env;
use std::io::Read as _;
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anstyle::Style;
use crutils::checkpoint::inspect::{Finding, Host, Severity};
use crutils::checkpoint::{
    ImportOptions, Inspection, KNOWN_MEMBERS, runtime_supports_checkpoint_restore,
};
use crutils::watch::Watch;
use serde::Serialize;

use crate::args::Check;
use crate::failure::{FAILED, Failure, REFUSED};
use crate::output::{BAD, GOOD, Output};
use crate::{inspect, list, summary};

/// How long `criu --version` is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// How much of what it says is read.
const MOST: u64 = 4096;
/// The runtimes that checkpoint containers. No other program is asked, whatever an archive names.
const RUNTIMES: [&str; 4] = ["crun", "runc", "runsc", "youki"];

/// The answer, for JSON.
#[derive(Serialize)]
struct Answer<'f> {
    whole: bool,
    restorable: bool,
    sha256: Option<String>,
    findings: &'f [Finding],
}

pub(crate) fn run(
    options: &Check,
    output: &mut Output,
    watch: &Watch,
) -> Result<ExitCode, Failure> {
    if options.archive.as_os_str() == "-" {
        return Err(Failure::Usage(
            "check reads an archive twice: - is of no use".to_owned(),
        ));
    }
    let sha256 = if options.archive.is_dir() {
        if options.strict || options.digest || options.expect.is_some() {
            return Err(Failure::Usage(
                "--strict, --digest and --expect are about an archive, and this is a directory"
                    .to_owned(),
            ));
        }
        None
    } else {
        read_all(options, watch)?
    };
    let inspection = inspect::open(&options.archive, &options.parents, watch)?;
    let findings = inspection.findings(&host(&inspection));
    let whole = inspection.problems().is_empty();
    let restorable = findings
        .iter()
        .all(|finding| finding.severity != Severity::Blocks);
    if options.json {
        let answer = Answer {
            whole,
            restorable,
            sha256,
            findings: &findings,
        };
        output.line(serde_json::to_string(&answer)?)?;
    } else {
        if let Some(sha256) = sha256.filter(|_| options.digest) {
            let name = crutils::checkpoint::inspect::RawText::from(
                options.archive.to_string_lossy().as_ref(),
            );
            output.line(format_args!("{sha256}  {name}"))?;
        }
        let (style, text) = verdict(whole, restorable, &findings);
        for line in summary::wrap(text, output.width) {
            output.line(output.paint(style, line))?;
        }
        summary::needs(&findings, output)?;
    }
    Ok(match (whole, restorable) {
        (true, true) => ExitCode::SUCCESS,
        (true, false) => ExitCode::from(FAILED),
        (false, _) => ExitCode::from(REFUSED),
    })
}

/// The answer in a sentence.
fn verdict(whole: bool, restorable: bool, findings: &[Finding]) -> (Style, &'static str) {
    let is_missing = |finding: &Finding| finding.code == "no-inventory";
    match (whole, restorable) {
        (false, _) => (BAD, "The checkpoint is damaged."),
        (true, _) if findings.iter().any(is_missing) => {
            (BAD, "There is no whole checkpoint in it.")
        }
        (true, false) => (
            BAD,
            "The checkpoint is undamaged, and can't be restored here.",
        ),
        (true, true) => (
            GOOD,
            "The checkpoint is undamaged, and nothing is known that prevents a restore here.",
        ),
    }
}

/// Reads the archive to its end: its compression's checksums, its members, and its digest if that is asked for.
fn read_all(options: &Check, watch: &Watch) -> Result<Option<String>, Failure> {
    let mut wanted = ImportOptions::new();
    wanted.digest(options.digest || options.json);
    if options.strict {
        wanted.strict_names(true).require_end_marker(true);
        wanted.names(&KNOWN_MEMBERS)?;
    }
    if let Some(expected) = options.expect {
        wanted.expected_digest(expected);
    }
    let mut import = list::open(&options.archive, &wanted, watch)?;
    let imported = import.extract()?;
    Ok(imported.sha256.map(|digest| digest.to_string()))
}

/// What is known of this host.
fn host(inspection: &Inspection) -> Host {
    let mut host = Host::new();
    let version = criu_version();
    host.criu(version.as_deref());
    let metadata = inspection.metadata();
    if let Some(Ok(runtime)) = metadata.map(|metadata| metadata.validated_runtime_name()) {
        if !is_installed(runtime) {
            host.no_runtime(runtime);
        } else if RUNTIMES.contains(&runtime) {
            let can = runtime_supports_checkpoint_restore(runtime.as_ref());
            host.runtime(runtime, can);
        }
    }
    host
}

/// Whether there is a program of this name where programs are looked for.
fn is_installed(name: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|directory| directory.join(name).is_file())
}

/// What `criu --version` says; nothing if there is none, or it doesn't answer.
fn criu_version() -> Option<String> {
    let mut child = Command::new("criu")
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let begin = Instant::now();
    while child.try_wait().ok()?.is_none() {
        if begin.elapsed() > PATIENCE {
            // It may have ended by now, and then there is nothing to be killed.
            let _ = child.kill();
            let _ = child.wait();
            return None;
        }
        thread::sleep(Duration::from_millis(5));
    }
    let mut text = String::new();
    child
        .stdout
        .take()?
        .take(MOST)
        .read_to_string(&mut text)
        .ok()?;
    Some(text)
}
