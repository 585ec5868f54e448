//! The rest of the conformance table: odd inputs, replacing, round trips.

use std::fs;
use std::os::unix::fs::symlink as make_symlink;
use std::os::unix::net::UnixListener;

use crate::support::api::{add, delete};
use crate::support::compressor::Compression;
use crate::support::os;
use crate::support::process::Test;
use crate::support::sandbox::{Fs, Sandbox};
use crate::support::stage::{Stage, assert_errno};
use crate::support::tarball::{Dialect, archive, file, global};
use crate::support::tree::{Aspects, Kind, Snapshot};

/// A `security.capability` value: version 2, effective, CAP_NET_BIND_SERVICE permitted.
pub const CAPABILITY: [u8; 20] = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// Packs everything in a stage's root, applies it to a new one, and checks that nothing differs.
#[track_caller]
fn round_trip(stage: &Stage<'_>, other: &Stage<'_>, compression: Compression) {
    let names = fs::read_dir(&stage.root).unwrap();
    let mut changes: Vec<_> = names
        .map(|entry| add(std::path::Path::new("/").join(entry.unwrap().file_name())))
        .collect();
    changes.sort_by(|a, b| a.path.cmp(&b.path));
    assert_eq!(stage.create(&changes).unwrap(), ["rootfs-diff.tar"]);
    let bytes = fs::read(stage.base.join("rootfs-diff.tar")).unwrap();
    other.apply_bytes(&compression.pack(&bytes)).unwrap();
    stage
        .tree()
        .assert_same(&other.tree(), Aspects::RESTORE, "a round trip");
}

api_tests! {
    an_empty_file_and_zeros_are_empty_archives,
    a_list_of_65534_paths_works,
    an_excluded_name_is_left_out_and_others_are_not,
    a_name_that_begins_with_two_dots_is_ordinary,
    a_root_that_is_a_symlink_is_followed_but_none_below_it_leads_out,
    packing_through_a_link_that_leads_outside_reads_nothing_there,
    a_directory_or_nothing_as_archive_is_an_error,
    a_destination_that_is_a_file_is_an_error,
    a_directory_where_the_archive_has_a_file_is_replaced,
    a_thousand_files_come_back_with_and_without_hard_links,
    ten_names_of_one_file_stay_names_of_one_file,
    devices_and_fifos_come_back,
    capabilities_and_user_attributes_come_back,
    a_socket_is_skipped_without_an_error,
    a_path_listed_twice_is_packed_once,
    a_global_header_with_a_comment_changes_nothing,
    a_global_header_that_says_something_of_members_is_refused,
    a_compressed_nothing_is_an_empty_archive,
    a_destination_without_room_is_an_error_and_leaves_no_output,
    a_gnu_header_with_a_ustar_prefix_and_a_huge_id_is_read
}

fn an_empty_file_and_zeros_are_empty_archives(t: &Test) {
    for length in [0, 512, 1024, 10 * 1024] {
        let stage = Stage::new(t);
        stage.apply_bytes(&vec![0; length]).unwrap();
        assert_eq!(stage.tree().paths(), Vec::<String>::new());
    }
}

fn a_list_of_65534_paths_works(t: &Test) {
    let stage = Stage::new(t);
    stage.write("kept", "x");
    let names: Vec<_> = (0..65_534)
        .map(|number| format!("/gone/{number}"))
        .collect();
    let changes: Vec<_> = names.iter().map(delete).collect();
    assert_eq!(stage.create(&changes).unwrap(), ["deleted.files"]);
    let list = fs::read_to_string(stage.base.join("deleted.files")).unwrap();
    assert_eq!(list.lines().count(), 65_536);
    for name in names.iter().step_by(1000) {
        stage.write(&name[1..], "x");
    }
    stage.remove(list).unwrap();
    assert_eq!(stage.tree().paths(), ["gone", "kept"]);
}

fn an_excluded_name_is_left_out_and_others_are_not(t: &Test) {
    let sandbox = Sandbox::new();
    let input = sandbox.path().join("input");
    fs::write(
        &input,
        archive([file("toto", "x"), file("config.dump", "{}")]),
    )
    .unwrap();
    let bundle = sandbox.dir("bundle");
    t.import_without_config(&bundle, &input).unwrap();
    assert_eq!(Snapshot::of(&bundle).paths(), ["toto"]);
}

fn a_name_that_begins_with_two_dots_is_ordinary(t: &Test) {
    let stage = Stage::new(t);
    stage
        .apply([file("..gitme", "x"), file("...", "y")])
        .unwrap();
    assert_eq!(stage.tree().paths(), ["...", "..gitme"]);
}

