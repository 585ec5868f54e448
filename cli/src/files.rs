//! Tables of open files, sockets, pipes and mounts.

#![forbid(unsafe_code)]

use std::io;

use crutils::checkpoint::Inspection;
use crutils::checkpoint::inspect::{Descriptor, Holder, Process, Socket};

use crate::output::Output;
use crate::table::{Left, Right, Rows};
use crate::text::size;

pub(crate) fn print_files(
    inspection: &Inspection,
    processes: &[&Process],
    output: &mut Output,
) -> io::Result<()> {
    output.heading("Open files")?;
    let columns = [
        ("PID", Right),
        ("FD", Right),
        ("TYPE", Left),
        ("FLAGS", Left),
        ("AT", Right),
        ("WHAT", Left),
    ];
    let mut rows = Rows::new(output, &columns);
    for process in processes {
        for descriptor in &process.descriptors {
            rows.add(vec![
                process.pid.to_string(),
                descriptor.fd.to_string(),
                descriptor.kind.to_owned(),
                descriptor.flags.map(flags).unwrap_or_default(),
                descriptor
                    .position
                    .map(|at| at.to_string())
                    .unwrap_or_default(),
                what(inspection, descriptor),
            ]);
        }
    }
    rows.print(output)?;
    if inspection.ghost_files().is_empty() {
        return Ok(());
    }
    output.heading("Deleted files that are open")?;
    let mut rows = Rows::new(
        output,
        &[
            ("SIZE", Right),
            ("MODE", Left),
            ("OWNER", Left),
            ("PATH", Left),
        ],
    );
    for ghost in inspection.ghost_files() {
        rows.add(vec![
            size(ghost.size),
            format!("{:06o}", ghost.mode),
            format!("{}:{}", ghost.uid, ghost.gid),
            ghost
                .path
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
        ]);
    }
    rows.print(output)
}

/// What a descriptor is, in words.
pub(crate) fn what(inspection: &Inspection, descriptor: &Descriptor) -> String {
    let mut text = match (&descriptor.path, descriptor.pipe, descriptor.socket) {
        (Some(path), ..) => path.to_string(),
        (None, Some(pipe), _) => format!("pipe:[{pipe}]"),
        (None, None, Some(socket)) => match inspection.sockets().get(socket) {
            Some(socket) => match &socket.name {
                Some(name) => name.to_string(),
                None if socket.family == "unix" => format!("socket:[{}]", socket.inode),
                None => format!("{} {}", socket.protocol, socket.ends()),
            },
            None => String::new(),
        },
        (None, None, None) => String::new(),
    };
    if let Some(detail) = &descriptor.detail {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(detail);
    }
    if descriptor.deleted {
        text.push_str(" (deleted)");
    }
    text
}

/// The flags of an open file as letters: read, write, append, non-blocking.
pub(crate) fn flags(flags: u32) -> String {
    let access = match flags & 3 {
        0 => "r",
        1 => "w",
        _ => "rw",
    };
    let append = if flags & 0o2000 != 0 { "a" } else { "" };
    let nonblocking = if flags & 0o4000 != 0 { "n" } else { "" };
    format!("{access}{append}{nonblocking}")
}

pub(crate) fn holders(holders: &[Holder]) -> String {
    let shown = holders
        .iter()
        .take(4)
        .map(|holder| format!("{}/{}", holder.pid, holder.fd));
    let mut text = shown.collect::<Vec<_>>().join(" ");
    if holders.len() > 4 {
        text.push_str(&format!(" and {} more", holders.len() - 4));
    }
    text
}

/// What people call a socket.
pub(crate) fn socket_name(socket: &Socket) -> String {
    match (&socket.name, socket.peer) {
        (Some(name), _) => name.to_string(),
        (None, Some(peer)) => format!("{} -> {peer}", socket.inode),
        (None, None) if socket.family == "unix" => socket.inode.to_string(),
        (None, None) => socket.ends(),
    }
}

pub(crate) fn print_sockets(
    inspection: &Inspection,
    processes: &[&Process],
    output: &mut Output,
) -> io::Result<()> {
    let has = |own: &[Holder]| {
        own.iter()
            .any(|holder| processes.iter().any(|one| one.pid == holder.pid))
    };
    let columns = [
        ("TYPE", Left),
        ("STATE", Left),
        ("UNREAD", Right),
        ("NAME", Left),
        ("PID/FD", Left),
    ];
    let mut rows = Rows::new(output, &columns);
    for socket in inspection
        .sockets()
        .iter()
        .filter(|socket| has(&socket.holders))
    {
        rows.add(vec![
            format!("{} {}", socket.family, socket.protocol),
            socket.state.to_owned(),
            socket.unread.to_string(),
            socket_name(socket),
            holders(&socket.holders),
        ]);
    }
    if !rows.is_empty() {
        output.heading("Sockets")?;
        rows.print(output)?;
    }
    let columns = [
        ("ID", Right),
        ("UNREAD", Right),
        ("READERS", Left),
        ("WRITERS", Left),
    ];
    let mut rows = Rows::new(output, &columns);
    for pipe in inspection.pipes() {
        if has(&pipe.readers) || has(&pipe.writers) {
            let name = pipe.path.as_ref().map(ToString::to_string);
            rows.add(vec![
                name.unwrap_or_else(|| pipe.id.to_string()),
                pipe.unread.to_string(),
                holders(&pipe.readers),
                holders(&pipe.writers),
            ]);
        }
    }
    if !rows.is_empty() {
        output.heading("Pipes")?;
        rows.print(output)?;
    }
    Ok(())
}

pub(crate) fn print_mounts(inspection: &Inspection, output: &mut Output) -> io::Result<()> {
    if inspection.mounts().is_empty() {
        return Ok(());
    }
    output.heading("Mounts")?;
    let mut rows = Rows::new(
        output,
        &[("TYPE", Left), ("SOURCE", Left), ("MOUNTED ON", Left)],
    );
    for mount in inspection.mounts() {
        rows.add(vec![
            mount.fs_type.to_string(),
            mount.source.to_string(),
            match &mount.external {
                Some(key) if *key == mount.mountpoint => format!("{key} (from outside)"),
                Some(key) => format!("{} (from outside, as {key})", mount.mountpoint),
                None => mount.mountpoint.to_string(),
            },
        ]);
    }
    rows.print(output)
}
