#![forbid(unsafe_code)]

mod alone;
mod stalled;

use std::fs;
use std::io::{Seek as _, SeekFrom};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::thread;

use nix::fcntl::{FdFlag, open};
use nix::sys::signal::SigSet;
use nix::sys::signalfd::SignalFd;
use nix::sys::socket::{AddressFamily, SockFlag, socketpair};
use nix::sys::stat::Mode;
use nix::unistd::{mkfifo, pipe2};

use super::*;
use crate::error::{Error, Kind};
use crate::fs::testing::Scratch;
use crate::sys::testing::terminal;

/// What bytes go through in these tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Via {
    Pipe,
    Fifo,
    Socket,
}

impl Via {
    const ALL: [Self; 3] = [Self::Pipe, Self::Fifo, Self::Socket];

    /// The reading and the writing end, both with these flags.
    fn ends(self, flags: OFlag) -> (OwnedFd, OwnedFd) {
        match self {
            Self::Pipe => pipe2(flags | OFlag::O_CLOEXEC).unwrap(),
            Self::Fifo => {
                let scratch = Scratch::new();
                let path = scratch.join("fifo");
                mkfifo(&path, Mode::S_IRWXU).unwrap();
                let end = |access| open(&path, access | OFlag::O_CLOEXEC, Mode::empty()).unwrap();
                // Neither end can be opened first by one who waits for the other.
                let both = end(OFlag::O_RDWR);
                let ends = (end(OFlag::O_RDONLY | flags), end(OFlag::O_WRONLY | flags));
                drop(both);
                ends
            }
            Self::Socket => {
                let mut kind = SockFlag::SOCK_CLOEXEC;
                kind.set(SockFlag::SOCK_NONBLOCK, flags.contains(OFlag::O_NONBLOCK));
                socketpair(AddressFamily::Unix, SockType::Stream, None, kind).unwrap()
            }
        }
    }
}

/// A writer to `fd` that may use only the caller's open file description.
fn sharing_writer(fd: &OwnedFd, watch: &Watch) -> Channel {
    let kind = examine(fd.as_fd(), Direction::Writing).unwrap();
    Channel::sharing(fd.as_fd(), kind, watch).unwrap()
}

fn status_flags(fd: impl AsFd) -> OFlag {
    OFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFL).unwrap())
}

/// More than any of them holds, and no two pieces of it alike.
fn much() -> Vec<u8> {
    (0u32..1 << 19).flat_map(u32::to_le_bytes).collect()
}

#[test]
fn all_bytes_pass_in_order_and_the_callers_flags_stay() {
    for via in Via::ALL {
        for flags in [OFlag::empty(), OFlag::O_NONBLOCK] {
            for sharing in [false, true] {
                let (from, to) = via.ends(flags);
                let before = (status_flags(&from), status_flags(&to));
                let (reader, writer) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                let writing = thread::spawn(move || {
                    let mut channel = match sharing {
                        true => sharing_writer(&writer, &Watch::new()),
                        false => Channel::writer(writer.as_fd(), &Watch::new()).unwrap(),
                    };
                    channel.write_all(&much()).unwrap();
                    channel.flush().unwrap();
                    assert_eq!(status_flags(&writer), before.1);
                });
                let mut channel = Channel::reader(reader.as_fd(), &Watch::new()).unwrap();
                let mut read = vec![0; much().len()];
                channel.read_exact(&mut read).unwrap();
                writing.join().unwrap();
                assert!(read == much(), "{via:?} {flags:?} {sharing}");
                assert_eq!((status_flags(&from), status_flags(&to)), before);
                drop(to);
                assert_eq!(channel.read(&mut read).unwrap(), 0, "the end");
            }
        }
    }
}

#[test]
fn a_fifo_whose_writer_has_gone_before_gives_what_it_wrote_and_ends() {
    let (from, to) = Via::Fifo.ends(OFlag::O_NONBLOCK);
    nix::unistd::write(&to, b"left behind").unwrap();
    drop(to);
    let mut channel = Channel::reader(from.as_fd(), &Watch::new()).unwrap();
    let mut read = Vec::new();
    channel.read_to_end(&mut read).unwrap();
    assert_eq!(read, b"left behind");
}