fn a_root_that_is_a_symlink_is_followed_but_none_below_it_leads_out(t: &Test) {
    let stage = Stage::new(t);
    let link = stage.sandbox.path().join("link");
    make_symlink(&stage.root, &link).unwrap();
    fs::write(
        stage.base.join("rootfs-diff.tar"),
        archive([file("through", "x")]),
    )
    .unwrap();
    t.apply_rootfs_diff_tar(&stage.base, &link).unwrap();
    assert_eq!(stage.read("through"), "x");
    make_symlink("..", stage.at("safe")).unwrap();
    stage.apply([file("safe/victim/hello", "x")]).unwrap();
    assert_eq!(stage.read("victim/hello"), "x");
}

fn packing_through_a_link_that_leads_outside_reads_nothing_there(t: &Test) {
    let stage = Stage::new(t);
    let outer = stage.sandbox.path().join("outer");
    make_symlink(&outer, stage.at("absolute")).unwrap();
    make_symlink("..", stage.at("relative")).unwrap();
    stage.write("own", "own");
    for path in [
        "/absolute/victim/hello",
        "/relative/victim/hello",
        "/absolute/victim",
        "/absolute/victim/",
        "/relative/victim/",
        "/absolute/",
        "/../victim/hello",
    ] {
        let outcome = stage.guarded_create(&[add("/own"), add(path)]);
        let Ok(_) = outcome else { continue };
        let bytes = fs::read(stage.base.join("rootfs-diff.tar")).unwrap();
        let found = bytes
            .windows(18)
            .any(|window| window == b"hello from outside");
        assert!(!found, "{path} brought in what lies outside");
    }
}

fn a_directory_or_nothing_as_archive_is_an_error(t: &Test) {
    let sandbox = Sandbox::new();
    let directory = sandbox.dir("input");
    let missing = sandbox.path().join("missing");
    let bundle = sandbox.path().join("bundle");
    for (input, errno) in [(&directory, libc::EISDIR), (&missing, libc::ENOENT)] {
        assert_errno(t.import_without_config(&bundle, input), errno);
        assert_errno(t.import_config_only(&bundle, input), errno);
        assert_errno(t.runtime_from_archive(input), errno);
        assert!(!bundle.exists());
    }
}

fn a_destination_that_is_a_file_is_an_error(t: &Test) {
    let stage = Stage::new(t);
    let input = stage.sandbox.path().join("input");
    fs::write(&input, archive([file("x", "x")])).unwrap();
    fs::write(
        stage.base.join("rootfs-diff.tar"),
        archive([file("x", "x")]),
    )
    .unwrap();
    let taken = stage.sandbox.path().join("victim/hello");
    stage.guarded(|| {
        assert_errno(t.import_without_config(&taken, &input), libc::ENOTDIR);
        assert_errno(t.import_config_only(&taken, &input), libc::ENOTDIR);
        assert_errno(t.apply_rootfs_diff_tar(&stage.base, &taken), libc::ENOTDIR);
    });
}

fn a_directory_where_the_archive_has_a_file_is_replaced(t: &Test) {
    let stage = Stage::new(t);
    stage.write("a/b/c/d/e/f", "x");
    stage.apply([file("/a/b/c/d", "file")]).unwrap();
    assert_eq!(stage.read("a/b/c/d"), "file");
}

fn a_thousand_files_come_back_with_and_without_hard_links(t: &Test) {
    for linked in [false, true] {
        let (stage, other) = (Stage::new(t), Stage::new(t));
        for number in 0..1000 {
            stage.write(&format!("d/{number}"), &number.to_string());
            if linked {
                fs::hard_link(
                    stage.at(&format!("d/{number}")),
                    stage.at(&format!("d/{number}.link")),
                )
                .unwrap();
            }
        }
        round_trip(&stage, &other, Compression::None);
    }
}

fn ten_names_of_one_file_stay_names_of_one_file(t: &Test) {
    let (stage, other) = (Stage::new(t), Stage::new(t));
    stage.write("0", "x");
    for number in 1..10 {
        fs::hard_link(stage.at("0"), stage.at(&number.to_string())).unwrap();
    }
    round_trip(&stage, &other, Compression::None);
    assert_eq!(other.tree().get("9").names, 10);
}

