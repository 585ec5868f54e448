//! A caller's descriptor that bytes go through in order.

#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{self, IsTerminal as _, Read, Seek as _, Write};
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::sendfile::sendfile;
use nix::sys::socket::{MsgFlags, SockType, getsockopt, recv, send, sockopt};
use nix::sys::stat::{SFlag, fstat};
use nix::unistd::{read, write};

use crate::error::{self, Called as _, Kind, Result};
use crate::fs::file_type;
use crate::sys::{quietly, reopen};
use crate::watch::{MAX_COPIED, Watch};

/// How long a channel waits for its peer between two looks at its watch, in milliseconds.
const LONGEST_WAIT: u8 = 100;

/// A pipe that poll calls writable has room for this much.
const PIPE_PIECE: usize = libc::PIPE_BUF;
/// What devices do with large writes is their own affair; this much is common.
const DEVICE_PIECE: usize = 64 << 10;
/// A terminal that poll calls writable has room for a byte.
const TERMINAL_PIECE: usize = 1;

/// What a channel is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChannelKind {
    /// A regular file. It has offsets: [`Channel::into_file`].
    Regular,
    /// A pipe or a fifo.
    Pipe,
    /// A stream socket.
    Socket,
    /// A terminal, another character device, or a block device.
    Device,
}

/// A caller's descriptor, for reading or for writing: a pipe, a socket, a device, or a regular file at its offset.
///
/// The channel has a descriptor of its own, close-on-exec; the caller's stays the caller's, with the flags it had. A
/// regular file's offset is shared between the two.
///
/// Both a read and a write look at the watch first and, while they wait for a peer, every 100 ms; the [`Error`] that they
/// fail with then travels inside of the [`io::Error`]. What passes isn't counted. The end of what a peer sends is a read
/// of 0 bytes. A reader that went away is EPIPE, and never a signal.
#[derive(Debug)]
pub(crate) struct Channel {
    file: File,
    kind: ChannelKind,
    waiting: Waiting,
    watch: Watch,
}

/// How a channel keeps a stalled peer from holding it up.
#[derive(Clone, Copy, Debug)]
enum Waiting {
    /// There is no peer.
    Alone,
    /// A call returns EAGAIN rather than wait.
    Nonblocking,
    /// A call may wait, since that is up to the caller's flags: only what poll calls ready is read or written, and no
    /// more is written at once than surely fits.
    Cautious {
        /// This much, in bytes.
        piece: usize,
    },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Reading,
    Writing,
}

/// Why a descriptor can't be a channel. Said at once: the first read or write may be hours of work away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Refusal {
    /// Nothing goes through a descriptor that only stands for a place.
    #[error("descriptor: was opened with O_PATH")]
    PathOnly,
    /// Nothing can be read from it.
    #[error("descriptor: isn't open for reading")]
    NotReadable,
    /// Nothing can be written to it.
    #[error("descriptor: isn't open for writing")]
    NotWritable,
    /// A directory has entries and no bytes.
    #[error("descriptor: is a directory")]
    Directory,
    /// What of a message doesn't fit into a buffer is lost, and what is too long for one isn't sent.
    #[error("descriptor: passes messages, not a stream of bytes")]
    Messages,
    /// The bytes of an eventfd and its like are events: none of them would be a part of an archive.
    #[error("descriptor: is neither a regular file nor a pipe, socket or device")]
    NoStream,
}

impl error::Refusal for Refusal {
    fn kind(&self) -> Kind {
        Kind::Argument
    }

    fn errno(&self) -> Errno {
        match self {
            Self::Directory => Errno::EISDIR,
            _ => self.kind().errno(),
        }
    }
}

impl Channel {
    /// A channel to read from.
    pub(crate) fn reader(fd: BorrowedFd<'_>, watch: &Watch) -> Result<Self> {
        let kind = examine(fd, Direction::Reading)?;
        // A description of our own wouldn't do for a fifo: it couldn't tell a writer that has come and gone before from
        // one that is still to come.
        Self::sharing(fd, kind, watch)
    }

