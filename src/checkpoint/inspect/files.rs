//! Open files, pipes and sockets, from their images.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use super::images::Images;
use super::model::{Descriptor, GhostFile, Holder, Pipe, Process, Socket};
use super::processes::{ids_of, text};
use super::{RawText, sockets};
use crate::budget::{Budget, push};
use crate::criu::{FileEntry, FsEntry, RegFile, TtyInfo, file_type};
use crate::error::Result;

/// The type bits of a mode.
const TYPE: u32 = 0o170_000;
/// Ghost files of before there was a type.
const OLD_GHOST: u32 = 1 << 31;

/// What processes have open, together.
#[derive(Default)]
pub(super) struct Opened {
    pub(super) pipes: Vec<Pipe>,
    pub(super) sockets: Vec<Socket>,
    /// By the numbers of their files.
    socket_of: BTreeMap<(u32, u32), usize>,
    pipe_of: BTreeMap<u32, usize>,
}

impl Opened {
    /// Gives a process its descriptors, its directories and the file that it executes.
    pub(super) fn add(
        &mut self,
        process: &mut Process,
        images: &Images,
        budget: &mut Budget,
    ) -> Result<()> {
        if let Some(fs) = images.fs.get(&process.pid) {
            set_directories(process, fs, images);
        }
        if let Some(mm) = images.mms.get(&process.pid) {
            process.executable = path_of(images, mm.exe_file_id);
        }
        let table = ids_of(images, process.pid).map(|ids| ids.files);
        let Some(fdinfos) = table.and_then(|table| images.fdinfos.get(&table)) else {
            return Ok(());
        };
        for info in fdinfos {
            let file = images.files.get(&(info.file_type, info.id));
            let mut descriptor = Descriptor {
                fd: info.fd,
                file: info.id,
                close_on_exec: info.flags & 1 != 0,
                kind: kind(info.file_type),
                ..Descriptor::default()
            };
            let holder = Holder {
                pid: process.pid,
                fd: info.fd,
            };
            if let Some(file) = file {
                self.describe(&mut descriptor, file, holder, images);
            }
            let path = descriptor
                .path
                .as_ref()
                .map_or(0, |path| path.as_bytes().len());
            budget.take(size_of::<Descriptor>() / 2 + path)?;
            push(&mut process.descriptors, descriptor)?;
        }
        Ok(())
    }

    fn describe(
        &mut self,
        descriptor: &mut Descriptor,
        file: &FileEntry,
        holder: Holder,
        images: &Images,
    ) {
        if let Some(regular) = &file.regular {
            describe_regular(descriptor, regular, images);
        } else if let Some(pipe) = &file.pipe {
            descriptor.flags = Some(pipe.flags);
            descriptor.pipe = Some(pipe.pipe_id);
            self.add_pipe_end(pipe.pipe_id, pipe.flags, holder, images);
        } else if let Some(fifo) = &file.fifo {
            let regular = fifo.file_id.and_then(|id| regular(images, id));
            if let Some(regular) = regular {
                describe_regular(descriptor, regular, images);
                descriptor.kind = kind(file_type::FIFO);
            }
            descriptor.pipe = Some(fifo.pipe_id);
            let flags = descriptor.flags.unwrap_or_default();
            self.add_pipe_end(fifo.pipe_id, flags, holder, images);
            let at = self.pipe_of.get(&fifo.pipe_id).copied();
            if let Some(pipe) = at.and_then(|at| self.pipes.get_mut(at)) {
                pipe.path.clone_from(&descriptor.path);
            }
        } else if let Some(socket) = sockets::socket(file, images) {
            let key = (file.file_type, file.id);
            let at = *self.socket_of.entry(key).or_insert_with(|| {
                self.sockets.push(socket);
                self.sockets.len() - 1
            });
            descriptor.socket = Some(at);
            descriptor.flags = sockets::flags(file);
            if let Some(socket) = self.sockets.get_mut(at) {
                socket.holders.push(holder);
            }
        } else {
            describe_other(descriptor, file, images);
        }
    }

    fn add_pipe_end(&mut self, id: u32, flags: u32, holder: Holder, images: &Images) {
        const ACCESS: u32 = 3;
        let at = *self.pipe_of.entry(id).or_insert_with(|| {
            let (unread, capacity) = images.pipe_data.get(&id).copied().unwrap_or_default();
            self.pipes.push(Pipe {
                id,
                unread,
                capacity,
                ..Pipe::default()
            });
            self.pipes.len() - 1
        });
        let Some(pipe) = self.pipes.get_mut(at) else {
            return;
        };
        match flags & ACCESS {
            0 => pipe.readers.push(holder),
            1 => pipe.writers.push(holder),
            _ => {
                pipe.readers.push(holder);
                pipe.writers.push(holder);
            }
        }
    }
}

fn set_directories(process: &mut Process, fs: &FsEntry, images: &Images) {
    process.cwd = path_of(images, fs.cwd_id);
    process.root = path_of(images, fs.root_id);
    process.umask = fs.umask;
}

fn regular(images: &Images, id: u32) -> Option<&RegFile> {
    let file = images.files.get(&(file_type::REGULAR, id))?;
    file.regular.as_deref()
}

