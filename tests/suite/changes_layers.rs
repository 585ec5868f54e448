//! What layers say that nothing mounts here: those of other kernels and programs, and broken ones.

use std::fs;
use std::os::unix::fs::{FileExt, symlink};
use std::path::Path;

use crate::changes::{lines, overlay, write};
use crate::changes_overlay::{detect, found, mode, tree};
use crate::support::changes::{AUTO, FUSE, Look, TRUSTED, USER};
use crate::support::door::Door;
use crate::support::os::{mknod, set_times, set_xattr};
use crate::support::overlay::Overlay;
use crate::support::process::Test;
use crate::support::sandbox::Sandbox;
use crate::support::stage::assert_errno;

/// Layers by hand, as nothing mounts them here: an upper directory and a lower one.
fn by_hand(make: impl Fn(&Path, &Path)) -> Option<Overlay> {
    let o = Overlay::unmounted(1, |_, root| tree(root))?;
    make(&o.upper, &o.lower[0]);
    Some(o)
}

/// The same directory in the upper layer, so that it tells nothing itself.
fn copy_up(upper: &Path, lower: &Path, path: &str) {
    use std::os::unix::fs::MetadataExt;
    fs::create_dir_all(upper.join(path)).unwrap();
    let meta = fs::metadata(lower.join(path)).unwrap();
    let time = (meta.mtime(), meta.mtime_nsec());
    set_times(&upper.join(path), time, time).unwrap();
}

door_tests! {
    whiteouts_are_devices_or_empty_files_that_say_so,
    a_whiteout_of_nothing_is_nothing,
    the_attributes_of_another_overlay_are_the_containers_own,
    hidden_files_are_markers_for_fuse_overlayfs_alone,
    no_redirect_leads_out_of_its_layer,
    data_that_no_layer_has_is_an_error,
    layers_may_be_on_different_file_systems,
    an_opaque_directory_is_modified_even_if_it_hides_nothing,
    what_stands_in_the_way_of_a_redirect_hides_what_is_below_it,
    without_lower_directories_everything_is_added,
    what_is_no_directory_is_refused
}

fn whiteouts_are_devices_or_empty_files_that_say_so(_: &Test, door: &'static dyn Door) {
    let o = by_hand(|upper, lower| {
        fs::create_dir_all(upper.join("d")).unwrap();
        mknod(&upper.join("d/e"), libc::S_IFCHR | 0o644, 0, 0).unwrap();
        fs::write(upper.join("d/g"), "").unwrap();
        set_xattr(&upper.join("d/g"), "trusted.overlay.whiteout", b"y").unwrap();
        copy_up(upper, lower, "d");
        // The directory says that there are such files in it, which doesn't make it opaque.
        set_xattr(&upper.join("d"), "trusted.overlay.opaque", b"x").unwrap();
    });
    assert_eq!(
        found(door, &needs_overlay!(o)),
        ["C /d", "D /d/e", "D /d/g"]
    );
}

fn a_whiteout_of_nothing_is_nothing(_: &Test, door: &'static dyn Door) {
    let o = by_hand(|upper, _| mknod(&upper.join("nothing"), libc::S_IFCHR, 0, 0).unwrap());
    assert_eq!(found(door, &needs_overlay!(o)), [""; 0]);
}

fn the_attributes_of_another_overlay_are_the_containers_own(_: &Test, door: &'static dyn Door) {
    for (asked, own, foreign) in [
        (TRUSTED, "trusted.overlay", "user.overlay"),
        (USER, "user.overlay", "trusted.overlay"),
        (AUTO, "trusted.overlay", "user.overlay"),
        (FUSE, "user.fuseoverlayfs", "user.other"),
        (FUSE, "user.overlay", "user.other"),
        (FUSE, "trusted.overlay", "user.other"),
    ] {
        for (prefix, expected) in [(own, &["C /d", "D /d/e", "D /d/g"][..]), (foreign, &[])] {
            let o = by_hand(|upper, lower| {
                copy_up(upper, lower, "d");
                set_xattr(&upper.join("d"), &format!("{prefix}.opaque"), b"y").unwrap();
            });
            let o = needs_overlay!(o);
            let options = Look::new().overlay_xattrs(asked);
            let mut lines = detect(door, &o, &options).unwrap();
            if prefix == "user.other" {
                // An attribute like any other, which was added.
                lines.clear();
            }
            assert_eq!(lines, expected, "{asked} {prefix}");
        }
    }
}

