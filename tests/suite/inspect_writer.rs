//! Writes images byte by byte, for inspections.

use std::fs;

use crutils::Result;
use crutils::checkpoint::{InspectOptions, Inspection};
use crutils::watch::Watch;

use crate::support::api::Failure;
use crate::support::door::Door;
use crate::support::inspection::Asked;
use crate::support::sandbox::Sandbox;
use crate::support::tarball::{archive, file};

pub const INVENTORY: u32 = 0x5831_3116;
pub const PSTREE: u32 = 0x5027_3030;
pub const CORE: u32 = 0x5505_3847;
pub const IDS: u32 = 0x5443_2030;
pub const MM: u32 = 0x5749_2820;
pub const PAGEMAP: u32 = 0x5608_4025;
pub const FILES: u32 = 0x5630_3138;
pub const FDINFO: u32 = 0x5621_3732;
pub const PAGE: usize = 4096;

pub fn varint(mut number: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while number > 0x7f {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
    out
}

/// A field with a number.
pub fn n(field: u32, value: u64) -> Vec<u8> {
    [varint(u64::from(field) << 3), varint(value)].concat()
}

/// A field with bytes, a text or a message.
pub fn b(field: u32, value: impl AsRef<[u8]>) -> Vec<u8> {
    let value = value.as_ref();
    let key = varint((u64::from(field) << 3) | 2);
    [key, varint(value.len() as u64), value.to_vec()].concat()
}

pub fn framed(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u32).to_le_bytes(), message].concat()
}

pub fn image(magic: u32, messages: &[Vec<u8>]) -> Vec<u8> {
    let common: &[u8] = if magic == INVENTORY {
        &[]
    } else {
        &0x5456_4319_u32.to_le_bytes()
    };
    let frames: Vec<u8> = messages
        .iter()
        .flat_map(|message| framed(message))
        .collect();
    [common, &magic.to_le_bytes(), &frames].concat()
}

/// A directory of images that grows.
pub struct Images<'s> {
    pub sandbox: &'s Sandbox,
    pub files: Vec<(String, Vec<u8>)>,
}

impl<'s> Images<'s> {
    /// One with an inventory and these processes: number, parent and state.
    pub fn new(sandbox: &'s Sandbox, processes: &[(u64, u64, u64)]) -> Self {
        let entry = |(pid, ppid, _): &(u64, u64, u64)| {
            [n(1, *pid), n(2, *ppid), n(3, 1), n(4, 1), n(5, *pid)].concat()
        };
        let mut images = Images {
            sandbox,
            files: Vec::new(),
        };
        images.add("inventory.img", image(INVENTORY, &[n(1, 2)]));
        images.add(
            "pstree.img",
            image(PSTREE, &processes.iter().map(entry).collect::<Vec<_>>()),
        );
        for (pid, _, state) in processes {
            let task = [n(1, *state), n(2, 9 << 8), b(6, format!("task{pid}"))].concat();
            let core = [n(1, 1), b(3, task)].concat();
            images.add(&format!("core-{pid}.img"), image(CORE, &[core]));
            let ids = [n(1, 1), n(2, *pid), n(3, 1), n(4, 1)].concat();
            images.add(&format!("ids-{pid}.img"), image(IDS, &[ids]));
        }
        images
    }

    pub fn add(&mut self, name: &str, bytes: Vec<u8>) -> &mut Self {
        self.files.retain(|(own, _)| own != name);
        self.files.push((name.to_owned(), bytes));
        self
    }

    /// Gives the process 1 one mapping, with this page map and these pages.
    pub fn memory(&mut self, vma: &[Vec<u8>], entries: &[Vec<u8>], pages: Vec<u8>) -> &mut Self {
        let mm = [n(8, 0x10000), n(9, 0x10004), b(14, vma.concat())].concat();
        self.add("mm-1.img", image(MM, &[mm]));
        self.add(
            "pagemap-1.img",
            image(PAGEMAP, &[&[n(1, 1)], entries].concat()),
        );
        self.add("pages-1.img", pages)
    }

    /// Gives the process 1 these open files: type, number, field and message.
    pub fn open(&mut self, files: &[(u64, u64, u32, Vec<u8>)]) -> &mut Self {
        let fd = |(at, (of, id, ..)): (usize, &(u64, u64, u32, Vec<u8>))| {
            [n(1, *id), n(2, 0), n(3, *of), n(4, at as u64)].concat()
        };
        let fds: Vec<_> = files.iter().enumerate().map(fd).collect();
        let entry = |(of, id, field, message): &(u64, u64, u32, Vec<u8>)| {
            [n(1, *of), n(2, *id), b(*field, message)].concat()
        };
        let entries: Vec<_> = files.iter().map(entry).collect();
        self.add("fdinfo-1.img", image(FDINFO, &fds));
        self.add("files.img", image(FILES, &entries))
    }

    pub fn directory(&self) -> std::path::PathBuf {
        let directory = self.sandbox.path().join("images");
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir(&directory).unwrap();
        for (name, bytes) in &self.files {
            fs::write(directory.join(name), bytes).unwrap();
        }
        directory
    }

    pub fn inspect(&self) -> Result<Inspection> {
        Inspection::open(&self.directory(), &InspectOptions::new(), &Watch::new())
    }

    /// The same as a plain archive, with the directory's name in front.
    pub fn tar(&self) -> Vec<u8> {
        let member = |(name, bytes): &(String, Vec<u8>)| file(format!("checkpoint/{name}"), bytes);
        archive(self.files.iter().map(member))
    }
}

pub fn refused(door: &dyn Door, images: &Images<'_>) -> Failure {
    door.look((&images.directory()).into(), &Asked::NOTHING)
        .expect_err("it wasn't refused")
}

/// A mapping from 0x10000 on, of this length, with the status bits and the shared memory's number.
pub fn vma(len: u64, status: u64, shmid: u64) -> Vec<Vec<u8>> {
    let flags = if shmid > 0 { 0x21 } else { 0x22 };
    vec![
        n(1, 0x10000),
        n(2, 0x10000 + len),
        n(4, shmid),
        n(5, 3),
        n(6, flags),
        n(7, status),
        n(8, 1),
    ]
}

/// A block of LZ4 that is one byte, repeated.
pub fn lz4_repeated(byte: u8, len: usize) -> Vec<u8> {
    // One literal, a match one byte back, and five literals at the end, which the format asks for.
    let matched = len - 1 - 5;
    let mut out = vec![0x1f, byte, 1, 0];
    let mut left = matched - 4 - 15;
    while left >= 255 {
        out.push(255);
        left -= 255;
    }
    out.push(left as u8);
    out.push(0x50);
    [out, vec![byte; 5]].concat()
}
