//! Builds tar bytes by hand, well-formed or not. Every field can be set to anything, and nothing is checked.

/// How a header is marked, and how what doesn't fit into it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// No magic at all.
    V7,
    /// POSIX 1988: names are split into prefix and name.
    Ustar,
    /// `L` and `K` members for long names, base-256 numbers.
    Gnu,
    /// POSIX 2001: ustar with an `x` member in front.
    Pax,
    /// Schily's: `tar\0` at the end of the block, times behind a shorter prefix.
    Star,
}

/// Which checksum a header carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    Unsigned,
    /// As historic writers with signed characters computed it.
    Signed,
    Wrong,
}

/// A member, as it is going to be written.
#[derive(Clone, Debug)]
pub struct Entry {
    name: Vec<u8>,
    link: Vec<u8>,
    kind: u8,
    mode: i64,
    uid: i64,
    gid: i64,
    mtime: i64,
    device: (i64, i64),
    /// What the header says instead of the length of the body.
    size: Option<i64>,
    body: Vec<u8>,
    dialect: Dialect,
    records: Vec<(Vec<u8>, Vec<u8>)>,
    checksum: Checksum,
    /// Header bytes that are overwritten at the end, before the checksum.
    edits: Vec<(usize, Vec<u8>)>,
    /// Blocks between the header and the body.
    extension: Vec<u8>,
}

/// A time that every member gets that isn't given one: 2001-09-09.
pub const TIME: i64 = 1_000_000_000;

/// A member of any type.
pub fn member(kind: u8, name: impl AsRef<[u8]>) -> Entry {
    Entry {
        name: name.as_ref().to_vec(),
        link: Vec::new(),
        kind,
        mode: 0o644,
        uid: i64::from(super::os::uid()),
        gid: i64::from(super::os::uid()),
        mtime: TIME,
        device: (0, 0),
        size: None,
        body: Vec::new(),
        dialect: Dialect::Ustar,
        records: Vec::new(),
        checksum: Checksum::Unsigned,
        edits: Vec::new(),
        extension: Vec::new(),
    }
}

pub fn file(name: impl AsRef<[u8]>, body: impl AsRef<[u8]>) -> Entry {
    member(b'0', name).body(body)
}

pub fn dir(name: impl AsRef<[u8]>) -> Entry {
    member(b'5', name).mode(0o755)
}

