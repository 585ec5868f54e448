//! A chain of incremental dumps, each in an archive of its own, is imported as one.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::symlink as make_symlink;
use std::path::{Path, PathBuf};

use crutils::checkpoint::{ImportOptions, import_chain};
use crutils::watch::Watch;

use crate::support::api::Outcome;
use crate::support::door::Door;
use crate::support::process::Test;
use crate::support::sandbox::Sandbox;
use crate::support::session::{KEEP_FAILED, Options};
use crate::support::tarball::{Entry, archive, file, symlink};
use crate::support::tree::Snapshot;

/// An archive of a dump that continues another.
fn dump(sandbox: &Sandbox, name: &str, parent: Option<&str>) -> PathBuf {
    let mut entries = vec![
        file("inventory.img", name),
        file("pages-1.img", "pages"),
        file("config.dump", "{}"),
    ];
    entries.extend(parent.map(|parent| symlink("parent", parent)));
    written(sandbox, name, entries)
}

fn written(sandbox: &Sandbox, name: &str, entries: Vec<Entry>) -> PathBuf {
    let path = sandbox.path().join(format!("{name}.tar"));
    fs::write(&path, archive(entries)).unwrap();
    path
}

fn import(door: &dyn Door, bundle: &Path, dumps: &[(&str, &Path)]) -> Outcome {
    door.chain(bundle.into(), dumps, &Options::none())
}

door_tests! {
    each_dump_is_in_its_directory_and_finds_the_one_before,
    a_dump_before_that_is_missing_fails_the_chain_and_nothing_stays,
    what_was_there_before_stays_when_a_chain_fails,
    a_dump_links_to_a_sibling_and_nowhere_else,
    names_that_no_dump_can_have_are_refused_before_anything_is_made,
    a_symlink_in_the_place_of_a_dump_is_not_followed
}

fn each_dump_is_in_its_directory_and_finds_the_one_before(_: &Test, door: &'static dyn Door) {
    let sandbox = Sandbox::new();
    let bundle = sandbox.path().join("new/bundle");
    let (one, two) = (
        dump(&sandbox, "1", None),
        dump(&sandbox, "2", Some("../dump-1")),
    );
    let three = dump(&sandbox, "3", Some("../dump-2"));
    let dumps = [("dump-1", &*one), ("dump-2", &two), ("checkpoint", &three)];
    import(door, &bundle, &dumps).unwrap();
    let read = |path: &str| fs::read_to_string(bundle.join(path)).unwrap();
    let last = [
        "checkpoint",
        "checkpoint/parent",
        "checkpoint/parent/parent",
    ];
    let found = last.map(|path| read(&format!("{path}/inventory.img")));
    assert_eq!(found, ["3", "2", "1"]);
    assert!(!bundle.join("dump-1/config.dump").exists());
    assert_eq!(Snapshot::of(&bundle).get("dump-1").mode, 0o700);
}

#[test]
fn what_was_imported_is_told_of_each_dump() {
    // In Rust alone: C's function returns no results.
    let sandbox = Sandbox::new();
    let (one, two) = (
        dump(&sandbox, "1", None),
        dump(&sandbox, "2", Some("../dump-1")),
    );
    let three = dump(&sandbox, "3", Some("../dump-2"));
    let dumps = [("dump-1", &one), ("dump-2", &two), ("checkpoint", &three)];
    let dumps = dumps.map(|(name, path)| (OsStr::new(name), path.into()));
    let bundle = sandbox.path().join("bundle");
    let imported = import_chain(&bundle, &dumps, &ImportOptions::new(), &Watch::new()).unwrap();
    let members: Vec<_> = imported.iter().map(|one| one.members).collect();
    assert_eq!(members, [3, 4, 4]);
}

