//! The sections of the page.

#![forbid(unsafe_code)]

use std::fmt::Write as _;

use crutils::checkpoint::inspect::{Host, Severity};
use crutils::checkpoint::{Inspection, MemberClass};

use super::{Cell, Page, treemap};
use crate::files;
use crate::summary;
use crate::text::{command_line, count, safe, size, time};

/// The container's name, fit for people.
pub(super) fn name(inspection: &Inspection) -> String {
    let metadata = inspection.metadata();
    let name = metadata.and_then(|metadata| metadata.container_name().or(metadata.name()));
    safe(name.unwrap_or("a checkpoint"))
}

pub(super) fn write(inspection: &Inspection, environments: bool, page: &mut Page) {
    head(inspection, page);
    findings(inspection, page);
    sizes(inspection, page);
    if !inspection.processes().is_empty() {
        processes(inspection, page);
        memory(inspection, page);
        open_files(inspection, page);
    }
    sockets(inspection, page);
    mounts(inspection, page);
    if environments {
        environment(inspection, page);
    }
    statistics(inspection, page);
}

fn pairs(rows: &[(&str, Option<String>)], page: &mut Page) {
    page.raw("<dl>\n");
    for (label, text) in rows {
        if let Some(text) = text {
            page.element("dt", label);
            page.element("dd", text);
        }
    }
    page.raw("</dl>\n");
}

fn head(inspection: &Inspection, page: &mut Page) {
    let criu = inspection.criu();
    page.element("h1", name(inspection));
    let Some(metadata) = inspection.metadata() else {
        return;
    };
    let texts = |texts: &[Option<&str>]| {
        let shown: Vec<_> = texts.iter().flatten().map(|text| safe(text)).collect();
        Some(shown.join("/")).filter(|text| !text.is_empty())
    };
    let version = criu
        .image_version
        .map(|version| format!("v1.{}", version.saturating_sub(1)));
    let plugins: Vec<_> = criu.plugins.iter().map(ToString::to_string).collect();
    let rows = [
        (
            "Engine",
            Some(summary::engine(metadata).to_owned()).filter(|text| !text.is_empty()),
        ),
        ("Container", texts(&[metadata.id()])),
        (
            "Pod",
            texts(&[metadata.pod_namespace(), metadata.pod_name()]),
        ),
        ("Image", texts(&[metadata.image_name()])),
        ("Runtime", texts(&[metadata.runtime()])),
        ("Created", texts(&[metadata.created_time()])),
        ("Checkpointed", texts(&[metadata.checkpointed_time()])),
        ("Host name", inspection.host_name().map(ToString::to_string)),
        ("Architecture", criu.architecture.map(str::to_owned)),
        ("Images", version),
        (
            "Previous checkpoint",
            criu.parent.as_ref().map(ToString::to_string),
        ),
        (
            "Plugins",
            Some(plugins.join(", ")).filter(|text| !text.is_empty()),
        ),
    ];
    pairs(&rows, page);
}

fn findings(inspection: &Inspection, page: &mut Page) {
    let findings = inspection.findings(&Host::new());
    if findings.is_empty() {
        return;
    }
    page.element("h2", "What a restore depends on");
    page.raw("<ul class=findings>\n");
    for finding in findings {
        let class = match finding.severity {
            Severity::Blocks => "blocks",
            Severity::Needs => "needs",
            _ => "note",
        };
        page.raw(&format!("<li class={class}>"));
        if let Some(subject) = &finding.subject {
            page.text(format_args!("{subject} "));
        }
        page.text(&finding.reason);
        page.raw("</li>\n");
    }
    page.raw("</ul>\n");
}

/// How much there is of each class, the most first.
fn sizes(inspection: &Inspection, page: &mut Page) {
    let sums = MemberClass::ALL.map(|class| {
        let members = inspection.members().iter();
        let sizes = members.filter(|member| member.class == class);
        let sum = sizes.fold((0, 0_u64), |(count, bytes), member| {
            (count + 1, bytes.saturating_add(member.size))
        });
        (class, sum)
    });
    let mut sums: Vec<_> = sums
        .into_iter()
        .filter(|(_, (_, bytes))| *bytes > 0)
        .collect();
    sums.sort_by_key(|(_, (_, bytes))| std::cmp::Reverse(*bytes));
    let row = |(class, (count, bytes)): (MemberClass, (u64, u64))| {
        vec![
            Cell::text(class.label()),
            Cell::number(count),
            Cell::size(bytes),
        ]
    };
    let rows: Vec<_> = sums.into_iter().map(row).collect();
    page.element("h2", "Sizes");
    page.table(&["Class", "Members", "Size"], &rows);
}

fn processes(inspection: &Inspection, page: &mut Page) {
    let all = inspection.processes();
    page.element("h2", count(all.len(), "process", "processes"));
    page.raw("<pre id=tree>");
    let tree = inspection.tree();
    for entry in &tree {
        let lines = summary::branches(&entry.last, entry.depth, 60, true);
        let process = entry.process;
        page.text(format_args!(
            "{lines}{} {}\n",
            process.pid,
            command_line(process)
        ));
    }
    page.raw("</pre>\n");
    let columns = [
        "PID",
        "Parent",
        "Name",
        "State",
        "Executable",
        "User",
        "Threads",
        "Files",
        "Mapped",
        "Held",
    ];
    let rows = all.iter().map(|process| {
        let user = process
            .credentials
            .as_ref()
            .map_or(String::new(), |own| format!("{}:{}", own.uid, own.gid));
        let executable = process.executable.as_ref().map(ToString::to_string);
        vec![
            Cell::number(process.pid),
            Cell::number(process.ppid),
            Cell::text(&process.comm),
            Cell::text(process.state.label()),
            Cell::text(executable.unwrap_or_default()),
            Cell::text(user),
            Cell::number(process.threads.len() as u64),
            Cell::number(process.descriptors.len() as u64),
            Cell::size(process.memory.mapped),
            Cell::size(process.memory.present.saturating_add(process.memory.parent)),
        ]
    });
    page.table(&columns, &rows.collect::<Vec<_>>());
}

