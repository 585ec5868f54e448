//! Whether a checkpoint can be restored on a host, and what the restore needs.

#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::memory::{Generation, Owner, missing};
use super::{Inspection, RawText};
use crate::checkpoint::names::INVENTORY;

/// A version of CRIU: major, minor and patch.
pub type CriuVersion = (u32, u32, u32);

/// The newest CRIU that can't read compressed pages.
const WITHOUT_COMPRESSION: (u32, u32) = (4, 2);
/// The first CRIU that writes down which plugins a restore needs.
const WITH_PLUGINS: (u32, u32) = (4, 1);

/// A host on which a checkpoint may be restored, as far as it is known.
#[derive(Clone, Debug)]
pub struct Host {
    architecture: String,
    criu: Option<Result<CriuVersion, ()>>,
    /// Nothing for one that isn't installed; otherwise whether it can restore.
    runtimes: BTreeMap<String, Option<bool>>,
}

/// How much a [`Finding`] is in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Severity {
    /// The restore fails.
    Blocks,
    /// The restore fails unless it is given what is named.
    Needs,
    /// It is good to know.
    Note,
}

/// Something that a restore depends on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// How much it is in the way.
    pub severity: Severity,
    /// What it is, in a word for programs. More may follow.
    pub code: &'static str,
    /// What it is about: a member, a mount, an address.
    pub subject: Option<RawText>,
    /// What it is, in a sentence for people, without the subject.
    pub reason: String,
}

impl Default for Host {
    fn default() -> Self {
        Self::new()
    }
}

impl Host {
    /// This host, of which nothing is known but its architecture.
    #[must_use]
    pub fn new() -> Self {
        let architecture = match std::env::consts::ARCH {
            "arm" => "armv7l",
            "powerpc64" => "ppc64le",
            other => other,
        };
        Self {
            architecture: architecture.to_owned(),
            criu: None,
            runtimes: BTreeMap::new(),
        }
    }

    /// Another architecture, by the name that uname(1) has for it.
    pub fn architecture(&mut self, name: &str) -> &mut Self {
        name.clone_into(&mut self.architecture);
        self
    }

    /// What `criu --version` says; nothing if there is no CRIU.
    pub fn criu(&mut self, version: Option<&str>) -> &mut Self {
        self.criu = match version {
            None => Some(Err(())),
            Some(text) => parse_version(text).map(Ok),
        };
        self
    }

    /// The OCI runtime `name`, which is installed, and whether it can restore.
    pub fn runtime(&mut self, name: &str, can_restore: bool) -> &mut Self {
        self.runtimes.insert(name.to_owned(), Some(can_restore));
        self
    }

    /// The OCI runtime `name`, which isn't installed.
    pub fn no_runtime(&mut self, name: &str) -> &mut Self {
        self.runtimes.insert(name.to_owned(), None);
        self
    }

    fn is_at_most(&self, version: (u32, u32)) -> bool {
        matches!(self.criu, Some(Ok((major, minor, _))) if (major, minor) <= version)
    }
}

/// The version in `Version: 3.17.1`, with or without what is around it.
fn parse_version(text: &str) -> Option<CriuVersion> {
    let start = text.find(|c: char| c.is_ascii_digit())?;
    let number = text.get(start..)?;
    let end = number.find(|c: char| !c.is_ascii_digit() && c != '.');
    let mut parts = number.get(..end.unwrap_or(number.len()))?.split('.');
    let major = parts.next()?.parse().ok()?;
    let mut part = || match parts.next() {
        None | Some("") => Some(0),
        Some(digits) => digits.parse().ok(),
    };
    Some((major, part()?, part()?))
}

/// The findings so far.
struct Findings(Vec<Finding>);

impl Findings {
    fn add(
        &mut self,
        severity: Severity,
        code: &'static str,
        subject: impl Into<Option<RawText>>,
        reason: impl Into<String>,
    ) {
        self.0.push(Finding {
            severity,
            code,
            subject: subject.into(),
            reason: reason.into(),
        });
    }
}

impl Inspection {
    /// What a restore of this checkpoint on `host` depends on, the worst first. It can't be restored if a finding
    /// [blocks](Severity::Blocks). That there is none doesn't prove that it can: CRIU finds out for itself.
    #[must_use]
    pub fn findings(&self, host: &Host) -> Vec<Finding> {
        let mut findings = Findings(Vec::new());
        self.images(host, &mut findings);
        self.memory(&mut findings);
        self.software(host, &mut findings);
        self.labels(&mut findings);
        self.surroundings(&mut findings);
        self.connections(&mut findings);
        findings.0.sort_by_key(|finding| finding.severity);
        findings.0
    }

