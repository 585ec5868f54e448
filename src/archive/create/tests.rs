#![forbid(unsafe_code)]

use std::fs::{self, OpenOptions, Permissions};
use std::os::unix::fs::{FileExt as _, PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use nix::errno::Errno;

use super::*;
use crate::Error;
use crate::archive::Sink;
use crate::fs::Place;
use crate::fs::testing::Scratch;
use crate::tar::Time;
use crate::watch::{WarningKind, Watch};

/// A directory `tree` to store, and beside it room for the archive; removed with its content.
struct Stage(Scratch);

impl Stage {
    fn new() -> Self {
        let scratch = Scratch::new();
        fs::create_dir(scratch.join("tree")).unwrap();
        Self(scratch)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.join("tree").join(name)
    }

    fn root(&self) -> Root {
        Root::new(
            Place::from(&self.at(""))
                .open_directory_ambient("root")
                .unwrap(),
        )
    }

    fn file(&self, name: &str) -> File {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true);
        options.open(self.0.join(name)).unwrap()
    }

    /// Measures the whole tree.
    fn measure<'m>(
        &self,
        spool: &'m File,
        root: &'m Root,
        watch: &'m Watch,
    ) -> Result<Measured<'m>> {
        let manner = Manner {
            dotted: true,
            ..Manner::default()
        };
        let store = |measure: &mut Measure<'m>| {
            let mut creation = Creation::new(root, measure, manner)?;
            creation.add(&RootPath::root(), Depth::Recursive, false)
        };
        Measured::new(spool, b"nested.tar", Measure::alone(watch), store)
            .map(|(measured, _)| measured)
    }

    /// Stores the whole tree as a nested archive, with something done between the passes; the inner archive.
    fn store(&self, between: impl FnOnce()) -> Result<Vec<u8>> {
        let (root, watch, output) = (self.root(), Watch::new(), self.file("archive"));
        let spool = self.file("spool");
        let measured = self.measure(&spool, &root, &watch)?;
        let size = measured.size();
        between();
        let mut sink = Sink::into_file(&output, &watch);
        measured.write(&root, outer(), &mut sink)?;
        let length = sink.finish()?.length;
        let bytes = fs::read(self.0.join("archive")).unwrap();
        assert_eq!(bytes.len() as u64, length);
        // A header that is lengthened in front of much data, the inner archive, the end.
        let header = if size < 65_536 { 512 } else { 4096 };
        assert_eq!(length, header + size + 1024);
        Ok(bytes[usize::try_from(header).unwrap()..bytes.len() - 1024].to_vec())
    }

    #[track_caller]
    fn assert_stale(&self, entry: &str, between: impl FnOnce()) {
        let error = self.store(between).unwrap_err();
        assert!(error.is(Errno::ESTALE), "{error}");
        assert_eq!(error.entry(), Some(entry.as_bytes()), "{error}");
    }
}

fn outer() -> Member {
    let kind = MemberKind::Regular(Extents::whole(0));
    Member::made(b"nested.tar", kind, Time::default())
}

fn append(path: &Path, content: &[u8]) {
    use std::io::Write as _;
    let mut options = OpenOptions::new();
    let file = options.append(true).open(path);
    file.unwrap().write_all(content).unwrap();
}

/// Where the content of a file is in an archive.
fn count(bytes: &[u8], content: &[u8]) -> usize {
    let pieces = bytes.windows(content.len());
    pieces.filter(|piece| *piece == content).count()
}

