//! Inspections through both doors. Numbers are those of the C ABI.

#![allow(
    clippy::multiple_unsafe_ops_per_block,
    reason = "one argument holds for all of them"
)]
#![allow(
    clippy::type_complexity,
    clippy::too_many_lines,
    reason = "each is read in one place"
)]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::Path;
use std::ptr;

use crutils::checkpoint::inspect::{Host, Severity, TaskState};
use crutils::checkpoint::{Import, InspectOptions, Inspection};
use crutils::watch::Watch;
use libc::AT_FDCWD;

use super::api::{C, Outcome, Rust};
use super::door::{Place, host};
use super::door_c::{Error, Opaque, Owned, call, pair};
use super::os::c_path;

/// What an inspection is asked for.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    pub parent: Option<&'a Path>,
    pub text: bool,
    /// Memory of a process from an address on, so many bytes.
    pub memory: Option<(u32, u64, usize)>,
    /// What a host is: architecture, what CRIU says, a runtime and, if it is installed, whether it can
    /// restore.
    pub host: Option<(&'a str, Option<&'a str>, &'a str, Option<bool>)>,
}

impl Asked<'_> {
    pub const NOTHING: Self = Asked {
        parent: None,
        text: true,
        memory: None,
        host: None,
    };
}

/// A process as an inspection lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub numbers: [u32; 6],
    pub comm: String,
    pub executable: Option<String>,
    pub arguments: Option<Vec<String>>,
    pub memory: [u64; 8],
}

/// What an inspection has told.
#[derive(Clone, Debug)]
pub struct Looked {
    pub json: serde_json::Value,
    pub processes: Vec<Listed>,
    pub memory: [u64; 8],
    /// Severity, code, subject and reason.
    pub findings: Vec<(u32, String, Option<String>, String)>,
    pub read: Option<Vec<u8>>,
}

fn rust_options(asked: &Asked<'_>) -> Outcome<InspectOptions> {
    let mut options = InspectOptions::new();
    options.text(asked.text);
    if let Some(parent) = asked.parent {
        options.parent(parent)?;
    }
    Ok(options)
}

/// A way to inspections.
pub trait Inspections {
    /// Inspects a checkpoint, with a previous one.
    fn look(&self, checkpoint: Place<'_>, asked: &Asked<'_>) -> Outcome<Looked>;
}

impl Inspections for Rust {
    fn look(&self, checkpoint: Place<'_>, asked: &Asked<'_>) -> Outcome<Looked> {
        let inspection = Inspection::open(host(checkpoint), &rust_options(asked)?, &Watch::new());
        rust_looked(inspection?, asked)
    }
}

pub fn rust_inspect(import: &mut Import) -> Outcome<Looked> {
    rust_looked(import.inspect(&InspectOptions::new())?, &Asked::NOTHING)
}

fn numbers(memory: crutils::checkpoint::inspect::MemoryUse) -> [u64; 8] {
    [
        memory.mapped,
        memory.private,
        memory.shared,
        memory.present,
        memory.parent,
        memory.lazy,
        memory.stored,
        memory.compressed,
    ]
}

fn rust_looked(mut inspection: Inspection, asked: &Asked<'_>) -> Outcome<Looked> {
    let mut host = Host::new();
    if let Some((architecture, criu, runtime, can)) = asked.host {
        host.architecture(architecture).criu(criu);
        match can {
            Some(can) => host.runtime(runtime, can),
            None => host.no_runtime(runtime),
        };
    }
    let states = [
        TaskState::Unknown,
        TaskState::Alive,
        TaskState::Stopped,
        TaskState::Zombie,
        TaskState::Dead,
    ];
    let severities = [Severity::Blocks, Severity::Needs, Severity::Note];
    let listed = inspection.processes().iter().map(|process| Listed {
        numbers: [
            process.pid,
            process.ppid,
            process.pgid,
            process.sid,
            states
                .iter()
                .position(|state| *state == process.state)
                .unwrap() as u32,
            process.threads.len() as u32,
        ],
        comm: process.comm.to_string_lossy().into(),
        executable: process
            .executable
            .as_ref()
            .map(|one| one.to_string_lossy().into()),
        arguments: process
            .arguments
            .as_ref()
            .map(|all| all.iter().map(|one| one.to_string_lossy().into()).collect()),
        memory: numbers(process.memory),
    });
    let findings = inspection.findings(&host).into_iter().map(|finding| {
        let severity = severities
            .iter()
            .position(|one| *one == finding.severity)
            .unwrap();
        let subject = finding
            .subject
            .map(|subject| subject.to_string_lossy().into());
        (
            severity as u32 + 1,
            finding.code.to_owned(),
            subject,
            finding.reason,
        )
    });
    let (processes, findings) = (listed.collect(), findings.collect());
    let read = match asked.memory {
        Some((pid, address, len)) => {
            let mut buffer = vec![0; len];
            let read = inspection.read_memory(pid, address, &mut buffer)?;
            buffer.truncate(read);
            Some(buffer)
        }
        None => None,
    };
    Ok(Looked {
        json: serde_json::from_str(&inspection.to_json()?).unwrap(),
        memory: numbers(inspection.total_memory()),
        processes,
        findings,
        read,
    })
}

