//! What a person wants to know of a checkpoint at a glance.

#![forbid(unsafe_code)]

use std::io;

use crutils::checkpoint::inspect::{Finding, Host, MemoryUse, Severity, Socket};
use crutils::checkpoint::{Engine, Inspection, MemberClass, Metadata};

use crate::output::{BAD, CARE, DIM, HEADING, NUMBER, Output};
use crate::text::{columns, command_line, count, fit, pad, safe, size};

/// How wide bars are at most.
const BAR: usize = 24;

/// Pieces of a bar, by the class of memory: what the checkpoint holds, what the previous one holds, and what went to a
/// server.
const PIECES: [(&str, &str, &str); 3] = [
    ("█", "#", "in this checkpoint"),
    ("▒", "+", "in the previous one"),
    ("░", ".", "at a lazy-pages server"),
];

pub(crate) fn print(inspection: &Inspection, output: &mut Output) -> io::Result<()> {
    if let Some(metadata) = inspection.metadata() {
        title(inspection, metadata, output)?;
    }
    sizes(inspection, output)?;
    tree(inspection, output)?;
    ports(inspection, output)?;
    needs(&inspection.findings(&Host::new()), output)
}

fn title(inspection: &Inspection, metadata: &Metadata, output: &mut Output) -> io::Result<()> {
    let name = metadata.container_name().or(metadata.name());
    let criu = inspection.criu();
    let unnamed = if criu.image_version.is_some() {
        "a checkpoint"
    } else {
        "no checkpoint"
    };
    let name = safe(name.unwrap_or(unnamed));
    let engine = engine(metadata);
    let version = criu
        .image_version
        .map(|version| format!("images v1.{}", version.saturating_sub(1)));
    let kind = if criu.pre_checkpoint {
        Some("pre-checkpoint".to_owned())
    } else {
        version
    };
    let parts = [
        Some(engine.to_owned()),
        metadata.runtime().map(safe),
        criu.architecture.map(str::to_owned),
        kind,
    ];
    let parts: Vec<_> = parts
        .into_iter()
        .flatten()
        .filter(|part| !part.is_empty())
        .collect();
    let separator = if output.draws { " · " } else { ", " };
    let line = parts.join(separator);
    let title = output.paint(HEADING, &name);
    if line.is_empty() {
        output.line(title)?;
    } else if columns(&name) + 2 + columns(&line) <= output.width {
        output.line(format_args!("{title}  {}", output.paint(DIM, &line)))?;
    } else {
        output.line(title)?;
        let line = fit(&line, output.width - 2, output.draws);
        output.line(format_args!("  {}", output.paint(DIM, line)))?;
    }
    origin(inspection, metadata, output)
}

/// Where a checkpoint comes from.
fn origin(inspection: &Inspection, metadata: &Metadata, output: &mut Output) -> io::Result<()> {
    let pod = [metadata.pod_namespace(), metadata.pod_name()];
    let pod: Vec<_> = pod.into_iter().flatten().map(safe).collect();
    let rows = [
        ("id", metadata.id().map(safe)),
        ("pod", Some(pod.join("/")).filter(|pod| !pod.is_empty())),
        ("image", metadata.image_name().map(safe)),
        ("created", metadata.created_time().map(safe)),
        ("checkpoint", metadata.checkpointed_time().map(safe)),
        ("host name", inspection.host_name().map(ToString::to_string)),
        (
            "parent",
            inspection.criu().parent.as_ref().map(ToString::to_string),
        ),
    ];
    for (label, text) in rows {
        if let Some(text) = text {
            let text = fit(&text, output.width - 14, output.draws);
            output.line(format_args!(
                "  {}{text}",
                output.paint(DIM, pad(label, 12))
            ))?;
        }
    }
    Ok(())
}

/// What people call the engine; nothing if it isn't known.
pub(crate) fn engine(metadata: &Metadata) -> &'static str {
    match metadata.engine() {
        Engine::Podman => "podman",
        Engine::Crio => "CRI-O",
        Engine::Containerd => "containerd",
        _ => "",
    }
}

fn sizes(inspection: &Inspection, output: &mut Output) -> io::Result<()> {
    let sum = |class: MemberClass| {
        let members = inspection
            .members()
            .iter()
            .filter(|member| member.class == class);
        members.fold(0_u64, |sum, member| sum.saturating_add(member.size))
    };
    let sizes = MemberClass::ALL.map(|class| (class.label(), sum(class)));
    let mut sizes: Vec<_> = sizes.into_iter().filter(|(_, bytes)| *bytes > 0).collect();
    sizes.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
    if sizes.is_empty() {
        return Ok(());
    }
    output.heading("Sizes")?;
    let most = sizes.first().map_or(0, |(_, bytes)| *bytes);
    let room = room_for_bar(output, 2 + 15 + 12);
    for (label, bytes) in sizes {
        let bar = bar(&[bytes], most, room, output);
        let text = format!("{:>10}", size(bytes));
        output.line(format_args!(
            "  {}{}  {bar}",
            pad(label, 15),
            output.paint(NUMBER, text)
        ))?;
    }
    Ok(())
}

