//! Diffs of what took another thing's place: a link a directory's, a socket a file's, new outputs old ones'.

use std::fs;
use std::os::unix::fs::symlink as make_symlink;
use std::os::unix::net::UnixListener;

use crate::diff::{carry_over, diff_bytes, members};
use crate::support::api::{add, delete, modify};
use crate::support::os;
use crate::support::process::Test;
use crate::support::stage::{Stage, assert_errno};
use crate::support::tarball::{archive, dir, file, symlink};
use crate::support::tree::Kind;

/// A stage whose base directory has both outputs of an earlier call.
fn with_stale_outputs(stage: &Stage<'_>) {
    for name in ["rootfs-diff.tar", "deleted.files"] {
        fs::write(stage.base.join(name), "stale").unwrap();
    }
}

/// What is in the base directory.
fn outputs(stage: &Stage<'_>) -> Vec<(String, String)> {
    let mut found: Vec<_> = fs::read_dir(&stage.base)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| {
            (
                entry.file_name().into_string().unwrap(),
                fs::read_to_string(entry.path()).unwrap(),
            )
        })
        .collect();
    found.sort();
    found
}

api_tests! {
    a_failure_leaves_no_output_of_an_earlier_call,
    changes_that_can_not_be_taken_leave_the_outputs_of_an_earlier_call,
    a_directory_that_became_a_link_is_carried_over_with_what_the_link_leads_to,
    a_directory_that_became_a_link_to_what_the_image_has_takes_nothing_of_it,
    a_foreign_diff_deletes_nothing_through_a_link_that_it_brings,
    through_a_link_of_the_images_own_a_diff_deletes,
    what_a_socket_has_replaced_is_taken_away,
    a_directory_that_became_a_link_to_itself_is_no_obstacle,
    a_failure_spells_the_path_as_it_is_listed,
    a_foreign_archive_may_list_what_it_holds_itself,
    a_link_with_two_names_takes_a_directorys_place_and_nothing_of_what_it_leads_to
}

fn a_failure_leaves_no_output_of_an_earlier_call(t: &Test) {
    let stage = Stage::new(t);
    stage.write("f", "x");
    let unfit = format!("/{}/f", "n".repeat(256));
    let missing = stage.sandbox.path().join("missing");
    for changes in [vec![add("/f")], vec![delete("/gone")], vec![]] {
        with_stale_outputs(&stage);
        let outcome = t.create_rootfs_diff_tar(&changes, &missing, &stage.base);
        if !changes.is_empty() {
            assert_errno(outcome, libc::ENOENT);
        }
        assert_eq!(outputs(&stage), []);
    }
    with_stale_outputs(&stage);
    assert_errno(
        stage.create(&[add("/f"), add(&unfit), delete("/gone")]),
        libc::ENAMETOOLONG,
    );
    assert_eq!(outputs(&stage), []);
}

fn changes_that_can_not_be_taken_leave_the_outputs_of_an_earlier_call(t: &Test) {
    let stage = Stage::new(t);
    stage.write("f", "x");
    let long = format!("/{}", "n/".repeat(2100));
    for (bad, errno) in [
        (add(""), libc::EINVAL),
        (delete("/"), libc::EINVAL),
        (delete("/a/.."), libc::EINVAL),
        (add(long), libc::E2BIG),
    ] {
        with_stale_outputs(&stage);
        assert_errno(stage.guarded_create(&[add("/f"), bad]), errno);
        let expected =
            ["deleted.files", "rootfs-diff.tar"].map(|name| (name.into(), "stale".into()));
        assert_eq!(outputs(&stage), expected);
    }
}

fn a_directory_that_became_a_link_is_carried_over_with_what_the_link_leads_to(t: &Test) {
    for target in ["real", "/real", "./x/../real"] {
        let (stage, other) = (Stage::new(t), Stage::new(t));
        stage.write("real/k", "new");
        make_symlink(target, stage.at("old")).unwrap();
        other.write("old/k", "old");
        other.write("old/sub/l", "old");
        if target.contains('x') {
            for one in [&stage, &other] {
                fs::create_dir(one.at("x")).unwrap();
                os::set_times(&one.at("x"), (5, 5), (5, 5)).unwrap();
            }
        }
        carry_over(
            &stage,
            &other,
            &[
                modify("/old"),
                delete("/old/k"),
                delete("/old/sub"),
                add("/real"),
            ],
        );
        assert_eq!(other.read("real/k"), "new");
    }
}

fn a_directory_that_became_a_link_to_what_the_image_has_takes_nothing_of_it(t: &Test) {
    let (stage, other) = (Stage::new(t), Stage::new(t));
    for one in [&stage, &other] {
        one.write("real/k", "the image's");
        os::set_times(&one.at("real/k"), (5, 5), (5, 5)).unwrap();
        os::set_times(&one.at("real"), (5, 5), (5, 5)).unwrap();
    }
    make_symlink("real", stage.at("old")).unwrap();
    other.write("old/k", "old");
    carry_over(&stage, &other, &[modify("/old"), delete("/old/k")]);
    assert_eq!(other.read("real/k"), "the image's");
}