fn devices_and_fifos_come_back(t: &Test) {
    needs_root!("make devices");
    let (stage, other) = (Stage::new(t), Stage::new(t));
    os::mknod(&stage.at("char"), libc::S_IFCHR | 0o640, 12, 5).unwrap();
    os::mknod(&stage.at("block"), libc::S_IFBLK | 0o660, 4095, 1_048_575).unwrap();
    os::mknod(&stage.at("fifo"), libc::S_IFIFO | 0o600, 0, 0).unwrap();
    round_trip(&stage, &other, Compression::None);
    assert_eq!(
        other.tree().get("char").kind,
        Kind::Char {
            major: 12,
            minor: 5
        }
    );
}

fn capabilities_and_user_attributes_come_back(t: &Test) {
    for compression in [Compression::None, Compression::Gzip] {
        let (stage, other) = (Stage::new(t), Stage::new(t));
        stage.write("f", "x");
        os::set_xattr(&stage.at("f"), "user.test", b"a\0b").unwrap();
        if os::is_real_root() {
            os::set_xattr(&stage.at("f"), "security.capability", &CAPABILITY).unwrap();
        }
        round_trip(&stage, &other, compression);
    }
}

fn a_socket_is_skipped_without_an_error(t: &Test) {
    let (stage, other) = (Stage::new(t), Stage::new(t));
    stage.write("d/f", "x");
    let _listener = UnixListener::bind(stage.at("d/socket")).unwrap();
    stage.create(&[add("/d")]).unwrap();
    other
        .apply_bytes(&fs::read(stage.base.join("rootfs-diff.tar")).unwrap())
        .unwrap();
    assert_eq!(other.tree().paths(), ["d", "d/f"]);
}

fn a_path_listed_twice_is_packed_once(t: &Test) {
    let stage = Stage::new(t);
    stage.write("1", "x");
    stage.create(&[add("/1")]).unwrap();
    let once = fs::read(stage.base.join("rootfs-diff.tar")).unwrap();
    stage.create(&[add("/1"), add("/1"), add("/./1")]).unwrap();
    assert_eq!(fs::read(stage.base.join("rootfs-diff.tar")).unwrap(), once);
}

fn a_global_header_with_a_comment_changes_nothing(t: &Test) {
    let stage = Stage::new(t);
    stage.write("d/kept", "kept");
    stage
        .apply([
            global("d", "comment", "c"),
            global("new/parent", "GNU.volume.label", "y"),
            file("f", "x").mtime(77),
        ])
        .unwrap();
    assert_eq!(stage.tree().paths(), ["d", "d/kept", "f"]);
    assert_eq!(stage.tree().get("f").mtime, (77, 0));
}

fn a_global_header_that_says_something_of_members_is_refused(t: &Test) {
    for (key, value) in [("mtime", "5"), ("uid", "7"), ("size", "1"), ("path", "y")] {
        let stage = Stage::new(t);
        assert_errno(
            stage.apply([file("before", "x"), global("g", key, value), file("f", "x")]),
            libc::EOPNOTSUPP,
        );
        assert_eq!(stage.tree().paths(), ["before"], "{key}");
    }
}

fn a_compressed_nothing_is_an_empty_archive(t: &Test) {
    for compression in Compression::REAL {
        let stage = Stage::new(t);
        stage.apply_bytes(&compression.pack(b"")).unwrap();
        assert_eq!(stage.tree().paths(), Vec::<String>::new());
    }
}

fn a_destination_without_room_is_an_error_and_leaves_no_output(t: &Test) {
    needs_root!("mount a file system without room");
    let stage = Stage::new(t);
    fs::write(stage.at("big"), vec![b'x'; 1 << 20]).unwrap();
    let full = Sandbox::on(Fs::Tiny).unwrap();
    assert_errno(
        t.create_rootfs_diff_tar(&[add("/big")], &stage.root, full.path()),
        libc::ENOSPC,
    );
    assert_eq!(Snapshot::of(full.path()).paths(), Vec::<String>::new());
}

fn a_gnu_header_with_a_ustar_prefix_and_a_huge_id_is_read(t: &Test) {
    needs_root!("give files away");
    let stage = Stage::new(t);
    let prefix = "usr/share/man/man3";
    // Old GNU magic, but the fields behind the device numbers hold a prefix, as no GNU writer does it.
    let page = file("Some::Very::Long::Name.3pm.gz", "page")
        .dialect(Dialect::Gnu)
        .field(345, prefix);
    stage.apply([page.owner(0x2000_0000, 0x2000_0001)]).unwrap();
    let tree = stage.tree();
    let page = tree.get("usr/share/man/man3/Some::Very::Long::Name.3pm.gz");
    assert_eq!((page.uid, page.gid), (0x2000_0000, 0x2000_0001));
}