pub fn symlink(name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Entry {
    member(b'2', name).link(target).mode(0o777)
}

pub fn hardlink(name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Entry {
    member(b'1', name).link(target)
}

pub fn fifo(name: impl AsRef<[u8]>) -> Entry {
    member(b'6', name)
}

pub fn char_device(name: impl AsRef<[u8]>, major: i64, minor: i64) -> Entry {
    let mut new = member(b'3', name);
    new.device = (major, minor);
    new
}

pub fn block_device(name: impl AsRef<[u8]>, major: i64, minor: i64) -> Entry {
    let mut new = member(b'4', name);
    new.device = (major, minor);
    new
}

/// A PAX global header with one record.
pub fn global(name: impl AsRef<[u8]>, key: &str, value: impl AsRef<[u8]>) -> Entry {
    member(b'g', name).body(record(key.as_bytes(), value.as_ref()))
}

impl Entry {
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_vec();
        self
    }

    pub fn link(mut self, target: impl AsRef<[u8]>) -> Self {
        self.link = target.as_ref().to_vec();
        self
    }

    pub fn mode(mut self, mode: i64) -> Self {
        self.mode = mode;
        self
    }

    pub fn owner(mut self, uid: i64, gid: i64) -> Self {
        (self.uid, self.gid) = (uid, gid);
        self
    }

    pub fn mtime(mut self, seconds: i64) -> Self {
        self.mtime = seconds;
        self
    }

    pub fn size(mut self, size: i64) -> Self {
        self.size = Some(size);
        self
    }

    pub fn dialect(mut self, dialect: Dialect) -> Self {
        self.dialect = dialect;
        self
    }

    /// Adds a PAX record.
    pub fn pax(mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.records
            .push((key.as_ref().to_vec(), value.as_ref().to_vec()));
        self
    }

    pub fn xattr(self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.pax(format!("SCHILY.xattr.{name}"), value)
    }

    pub fn checksum(mut self, checksum: Checksum) -> Self {
        self.checksum = checksum;
        self
    }

    /// Overwrites header bytes, whatever they would be.
    pub fn field(mut self, at: usize, bytes: impl AsRef<[u8]>) -> Self {
        self.edits.push((at, bytes.as_ref().to_vec()));
        self
    }

    /// Puts text where the user id belongs.
    pub fn uid_text(self, text: &str) -> Self {
        self.field(108, &text.as_bytes()[..text.len().min(8)])
    }

    pub fn is_named(&self, name: &str) -> bool {
        self.name == name.as_bytes()
    }

    /// A hard link of this name to this file, which has the name `target`.
    pub fn into_hardlink(mut self, name: &str, target: &str) -> Self {
        self.kind = b'1';
        self.body.clear();
        self.name = name.into();
        self.link = target.into();
        self
    }

    pub fn is_global(&self) -> bool {
        self.kind == b'g'
    }

    pub fn is_symlink(&self) -> bool {
        self.kind == b'2'
    }

    pub fn is_hardlink(&self) -> bool {
        self.kind == b'1'
    }

    pub fn renamed(mut self, name: &str) -> Self {
        self.name = name.into();
        self
    }

    /// The same without `./` at the beginning of the name.
    pub fn without_dot(mut self) -> Self {
        if self.name.starts_with(b"./") {
            self.name.drain(..2);
        }
        self
    }

    /// The name as a relative path, without `.` and trailing slashes.
    pub fn path(&self) -> std::path::PathBuf {
        let sparse = self
            .records
            .iter()
            .find(|(key, _)| key == b"GNU.sparse.name");
        let name = sparse.map_or(&self.name, |(_, name)| name);
        let name = String::from_utf8_lossy(name).into_owned();
        std::path::Path::new(name.trim_start_matches("./"))
            .components()
            .collect()
    }

    pub fn is_dir(&self) -> bool {
        self.kind == b'5'
    }

    /// The member's bytes, with what has to precede its header.
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut records = self.records.clone();
        let (name, prefix) = match split(&self.name) {
            Some((prefix, name)) if matches!(self.dialect, Dialect::Ustar | Dialect::Pax) => {
                (name, prefix)
            }
            _ => (self.name.as_slice(), &[][..]),
        };
        for (key, text, mark) in [
            ("path", name, b'L'),
            ("linkpath", self.link.as_slice(), b'K'),
        ] {
            if text.len() <= 100 {
                continue;
            }
            match self.dialect {
                Dialect::Gnu => {
                    out.extend(
                        member(mark, "././@LongLink")
                            .dialect(Dialect::Gnu)
                            .body([text, b"\0"].concat())
                            .bytes(),
                    );
                }
                Dialect::Pax | Dialect::Star | Dialect::Ustar => {
                    records.push((key.into(), text.to_vec()))
                }
                Dialect::V7 => {}
            }
        }
        if !records.is_empty() {
            out.extend(pax_header(&records));
        }
        out.extend(self.header(name, prefix));
        out.extend(&self.extension);
        out.extend(padded(&self.body));
        out
    }

    fn header(&self, name: &[u8], prefix: &[u8]) -> [u8; 512] {
        let mut block = [0; 512];
        put(&mut block, 0, 100, name);
        number(&mut block, 100, 8, self.mode);
        number(&mut block, 108, 8, self.uid);
        number(&mut block, 116, 8, self.gid);
        number(
            &mut block,
            124,
            12,
            self.size.unwrap_or(self.body.len() as i64),
        );
        number(&mut block, 136, 12, self.mtime);
        block[156] = self.kind;
        put(&mut block, 157, 100, &self.link);
        match self.dialect {
            Dialect::V7 => {}
            Dialect::Gnu => put(&mut block, 257, 8, b"ustar  \0"),
            Dialect::Ustar | Dialect::Pax | Dialect::Star => {
                put(&mut block, 257, 8, b"ustar\x0000")
            }
        }
        if self.dialect != Dialect::V7 {
            number(&mut block, 329, 8, self.device.0);
            number(&mut block, 337, 8, self.device.1);
            put(&mut block, 345, 155, prefix);
        }
        if self.dialect == Dialect::Star {
            number(&mut block, 476, 12, self.mtime);
            number(&mut block, 488, 12, self.mtime);
            put(&mut block, 508, 4, b"tar\0");
        }
        for (at, bytes) in &self.edits {
            block[*at..at + bytes.len()].copy_from_slice(bytes);
        }
        block[148..156].fill(b' ');
        let sum: i64 = match self.checksum {
            Checksum::Unsigned => block.iter().map(|byte| i64::from(*byte)).sum(),
            Checksum::Signed => block.iter().map(|byte| i64::from(*byte as i8)).sum(),
            Checksum::Wrong => block.iter().map(|byte| i64::from(*byte)).sum::<i64>() + 1,
        };
        put(&mut block, 148, 8, format!("{sum:06o}\0 ").as_bytes());
        block
    }
}

