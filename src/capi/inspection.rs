//! Looking into a checkpoint.

use std::ffi::{CString, c_char};
use std::ptr;

use super::argument::{
    At, BytesMut, New, Object, ObjectMut, Optional, OptionalText, Out, Owned, Text,
};
use super::guard::{self, Slot, Status};
use super::import::CRImport;
use super::inspect_options::CRInspectOptions;
use super::restorable::{CRFinding, CRHost, Findings};
use super::string::{self, until_nul};
use super::watch::{CRWatch, watch};
use crate::checkpoint::Inspection;
use crate::checkpoint::inspect::{Host, MemoryUse, Process, RawText, TaskState};

/// The checkpoint doesn't tell the state.
pub const CR_TASK_UNKNOWN: u32 = 0;
/// The process ran or slept.
pub const CR_TASK_ALIVE: u32 = 1;
/// The process was stopped by a signal.
pub const CR_TASK_STOPPED: u32 = 2;
/// The process had ended and wasn't waited for yet.
pub const CR_TASK_ZOMBIE: u32 = 3;
/// The process had ended. CRIU stores a zombie that nobody had waited for as this.
pub const CR_TASK_DEAD: u32 = 4;

/// What a checkpoint holds. One thread at a time uses it.
pub struct CRInspection {
    inspection: Inspection,
    processes: Processes,
    memory: CRMemoryUse,
    findings: Option<Findings>,
}

/// Memory in bytes. Later versions may add fields at the end.
#[repr(C)]
#[derive(Debug)]
pub struct CRMemoryUse {
    /// All mappings.
    pub mapped: u64,
    /// Mappings that belong to a process alone.
    pub mapped_private: u64,
    /// Mappings that are shared with other processes, or with files.
    pub mapped_shared: u64,
    /// Pages that this checkpoint holds.
    pub present: u64,
    /// Pages that a previous checkpoint holds.
    pub parent: u64,
    /// Pages that went to a server for lazy pages.
    pub lazy: u64,
    /// How many bytes the pages that this checkpoint holds take in it.
    pub stored: u64,
    /// How many bytes of pages are compressed.
    pub compressed: u64,
}

/// A process of a checkpoint. Later versions may add fields at the end.
#[repr(C)]
#[derive(Debug)]
pub struct CRProcess {
    /// Its number in the container.
    pub pid: u32,
    /// Its parent's number; 0 for the first process.
    pub ppid: u32,
    /// Its process group.
    pub pgid: u32,
    /// Its session.
    pub sid: u32,
    /// One of CR_TASK_*. Later versions may have more.
    pub state: u32,
    /// How many threads it has, itself included.
    pub threads: u32,
    /// The name that the kernel has for it, up to 15 bytes.
    pub comm: Text,
    /// The file that it executes; NULL if it isn't known.
    pub executable: OptionalText,
    /// Its command line as an array of arguments_len strings; NULL if it wasn't read, or can't be.
    pub arguments: *const *const c_char,
    /// The number of arguments.
    pub arguments_len: usize,
    /// Its memory.
    pub memory: *const CRMemoryUse,
}

impl From<MemoryUse> for CRMemoryUse {
    fn from(memory: MemoryUse) -> Self {
        CRMemoryUse {
            mapped: memory.mapped,
            mapped_private: memory.private,
            mapped_shared: memory.shared,
            present: memory.present,
            parent: memory.parent,
            lazy: memory.lazy,
            stored: memory.stored,
            compressed: memory.compressed,
        }
    }
}

/// Processes as C borrows them.
#[derive(Default)]
struct Processes {
    /// What the processes point to.
    _texts: Vec<Texts>,
    _processes: Box<[CRProcess]>,
    pointers: Vec<*const CRProcess>,
}

struct Texts {
    comm: CString,
    executable: Option<CString>,
    _arguments: Vec<CString>,
    lent: Option<Vec<*const c_char>>,
    memory: Box<CRMemoryUse>,
}

impl Texts {
    fn of(process: &Process) -> Self {
        let text = |text: &RawText| until_nul(text.as_bytes());
        let arguments: Vec<CString> = process.arguments.iter().flatten().map(text).collect();
        Texts {
            comm: text(&process.comm),
            executable: process.executable.as_ref().map(text),
            lent: process
                .arguments
                .as_ref()
                .map(|_| arguments.iter().map(|text| text.as_ptr()).collect()),
            _arguments: arguments,
            memory: Box::new(process.memory.into()),
        }
    }
}

impl Processes {
    fn of(processes: &[Process]) -> Self {
        let texts: Vec<Texts> = processes.iter().map(Texts::of).collect();
        let processes: Box<[CRProcess]> = processes.iter().zip(&texts).map(process).collect();
        Processes {
            pointers: processes.iter().map(ptr::from_ref).collect(),
            _texts: texts,
            _processes: processes,
        }
    }
}

