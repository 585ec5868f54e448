//! What differs between two directories.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::changes::{copy, directories, lines, write};
use crate::support::changes::Look;
use crate::support::door::Door;
use crate::support::os::{mknod, set_times};
use crate::support::process::{Test, Within};
use crate::support::sandbox::{Fs, Sandbox};
use crate::support::stage::assert_errno;

/// An old tree and its copy, to be changed.
pub struct Two {
    pub door: &'static dyn Door,
    pub sandbox: Sandbox,
    pub old: PathBuf,
    pub new: PathBuf,
}

impl Two {
    fn on(door: &'static dyn Door, fs: Fs, make: impl Fn(&Path)) -> Option<Self> {
        let sandbox = Sandbox::on(fs)?;
        let (old, new) = (sandbox.dir("old"), sandbox.path().join("new"));
        make(&old);
        copy(&old, &new);
        Some(Self {
            door,
            sandbox,
            old,
            new,
        })
    }

    pub fn of(door: &'static dyn Door, make: impl Fn(&Path)) -> Self {
        Self::on(door, Fs::Host, make).unwrap()
    }

    #[track_caller]
    pub fn with(&self, options: &Look) -> Vec<String> {
        lines(&directories(self.door, &self.new, Some(&self.old), options).unwrap())
    }

    #[track_caller]
    pub fn lines(&self) -> Vec<String> {
        self.with(&Look::new())
    }
}

pub fn tree(root: &Path) {
    write(root, "d/e/f", "content");
    write(root, "d/g", "content");
    write(root, "h", "content");
    symlink("h", root.join("l")).unwrap();
}

pub fn content() -> Look {
    Look::new().compare_content()
}

/// Moves the modification time by this many seconds.
pub fn touch(path: &Path, by: i64) {
    use std::os::unix::fs::MetadataExt;
    let meta = fs::symlink_metadata(path).unwrap();
    let later = (meta.mtime() + by, meta.mtime_nsec());
    set_times(path, later, later).unwrap();
}

/// Makes the times of all below the same in both trees, so that only what a test is about differs.
pub fn same_times(two: &Two, paths: &[&str]) {
    for path in paths {
        for root in [&two.old, &two.new] {
            set_times(&root.join(path), (1_500_000_000, 5), (1_500_000_000, 5)).unwrap();
        }
    }
}

door_tests! {
    copies_do_not_differ,
    each_sort_of_change_is_one_entry,
    the_directories_above_a_change_are_listed_before_it,
    without_an_old_directory_everything_is_added,
    a_directory_that_was_added_or_deleted_stands_with_and_without_its_content,
    the_root_itself_is_never_listed,
    another_type_is_one_modification_with_the_new_content,
    another_device_number_is_a_modification,
    names_are_sorted_as_bytes_and_kept_as_bytes,
    what_is_the_same_object_on_both_sides_is_passed_over,
    all_names_of_a_file_are_listed_if_one_is,
    names_that_were_one_file_and_names_that_have_become_one_are_listed,
    what_is_no_directory_is_refused,
    a_tree_that_changes_meanwhile_is_no_error,
    a_directory_that_may_not_be_read_is_an_error_that_names_it,
    few_descriptors_are_enough_for_deep_and_wide_trees
}

fn copies_do_not_differ(_: &Test, door: &'static dyn Door) {
    for fs in [
        Fs::Host,
        Fs::Tmpfs,
        Fs::Ext4,
        Fs::Xfs,
        Fs::Btrfs,
        Fs::Overlay,
    ] {
        let Some(two) = Two::on(door, fs, tree) else {
            continue;
        };
        assert_eq!(two.lines(), [""; 0], "{fs:?}");
        assert_eq!(two.with(&content()), [""; 0], "{fs:?}");
    }
}

