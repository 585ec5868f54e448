//! Compression by the command-line tools: an opinion that is independent of the library's.

use std::io::Write;
use std::process::{Command, Stdio};
use std::thread;

/// A compression of archives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    None,
    Gzip,
    Bzip2,
    Xz,
    Zstd,
}

impl Compression {
    pub const ALL: [Self; 5] = [Self::None, Self::Gzip, Self::Bzip2, Self::Xz, Self::Zstd];
    pub const REAL: [Self; 4] = [Self::Gzip, Self::Bzip2, Self::Xz, Self::Zstd];

    fn program(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Gzip => Some("gzip"),
            Self::Bzip2 => Some("bzip2"),
            Self::Xz => Some("xz"),
            Self::Zstd => Some("zstd"),
        }
    }

    /// The compressed bytes.
    pub fn pack(self, bytes: &[u8]) -> Vec<u8> {
        self.program()
            .map_or_else(|| bytes.to_vec(), |program| filter(&[program, "-c"], bytes))
    }

    /// The bytes that were compressed.
    pub fn unpack(self, bytes: &[u8]) -> Vec<u8> {
        self.program().map_or_else(
            || bytes.to_vec(),
            |program| filter(&[program, "-dc"], bytes),
        )
    }
}

/// What a program makes of its standard input.
pub fn filter(line: &[&str], bytes: &[u8]) -> Vec<u8> {
    let mut command = Command::new(line[0]);
    let mut child = command
        .args(&line[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect(line[0]);
    let mut stdin = child.stdin.take().expect("a pipe");
    let bytes = bytes.to_vec();
    let writer = thread::spawn(move || {
        // A program may stop reading early.
        let _ = stdin.write_all(&bytes);
    });
    let output = child.wait_with_output().expect("an end");
    writer.join().expect("no panic");
    assert!(output.status.success(), "{line:?}: {}", output.status);
    output.stdout
}
