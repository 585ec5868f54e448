//! What of two files is compared: metadata, times, content.

use std::fs;
use std::path::Path;

use crate::changes_directories::{Two, content, same_times, touch, tree};
use crate::support::acl;
use crate::support::changes::Look;
use crate::support::door::Door;
use crate::support::os::{chown, set_times, set_xattr};
use crate::support::process::Test;

door_tests! {
    metadata_of_files_and_directories_are_compared,
    whole_seconds_equal_fractions_unless_times_are_to_be_exact,
    content_is_compared_if_that_is_asked_for,
    content_is_compared_around_holes
}

fn metadata_of_files_and_directories_are_compared(_: &Test, door: &'static dyn Door) {
    needs_root!("change owners and set trusted attributes");
    for path in ["h", "d/e", "l"] {
        let two = Two::of(door, tree);
        let (at, above) = (
            two.new.join(path),
            if path == "d/e" {
                vec!["C /d".to_owned()]
            } else {
                Vec::new()
            },
        );
        let expected = [above, vec![format!("C /{path}")]].concat();
        let check = |what: &str| assert_eq!(two.lines(), expected, "{what} of {path}");
        chown(&at, 0, 7).unwrap();
        check("group");
        chown(&at, 7, 0).unwrap();
        check("owner");
        chown(&at, 0, 0).unwrap();
        assert_eq!(two.lines(), [""; 0]);
        set_xattr(&at, "trusted.x", b"y").unwrap();
        check("trusted attribute");
        set_xattr(&two.old.join(path), "trusted.x", b"z").unwrap();
        check("value of an attribute");
        set_xattr(&two.old.join(path), "trusted.x", b"y").unwrap();
        set_xattr(&at, "trusted.overlay.origin", b"z").unwrap();
        assert_eq!(two.lines(), [""; 0], "an overlay's own");
        if path != "l" {
            set_xattr(&at, "system.posix_acl_access", &acl(&[7])).unwrap();
            let mode = fs::metadata(&at).unwrap().permissions();
            fs::set_permissions(two.old.join(path), mode.clone()).unwrap();
            check("access ACL");
            set_xattr(&two.old.join(path), "system.posix_acl_access", &acl(&[7])).unwrap();
            fs::set_permissions(&at, std::os::unix::fs::PermissionsExt::from_mode(0o4711)).unwrap();
            check("mode");
            fs::set_permissions(&at, mode).unwrap();
        }
        touch(&at, 1);
        check("modification time");
    }
    let two = Two::of(door, tree);
    set_xattr(&two.new.join("d/e"), "system.posix_acl_default", &acl(&[7])).unwrap();
    assert_eq!(two.lines(), ["C /d", "C /d/e"], "default ACL");
    let capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    set_xattr(&two.new.join("h"), "security.capability", &capability).unwrap();
    assert_eq!(two.lines(), ["C /d", "C /d/e", "C /h"], "capability");
}

fn whole_seconds_equal_fractions_unless_times_are_to_be_exact(_: &Test, door: &'static dyn Door) {
    let two = Two::of(door, tree);
    let exact = Look::new().exact_times();
    for (old, new, loose, strict) in [
        (0, 500_000_000, false, true),
        (500_000_000, 0, false, true),
        (250_000_000, 500_000_000, true, true),
        (7, 7, false, false),
    ] {
        set_times(&two.old.join("h"), (1, 0), (1, old)).unwrap();
        set_times(&two.new.join("h"), (1, 0), (1, new)).unwrap();
        assert_eq!(two.lines() == ["C /h"], loose, "{old} {new}");
        assert_eq!(two.with(&exact) == ["C /h"], strict, "{old} {new}");
    }
}

fn content_is_compared_if_that_is_asked_for(_: &Test, door: &'static dyn Door) {
    let two = Two::of(door, tree);
    fs::write(two.new.join("h"), "CONTENT").unwrap();
    same_times(&two, &["h"]);
    assert_eq!(two.lines(), [""; 0]);
    assert_eq!(two.with(&content()), ["C /h"]);
}

fn content_is_compared_around_holes(_: &Test, door: &'static dyn Door) {
    let two = Two::of(door, |root| {
        let file = fs::File::create(root.join("h")).unwrap();
        file.set_len(8 << 30).unwrap();
    });
    let write_at = |root: &Path, bytes: &[u8], at: u64| {
        use std::os::unix::fs::FileExt;
        fs::OpenOptions::new()
            .write(true)
            .open(root.join("h"))
            .unwrap()
            .write_all_at(bytes, at)
            .unwrap();
        same_times(&two, &["h"]);
    };
    write_at(&two.new, &[0; 4096], 5 << 30);
    assert_eq!(two.with(&content()), [""; 0], "zeros equal a hole");
    write_at(&two.old, b"x", (8 << 30) - 1);
    assert_eq!(two.with(&content()), ["C /h"]);
    write_at(&two.new, b"x", (8 << 30) - 1);
    assert_eq!(two.with(&content()), [""; 0]);
}
