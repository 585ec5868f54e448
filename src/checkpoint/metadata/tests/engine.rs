//! Which engine made a checkpoint, and what the documents tell together.

#![forbid(unsafe_code)]

use super::{metadata, recorded};
use crate::checkpoint::{DocumentKind, Engine, Metadata};
use crate::error::Kind;

const PODMANS: &[u8] = br#"{"id":"1","lockID":0,"staticDir":"/x","runtime":"crun"}"#;
const ANYBODYS: &[u8] = br#"{"id":"1","name":"n","runtime":"crun"}"#;

fn spec_with(annotations: &str) -> String {
    format!("{{\"annotations\":{{{annotations}}}}}")
}

/// A checkpoint with this config.dump, annotations and members.
fn engine(config: &[u8], annotations: &str, members: &[&str]) -> Engine {
    let spec = spec_with(annotations);
    let mut metadata = metadata(&[
        (DocumentKind::Config, config),
        (DocumentKind::Spec, spec.as_bytes()),
    ]);
    for member in members {
        metadata.saw(member.as_bytes());
    }
    metadata.engine()
}

#[test]
fn the_keys_of_config_dump_tell_before_all_annotations() {
    let crios = r#""io.container.manager":"cri-o","io.kubernetes.cri-o.Metadata":"{}""#;
    assert_eq!(engine(PODMANS, crios, &["bind.mounts"]), Engine::Podman);
    assert_eq!(engine(br#"{"LOCKID":0}"#, crios, &[]), Engine::Podman);
    assert_eq!(engine(br#"{"lockid2":0}"#, crios, &[]), Engine::Crio);
}

#[test]
fn the_container_manager_tells_before_other_annotations() {
    let both = r#""io.kubernetes.cri.sandbox-id":"s","io.kubernetes.cri-o.Metadata":"{}""#;
    for (manager, expected) in [
        ("libpod", Engine::Podman),
        ("cri-o", Engine::Crio),
        ("", Engine::Crio),
        ("other", Engine::Crio),
    ] {
        let annotations = format!("\"io.container.manager\":\"{manager}\",{both}");
        assert_eq!(
            engine(ANYBODYS, &annotations, &["status"]),
            expected,
            "{manager}"
        );
    }
}

#[test]
fn annotations_of_one_engine_tell_before_members() {
    for (annotations, expected) in [
        (
            r#""io.podman.annotations.init":"FALSE","io.kubernetes.cri-o.ContainerID":"c""#,
            Engine::Podman,
        ),
        (
            r#""io.kubernetes.cri-o.ContainerID":"c","io.kubernetes.cri.sandbox-id":"s""#,
            Engine::Crio,
        ),
        (r#""io.kubernetes.cri-o.Metadata":"{}""#, Engine::Crio),
        (r#""io.kubernetes.cri.sandbox-id":"s""#, Engine::Containerd),
        // What podman, or a user of CRI-O, sets too.
        (
            r#""io.kubernetes.cri-o.TTY":"false","io.kubernetes.cri-o.SandboxID":"s""#,
            Engine::Unknown,
        ),
        (
            r#""io.kubernetes.cri.container-type":"container""#,
            Engine::Unknown,
        ),
        (
            r#""io.kubernetes.cri-o.Metadata":"","io.kubernetes.cri.sandbox-id":"""#,
            Engine::Unknown,
        ),
        (r#""io.podman.annotations.init":"""#, Engine::Unknown),
    ] {
        let others = match expected {
            Engine::Unknown => &[][..],
            Engine::Podman => &["bind.mounts"],
            _ => &["ctr.log"],
        };
        assert_eq!(
            engine(ANYBODYS, annotations, others),
            expected,
            "{annotations}"
        );
    }
}

#[test]
fn members_tell_where_nothing_else_does() {
    for (members, expected) in [
        (&["./ctr.log", "checkpoint/pages-1.img"][..], Engine::Podman),
        (&["network.status"], Engine::Podman),
        (&["volumes/data.tar"], Engine::Podman),
        (&["artifacts/"], Engine::Podman),
        (&["devshm-checkpoint.tar"], Engine::Podman),
        (&["bind.mounts"], Engine::Crio),
        (&["io.kubernetes.cri-o.LogPath"], Engine::Crio),
        (&["container.log"], Engine::Containerd),
        (&["status", "status.dump"], Engine::Containerd),
        (&["status", "ctr.log"], Engine::Unknown),
        (&["bind.mounts", "ctr.log"], Engine::Unknown),
        (
            &["x/status", "status/x", "statuses", "rootfs-diff.tar"],
            Engine::Unknown,
        ),
        (&["a\0b"], Engine::Unknown),
    ] {
        assert_eq!(engine(ANYBODYS, "", members), expected, "{members:?}");
        assert_eq!(engine(b"null", "", members), expected, "{members:?}");
    }
}

#[test]
fn a_document_that_is_there_counts_as_a_member() {
    let metadata = metadata(&[(DocumentKind::BindMounts, b"malformed")]);
    assert_eq!(metadata.engine(), Engine::Crio);
    assert_eq!(Metadata::default().engine(), Engine::Unknown);
}

#[test]
fn numbers_and_names_are_the_abis() {
    let all = [
        Engine::Unknown,
        Engine::Podman,
        Engine::Crio,
        Engine::Containerd,
    ];
    let all = all.map(|engine| (engine as u32, engine.name()));
    assert_eq!(
        all,
        [
            (0, "unknown"),
            (1, "podman"),
            (2, "cri-o"),
            (3, "containerd")
        ]
    );
}

#[test]
fn a_crio_checkpoint_tells_its_container_and_its_pod() {
    let metadata = recorded("crio");
    assert_eq!(metadata.engine(), Engine::Crio);
    assert!(metadata.id().unwrap().starts_with("4f1c8f6f"));
    assert!(
        metadata
            .name()
            .unwrap()
            .starts_with("k8s_counter_counters_default_")
    );
    assert_eq!(metadata.container_name(), Some("counter"));
    assert_eq!(metadata.runtime(), Some("crun"));
    assert_eq!(metadata.validated_runtime_name().unwrap(), "crun");
    assert_eq!(metadata.image_name(), Some("registry.example/counter:1.0"));
    assert!(metadata.image_ref().unwrap().starts_with("3b25b682"));
    assert!(metadata.pod_id().unwrap().starts_with("9a8b7c6d"));
    assert_eq!(metadata.pod_name(), Some("counters"));
    assert_eq!(metadata.pod_namespace(), Some("default"));
    assert_eq!(
        metadata.created_time(),
        Some("2026-05-11T09:08:07.123456789Z")
    );
    assert_eq!(
        metadata.checkpointed_time(),
        Some("2026-05-11T09:18:07.5+02:00")
    );
    assert_eq!(metadata.restored_time(), None);
    assert_eq!(metadata.bind_mounts().unwrap().unwrap().mounts.len(), 3);
    assert!(metadata.network_status().unwrap().is_none());
    assert!(metadata.status().unwrap().is_none());
    assert!(metadata.pod_options().unwrap().is_none());
}

#[test]
fn a_containerd_checkpoint_tells_its_container_and_its_pod() {
    let metadata = recorded("containerd");
    assert_eq!(metadata.engine(), Engine::Containerd);
    assert_eq!(metadata.container_name(), Some("counter"));
    assert_eq!(metadata.runtime(), Some("io.containerd.runc.v2"));
    assert!(metadata.image_ref().unwrap().contains("@sha256:3b25b682"));
    assert!(metadata.pod_id().unwrap().starts_with("9a8b7c6d"));
    assert_eq!(metadata.pod_name(), Some("counters"));
    assert_eq!(metadata.pod_namespace(), Some("default"));
    assert_eq!(metadata.status().unwrap().unwrap().pid, 4711);
    let dump = metadata.document(DocumentKind::StatusDump).unwrap();
    assert_eq!(dump, super::data("metadata/containerd/status.dump"));
}

#[test]
fn a_podman_container_has_its_pod_from_config_dump_and_none_from_its_user() {
    let config = br#"{"lockID":0,"pod":"p1","rootfsImageID":"i1","rootfsImageName":"app:1","pod":null,"rootfsimageid":7}"#;
    let users = spec_with(
        r#""io.kubernetes.pod.name":"forged","io.kubernetes.cri.sandbox-name":"forged","io.kubernetes.cri.sandbox-id":"forged""#,
    );
    let with_pod = metadata(&[
        (DocumentKind::Config, config),
        (DocumentKind::Spec, users.as_bytes()),
    ]);
    assert_eq!(with_pod.pod_id(), Some("p1"));
    assert_eq!(
        (with_pod.pod_name(), with_pod.pod_namespace()),
        (None, None)
    );
    assert_eq!(with_pod.image_ref(), Some("i1"));
    assert_eq!(with_pod.image_name(), Some("app:1"));
    let without = metadata(&[
        (DocumentKind::Config, br#"{"lockID":0,"pod":""}"#),
        (DocumentKind::Spec, users.as_bytes()),
    ]);
    assert_eq!((without.pod_id(), without.container_name()), (None, None));
}

#[test]
fn an_image_without_a_name_is_called_as_it_was_asked_for() {
    for (config, expected) in [
        (r#"{"rootfsImage":"a","rootfsImageName":"b"}"#, Some("b")),
        (r#"{"rootfsImage":"a","rootfsImageName":""}"#, Some("a")),
        (r#"{"rootfsImage":""}"#, None),
    ] {
        let metadata = metadata(&[(DocumentKind::Config, config.as_bytes())]);
        assert_eq!(metadata.image_name(), expected, "{config}");
    }
}

#[test]
fn of_an_unknown_engine_either_ones_annotations_are_taken() {
    for (annotations, expected) in [
        (r#""io.kubernetes.pod.name":"a""#, Some("a")),
        (r#""io.kubernetes.cri.sandbox-name":"b""#, Some("b")),
        (r#""io.kubernetes.pod.name":"""#, None),
    ] {
        let spec = spec_with(annotations);
        let metadata = metadata(&[(DocumentKind::Spec, spec.as_bytes())]);
        assert_eq!(metadata.pod_name(), expected, "{annotations}");
    }
}

#[test]
fn nothing_is_told_of_no_documents() {
    let nothing = Metadata::default();
    let texts = [
        nothing.id(),
        nothing.name(),
        nothing.runtime(),
        nothing.image_name(),
        nothing.image_ref(),
        nothing.created_time(),
        nothing.checkpointed_time(),
        nothing.restored_time(),
        nothing.container_name(),
        nothing.pod_id(),
        nothing.pod_name(),
        nothing.pod_namespace(),
    ];
    assert_eq!(texts, [None; 12]);
    assert!(nothing.config().is_none() && nothing.spec().is_none());
    for kind in DocumentKind::ALL {
        assert_eq!(nothing.document(kind), None);
    }
}

#[test]
fn a_time_that_never_was_is_none() {
    for time in ["0001-01-01T00:00:00Z", "0001-01-01T0:00:00.000+00:00"] {
        let config =
            format!("{{\"createdTime\":\"{time}\",\"restoredTime\":\"2026-01-01T00:00:00Z\"}}");
        let metadata = metadata(&[(DocumentKind::Config, config.as_bytes())]);
        assert_eq!(metadata.created_time(), None, "{time}");
        assert_eq!(metadata.restored_time(), Some("2026-01-01T00:00:00Z"));
    }
    let config = br#"{"createdTime":"0001-01-01T00:00:01Z"}"#;
    let metadata = metadata(&[(DocumentKind::Config, config)]);
    assert_eq!(metadata.created_time(), Some("0001-01-01T00:00:01Z"));
}

#[test]
fn a_runtime_is_usable_only_as_a_bare_name() {
    let of = |config: &str| metadata(&[(DocumentKind::Config, config.as_bytes())]);
    for name in ["crun", "io.containerd.runc.v2", "kata-qemu", "...", "é"] {
        let metadata = of(&format!("{{\"runtime\":\"{name}\"}}"));
        assert_eq!(metadata.validated_runtime_name().unwrap(), name);
    }
    for name in [
        "/usr/bin/crun",
        "./crun",
        "a/",
        ".",
        "..",
        "-c",
        "--help",
        "a\\u0000b",
        "a\\n",
        "\\u009b2J",
        "\\u007f",
    ] {
        let metadata = of(&format!("{{\"runtime\":\"{name}\"}}"));
        assert!(metadata.runtime().is_some());
        let error = metadata.validated_runtime_name().unwrap_err();
        assert_eq!(
            (error.kind(), error.errno()),
            (Kind::Forbidden, libc::EPERM),
            "{name}"
        );
    }
    for (config, runtime) in [
        ("{}", None),
        (r#"{"runtime":""}"#, Some("")),
        ("null", None),
    ] {
        assert_eq!(of(config).runtime(), runtime);
        let error = of(config).validated_runtime_name().unwrap_err();
        assert_eq!(
            (error.kind(), error.errno()),
            (Kind::NotInArchive, libc::ENODATA),
            "{config}"
        );
    }
}

#[test]
fn a_malformed_config_or_spec_is_refused_and_the_earlier_one_stays() {
    let mut metadata = recorded("crio");
    for kind in [DocumentKind::Config, DocumentKind::Spec] {
        let before = metadata.document(kind).unwrap().to_vec();
        for json in [&b"{"[..], b"[]", br#"{"id":1,"annotations":1}"#] {
            let error = metadata.insert(kind, json.to_vec()).unwrap_err();
            assert_eq!(
                (error.kind(), error.errno()),
                (Kind::Malformed, libc::EBADMSG)
            );
        }
        assert_eq!(metadata.document(kind), Some(&before[..]));
    }
    assert_eq!(metadata.engine(), Engine::Crio);
}

#[test]
fn another_malformed_document_keeps_its_bytes_and_its_accessor_tells() {
    let mut metadata = recorded("crio");
    for kind in DocumentKind::ALL.into_iter().skip(2) {
        metadata.insert(kind, b"\xffsecret".to_vec()).unwrap();
        assert_eq!(metadata.document(kind), Some(&b"\xffsecret"[..]));
    }
    let errors = [
        ("network.status", metadata.network_status().unwrap_err()),
        ("bind.mounts", metadata.bind_mounts().unwrap_err()),
        ("pod.options", metadata.pod_options().unwrap_err()),
        ("status", metadata.status().unwrap_err()),
    ];
    for (name, error) in errors {
        assert_eq!(
            (error.kind(), error.errno()),
            (Kind::Malformed, libc::EBADMSG)
        );
        assert_eq!(error.entry(), Some(name.as_bytes()));
        let expected = format!("entry \"{name}\": not JSON (line 1, column 1)");
        assert_eq!(error.to_string(), expected);
    }
    assert_eq!(metadata.container_name(), Some("counter"));
    metadata
        .insert(DocumentKind::NetworkStatus, b"null".to_vec())
        .unwrap();
    assert!(metadata.network_status().unwrap().is_some());
}

#[test]
fn documents_above_the_limit_are_refused_whatever_they_are() {
    for kind in DocumentKind::ALL {
        let mut metadata = Metadata::default();
        let error = metadata
            .insert(kind, vec![b' '; (16 << 20) + 1])
            .unwrap_err();
        assert_eq!((error.kind(), error.errno()), (Kind::Limit, libc::E2BIG));
        assert_eq!(metadata.document(kind), None);
        assert_eq!(metadata.engine(), Engine::Unknown);
    }
}

#[test]
fn a_debugging_line_has_no_content() {
    let line = format!("{:?}", recorded("containerd"));
    assert_eq!(
        line,
        r#"["config.dump", "spec.dump", "status", "status.dump"]"#
    );
    let spec = recorded("containerd").spec().cloned().unwrap();
    assert!(!format!("{spec:?}").contains("TOKEN"));
}
