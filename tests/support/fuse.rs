//! A file system in user space that misbehaves as real ones do: one directory of files, in memory, without
//! unnamed files and xattrs.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::thread;

use super::os::c_path;

/// How it misbehaves.
#[derive(Clone, Copy, Debug, Default)]
pub struct Manner {
    /// What close(2) of a file that was written to answers, as if a server had no room for it: an errno.
    pub close: Option<i32>,
    /// How many bytes fewer than its size a file gives.
    pub lost: usize,
    /// Whether directories can be made, of which each can't be found the first time, as if a server had gone in between.
    pub loses_directories: bool,
}

/// Its mount; unmounted when dropped.
pub struct Fuse(PathBuf);

impl Fuse {
    /// Mounts one on the directory `on`, with these files in it; an error where that can't be done.
    pub fn mount(on: &Path, files: &[(&str, &[u8])], manner: Manner) -> Result<Self, String> {
        let device = File::options().read(true).write(true).open("/dev/fuse");
        let device = device.map_err(|error| format!("/dev/fuse: {error}"))?;
        let options = format!(
            "fd={},rootmode=40000,user_id=0,group_id=0,allow_other",
            device.as_raw_fd()
        );
        let (target, options) = (c_path(on), CString::new(options).unwrap());
        // SAFETY: all four strings end in NUL and outlive the call.
        let result = unsafe {
            libc::mount(
                c"test".as_ptr(),
                target.as_ptr(),
                c"fuse".as_ptr(),
                0,
                options.as_ptr().cast(),
            )
        };
        if result < 0 {
            return Err(format!("mount: {}", std::io::Error::last_os_error()));
        }
        let mut server = Server::new(device, manner);
        for (name, content) in files {
            let node = server.make(name.as_bytes(), 0o100_644);
            server.nodes.get_mut(&node).unwrap().content = content.to_vec();
        }
        thread::spawn(move || server.serve());
        Ok(Self(on.to_owned()))
    }
}

impl Drop for Fuse {
    fn drop(&mut self) {
        let path = c_path(&self.0);
        // SAFETY: the path ends in NUL and outlives the call.
        unsafe { libc::umount2(path.as_ptr(), libc::MNT_DETACH) };
    }
}

struct Node {
    mode: u32,
    owner: (u32, u32),
    content: Vec<u8>,
    written: bool,
    /// How many times it isn't found.
    lost: u32,
}

struct Server {
    device: File,
    manner: Manner,
    nodes: BTreeMap<u64, Node>,
    names: BTreeMap<Vec<u8>, u64>,
    next: u64,
}

const ROOT: u64 = 1;
/// FOPEN_DIRECT_IO: reads come here as they are.
const DIRECT: u32 = 1;

impl Server {
    fn new(device: File, manner: Manner) -> Self {
        let root = Node {
            mode: 0o40_755,
            owner: (0, 0),
            content: Vec::new(),
            written: false,
            lost: 0,
        };
        Self {
            device,
            manner,
            nodes: BTreeMap::from([(ROOT, root)]),
            names: BTreeMap::new(),
            next: 2,
        }
    }

    fn make(&mut self, name: &[u8], mode: u32) -> u64 {
        let node = self.next;
        self.next += 1;
        self.nodes.insert(
            node,
            Node {
                mode,
                owner: (0, 0),
                content: Vec::new(),
                written: false,
                // The kernel asks whether what it knows still holds, and then anew.
                lost: if mode & libc::S_IFMT == libc::S_IFDIR {
                    2
                } else {
                    0
                },
            },
        );
        self.names.insert(name.to_vec(), node);
        node
    }

    /// Answers until it is unmounted.
    fn serve(mut self) {
        let mut buffer = vec![0; (1 << 20) + 4096];
        while let Ok(length) = self.device.read(&mut buffer) {
            let request = buffer[..length].to_vec();
            let (operation, unique, node) = (
                u32_at(&request, 4),
                u64_at(&request, 8),
                u64_at(&request, 16),
            );
            // Forgetting and interrupting get no answer.
            if matches!(operation, 2 | 36 | 42) {
                continue;
            }
            let (error, body) = match self.answer(operation, node, &request[40..]) {
                Ok(body) => (0, body),
                Err(errno) => (-errno, Vec::new()),
            };
            let mut reply = Vec::new();
            reply.extend((16 + body.len() as u32).to_le_bytes());
            reply.extend(error.to_le_bytes());
            reply.extend(unique.to_le_bytes());
            reply.extend(body);
            let _ = self.device.write(&reply);
        }
    }