fn put(block: &mut [u8; 512], at: usize, length: usize, bytes: &[u8]) {
    let bytes = &bytes[..bytes.len().min(length)];
    block[at..at + bytes.len()].copy_from_slice(bytes);
}

/// Octal where it fits, base-256 where it doesn't.
fn number(block: &mut [u8; 512], at: usize, length: usize, value: i64) {
    let digits = length - 1;
    if value >= 0 && value < 1 << (3 * digits) {
        put(block, at, length, format!("{value:0digits$o}\0").as_bytes());
        return;
    }
    let mut bytes = vec![if value < 0 { 0xff } else { 0 }; length];
    let low = length - 8;
    bytes[low..].copy_from_slice(&value.to_be_bytes());
    bytes[0] |= 0x80;
    put(block, at, length, &bytes);
}

/// Where a name that is too long can be split into prefix and name, if anywhere.
fn split(name: &[u8]) -> Option<(&[u8], &[u8])> {
    if name.len() <= 100 {
        return None;
    }
    let at = (1..name.len().min(156))
        .rev()
        .find(|at| name[*at] == b'/')?;
    let (prefix, rest) = (&name[..at], &name[at + 1..]);
    (rest.len() <= 100 && !rest.is_empty()).then_some((prefix, rest))
}

/// A body filled up to whole blocks.
pub fn padded(body: &[u8]) -> Vec<u8> {
    let mut out = body.to_vec();
    out.resize(body.len().next_multiple_of(512), 0);
    out
}

/// One PAX record: its own length, key and value.
pub fn record(key: &[u8], value: &[u8]) -> Vec<u8> {
    let bare = key.len() + value.len() + 3;
    let mut length = bare + 1;
    while length != bare + length.to_string().len() {
        length = bare + length.to_string().len();
    }
    [length.to_string().as_bytes(), b" ", key, b"=", value, b"\n"].concat()
}

/// An `x` member with these records.
pub fn pax_header(records: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let body: Vec<u8> = records
        .iter()
        .flat_map(|(key, value)| record(key, value))
        .collect();
    member(b'x', "PaxHeaders.0/member").body(body).bytes()
}

/// An archive of these members, with its end marker.
pub fn archive(entries: impl IntoIterator<Item = Entry>) -> Vec<u8> {
    let mut out = unended(entries);
    out.extend([0; 1024]);
    out
}

/// The same without the end marker.
pub fn unended(entries: impl IntoIterator<Item = Entry>) -> Vec<u8> {
    entries
        .into_iter()
        .flat_map(|entry| entry.bytes())
        .collect()
}