fn process((process, texts): (&Process, &Texts)) -> CRProcess {
    CRProcess {
        pid: process.pid,
        ppid: process.ppid,
        pgid: process.pgid,
        sid: process.sid,
        state: match process.state {
            TaskState::Alive => CR_TASK_ALIVE,
            TaskState::Stopped => CR_TASK_STOPPED,
            TaskState::Zombie => CR_TASK_ZOMBIE,
            TaskState::Dead => CR_TASK_DEAD,
            TaskState::Unknown => CR_TASK_UNKNOWN,
        },
        threads: u32::try_from(process.threads.len()).unwrap_or(u32::MAX),
        comm: Text::lent(&texts.comm),
        executable: OptionalText::lent(texts.executable.as_deref()),
        arguments: texts.lent.as_ref().map_or(ptr::null(), Vec::as_ptr),
        arguments_len: texts.lent.as_ref().map_or(0, Vec::len),
        memory: &raw const *texts.memory,
    }
}

impl CRInspection {
    fn of(inspection: Inspection) -> Self {
        CRInspection {
            processes: Processes::of(inspection.processes()),
            memory: inspection.total_memory().into(),
            findings: None,
            inspection,
        }
    }
}

/// Inspects a checkpoint where it lies: nothing is unpacked, and of the memory of processes only arguments and
/// environments are read. The checkpoint is an archive, plain or compressed with gzip, bzip2, xz or zstd, as a file, a pipe
/// or a socket; the directory of a bundle; or a directory of CRIU's images. A pipe or a socket is read once.
///
/// @param at, checkpoint The archive or the directory.
/// @param options NULL for the defaults.
/// @param watch NULL for none. It holds for all that is done with the inspection.
/// @param inspection Receives the inspection, which the caller frees with CRInspectionFree.
///
/// Errors:
/// - ENOENT: the checkpoint is missing.
/// - EBADF: the descriptor is not open, or can't be read from.
/// - EBADMSG: the archive or an image is malformed; CRErrorEntry returns the image's name.
/// - E2BIG: the images would take more than 256 MiB of memory.
/// - ECANCELED, ETIMEDOUT: the watch ended the work.
#[unsafe(no_mangle)]
pub extern "C" fn CRInspectionOpen(
    at: At,
    checkpoint: Text,
    options: Optional<CRInspectOptions>,
    watch: Optional<CRWatch>,
    inspection: Out<*mut CRInspection>,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let checkpoint = checkpoint.place(at, "checkpoint")?;
        let out = inspection.check("inspection")?;
        let options = options.copied(|options| &options.0);
        let opened = Inspection::open(checkpoint, &options, &self::watch(&watch))?;
        out.write(New::of(CRInspection::of(opened)).into_raw());
        Ok(())
    })
}

/// Inspects the archive of an import before it is extracted. A pipe or a socket is read once: what it yields is kept until
/// CRImportExtract, up to 32 MiB in memory and the rest in the directory of CRImportOptionsSpoolDirectory.
///
/// @param options NULL for the defaults.
/// @param inspection Receives the inspection, which the caller frees with CRInspectionFree. It may live longer than the
/// import.
///
/// Errors:
/// - As for CRInspectionOpen.
/// - E2BIG: a pipe yields more than 32 MiB, and there is no spool directory.
/// - ESPIPE: a pipe was extracted already.
#[unsafe(no_mangle)]
pub extern "C" fn CRImportInspect(
    mut import: ObjectMut<CRImport>,
    options: Optional<CRInspectOptions>,
    inspection: Out<*mut CRInspection>,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let import = import.get("import")?;
        let out = inspection.check("inspection")?;
        let options = options.copied(|options| &options.0);
        let inspected = import.inspect(&options)?;
        out.write(New::of(CRInspection::of(inspected)).into_raw());
        Ok(())
    })
}

/// Frees an inspection, and all that was borrowed from it.
#[unsafe(no_mangle)]
pub extern "C" fn CRInspectionFree(inspection: Owned<CRInspection>) {
    guard::run(|| inspection.free());
}

/// Returns everything as one JSON object: processes with threads, credentials, open files and mappings; pipes, sockets,
/// deleted files, mounts, statistics, and what is wrong with the checkpoint. docs/inspect.md describes each key, and
/// docs/inspect.schema.json is its schema. Environments are in it, with the secrets that they hold.
///
/// @param json Receives the text, in UTF-8, which the caller frees with CRStringFree.
#[unsafe(no_mangle)]
pub extern "C" fn CRInspectionJson(
    inspection: Object<CRInspection>,
    json: Out<*mut c_char>,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let inspection = inspection.get("inspection")?;
        let out = json.check("json")?;
        let text = string::owned("json", inspection.inspection.to_json()?)?;
        out.write(text);
        Ok(())
    })
}

