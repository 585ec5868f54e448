//! What an inspection tells. The names of the fields are those of the JSON document, which docs/inspect.md describes.

#![forbid(unsafe_code)]

use serde::Serialize;

use super::RawText;

/// The state of a process when it was checkpointed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum TaskState {
    /// It ran or slept.
    Alive,
    /// It was stopped by a signal.
    Stopped,
    /// It had ended and wasn't waited for yet.
    Zombie,
    /// It was dead.
    Dead,
    /// The checkpoint doesn't say.
    #[default]
    Unknown,
}

impl TaskState {
    /// What people call it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            TaskState::Alive => "alive",
            TaskState::Stopped => "stopped",
            TaskState::Zombie => "zombie",
            TaskState::Dead => "dead",
            TaskState::Unknown => "unknown",
        }
    }
}

/// A process.
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct Process {
    /// Its number in the container.
    pub pid: u32,
    /// Its parent's number; 0 for the first process.
    pub ppid: u32,
    /// Its process group.
    pub pgid: u32,
    /// Its session.
    pub sid: u32,
    /// How it was doing.
    pub state: TaskState,
    /// The status it had ended with, of a zombie or a dead process.
    pub exit_status: Option<u32>,
    /// The signal it was ended by, of a zombie or a dead process.
    pub exit_signal: Option<u32>,
    /// The name that the kernel has for it, up to 15 bytes.
    pub comm: RawText,
    /// Its command line, read from its memory; it may have been overwritten by the process.
    pub arguments: Option<Vec<RawText>>,
    /// Its environment, read from its memory.
    pub environment: Option<Vec<RawText>>,
    /// Why arguments or environment are missing, or not complete.
    pub text_problem: Option<String>,
    /// The file that it executes.
    pub executable: Option<RawText>,
    /// Its working directory.
    pub cwd: Option<RawText>,
    /// Its root directory.
    pub root: Option<RawText>,
    /// Its umask.
    pub umask: Option<u32>,
    /// Who it is and what it may do.
    pub credentials: Option<Credentials>,
    /// `disabled`, `strict` or `filter`.
    pub seccomp: Option<&'static str>,
    /// Its nice value.
    pub nice: Option<i64>,
    /// How the kernel prefers it when memory is short.
    pub oom_score_adj: Option<i32>,
    /// The user that had logged in.
    pub login_uid: Option<u32>,
    /// Its limits.
    pub limits: Vec<ResourceLimit>,
    /// The namespaces that it is in, by numbers that mean something within the checkpoint alone.
    pub namespaces: Option<Namespaces>,
    /// Its threads, the first of which is itself.
    pub threads: Vec<Thread>,
    /// Its open files.
    pub descriptors: Vec<Descriptor>,
    /// Its memory, summed up.
    pub memory: MemoryUse,
    /// Its mappings, in ascending order.
    pub mappings: Vec<Mapping>,
}

/// A thread.
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct Thread {
    /// Its number in the container.
    pub tid: u32,
    /// Its name.
    pub comm: Option<RawText>,
    /// `disabled`, `strict` or `filter`.
    pub seccomp: Option<&'static str>,
}

/// Identity and privileges, as seen in the container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Credentials {
    /// Real user.
    pub uid: u32,
    /// Real group.
    pub gid: u32,
    /// Effective user.
    pub euid: u32,
    /// Effective group.
    pub egid: u32,
    /// Saved user.
    pub suid: u32,
    /// Saved group.
    pub sgid: u32,
    /// User for file systems.
    pub fsuid: u32,
    /// Group for file systems.
    pub fsgid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// Its capabilities.
    pub capabilities: Capabilities,
    /// Its secure bits.
    pub secure_bits: u32,
    /// Whether it can't gain privileges by executing a file.
    pub no_new_privs: Option<bool>,
    /// Its label (SELinux) or profile (AppArmor).
    pub lsm_profile: Option<RawText>,
}

/// Sets of capabilities, each a bit mask: bit 0 is CAP_CHOWN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Capabilities {
    /// What it may do.
    pub effective: u64,
    /// What it may make effective.
    pub permitted: u64,
    /// What it may hand on.
    pub inheritable: u64,
    /// What it may ever have.
    pub bounding: u64,
    /// What it hands on without further ado.
    pub ambient: u64,
}

/// A limit of a process. Without a number it is unlimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ResourceLimit {
    /// What is limited, as in RLIMIT_*: `nofile`.
    pub resource: &'static str,
    /// The soft limit.
    pub soft: Option<u64>,
    /// The hard limit.
    pub hard: Option<u64>,
}