    fn images(&self, host: &Host, findings: &mut Findings) {
        use Severity::{Blocks, Note};
        let criu = self.criu();
        if criu.encrypted {
            let reason = "the images are encrypted: nothing of them could be looked at";
            findings.add(Note, "encrypted", None, reason);
        } else if criu.pre_checkpoint {
            let reason = "this is a pre-checkpoint, memory alone: the checkpoint that was made after it is restored";
            findings.add(Blocks, "pre-checkpoint", None, reason);
        } else if criu.image_version.is_none() {
            let reason = "is missing: there is no checkpoint of CRIU's, or not all of it";
            findings.add(Blocks, "no-inventory", RawText::from(INVENTORY), reason);
        } else if self.processes().is_empty() {
            let reason = "there are no processes in it";
            findings.add(Blocks, "no-processes", RawText::from("pstree.img"), reason);
        }
        if let Some(architecture) = criu.architecture
            && architecture != host.architecture
        {
            let own = &host.architecture;
            let reason = format!("it was made on {architecture}, and this is {own}");
            findings.add(Blocks, "architecture", None, reason);
        }
        for problem in self.problems() {
            let subject = problem.member.clone();
            findings.add(Blocks, "damaged", subject, problem.problem.as_str());
        }
        for model in &criu.cpus {
            let reason =
                "the features of the processor were recorded: CRIU compares them with this host's";
            findings.add(Note, "cpu", RawText::from(model.as_str()), reason);
        }
    }

    fn memory(&self, findings: &mut Findings) {
        use Severity::Blocks;
        let processes = self.processes().iter();
        let owners = processes.map(|process| Owner::Process(process.pid));
        let shared = self.shared_memory().iter();
        let owners = owners.chain(shared.map(|shared| Owner::Shared(shared.id)));
        let generations: &[Generation] = &self.generations;
        let bytes = owners.fold(0_u64, |sum, owner| {
            sum.saturating_add(missing(generations, owner))
        });
        if bytes > 0 {
            let subject = self.criu().parent.clone();
            let subject = subject.unwrap_or_else(|| "another checkpoint".into());
            let reason = format!(
                "is the previous checkpoint, which isn't there: {bytes} bytes of memory are in it"
            );
            findings.add(Blocks, "parent", subject, reason);
        }
        let lazy = self.processes().iter().map(|process| process.memory.lazy);
        let lazy: u64 = lazy.fold(0, u64::saturating_add);
        if lazy > 0 {
            let reason = format!("{lazy} bytes of memory went to a server for lazy pages");
            findings.add(Blocks, "lazy-pages", None, reason);
        }
    }

    fn software(&self, host: &Host, findings: &mut Findings) {
        use Severity::{Blocks, Needs};
        let criu = self.criu();
        if host.criu == Some(Err(())) {
            findings.add(Blocks, "no-criu", None, "CRIU isn't installed here");
        }
        if criu.compression != "none" || criu.image_version > Some(2) {
            let old = host.is_at_most(WITHOUT_COMPRESSION);
            let severity = if old { Blocks } else { Needs };
            let reason = "pages are compressed: CRIU has to be newer than 4.2";
            findings.add(severity, "compressed-pages", None, reason);
        }
        for plugin in &criu.plugins {
            let old = host.criu.is_some() && host.is_at_most((WITH_PLUGINS.0, 0));
            let severity = if old { Blocks } else { Needs };
            let reason = "this plugin of CRIU's has to be installed, for CRIU 4.1 or newer";
            findings.add(severity, "plugin", plugin.clone(), reason);
        }
        let runtime = self
            .metadata()
            .and_then(|metadata| metadata.validated_runtime_name().ok());
        if let Some(runtime) = runtime {
            let subject = RawText::from(runtime);
            let (severity, reason) = match host.runtimes.get(runtime) {
                Some(Some(true)) => return,
                Some(Some(false)) => (Blocks, "made the checkpoint, and can't restore here"),
                Some(None) => (Blocks, "made the checkpoint, and isn't installed here"),
                None => (Severity::Note, "made the checkpoint and has to restore it"),
            };
            findings.add(severity, "runtime", subject, reason);
        }
    }

