//! Times of what is unpacked: to the nanosecond, of directories and symlinks, too.

use std::fs;

use crate::support::os;
use crate::support::process::Test;
use crate::support::sandbox::Fs;
use crate::support::stage::Stage;
use crate::support::tarball::{Dialect, TIME, dir, fifo, file, hardlink, symlink};
use crate::support::tree::Kind;

api_tests! {
    times_come_back_with_nanoseconds,
    access_times_are_taken_if_they_are_there,
    times_before_1970_and_after_2262_come_back,
    directory_times_survive_what_is_put_into_them_later,
    a_directory_that_no_entry_describes_keeps_its_times,
    a_directory_that_is_reached_through_a_link_keeps_its_times_too,
    directory_times_never_go_to_what_took_the_directorys_place,
    a_symlinks_own_times_and_owner_are_set_not_its_targets
}

fn times_come_back_with_nanoseconds(t: &Test) {
    let stage = Stage::new(t);
    let stamped =
        |entry: crate::support::tarball::Entry| entry.pax("mtime", "1500000000.123456789");
    stage
        .apply(
            [
                file("f", "x"),
                dir("d"),
                symlink("l", "f"),
                fifo("p"),
                file("d/f", "x"),
            ]
            .map(stamped),
        )
        .unwrap();
    for name in ["f", "d", "l", "p"] {
        assert_eq!(
            stage.tree().get(name).mtime,
            (1_500_000_000, 123_456_789),
            "{name}"
        );
    }
}

fn access_times_are_taken_if_they_are_there(t: &Test) {
    let stage = Stage::new(t);
    let with = |name: &str, atime: &str| file(name, "x").pax("atime", atime);
    stage
        .apply([
            with("later", "1500000000.5"),
            file("none", "x"),
            dir("d"),
            file("d/f", "x"),
        ])
        .unwrap();
    let tree = stage.tree();
    assert_eq!(tree.get("later").atime, (1_500_000_000, 500_000_000));
    assert_eq!(tree.get("none").atime, (TIME, 0));
    assert!(tree.get("d").atime.0 >= TIME, "{:?}", tree.get("d").atime);
    assert_eq!(tree.get("d").mtime, (TIME, 0));
}

fn times_before_1970_and_after_2262_come_back(t: &Test) {
    for fs in [Fs::Host, Fs::Tmpfs] {
        let Some(stage) = Stage::on(t, fs) else {
            continue;
        };
        let far = if fs == Fs::Tmpfs {
            9_300_000_000
        } else {
            9_200_000_000
        };
        stage
            .apply([
                file("old", "x").pax("mtime", "-5.25"),
                symlink("oldlink", "x").pax("mtime", "-5.25"),
                dir("olddir").pax("mtime", "-5.25"),
                file("far", "x").pax("mtime", far.to_string()),
                symlink("farlink", "x").pax("mtime", far.to_string()),
                file("gnu", "x").dialect(Dialect::Gnu).mtime(-7),
            ])
            .unwrap();
        let tree = stage.tree();
        for name in ["old", "oldlink", "olddir"] {
            assert_eq!(tree.get(name).mtime, (-6, 750_000_000), "{name}");
        }
        for name in ["far", "farlink"] {
            assert_eq!(tree.get(name).mtime, (far, 0), "{name}");
        }
        assert_eq!(tree.get("gnu").mtime, (-7, 0));
    }
}

fn directory_times_survive_what_is_put_into_them_later(t: &Test) {
    let stage = Stage::new(t);
    let entries = [
        dir("a").mtime(1),
        dir("a/b").mtime(2),
        file("a/b/f", "x"),
        file("a/g", "x"),
        dir("c").mtime(3),
        hardlink("c/l", "a/g"),
    ];
    stage.apply(entries).unwrap();
    let tree = stage.tree();
    assert_eq!(
        [
            tree.get("a").mtime.0,
            tree.get("a/b").mtime.0,
            tree.get("c").mtime.0
        ],
        [1, 2, 3]
    );
}

fn a_directory_that_no_entry_describes_keeps_its_times(t: &Test) {
    let stage = Stage::new(t);
    for path in ["a/kept", "d/f", "e/l"] {
        stage.write(path, "old");
    }
    for path in ["a", "d", "e", ""] {
        os::set_times(&stage.at(path), (100, 1), (100, 2)).unwrap();
    }
    stage
        .apply([
            file("a/b/c/f", "x"),
            file("d/f", "new"),
            symlink("e/l", "x"),
            file("e/new", "x"),
            file("top", "x"),
        ])
        .unwrap();
    let tree = stage.tree();
    for path in ["a", "d", "e", ""] {
        assert_eq!(tree.get(path).mtime, (100, 2), "{path:?}");
    }
    assert_eq!(stage.read("d/f"), "new");
}

fn a_directory_that_is_reached_through_a_link_keeps_its_times_too(t: &Test) {
    let stage = Stage::new(t);
    stage.write("real/sub/kept", "x");
    std::os::unix::fs::symlink("real", stage.at("link")).unwrap();
    for path in ["real/sub", "real"] {
        os::set_times(&stage.at(path), (100, 1), (100, 2)).unwrap();
    }
    stage
        .apply([file("link/sub/f", "x"), file("link/new/sub/f", "x")])
        .unwrap();
    let tree = stage.tree();
    assert_eq!(
        (tree.get("real").mtime, tree.get("real/sub").mtime),
        ((100, 2), (100, 2))
    );
}

fn directory_times_never_go_to_what_took_the_directorys_place(t: &Test) {
    let stage = Stage::new(t);
    fs::create_dir(stage.at("other")).unwrap();
    os::set_times(&stage.at("other"), (5, 0), (5, 0)).unwrap();
    stage
        .apply([
            dir("a").mtime(1),
            symlink("a", "other").mtime(9),
            dir("b").mtime(1),
            symlink("b", "nowhere").mtime(9),
            dir("c/d").mtime(1),
            file("c", "x").mtime(9),
            dir("e").mtime(1),
            file("e", "x").mtime(9),
        ])
        .unwrap();
    let tree = stage.tree();
    assert_eq!(tree.get("other").mtime, (5, 0));
    for name in ["a", "b", "c", "e"] {
        assert_eq!(tree.get(name).mtime, (9, 0), "{name}");
    }
}

fn a_symlinks_own_times_and_owner_are_set_not_its_targets(t: &Test) {
    let stage = Stage::new(t);
    stage.write("f", "x");
    os::set_times(&stage.at("f"), (5, 0), (5, 0)).unwrap();
    stage.apply([symlink("l", "f").mtime(77)]).unwrap();
    let tree = stage.tree();
    assert_eq!(
        (tree.get("f").mtime, tree.get("l").mtime),
        ((5, 0), (77, 0))
    );
    assert_eq!(tree.get("l").kind, Kind::Symlink(b"f".to_vec()));
}
