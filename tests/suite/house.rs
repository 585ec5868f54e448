//! The test house itself: what the comparer, the builder and the sandbox have to notice and to do.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use crate::support::compressor::Compression;
use crate::support::os;
use crate::support::sandbox::{Fs, Sandbox};
use crate::support::tarball::{self, Sparse, archive, dir, file, sparse};
use crate::support::tree::{Aspects, Snapshot};

/// A tree with one of everything; equal whenever it is made.
fn tree(sandbox: &Sandbox, name: &str) -> std::path::PathBuf {
    let root = sandbox.dir(name);
    fs::write(root.join("file"), "content").unwrap();
    fs::write(root.join("twin"), "twin").unwrap();
    fs::hard_link(root.join("twin"), root.join("twin2")).unwrap();
    fs::create_dir(root.join("dir")).unwrap();
    symlink("file", root.join("link")).unwrap();
    os::mknod(&root.join("fifo"), libc::S_IFIFO | 0o600, 0, 0).unwrap();
    let sparse = fs::File::create(root.join("sparse")).unwrap();
    sparse.set_len(1 << 20).unwrap();
    if os::is_real_root() {
        os::mknod(&root.join("null"), libc::S_IFCHR | 0o600, 1, 3).unwrap();
    }
    for one in ["file", "twin", "dir", "link", "fifo", "sparse", ""] {
        os::set_times(&root.join(one), (1, 2), (3, 4)).unwrap();
    }
    if os::is_real_root() {
        os::set_times(&root.join("null"), (1, 2), (3, 4)).unwrap();
    }
    root
}

/// Asserts that after `change` the comparer says something that contains all of `words`, and only that.
#[track_caller]
fn notices(words: &str, change: impl FnOnce(&Path)) {
    let sandbox = Sandbox::new();
    let (first, second) = (tree(&sandbox, "first"), tree(&sandbox, "second"));
    let before = Snapshot::of(&first);
    assert_eq!(
        before.differences(&Snapshot::of(&second), Aspects::UNTOUCHED),
        Vec::<String>::new()
    );
    change(&second);
    os::set_times(&second, (1, 2), (3, 4)).unwrap();
    let found = before.differences(&Snapshot::of(&second), Aspects::RESTORE);
    assert_eq!(found.len(), words.split('+').count(), "{found:?}");
    for word in words.split('+') {
        assert!(
            found.iter().any(|line| line.contains(word)),
            "no {word:?} in {found:?}"
        );
    }
}

#[test]
fn the_comparer_notices_content_size_and_holes() {
    notices("\"file\": content", |root| {
        fs::write(root.join("file"), "CONTENT").unwrap();
        os::set_times(&root.join("file"), (1, 2), (3, 4)).unwrap();
    });
    notices("\"file\": size+\"file\": data map", |root| {
        fs::write(root.join("file"), "longer content").unwrap();
        os::set_times(&root.join("file"), (1, 2), (3, 4)).unwrap();
    });
    notices("\"sparse\": data map", |root| {
        fs::write(root.join("sparse"), vec![0; 1 << 20]).unwrap();
        os::set_times(&root.join("sparse"), (1, 2), (3, 4)).unwrap();
    });
}

#[test]
fn the_comparer_notices_names_and_types() {
    notices("\"file\" is missing in the second", |root| {
        fs::remove_file(root.join("file")).unwrap()
    });
    notices("\"new\" is only in the second", |root| {
        fs::write(root.join("new"), "").unwrap()
    });
    notices("\"fifo\": type", |root| {
        fs::remove_file(root.join("fifo")).unwrap();
        fs::write(root.join("fifo"), "").unwrap();
        fs::set_permissions(root.join("fifo"), PermissionsExt::from_mode(0o600)).unwrap();
        os::set_times(&root.join("fifo"), (1, 2), (3, 4)).unwrap();
    });
    notices("\"link\": link target", |root| {
        fs::remove_file(root.join("link")).unwrap();
        symlink("elif", root.join("link")).unwrap();
        os::set_times(&root.join("link"), (1, 2), (3, 4)).unwrap();
    });
    notices("\"twin2\": hard link+\"twin\": hard link", |root| {
        fs::remove_file(root.join("twin2")).unwrap();
        fs::write(root.join("twin2"), "twin").unwrap();
        os::set_times(&root.join("twin2"), (1, 2), (3, 4)).unwrap();
    });
    notices("\"file\": number of names", |root| {
        fs::hard_link(root.join("file"), root.parent().unwrap().join("elsewhere")).unwrap();
    });
}

