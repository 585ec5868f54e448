//! Whether the process has less than the whole system's powers.

#![forbid(unsafe_code)]

use once_cell::sync::OnceCell;

use crate::sys;

/// Whether device nodes and some xattrs are beyond this process: it isn't root, lacks CAP_SYS_ADMIN, or is in a user
/// namespace. Computed once per process, as container engines do, from the same signs:
/// the effective uid, `_CONTAINERS_ROOTLESS_UID`, `_CONTAINERS_USERNS_CONFIGURED`, capabilities, `/proc/self/uid_map`.
pub(crate) fn in_user_namespace() -> bool {
    static ANSWER: OnceCell<bool> = OnceCell::new();
    *ANSWER.get_or_init(|| {
        let variable = |name| std::env::var_os(name).unwrap_or_default();
        let rootless_uid = variable("_CONTAINERS_ROOTLESS_UID");
        !nix::unistd::geteuid().is_root()
            || !(rootless_uid.is_empty() || rootless_uid == "0")
            || !variable("_CONTAINERS_USERNS_CONFIGURED").is_empty()
            || !has_cap_sys_admin()
            // A kernel without user namespaces has no such file.
            || std::fs::read_to_string("/proc/self/uid_map").is_ok_and(|map| !maps_every_id(&map))
    })
}

/// Whether the process has CAP_SYS_ADMIN, as far as anybody tells: a filter may refuse capget(2), and `/proc` may be
/// missing. If in doubt it has. What it lacks is then an error where it is needed; the contrary would leave devices out
/// for which there is no reason.
fn has_cap_sys_admin() -> bool {
    let status = || std::fs::read_to_string("/proc/thread-self/status").ok();
    is_capable(sys::has_cap_sys_admin().ok(), status)
}

/// What capget says, otherwise what the thread's status says, and if neither says anything, yes.
fn is_capable(told: Option<bool>, status: impl FnOnce() -> Option<String>) -> bool {
    told.or_else(|| {
        effective_capabilities(&status()?).map(|set| set & (1 << sys::CAP_SYS_ADMIN) != 0)
    })
    .unwrap_or(true)
}

/// The line `CapEff:` of a thread's status.
fn effective_capabilities(status: &str) -> Option<u64> {
    let line = |line: &str| Some(line.strip_prefix("CapEff:")?.trim().to_owned());
    u64::from_str_radix(&status.lines().find_map(line)?, 16).ok()
}

/// Whether the table maps the full range of ids, as the initial user namespace's does.
fn maps_every_id(map: &str) -> bool {
    map.split_whitespace().any(|field| field == "4294967295")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_initial_namespace_maps_every_id() {
        assert!(maps_every_id("         0          0 4294967295\n"));
        assert!(!maps_every_id("         0     100000      65536\n"));
        assert!(!maps_every_id(""));
    }

    #[test]
    fn a_process_that_nobody_tells_of_counts_as_capable() {
        let status = |set: &str| Some(format!("CapEff:\t{set}\n"));
        assert!(!is_capable(Some(false), || status("0000000000200000")));
        assert!(is_capable(Some(true), || status("0")));
        assert!(is_capable(None, || status("0000000000200000")));
        assert!(!is_capable(None, || status("00000000001fffff")));
        assert!(is_capable(None, || None));
        assert!(is_capable(None, || Some("Name:\tx\n".into())));
    }

    #[test]
    fn capabilities_are_read_from_a_status() {
        let status = "Name:\tx\nCapPrm:\t000001ffffffffff\nCapEff:\t0000000000200000\nCapBnd:\t0\n";
        assert_eq!(effective_capabilities(status), Some(1 << 21));
        assert_eq!(effective_capabilities("CapEff:\tx\n"), None);
        assert_eq!(effective_capabilities(""), None);
    }
}
