//! Whether checkpoints can be restored here, as an inspection tells it.

use crate::support::door::Door;
use crate::support::inspection::Asked;
use crate::support::process::Test;
use crate::support::stage::archives;

/// Severity, code, subject and reason.
type Finding = (u32, String, Option<String>, String);

const BLOCKS: u32 = 1;
const NEEDS: u32 = 2;

/// A host that can restore what was made in tests/data.
const GOOD: Asked<'_> = Asked {
    host: Some(("x86_64", Some("Version: 3.17.1"), "runc", Some(true))),
    ..Asked::NOTHING
};

fn findings(door: &dyn Door, name: &str, asked: &Asked<'_>) -> Vec<Finding> {
    let looked = door.look((&archives().join(name)).into(), asked);
    looked.unwrap().findings
}

/// The words of all findings that block.
fn blocking(findings: &[Finding]) -> Vec<&str> {
    let blocks = findings.iter().filter(|finding| finding.0 == BLOCKS);
    blocks.map(|finding| finding.1.as_str()).collect()
}

door_tests! {
    a_checkpoint_needs_its_mounts_from_outside_and_no_more,
    a_runtime_that_is_missing_is_told_from_one_that_cannot_restore,
    another_host_is_told_what_it_lacks,
    memory_in_a_previous_checkpoint_has_to_be_there,
    a_pre_checkpoint_is_not_restored,
    what_is_no_checkpoint_is_not_restored
}

fn a_checkpoint_needs_its_mounts_from_outside_and_no_more(_: &Test, door: &'static dyn Door) {
    let findings = findings(door, "rich.tar.zst", &GOOD);
    for (severity, code, ..) in &findings {
        assert_eq!((*severity, code.as_str()), (NEEDS, "external-mount"));
    }
    let subjects = findings.iter().map(|finding| finding.2.as_deref().unwrap());
    let expected = [
        "/dev/null",
        "/dev/shm",
        "/etc/hostname",
        "/etc/hosts",
        "/run/.containerenv",
        "/vol",
    ];
    assert_eq!(subjects.collect::<Vec<_>>(), expected);
    assert!(findings[0].3.contains("3 times"), "{}", findings[0].3);
}

fn a_runtime_that_is_missing_is_told_from_one_that_cannot_restore(
    _: &Test,
    door: &'static dyn Door,
) {
    for (can, word) in [(None, "isn't installed"), (Some(false), "can't restore")] {
        let host = Asked {
            host: Some(("x86_64", Some("Version: 3.17.1"), "runc", can)),
            ..Asked::NOTHING
        };
        let findings = findings(door, "rich.tar.zst", &host);
        assert_eq!(blocking(&findings), ["runtime"]);
        assert!(findings[0].3.contains(word), "{}", findings[0].3);
    }
}

fn another_host_is_told_what_it_lacks(_: &Test, door: &'static dyn Door) {
    let other = Asked {
        host: Some(("aarch64", None, "runc", Some(false))),
        ..Asked::NOTHING
    };
    let findings = findings(door, "rich.tar.zst", &other);
    assert_eq!(blocking(&findings), ["architecture", "no-criu", "runtime"]);
    assert!(findings[0].3.contains("x86_64") && findings[0].3.contains("aarch64"));
    // The worst come first.
    assert!(findings.is_sorted_by_key(|finding| finding.0));
}

fn memory_in_a_previous_checkpoint_has_to_be_there(_: &Test, door: &'static dyn Door) {
    let name = "plain.withprev.tar.zst";
    let alone = findings(door, name, &GOOD);
    assert_eq!(blocking(&alone), ["parent"]);
    assert_eq!(alone[0].2.as_deref(), Some("../pre-checkpoint"));
    // Any other checkpoint isn't the one.
    for (previous, expected) in [
        ("plain.pre.tar.zst", &[][..]),
        ("rich.tar.zst", &["parent"]),
    ] {
        let previous = archives().join(previous);
        let asked = Asked {
            parent: Some(&previous),
            ..GOOD
        };
        let both = findings(door, name, &asked);
        assert_eq!(blocking(&both), expected);
    }
}

fn a_pre_checkpoint_is_not_restored(_: &Test, door: &'static dyn Door) {
    let findings = findings(door, "plain.pre.tar.zst", &GOOD);
    assert_eq!(blocking(&findings), ["pre-checkpoint"]);
}

fn what_is_no_checkpoint_is_not_restored(_: &Test, door: &'static dyn Door) {
    let findings = findings(door, "rich.lower.tar.zst", &GOOD);
    assert_eq!(blocking(&findings), ["no-inventory"]);
}
