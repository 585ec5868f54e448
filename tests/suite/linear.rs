//! Twice the input costs at most 2.2 times the work: what hostile archives and lists cost, in system calls as strace
//! counts them.

use std::fs;
use std::path::Path;

use crutils::checkpoint::{Feature, apply_rootfs_diff_tar, remove_deleted_files};

use crate::support::sandbox::Sandbox;
use crate::support::tarball::{Entry, Sparse, archive, dir, file, hardlink, sparse, symlink};
use crate::system_calls::{TRACED, calls, untraceable};

/// Checks that `work`, in a directory that `prepare` has filled for a size and for twice that size, takes at most 2.2
/// times the calls for the latter.
#[track_caller]
fn assert_linear(test: &str, size: usize, prepare: impl Fn(&Path, usize), work: impl Fn(&Path)) {
    assert_at_most(22, test, size, prepare, work);
}

/// The same for lists whose paths get longer with the size: twice the size is twice the paths, of four times the names
/// in all. Where openat2 is missing, each name is a call: then 2.2 times for each doubling of the names.
#[track_caller]
fn assert_linear_in_names(
    test: &str,
    size: usize,
    prepare: impl Fn(&Path, usize),
    work: impl Fn(&Path),
) {
    let tenths = if Feature::Openat2.is_there() { 22 } else { 44 };
    assert_at_most(tenths, test, size, prepare, work);
}

#[track_caller]
fn assert_at_most(
    tenths: usize,
    test: &str,
    size: usize,
    prepare: impl Fn(&Path, usize),
    work: impl Fn(&Path),
) {
    if let Some(directory) = std::env::var_os(TRACED) {
        return work(Path::new(&directory));
    }
    if let Some(reason) = untraceable() {
        crate::skip!("{test}: {reason}");
    }
    let count = |size: usize| {
        let sandbox = Sandbox::new();
        prepare(sandbox.path(), size);
        let calls = calls(&format!("linear::{test}"), sandbox.path());
        calls.values().sum::<usize>()
    };
    // What the test's process costs without any work of this size.
    let (fixed, once, twice) = (count(1), count(size), count(2 * size));
    let (once, twice) = (once.saturating_sub(fixed), twice.saturating_sub(fixed));
    println!("{test}: {once} calls for {size}, {twice} for twice that");
    assert!(twice * 10 <= once * tenths, "{once} calls, then {twice}");
}

fn root(directory: &Path) -> std::path::PathBuf {
    directory.join("root")
}

/// Applies a diff of these files to a new root, and lists what is to be deleted after it.
fn prepare(directory: &Path, files: impl Iterator<Item = String>, listed: &[String]) {
    fs::create_dir(root(directory)).unwrap();
    let tar = archive(files.map(|name| file(name, "")));
    fs::write(directory.join("rootfs-diff.tar"), tar).unwrap();
    apply_rootfs_diff_tar(directory, &root(directory)).unwrap();
    let lines: Vec<String> = listed.iter().map(|path| format!("\"{path}\"")).collect();
    let list = format!("[{}]", lines.join(","));
    fs::write(directory.join("deleted.files"), list).unwrap();
}

fn remove(directory: &Path) {
    remove_deleted_files("id".as_ref(), directory, &root(directory)).unwrap();
}

/// The directories of a path of this many names, from the top down.
fn way(names: usize) -> Vec<String> {
    (1..=names)
        .map(|depth| vec!["d"; depth].join("/"))
        .collect()
}

#[test]
fn every_directory_of_a_deep_path_is_listed() {
    let prepare = |directory: &Path, size: usize| {
        let way = way(size);
        let files = (0..4 * size).map(|number| format!("{}/{number}", way[size - 1]));
        prepare(directory, files, &way);
    };
    assert_linear_in_names(
        "every_directory_of_a_deep_path_is_listed",
        40,
        prepare,
        remove,
    );
}