#[test]
fn a_nested_archive_is_as_long_as_it_was_measured_and_ends() {
    let scratch = Stage::new();
    fs::create_dir(scratch.at("dir")).unwrap();
    fs::write(scratch.at("dir/large"), vec![b'l'; 1_000_001]).unwrap();
    fs::write(scratch.at("empty"), "").unwrap();
    fs::write(scratch.at("small"), "small content").unwrap();
    fs::hard_link(scratch.at("small"), scratch.at("twin")).unwrap();
    symlink("small", scratch.at("link")).unwrap();
    let sparse = fs::File::create(scratch.at("sparse")).unwrap();
    sparse.set_len(3 << 20).unwrap();
    append(&scratch.at("sparse"), b"after the hole");
    let inner = scratch.store(|| ()).unwrap();
    assert_eq!(inner.len() % 512, 0);
    assert_eq!(inner[inner.len() - 1024..], [0; 1024]);
    assert_ne!(inner[inner.len() - 1536..inner.len() - 1024], [0; 512]);
    // Large data, small data, data behind a hole: each once, and the hole not at all.
    assert_eq!(count(&inner, &vec![b'l'; 1_000_001]), 1);
    assert_eq!(count(&inner, b"small content"), 1);
    assert_eq!(count(&inner, b"after the hole"), 1);
    assert!(inner.len() < 1_100_000);
}

#[test]
fn a_file_that_grew_between_the_passes_gives_the_bytes_it_had() {
    let scratch = Stage::new();
    for (name, length) in [("small", 5), ("large", 300_000)] {
        fs::write(scratch.at(name), vec![b'o'; length]).unwrap();
    }
    let inner = scratch
        .store(|| {
            append(&scratch.at("small"), b"NEW");
            append(&scratch.at("large"), b"NEW");
        })
        .unwrap();
    assert_eq!(count(&inner, b"NEW"), 0);
    assert_eq!(count(&inner, &vec![b'o'; 300_000]), 1);
}

#[test]
fn a_file_that_shrank_between_the_passes_is_stale() {
    for length in [0, 4, 300_000] {
        let scratch = Stage::new();
        fs::write(scratch.at("f"), vec![b'x'; length + 1]).unwrap();
        scratch.assert_stale("./f", || {
            let file = OpenOptions::new().write(true).open(scratch.at("f"));
            file.unwrap().set_len(length as u64).unwrap();
        });
    }
}

#[test]
fn a_file_whose_last_hole_was_cut_off_is_stale() {
    let scratch = Stage::new();
    fs::write(scratch.at("f"), "data").unwrap();
    let file = OpenOptions::new()
        .write(true)
        .open(scratch.at("f"))
        .unwrap();
    file.set_len(4 << 20).unwrap();
    scratch.assert_stale("./f", || file.set_len(1 << 20).unwrap());
}

#[test]
fn a_file_that_vanished_between_the_passes_is_stale() {
    let scratch = Stage::new();
    fs::create_dir(scratch.at("d")).unwrap();
    fs::write(scratch.at("d/f"), "content").unwrap();
    scratch.assert_stale("./d/f", || fs::remove_file(scratch.at("d/f")).unwrap());
    fs::write(scratch.at("d/f"), "content").unwrap();
    scratch.assert_stale("./d/f", || fs::remove_dir_all(scratch.at("d")).unwrap());
}

#[test]
fn a_file_that_was_replaced_between_the_passes_is_stale() {
    let scratch = Stage::new();
    fs::write(scratch.at("f"), "content").unwrap();
    scratch.assert_stale("./f", || {
        fs::write(scratch.at("new"), "content").unwrap();
        fs::rename(scratch.at("new"), scratch.at("f")).unwrap();
    });
    // By one that has its number, on file systems that give it out again at once.
    scratch.assert_stale("./f", || {
        fs::remove_file(scratch.at("f")).unwrap();
        fs::write(scratch.at("f"), "content").unwrap();
    });
    // A symlink isn't followed, a fifo isn't opened.
    fs::write(scratch.0.join("outside"), "content").unwrap();
    scratch.assert_stale("./f", || {
        fs::remove_file(scratch.at("f")).unwrap();
        symlink("../outside", scratch.at("f")).unwrap();
    });
    fs::remove_file(scratch.at("f")).unwrap();
    fs::write(scratch.at("f"), "content").unwrap();
    scratch.assert_stale("./f", || {
        fs::remove_file(scratch.at("f")).unwrap();
        let mode = nix::sys::stat::Mode::S_IRUSR;
        nix::unistd::mkfifo(&scratch.at("f"), mode).unwrap();
    });
}

