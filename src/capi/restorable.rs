//! Whether a checkpoint can be restored: a host, and what a restore there depends on.

use std::ffi::CString;
use std::ptr;

use super::argument::{New, ObjectMut, OptionalText, Owned, Text, truth};
use super::guard::{self, Slot, Status};
use super::string::until_nul;
use crate::checkpoint::inspect::{Finding, Host, Severity};
use crate::error::{Error, Result};

/// The restore fails.
pub const CR_SEVERITY_BLOCKS: u32 = 1;
/// The restore fails unless it is given what is named.
pub const CR_SEVERITY_NEEDS: u32 = 2;
/// It is good to know.
pub const CR_SEVERITY_NOTE: u32 = 3;

/// A host on which a checkpoint may be restored, as far as it is known.
#[derive(Debug, Default)]
pub struct CRHost(pub(super) Host);

impl CRHost {
    fn set_architecture(&mut self, architecture: &str) -> Result<()> {
        if architecture.is_empty() {
            return Err(Error::argument("architecture", "is empty"));
        }
        self.0.architecture(architecture);
        Ok(())
    }
}

/// Something that a restore depends on. Later versions may add fields at the end.
#[repr(C)]
#[derive(Debug)]
pub struct CRFinding {
    /// One of CR_SEVERITY_*. Later versions may have more.
    pub severity: u32,
    /// 0.
    pub flags: u32,
    /// What it is, in a word for programs, such as "external-mount". docs/inspect.md lists them; later versions may have
    /// more.
    pub code: Text,
    /// What it is about: a member, a mount, an address; or NULL. Any bytes.
    pub subject: OptionalText,
    /// What it is, in a sentence for people, without the subject.
    pub reason: Text,
}

/// Findings as C borrows them.
pub(super) struct Findings {
    _texts: Vec<(CString, Option<CString>, CString)>,
    _findings: Box<[CRFinding]>,
    pointers: Vec<*const CRFinding>,
}

impl Findings {
    pub(super) fn of(findings: &[Finding]) -> Self {
        let text = |text: &str| until_nul(text.replace('\0', "\\0").as_bytes());
        let texts = |finding: &Finding| {
            let subject = finding.subject.as_ref();
            let subject = subject.map(|subject| until_nul(subject.as_bytes()));
            (text(finding.code), subject, text(&finding.reason))
        };
        let texts: Vec<_> = findings.iter().map(texts).collect();
        let finding =
            |(finding, texts): (&Finding, &(CString, Option<CString>, CString))| CRFinding {
                severity: match finding.severity {
                    Severity::Blocks => CR_SEVERITY_BLOCKS,
                    Severity::Needs => CR_SEVERITY_NEEDS,
                    Severity::Note => CR_SEVERITY_NOTE,
                },
                flags: 0,
                code: Text::lent(&texts.0),
                subject: OptionalText::lent(texts.1.as_deref()),
                reason: Text::lent(&texts.2),
            };
        let findings: Box<[CRFinding]> = findings.iter().zip(&texts).map(finding).collect();
        Findings {
            pointers: findings.iter().map(ptr::from_ref).collect(),
            _texts: texts,
            _findings: findings,
        }
    }

    /// An array of pointers, which is never NULL, and its length.
    pub(super) fn array(&self) -> (*const *const CRFinding, usize) {
        (self.pointers.as_ptr(), self.pointers.len())
    }
}

/// Makes this host, of which nothing is known but its architecture. The caller frees it with CRHostFree.
#[unsafe(no_mangle)]
pub extern "C" fn CRHostNew() -> New<CRHost> {
    guard::value(New::none(), || Ok(New::of(CRHost::default())))
}

/// Frees a host. Findings that were made with it are not affected.
#[unsafe(no_mangle)]
pub extern "C" fn CRHostFree(host: Owned<CRHost>) {
    guard::run(|| host.free());
}

/// Sets the architecture of a host, if it isn't this one's.
///
/// @param architecture The name that uname(1) has for it, such as "x86_64" or "aarch64".
///
/// Errors:
/// - EINVAL: the architecture is empty, or not UTF-8.
#[unsafe(no_mangle)]
pub extern "C" fn CRHostArchitecture(
    mut host: ObjectMut<CRHost>,
    architecture: Text,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let host = host.get("host")?;
        host.set_architecture(architecture.str("architecture")?)
    })
}

/// Sets what `criu --version` says on a host. This library doesn't start it.
///
/// @param version The text, such as "Version: 3.17.1"; NULL if there is no CRIU.
///
/// Errors:
/// - EINVAL: the text is not UTF-8.
#[unsafe(no_mangle)]
pub extern "C" fn CRHostCriu(
    mut host: ObjectMut<CRHost>,
    version: OptionalText,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let host = host.get("host")?;
        let version = version.str("version")?;
        host.0.criu(version);
        Ok(())
    })
}

/// Sets whether an OCI runtime can restore, as CRRuntimeSupportsCheckpointRestore tells it. It is installed; of one that
/// isn't, CRHostNoRuntime tells.
///
/// @param runtime The runtime's name, as CR_TEXT_RUNTIME_NAME has it.
/// @param value 1 if it can, otherwise 0.
///
/// Errors:
/// - EINVAL: the name is not UTF-8, or the value neither 0 nor 1.
#[unsafe(no_mangle)]
pub extern "C" fn CRHostRuntime(
    mut host: ObjectMut<CRHost>,
    runtime: Text,
    value: u64,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let host = host.get("host")?;
        let runtime = runtime.str("runtime")?;
        host.0.runtime(runtime, truth(value)?);
        Ok(())
    })
}

/// Sets that an OCI runtime isn't installed on a host.
///
/// @param runtime The runtime's name, as CR_TEXT_RUNTIME_NAME has it.
///
/// Errors:
/// - EINVAL: the name is not UTF-8.
#[unsafe(no_mangle)]
pub extern "C" fn CRHostNoRuntime(
    mut host: ObjectMut<CRHost>,
    runtime: Text,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let host = host.get("host")?;
        host.0.no_runtime(runtime.str("runtime")?);
        Ok(())
    })
}
