//! One process in full, and what dumps and restores took.

#![forbid(unsafe_code)]

use std::io;

use crutils::checkpoint::Inspection;
use crutils::checkpoint::inspect::{Credentials, Process, RawText};

use crate::output::{DIM, Output};
use crate::summary;
use crate::text::{command_line, size, time};

/// A line's label and text.
type Row = (&'static str, Option<String>);

pub(crate) fn print_process(process: &Process, output: &mut Output) -> io::Result<()> {
    output.heading(format_args!("Process {}  {}", process.pid, process.comm))?;
    let mut rows = place(process);
    rows.extend(process.credentials.iter().flat_map(privileges));
    rows.extend(rest(process));
    for (label, text) in rows {
        if let Some(text) = text {
            print_labelled(label, &text, output)?;
        }
    }
    Ok(())
}

/// A text with a label in front of its first line.
fn print_labelled(label: &str, text: &str, output: &mut Output) -> io::Result<()> {
    for (index, line) in summary::wrap(text, output.width - 14).iter().enumerate() {
        let label = if index == 0 { label } else { "" };
        let label = output.paint(DIM, format!("{label:<12}"));
        output.line(format_args!("  {label}{line}"))?;
    }
    Ok(())
}

/// What a process runs, and where.
fn place(process: &Process) -> Vec<Row> {
    let text = |text: &Option<RawText>| text.as_ref().map(ToString::to_string);
    let family = format!(
        "{}, group {}, session {}",
        process.ppid, process.pgid, process.sid
    );
    let ended = match (process.exit_status, process.exit_signal) {
        (Some(status), _) => format!(", it had ended with {status}"),
        (None, Some(signal)) => format!(", it was ended by signal {signal}"),
        (None, None) => String::new(),
    };
    vec![
        ("command", Some(command_line(process))),
        ("executable", text(&process.executable)),
        ("directory", text(&process.cwd)),
        ("root", text(&process.root)),
        ("parent", Some(family)),
        ("state", Some(format!("{}{ended}", process.state.label()))),
    ]
}

/// Who a process is, and what it may do.
fn privileges(own: &Credentials) -> Vec<Row> {
    let mut ids = format!("{}:{}", own.uid, own.gid);
    if (own.uid, own.gid) != (own.euid, own.egid) {
        ids.push_str(&format!(", effective {}:{}", own.euid, own.egid));
    }
    let may = match capabilities(own.capabilities.effective) {
        names if names.is_empty() => "nothing beyond that".to_owned(),
        names => names,
    };
    let no_new = own.no_new_privs == Some(true);
    vec![
        ("user", Some(ids)),
        ("may", Some(may)),
        ("privileges", no_new.then(|| "no new ones".to_owned())),
        ("profile", own.lsm_profile.as_ref().map(ToString::to_string)),
    ]
}

fn rest(process: &Process) -> Vec<Row> {
    let limits = &process.limits;
    let nofile = limits.iter().find(|limit| limit.resource == "nofile");
    let files = nofile.map(|limit| {
        let most = limit
            .soft
            .map_or("any number".to_owned(), |soft| soft.to_string());
        format!("{} of {most}", process.descriptors.len())
    });
    let problem = process.text_problem.as_ref();
    vec![
        ("seccomp", process.seccomp.map(str::to_owned)),
        ("umask", process.umask.map(|umask| format!("{umask:04o}"))),
        ("open files", files),
        ("threads", Some(process.threads.len().to_string())),
        ("memory", Some(memory(process))),
        (
            "missing",
            problem.map(|why| format!("arguments or environment {why}")),
        ),
    ]
}

fn memory(process: &Process) -> String {
    let memory = process.memory;
    let mut text = format!(
        "{} mapped, {} in the checkpoint",
        size(memory.mapped),
        size(memory.present)
    );
    for (bytes, what) in [
        (memory.parent, "in the previous one"),
        (memory.lazy, "at a lazy-pages server"),
        (memory.compressed, "compressed"),
    ] {
        if bytes > 0 {
            text.push_str(&format!(", {} {what}", size(bytes)));
        }
    }
    text
}

/// Names of capabilities, without `CAP_`.
fn capabilities(mask: u64) -> String {
    const NAMES: [&str; 41] = [
        "chown",
        "dac_override",
        "dac_read_search",
        "fowner",
        "fsetid",
        "kill",
        "setgid",
        "setuid",
        "setpcap",
        "linux_immutable",
        "net_bind_service",
        "net_broadcast",
        "net_admin",
        "net_raw",
        "ipc_lock",
        "ipc_owner",
        "sys_module",
        "sys_rawio",
        "sys_chroot",
        "sys_ptrace",
        "sys_pacct",
        "sys_admin",
        "sys_boot",
        "sys_nice",
        "sys_resource",
        "sys_time",
        "sys_tty_config",
        "mknod",
        "lease",
        "audit_write",
        "audit_control",
        "setfcap",
        "mac_override",
        "mac_admin",
        "syslog",
        "wake_alarm",
        "block_suspend",
        "audit_read",
        "perfmon",
        "bpf",
        "checkpoint_restore",
    ];
    let all = (1_u64 << NAMES.len()) - 1;
    if mask & all == all {
        return "everything".to_owned();
    }
    let set = NAMES
        .iter()
        .enumerate()
        .filter(|(bit, _)| mask >> bit & 1 != 0);
    set.map(|(_, name)| *name).collect::<Vec<_>>().join(" ")
}

pub(crate) fn print_statistics(inspection: &Inspection, output: &mut Output) -> io::Result<()> {
    if let Some(dump) = inspection.dump_statistics() {
        output.heading("The dump")?;
        let rows = [
            ("freezing", time(dump.freezing_time)),
            ("frozen", time(dump.frozen_time)),
            ("memory", time(dump.memdump_time)),
            ("writing", time(dump.memwrite_time)),
            ("scanned", format!("{} pages", dump.pages_scanned)),
            (
                "skipped",
                format!(
                    "{} pages that the previous one has",
                    dump.pages_skipped_parent
                ),
            ),
            ("written", format!("{} pages", dump.pages_written)),
            ("lazy", format!("{} pages", dump.pages_lazy)),
        ];
        for (label, text) in rows {
            print_labelled(label, &text, output)?;
        }
    }
    if let Some(restore) = inspection.restore_statistics() {
        output.heading("The last restore")?;
        for (label, text) in [
            ("forking", time(restore.forking_time)),
            ("restoring", time(restore.restore_time)),
        ] {
            print_labelled(label, &text, output)?;
        }
    }
    Ok(())
}
