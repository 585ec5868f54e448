//! The documents besides config.dump.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use super::data;
use crate::checkpoint::{BindMounts, ContainerdStatus, NetworkStatus, PodOptions, Spec};
use crate::error::{Error, Kind};

fn spec(json: &str) -> Spec {
    Spec::parse(json.as_bytes()).unwrap()
}

fn map<const N: usize>(entries: [(&str, &str); N]) -> BTreeMap<String, String> {
    let owned = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
    entries.into_iter().map(owned).collect()
}

fn message(result: Result<impl Sized, Error>) -> String {
    let error = result.err().unwrap();
    assert_eq!(error.kind(), Kind::Malformed);
    error.to_string()
}

#[test]
fn a_specification_tells_what_runs_and_what_is_mounted() {
    let spec = Spec::parse(&data("metadata/crio/spec.dump")).unwrap();
    assert_eq!(spec.hostname, "counters");
    assert!(spec.root_path.ends_with("/merged"), "{}", spec.root_path);
    let script = "while true; do echo tick >> /count; sleep 1; done";
    assert_eq!(spec.args, ["sh", "-c", script]);
    let destinations: Vec<_> = spec
        .mounts
        .iter()
        .map(|mount| (mount.destination.as_str(), mount.is_bind()))
        .collect();
    let expected = [
        ("/proc", false),
        ("/dev", false),
        ("/dev/shm", true),
        ("/etc/resolv.conf", true),
        ("/etc/hosts", true),
        ("/run/secrets/kubernetes.io/serviceaccount", true),
    ];
    assert_eq!(destinations, expected);
    assert_eq!(spec.mounts[1].fs_type, "tmpfs");
    assert_eq!(spec.mounts[1].source, "tmpfs");
    assert_eq!(spec.mounts[1].options[2], "mode=755");
    assert_eq!(spec.annotations["io.container.manager"], "cri-o");
    let unknown: Vec<_> = spec.unknown().map(|(key, _)| key).collect();
    assert_eq!(unknown, ["ociVersion", "linux"]);
}