#[test]
fn a_file_whose_attributes_changed_between_the_passes_is_stale() {
    let scratch = Stage::new();
    let path = scratch.at("f");
    fs::write(&path, "content").unwrap();
    scratch.assert_stale("./f", || {
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    });
    let set = |value: &[u8]| {
        let node = Node::from_open(fs::File::open(&path).unwrap().into());
        node.set_xattr(c"user.test", value)
    };
    if set(b"1").is_err() {
        eprintln!("skipped: there are no xattrs in the temporary directory");
        return;
    }
    scratch.assert_stale("./f", || set(b"2").unwrap());
    scratch.assert_stale("./f", || {
        let node = Node::from_open(fs::File::open(&path).unwrap().into());
        node.remove_xattr(c"user.test").unwrap();
    });
    if nix::unistd::geteuid().is_root() {
        scratch.assert_stale("./f", || {
            std::os::unix::fs::chown(&path, Some(7), None).unwrap();
        });
        scratch.assert_stale("./f", || {
            std::os::unix::fs::chown(&path, None, Some(7)).unwrap();
        });
    }
}

#[test]
fn what_has_no_data_is_stored_as_it_was_measured() {
    let scratch = Stage::new();
    fs::create_dir(scratch.at("dir")).unwrap();
    fs::write(scratch.at("empty"), "").unwrap();
    symlink("somewhere", scratch.at("link")).unwrap();
    let before = scratch.store(|| ()).unwrap();
    let after = scratch
        .store(|| {
            fs::remove_dir(scratch.at("dir")).unwrap();
            fs::remove_file(scratch.at("empty")).unwrap();
            fs::remove_file(scratch.at("link")).unwrap();
        })
        .unwrap();
    assert!(before == after);
}

#[test]
fn a_socket_is_left_out_and_told_once() {
    let scratch = Stage::new();
    let _listener = UnixListener::bind(scratch.at("s")).unwrap();
    let (watch, told) = (Watch::new(), Arc::new(Mutex::new(Vec::new())));
    let telling = Arc::clone(&told);
    watch.on_warning(move |warning| {
        let member = String::from_utf8(warning.member.to_vec()).unwrap();
        telling.lock().unwrap().push((warning.kind, member));
    });
    let root = scratch.root();
    let alone = Manner::default();
    let mut measure = Measure::alone(&watch);
    Creation::new(&root, &mut measure, alone)
        .and_then(|mut creation| creation.add(&RootPath::root(), Depth::Recursive, false))
        .unwrap();
    scratch
        .measure(&scratch.file("spool"), &root, &watch)
        .unwrap();
    let expected = [(WarningKind::Socket, "nested.tar/s".to_owned())];
    assert_eq!(*told.lock().unwrap(), expected);
}

#[test]
fn both_passes_can_be_cancelled() {
    let scratch = Stage::new();
    fs::write(scratch.at("f"), "content").unwrap();
    let (root, watch, output) = (scratch.root(), Watch::new(), scratch.file("archive"));
    let spool = scratch.file("spool");
    let measured = scratch.measure(&spool, &root, &watch).unwrap();
    watch.cancel();
    let error = scratch
        .measure(&scratch.file("spool"), &root, &watch)
        .map(drop)
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Cancelled);
    let mut sink = Sink::into_file(&output, &watch);
    let error = measured.write(&root, outer(), &mut sink).unwrap_err();
    assert_eq!(error.kind(), Kind::Cancelled);
}