fn memory(inspection: &Inspection, page: &mut Page) {
    page.element("h2", "Memory");
    treemap::draw(inspection.processes(), page);
    for process in inspection.processes() {
        page.raw("<details>");
        let heading = format!(
            "Mappings of {} {}: {} mapped, {} in the checkpoint",
            process.pid,
            process.comm,
            size(process.memory.mapped),
            size(process.memory.present)
        );
        page.element("summary", heading);
        let columns = [
            "Address", "Mode", "Kind", "Size", "Here", "Previous", "File",
        ];
        let rows = process.mappings.iter().map(|mapping| {
            let path = mapping.path.as_ref().map(ToString::to_string);
            vec![
                Cell::Number(format!("{:x}", mapping.start), mapping.start),
                Cell::text(&mapping.permissions),
                Cell::text(mapping.kind),
                Cell::size(mapping.end - mapping.start),
                Cell::size(mapping.present),
                Cell::size(mapping.parent),
                Cell::text(path.unwrap_or_default()),
            ]
        });
        page.table(&columns, &rows.collect::<Vec<_>>());
        page.raw("</details>\n");
    }
}

fn open_files(inspection: &Inspection, page: &mut Page) {
    page.element("h2", "Open files");
    let mut rows = Vec::new();
    for process in inspection.processes() {
        for descriptor in &process.descriptors {
            rows.push(vec![
                Cell::number(process.pid),
                Cell::number(descriptor.fd),
                Cell::text(descriptor.kind),
                Cell::text(descriptor.flags.map(files::flags).unwrap_or_default()),
                Cell::text(files::what(inspection, descriptor)),
            ]);
        }
    }
    page.table(&["PID", "FD", "Type", "Flags", "What"], &rows);
    if inspection.ghost_files().is_empty() {
        return;
    }
    page.element("h2", "Deleted files that are open");
    let rows = inspection.ghost_files().iter().map(|ghost| {
        let path = ghost.path.as_ref().map(ToString::to_string);
        vec![Cell::size(ghost.size), Cell::text(path.unwrap_or_default())]
    });
    page.table(&["Size", "Path"], &rows.collect::<Vec<_>>());
}

fn sockets(inspection: &Inspection, page: &mut Page) {
    if !inspection.sockets().is_empty() {
        page.element("h2", "Sockets");
        let rows = inspection.sockets().iter().map(|socket| {
            vec![
                Cell::text(&socket.family),
                Cell::text(&socket.protocol),
                Cell::text(socket.state),
                Cell::text(files::socket_name(socket)),
                Cell::number(socket.unread),
                Cell::text(files::holders(&socket.holders)),
            ]
        });
        let columns = ["Family", "Protocol", "State", "Name", "Unread", "PID/FD"];
        page.table(&columns, &rows.collect::<Vec<_>>());
    }
    if !inspection.pipes().is_empty() {
        page.element("h2", "Pipes");
        let rows = inspection.pipes().iter().map(|pipe| {
            vec![
                Cell::number(pipe.id),
                Cell::number(pipe.unread),
                Cell::text(files::holders(&pipe.readers)),
                Cell::text(files::holders(&pipe.writers)),
            ]
        });
        page.table(
            &["ID", "Unread", "Readers", "Writers"],
            &rows.collect::<Vec<_>>(),
        );
    }
}

fn mounts(inspection: &Inspection, page: &mut Page) {
    if inspection.mounts().is_empty() {
        return;
    }
    page.element("h2", "Mounts");
    let rows = inspection.mounts().iter().map(|mount| {
        let external = mount.external.as_ref().map(ToString::to_string);
        vec![
            Cell::text(&mount.mountpoint),
            Cell::text(&mount.fs_type),
            Cell::text(&mount.source),
            Cell::text(external.unwrap_or_default()),
        ]
    });
    let columns = ["Mounted on", "Type", "Source", "From outside as"];
    page.table(&columns, &rows.collect::<Vec<_>>());
}

fn environment(inspection: &Inspection, page: &mut Page) {
    page.element("h2", "Environments");
    for process in inspection.processes() {
        page.raw("<details>");
        page.element("summary", format_args!("{} {}", process.pid, process.comm));
        page.raw("<pre>");
        for one in process.environment.iter().flatten() {
            page.text(format_args!("{one}\n"));
        }
        page.raw("</pre></details>\n");
    }
}

fn statistics(inspection: &Inspection, page: &mut Page) {
    let Some(dump) = inspection.dump_statistics() else {
        return;
    };
    page.element("h2", "The dump");
    let mut pages = String::new();
    // Writing to a String doesn't fail.
    let _ = write!(
        pages,
        "{} scanned, {} written",
        dump.pages_scanned, dump.pages_written
    );
    let rows = [
        ("Freezing", Some(time(dump.freezing_time))),
        ("Frozen", Some(time(dump.frozen_time))),
        ("Memory", Some(time(dump.memdump_time))),
        ("Writing", Some(time(dump.memwrite_time))),
        ("Pages", Some(pages)),
    ];
    pairs(&rows, page);
}
