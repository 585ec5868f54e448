//! Whether checkpoints can be restored here, as an inspection tells it.

use crutils::checkpoint::inspect::{Finding, Host, Severity};
use crutils::checkpoint::{InspectOptions, Inspection};
use crutils::watch::Watch;

use crate::inspect::inspect;
use crate::support::stage::archives;

fn findings(name: &str, host: &Host) -> Vec<Finding> {
    inspect(&archives().join(name)).findings(host)
}

/// A host that can restore what was made in tests/data.
fn good() -> Host {
    let mut host = Host::new();
    host.architecture("x86_64")
        .criu(Some("Version: 3.17.1"))
        .runtime("runc", true);
    host
}

/// The words of all findings that block.
fn blocking(findings: &[Finding]) -> Vec<&'static str> {
    let blocks = findings
        .iter()
        .filter(|finding| finding.severity == Severity::Blocks);
    blocks.map(|finding| finding.code).collect()
}

#[test]
fn a_checkpoint_needs_its_mounts_from_outside_and_no_more() {
    let findings = findings("rich.tar.zst", &good());
    assert!(
        findings
            .iter()
            .all(|finding| finding.severity == Severity::Needs),
        "{findings:?}"
    );
    assert!(
        findings
            .iter()
            .all(|finding| finding.code == "external-mount"),
        "{findings:?}"
    );
    let subjects: Vec<_> = findings
        .iter()
        .map(|finding| finding.subject.as_ref().unwrap().to_string())
        .collect();
    let expected = [
        "/dev/null",
        "/dev/shm",
        "/etc/hostname",
        "/etc/hosts",
        "/run/.containerenv",
        "/vol",
    ];
    assert_eq!(subjects, expected);
    assert!(
        findings[0].reason.contains("3 times"),
        "{}",
        findings[0].reason
    );
}

#[test]
fn a_runtime_that_is_missing_is_told_from_one_that_cannot_restore() {
    let reason = |host: &Host| {
        let findings = findings("rich.tar.zst", host);
        assert_eq!(blocking(&findings), ["runtime"]);
        findings[0].reason.clone()
    };
    let [mut missing, mut cannot] = [good(), good()];
    let missing = reason(missing.no_runtime("runc"));
    assert!(missing.contains("isn't installed"), "{missing}");
    let cannot = reason(cannot.runtime("runc", false));
    assert!(cannot.contains("can't restore"), "{cannot}");
}

#[test]
fn another_host_is_told_what_it_lacks() {
    let mut host = Host::new();
    host.architecture("aarch64")
        .criu(None)
        .runtime("runc", false);
    let findings = findings("rich.tar.zst", &host);
    assert_eq!(blocking(&findings), ["architecture", "no-criu", "runtime"]);
    assert!(findings[0].reason.contains("x86_64") && findings[0].reason.contains("aarch64"));
    // The worst come first.
    assert!(findings.is_sorted_by_key(|finding| finding.severity));
}

#[test]
fn memory_in_a_previous_checkpoint_has_to_be_there() {
    let with = archives().join("plain.withprev.tar.zst");
    let findings = inspect(&with).findings(&good());
    assert_eq!(blocking(&findings), ["parent"]);
    let finding = &findings[0];
    assert_eq!(finding.subject.as_ref().unwrap(), &"../pre-checkpoint");
    let mut options = InspectOptions::new();
    options
        .parent(&archives().join("plain.pre.tar.zst"))
        .unwrap();
    let both = Inspection::open(&with, &options, &Watch::new()).unwrap();
    assert!(blocking(&both.findings(&good())).is_empty());
    // Any other checkpoint isn't the one.
    let mut options = InspectOptions::new();
    options.parent(&archives().join("rich.tar.zst")).unwrap();
    let wrong = Inspection::open(&with, &options, &Watch::new()).unwrap();
    assert_eq!(blocking(&wrong.findings(&good())), ["parent"]);
}

#[test]
fn a_pre_checkpoint_is_not_restored() {
    let findings = findings("plain.pre.tar.zst", &good());
    assert_eq!(blocking(&findings), ["pre-checkpoint"]);
}

#[test]
fn what_is_no_checkpoint_is_not_restored() {
    let findings = findings("rich.lower.tar.zst", &good());
    assert_eq!(blocking(&findings), ["no-inventory"]);
}