#[test]
fn the_comparer_notices_mode_times_and_attributes() {
    notices("\"dir\": mode", |root| {
        fs::set_permissions(root.join("dir"), PermissionsExt::from_mode(0o1755)).unwrap()
    });
    notices("\"dir\": mtime (3, 4) became (3, 5)", |root| {
        os::set_times(&root.join("dir"), (1, 2), (3, 5)).unwrap()
    });
    notices("\"link\": mtime", |root| {
        os::set_times(&root.join("link"), (1, 2), (4, 4)).unwrap()
    });
    notices("\"file\": xattr \"user.x\" absent became \"y\"", |root| {
        os::set_xattr(&root.join("file"), "user.x", b"y").unwrap();
    });
}

#[test]
fn the_comparer_notices_what_only_root_can_change() {
    needs_root!("change owners");
    notices("\"link\": owner 0:0 became 1:2", |root| {
        os::chown(&root.join("link"), 1, 2).unwrap()
    });
    notices("\"dir\": xattr \"trusted.t\"", |root| {
        os::set_xattr(&root.join("dir"), "trusted.t", b"").unwrap()
    });
    notices("\"link\": xattr \"trusted.t\"", |root| {
        os::set_xattr(&root.join("link"), "trusted.t", b"").unwrap()
    });
    notices("\"dir\": xattr \"system.posix_acl_default\"", |root| {
        os::set_xattr(
            &root.join("dir"),
            "system.posix_acl_default",
            &crate::support::acl(&[]),
        )
        .unwrap();
    });
    notices("\"null\": type", |root| {
        fs::remove_file(root.join("null")).unwrap();
        os::mknod(&root.join("null"), libc::S_IFCHR | 0o600, 1, 5).unwrap();
        os::set_times(&root.join("null"), (1, 2), (3, 4)).unwrap();
    });
}

#[test]
fn the_builder_makes_what_gnu_tar_and_libarchive_read() {
    let long = format!("{}/file", "d".repeat(120));
    let mut entries = vec![dir("d"), file("d/f", "content").mode(0o600).mtime(77)];
    for (number, dialect) in [tarball::Dialect::Gnu, tarball::Dialect::Pax]
        .into_iter()
        .enumerate()
    {
        entries.push(file(format!("{number}{long}"), "long").dialect(dialect));
    }
    for form in Sparse::ALL {
        let parts: Vec<_> = (0..30)
            .map(|part| (part * 8192 + 4096, vec![b'x'; 512]))
            .collect();
        entries.push(sparse(form, &format!("{form:?}"), 300_000, &parts));
    }
    let bytes = archive(entries);
    for (program, compression) in [("tar", Compression::None), ("bsdtar", Compression::Zstd)] {
        let sandbox = Sandbox::new();
        let input = sandbox.path().join("a.tar");
        fs::write(&input, compression.pack(&bytes)).unwrap();
        let out = sandbox.dir("out");
        let output = Command::new(program)
            .arg("-xf")
            .arg(&input)
            .arg("-C")
            .arg(&out)
            .output()
            .expect(program);
        assert!(
            output.status.success(),
            "{program}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert_eq!(fs::read(out.join(format!("0{long}"))).unwrap(), b"long");
        assert_eq!(fs::read(out.join(format!("1{long}"))).unwrap(), b"long");
        let tree = Snapshot::of(&out);
        assert_eq!(
            (tree.get("d/f").mode, tree.get("d/f").mtime),
            (0o600, (77, 0))
        );
        for form in Sparse::ALL {
            let content = fs::read(out.join(format!("{form:?}"))).unwrap();
            assert_eq!(content.len(), 300_000, "{program} {form:?}");
            for (at, byte) in content.iter().enumerate() {
                let expected = if at < 30 * 8192 && (4096..4608).contains(&(at % 8192)) {
                    b'x'
                } else {
                    0
                };
                assert_eq!(*byte, expected, "{program} {form:?} at {at}");
            }
        }
    }
}

#[test]
fn every_file_system_can_be_mounted_and_is_gone_afterwards() {
    needs_root!("mount file systems");
    for kind in Fs::COMMON {
        let sandbox = Sandbox::on(kind).unwrap_or_else(|| panic!("{kind:?}"));
        fs::write(sandbox.path().join("x"), "x").unwrap();
        let path = sandbox.path().to_path_buf();
        drop(sandbox);
        assert!(!path.exists(), "{kind:?}");
    }
}