fn hidden_files_are_markers_for_fuse_overlayfs_alone(_: &Test, door: &'static dyn Door) {
    let make = |upper: &Path, lower: &Path| {
        fs::create_dir_all(upper.join("d/e")).unwrap();
        fs::write(upper.join("d/.wh.g"), "").unwrap();
        fs::write(upper.join("d/e/.wh..wh..opq"), "").unwrap();
        copy_up(upper, lower, "d/e");
        copy_up(upper, lower, "d");
    };
    let options = Look::new().overlay_xattrs(FUSE);
    let o = needs_overlay!(by_hand(make));
    assert_eq!(
        detect(door, &o, &options).unwrap(),
        ["C /d", "C /d/e", "D /d/e/f", "D /d/g"]
    );
    assert_eq!(
        found(door, &o),
        ["C /d", "A /d/.wh.g", "C /d/e", "A /d/e/.wh..wh..opq"]
    );
}

fn no_redirect_leads_out_of_its_layer(_: &Test, door: &'static dyn Door) {
    for redirect in [
        "/../secret",
        "..",
        "../secret",
        "/d/../../secret",
        "a/b",
        "",
        "/",
    ] {
        let o = by_hand(|upper, _| {
            fs::create_dir(upper.join("z")).unwrap();
            set_xattr(
                &upper.join("z"),
                "trusted.overlay.redirect",
                redirect.as_bytes(),
            )
            .unwrap();
        });
        let o = needs_overlay!(o);
        fs::create_dir(o.sandbox.dir("secret").join("file")).unwrap();
        assert_errno(detect(door, &o, &Look::new()), libc::EBADMSG);
    }
    // A link on the way, or at the end, is no directory.
    for redirect in ["/out", "/out/file", "out"] {
        let o = by_hand(|upper, lower| {
            fs::create_dir(upper.join("z")).unwrap();
            set_xattr(
                &upper.join("z"),
                "trusted.overlay.redirect",
                redirect.as_bytes(),
            )
            .unwrap();
            symlink("../secret", lower.join("out")).unwrap();
            let secret = lower.parent().unwrap().join("secret/file/inside");
            fs::create_dir_all(secret).unwrap();
        });
        assert_eq!(found(door, &needs_overlay!(o)), ["A /z"], "{redirect}");
    }
}

fn data_that_no_layer_has_is_an_error(_: &Test, door: &'static dyn Door) {
    let o = by_hand(|upper, lower| {
        use std::os::unix::fs::MetadataExt;
        let meta = fs::metadata(lower.join("h")).unwrap();
        fs::File::create(upper.join("h"))
            .unwrap()
            .set_len(7)
            .unwrap();
        set_xattr(&upper.join("h"), "trusted.overlay.metacopy", b"").unwrap();
        set_xattr(&upper.join("h"), "trusted.overlay.redirect", b"none").unwrap();
        mode(&upper.join("h"), meta.mode());
        let time = (meta.mtime(), meta.mtime_nsec());
        set_times(&upper.join("h"), time, time).unwrap();
    });
    let failure = detect(door, &needs_overlay!(o), &Look::new()).unwrap_err();
    assert_eq!(
        (failure.errno, failure.entry.as_deref()),
        (libc::EBADMSG, Some(&b"h"[..])),
        "{failure:?}"
    );
}