/// The path of a file in files.img.
pub(super) fn path_of(images: &Images, id: u32) -> Option<RawText> {
    regular(images, id).map(|file| text(&file.name.0))
}

fn describe_regular(descriptor: &mut Descriptor, file: &RegFile, images: &Images) {
    descriptor.path = Some(text(&file.name.0));
    descriptor.flags = Some(file.flags);
    descriptor.position = Some(file.position);
    descriptor.size = file.size;
    descriptor.mode = file.mode;
    descriptor.deleted = images.is_remapped(file.id);
    descriptor.kind = match file.mode.unwrap_or_default() & TYPE {
        0o040_000 => "directory",
        0o020_000 => "character device",
        0o060_000 => "block device",
        _ => kind(file_type::REGULAR),
    };
}

fn describe_other(descriptor: &mut Descriptor, file: &FileEntry, images: &Images) {
    let (flags, detail) = if let Some(file) = &file.eventfd {
        (Some(file.flags), format!("counter {}", file.counter))
    } else if let Some(file) = &file.epoll {
        (Some(file.flags), format!("watches {}", file.targets.len()))
    } else if let Some(file) = &file.signalfd {
        (Some(file.flags), format!("signals 0x{:x}", file.mask))
    } else if let Some(file) = &file.timerfd {
        (Some(file.flags), format!("clock {}", file.clock))
    } else if let Some(file) = &file.inotify {
        (Some(file.flags), format!("watches {}", file.watches.len()))
    } else if let Some(file) = &file.fanotify {
        (Some(file.flags), String::new())
    } else if let Some(file) = &file.tty {
        descriptor.path = file.file_id.and_then(|id| path_of(images, id));
        let info = images.ttys.get(&file.info_id);
        (Some(file.flags), info.map(tty).unwrap_or_default())
    } else if let Some(file) = &file.memfd {
        descriptor.position = Some(file.position);
        if let Some(memfd) = images.memfds.get(&file.inode_id.into()) {
            descriptor.path = Some(text(&memfd.name.0));
            descriptor.size = Some(memfd.size);
        }
        (Some(file.flags), format!("inode {}", file.inode_id))
    } else if let Some(file) = &file.namespace {
        (Some(file.flags), format!("namespace {}", file.ns_id))
    } else if let Some(file) = &file.bpf {
        descriptor.path = Some(text(&file.name.0));
        (Some(file.flags), String::new())
    } else if let Some(file) = &file.pidfd {
        (Some(file.flags), format!("process {}", file.pid))
    } else if let Some(file) = &file.tun {
        descriptor.path = file.device.as_ref().map(|device| text(&device.0));
        (None, String::new())
    } else {
        (None, String::new())
    };
    descriptor.flags = flags;
    descriptor.detail = Some(detail).filter(|detail| !detail.is_empty());
}

fn tty(info: &TtyInfo) -> String {
    match (info.tty_type, &info.pty) {
        (1, Some(pty)) => format!("pts/{}", pty.index),
        (1, None) => "pty".to_owned(),
        (2, _) => "console".to_owned(),
        (3, _) => "virtual terminal".to_owned(),
        (4, _) => "current terminal".to_owned(),
        (5, _) => "external terminal".to_owned(),
        (6, _) => "serial line".to_owned(),
        (other, _) => format!("terminal of type {other}"),
    }
}

fn kind(of: u32) -> &'static str {
    match of {
        file_type::REGULAR => "regular",
        file_type::PIPE => "pipe",
        file_type::FIFO => "fifo",
        file_type::INET => "inet socket",
        file_type::UNIX => "unix socket",
        file_type::EVENTFD => "eventfd",
        file_type::EPOLL => "epoll",
        file_type::INOTIFY => "inotify",
        file_type::SIGNALFD => "signalfd",
        file_type::PACKET => "packet socket",
        file_type::TTY => "tty",
        file_type::FANOTIFY => "fanotify",
        file_type::NETLINK => "netlink socket",
        file_type::NAMESPACE => "namespace",
        file_type::TUN => "tun",
        file_type::EXTERNAL => "external",
        file_type::TIMERFD => "timerfd",
        file_type::MEMFD => "memfd",
        file_type::BPF => "bpf map",
        file_type::PIDFD => "pidfd",
        _ => "unknown",
    }
}

/// Files that are open and whose names are gone.
pub(super) fn ghosts(images: &Images) -> Vec<GhostFile> {
    let mut paths = BTreeMap::new();
    for remap in &images.remaps {
        paths.insert(remap.remap_id & !OLD_GHOST, remap.file_id & !OLD_GHOST);
    }
    let ghost = |(&id, (ghost, stored)): (&u32, &(crate::criu::GhostFile, u64))| GhostFile {
        id,
        path: paths.get(&id).and_then(|file| path_of(images, *file)),
        size: ghost.size.unwrap_or(*stored),
        stored: *stored,
        uid: ghost.uid,
        gid: ghost.gid,
        mode: ghost.mode,
    };
    images.ghosts.iter().map(ghost).collect()
}