#[test]
fn every_directory_of_a_deep_path_is_listed_the_deepest_first() {
    let prepare = |directory: &Path, size: usize| {
        let mut way = way(size);
        let files = (0..4 * size).map(|number| format!("{}/{number}", way[size - 1]));
        let files: Vec<String> = files.collect();
        way.reverse();
        prepare(directory, files.into_iter(), &way);
    };
    assert_linear_in_names(
        "every_directory_of_a_deep_path_is_listed_the_deepest_first",
        40,
        prepare,
        remove,
    );
}

#[test]
fn a_directory_holds_many_files_and_many_deep_directories() {
    let deep = vec!["s"; 20].join("/");
    let prepare = |directory: &Path, size: usize| {
        let files = (0..size).flat_map(|number| {
            let few = (0..50).map(move |file| format!("d/{number}-{file}"));
            few.chain([format!("d/{number}/{deep}/f")])
        });
        prepare(directory, files, &["d".to_owned()]);
    };
    assert_linear(
        "a_directory_holds_many_files_and_many_deep_directories",
        40,
        prepare,
        remove,
    );
}

/// The archive whose names get longer with its size.
const DEEP: &str = "a tree that is deep";

/// Archives that make much work of few bytes, each of this size.
fn hostile(size: usize) -> Vec<(&'static str, Vec<u8>)> {
    let numbered = |name: &str| (0..size).map(|n| format!("{name}{n}")).collect::<Vec<_>>();
    let each = |make: &dyn Fn(&String) -> Entry| archive(numbered("f").iter().map(make));
    let holes = |size: usize| {
        let extents: Vec<_> = (0..size as u64)
            .map(|n| (n << 17, vec![b'x'; 512]))
            .collect();
        archive([sparse(Sparse::Pax10, "s", (size as u64) << 17, &extents)])
    };
    let deep = |last: &dyn Fn(String) -> Entry| archive(way(size).into_iter().map(last));
    let after = |first: Entry, make: &dyn Fn(&String) -> Entry| {
        archive(std::iter::once(first).chain(numbered("f").iter().map(make)))
    };
    vec![
        ("empty files", each(&|name| file(name, ""))),
        ("directories", each(&|name| dir(name))),
        ("symlinks", each(&|name| symlink(name, "nowhere"))),
        (
            "hard links to one file",
            after(file("first", "x"), &|name| hardlink(name, "first")),
        ),
        ("files of one name", each(&|_| file("same", "x"))),
        ("a directory that is a file in turn", {
            let turns = (0..size).flat_map(|_| [dir("turn"), file("turn", "x")]);
            archive(turns)
        }),
        (DEEP, deep(&|path| dir(path))),
        ("times of one directory", each(&|_| dir("d").mtime(5))),
        (
            "long names",
            each(&|name| file(format!("{}/{name}", "n".repeat(200)), "")),
        ),
        (
            "attributes",
            each(&|name| file(name, "").xattr("user.a", "1").xattr("user.b", "2")),
        ),
        ("holes", holes(size)),
        ("files through one link", {
            let files = numbered("l/f");
            let start = [dir("d"), symlink("l", "d")];
            archive(
                start
                    .into_iter()
                    .chain(files.iter().map(|name| file(name, ""))),
            )
        }),
        (
            "directories without entries",
            each(&|name| file(format!("{name}/d/f"), "")),
        ),
        (
            "names with dots",
            each(&|name| file(format!("{}{name}", "./a/../".repeat(8)), "")),
        ),
    ]
}

#[test]
fn archives_cost_in_proportion_to_their_members() {
    const NAME: &str = "archives_cost_in_proportion_to_their_members";
    if let Some(directory) = std::env::var_os(TRACED) {
        let directory = Path::new(&directory);
        return apply_rootfs_diff_tar(directory, &root(directory)).unwrap();
    }
    let number = hostile(1).len();
    for case in 0..number {
        let prepare = |directory: &Path, size: usize| {
            fs::create_dir(root(directory)).unwrap();
            let (_, bytes) = hostile(size).swap_remove(case);
            fs::write(directory.join("rootfs-diff.tar"), bytes).unwrap();
        };
        println!("{}", hostile(1)[case].0);
        if hostile(1)[case].0 == DEEP {
            assert_linear_in_names(NAME, 60, prepare, |_| {});
        } else {
            assert_linear(NAME, 60, prepare, |_| {});
        }
    }
}
