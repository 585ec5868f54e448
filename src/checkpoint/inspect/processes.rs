//! Processes, from their images.

#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};

use super::images::Images;
use super::model::{
    Capabilities, Credentials, Namespaces, Process, ResourceLimit, TaskState, Thread,
};
use super::{Problem, RawText, Refusal};
use crate::budget::{Budget, push};
use crate::criu::{Core, Creds, KernelIds, PstreeEntry, TaskCore, task_state};
use crate::error::Result;

/// Limits in the order of their numbers.
const RESOURCES: [&str; 16] = [
    "cpu",
    "fsize",
    "data",
    "stack",
    "core",
    "rss",
    "nproc",
    "nofile",
    "memlock",
    "as",
    "locks",
    "sigpending",
    "msgqueue",
    "nice",
    "rtprio",
    "rttime",
];

/// All processes in the order of the process tree's image, which is checked: no two have the same number, and none is
/// its own ancestor.
pub(super) fn processes(
    images: &Images,
    prefix: &str,
    problems: &mut Vec<Problem>,
    budget: &mut Budget,
) -> Result<Vec<Process>> {
    let Some(entries) = &images.pstree else {
        return Ok(Vec::new());
    };
    check_tree(entries)?;
    let mut processes = Vec::new();
    for entry in entries {
        budget.take(size_of::<Process>() / 4)?;
        let process = process(images, entry, prefix, problems, budget)?;
        push(&mut processes, process)?;
    }
    Ok(processes)
}

/// Refuses two processes of one number, and processes that are their own ancestors.
fn check_tree(entries: &[PstreeEntry]) -> Result<(), Refusal> {
    let mut parents = BTreeMap::new();
    for entry in entries {
        if parents.insert(entry.pid, entry.ppid).is_some() {
            return Err(Refusal::TwicePid(entry.pid));
        }
    }
    let mut rooted = BTreeSet::new();
    for entry in entries {
        let mut way = Vec::new();
        let mut at = entry.pid;
        // Every turn goes to a process that no way has led to before, or ends.
        while let Some(&parent) = parents.get(&at) {
            if rooted.contains(&at) {
                break;
            }
            if way.len() > parents.len() {
                return Err(Refusal::Cycle(entry.pid));
            }
            way.push(at);
            at = parent;
        }
        rooted.extend(way);
    }
    Ok(())
}

fn process(
    images: &Images,
    entry: &PstreeEntry,
    prefix: &str,
    problems: &mut Vec<Problem>,
    budget: &mut Budget,
) -> Result<Process> {
    let core = images.cores.get(&entry.pid);
    if core.is_none() && !images.is_encrypted {
        problems.push(Problem {
            member: format!("{prefix}core-{}.img", entry.pid).as_str().into(),
            problem: "is missing: a restore needs it".to_owned(),
        });
    }
    let mut process = Process {
        pid: entry.pid,
        ppid: entry.ppid,
        pgid: entry.pgid,
        sid: entry.sid,
        ..Process::default()
    };
    if let Some(task) = core.and_then(|core| core.task.as_deref()) {
        set_task(&mut process, task);
    }
    let leader = core.and_then(|core| core.thread.as_deref());
    if let Some(thread) = leader {
        process.seccomp = core.map(seccomp);
        process.nice = thread.nice.map(|nice| nice.0);
    }
    let creds = leader.and_then(|thread| thread.creds.as_deref());
    let creds = creds.or_else(|| images.old_creds.get(&entry.pid));
    process.credentials = creds.map(credentials);
    process.namespaces = ids_of(images, entry.pid).map(namespaces);
    for &tid in &entry.threads {
        budget.take(size_of::<Thread>())?;
        process
            .threads
            .push(thread(tid, images.cores.get(&tid), &process));
    }
    Ok(process)
}

fn set_task(process: &mut Process, task: &TaskCore) {
    process.state = match task.state {
        task_state::ALIVE => TaskState::Alive,
        task_state::DEAD => TaskState::Dead,
        task_state::STOPPED => TaskState::Stopped,
        task_state::ZOMBIE => TaskState::Zombie,
        _ => TaskState::Unknown,
    };
    process.comm = text(&task.comm.0);
    if matches!(process.state, TaskState::Zombie | TaskState::Dead) {
        match task.exit_code & 0x7f {
            0 => process.exit_status = Some(task.exit_code >> 8 & 0xff),
            signal => process.exit_signal = Some(signal),
        }
    }
    process.oom_score_adj = task.oom_score_adj;
    // The kernel's word for none.
    process.login_uid = task.login_uid.filter(|uid| *uid != u32::MAX);
    let limits = task.limits.iter().flat_map(|limits| &limits.limits);
    let finite = |value: u64| (value != u64::MAX).then_some(value);
    process.limits = RESOURCES
        .iter()
        .zip(limits)
        .map(|(resource, limit)| ResourceLimit {
            resource,
            soft: finite(limit.current),
            hard: finite(limit.maximum),
        })
        .collect();
}