#[test]
fn a_terminal_is_read_and_written() {
    let (controlling, terminal) = terminal();
    let watch = Watch::new();
    let mut writer = Channel::writer(terminal.as_fd(), &watch).unwrap();
    writer.write_all(b"to the terminal").unwrap();
    let mut read = [0; 15];
    let mut reader = Channel::reader(controlling.as_fd(), &watch).unwrap();
    reader.read_exact(&mut read).unwrap();
    assert_eq!(&read, b"to the terminal");
    assert_eq!(reader.kind(), ChannelKind::Device);

    let mut writer = Channel::writer(controlling.as_fd(), &watch).unwrap();
    writer.write_all(b"a line\n").unwrap();
    let mut reader = Channel::reader(terminal.as_fd(), &watch).unwrap();
    let mut read = [0; 20];
    assert_eq!(reader.read(&mut read).unwrap(), 7);
    assert_eq!(&read[..7], b"a line\n");
}

#[test]
fn a_device_is_read_and_written() {
    let device = |path| {
        let options = fs::OpenOptions::new().read(true).write(true).open(path);
        options.unwrap()
    };
    let watch = Watch::new();
    let mut reader = Channel::reader(device("/dev/zero").as_fd(), &watch).unwrap();
    let mut read = [1; 9];
    reader.read_exact(&mut read).unwrap();
    assert_eq!(read, [0; 9]);
    let mut writer = Channel::writer(device("/dev/full").as_fd(), &watch).unwrap();
    let error = writer.write_all(&much()).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ENOSPC));
    let mut writer = Channel::writer(device("/dev/null").as_fd(), &watch).unwrap();
    writer.write_all(&much()).unwrap();
}

#[test]
fn a_regular_file_is_read_and_written_at_its_offset() {
    let scratch = Scratch::new();
    fs::write(scratch.join("file"), "0123456789").unwrap();
    let mut file = fs::OpenOptions::new();
    let mut file = file
        .read(true)
        .write(true)
        .open(scratch.join("file"))
        .unwrap();
    file.seek(SeekFrom::Start(2)).unwrap();
    let watch = Watch::new();
    let mut reader = Channel::reader(file.as_fd(), &watch).unwrap();
    let mut two = [0; 2];
    reader.read_exact(&mut two).unwrap();
    assert_eq!(&two, b"23");
    assert!(reader.is_regular());
    let mut writer = Channel::writer(file.as_fd(), &watch).unwrap();
    writer.write_all(b"xy").unwrap();
    assert_eq!(file.stream_position().unwrap(), 6, "the offset is shared");
    assert_eq!(fs::read(scratch.join("file")).unwrap(), b"0123xy6789");
    let mut rest = String::new();
    reader.into_file().read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "6789");
}

#[test]
fn the_kinds_are_told_apart() {
    let watch = Watch::new();
    let (pipe, _writer) = Via::Pipe.ends(OFlag::empty());
    let (fifo, _writer) = Via::Fifo.ends(OFlag::empty());
    let (socket, _peer) = Via::Socket.ends(OFlag::empty());
    for (fd, kind) in [
        (pipe, ChannelKind::Pipe),
        (fifo, ChannelKind::Pipe),
        (socket, ChannelKind::Socket),
    ] {
        let channel = Channel::reader(fd.as_fd(), &watch).unwrap();
        assert_eq!((channel.kind(), channel.is_regular()), (kind, false));
    }
}

#[test]
fn the_callers_descriptor_stays_its_own() {
    let (from, to) = Via::Pipe.ends(OFlag::empty());
    let watch = Watch::new();
    let channels = [
        Channel::reader(from.as_fd(), &watch).unwrap(),
        Channel::writer(to.as_fd(), &watch).unwrap(),
        sharing_writer(&to, &watch),
    ];
    for channel in &channels {
        let flags = fcntl(&channel.file, FcntlArg::F_GETFD).unwrap();
        assert_eq!(FdFlag::from_bits_retain(flags), FdFlag::FD_CLOEXEC);
    }
    drop(channels);
    nix::unistd::write(&to, b"x").unwrap();
    assert_eq!(nix::unistd::read(&from, &mut [0; 2]), Ok(1));
}

#[test]
fn an_empty_buffer_waits_for_nobody() {
    let (from, to) = Via::Pipe.ends(OFlag::O_NONBLOCK);
    let mut reader = Channel::reader(from.as_fd(), &Watch::new()).unwrap();
    assert_eq!(reader.read(&mut []).unwrap(), 0);
    while nix::unistd::write(&to, &[0; 4096]).is_ok() {}
    let mut writer = sharing_writer(&to, &Watch::new());
    assert_eq!(writer.write(&[]).unwrap(), 0);
}