/// Lists the processes in the order of the checkpoint: parents before their children.
///
/// @param processes Receives an array of pointers to the processes, which is never NULL. It belongs to the inspection, and
/// so do the processes.
/// @param processes_len Receives the number of processes.
#[unsafe(no_mangle)]
pub extern "C" fn CRInspectionProcesses(
    inspection: Object<CRInspection>,
    processes: Out<*const *const CRProcess>,
    processes_len: Out<usize>,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let inspection = inspection.get("inspection")?;
        let (out, out_len) = (
            processes.check("processes")?,
            processes_len.check("processes_len")?,
        );
        out.write(inspection.processes.pointers.as_ptr());
        out_len.write(inspection.processes.pointers.len());
        Ok(())
    })
}

/// Returns the memory of all processes, with that which they share counted once, except that mappings count for each
/// process. It belongs to the inspection. NULL for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn CRInspectionMemory(inspection: Optional<CRInspection>) -> *const CRMemoryUse {
    guard::value(ptr::null(), || {
        let inspection = inspection.get();
        Ok(inspection.map_or(ptr::null(), |inspection| &raw const inspection.memory))
    })
}

/// Reads memory of a process as it was when it was checkpointed, shared memory and previous checkpoints included. Memory
/// that was mapped and never written is zeros.
///
/// @param pid The process.
/// @param address The first address.
/// @param buffer An array of buffer_len bytes, which receives the memory. After EBADMSG and errors of the system it may
/// hold a part of it.
/// @param read Receives how many bytes were read: fewer than buffer_len if what follows isn't mapped, or can't be read.
///
/// Errors:
/// - ENODATA: there is no such process, or nothing mapped at the address; or the content isn't in the checkpoint, but in a
///   file that is mapped unchanged, or in a previous checkpoint that isn't there.
/// - EBADMSG: pages are damaged.
/// - EOPNOTSUPP: the archive came through a pipe or a socket.
#[unsafe(no_mangle)]
pub extern "C" fn CRInspectionReadMemory(
    mut inspection: ObjectMut<CRInspection>,
    pid: u32,
    address: u64,
    mut buffer: BytesMut,
    buffer_len: usize,
    read: Out<usize>,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let inspection = inspection.get("inspection")?;
        let mut filling = buffer.filling(buffer_len, "buffer")?;
        let out = read.check("read")?;
        let inspection = &mut inspection.inspection;
        out.write(inspection.copy_memory(pid, address, buffer_len, &mut filling)?);
        Ok(())
    })
}

/// Compares a checkpoint with a later one: processes, open files, sockets, sizes of members, and the memory of processes
/// that both have, page by page. Processes are told apart by their numbers: of checkpoints of different containers that
/// says little.
///
/// @param before, after The two checkpoints, which have to be two inspections.
/// @param json Receives one JSON object, in UTF-8, which the caller frees with CRStringFree. docs/inspect.md describes each
/// key, and docs/compare.schema.json is its schema.
///
/// Errors:
/// - EINVAL: both are the same inspection.
/// - EBADMSG: pages are damaged.
/// - EOPNOTSUPP: an archive came through a pipe or a socket.
/// - ECANCELED, ETIMEDOUT: a watch of the inspections ended the work.
#[unsafe(no_mangle)]
pub extern "C" fn CRInspectionCompare(
    mut before: ObjectMut<CRInspection>,
    mut after: ObjectMut<CRInspection>,
    json: Out<*mut c_char>,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let (before, after) = ObjectMut::both((&mut before, "before"), (&mut after, "after"))?;
        let out = json.check("json")?;
        let comparison = before.inspection.compare(&mut after.inspection)?;
        out.write(string::owned("json", comparison.to_json()?)?);
        Ok(())
    })
}

/// Lists what a restore of the checkpoint on a host depends on, the worst first. The checkpoint can't be restored there if
/// a finding has the severity CR_SEVERITY_BLOCKS. That there is none doesn't prove that it can: CRIU finds out for itself.
///
/// @param host NULL for this host, of which nothing is known but its architecture.
/// @param findings Receives an array of pointers to the findings, which is never NULL. It belongs to the inspection, with
/// the findings, and lives until the next call of this function with it.
/// @param findings_len Receives the number of findings.
#[unsafe(no_mangle)]
pub extern "C" fn CRInspectionFindings(
    mut inspection: ObjectMut<CRInspection>,
    host: Optional<CRHost>,
    findings: Out<*const *const CRFinding>,
    findings_len: Out<usize>,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let inspection = inspection.get("inspection")?;
        let (out, out_len) = (
            findings.check("findings")?,
            findings_len.check("findings_len")?,
        );
        let host = host.get().map_or_else(Host::default, |host| host.0.clone());
        let found = Findings::of(&inspection.inspection.findings(&host));
        let (array, len) = inspection.findings.insert(found).array();
        out.write(array);
        out_len.write(len);
        Ok(())
    })
}
