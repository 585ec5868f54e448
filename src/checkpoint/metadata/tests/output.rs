//! The metadata as JSON.

#![forbid(unsafe_code)]

use serde_json::{Value, json};

use super::{data, metadata, recorded};
use crate::checkpoint::{DocumentKind, Metadata};

fn parsed(metadata: &Metadata) -> Value {
    let text = metadata.to_json();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The keys of an object that is indented by two spaces, in order.
fn keys(text: &str) -> Vec<&str> {
    let keys = text.lines().filter_map(|line| line.strip_prefix("  \""));
    keys.map(|rest| rest.split_once('"').unwrap().0).collect()
}

const KEYS: [&str; 17] = [
    "engine",
    "id",
    "name",
    "container_name",
    "runtime",
    "image",
    "times",
    "pod",
    "annotations",
    "networks",
    "bind_mounts",
    "pod_options",
    "status",
    "config",
    "spec",
    "pod_dump",
    "status_dump",
];

#[test]
fn a_checkpoint_without_documents_is_all_null() {
    let expected = r#"{
  "engine": "unknown",
  "id": null,
  "name": null,
  "container_name": null,
  "runtime": null,
  "image": {
    "name": null,
    "ref": null
  },
  "times": {
    "created": null,
    "checkpointed": null,
    "restored": null
  },
  "pod": {
    "id": null,
    "name": null,
    "namespace": null
  },
  "annotations": null,
  "networks": null,
  "bind_mounts": null,
  "pod_options": null,
  "status": null,
  "config": null,
  "spec": null,
  "pod_dump": null,
  "status_dump": null,
  "errors": {}
}"#;
    assert_eq!(Metadata::default().to_json(), expected);
}

#[test]
fn all_that_a_checkpoint_says_is_there() {
    let crio = parsed(&recorded("crio"));
    assert_eq!(crio["engine"], "cri-o");
    assert_eq!(crio["container_name"], "counter");
    assert_eq!(crio["runtime"], "crun");
    assert_eq!(crio["image"]["name"], "registry.example/counter:1.0");
    assert_eq!(crio["times"]["checkpointed"], "2026-05-11T09:18:07.5+02:00");
    assert_eq!(crio["times"]["restored"], Value::Null);
    assert_eq!(crio["pod"]["name"], "counters");
    assert_eq!(crio["pod"]["namespace"], "default");
    assert_eq!(crio["annotations"]["io.container.manager"], "cri-o");
    let expected = json!({
        "source": crio["bind_mounts"][2]["source"],
        "destination": "/run/secrets/kubernetes.io/serviceaccount",
        "file_type": "directory",
        "permissions": 511,
    });
    assert_eq!(crio["bind_mounts"][2], expected);
    assert_eq!(crio["networks"], Value::Null);

    let containerd = parsed(&recorded("containerd"));
    let expected = json!({
        "created_at": 1_778_490_487_123_456_789_i64,
        "started_at": 1_778_490_487_223_456_789_i64,
        "finished_at": 0, "exit_code": 0, "pid": 4711, "reason": "", "message": "",
    });
    assert_eq!(containerd["status"], expected);
    assert_eq!(containerd["status_dump"]["metadata"]["name"], "counter");

    let podman = parsed(&recorded("podman"));
    let expected = json!({
        "podman": {"interfaces": {"eth0": {
            "subnets": [
                {"ipnet": "10.88.0.9/16", "gateway": "10.88.0.1"},
                {"ipnet": "fd00::9/64", "gateway": "fd00::1"},
            ],
            "mac_address": "f2:99:8d:fb:5a:57",
        }}},
        "side": {"interfaces": {"eth1": {
            "subnets": [{"ipnet": "10.89.1.2/24", "gateway": ""}],
            "mac_address": "5e:b7:fe:ee:e0:d8",
        }}},
    });
    assert_eq!(podman["networks"], expected);
    assert_eq!(
        podman["pod_options"]["containers"]["infra"],
        "9a8b7c6d5e4f-infra"
    );
}