    /// A channel to write to.
    pub(crate) fn writer(fd: BorrowedFd<'_>, watch: &Watch) -> Result<Self> {
        let kind = examine(fd, Direction::Writing)?;
        if kind == ChannelKind::Pipe
            && let Ok(own) = reopen(fd, OFlag::O_WRONLY | OFlag::O_NONBLOCK)
        {
            return Ok(Self {
                file: File::from(own),
                kind,
                waiting: Waiting::Nonblocking,
                watch: watch.clone(),
            });
        }
        Self::sharing(fd, kind, watch)
    }

    /// A channel that shares the caller's open file description.
    fn sharing(fd: BorrowedFd<'_>, kind: ChannelKind, watch: &Watch) -> Result<Self> {
        let own = fd.try_clone_to_owned();
        let file = File::from(own.called(|| "dup")?);
        let waiting = match kind {
            ChannelKind::Regular => Waiting::Alone,
            ChannelKind::Socket => Waiting::Nonblocking,
            ChannelKind::Pipe => Waiting::Cautious { piece: PIPE_PIECE },
            ChannelKind::Device if file.is_terminal() => Waiting::Cautious {
                piece: TERMINAL_PIECE,
            },
            ChannelKind::Device => Waiting::Cautious {
                piece: DEVICE_PIECE,
            },
        };
        let watch = watch.clone();
        Ok(Self {
            file,
            kind,
            waiting,
            watch,
        })
    }

    /// What it is.
    #[cfg(test)]
    fn kind(&self) -> ChannelKind {
        self.kind
    }

    /// Whether it is a regular file, whose ranges can be read, written, cloned and copied in the kernel.
    pub(crate) fn is_regular(&self) -> bool {
        self.kind == ChannelKind::Regular
    }

    /// Where the next byte goes in a regular file; nothing for another channel, or if bytes go to the end of the file
    /// wherever its offset is (O_APPEND).
    pub(crate) fn offset(&self) -> Result<Option<u64>> {
        if !self.is_regular() {
            return Ok(None);
        }
        let flags = fcntl(&self.file, FcntlArg::F_GETFL).called(|| "fcntl F_GETFL")?;
        if OFlag::from_bits_retain(flags).contains(OFlag::O_APPEND) {
            return Ok(None);
        }
        let offset = (&self.file).stream_position();
        Ok(Some(offset.called(|| "lseek")?))
    }

    /// Whether the kernel gives it the data of regular files: it is a pipe, and the call needn't wait for a reader.
    pub(crate) fn takes_files(&self) -> bool {
        self.kind == ChannelKind::Pipe && matches!(self.waiting, Waiting::Nonblocking)
    }

    /// Sends some of the `len` bytes of `file` at `from` without taking them through memory. Returns how many that were: 0
    /// if the file ends there, and if it is one whose data the kernel doesn't hand on.
    ///
    /// The pipe holds the file's own pages: what somebody writes to them before they are read, the reader gets.
    pub(crate) fn send_file(&self, file: &File, from: u64, len: u64) -> io::Result<u64> {
        let from = i64::try_from(from).map_err(|_| Errno::EOVERFLOW)?;
        let len = usize::try_from(len.min(MAX_COPIED)).unwrap_or(usize::MAX);
        let send = |pipe: &File| {
            let mut from = from;
            match quietly(len, || sendfile(pipe, file, Some(&mut from), len)) {
                Err(Errno::EINVAL | Errno::ENOSYS | Errno::EPERM) => Ok(0),
                result => result,
            }
        };
        self.when_ready(PollFlags::POLLOUT, send)
            .map(|sent| sent as u64)
    }

    /// The file of a channel that is a regular one. Others lose their care for stalled peers and signals with it.
    pub(crate) fn into_file(self) -> File {
        self.file
    }