fn each_sort_of_change_is_one_entry(_: &Test, door: &'static dyn Door) {
    for fs in [Fs::Tmpfs, Fs::Ext4] {
        let two = Two::on(door, fs, |root| {
            write(root, "file1", "hello\n");
            write(root, "file2", "hello\n");
            write(root, "file3", "hello\n");
            write(root, "file4", "hello\n");
            write(root, "file5", "hello\n");
            for dir in ["dir1", "dir2", "dir3", "dir4"] {
                write(root, &format!("{dir}/inside"), "hello\n");
            }
            symlink("file1", root.join("symlink1")).unwrap();
            symlink("file2", root.join("symlink2")).unwrap();
        });
        let Some(two) = two else { continue };
        let at = |name: &str| two.new.join(name);
        fs::remove_file(at("file1")).unwrap();
        fs::remove_dir_all(at("dir1")).unwrap();
        fs::remove_file(at("symlink1")).unwrap();
        fs::write(at("file2"), "rewritten\n").unwrap();
        fs::remove_file(at("file3")).unwrap();
        fs::write(at("file3"), "another file").unwrap();
        touch(&at("file4"), 1);
        fs::remove_file(at("file5")).unwrap();
        fs::create_dir(at("file5")).unwrap();
        fs::write(at("filenew"), "filenew\n").unwrap();
        fs::create_dir(at("dirnew")).unwrap();
        symlink("targetnew", at("symlinknew")).unwrap();
        fs::remove_file(at("symlink2")).unwrap();
        symlink("target2change", at("symlink2")).unwrap();
        for root in [&two.old, &two.new] {
            set_times(&root.join("symlink2"), (7, 7), (7, 7)).unwrap();
        }
        fs::remove_dir_all(at("dir2")).unwrap();
        fs::write(at("dir2"), "a file now").unwrap();
        touch(&at("dir3"), 1);
        let expected = [
            "D /dir1",
            "C /dir2",
            "C /dir3",
            "A /dirnew",
            "D /file1",
            "C /file2",
            "C /file3",
            "C /file4",
            "C /file5",
            "A /filenew",
            "D /symlink1",
            "C /symlink2",
            "A /symlinknew",
        ];
        assert_eq!(two.lines(), expected, "{fs:?}");
    }
}

fn the_directories_above_a_change_are_listed_before_it(_: &Test, door: &'static dyn Door) {
    let two = Two::of(door, tree);
    write(&two.new, "d/e/new", "");
    for path in ["d", "d/e"] {
        set_times(&two.old.join(path), (5, 0), (5, 0)).unwrap();
        set_times(&two.new.join(path), (5, 0), (5, 0)).unwrap();
    }
    assert_eq!(two.lines(), ["C /d", "C /d/e", "A /d/e/new"]);
    fs::remove_file(two.new.join("d/e/new")).unwrap();
    fs::write(two.new.join("d/e/f"), "other content").unwrap();
    same_times(&two, &["d/e", "d"]);
    assert_eq!(two.lines(), ["C /d", "C /d/e", "C /d/e/f"]);
}

fn without_an_old_directory_everything_is_added(_: &Test, door: &'static dyn Door) {
    let two = Two::of(door, tree);
    let all = ["A /d", "A /d/e", "A /d/e/f", "A /d/g", "A /h", "A /l"];
    assert_eq!(
        lines(&directories(door, &two.new, None, &Look::new()).unwrap()),
        all
    );
}

fn a_directory_that_was_added_or_deleted_stands_with_and_without_its_content(
    _: &Test,
    door: &'static dyn Door,
) {
    let two = Two::of(door, tree);
    fs::rename(two.new.join("d"), two.new.join("z")).unwrap();
    assert_eq!(
        two.lines(),
        ["D /d", "A /z", "A /z/e", "A /z/e/f", "A /z/g"]
    );
}

fn the_root_itself_is_never_listed(_: &Test, door: &'static dyn Door) {
    let two = Two::of(door, tree);
    fs::set_permissions(
        &two.new,
        std::os::unix::fs::PermissionsExt::from_mode(0o700),
    )
    .unwrap();
    touch(&two.new, 100);
    assert_eq!(two.lines(), [""; 0]);
}