#[test]
fn a_bind_mount_is_told_by_its_type_or_by_either_option() {
    for (mount, binds) in [
        (r#"{"type":"bind"}"#, true),
        (r#"{"options":["ro","bind"]}"#, true),
        (r#"{"options":["rbind"],"type":"none"}"#, true),
        (
            r#"{"type":"tmpfs","source":"bind","options":["binds"]}"#,
            false,
        ),
        ("{}", false),
    ] {
        let spec = spec(&format!("{{\"mounts\":[{mount}]}}"));
        assert_eq!(spec.mounts[0].is_bind(), binds, "{mount}");
    }
}

#[test]
fn a_specification_may_lack_everything() {
    for json in [
        "null",
        "{}",
        r#"{"process":null,"root":null,"mounts":null}"#,
    ] {
        let spec = spec(json);
        assert_eq!((spec.args.len(), spec.mounts.len()), (0, 0), "{json}");
        assert_eq!((spec.hostname, spec.root_path), ("".into(), "".into()));
    }
}

#[test]
fn a_map_that_is_repeated_is_added_to() {
    let cases = [
        (
            r#"{"annotations":{"a":"1"},"annotations":{"b":"2"}}"#,
            map([("a", "1"), ("b", "2")]),
        ),
        (r#"{"annotations":{"a":"1"},"annotations":null}"#, map([])),
        (
            r#"{"annotations":{"a":"1","a":null,"A":"x"}}"#,
            map([("a", ""), ("A", "x")]),
        ),
        (
            r#"{"annotations":{"\ud800":"1","\ud801":"2"}}"#,
            map([("\u{fffd}", "2")]),
        ),
    ];
    for (json, expected) in cases {
        assert_eq!(spec(json).annotations, expected, "{json}");
    }
}

#[test]
fn a_list_that_is_repeated_is_read_over() {
    let mounts = |json: &str| -> Vec<_> {
        let mounts = spec(json).mounts.into_iter();
        mounts
            .map(|mount| (mount.destination, mount.fs_type, mount.options))
            .collect()
    };
    let text = str::to_owned;
    let cases = [
        (
            r#"{"mounts":[{"destination":"/a","type":"bind"},{"destination":"/c"}],"mounts":[{"destination":"/b"}]}"#,
            vec![(text("/b"), text("bind"), vec![])],
        ),
        (
            r#"{"mounts":[{"destination":"/a","type":"bind"}],"Mounts":[null,null]}"#,
            vec![
                (text("/a"), text("bind"), vec![]),
                (text(""), text(""), vec![]),
            ],
        ),
        (r#"{"mounts":[{"destination":"/a"}],"mounts":null}"#, vec![]),
        (
            r#"{"mounts":[{"options":["x","y","z"],"options":[null,"w"]}]}"#,
            vec![(text(""), text(""), vec![text("x"), text("w")])],
        ),
    ];
    for (json, expected) in cases {
        assert_eq!(mounts(json), expected, "{json}");
    }
}

#[test]
fn an_object_that_is_repeated_keeps_what_it_does_not_name_again() {
    let cases: [(&str, &[&str]); 4] = [
        (
            r#"{"process":{"args":["a"]},"process":{"cwd":"/x"}}"#,
            &["a"],
        ),
        (r#"{"process":{"args":["a"]},"process":null}"#, &[]),
        (r#"{"process":{"args":["a"]},"PROCESS":{"ARGS":null}}"#, &[]),
        (
            r#"{"process":{"args":["a","b"]},"process":{"args":["c"]}}"#,
            &["c"],
        ),
    ];
    for (json, expected) in cases {
        assert_eq!(spec(json).args, expected, "{json}");
    }
    let kept = r#"{"root":{"path":"/a"},"root":{"readonly":true},"hostname":"h","hostname":null}"#;
    assert_eq!(
        (spec(kept).root_path, spec(kept).hostname),
        ("/a".into(), "h".into())
    );
    assert_eq!(spec(r#"{"root":{"path":"/a"},"root":null}"#).root_path, "");
}

#[test]
fn a_value_of_the_wrong_type_is_named_by_its_place_in_the_specification() {
    for (json, field) in [
        (r#"{"annotations":[]}"#, "annotations"),
        (r#"{"annotations":{"a":1}}"#, "annotations"),
        (r#"{"hostname":{}}"#, "hostname"),
        (r#"{"process":[]}"#, "process"),
        (r#"{"process":{"args":"sh"}}"#, "process.args"),
        (r#"{"process":{"args":[["sh"]]}}"#, "process.args"),
        (r#"{"root":"/"}"#, "root"),
        (r#"{"root":{"path":true}}"#, "root.path"),
        (r#"{"mounts":{}}"#, "mounts"),
        (r#"{"mounts":[7]}"#, "mounts"),
        (r#"{"mounts":[{"destination":7}]}"#, "mounts.destination"),
        (r#"{"mounts":[{"options":"ro"}]}"#, "mounts.options"),
    ] {
        let message = message(Spec::parse(json.as_bytes()));
        let expected = format!("{field}: a value of the wrong type or form (line 1, column ");
        assert!(message.starts_with(&expected), "{json}: {message}");
    }
}

#[test]
fn networks_interfaces_and_addresses_are_read() {
    let status = NetworkStatus::parse(&data("metadata/podman/network.status")).unwrap();
    let names: Vec<_> = status.networks.keys().collect();
    assert_eq!(names, ["podman", "side"]);
    let eth0 = &status.networks["podman"].interfaces["eth0"];
    assert_eq!(eth0.mac_address, "f2:99:8d:fb:5a:57");
    let subnets: Vec<_> = eth0
        .subnets
        .iter()
        .map(|subnet| (subnet.ipnet.as_str(), subnet.gateway.as_str()))
        .collect();
    assert_eq!(
        subnets,
        [("10.88.0.9/16", "10.88.0.1"), ("fd00::9/64", "fd00::1")]
    );
    let eth1 = &status.networks["side"].interfaces["eth1"];
    assert_eq!(
        (
            eth1.subnets[0].ipnet.as_str(),
            eth1.subnets[0].gateway.as_str()
        ),
        ("10.89.1.2/24", "")
    );
    assert_eq!(status.original(), data("metadata/podman/network.status"));
}

#[test]
fn a_container_may_be_in_no_network() {
    for json in ["null", "{}", " null\n"] {
        let status = NetworkStatus::parse(json.as_bytes()).unwrap();
        assert!(status.networks.is_empty(), "{json}");
        assert_eq!(status.original(), json.as_bytes());
    }
    let status = NetworkStatus::parse(br#"{"a":null,"b":{"interfaces":{"e":null}}}"#).unwrap();
    assert!(status.networks["a"].interfaces.is_empty());
    assert_eq!(status.networks["b"].interfaces["e"].mac_address, "");
}

#[test]
fn of_two_networks_of_one_name_the_last_is_all() {
    let json = br#"{"a":{"interfaces":{"e":{"mac_address":"m"}}},"a":{}}"#;
    assert!(
        NetworkStatus::parse(json).unwrap().networks["a"]
            .interfaces
            .is_empty()
    );
    let json = br#"{"a":{"interfaces":{"e":{"mac_address":"m"},"e":{"subnets":[]}}}}"#;
    assert_eq!(
        NetworkStatus::parse(json).unwrap().networks["a"].interfaces["e"].mac_address,
        ""
    );
    let json = br#"{"a":{"interfaces":{"e":{"mac_address":"m"}},"interfaces":{"f":null}}}"#;
    let status = NetworkStatus::parse(json).unwrap();
    let names: Vec<_> = status.networks["a"].interfaces.keys().collect();
    assert_eq!(names, ["e", "f"]);
    let json = br#"{"a":{"interfaces":{"e":{}},"interfaces":null}}"#;
    assert!(
        NetworkStatus::parse(json).unwrap().networks["a"]
            .interfaces
            .is_empty()
    );
}

#[test]
fn other_forms_of_network_status_are_malformed() {
    for json in [
        "[]",
        "7",
        "",
        r#"{"a":[]}"#,
        r#"{"a":{"interfaces":[]}}"#,
        r#"{"a":{"interfaces":{"e":{"subnets":{}}}}}"#,
        r#"{"a":{"interfaces":{"e":{"subnets":[{"ipnet":1}]}}}}"#,
        r#"{"a":{"interfaces":{"e":{"mac_address":[]}}}}"#,
    ] {
        message(NetworkStatus::parse(json.as_bytes()));
    }
}

#[test]
fn bind_mounts_are_read_in_order() {
    let bind = BindMounts::parse(&data("metadata/crio/bind.mounts")).unwrap();
    let mounts: Vec<_> = bind
        .mounts
        .iter()
        .map(|mount| {
            (
                mount.destination.as_str(),
                mount.file_type.as_str(),
                mount.permissions,
            )
        })
        .collect();
    let expected = [
        ("/etc/resolv.conf", "file", 0o644),
        ("/etc/hosts", "file", 0o644),
        (
            "/run/secrets/kubernetes.io/serviceaccount",
            "directory",
            0o777,
        ),
    ];
    assert_eq!(mounts, expected);
    assert!(bind.mounts[1].source.starts_with("/var/lib/kubelet/"));
    for json in ["null", "[]"] {
        assert!(
            BindMounts::parse(json.as_bytes())
                .unwrap()
                .mounts
                .is_empty()
        );
    }
    assert_eq!(
        message(BindMounts::parse(b"{}")),
        "not a JSON array (line 1, column 1)"
    );
    assert!(message(BindMounts::parse(b"[1]")).starts_with("bind mount: "));
    assert!(message(BindMounts::parse(br#"[{"permissions":-1}]"#)).starts_with("permissions: "));
}

#[test]
fn pod_options_are_read() {
    let pod = PodOptions::parse(&data("metadata/podman/pod.options")).unwrap();
    assert_eq!(pod.version, 1);
    assert_eq!(pod.containers["counter"], "counters-counter");
    assert_eq!(pod.annotations["org.criu.checkpoint.engine.name"], "podman");
    let unknown: Vec<_> = pod.unknown().collect();
    assert_eq!(unknown, [("comment".into(), "\"kept\"")]);
}

#[test]
fn the_status_of_containerd_is_read() {
    let status = ContainerdStatus::parse(&data("metadata/containerd/status")).unwrap();
    assert_eq!(status.created_at, 1_778_490_487_123_456_789);
    assert_eq!(status.started_at, 1_778_490_487_223_456_789);
    assert_eq!(
        (status.finished_at, status.exit_code, status.pid),
        (0, 0, 4711)
    );
    let unknown: Vec<_> = status.unknown().map(|(key, _)| key).collect();
    assert_eq!(unknown, ["Version", "Resources", "Restore"]);
    let json = r#"{"exitcode":-2147483648,"createdAt":9223372036854775807,"FinishedAt":-0,"Reason":"OOM","MESSAGE":"m","StartedAt":null}"#;
    let status = ContainerdStatus::parse(json.as_bytes()).unwrap();
    assert_eq!(
        (status.exit_code, status.created_at, status.finished_at),
        (i32::MIN, i64::MAX, 0)
    );
    assert_eq!(
        (status.reason.as_str(), status.message.as_str()),
        ("OOM", "m")
    );
}

#[test]
fn whole_numbers_have_neither_fraction_nor_exponent_nor_too_many_digits() {
    for (key, value) in [
        ("Pid", "-0"),
        ("Pid", "-1"),
        ("Pid", "1.0"),
        ("Pid", "4294967296"),
        ("Pid", "\"1\""),
        ("Pid", "true"),
        ("Pid", "[1]"),
        ("ExitCode", "1e1"),
        ("ExitCode", "2147483648"),
        ("CreatedAt", "9223372036854775808"),
    ] {
        let json = format!("{{\"{key}\":{value}}}");
        let message = message(ContainerdStatus::parse(json.as_bytes()));
        assert!(
            message.starts_with(&format!("{key}: ")),
            "{json}: {message}"
        );
    }
}

#[test]
fn a_quarter_of_a_million_strings_are_read_and_more_are_refused() {
    let arguments = |count: usize| {
        format!(
            "{{\"process\":{{\"args\":[{}\"\"]}}}}",
            "\"\",".repeat(count - 1)
        )
    };
    assert_eq!(spec(&arguments(250_000)).args.len(), 250_000);
    let annotations: Vec<_> = (0..=250_000).map(|n| format!("\"{n}\":\"\"")).collect();
    let annotations = format!("{{\"annotations\":{{{}}}}}", annotations.join(","));
    let mounts = format!("{{\"mounts\":[{}{{}}]}}", "{},".repeat(125_000));
    // Repeating a short list counts too: reading it takes time.
    let repeated = format!(
        "{{{}\"mounts\":[{{}}]}}",
        "\"mounts\":[{}],".repeat(125_000)
    );
    for (json, field) in [
        (arguments(250_001), "process.args"),
        (annotations, "annotations"),
        (mounts, "mounts"),
        (repeated, "mounts"),
    ] {
        let error = Spec::parse(json.as_bytes()).unwrap_err();
        assert_eq!((error.kind(), error.errno()), (Kind::Limit, libc::E2BIG));
        assert_eq!(error.to_string(), format!("{field}: too many entries"));
    }
    let networks = |count| {
        let networks: Vec<_> = (0..count).map(|n| format!("\"{n}\":null")).collect();
        NetworkStatus::parse(format!("{{{}}}", networks.join(",")).as_bytes())
    };
    assert_eq!(networks(31_250).unwrap().networks.len(), 31_250);
    assert_eq!(
        networks(31_251).unwrap_err().to_string(),
        "network: too many entries"
    );
}