/// How a sparse file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sparse {
    /// GNU tar's own type `S`, with the map in the header and in blocks behind it.
    Old,
    Pax00,
    Pax01,
    Pax10,
}

impl Sparse {
    pub const ALL: [Self; 4] = [Self::Old, Self::Pax00, Self::Pax01, Self::Pax10];
}

/// A sparse file of `size` bytes that has only `parts`: offsets and bytes.
pub fn sparse(form: Sparse, name: &str, size: u64, parts: &[(u64, Vec<u8>)]) -> Entry {
    let mut map: Vec<(u64, u64)> = parts
        .iter()
        .map(|(at, bytes)| (*at, bytes.len() as u64))
        .collect();
    // GNU tar ends a map whose last part isn't data up to the end with an empty part there, and wants to read it.
    if map.last().is_none_or(|(at, length)| at + length < size) {
        map.push((size, 0));
    }
    let body: Vec<u8> = parts.iter().flat_map(|(_, bytes)| bytes.clone()).collect();
    sparse_map(form, name, size, &map, &body)
}

/// A sparse file with any map and any body.
pub fn sparse_map(form: Sparse, name: &str, size: u64, map: &[(u64, u64)], body: &[u8]) -> Entry {
    let stored = format!("GNUSparseFile.0/{name}");
    let stored = stored.get(..100).unwrap_or(&stored);
    let decimal = |value: u64| value.to_string();
    match form {
        Sparse::Old => old_sparse(name, size, map, body),
        Sparse::Pax00 => {
            let mut new = file(name, body).pax("GNU.sparse.size", decimal(size));
            new = new.pax("GNU.sparse.numblocks", map.len().to_string());
            map.iter().fold(new, |new, (at, length)| {
                new.pax("GNU.sparse.offset", decimal(*at))
                    .pax("GNU.sparse.numbytes", decimal(*length))
            })
        }
        Sparse::Pax01 => {
            let text: Vec<_> = map
                .iter()
                .flat_map(|(at, length)| [decimal(*at), decimal(*length)])
                .collect();
            file(stored, body)
                .pax("GNU.sparse.size", decimal(size))
                .pax("GNU.sparse.numblocks", map.len().to_string())
                .pax("GNU.sparse.name", name)
                .pax("GNU.sparse.map", text.join(","))
        }
        Sparse::Pax10 => {
            let lines: Vec<_> = map
                .iter()
                .flat_map(|(at, length)| [decimal(*at), decimal(*length)])
                .collect();
            let text = format!(
                "{}\n{}",
                map.len(),
                lines
                    .iter()
                    .map(|line| format!("{line}\n"))
                    .collect::<String>()
            );
            file(stored, [padded(text.as_bytes()), body.to_vec()].concat())
                .pax("GNU.sparse.major", "1")
                .pax("GNU.sparse.minor", "0")
                .pax("GNU.sparse.name", name)
                .pax("GNU.sparse.realsize", decimal(size))
        }
    }
}

fn old_sparse(name: &str, size: u64, map: &[(u64, u64)], body: &[u8]) -> Entry {
    let mut header = [0; 512];
    let number = |block: &mut [u8; 512], at: usize, value: u64| number(block, at, 12, value as i64);
    for (index, (at, length)) in map.iter().take(4).enumerate() {
        number(&mut header, index * 24, *at);
        number(&mut header, index * 24 + 12, *length);
    }
    header[96] = u8::from(map.len() > 4);
    number(&mut header, 97, size);
    let mut new = member(b'S', name)
        .dialect(Dialect::Gnu)
        .body(body)
        .field(386, &header[..109]);
    let rest = map.get(4..).unwrap_or_default();
    for (number_of, chunk) in rest.chunks(21).enumerate() {
        let mut block = [0; 512];
        for (index, (at, length)) in chunk.iter().enumerate() {
            number(&mut block, index * 24, *at);
            number(&mut block, index * 24 + 12, *length);
        }
        block[504] = u8::from((number_of + 1) * 21 < rest.len());
        new.extension.extend(block);
    }
    new
}