fn another_type_is_one_modification_with_the_new_content(_: &Test, door: &'static dyn Door) {
    needs_root!("make devices");
    type Make = fn(&Path);
    let makes: [(&str, Make, &[&str]); 7] = [
        ("file", |at| fs::write(at, "").unwrap(), &[]),
        (
            "directory",
            |at| fs::create_dir_all(at.join("in")).unwrap(),
            &["A /x/in"],
        ),
        ("symlink", |at| symlink("y", at).unwrap(), &[]),
        (
            "fifo",
            |at| mknod(at, libc::S_IFIFO | 0o644, 0, 0).unwrap(),
            &[],
        ),
        ("socket", |at| drop(UnixListener::bind(at).unwrap()), &[]),
        (
            "char",
            |at| mknod(at, libc::S_IFCHR | 0o644, 1, 3).unwrap(),
            &[],
        ),
        (
            "block",
            |at| mknod(at, libc::S_IFBLK | 0o644, 1, 3).unwrap(),
            &[],
        ),
    ];
    for (from, make_old, _) in makes {
        for (to, make_new, inside) in makes.into_iter().filter(|(to, _, _)| *to != from) {
            let sandbox = Sandbox::new();
            let two = Two {
                door,
                old: sandbox.dir("old"),
                new: sandbox.dir("new"),
                sandbox,
            };
            make_old(&two.old.join("x"));
            make_new(&two.new.join("x"));
            assert_eq!(two.lines(), [&["C /x"], inside].concat(), "{from} to {to}");
        }
    }
}

fn another_device_number_is_a_modification(_: &Test, door: &'static dyn Door) {
    needs_root!("make devices");
    let two = Two::of(door, |root| {
        mknod(&root.join("x"), libc::S_IFCHR | 0o600, 1, 3).unwrap()
    });
    fs::remove_file(two.new.join("x")).unwrap();
    mknod(&two.new.join("x"), libc::S_IFCHR | 0o600, 1, 5).unwrap();
    same_times(&two, &["x"]);
    assert_eq!(two.lines(), ["C /x"]);
}