#[test]
fn what_nothing_can_go_through_is_refused_at_once() {
    let scratch = Scratch::new();
    fs::write(scratch.join("file"), "").unwrap();
    let file = |flags| {
        let flags = flags | OFlag::O_CLOEXEC;
        open(&scratch.join("file"), flags, Mode::empty()).unwrap()
    };
    let messages = |kind| {
        let flags = SockFlag::SOCK_CLOEXEC;
        socketpair(AddressFamily::Unix, kind, None, flags)
            .unwrap()
            .0
    };
    let (from, to) = Via::Pipe.ends(OFlag::empty());
    let signals = SignalFd::new(&SigSet::empty()).unwrap();
    let signals = signals.as_fd().try_clone_to_owned().unwrap();
    let directory = OwnedFd::from(fs::File::open(scratch.path()).unwrap());
    let path_only = "was opened with O_PATH";
    type Make = fn(BorrowedFd<'_>, &Watch) -> Result<Channel>;
    let (reader, writer): (Make, Make) = (Channel::reader, Channel::writer);
    let cases: Vec<(OwnedFd, Make, &str)> = vec![
        (file(OFlag::O_PATH), reader, path_only),
        (file(OFlag::O_PATH), writer, path_only),
        (scratch.directory(), reader, path_only),
        (directory.try_clone().unwrap(), reader, "is a directory"),
        (directory, writer, "is a directory"),
        (file(OFlag::O_WRONLY), reader, "isn't open for reading"),
        (file(OFlag::O_RDONLY), writer, "isn't open for writing"),
        (to, reader, "isn't open for reading"),
        (from, writer, "isn't open for writing"),
        (messages(SockType::Datagram), reader, "passes messages"),
        (messages(SockType::Datagram), writer, "passes messages"),
        (messages(SockType::SeqPacket), reader, "passes messages"),
        (signals, reader, "is neither a regular file"),
    ];
    for (fd, make, why) in cases {
        let error = make(fd.as_fd(), &Watch::new()).unwrap_err();
        let errno = if why == "is a directory" {
            libc::EISDIR
        } else {
            libc::EINVAL
        };
        assert_eq!((error.kind(), error.errno()), (Kind::Argument, errno));
        let text = error.to_string();
        assert!(text.starts_with(&format!("descriptor: {why}")), "{text}");
    }
}

#[test]
fn a_cancelled_watch_ends_what_needn_t_wait() {
    let scratch = Scratch::new();
    let mut options = fs::OpenOptions::new();
    options.read(true).write(true).create(true).mode(0o600);
    let file = OwnedFd::from(options.open(scratch.join("file")).unwrap());
    let zero = OwnedFd::from(fs::File::open("/dev/zero").unwrap());
    let watch = Watch::new();
    let mut readers = [&file, &zero].map(|fd| Channel::reader(fd.as_fd(), &watch).unwrap());
    let mut writer = Channel::writer(file.as_fd(), &watch).unwrap();
    writer.write_all(b"x").unwrap();
    watch.cancel();
    for reader in &mut readers {
        let error = Error::io("read", reader.read(&mut [0]).unwrap_err());
        assert_eq!(
            (error.kind(), error.errno()),
            (Kind::Cancelled, libc::ECANCELED)
        );
    }
    let error = Error::io("write", writer.write(b"y").unwrap_err());
    assert_eq!(error.kind(), Kind::Cancelled);
    assert_eq!(fs::read(scratch.join("file")).unwrap(), b"x");
}

#[test]
fn a_connection_over_tcp_is_a_channel() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let writer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (reader, _) = listener.accept().unwrap();
    let writing = thread::spawn(move || {
        let mut channel = Channel::writer(writer.as_fd(), &Watch::new()).unwrap();
        channel.write_all(&much()).unwrap();
    });
    let mut channel = Channel::reader(reader.as_fd(), &Watch::new()).unwrap();
    let mut read = Vec::new();
    channel.read_to_end(&mut read).unwrap();
    writing.join().unwrap();
    assert!(read == much());
}

#[test]
fn a_reader_that_goes_away_with_bytes_unread_is_epipe() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (far, _) = listener.accept().unwrap();
    let mut channel = Channel::writer(near.as_fd(), &Watch::new()).unwrap();
    channel.write_all(b"unread").unwrap();
    let mut peeked = [0];
    assert_eq!(far.peek(&mut peeked).unwrap(), 1, "it has arrived");
    // What nobody read makes the kernel call it a reset connection.
    drop(far);
    let error = channel.write_all(&much()).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EPIPE));
}
