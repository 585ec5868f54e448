//! Creating the root file system diff: everything that was listed is in it, and nothing else.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink as make_symlink};
use std::process::Command;

use crate::support::acl;
use crate::support::api::{Change, add, delete, modify};
use crate::support::os;
use crate::support::process::Test;
use crate::support::sandbox::{Fs, run};
use crate::support::stage::Stage;
use crate::support::tree::{Aspects, Kind};

/// The member names of the diff, as GNU tar lists them.
pub(crate) fn members(stage: &Stage<'_>) -> Vec<String> {
    let output = Command::new("tar")
        .arg("-tf")
        .arg(stage.base.join("rootfs-diff.tar"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(Into::into)
        .collect()
}

pub(crate) fn diff_bytes(stage: &Stage<'_>) -> Vec<u8> {
    fs::read(stage.base.join("rootfs-diff.tar")).unwrap()
}

pub(crate) fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// Creates the diff of a stage, applies and deletes it on another, and compares the two.
#[track_caller]
pub(crate) fn carry_over(stage: &Stage<'_>, other: &Stage<'_>, changes: &[Change]) {
    let names = stage.guarded_create(changes).unwrap();
    for name in &names {
        fs::copy(stage.base.join(name), other.base.join(name)).unwrap();
    }
    if names.iter().any(|name| name == "rootfs-diff.tar") {
        other.apply_bytes(&diff_bytes(stage)).unwrap();
    }
    if names.iter().any(|name| name == "deleted.files") {
        other
            .remove(fs::read(stage.base.join("deleted.files")).unwrap())
            .unwrap();
    }
    stage
        .tree()
        .assert_same(&other.tree(), Aspects::RESTORE, "after apply and delete");
}

api_tests! {
    modified_files_are_packed_whatever_the_host_has_there,
    a_file_modified_in_place_leaves_the_time_of_its_directory,
    a_modified_directory_is_packed_without_its_content,
    an_added_directory_is_packed_with_its_content_in_order,
    a_file_that_became_a_directory_and_back_is_carried_over,
    everything_about_an_object_is_carried_over,
    holes_are_carried_over_and_take_no_space,
    hard_links_are_carried_over,
    equal_inode_numbers_of_two_subvolumes_are_two_files,
    overlay_internal_attributes_and_labels_stay_out,
    a_mount_is_packed_as_an_empty_directory_and_never_entered,
    a_name_that_is_not_utf_8_is_packed_and_deleted_as_it_is,
    a_name_that_a_link_could_stand_for_is_looked_up_in_the_root,
    a_deleted_directory_that_was_made_again_keeps_only_what_is_new,
}

fn modified_files_are_packed_whatever_the_host_has_there(t: &Test) {
    let stage = Stage::new(t);
    // The host has a file, a directory and nothing at these paths.
    for path in ["etc/passwd", "usr", "crutils-only-here", "tmp"] {
        stage.write(path, "the container's");
    }
    stage
        .create(&["/etc/passwd", "/usr", "/crutils-only-here", "/tmp"].map(modify))
        .unwrap();
    assert_eq!(
        members(&stage),
        ["crutils-only-here", "etc/passwd", "tmp", "usr"]
    );
    assert!(!contains(&diff_bytes(&stage), b"root:x:0"));
}

fn a_file_modified_in_place_leaves_the_time_of_its_directory(t: &Test) {
    let (stage, other) = (Stage::new(t), Stage::new(t));
    for (one, content) in [(&stage, "new"), (&other, "old")] {
        one.write("d/f", content);
        os::set_times(&one.at("d"), (5, 0), (6, 7)).unwrap();
    }
    carry_over(&stage, &other, &[modify("/d/f")]);
}

fn a_modified_directory_is_packed_without_its_content(t: &Test) {
    let (stage, other) = (Stage::new(t), Stage::new(t));
    for one in [&stage, &other] {
        one.write("d/f", "x");
        os::set_times(&one.at("d/f"), (5, 0), (5, 5)).unwrap();
    }
    fs::set_permissions(stage.at("d"), PermissionsExt::from_mode(0o2710)).unwrap();
    os::set_xattr(&stage.at("d"), "user.new", b"1").unwrap();
    os::set_times(&stage.at("d"), (5, 0), (6, 7)).unwrap();
    carry_over(&stage, &other, &[modify("/d")]);
    assert_eq!(members(&stage), ["d/"]);
}

fn an_added_directory_is_packed_with_its_content_in_order(t: &Test) {
    let stage = Stage::new(t);
    for path in ["d/b", "d/a/x", "d/B", "e/f"] {
        stage.write(path, "x");
    }
    stage
        .create(&[add("/d"), add("/d/b"), add("/e/f")])
        .unwrap();
    assert_eq!(
        members(&stage),
        ["d/", "d/B", "d/a/", "d/a/x", "d/b", "e/f"]
    );
}

fn a_file_that_became_a_directory_and_back_is_carried_over(t: &Test) {
    let (stage, other) = (Stage::new(t), Stage::new(t));
    stage.write("a/new", "x");
    other.write("a", "was a file");
    stage.write("b", "now a file");
    other.write("b/old/f", "was a directory");
    make_symlink("b", stage.at("c")).unwrap();
    other.write("c/old", "was a directory");
    carry_over(
        &stage,
        &other,
        &[modify("/a"), add("/a/new"), modify("/b"), modify("/c")],
    );
}

fn everything_about_an_object_is_carried_over(t: &Test) {
    for fs in Fs::COMMON {
        let (Some(stage), Some(other)) = (Stage::on(t, fs), Stage::on(t, fs)) else {
            continue;
        };
        stage.write("d/f", "x");
        make_symlink("/nowhere", stage.at("d/l")).unwrap();
        os::mknod(&stage.at("d/p"), libc::S_IFIFO | 0o600, 0, 0).unwrap();
        stage.write(
            &format!("d/{}/{}", "l".repeat(200), "n".repeat(200)),
            "long",
        );
        fs::write(stage.root.join(OsStr::from_bytes(b"d/\xff\n\\")), "odd").unwrap();
        for (path, times) in [
            ("d/f", (-5, 250)),
            ("d/l", (9_000_000_000, 1)),
            ("d/p", (1, 999_999_999)),
        ] {
            os::set_times(&stage.at(path), (5, 0), times).unwrap();
        }
        os::set_xattr(&stage.at("d/f"), "user.a", b"\0\n=").unwrap();
        let list = acl(&[1234]);
        os::set_xattr(&stage.at("d/f"), "system.posix_acl_access", &list).unwrap();
        os::set_xattr(&stage.at("d"), "system.posix_acl_default", &list).unwrap();
        if os::is_real_root() {
            os::set_xattr(&stage.at("d/l"), "trusted.t", b"1").unwrap();
            os::chown(&stage.at("d/l"), 3_000_000, 4_294_967_294).unwrap();
            os::chown(&stage.at("d/f"), 7, 8).unwrap();
            fs::set_permissions(stage.at("d/f"), PermissionsExt::from_mode(0o6750)).unwrap();
            os::set_xattr(
                &stage.at("d/f"),
                "security.capability",
                &crate::cases::CAPABILITY,
            )
            .unwrap();
            if fs != Fs::Overlay {
                os::mknod(&stage.at("d/c"), libc::S_IFCHR | 0o600, 0, 0).unwrap();
            }
        }
        os::set_times(&stage.at("d"), (5, 0), (6, 7)).unwrap();
        carry_over(&stage, &other, &[add("/d")]);
    }
}

fn holes_are_carried_over_and_take_no_space(t: &Test) {
    for fs in Fs::COMMON {
        let (Some(stage), Some(other)) = (Stage::on(t, fs), Stage::on(t, fs)) else {
            continue;
        };
        for (name, size, at) in [
            ("start", 1 << 30, 0),
            ("middle", 1 << 30, 1 << 29),
            ("end", 1 << 30, (1 << 30) - 65_536),
            ("small", 300_000, 131_072),
        ] {
            let file = fs::File::create(stage.at(name)).unwrap();
            file.set_len(size).unwrap();
            std::os::unix::fs::FileExt::write_all_at(&file, &[b'x'; 65_536], at).unwrap();
        }
        fs::File::create(stage.at("nothing"))
            .unwrap()
            .set_len(1 << 33)
            .unwrap();
        carry_over(
            &stage,
            &other,
            &["/start", "/middle", "/end", "/small", "/nothing"].map(add),
        );
        assert!(diff_bytes(&stage).len() < 1 << 20);
    }
}

fn hard_links_are_carried_over(t: &Test) {
    let (stage, other) = (Stage::new(t), Stage::new(t));
    stage.write("a", "x");
    fs::hard_link(stage.at("a"), stage.at("b")).unwrap();
    stage.write("alone", "y");
    fs::hard_link(stage.at("alone"), stage.at("unlisted")).unwrap();
    make_symlink("a", stage.at("l")).unwrap();
    fs::hard_link(stage.at("l"), stage.at("m")).unwrap();
    other
        .apply_bytes(&{
            stage
                .create(&["/a", "/b", "/l", "/m", "/alone"].map(add))
                .unwrap();
            diff_bytes(&stage)
        })
        .unwrap();
    let tree = other.tree();
    assert_eq!(
        (
            tree.get("a").names,
            tree.get("l").names,
            tree.get("alone").names
        ),
        (2, 2, 1)
    );
    assert_eq!(tree.get("m").kind, Kind::Symlink(b"a".to_vec()));
}

fn equal_inode_numbers_of_two_subvolumes_are_two_files(t: &Test) {
    needs_root!("mount btrfs");
    let Some(stage) = Stage::on(t, Fs::Btrfs) else {
        return;
    };
    let other = Stage::new(t);
    for name in ["one", "two"] {
        run(&format!(
            "btrfs -q subvolume create {}",
            stage.at(name).display()
        ))
        .unwrap();
        stage.write(&format!("{name}/f"), name);
        fs::hard_link(
            stage.at(&format!("{name}/f")),
            stage.at(&format!("{name}/g")),
        )
        .unwrap();
    }
    stage.create(&[add("/one"), add("/two")]).unwrap();
    other.apply_bytes(&diff_bytes(&stage)).unwrap();
    assert_eq!(
        (other.read("one/f"), other.read("two/g")),
        ("one".into(), "two".into())
    );
}

fn overlay_internal_attributes_and_labels_stay_out(t: &Test) {
    needs_root!("set trusted attributes");
    let stage = Stage::new(t);
    stage.write("d/f", "x");
    for name in [
        "trusted.overlay.opaque",
        "user.overlay.opaque",
        "trusted.overlay.redirect",
        "security.selinux",
    ] {
        os::set_xattr(&stage.at("d"), name, b"y\0").unwrap();
    }
    os::set_xattr(&stage.at("d"), "trusted.kept", b"y").unwrap();
    stage.create(&[add("/d")]).unwrap();
    let bytes = diff_bytes(&stage);
    assert!(!contains(&bytes, b".overlay.") && !contains(&bytes, b"security.selinux"));
    assert!(contains(&bytes, b"SCHILY.xattr.trusted.kept=y"));
}

fn a_mount_is_packed_as_an_empty_directory_and_never_entered(t: &Test) {
    needs_root!("mount file systems");
    let mut stage = Stage::new(t);
    stage.write("d/f", "x");
    let mount = stage.sandbox.dir("outer/dest/d/mnt");
    stage.sandbox.mount_tmpfs(&mount);
    stage.write("d/mnt/inside", "secret of the mount");
    stage.create(&[add("/d")]).unwrap();
    assert_eq!(members(&stage), ["d/", "d/f", "d/mnt/"]);
    let failure = stage
        .create(&[add("/d/f"), add("/d/mnt/inside")])
        .unwrap_err();
    assert!(
        failure.message.contains("mnt/inside"),
        "{}",
        failure.message
    );
    assert!(!stage.base.join("rootfs-diff.tar").exists());
    stage.create(&[modify("/d/mnt")]).unwrap();
    assert_eq!(members(&stage), ["d/mnt/"]);
}

fn a_name_that_is_not_utf_8_is_packed_and_deleted_as_it_is(t: &Test) {
    let (stage, other) = (Stage::new(t), Stage::new(t));
    let name = |bytes: &'static [u8]| OsStr::from_bytes(bytes);
    fs::write(stage.root.join(name(b"new\xff")), "x").unwrap();
    fs::write(other.root.join(name(b"gone\xff")), "x").unwrap();
    carry_over(
        &stage,
        &other,
        &[add(name(b"/new\xff")), delete(name(b"/gone\xff"))],
    );
    assert_eq!(
        fs::read(stage.base.join("deleted.files")).unwrap(),
        b"[\n  \"/gone\xff\"\n]"
    );
}

fn a_name_that_a_link_could_stand_for_is_looked_up_in_the_root(t: &Test) {
    let stage = Stage::new(t);
    stage.write("real/f", "the container's");
    make_symlink("/real", stage.at("link")).unwrap();
    stage.create(&[modify("/link/f"), add("/link")]).unwrap();
    assert_eq!(members(&stage), ["link", "link/f"]);
    assert!(contains(&diff_bytes(&stage), b"the container's"));
}

fn a_deleted_directory_that_was_made_again_keeps_only_what_is_new(t: &Test) {
    let (stage, other) = (Stage::new(t), Stage::new(t));
    stage.write("d/fresh", "fresh");
    stage.write("empty/x", "x");
    fs::remove_file(stage.at("empty/x")).unwrap();
    stage.write("file", "new");
    for path in [
        "d/old",
        "d/sub/old",
        "d/fresh",
        "empty/old",
        "file",
        "gone/f",
    ] {
        other.write(path, "old");
    }
    for path in ["d", "empty"] {
        fs::set_permissions(stage.at(path), PermissionsExt::from_mode(0o711)).unwrap();
        os::set_times(&stage.at(path), (1, 1), (2, 2)).unwrap();
    }
    carry_over(
        &stage,
        &other,
        &[
            delete("/d"),
            add("/d/fresh"),
            delete("/empty"),
            delete("/file"),
            delete("/gone"),
        ],
    );
    let names = members(&stage);
    assert!(
        names.contains(&"d/".into()) && names.contains(&"empty/".into()),
        "{names:?}"
    );
    let (dir, fresh) = (
        names.iter().position(|name| name == "d/"),
        names.iter().position(|name| name == "d/fresh"),
    );
    assert!(dir < fresh, "{names:?}");
}