fn names_are_sorted_as_bytes_and_kept_as_bytes(_: &Test, door: &'static dyn Door) {
    let two = Two::of(door, |_| {});
    for name in [
        &b"\xff\xfe"[..],
        b"a\nb",
        "\u{e9}".as_bytes(),
        b"a-b",
        b"a/c",
        b"A",
    ] {
        let path = two.new.join(OsStr::from_bytes(name));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    let expected = [
        "A /A",
        "A /a",
        "A /a\\nb",
        "A /a-b",
        "A /a/c",
        "A /\\xc3\\xa9",
        "A /\\xff\\xfe",
    ];
    assert_eq!(two.lines(), expected);
}

fn what_is_the_same_object_on_both_sides_is_passed_over(_: &Test, door: &'static dyn Door) {
    let two = Two::of(door, tree);
    fs::remove_file(two.new.join("h")).unwrap();
    fs::hard_link(two.old.join("h"), two.new.join("h")).unwrap();
    assert_eq!(two.lines(), [""; 0]);
    assert_eq!(
        lines(&directories(door, &two.old, Some(&two.old), &Look::new()).unwrap()),
        [""; 0]
    );
}

fn all_names_of_a_file_are_listed_if_one_is(_: &Test, door: &'static dyn Door) {
    let two = Two::of(door, |root| {
        write(root, "a", "one file");
        fs::hard_link(root.join("a"), root.join("b")).unwrap();
        write(root, "c", "another");
    });
    assert_eq!(two.lines(), [""; 0]);
    fs::hard_link(two.new.join("a"), two.new.join("new")).unwrap();
    assert_eq!(two.lines(), ["C /a", "C /b", "A /new"]);
    fs::remove_file(two.new.join("new")).unwrap();
    assert_eq!(two.lines(), [""; 0]);
    fs::hard_link(two.new.join("c"), two.new.join("new")).unwrap();
    assert_eq!(two.lines(), ["C /c", "A /new"]);
}

fn names_that_were_one_file_and_names_that_have_become_one_are_listed(
    _: &Test,
    door: &'static dyn Door,
) {
    let two = Two::of(door, |root| {
        write(root, "a", "same");
        fs::hard_link(root.join("a"), root.join("b")).unwrap();
        write(root, "c", "same");
    });
    let at = |name: &str| two.new.join(name);
    fs::remove_file(at("b")).unwrap();
    fs::write(at("b"), "same").unwrap();
    same_times(&two, &["a", "b", "c"]);
    assert_eq!(two.lines(), ["C /b"], "parted");
    fs::remove_file(at("b")).unwrap();
    fs::hard_link(at("c"), at("b")).unwrap();
    assert_eq!(two.lines(), ["C /b", "C /c"], "joined with another");
}

fn what_is_no_directory_is_refused(_: &Test, door: &'static dyn Door) {
    let two = Two::of(door, tree);
    let (file, none, options) = (two.new.join("h"), two.new.join("none"), Look::new());
    assert_errno(
        directories(door, &file, Some(&two.old), &options),
        libc::ENOTDIR,
    );
    assert_errno(
        directories(door, &two.new, Some(&file), &options),
        libc::ENOTDIR,
    );
    assert_errno(
        directories(door, &none, Some(&two.old), &options),
        libc::ENOENT,
    );
    assert_errno(
        directories(door, &two.new, Some(&none), &options),
        libc::ENOENT,
    );
    assert_errno(
        directories(door, Path::new(""), None, &options),
        libc::EINVAL,
    );
    let failure = directories(door, &none, None, &options).unwrap_err();
    assert!(
        failure.message.contains("new_directory"),
        "{}",
        failure.message
    );
    assert_errno(
        directories(door, &two.new, None, &Look::new().exact("")),
        libc::EINVAL,
    );
}

fn a_tree_that_changes_meanwhile_is_no_error(_: &Test, door: &'static dyn Door) {
    let two = Two::of(door, tree);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                write(&two.new, "x/y/z", "");
                let _ = fs::rename(two.new.join("x"), two.new.join("d/x"));
                fs::remove_dir_all(two.new.join("d/x")).unwrap();
            }
        });
        let found: Vec<_> = (0..300)
            .map(|_| {
                let old = two.old.as_path().into();
                door.directories((&two.new).into(), Some(old), &Look::new(), None)
            })
            .collect();
        done.store(true, Ordering::Relaxed);
        found.into_iter().for_each(|found| drop(found.unwrap()));
    });
}

fn a_directory_that_may_not_be_read_is_an_error_that_names_it(t: &Test, door: &'static dyn Door) {
    t.within(Within::User, || {
        let two = Two::of(door, tree);
        fs::set_permissions(
            two.new.join("d/e"),
            std::os::unix::fs::PermissionsExt::from_mode(0o0),
        )
        .unwrap();
        let failure = directories(door, &two.new, Some(&two.old), &Look::new()).unwrap_err();
        assert_eq!(
            (failure.errno, failure.entry.as_deref()),
            (libc::EACCES, Some(&b"d/e"[..])),
            "{failure:?}"
        );
    });
}

fn few_descriptors_are_enough_for_deep_and_wide_trees(t: &Test, door: &'static dyn Door) {
    t.within(Within::Descriptors(24), || {
        let two = Two::of(door, |root| {
            let deep = vec!["d"; 300].join("/");
            write(root, &format!("{deep}/f"), "");
            (0..300).for_each(|number| write(root, &format!("w{number}/f"), ""));
        });
        let deep = format!("/{}", vec!["d"; 300].join("/"));
        write(&two.new, &format!("{}/new", &deep[1..]), "");
        assert_eq!(two.lines().last().unwrap(), &format!("A {deep}/new"));
    });
}