/// The namespaces of a process. Processes with the same number share one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[allow(missing_docs, reason = "the kernel's names")]
#[non_exhaustive]
pub struct Namespaces {
    pub pid: Option<u32>,
    pub net: Option<u32>,
    pub ipc: Option<u32>,
    pub uts: Option<u32>,
    pub mnt: Option<u32>,
    pub user: Option<u32>,
    pub cgroup: Option<u32>,
    pub time: Option<u32>,
}

/// An open file of a process.
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct Descriptor {
    /// Its number.
    pub fd: u32,
    /// The open file: descriptors with the same number share it.
    pub file: u32,
    /// Whether it is closed when the process executes a file.
    pub close_on_exec: bool,
    /// What it is: `regular`, `directory`, `character device`, `block device`, `pipe`, `fifo`, `inet socket`,
    /// `unix socket`, `netlink socket`, `packet socket`, `eventfd`, `epoll`, `inotify`, `fanotify`, `signalfd`, `timerfd`,
    /// `tty`, `namespace`, `tun`, `external`, `memfd`, `bpf map`, `pidfd` or `unknown`.
    pub kind: &'static str,
    /// Its path, of a file that has one.
    pub path: Option<RawText>,
    /// What else identifies it, in words.
    pub detail: Option<String>,
    /// The flags it was opened with (O_*).
    pub flags: Option<u32>,
    /// Where its next byte is read or written.
    pub position: Option<u64>,
    /// Its size when it was checkpointed.
    pub size: Option<u64>,
    /// Its type and permissions.
    pub mode: Option<u32>,
    /// Whether its name is gone from the file system.
    pub deleted: bool,
    /// The pipe, of an end of one.
    pub pipe: Option<u32>,
    /// The socket, an index into the checkpoint's sockets.
    pub socket: Option<usize>,
}

/// A descriptor of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[non_exhaustive]
pub struct Holder {
    /// The process.
    pub pid: u32,
    /// The descriptor.
    pub fd: u32,
}

/// A pipe or a named pipe.
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct Pipe {
    /// Its number.
    pub id: u32,
    /// The path of a named one.
    pub path: Option<RawText>,
    /// Bytes that were written and not read.
    pub unread: u64,
    /// How many bytes it can hold.
    pub capacity: Option<u32>,
    /// Who reads.
    pub readers: Vec<Holder>,
    /// Who writes.
    pub writers: Vec<Holder>,
}

/// A socket.
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct Socket {
    /// `ipv4`, `ipv6`, `unix`, `netlink` or `packet`, or the family's number.
    pub family: String,
    /// `tcp`, `udp` and so on; of a unix socket `stream`, `datagram` or `seqpacket`; or a number.
    pub protocol: String,
    /// `listen`, `established` and so on.
    pub state: &'static str,
    /// The inode, by which others refer to it.
    pub inode: u32,
    /// The address it is bound to.
    pub source: Option<String>,
    /// The port it is bound to.
    pub source_port: Option<u32>,
    /// The address it is connected to.
    pub destination: Option<String>,
    /// The port it is connected to.
    pub destination_port: Option<u32>,
    /// The path of a unix socket; an abstract one begins with `@`.
    pub name: Option<RawText>,
    /// The inode of a unix socket's peer; none if it isn't connected.
    pub peer: Option<u32>,
    /// Bytes that were received and not read.
    pub unread: u64,
    /// Bytes that were sent and not acknowledged.
    pub unsent: u64,
    /// How many connections wait to be accepted at most.
    pub backlog: Option<u32>,
    /// The descriptors it is open as.
    pub holders: Vec<Holder>,
}

/// Memory in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct MemoryUse {
    /// All mappings.
    pub mapped: u64,
    /// Mappings that belong to the process alone.
    pub private: u64,
    /// Mappings that are shared with other processes, or with files.
    pub shared: u64,
    /// Pages that this checkpoint holds.
    pub present: u64,
    /// Pages that a previous checkpoint holds.
    pub parent: u64,
    /// Pages that went to a server for lazy pages.
    pub lazy: u64,
    /// How many bytes those that this checkpoint holds take.
    pub stored: u64,
    /// How many bytes of pages are compressed.
    pub compressed: u64,
}