/// How many columns a bar may take beside so many others; none if that isn't worth it.
fn room_for_bar(output: &Output, others: usize) -> usize {
    let left = output.width.saturating_sub(others);
    if left < 5 { 0 } else { left.min(BAR) }
}

/// A bar of the parts, as long as they are beside the `most` that a bar shows.
fn bar(parts: &[u64], most: u64, room: usize, output: &Output) -> String {
    if most == 0 || room == 0 {
        return String::new();
    }
    let scaled = |bytes: u64| {
        let cells = u128::from(bytes) * room as u128 / u128::from(most);
        // What is there is seen, however little it is.
        usize::try_from(cells)
            .unwrap_or(room)
            .max(usize::from(bytes > 0))
    };
    let mut bar = String::new();
    let mut left = room;
    for (bytes, (block, letter, _)) in parts.iter().zip(PIECES) {
        let cells = scaled(*bytes).min(left);
        left -= cells;
        bar.push_str(&(if output.draws { block } else { letter }).repeat(cells));
    }
    bar
}

fn parts(memory: &MemoryUse) -> [u64; 3] {
    [memory.present, memory.parent, memory.lazy]
}

/// The tree of processes, each with a bar of its memory.
pub(crate) fn tree(inspection: &Inspection, output: &mut Output) -> io::Result<()> {
    let processes = inspection.processes();
    if processes.is_empty() {
        return Ok(());
    }
    let sums = processes
        .iter()
        .map(|process| parts(&process.memory).iter().sum());
    let most: u64 = sums.clone().max().unwrap_or_default();
    let all = sums.fold(0_u64, u64::saturating_add);
    let heading = format!(
        "{} with {} of memory",
        count(processes.len(), "process", "processes"),
        size(all)
    );
    output.heading(heading)?;
    let wide = output.width >= 60;
    let room = if wide {
        room_for_bar(output, 50).min(16)
    } else {
        0
    };
    let side = 11 + if room > 0 { room + 2 } else { 0 };
    for entry in inspection.tree() {
        let process = entry.process;
        let lines = branches(&entry.last, entry.depth, output.width / 3, output.draws);
        let state = match process.state.label() {
            "alive" => String::new(),
            state => format!(" ({state})"),
        };
        let threads = match process.threads.len() {
            0 | 1 => String::new(),
            number => format!(" [{number} threads]"),
        };
        let text = format!("{lines}{} {}", process.pid, command_line(process));
        let extra = format!("{state}{threads}");
        let left = output.width.saturating_sub(2 + side + columns(&extra));
        let text = fit(&text, left.max(10), output.draws);
        let text = pad(&format!("{text}{extra}"), output.width - 2 - side);
        let sum = parts(&process.memory).iter().sum();
        let bar = bar(&parts(&process.memory), most, room, output);
        let bytes = output.paint(NUMBER, format!("{:>10}", size(sum)));
        let line = format!("  {text} {bytes}  {bar}");
        output.line(line.trim_end())?;
    }
    let others = processes
        .iter()
        .any(|process| process.memory.parent + process.memory.lazy > 0);
    if others && room > 0 {
        let legend = PIECES.map(|(block, letter, what)| {
            format!("{} {what}", if output.draws { block } else { letter })
        });
        let legend = legend.join("  ");
        output.line(format_args!("  {}", output.paint(DIM, legend)))?;
    }
    Ok(())
}

/// The lines that lead to a process in the tree, in so many columns at most.
pub(crate) fn branches(last: &[bool], depth: usize, most: usize, draws: bool) -> String {
    let (pass, blank, fork, end) = if draws {
        ("│ ", "  ", "├─", "└─")
    } else {
        ("| ", "  ", "|-", "`-")
    };
    if depth == 0 {
        return String::new();
    }
    // A tree that is deeper than the screen is wide says how deep it is.
    if depth * 2 > most || last.len() <= depth {
        return format!("[{depth}] ");
    }
    let mut lines = String::new();
    for is_last in last.iter().take(depth).skip(1) {
        lines.push_str(if *is_last { blank } else { pass });
    }
    let is_last = last.get(depth).copied().unwrap_or(true);
    lines.push_str(if is_last { end } else { fork });
    lines.push(' ');
    lines
}

