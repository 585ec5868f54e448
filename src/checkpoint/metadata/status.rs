//! `status`: how a container was doing, as containerd writes it.

#![forbid(unsafe_code)]

use super::document::{DocumentContent, document};
use super::json::{Document, Reader, Refusal, Value};
use crate::checkpoint::names::STATUS;

const KEYS: &[&str] = &[
    "CreatedAt",
    "StartedAt",
    "FinishedAt",
    "ExitCode",
    "Pid",
    "Reason",
    "Message",
];

/// `status`: how a containerd container was doing when it was checkpointed. Times are nanoseconds since 1970, 0 for
/// what hadn't happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ContainerdStatus {
    /// When it was created (`CreatedAt`).
    pub created_at: i64,
    /// When it was started (`StartedAt`).
    pub started_at: i64,
    /// When it ended (`FinishedAt`).
    pub finished_at: i64,
    /// What it ended with (`ExitCode`).
    pub exit_code: i32,
    /// The first process, by its number on the host (`Pid`).
    pub pid: u32,
    /// Why it is in its state, in a word (`Reason`).
    pub reason: String,
    /// Why it is in its state, for a person (`Message`).
    pub message: String,
    document: Document,
}

document!(ContainerdStatus, "status", KEYS);

impl DocumentContent for ContainerdStatus {
    fn fill(&mut self, root: Value<'_>, reader: &mut Reader<'_>) -> Result<(), Refusal> {
        reader.fields(STATUS, root, KEYS, |reader, key, value| match key {
            "CreatedAt" => reader.plain(key, &mut self.created_at, value),
            "StartedAt" => reader.plain(key, &mut self.started_at, value),
            "FinishedAt" => reader.plain(key, &mut self.finished_at, value),
            "ExitCode" => reader.plain(key, &mut self.exit_code, value),
            "Pid" => reader.plain(key, &mut self.pid, value),
            "Reason" => reader.text(key, &mut self.reason, value),
            _ => reader.text(key, &mut self.message, value),
        })
    }
}
