//! Damaged documents: whatever stands in one, reading it ends, doesn't panic, and is true to what a plain reader sees.

#![forbid(unsafe_code)]

use serde_json::Value;

use super::super::json::{Document, Writer};
use super::data;
use crate::checkpoint::{
    BindMounts, ContainerConfig, ContainerdStatus, DocumentKind, MemberClass, Metadata,
    NetworkStatus, PodOptions, Spec,
};
use crate::error::Kind;
use crate::fs::testing::Random;

/// How many damaged documents one test reads, and the seed of the first.
const ROUNDS: u64 = 4_000;

/// What is put into a document: tokens, keys that types know, and bytes that are no text.
const PIECES: [&[u8]; 28] = [
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\"",
    b"\\",
    b"null",
    b"true",
    b"-0",
    b"1e9",
    b"{}",
    b"[]",
    b"\xff",
    b"\\ud800",
    b"\\udc00",
    b"\\u00",
    b"\"runtime\":",
    b"\"PROCESS\":",
    b"\"mounts\":[{\"options\":[",
    b"\"interfaces\":{",
    b"\"annotations\":{\"a\":",
    b"\"Pid\":4294967296,",
    b"\xef\xbb\xbf",
    b"\0",
    b"\n",
    b"\"\xe2\x80\xae\"",
];

fn damage(document: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(4) {
        let at = random.below(document.len() + 1);
        let end = (at + random.below(12)).min(document.len());
        match random.below(6) {
            0 => document.truncate(at),
            1 => drop(document.drain(at..end)),
            2 => {
                if let Some(byte) = document.get_mut(at) {
                    *byte = random.next().to_le_bytes()[0];
                }
            }
            3 => {
                // A part of it once more, somewhere else: repeated keys.
                let from = random.below(document.len() + 1);
                let part = document[from..(from + random.below(200)).min(document.len())].to_vec();
                document.splice(at..at, part);
            }
            _ => {
                let piece = PIECES[random.below(PIECES.len())];
                document.splice(at..end, piece.iter().copied());
            }
        }
    }
}

fn documents() -> Vec<Vec<u8>> {
    [
        "metadata/crio/config.dump",
        "metadata/crio/spec.dump",
        "metadata/crio/bind.mounts",
        "metadata/containerd/config.dump",
        "metadata/containerd/spec.dump",
        "metadata/containerd/status",
        "metadata/podman/network.status",
        "metadata/podman/pod.options",
    ]
    .map(data)
    .to_vec()
}

/// Reads `json` as everything that it may be.
fn read_as_everything(json: &[u8]) {
    let mut metadata = Metadata::default();
    for kind in DocumentKind::ALL {
        let inserted = metadata.insert(kind, json.to_vec());
        match kind {
            DocumentKind::Config | DocumentKind::Spec => {
                let error = inserted.err().map(|error| error.kind());
                assert!(matches!(error, None | Some(Kind::Malformed)));
                let is_there = metadata.document(kind).is_some();
                assert_eq!(is_there, error.is_none());
            }
            _ => assert!(inserted.is_ok()),
        }
        if let Some(kept) = metadata.document(kind) {
            assert_eq!(kept, json);
        }
    }
    let _ = metadata.validated_runtime_name();
    for text in [metadata.id(), metadata.pod_name(), metadata.created_time()] {
        assert_ne!(text, Some(""));
    }
    let text = metadata.to_json();
    assert!(text.len() <= 64 * json.len() + (64 << 10), "{}", text.len());
    let parsed = serde_json::from_str::<Value>(&text);
    // Some numbers are JSON, but nothing that this parser can hold.
    assert!(
        parsed.is_ok()
            || parsed.is_err_and(|error| error.is_data() || error.to_string().contains("number"))
    );
}

#[test]
fn damaged_documents_are_read_or_refused() {
    let documents = documents();
    for seed in 1..=ROUNDS {
        // Shown if the round fails.
        println!("seed {seed}");
        let mut random = Random::new(seed);
        let mut document = documents[random.below(documents.len())].clone();
        damage(&mut document, &mut random);
        read_as_everything(&document);
        let _ = (MemberClass::of(&document), DocumentKind::of(&document));
    }
}

#[test]
fn what_is_taken_for_json_is_what_a_plain_parser_takes_for_it() {
    let documents = documents();
    let mut taken = 0;
    for seed in 1..=ROUNDS {
        println!("seed {seed}");
        let mut random = Random::new(seed);
        let mut bytes = documents[random.below(documents.len())].clone();
        damage(&mut bytes, &mut random);
        // The plain parser repairs nothing.
        let Ok(text) = String::from_utf8(bytes.clone()) else {
            continue;
        };
        let plain = serde_json::from_str::<Value>(&text);
        let Ok(document) = Document::new(bytes) else {
            assert!(plain.is_err(), "{text}");
            continue;
        };
        let Ok(plain) = plain else {
            continue;
        };
        taken += 1;
        assert_eq!(document.root().raw(), text.trim(), "{text}");
        let mut writer = Writer::default();
        writer.copy(document.root());
        assert_eq!(
            serde_json::from_str::<Value>(&writer.finish()).unwrap(),
            plain
        );
        assert_eq!(rebuilt(document.root()), plain);
    }
    assert!(taken > ROUNDS / 50, "{taken}");
}

/// A value as the plain parser would have it, from this reader's pieces.
fn rebuilt(value: super::super::json::Value<'_>) -> Value {
    use super::super::json::Shape;
    match value.shape() {
        Shape::Object => value
            .members()
            .map(|(key, value)| (key.string().unwrap().into_owned(), rebuilt(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        Shape::List => value.elements().map(rebuilt).collect(),
        Shape::Text => value.string().unwrap().into_owned().into(),
        Shape::Null | Shape::Boolean | Shape::Number => serde_json::from_str(value.raw()).unwrap(),
    }
}

#[test]
fn texts_of_brackets_and_quotes_end_nothing_early() {
    for seed in 1..=ROUNDS {
        println!("seed {seed}");
        let mut random = Random::new(seed);
        let mut bytes = Vec::new();
        for _ in 0..random.below(40) {
            bytes.extend_from_slice(PIECES[random.below(PIECES.len())]);
        }
        let _ = ContainerConfig::parse(&bytes);
        let _ = Spec::parse(&bytes);
        let _ = NetworkStatus::parse(&bytes);
        let _ = BindMounts::parse(&bytes);
        let _ = PodOptions::parse(&bytes);
        let _ = ContainerdStatus::parse(&bytes);
        read_as_everything(&bytes);
    }
}