fn layers_may_be_on_different_file_systems(_: &Test, door: &'static dyn Door) {
    let mut o = needs_overlay!(Overlay::unmounted(2, |number, root| if number == 1 {
        tree(root)
    }));
    let on = o.lower[0].clone();
    o.sandbox.mount_tmpfs(&on);
    write(&o.lower[0], "d/top", "");
    for path in ["d", "d/top", "d/e"] {
        fs::create_dir_all(o.upper.join(path).parent().unwrap()).unwrap();
    }
    fs::write(o.upper.join("d/top"), "changed").unwrap();
    mknod(&o.upper.join("d/e"), libc::S_IFCHR, 0, 0).unwrap();
    copy_up(&o.upper, &o.lower[0], "d");
    assert_eq!(found(door, &o), ["C /d", "D /d/e", "C /d/top"]);
}

fn an_opaque_directory_is_modified_even_if_it_hides_nothing(_: &Test, door: &'static dyn Door) {
    let o = Overlay::unmounted(1, |_, root| fs::create_dir(root.join("d")).unwrap());
    let o = needs_overlay!(o);
    copy_up(&o.upper, &o.lower[0], "d");
    assert_eq!(found(door, &o), [""; 0]);
    set_xattr(&o.upper.join("d"), "trusted.overlay.opaque", b"y").unwrap();
    assert_eq!(found(door, &o), ["C /d"]);
}

fn what_stands_in_the_way_of_a_redirect_hides_what_is_below_it(_: &Test, door: &'static dyn Door) {
    type Make = fn(&Path);
    let ways: [(Make, &[&str]); 4] = [
        (|root| write(root, "p", "a file"), &["A /z"]),
        (
            |root| mknod(&root.join("p"), libc::S_IFCHR, 0, 0).unwrap(),
            &["A /z"],
        ),
        (
            |root| {
                fs::create_dir(root.join("p")).unwrap();
                set_xattr(&root.join("p"), "trusted.overlay.opaque", b"y").unwrap();
            },
            &["A /z"],
        ),
        (
            |root| fs::create_dir(root.join("p")).unwrap(),
            &["A /z", "A /z/inside"],
        ),
    ];
    for (number, (make, expected)) in ways.into_iter().enumerate() {
        let o = Overlay::unmounted(2, |layer, root| {
            if layer == 0 {
                make(root);
            } else {
                write(root, "p/q/inside", "");
            }
        });
        let o = needs_overlay!(o);
        fs::create_dir(o.upper.join("z")).unwrap();
        set_xattr(&o.upper.join("z"), "trusted.overlay.redirect", b"/p/q").unwrap();
        assert_eq!(found(door, &o), expected, "{number}");
    }
}

fn without_lower_directories_everything_is_added(_: &Test, door: &'static dyn Door) {
    let sandbox = Sandbox::new();
    let upper = sandbox.dir("upper");
    tree(&upper);
    let all = ["A /d", "A /d/e", "A /d/e/f", "A /d/g", "A /h", "A /l"];
    assert_eq!(
        lines(&overlay(door, &[], &upper, &Look::new()).unwrap()),
        all
    );
}

fn what_is_no_directory_is_refused(_: &Test, door: &'static dyn Door) {
    let sandbox = Sandbox::new();
    let (dir, file, none) = (
        sandbox.dir("dir"),
        sandbox.path().join("file"),
        sandbox.path().join("none"),
    );
    fs::File::create(&file)
        .unwrap()
        .write_all_at(b"x", 0)
        .unwrap();
    let options = Look::new();
    for (bad, errno) in [(&file, libc::ENOTDIR), (&none, libc::ENOENT)] {
        assert_errno(overlay(door, &[&dir], bad, &options), errno);
        assert_errno(overlay(door, &[&dir, bad], &dir, &options), errno);
    }
    let many = vec![dir.as_path(); 501];
    assert_errno(overlay(door, &many, &dir, &options), libc::E2BIG);
}