#[test]
fn whole_documents_are_there_and_indented() {
    for directory in ["crio", "containerd"] {
        let metadata = recorded(directory);
        let text = metadata.to_json();
        assert_eq!(keys(&text), [&KEYS[..], &["errors"]].concat());
        for (key, member) in [("config", "config.dump"), ("spec", "spec.dump")] {
            let original = data(&format!("metadata/{directory}/{member}"));
            let expected: Value = serde_json::from_slice(&original).unwrap();
            assert_eq!(parsed(&metadata)[key], expected);
        }
        assert!(
            text.contains("\n  \"config\": {\n    \"id\": \"4f1c8f6f"),
            "{text}"
        );
        assert!(
            text.contains("\n    \"process\": {\n      \"user\": {\n        \"uid\": 0,\n"),
            "{text}"
        );
        assert!(
            text.contains("\n      {\n        \"destination\": \"/proc\",\n"),
            "{text}"
        );
    }
}

#[test]
fn a_document_is_copied_with_its_order_its_repetitions_and_its_numbers() {
    let config = br#"{"z":1.50,"a":[],"z":{},"b":[ ],"n":1e999,"id":"\u0041\/","deep":[[1,{"k":[{}]}],"],[\"{"]}"#;
    let text = metadata(&[(DocumentKind::Config, config)]).to_json();
    let expected = r#"  "config": {
    "z": 1.50,
    "a": [],
    "z": {},
    "b": [],
    "n": 1e999,
    "id": "\u0041\/",
    "deep": [
      [
        1,
        {
          "k": [
            {}
          ]
        }
      ],
      "],[\"{"
    ]
  },
"#;
    assert!(text.contains(expected), "{text}");
}

#[test]
fn a_document_that_indentation_would_blow_up_stands_on_one_line() {
    for depth in [200, 9_000] {
        let deep = format!("{}1{}", "[ ".repeat(depth), ", 2]".repeat(depth));
        let config = format!("{{\"id\":\"a\",\"x\":{deep}}}");
        let text = metadata(&[(DocumentKind::Config, config.as_bytes())]).to_json();
        assert!(text.len() < config.len() + 1_000, "{}", text.len());
        let on_one_line = config.replace(' ', "");
        let line = format!("  \"config\": {on_one_line},\n  \"spec\": null,\n");
        assert!(text.contains(&line), "{depth}");
    }
}

#[test]
fn what_a_terminal_would_obey_is_escaped() {
    let config = "{\"id\":\"\u{9b}2J\u{202e}é\u{1f600}\u{e0001}\u{7f}\",\"x\u{200b}\":\"\u{85}\"}";
    let metadata = metadata(&[(DocumentKind::Config, config.as_bytes())]);
    let text = metadata.to_json();
    let escaped = "\"\\u009b2J\\u202eé\u{1f600}\\udb40\\udc01\\u007f\"";
    assert!(
        text.contains(&format!("\n  \"id\": {escaped},\n")),
        "{text}"
    );
    assert!(
        text.contains(&format!(
            "\n    \"id\": {escaped},\n    \"x\\u200b\": \"\\u0085\"\n"
        )),
        "{text}"
    );
    let parsed = parsed(&metadata);
    assert_eq!(parsed["id"], "\u{9b}2J\u{202e}é\u{1f600}\u{e0001}\u{7f}");
    assert_eq!(parsed["config"]["x\u{200b}"], "\u{85}");
}

#[test]
fn documents_that_are_not_as_they_should_be_are_told() {
    let metadata = metadata(&[
        (
            DocumentKind::Config,
            b"{\"name\":\"\xff\",\"x\":\"\\ud800\"}",
        ),
        (DocumentKind::NetworkStatus, b"[]"),
        (DocumentKind::Status, b"{"),
        (DocumentKind::PodDump, b"a\xff\"\x1b"),
        (DocumentKind::StatusDump, b" 5 "),
    ]);
    let parsed = parsed(&metadata);
    assert_eq!(parsed["name"], "\u{fffd}");
    assert_eq!(parsed["config"]["name"], "\u{fffd}");
    assert_eq!(parsed["config"]["x"], "\u{fffd}");
    assert_eq!(parsed["networks"], Value::Null);
    assert_eq!(parsed["pod_dump"], "a\u{fffd}\"\u{1b}");
    assert_eq!(parsed["status_dump"], 5);
    let expected = json!({
        "network.status": "entry \"network.status\": not a JSON object (line 1, column 1)",
        "status": "entry \"status\": the JSON text ends early (line 1, column 1)",
    });
    assert_eq!(parsed["errors"], expected);
}