#[repr(C)]
struct CRProcess {
    numbers: [u32; 6],
    comm: *const c_char,
    executable: *const c_char,
    arguments: *const *const c_char,
    arguments_len: usize,
    memory: *const [u64; 8],
}

#[repr(C)]
struct CRFinding {
    severity: u32,
    flags: u32,
    code: *const c_char,
    subject: *const c_char,
    reason: *const c_char,
}

#[rustfmt::skip]
unsafe extern "C" {
    fn CRInspectOptionsNew() -> *mut Opaque;
    fn CRInspectOptionsFree(options: *mut Opaque);
    fn CRInspectOptionsSet(options: *mut Opaque, option: u32, value: u64, error: Error) -> c_int;
    fn CRInspectOptionsParent(options: *mut Opaque, at: c_int, parent: *const c_char, error: Error) -> c_int;
    fn CRInspectionOpen(at: c_int, checkpoint: *const c_char, options: *const Opaque, watch: *const Opaque, inspection: *mut *mut Opaque, error: Error) -> c_int;
    fn CRImportInspect(import: *mut Opaque, options: *const Opaque, inspection: *mut *mut Opaque, error: Error) -> c_int;
    fn CRInspectionFree(inspection: *mut Opaque);
    fn CRInspectionJson(inspection: *const Opaque, json: *mut *mut c_char, error: Error) -> c_int;
    fn CRInspectionProcesses(inspection: *const Opaque, processes: *mut *const *const CRProcess, len: *mut usize, error: Error) -> c_int;
    fn CRInspectionMemory(inspection: *const Opaque) -> *const [u64; 8];
    fn CRInspectionReadMemory(inspection: *mut Opaque, pid: u32, address: u64, buffer: *mut c_void, buffer_len: usize, read: *mut usize, error: Error) -> c_int;
    fn CRInspectionFindings(inspection: *mut Opaque, host: *const Opaque, findings: *mut *const *const CRFinding, len: *mut usize, error: Error) -> c_int;
    fn CRHostNew() -> *mut Opaque;
    fn CRHostFree(host: *mut Opaque);
    fn CRHostArchitecture(host: *mut Opaque, architecture: *const c_char, error: Error) -> c_int;
    fn CRHostCriu(host: *mut Opaque, version: *const c_char, error: Error) -> c_int;
    fn CRHostRuntime(host: *mut Opaque, runtime: *const c_char, value: u64, error: Error) -> c_int;
    fn CRHostNoRuntime(host: *mut Opaque, runtime: *const c_char, error: Error) -> c_int;
    fn CRStringFree(string: *mut c_char);
}

/// # Safety
///
/// `text` is NULL, or a string that ends in NUL and lives during the call.
unsafe fn text(text: *const c_char) -> Option<String> {
    // SAFETY: the caller guarantees it.
    let bytes = (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) });
    bytes.map(|bytes| bytes.to_string_lossy().into_owned())
}

impl Inspections for C {
    fn look(&self, checkpoint: Place<'_>, asked: &Asked<'_>) -> Outcome<Looked> {
        // SAFETY: all arguments live during the calls, and the objects are freed once.
        unsafe {
            let options = Owned(CRInspectOptionsNew(), CRInspectOptionsFree);
            call(|error| CRInspectOptionsSet(options.0, 1, asked.text.into(), error))?;
            if let Some(parent) = asked.parent {
                let parent = c_path(parent);
                call(|error| CRInspectOptionsParent(options.0, AT_FDCWD, parent.as_ptr(), error))?;
            }
            let (at, path) = pair(checkpoint);
            let mut inspection = ptr::null_mut();
            let out = &raw mut inspection;
            call(|error| CRInspectionOpen(at, path.as_ptr(), options.0, ptr::null(), out, error))?;
            c_looked(&Owned(inspection, CRInspectionFree), asked)
        }
    }
}