fn a_foreign_diff_deletes_nothing_through_a_link_that_it_brings(t: &Test) {
    for list in [
        r#"["/old/k"]"#,
        r#"["old/./k", "/old/sub/k", "/via/old/k"]"#,
    ] {
        let stage = Stage::new(t);
        for path in ["real/k", "real/sub/k"] {
            stage.write(path, "the image's");
        }
        make_symlink(".", stage.at("via")).unwrap();
        stage.apply([symlink("old", "real")]).unwrap();
        stage.remove(list).unwrap();
        assert_eq!(
            (stage.read("real/k"), stage.read("real/sub/k")),
            ("the image's".into(), "the image's".into())
        );
    }
}

fn through_a_link_of_the_images_own_a_diff_deletes(t: &Test) {
    let stage = Stage::new(t);
    for path in ["usr/lib/gone", "usr/lib/kept"] {
        stage.write(path, "x");
    }
    make_symlink("usr/lib", stage.at("lib")).unwrap();
    stage.apply([dir("usr"), file("other", "x")]).unwrap();
    stage.remove(r#"["/lib/gone"]"#).unwrap();
    assert_eq!(
        stage.tree().paths(),
        ["lib", "other", "usr", "usr/lib", "usr/lib/kept"]
    );
}

fn what_a_socket_has_replaced_is_taken_away(t: &Test) {
    let (stage, other) = (Stage::new(t), Stage::new(t));
    stage.write("kept", "x");
    let _sockets = ["f", "d", "new"].map(|name| UnixListener::bind(stage.at(name)).unwrap());
    other.write("f", "old");
    other.write("d/sub/f", "old");
    let changes = [
        modify("//f"),
        modify("/d"),
        delete("/gone"),
        add("/new"),
        add("/kept"),
    ];
    assert_eq!(
        stage.guarded_create(&changes).unwrap(),
        ["rootfs-diff.tar", "deleted.files"]
    );
    assert_eq!(members(&stage), ["kept"]);
    let list = fs::read(stage.base.join("deleted.files")).unwrap();
    assert_eq!(
        String::from_utf8_lossy(&list),
        "[\n  \"/gone\",\n  \"/d\",\n  \"//f\"\n]"
    );
    other.apply_bytes(&diff_bytes(&stage)).unwrap();
    other.remove(list).unwrap();
    assert_eq!(other.tree().paths(), ["kept"]);
}

fn a_directory_that_became_a_link_to_itself_is_no_obstacle(t: &Test) {
    let (stage, other) = (Stage::new(t), Stage::new(t));
    other.write("d/k", "x");
    make_symlink("d", stage.at("d")).unwrap();
    stage.create(&[modify("/d"), delete("/d/k")]).unwrap();
    other.apply_bytes(&diff_bytes(&stage)).unwrap();
    other
        .remove(fs::read(stage.base.join("deleted.files")).unwrap())
        .unwrap();
    assert_eq!(other.tree().get("d").kind, Kind::Symlink(b"d".to_vec()));
}

fn a_failure_spells_the_path_as_it_is_listed(t: &Test) {
    let stage = Stage::new(t);
    let long = "n".repeat(256);
    for path in [
        format!("/{long}//b/../c"),
        format!("{long}/./c"),
        format!("../{long}/c/"),
    ] {
        for change in [add(&path), modify(&path), delete(&path)] {
            let failure = stage.create(&[change]).unwrap_err();
            let expected = (libc::ENAMETOOLONG, Some(path.as_bytes()));
            assert_eq!(
                (failure.errno, failure.entry.as_deref()),
                expected,
                "{failure:?}"
            );
        }
    }
    let failure = stage.create(&[delete("/x/..")]).unwrap_err();
    assert_eq!(
        (failure.errno, failure.entry.as_deref()),
        (libc::EINVAL, Some(&b"/x/.."[..]))
    );
}

fn a_foreign_archive_may_list_what_it_holds_itself(t: &Test) {
    let stage = Stage::new(t);
    stage.write("real/k", "old");
    stage
        .apply_bytes(&archive([
            dir("real"),
            file("real/k", "new"),
            symlink("old", "real"),
        ]))
        .unwrap();
    stage.remove(r#"["/old/k", "/real"]"#).unwrap();
    assert_eq!(stage.read("real/k"), "new");
}

fn a_link_with_two_names_takes_a_directorys_place_and_nothing_of_what_it_leads_to(t: &Test) {
    let (stage, other) = (Stage::new(t), Stage::new(t));
    for one in [&stage, &other] {
        one.write("real/k", "the image's");
        for path in ["real/k", "real"] {
            os::set_times(&one.at(path), (5, 5), (5, 5)).unwrap();
        }
    }
    make_symlink("real", stage.at("aaa")).unwrap();
    fs::hard_link(stage.at("aaa"), stage.at("old")).unwrap();
    other.write("old/k", "old");
    carry_over(
        &stage,
        &other,
        &[add("/aaa"), modify("/old"), delete("/old/k")],
    );
    assert_eq!(
        other.tree().get("old").kind,
        Kind::Symlink(b"real".to_vec())
    );
    assert_eq!(
        (other.read("real/k"), other.tree().get("old").names),
        ("the image's".into(), 2)
    );
}