/// The numbers of what a process shares; the first process's are in the inventory, too.
pub(super) fn ids_of(images: &Images, pid: u32) -> Option<&KernelIds> {
    let core = images.cores.get(&pid);
    let root = || {
        let first = images.pstree.as_ref()?.first()?.pid;
        let inventory = images.inventory.as_ref()?;
        inventory.root_ids.as_ref().filter(|_| first == pid)
    };
    images
        .ids
        .get(&pid)
        .or_else(|| core?.ids.as_deref())
        .or_else(root)
}

fn thread(tid: u32, core: Option<&Core>, process: &Process) -> Thread {
    let thread = core.and_then(|core| core.thread.as_deref());
    let comm = thread.and_then(|thread| thread.comm.as_ref());
    let task = core.and_then(|core| core.task.as_ref());
    let own = || {
        task.filter(|_| tid == process.pid)
            .map(|_| process.comm.clone())
    };
    Thread {
        tid,
        comm: comm.map(|comm| text(&comm.0)).or_else(own),
        seccomp: core.map(seccomp),
    }
}

/// The mode of a thread; what isn't written is disabled.
fn seccomp(core: &Core) -> &'static str {
    let own = core.thread.as_ref().and_then(|thread| thread.seccomp_mode);
    let old = core.task.as_ref().and_then(|task| task.old_seccomp_mode);
    match own.or(old).unwrap_or_default() {
        0 => "disabled",
        1 => "strict",
        2 => "filter",
        _ => "unknown",
    }
}

fn credentials(creds: &Creds) -> Credentials {
    let mask = |halves: &[u32]| {
        let half = |index: usize| u64::from(halves.get(index).copied().unwrap_or_default());
        half(0) | half(1) << 32
    };
    let profile = creds.lsm_profile.as_ref();
    Credentials {
        uid: creds.uid,
        gid: creds.gid,
        euid: creds.euid,
        egid: creds.egid,
        suid: creds.suid,
        sgid: creds.sgid,
        fsuid: creds.fsuid,
        fsgid: creds.fsgid,
        groups: creds.groups.clone(),
        capabilities: Capabilities {
            effective: mask(&creds.effective),
            permitted: mask(&creds.permitted),
            inheritable: mask(&creds.inheritable),
            bounding: mask(&creds.bounding),
            ambient: mask(&creds.ambient),
        },
        secure_bits: creds.secure_bits,
        no_new_privs: creds.no_new_privs.map(|flag| flag != 0),
        lsm_profile: profile.map(|profile| text(&profile.0)),
    }
}

fn namespaces(ids: &KernelIds) -> Namespaces {
    let real = |id: Option<u32>| id.filter(|id| *id != 0);
    Namespaces {
        pid: real(ids.pid_ns),
        net: real(ids.net_ns),
        ipc: real(ids.ipc_ns),
        uts: real(ids.uts_ns),
        mnt: real(ids.mnt_ns),
        user: real(ids.user_ns),
        cgroup: real(ids.cgroup_ns),
        time: real(ids.time_ns),
    }
}

/// A text of an image. Some end with the NUL that they have in C.
pub(super) fn text(bytes: &[u8]) -> RawText {
    bytes.strip_suffix(b"\0").unwrap_or(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(pairs: &[(u32, u32)]) -> Vec<PstreeEntry> {
        let entry = |&(pid, ppid)| PstreeEntry {
            pid,
            ppid,
            ..PstreeEntry::default()
        };
        pairs.iter().map(entry).collect()
    }

    #[test]
    fn processes_have_numbers_of_their_own_and_no_circle_of_parents() {
        for good in [
            &[][..],
            &[(1, 0), (2, 1), (3, 2), (4, 1)],
            // A parent outside of the checkpoint.
            &[(7, 3), (8, 7)],
            // Parents may come later.
            &[(3, 2), (2, 1), (1, 0)],
        ] {
            assert_eq!(check_tree(&tree(good)), Ok(()), "{good:?}");
        }
        assert_eq!(
            check_tree(&tree(&[(1, 0), (1, 0)])),
            Err(Refusal::TwicePid(1))
        );
        for circle in [
            &[(1, 1)][..],
            &[(1, 2), (2, 1)],
            &[(9, 0), (5, 6), (6, 7), (7, 5)],
        ] {
            assert!(
                matches!(check_tree(&tree(circle)), Err(Refusal::Cycle(_))),
                "{circle:?}"
            );
        }
    }

    #[test]
    fn a_chain_of_many_processes_is_checked_in_linear_time() {
        let chain: Vec<_> = (1..=200_000).map(|pid| (pid, pid - 1)).collect();
        let reversed: Vec<_> = chain.iter().rev().copied().collect();
        assert_eq!(check_tree(&tree(&chain)), Ok(()));
        assert_eq!(check_tree(&tree(&reversed)), Ok(()));
    }
}