pub fn c_inspect(import: *mut Opaque) -> Outcome<Looked> {
    let mut inspection = ptr::null_mut();
    let out = &raw mut inspection;
    // SAFETY: as above.
    call(|error| unsafe { CRImportInspect(import, ptr::null(), out, error) })?;
    c_looked(&Owned(inspection, CRInspectionFree), &Asked::NOTHING)
}

fn c_looked(inspection: &Owned, asked: &Asked<'_>) -> Outcome<Looked> {
    let inspection = inspection.0;
    // SAFETY: as above; arrays have the lengths that come with them.
    unsafe {
        let mut json = ptr::null_mut();
        call(|error| CRInspectionJson(inspection, &raw mut json, error))?;
        let document = serde_json::from_str(CStr::from_ptr(json).to_str().unwrap()).unwrap();
        CRStringFree(json);
        let (mut array, mut len) = (ptr::null(), 0);
        call(|error| CRInspectionProcesses(inspection, &raw mut array, &raw mut len, error))?;
        let processes = std::slice::from_raw_parts(array, len)
            .iter()
            .map(|process| {
                let process = &**process;
                let arguments = (!process.arguments.is_null()).then(|| {
                    let all = std::slice::from_raw_parts(process.arguments, process.arguments_len);
                    all.iter().map(|one| text(*one).unwrap()).collect()
                });
                Listed {
                    numbers: process.numbers,
                    comm: text(process.comm).unwrap(),
                    executable: text(process.executable),
                    arguments,
                    memory: *process.memory,
                }
            });
        let processes = processes.collect();
        Ok(Looked {
            json: document,
            memory: *CRInspectionMemory(inspection),
            findings: c_findings(inspection, asked)?,
            read: c_memory(inspection, asked)?,
            processes,
        })
    }
}

fn c_findings(
    inspection: *mut Opaque,
    asked: &Asked<'_>,
) -> Outcome<Vec<(u32, String, Option<String>, String)>> {
    // SAFETY: as above.
    unsafe {
        let host = Owned(CRHostNew(), CRHostFree);
        if let Some((architecture, criu, runtime, can)) = asked.host {
            let [architecture, runtime] =
                [architecture, runtime].map(|one| CString::new(one).unwrap());
            let criu = criu.map(|criu| CString::new(criu).unwrap());
            let criu = criu.as_ref().map_or(ptr::null(), |criu| criu.as_ptr());
            call(|error| CRHostArchitecture(host.0, architecture.as_ptr(), error))?;
            call(|error| CRHostCriu(host.0, criu, error))?;
            let runtime = runtime.as_ptr();
            call(|error| match can {
                Some(can) => CRHostRuntime(host.0, runtime, can.into(), error),
                None => CRHostNoRuntime(host.0, runtime, error),
            })?;
        }
        let host = asked.host.map_or(ptr::null(), |_| host.0.cast_const());
        let (mut array, mut len) = (ptr::null(), 0);
        call(|error| CRInspectionFindings(inspection, host, &raw mut array, &raw mut len, error))?;
        let findings = std::slice::from_raw_parts(array, len)
            .iter()
            .map(|finding| {
                let finding = &**finding;
                let [code, reason] = [finding.code, finding.reason].map(|one| text(one).unwrap());
                (finding.severity, code, text(finding.subject), reason)
            });
        Ok(findings.collect())
    }
}

fn c_memory(inspection: *mut Opaque, asked: &Asked<'_>) -> Outcome<Option<Vec<u8>>> {
    let Some((pid, address, len)) = asked.memory else {
        return Ok(None);
    };
    let (mut buffer, mut read) = (vec![0_u8; len], 0);
    let (to, out) = (buffer.as_mut_ptr().cast(), &raw mut read);
    // SAFETY: as above.
    call(|error| unsafe { CRInspectionReadMemory(inspection, pid, address, to, len, out, error) })?;
    buffer.truncate(read);
    Ok(Some(buffer))
}