fn ports(inspection: &Inspection, output: &mut Output) -> io::Result<()> {
    let is_port = |socket: &&Socket| {
        socket.state == "listen" && socket.source_port.is_some() || {
            socket.protocol.starts_with("udp") && socket.destination_port.is_none()
        }
    };
    let ports: Vec<_> = inspection.sockets().iter().filter(is_port).collect();
    if ports.is_empty() {
        return Ok(());
    }
    output.heading("Listens on")?;
    for socket in ports {
        let holders = socket.holders.iter().map(|holder| holder.pid);
        let mut pids: Vec<_> = holders.collect();
        pids.dedup();
        let names = pids.iter().take(3).filter_map(|pid| {
            let process = inspection.process(*pid)?;
            Some(format!("{pid} {}", process.comm))
        });
        let names: Vec<_> = names.collect();
        let line = format!(
            "{} {}  {}",
            socket.protocol,
            socket.ends(),
            names.join(", ")
        );
        let line = fit(&line, output.width - 2, output.draws);
        output.line(format_args!("  {line}"))?;
    }
    Ok(())
}

/// What a restore needs, each with its reason.
pub(crate) fn needs(findings: &[Finding], output: &mut Output) -> io::Result<()> {
    let groups = [
        (Severity::Blocks, "What prevents a restore", BAD),
        (Severity::Needs, "What a restore needs", CARE),
        (Severity::Note, "Good to know", DIM),
    ];
    for (severity, heading, style) in groups {
        let group = findings
            .iter()
            .filter(|finding| finding.severity == severity);
        let mut lines: Vec<(&str, Vec<String>)> = Vec::new();
        for finding in group {
            let subject = finding
                .subject
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default();
            match lines
                .iter_mut()
                .find(|(reason, _)| *reason == finding.reason)
            {
                Some((_, subjects)) => subjects.push(subject),
                None => lines.push((&finding.reason, vec![subject])),
            }
        }
        if lines.is_empty() {
            continue;
        }
        output.heading(heading)?;
        for (reason, subjects) in lines {
            let subjects = subjects.join(", ");
            let line = match (subjects.is_empty(), subjects.contains(", ")) {
                (true, _) => reason.to_owned(),
                // The reasons speak of one.
                (false, true) => format!("{subjects}: each {reason}"),
                (false, false) => format!("{subjects} {reason}"),
            };
            let mark = output.paint(style, if output.draws { "•" } else { "*" });
            for (index, line) in wrap(&line, output.width - 4).iter().enumerate() {
                let lead = if index == 0 { mark.as_str() } else { " " };
                output.line(format_args!("  {lead} {line}"))?;
            }
        }
    }
    Ok(())
}

/// Breaks a line at its blanks; words that are too long are broken anywhere.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let mut word = word.to_owned();
        loop {
            let Some(line) = lines.last_mut() else {
                return lines;
            };
            let gap = usize::from(!line.is_empty());
            if columns(line) + gap + columns(&word) <= width {
                if gap > 0 {
                    line.push(' ');
                }
                line.push_str(&word);
                break;
            }
            if !line.is_empty() {
                lines.push(String::new());
                continue;
            }
            // One character at least, so that this ends.
            let ends = word.char_indices().map(|(at, c)| at + c.len_utf8());
            let fits = |end: &usize| word.get(..*end).is_some_and(|head| columns(head) <= width);
            let first = word.chars().next().map_or(0, char::len_utf8);
            let cut = ends.take_while(fits).last().unwrap_or(first);
            let rest = word.split_off(cut);
            line.push_str(&word);
            if rest.is_empty() {
                break;
            }
            lines.push(String::new());
            word = rest;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_at_blanks_and_long_words_anywhere() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefghij k", 4), ["abcd", "efgh", "ij k"]);
        assert_eq!(wrap("", 4), [""]);
        for width in 1..20 {
            let lines = wrap("/a/very/long/path is 日本語 from outside", width);
            assert!(
                lines.iter().all(|line| columns(line) <= width.max(2)),
                "{lines:?}"
            );
        }
    }

    #[test]
    fn branches_connect_children_with_their_parents() {
        assert_eq!(branches(&[true], 0, 80, true), "");
        assert_eq!(branches(&[true, false], 1, 80, true), "├─ ");
        assert_eq!(branches(&[true, false, true], 2, 80, true), "│ └─ ");
        assert_eq!(branches(&[true, true, true], 2, 80, false), "  `- ");
        assert_eq!(branches(&[true; 50], 49, 26, true), "[49] ");
    }
}
