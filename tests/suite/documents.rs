//! What hostile documents of a checkpoint cost: memory in proportion to their bytes.

use std::fs;

use crutils::checkpoint::{ContainerConfig, NetworkStatus, Spec};

use crate::support::api::Rust;
use crate::support::process::{Test, Within};

/// How long the documents are here. Four times as much is the most that is read, but that takes long.
const SIZE: usize = 4 << 20;

/// The most memory that this process ever had, in bytes.
fn peak() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kib = line.unwrap().split_whitespace().nth(1).unwrap();
    kib.parse::<usize>().unwrap() << 10
}

/// Runs `read`, which must not take more memory than `most`.
fn at_most(most: usize, read: impl FnOnce()) {
    let before = peak();
    read();
    let taken = peak() - before;
    assert!(taken <= most, "{} MiB", taken >> 20);
}

/// A document: `start`, `piece` as often as it fits, `end`.
fn filled(start: &[u8], piece: &[u8], end: &[u8]) -> Vec<u8> {
    let count = (SIZE - start.len() - end.len()) / piece.len();
    [start, &piece.repeat(count), end].concat()
}

mod a_document_takes_no_more_than_a_multiple_of_its_bytes {
    use super::*;

    #[test]
    fn rust() {
        Test::run(module_path!(), "rust", &Rust, |t| {
            t.within(Within::Process, || {
                // Of this, one time is the document here, and one what it was put together from.
                at_most(7 * SIZE, || {
                    let cases: [(&[u8], &[u8], &[u8]); 6] = [
                        (b"{\"a\":\"", b"\xff", b"\"}"),
                        (b"{\"a\":\"", b"\\ud800", b"\"}"),
                        (b"{\"a\":\"", b"\xff\\ud800", b"\"}"),
                        (b"{", b"\"a\":0,", b"\"a\":0}"),
                        (b"{", b"\"id\":\"\",", b"\"a\":0}"),
                        (b"{\"x\":[", b"[],", b"[]]}"),
                    ];
                    for (start, piece, end) in cases {
                        let json = filled(start, piece, end);
                        let config = ContainerConfig::parse(&json).unwrap();
                        assert_eq!(config.original().len(), json.len());
                        assert!(config.unknown().count() > 0);
                    }
                });
            });
        });
    }
}

mod many_entries_are_refused_before_they_take_much {
    use super::*;

    #[test]
    fn rust() {
        Test::run(module_path!(), "rust", &Rust, |t| {
            t.within(Within::Process, || {
                at_most(40 << 20, || {
                    let refused: [(&[u8], &[u8], &[u8]); 3] = [
                        (b"{\"process\":{\"args\":[", b"\"\",", b"\"\"]}}"),
                        (b"{\"mounts\":[", b"{},", b"{}]}"),
                        (b"{\"annotations\":{", b"\"\":\"\",", b"\"\":\"\"}}"),
                    ];
                    for (start, piece, end) in refused {
                        let error = Spec::parse(&filled(start, piece, end)).unwrap_err();
                        assert_eq!(error.errno(), libc::E2BIG);
                    }
                    // What takes the most for its bytes: maps of one entry each.
                    let network = |n| format!("\"{n}\":{{\"interfaces\":{{\"\":{{}}}}}}");
                    let networks: Vec<_> = (0..15_625).map(network).collect();
                    let json = format!("{{{}}}", networks.join(","));
                    let status = NetworkStatus::parse(json.as_bytes()).unwrap();
                    assert_eq!(status.networks.len(), networks.len());
                });
            });
        });
    }
}
