//! Messages that describe processes.

#![forbid(unsafe_code)]

use super::wire::{Bytes, Zigzag, messages};

messages! {
    /// A process in pstree.img.
    PstreeEntry {
        1 pid: u32,
        /// 0 for the first process.
        2 ppid: u32,
        3 pgid: u32,
        4 sid: u32,
        /// The process's own number is among them.
        5 threads: Vec<u32>,
    }

    /// A task in core-ID.img: a process or one of its threads.
    Core {
        /// The architecture.
        1 machine: u32,
        /// Of the thread that leads the process.
        3 task: Option<Box<TaskCore>>,
        4 ids: Option<Box<KernelIds>>,
        5 thread: Option<Box<ThreadCore>>,
    }

    /// What a process has once.
    TaskCore {
        1 state: u32,
        /// As wait(2) has it.
        2 exit_code: u32,
        6 comm: Bytes,
        8 limits: Option<Limits>,
        /// Where the mode was before each thread had one.
        11 old_seccomp_mode: Option<u32>,
        13 login_uid: Option<u32>,
        14 oom_score_adj: Option<i32>,
        18 child_subreaper: Option<bool>,
    }

    /// Limits in the order of RLIMIT_*.
    Limits {
        1 limits: Vec<LimitEntry>,
    }

    /// A soft and a hard limit.
    LimitEntry {
        1 current: u64,
        2 maximum: u64,
    }

    /// What a thread has.
    ThreadCore {
        3 nice: Option<Zigzag>,
        10 creds: Option<Box<Creds>>,
        11 seccomp_mode: Option<u32>,
        12 seccomp_filter: Option<u32>,
        13 comm: Option<Bytes>,
    }

    /// Identity and privileges.
    Creds {
        1 uid: u32,
        2 gid: u32,
        3 euid: u32,
        4 egid: u32,
        5 suid: u32,
        6 sgid: u32,
        7 fsuid: u32,
        8 fsgid: u32,
        9 inheritable: Vec<u32>,
        10 permitted: Vec<u32>,
        11 effective: Vec<u32>,
        12 bounding: Vec<u32>,
        13 secure_bits: u32,
        14 groups: Vec<u32>,
        15 lsm_profile: Option<Bytes>,
        18 no_new_privs: Option<u32>,
        19 ambient: Vec<u32>,
    }

    /// What processes share.
    KernelIds {
        1 memory: u32,
        2 files: u32,
        3 fs: u32,
        4 signals: u32,
        5 pid_ns: Option<u32>,
        6 net_ns: Option<u32>,
        7 ipc_ns: Option<u32>,
        8 uts_ns: Option<u32>,
        9 mnt_ns: Option<u32>,
        10 user_ns: Option<u32>,
        11 cgroup_ns: Option<u32>,
        12 time_ns: Option<u32>,
    }

    /// Directories, by the numbers of their files.
    FsEntry {
        1 cwd_id: u32,
        2 root_id: u32,
        3 umask: Option<u32>,
    }
}

/// States of a task.
pub(crate) mod task_state {
    pub(crate) const ALIVE: u32 = 1;
    pub(crate) const DEAD: u32 = 2;
    pub(crate) const STOPPED: u32 = 3;
    pub(crate) const ZOMBIE: u32 = 6;
}