/// A mapping of a process.
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct Mapping {
    /// Its first address.
    pub start: u64,
    /// The address behind it.
    pub end: u64,
    /// `rwxp`, as in /proc/PID/maps.
    pub permissions: String,
    /// `anonymous`, `heap`, `stack`, `file`, `shared`, `memfd`, `sysv`, `vdso`, `vvar`, `vsyscall`, `socket`, `aio`,
    /// `guard` or `plugin`.
    pub kind: &'static str,
    /// The file that is mapped.
    pub path: Option<RawText>,
    /// Where the mapping begins in the file or the shared memory.
    pub offset: u64,
    /// The shared memory that is mapped.
    pub shared_memory: Option<u32>,
    /// Bytes of its pages that this checkpoint holds.
    pub present: u64,
    /// Bytes of its pages that a previous checkpoint holds.
    pub parent: u64,
    /// Bytes of its pages that went to a server for lazy pages.
    pub lazy: u64,
}

/// Memory that processes share: an anonymous mapping, a memfd or a System V segment.
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct SharedMemory {
    /// Its number.
    pub id: u32,
    /// The name of a memfd.
    pub name: Option<RawText>,
    /// Bytes that this checkpoint holds.
    pub present: u64,
    /// Bytes that a previous checkpoint holds.
    pub parent: u64,
    /// How many bytes those that this checkpoint holds take.
    pub stored: u64,
}

/// A file that is open and whose name is gone.
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct GhostFile {
    /// Its number.
    pub id: u32,
    /// The path it had.
    pub path: Option<RawText>,
    /// Its size.
    pub size: u64,
    /// How many bytes the checkpoint holds of it.
    pub stored: u64,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Its type and permissions.
    pub mode: u32,
}

/// A mount, as CRIU saw it.
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct MountPoint {
    /// Its number.
    pub id: u32,
    /// The mount it is on.
    pub parent: u32,
    /// The mount namespace.
    pub namespace: u32,
    /// Where it is mounted.
    pub mountpoint: RawText,
    /// What of the file system is mounted.
    pub root: RawText,
    /// The type of the file system.
    pub fs_type: RawText,
    /// What is mounted.
    pub source: RawText,
    /// The file system's options.
    pub options: RawText,
    /// Of a mount from outside: the name under which a restore has to be given it.
    pub external: Option<RawText>,
    /// Major and minor number of its device.
    pub device: String,
}

/// What a dump took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DumpStatistics {
    /// Until all processes were stopped, in microseconds.
    pub freezing_time: u32,
    /// How long they were stopped, in microseconds.
    pub frozen_time: u32,
    /// Dumping memory, in microseconds.
    pub memdump_time: u32,
    /// Writing memory, in microseconds.
    pub memwrite_time: u32,
    /// Pages that were looked at.
    pub pages_scanned: u64,
    /// Pages that the previous checkpoint has.
    pub pages_skipped_parent: u64,
    /// Pages that were written.
    pub pages_written: u64,
    /// Pages that may be restored later.
    pub pages_lazy: u64,
}

/// What a restore took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RestoreStatistics {
    /// Making the processes, in microseconds.
    pub forking_time: u32,
    /// All of it, in microseconds.
    pub restore_time: u32,
    /// Pages that were compared.
    pub pages_compared: u64,
    /// Pages that processes still share.
    pub pages_skipped_cow: u64,
    /// Pages that were restored.
    pub pages_restored: Option<u64>,
}

/// How CRIU made the checkpoint.
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct CriuInfo {
    /// The version of the images: 1 and 2 before pages were compressed, 3 since; 0 of a pre-checkpoint. None if there is
    /// no inventory.
    pub image_version: Option<u32>,
    /// The architecture, by the name that uname(1) has for it.
    pub architecture: Option<&'static str>,
    /// The size of a page in bytes.
    pub page_size: u64,
    /// Whether this is a pre-checkpoint: memory alone, to be followed by a checkpoint.
    pub pre_checkpoint: bool,
    /// Whether all images are encrypted; nothing of them can be read then.
    pub encrypted: bool,
    /// `none`, `selinux` or `apparmor`.
    pub lsm: Option<&'static str>,
    /// Plugins that the restore needs.
    pub plugins: Vec<RawText>,
    /// Whether TCP connections were closed by the dump.
    pub tcp_close: bool,
    /// `none`, `page` or `region`.
    pub compression: &'static str,
    /// How many bytes are compressed together.
    pub compression_region: Option<u32>,
    /// Where the previous checkpoint is said to be.
    pub parent: Option<RawText>,
    /// How many previous checkpoints were found.
    pub parents_found: usize,
    /// CPU features were recorded, of processors of these models.
    pub cpus: Vec<String>,
}

/// What is wrong with a checkpoint that could be inspected all the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Problem {
    /// The member it was found in.
    pub member: RawText,
    /// What it is.
    pub problem: String,
}