    fn answer(&mut self, operation: u32, node: u64, body: &[u8]) -> Result<Vec<u8>, i32> {
        match operation {
            1 => self.find(text(body)).map(|found| self.entry(found)),
            3 => Ok(self.attributes(node)),
            4 => self.change(node, body),
            9 if self.manner.loses_directories => {
                let made = self.make(text(&body[8..]), libc::S_IFDIR | u32_at(body, 0));
                Ok(self.entry(made))
            }
            10 | 11 => {
                self.names.remove(text(body)).ok_or(libc::ENOENT)?;
                Ok(Vec::new())
            }
            12 | 45 => {
                let names = &body[if operation == 12 { 8 } else { 16 }..];
                let old = text(names);
                let new = text(&names[old.len() + 1..]);
                let moved = self.names.remove(old).ok_or(libc::ENOENT)?;
                self.names.insert(new.to_vec(), moved);
                Ok(Vec::new())
            }
            14 | 27 => Ok(opened()),
            15 => {
                let content = &self.nodes[&node].content;
                let end = content.len() - self.manner.lost.min(content.len());
                let start = end.min(u64_at(body, 8) as usize);
                Ok(content[start..end.min(start + u32_at(body, 16) as usize)].to_vec())
            }
            16 => self.write(node, body),
            17 => Ok(vec![0; 80]),
            18 | 20 | 29 | 30 | 38 => Ok(Vec::new()),
            25 => match self.manner.close {
                Some(errno) if self.nodes[&node].written => Err(errno),
                _ => Ok(Vec::new()),
            },
            26 => {
                let mut out = vec![0; 64];
                for (at, number) in [(0, 7u32), (4, 31), (8, 1 << 17), (20, 1 << 17), (24, 1)] {
                    out[at..at + 4].copy_from_slice(&number.to_le_bytes());
                }
                Ok(out)
            }
            28 => Ok(self.list(u64_at(body, 8))),
            35 => {
                let name = text(&body[16..]);
                if self.names.contains_key(name) {
                    return Err(libc::EEXIST);
                }
                let made = self.make(name, u32_at(body, 4));
                Ok([self.entry(made), opened()].concat())
            }
            _ => Err(libc::ENOSYS),
        }
    }

    fn find(&mut self, name: &[u8]) -> Result<u64, i32> {
        let found = self.names.get(name).copied().ok_or(libc::ENOENT)?;
        let node = self.nodes.get_mut(&found).ok_or(libc::ENOENT)?;
        if node.lost == 0 {
            return Ok(found);
        }
        node.lost -= 1;
        Err(libc::EIO)
    }

    fn change(&mut self, node: u64, body: &[u8]) -> Result<Vec<u8>, i32> {
        let (valid, changed) = (
            u32_at(body, 0),
            self.nodes.get_mut(&node).ok_or(libc::ENOENT)?,
        );
        if valid & 1 != 0 {
            changed.mode = changed.mode & 0o170_000 | u32_at(body, 68) & 0o7777;
        }
        if valid & 2 != 0 {
            changed.owner.0 = u32_at(body, 76);
        }
        if valid & 4 != 0 {
            changed.owner.1 = u32_at(body, 80);
        }
        if valid & 8 != 0 {
            changed.content.resize(u64_at(body, 16) as usize, 0);
        }
        Ok(self.attributes(node))
    }

    fn write(&mut self, node: u64, body: &[u8]) -> Result<Vec<u8>, i32> {
        let (at, size) = (u64_at(body, 8) as usize, u32_at(body, 16));
        let changed = self.nodes.get_mut(&node).ok_or(libc::ENOENT)?;
        let end = at + size as usize;
        if changed.content.len() < end {
            changed.content.resize(end, 0);
        }
        changed.content[at..end].copy_from_slice(&body[40..][..size as usize]);
        changed.written = true;
        Ok([size.to_le_bytes(), [0; 4]].concat())
    }

    fn list(&self, from: u64) -> Vec<u8> {
        let mut out = Vec::new();
        for (at, (name, node)) in self.names.iter().enumerate().skip(from as usize) {
            out.extend(node.to_le_bytes());
            out.extend((at as u64 + 1).to_le_bytes());
            out.extend((name.len() as u32).to_le_bytes());
            out.extend(8u32.to_le_bytes());
            out.extend(name);
            out.resize(out.len().next_multiple_of(8), 0);
        }
        out
    }

    fn entry(&self, node: u64) -> Vec<u8> {
        let mut out = Vec::new();
        for number in [node, 0, 0, 0, 0] {
            out.extend(number.to_le_bytes());
        }
        out.extend(self.raw(node));
        out
    }

    fn attributes(&self, node: u64) -> Vec<u8> {
        [vec![0; 16], self.raw(node)].concat()
    }

    fn raw(&self, number: u64) -> Vec<u8> {
        let node = &self.nodes[&number];
        let size = node.content.len() as u64;
        let mut out = Vec::new();
        for number in [number, size, size.div_ceil(512), 0, 0, 0] {
            out.extend(number.to_le_bytes());
        }
        for number in [
            0,
            0,
            0,
            node.mode,
            1,
            node.owner.0,
            node.owner.1,
            0,
            4096,
            0,
        ] {
            out.extend(number.to_le_bytes());
        }
        out
    }
}

fn opened() -> Vec<u8> {
    [[0; 8].as_slice(), &DIRECT.to_le_bytes(), &[0; 4]].concat()
}

/// The bytes before the first NUL.
fn text(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}
