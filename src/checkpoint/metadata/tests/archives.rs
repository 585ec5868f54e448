//! Real archives of podman, and every accessor on them.

#![forbid(unsafe_code)]

use std::path::Path;

use crate::checkpoint::{Engine, Import, ImportOptions, MemberClass, Metadata};
use crate::watch::Watch;

const ARCHIVES: [&str; 6] = [
    "plain.tar.zst",
    "plain.tar.gz",
    "plain.uncompressed.tar.zst",
    "plain.pre.tar.zst",
    "plain.withprev.tar.zst",
    "rich.tar.zst",
];

/// What an archive says of its checkpoint, and the names of its members.
fn open(name: &str) -> (Metadata, Vec<String>) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let archive = directory.join(name);
    let mut import = Import::open(&archive, &ImportOptions::new(), &Watch::new()).unwrap();
    let members = import.members().unwrap().iter();
    let members = members.map(|member| member.name.clone().into_string().unwrap());
    let members = members.collect();
    let metadata = import.metadata().unwrap().clone();
    (metadata, members)
}

#[test]
fn every_archive_tells_its_container() {
    for archive in ARCHIVES {
        let (metadata, _) = open(archive);
        let is_rich = archive.starts_with("rich");
        assert_eq!(metadata.engine(), Engine::Podman, "{archive}");
        let (id, name) = match is_rich {
            true => (
                "601fef5fe8410a5f7b36a6a29f8e387f685548d7f1ed896f1ea251c686e076f7",
                "rich",
            ),
            false => (
                "b92e841a277b9dd57ac3117637b40bdfdb59f4da0506e368af2ed5b4e880eb7a",
                "plain",
            ),
        };
        assert_eq!(metadata.id(), Some(id), "{archive}");
        assert_eq!(metadata.name(), Some(name), "{archive}");
        assert_eq!(metadata.validated_runtime_name().unwrap(), "runc");
        assert_eq!(metadata.image_name(), Some("localhost/app:1"));
        let image = "bcb487c3f3a15c621992df6faee19ce5fde924ffa31847bfe596db56a342f3af";
        assert_eq!(metadata.image_ref(), Some(image));
        let created = match is_rich {
            true => "2026-11-23T13:58:39.45679995Z",
            false => "2026-11-23T13:58:38.047991888Z",
        };
        assert_eq!(metadata.created_time(), Some(created), "{archive}");
        let times = (metadata.checkpointed_time(), metadata.restored_time());
        assert_eq!(times, (None, None));
        let pod = (
            metadata.pod_id(),
            metadata.pod_name(),
            metadata.pod_namespace(),
        );
        assert_eq!(pod, (None, None, None));
        assert_eq!(metadata.container_name(), None);
    }
}

#[test]
fn every_archive_tells_what_runs_in_it() {
    for archive in ARCHIVES {
        let (metadata, _) = open(archive);
        let spec = metadata.spec().unwrap();
        assert_eq!(spec.hostname, &metadata.id().unwrap()[..12], "{archive}");
        assert_eq!(spec.args[..2], ["sh", "-c"]);
        assert!(spec.args[2].contains("echo tick $i"));
        assert!(spec.root_path.ends_with("/merged"));
        assert_eq!(spec.annotations["io.container.manager"], "libpod");
        assert_eq!(spec.annotations.len(), 10, "{archive}");
        let bind: Vec<_> = spec
            .mounts
            .iter()
            .filter(|mount| mount.is_bind())
            .map(|mount| mount.destination.as_str())
            .collect();
        let volume = if archive.starts_with("rich") {
            &["/vol"][..]
        } else {
            &[]
        };
        let usual = [
            "/etc/hosts",
            "/dev/shm",
            "/run/.containerenv",
            "/etc/hostname",
        ];
        assert_eq!(bind, [volume, &usual].concat(), "{archive}");
        assert!(
            metadata
                .network_status()
                .unwrap()
                .unwrap()
                .networks
                .is_empty()
        );
    }
}

#[test]
fn what_podman_alone_writes_is_kept() {
    let (metadata, _) = open("rich.tar.zst");
    let config = metadata.config().unwrap();
    let unknown: Vec<_> = config.unknown().collect();
    assert_eq!(unknown.len(), 42);
    assert_eq!(unknown[0].0, "spec");
    assert_eq!(unknown[1], ("lockID".into(), "1"));
    let volumes = unknown.iter().find(|(key, _)| key == "namedVolumes");
    let volumes: serde_json::Value = serde_json::from_str(volumes.unwrap().1).unwrap();
    assert_eq!(volumes[0]["volumeName"], "vol1");
    assert_eq!(config.original().len(), 9575);
}

#[test]
fn the_members_of_a_real_archive_have_classes() {
    let (_, members) = open("rich.tar.zst");
    for class in MemberClass::ALL {
        let of_class: Vec<_> = members
            .iter()
            .map(String::as_str)
            .filter(|member| MemberClass::of(member.as_bytes()) == class)
            .collect();
        let expected: &[&str] = match class {
            MemberClass::Configuration => &["config.dump", "spec.dump", "network.status"],
            MemberClass::MemoryPages => &["checkpoint/pages-1.img", "checkpoint/pages-2.img"],
            MemberClass::RootfsDiff => &["rootfs-diff.tar", "deleted.files"],
            MemberClass::Volume => &["volumes/vol1.tar"],
            MemberClass::Shm => &["devshm-checkpoint.tar"],
            MemberClass::Log => &["ctr.log"],
            MemberClass::GpuPages => &[],
            MemberClass::Other => &["artifacts/"],
            _ => continue,
        };
        assert_eq!(of_class, expected, "{}", class.label());
    }
}
