//! What the images say of the checkpoint as a whole.

#![forbid(unsafe_code)]

use super::images::Images;
use super::model::{CriuInfo, DumpStatistics, MountPoint, Namespaces, RestoreStatistics};
use super::processes::text;
use super::store::Store;
use super::{ExternalNamespace, NetworkDevice, RawText};
use crate::criu::{Mount, X86Cpu};

/// Major numbers stand above this many bits of a device number.
const MINOR_BITS: u32 = 20;

/// How CRIU made the checkpoint.
pub(super) fn criu(images: &Images, page_size: u64) -> CriuInfo {
    let inventory = images.inventory.as_ref();
    let machine = images.cores.values().next().map(|core| core.machine);
    let plugins = inventory.and_then(|inventory| inventory.plugins.as_ref());
    let cpus = images.cpu.iter().flat_map(|cpu| &cpu.x86);
    CriuInfo {
        image_version: inventory.map(|inventory| inventory.image_version),
        architecture: machine.and_then(architecture),
        page_size,
        pre_checkpoint: inventory.is_some_and(|inventory| inventory.image_version == 0),
        encrypted: images.is_encrypted,
        lsm: inventory.and_then(|inventory| inventory.lsm).map(lsm),
        plugins: plugins
            .iter()
            .flat_map(|plugins| &plugins.names)
            .map(|name| text(&name.0))
            .collect(),
        tcp_close: inventory.and_then(|inventory| inventory.tcp_close) == Some(true),
        compression: match inventory.and_then(|inventory| inventory.compress) {
            None | Some(0) => "none",
            Some(1) => "page",
            Some(2) => "region",
            Some(_) => "unknown",
        },
        compression_region: inventory.and_then(|inventory| inventory.compress_region),
        parent: images.parent.as_ref().map(|parent| text(parent)),
        parents_found: 0,
        cpus: cpus.map(cpu).collect(),
    }
}

fn architecture(machine: u32) -> Option<&'static str> {
    Some(match machine {
        1 => "x86_64",
        2 => "armv7l",
        3 => "aarch64",
        4 => "ppc64le",
        5 => "s390x",
        6 => "mips64",
        7 | 12 => "loongarch64",
        8 | 13 => "riscv64",
        _ => return None,
    })
}

fn lsm(number: u32) -> &'static str {
    match number {
        0 => "none",
        1 => "selinux",
        2 => "apparmor",
        _ => "unknown",
    }
}

fn cpu(cpu: &X86Cpu) -> String {
    let model = cpu.model_name.as_ref().map(|name| text(&name.0));
    let vendor = match cpu.vendor {
        1 => "Intel",
        2 => "AMD",
        _ => "other",
    };
    let family = format!("{vendor} family {} model {}", cpu.family, cpu.model);
    match model.filter(|model| !model.is_empty()) {
        Some(model) => format!("{model} ({family})"),
        None => family,
    }
}

/// The mounts of all mount namespaces.
pub(super) fn mounts(images: &Images) -> Vec<MountPoint> {
    let of = |(&namespace, mounts): (&u32, &Vec<Mount>)| {
        let point = move |mount| mount_point(mount, namespace);
        mounts.iter().map(point).collect::<Vec<_>>()
    };
    images.mounts.iter().flat_map(of).collect()
}

fn mount_point(mount: &Mount, namespace: u32) -> MountPoint {
    let key = mount.external_key.as_ref().map(|key| text(&key.0));
    let is_external = mount.external == Some(true);
    let mountpoint = text(&mount.mountpoint.0);
    // Before there were keys, the place was one.
    let external = key.or_else(|| is_external.then(|| mountpoint.clone()));
    let minor = mount.device & ((1 << MINOR_BITS) - 1);
    MountPoint {
        id: mount.id,
        parent: mount.parent,
        namespace,
        external,
        root: text(&mount.root.0),
        fs_type: fs_type(mount),
        source: text(&mount.source.0),
        options: text(&mount.options.0),
        device: format!("{}:{minor}", mount.device >> MINOR_BITS),
        mountpoint,
    }
}

fn fs_type(mount: &Mount) -> RawText {
    let name = match mount.fs_type {
        // What isn't mounted anew by a restore.
        0 => "bind",
        1 => "proc",
        2 => "sysfs",
        3 => "devtmpfs",
        4 => "binfmt_misc",
        5 => "tmpfs",
        6 => "devpts",
        7 => "simfs",
        8 => "pstore",
        9 => "securityfs",
        10 => "fusectl",
        11 => "debugfs",
        12 => "cgroup",
        13 => "aufs",
        14 => "mqueue",
        15 => "fuse",
        16 => match &mount.fs_name {
            Some(name) => return text(&name.0),
            None => "auto",
        },
        17 => "overlay",
        18 => "autofs",
        19 => "tracefs",
        23 => "cgroup2",
        _ => "unknown",
    };
    name.into()
}

/// Namespaces that a restore has to be given.
pub(super) fn external_namespaces(images: &Images) -> Vec<ExternalNamespace> {
    let pid = images.pid_ns.values().map(|ns| ("pid", &ns.external_key));
    let net = images.net_ns.values().map(|ns| ("net", &ns.external_key));
    let one = |(kind, key): (&'static str, &Option<crate::criu::Bytes>)| {
        let key = key.as_ref().filter(|key| !key.0.is_empty())?;
        Some(ExternalNamespace {
            kind,
            key: text(&key.0),
        })
    };
    pid.chain(net).filter_map(one).collect()
}

/// Network devices of the container's own network namespaces.
pub(super) fn devices(images: &Images) -> Vec<NetworkDevice> {
    const LOOPBACK: u32 = 1;
    let devices = images.devices.values().flatten();
    let own = devices.filter(|device| device.device_type != LOOPBACK);
    own.map(|device| NetworkDevice {
        name: text(&device.name.0),
        mtu: device.mtu,
        address: device.address.as_ref().map(|address| {
            let hex: Vec<_> = address
                .0
                .iter()
                .take(32)
                .map(|byte| format!("{byte:02x}"))
                .collect();
            hex.join(":")
        }),
    })
    .collect()
}

/// The host name that the container had.
pub(super) fn host_name(images: &Images, namespaces: Option<&Namespaces>) -> Option<RawText> {
    let own = namespaces.and_then(|namespaces| images.uts.get(&namespaces.uts?));
    let uts = own.or_else(|| images.uts.values().next())?;
    Some(text(&uts.node_name.0))
}

/// What the last dump took.
pub(super) fn dump_statistics(store: &Store) -> Option<DumpStatistics> {
    let dump = store.dump.as_ref()?.dump.as_ref()?;
    Some(DumpStatistics {
        freezing_time: dump.freezing_time,
        frozen_time: dump.frozen_time,
        memdump_time: dump.memdump_time,
        memwrite_time: dump.memwrite_time,
        pages_scanned: dump.pages_scanned,
        pages_skipped_parent: dump.pages_skipped_parent,
        pages_written: dump.pages_written,
        pages_lazy: dump.pages_lazy,
    })
}

/// What the last restore took.
pub(super) fn restore_statistics(store: &Store) -> Option<RestoreStatistics> {
    let restore = store.restore.as_ref()?.restore.as_ref()?;
    Some(RestoreStatistics {
        forking_time: restore.forking_time,
        restore_time: restore.restore_time,
        pages_compared: restore.pages_compared,
        pages_skipped_cow: restore.pages_skipped_cow,
        pages_restored: restore.pages_restored,
    })
}