    /// Calls `call` until it needn't wait for the peer any longer.
    fn when_ready(
        &self,
        events: PollFlags,
        mut call: impl FnMut(&File) -> Result<usize, Errno>,
    ) -> io::Result<usize> {
        let mut ask = matches!(self.waiting, Waiting::Cautious { .. });
        loop {
            self.watch.check()?;
            if ask && !self.is_ready(events)? {
                continue;
            }
            match call(&self.file) {
                Err(Errno::EAGAIN) => ask = true,
                Err(Errno::EINTR) => {}
                result => return Ok(result?),
            }
        }
    }

    /// Waits a while for the peer. An error of the peer's is ready, too: the call that follows tells it.
    fn is_ready(&self, events: PollFlags) -> Result<bool, Errno> {
        let mut wanted = [PollFd::new(self.file.as_fd(), events)];
        match poll(&mut wanted, PollTimeout::from(LONGEST_WAIT)) {
            Err(Errno::EINTR) => Ok(false),
            result => result.map(|ready| ready > 0),
        }
    }

    /// How much is moved by one call at most.
    fn piece(&self) -> usize {
        match self.waiting {
            Waiting::Cautious { piece } => piece,
            _ => usize::try_from(MAX_COPIED).unwrap_or(usize::MAX),
        }
    }
}

impl Read for Channel {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = buffer
            .len()
            .min(usize::try_from(MAX_COPIED).unwrap_or(usize::MAX));
        let buffer = &mut buffer[..len];
        if buffer.is_empty() {
            return Ok(0);
        }
        self.when_ready(PollFlags::POLLIN, |file| match self.kind {
            ChannelKind::Socket => recv(file.as_raw_fd(), buffer, MsgFlags::MSG_DONTWAIT),
            _ => read(file, buffer),
        })
    }
}

impl Write for Channel {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let bytes = &bytes[..bytes.len().min(self.piece())];
        if bytes.is_empty() {
            return Ok(0);
        }
        self.when_ready(PollFlags::POLLOUT, |file| match self.kind {
            ChannelKind::Socket => send_quietly(file, bytes),
            ChannelKind::Regular | ChannelKind::Pipe | ChannelKind::Device => {
                quietly(bytes.len(), || write(file, bytes))
            }
        })
    }

    /// Nothing is held back.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Sends what fits at once, without a signal if nobody reads it.
fn send_quietly(socket: &File, bytes: &[u8]) -> Result<usize, Errno> {
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
    match send(socket.as_raw_fd(), bytes, flags) {
        // The reader went away before it had read everything; a pipe's writer isn't told the difference.
        Err(Errno::ECONNRESET) => Err(Errno::EPIPE),
        result => result,
    }
}

/// What `fd` is, if bytes can go through it.
fn examine(fd: BorrowedFd<'_>, direction: Direction) -> Result<ChannelKind> {
    let flags = fcntl(fd, FcntlArg::F_GETFL).called(|| "fcntl(F_GETFL) of the descriptor")?;
    let flags = OFlag::from_bits_retain(flags);
    if flags.contains(OFlag::O_PATH) {
        return Err(Refusal::PathOnly.into());
    }
    let kind = file_type(&fstat(fd).called(|| "fstat of the descriptor")?);
    if kind == SFlag::S_IFDIR {
        return Err(Refusal::Directory.into());
    }
    let access = flags & OFlag::O_ACCMODE;
    let (wanted, refusal) = match direction {
        Direction::Reading => (OFlag::O_RDONLY, Refusal::NotReadable),
        Direction::Writing => (OFlag::O_WRONLY, Refusal::NotWritable),
    };
    if access != wanted && access != OFlag::O_RDWR {
        return Err(refusal.into());
    }
    match kind {
        SFlag::S_IFREG => Ok(ChannelKind::Regular),
        SFlag::S_IFIFO => Ok(ChannelKind::Pipe),
        SFlag::S_IFSOCK => match getsockopt(&fd, sockopt::SockType).called(|| "getsockopt")? {
            SockType::Stream => Ok(ChannelKind::Socket),
            _ => Err(Refusal::Messages.into()),
        },
        SFlag::S_IFCHR | SFlag::S_IFBLK => Ok(ChannelKind::Device),
        _ => Err(Refusal::NoStream.into()),
    }
}

#[cfg(test)]
mod tests;