#[test]
fn what_is_excepted_is_passed_over_with_its_content() {
    let scratch = Stage::new();
    fs::create_dir(scratch.at("a")).unwrap();
    fs::create_dir(scratch.at("a/gone")).unwrap();
    fs::write(scratch.at("a/gone/f"), "excepted").unwrap();
    fs::write(scratch.at("a/kept"), "stored").unwrap();
    let except = BTreeSet::from([RootPath::clean(b"a/gone").unwrap()]);
    let (root, watch, output) = (scratch.root(), Watch::new(), scratch.file("archive"));
    let mut sink = Sink::into_file(&output, &watch);
    let manner = Manner {
        except: Some(&except),
        ..Manner::default()
    };
    let mut creation = Creation::new(&root, &mut sink, manner).unwrap();
    let stored = creation.add(&RootPath::clean(b"a").unwrap(), Depth::Recursive, false);
    assert_eq!(stored.unwrap(), Stored::Tree);
    sink.finish().unwrap();
    let bytes = fs::read(scratch.0.join("archive")).unwrap();
    assert_eq!(count(&bytes, b"excepted"), 0);
    assert_eq!(count(&bytes, b"gone"), 0);
    assert_eq!(count(&bytes, b"stored"), 1);
}

#[test]
fn a_judge_is_asked_about_every_member() {
    let scratch = Stage::new();
    fs::create_dir(scratch.at("d")).unwrap();
    symlink("x", scratch.at("d/link")).unwrap();
    let (root, watch) = (scratch.root(), Watch::new());
    let judge = |path: &RootPath, member: &Member| match member.kind {
        MemberKind::Symlink { .. } => Err(Error::argument("it", path.quoted())),
        _ => Ok(()),
    };
    let manner = Manner {
        judge: Some(&judge),
        ..Manner::default()
    };
    let mut measure = Measure::alone(&watch);
    let mut creation = Creation::new(&root, &mut measure, manner).unwrap();
    let path = RootPath::clean(b"d").unwrap();
    let error = creation.add(&path, Depth::Recursive, false).unwrap_err();
    assert_eq!(error.entry(), Some(&b"d/link"[..]));
    assert_eq!(error.kind(), Kind::Argument);
}

#[test]
fn a_spool_that_was_cut_short_is_an_error() {
    let scratch = Stage::new();
    fs::write(scratch.at("f"), "content").unwrap();
    let (root, watch, output) = (scratch.root(), Watch::new(), scratch.file("archive"));
    let spool = scratch.file("spool");
    let measured = scratch.measure(&spool, &root, &watch).unwrap();
    spool.set_len(spool.metadata().unwrap().len() - 1).unwrap();
    let mut sink = Sink::into_file(&output, &watch);
    let error = measured.write(&root, outer(), &mut sink).unwrap_err();
    assert_eq!(error.errno(), libc::EIO);
}

#[test]
fn a_spool_that_lost_its_last_members_is_an_error() {
    let scratch = Stage::new();
    fs::write(scratch.at("f"), "content").unwrap();
    fs::write(scratch.at("g"), "content").unwrap();
    let (root, watch, output) = (scratch.root(), Watch::new(), scratch.file("archive"));
    let spool = scratch.file("spool");
    let measured = scratch.measure(&spool, &root, &watch).unwrap();
    let mut length = [0; 4];
    spool.read_exact_at(&mut length, 0).unwrap();
    spool
        .set_len(4 + u64::from(u32::from_le_bytes(length)))
        .unwrap();
    let mut sink = Sink::into_file(&output, &watch);
    let error = measured.write(&root, outer(), &mut sink).unwrap_err();
    assert_eq!(error.errno(), libc::EIO, "{error}");
}

#[test]
fn a_file_that_ends_before_its_size_is_stale() {
    let stage = Stage::new();
    let (watch, output) = (Watch::new(), stage.file("archive"));
    // One is gathered with the headers around it, the other copied by the kernel.
    for size in [100, 1 << 20] {
        let content = vec![b'x'; size - 1];
        fs::write(stage.at("f"), &content).unwrap();
        let file = fs::File::open(stage.at("f")).unwrap();
        let kind = MemberKind::Regular(Extents::whole(size as u64));
        let member = Member { kind, ..outer() };
        let mut sink = Sink::into_file(&output, &watch);
        sink.header(&member).unwrap();
        let error = sink.data(&member, &file).unwrap_err();
        assert_eq!(error.errno(), libc::ESTALE, "{size}: {error}");
    }
}
