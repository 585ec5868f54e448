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
            || !sys::has_cap_sys_admin().unwrap_or(false)
            // A kernel without user namespaces has no such file.
            || std::fs::read_to_string("/proc/self/uid_map").is_ok_and(|map| !maps_every_id(&map))
    })
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
}