    /// What a security module has to know.
    fn labels(&self, findings: &mut Findings) {
        let criu = self.criu();
        let lsm = criu.lsm.filter(|lsm| !matches!(*lsm, "none"));
        let profiles: BTreeSet<_> = self
            .processes()
            .iter()
            .filter_map(|process| process.credentials.as_ref()?.lsm_profile.clone())
            .filter(|profile| !profile.is_empty())
            .collect();
        for profile in profiles {
            let lsm = lsm.unwrap_or("the security module");
            let reason = format!("is what processes run as: {lsm} has to know it");
            findings.add(Severity::Needs, "lsm", profile, reason);
        }
    }

    fn surroundings(&self, findings: &mut Findings) {
        use Severity::{Needs, Note};
        // Of several mounts of one thing one line is enough.
        let mut external: BTreeMap<&RawText, usize> = BTreeMap::new();
        for mount in self.mounts() {
            if let Some(key) = &mount.external {
                *external.entry(key).or_default() += 1;
            }
        }
        for (key, count) in external {
            let reason = match count {
                1 => "is mounted from outside: the bundle has to offer it".to_owned(),
                count => {
                    format!("is mounted from outside, {count} times: the bundle has to offer it")
                }
            };
            findings.add(Needs, "external-mount", key.clone(), reason);
        }
        for namespace in self.external_namespaces() {
            let reason = format!(
                "is a {} namespace from outside: it has to be given",
                namespace.kind
            );
            findings.add(Needs, "external-namespace", namespace.key.clone(), reason);
        }
        for process in self.processes() {
            for descriptor in &process.descriptors {
                let at = format!("process {}, descriptor {}", process.pid, descriptor.fd);
                let (code, reason) = match descriptor.kind {
                    "tty" => ("terminal", "is a terminal: the restore has to be given one"),
                    "external" => ("external-file", "is a device that a plugin has to restore"),
                    _ => continue,
                };
                findings.add(Needs, code, RawText::from(at.as_str()), reason);
            }
        }
        for ghost in self.ghost_files() {
            let reason = format!(
                "is open though its name is gone; {} bytes of it are in the checkpoint",
                ghost.stored
            );
            findings.add(Note, "deleted-file", ghost.path.clone(), reason);
        }
    }

    fn connections(&self, findings: &mut Findings) {
        use Severity::{Needs, Note};
        let inodes: BTreeSet<_> = self.sockets().iter().map(|socket| socket.inode).collect();
        for socket in self.sockets() {
            let open = matches!(
                socket.state,
                "established" | "close-wait" | "fin-wait-1" | "fin-wait-2"
            );
            if socket.protocol == "tcp" && open {
                let subject = RawText::from(socket.ends().as_str());
                let (severity, reason) = if self.criu().tcp_close {
                    (Note, "is a TCP connection that the checkpoint has closed")
                } else {
                    (
                        Needs,
                        "is a TCP connection: it needs --tcp-established and the same addresses, or it is closed",
                    )
                };
                findings.add(severity, "tcp-connection", subject, reason);
            }
            if socket.family == "unix" && socket.peer.is_some_and(|peer| !inodes.contains(&peer)) {
                let holder = socket.holders.first();
                let at = holder
                    .map(|holder| format!("process {}, descriptor {}", holder.pid, holder.fd));
                let subject = at.map(|at| RawText::from(at.as_str()));
                let reason =
                    "is a unix socket that is connected to the outside: it needs --ext-unix-sk";
                findings.add(Needs, "external-socket", subject, reason);
            }
        }
    }
}

impl super::Socket {
    /// Its addresses as people write them: `10.0.0.1:80 -> 10.0.0.2:4711`.
    #[must_use]
    pub fn ends(&self) -> String {
        let end = |address: &Option<String>, port: Option<u32>| {
            let address = address.as_deref().unwrap_or("*");
            let port = port.map_or_else(|| "*".to_owned(), |port| port.to_string());
            match self.family.as_str() {
                "ipv6" => format!("[{address}]:{port}"),
                _ => format!("{address}:{port}"),
            }
        };
        let source = end(&self.source, self.source_port);
        match self.destination_port {
            None => source,
            Some(port) => format!("{source} -> {}", end(&self.destination, Some(port))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_out_of_what_criu_says() {
        assert_eq!(parse_version("Version: 3.17.1\n"), Some((3, 17, 1)));
        assert_eq!(
            parse_version("Version: 4.2\nGitID: v4.2-17"),
            Some((4, 2, 0))
        );
        assert_eq!(parse_version("4"), Some((4, 0, 0)));
        assert_eq!(parse_version("Version: 4.\n"), Some((4, 0, 0)));
        assert_eq!(parse_version("no version"), None);
        assert_eq!(parse_version("99999999999.1"), None);
    }
}