fn a_dump_before_that_is_missing_fails_the_chain_and_nothing_stays(
    _: &Test,
    door: &'static dyn Door,
) {
    let sandbox = Sandbox::new();
    let (one, two) = (
        dump(&sandbox, "1", None),
        dump(&sandbox, "2", Some("../dump-1")),
    );
    for dumps in [
        vec![("dump-2", &*two)],
        vec![("dump-2", &*two), ("dump-1", &one)],
        vec![("other", &*one), ("dump-2", &two)],
    ] {
        let bundle = sandbox.path().join("bundle");
        let error = import(door, &bundle, &dumps).unwrap_err();
        let expected = (libc::ENODATA, Some(&b"dump-2/parent"[..]));
        assert_eq!((error.errno, error.entry.as_deref()), expected, "{error}");
        assert!(error.message.contains("dump \"dump-2\""), "{error}");
        assert!(!bundle.exists());
    }
}

fn what_was_there_before_stays_when_a_chain_fails(_: &Test, door: &'static dyn Door) {
    let sandbox = Sandbox::new();
    let bundle = sandbox.dir("bundle");
    let (one, two) = (
        dump(&sandbox, "1", None),
        dump(&sandbox, "2", Some("../dump-1")),
    );
    import(door, &bundle, &[("dump-1", &one)]).unwrap();
    let before = Snapshot::of(&bundle).paths();
    // The earlier import's dump is one that a later chain may continue.
    let broken = written(&sandbox, "3", vec![symlink("parent", "../../etc")]);
    let dumps = [("dump-2", &*two), ("dump-3", &broken)];
    let error = import(door, &bundle, &dumps).unwrap_err();
    assert_eq!(error.errno, libc::EXDEV, "{error}");
    assert_eq!(Snapshot::of(&bundle).paths(), before);
    let options = Options::on(KEEP_FAILED);
    door.chain((&bundle).into(), &dumps, &options).unwrap_err();
    assert!(bundle.join("dump-2/parent/inventory.img").exists());
}

fn a_dump_links_to_a_sibling_and_nowhere_else(_: &Test, door: &'static dyn Door) {
    let sandbox = Sandbox::new();
    for (name, target) in [
        ("parent", ".."),
        ("parent", "/etc"),
        ("parent", "dump-1"),
        ("parent", "../dump-2"),
        ("parent", "../dump-1/x"),
        ("other", "../dump-1"),
        ("a/b/parent", "../../c"),
    ] {
        let one = dump(&sandbox, "1", None);
        let two = written(&sandbox, "2", vec![symlink(name, target)]);
        let bundle = sandbox.path().join("bundle");
        let error = import(door, &bundle, &[("dump-1", &one), ("dump-2", &two)]).unwrap_err();
        assert_eq!(error.errno, libc::EXDEV, "{name} -> {target}: {error}");
        assert!(!bundle.exists());
    }
}

fn names_that_no_dump_can_have_are_refused_before_anything_is_made(
    _: &Test,
    door: &'static dyn Door,
) {
    let sandbox = Sandbox::new();
    let (bundle, one) = (sandbox.path().join("bundle"), dump(&sandbox, "1", None));
    for names in [
        &["a/b"][..],
        &[""],
        &[".."],
        &["config.json"],
        &["spec.dump"],
        &["a", "b", "a"],
    ] {
        let dumps: Vec<(&str, &Path)> = names.iter().map(|name| (*name, &*one)).collect();
        assert_eq!(
            import(door, &bundle, &dumps).unwrap_err().errno,
            libc::EINVAL,
            "{names:?}"
        );
        assert!(!bundle.exists());
    }
}

fn a_symlink_in_the_place_of_a_dump_is_not_followed(_: &Test, door: &'static dyn Door) {
    let sandbox = Sandbox::new();
    let (bundle, outside) = (sandbox.dir("bundle"), sandbox.dir("outside"));
    make_symlink(&outside, bundle.join("dump-1")).unwrap();
    let one = dump(&sandbox, "1", None);
    assert_eq!(
        import(door, &bundle, &[("dump-1", &one)])
            .unwrap_err()
            .errno,
        libc::ELOOP
    );
    assert_eq!(Snapshot::of(&outside).paths(), Vec::<String>::new());
}
