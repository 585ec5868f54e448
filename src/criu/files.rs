//! Messages that describe open files.

#![forbid(unsafe_code)]

use super::wire::{Bytes, Zigzag, messages};

messages! {
    /// A descriptor of a process.
    Fdinfo {
        1 id: u32,
        /// 1: close on exec.
        2 flags: u32,
        3 file_type: u32,
        4 fd: u32,
    }

    /// An open file of any type, in files.img.
    FileEntry {
        1 file_type: u32,
        2 id: u32,
        3 regular: Option<Box<RegFile>>,
        4 inet: Option<Box<InetSk>>,
        5 namespace: Option<Box<NsFile>>,
        6 packet: Option<Box<PacketSk>>,
        7 netlink: Option<Box<NetlinkSk>>,
        8 eventfd: Option<Box<EventFd>>,
        9 epoll: Option<Box<Epoll>>,
        10 signalfd: Option<Box<SignalFd>>,
        11 tun: Option<Box<TunFile>>,
        12 timerfd: Option<Box<TimerFd>>,
        13 inotify: Option<Box<Inotify>>,
        14 fanotify: Option<Box<Fanotify>>,
        15 external: Option<Box<ExtFile>>,
        16 unix: Option<Box<UnixSk>>,
        17 fifo: Option<Box<FifoFile>>,
        18 pipe: Option<Box<PipeFile>>,
        19 tty: Option<Box<TtyFile>>,
        20 memfd: Option<Box<MemfdFile>>,
        21 bpf: Option<Box<BpfFile>>,
        22 pidfd: Option<Box<PidFd>>,
    }

    /// A file by its path: a regular one, a directory, a device.
    RegFile {
        1 id: u32,
        2 flags: u32,
        3 position: u64,
        6 name: Bytes,
        7 mount: Option<Zigzag>,
        8 size: Option<u64>,
        9 external: Option<bool>,
        10 mode: Option<u32>,
    }

    /// An internet socket.
    InetSk {
        1 id: u32,
        2 inode: u32,
        3 family: u32,
        4 socket_type: u32,
        5 protocol: u32,
        6 state: u32,
        7 source_port: u32,
        8 destination_port: u32,
        9 flags: u32,
        10 backlog: u32,
        11 source: Vec<u32>,
        12 destination: Vec<u32>,
        17 interface: Option<Bytes>,
    }

    /// A unix socket.
    UnixSk {
        1 id: u32,
        2 inode: u32,
        3 socket_type: u32,
        4 state: u32,
        5 flags: u32,
        7 backlog: u32,
        8 peer: u32,
        11 name: Bytes,
        15 deleted: Option<bool>,
    }

    /// A netlink socket.
    NetlinkSk {
        1 id: u32,
        2 inode: u32,
        3 protocol: u32,
        4 state: u32,
        6 flags: u32,
        7 port: u32,
    }

    /// A packet socket.
    PacketSk {
        1 id: u32,
        2 socket_type: u32,
        3 protocol: u32,
        4 flags: u32,
        5 interface: u32,
    }

    /// An end of a pipe.
    PipeFile {
        1 id: u32,
        2 pipe_id: u32,
        3 flags: u32,
    }

    /// A named pipe.
    FifoFile {
        1 id: u32,
        2 pipe_id: u32,
        3 file_id: Option<u32>,
    }

    /// An event counter.
    EventFd {
        1 id: u32,
        2 flags: u32,
        4 counter: u64,
    }

    /// An epoll instance.
    Epoll {
        1 id: u32,
        2 flags: u32,
        4 targets: Vec<EpollTarget>,
    }

    /// What an epoll instance watches.
    EpollTarget {
        2 fd: u32,
        3 events: u32,
    }

    /// A signal descriptor.
    SignalFd {
        1 id: u32,
        2 flags: u32,
        4 mask: u64,
    }

    /// A timer descriptor.
    TimerFd {
        1 id: u32,
        2 flags: u32,
        4 clock: u32,
        5 ticks: u64,
        7 value_seconds: u64,
        9 interval_seconds: u64,
    }

    /// An inotify instance.
    Inotify {
        1 id: u32,
        2 flags: u32,
        5 watches: Vec<InotifyWatch>,
    }

    /// What an inotify instance watches.
    InotifyWatch {
        2 inode: u64,
        3 mask: u32,
    }

    /// A fanotify instance.
    Fanotify {
        1 id: u32,
        2 flags: u32,
    }

    /// A terminal.
    TtyFile {
        1 id: u32,
        2 info_id: u32,
        3 flags: u32,
        6 file_id: Option<u32>,
    }

    /// What is behind a terminal, in tty-info.img.
    TtyInfo {
        1 id: u32,
        2 tty_type: u32,
        12 pty: Option<TtyPty>,
    }

    /// A pseudo terminal.
    TtyPty {
        1 index: u32,
    }

    /// A TUN device.
    TunFile {
        1 id: u32,
        2 device: Option<Bytes>,
    }

    /// A namespace by its file.
    NsFile {
        1 id: u32,
        2 ns_id: u32,
        3 clone_flag: u32,
        4 flags: u32,
    }

    /// A file that a plugin restores.
    ExtFile {
        1 id: u32,
    }

    /// An open memfd.
    MemfdFile {
        1 id: u32,
        2 flags: u32,
        3 position: u64,
        5 inode_id: u32,
    }

    /// A BPF map.
    BpfFile {
        1 id: u32,
        2 flags: u32,
        3 position: u64,
        13 name: Bytes,
    }

    /// A process by its descriptor.
    PidFd {
        1 id: u32,
        3 flags: u32,
        4 pid: i32,
    }

    /// What is in a pipe; the bytes follow.
    PipeData {
        1 pipe_id: u32,
        2 bytes: u32,
        3 capacity: Option<u32>,
    }

    /// What is queued in a socket; the bytes follow.
    SkPacket {
        1 id_for: u32,
        2 length: u32,
    }

    /// A TCP connection; its queues follow.
    TcpStream {
        1 received: u32,
        3 sent: u32,
    }

    /// How a file whose name is gone is opened.
    RemapPath {
        1 file_id: u32,
        2 remap_id: u32,
        3 remap_type: Option<u32>,
    }

    /// A deleted file; its content follows.
    GhostFile {
        1 uid: u32,
        2 gid: u32,
        3 mode: u32,
        9 chunks: Option<bool>,
        10 size: Option<u64>,
    }
}

/// The types of open files.
pub(crate) mod file_type {
    pub(crate) const REGULAR: u32 = 1;
    pub(crate) const PIPE: u32 = 2;
    pub(crate) const FIFO: u32 = 3;
    pub(crate) const INET: u32 = 4;
    pub(crate) const UNIX: u32 = 5;
    pub(crate) const EVENTFD: u32 = 6;
    pub(crate) const EPOLL: u32 = 7;
    pub(crate) const INOTIFY: u32 = 8;
    pub(crate) const SIGNALFD: u32 = 9;
    pub(crate) const PACKET: u32 = 10;
    pub(crate) const TTY: u32 = 11;
    pub(crate) const FANOTIFY: u32 = 12;
    pub(crate) const NETLINK: u32 = 13;
    pub(crate) const NAMESPACE: u32 = 14;
    pub(crate) const TUN: u32 = 15;
    pub(crate) const EXTERNAL: u32 = 16;
    pub(crate) const TIMERFD: u32 = 17;
    pub(crate) const MEMFD: u32 = 18;
    pub(crate) const BPF: u32 = 19;
    pub(crate) const PIDFD: u32 = 20;
}
