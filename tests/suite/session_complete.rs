//! What a restore would miss is told when an archive is imported, not when it is too late.

use std::fs;
use std::os::unix::fs::symlink as make_symlink;
use std::path::PathBuf;

use crutils::checkpoint::{Import, ImportOptions};
use crutils::watch::Watch;

use crate::support::door::Place;
use crate::support::door::{Door, INCOMPLETE};
use crate::support::process::Test;
use crate::support::sandbox::Sandbox;
use crate::support::session::{Options, REQUIRE_COMPLETE};
use crate::support::stage::assert_errno;
use crate::support::tarball::{Entry, archive, dir, file, symlink};
use crate::support::tree::Snapshot;

fn input(sandbox: &Sandbox, entries: impl IntoIterator<Item = Entry>) -> PathBuf {
    let path = sandbox.path().join("input");
    let configuration = [file("config.dump", "{}"), file("spec.dump", "{}")];
    fs::write(&path, archive(configuration.into_iter().chain(entries))).unwrap();
    path
}

/// Archives, and what is missing in them.
fn incomplete() -> Vec<(Vec<Entry>, Vec<&'static str>)> {
    let inventory = |directory: &str| file(format!("{directory}/inventory.img"), "x");
    let parent = |directory: &str, to: &str| symlink(format!("{directory}/parent"), to);
    vec![
        (vec![dir("checkpoint"), inventory("checkpoint")], vec![]),
        (vec![file("stats-dump", "x")], vec![]),
        (vec![dir("checkpoint")], vec!["checkpoint"]),
        (
            vec![file("checkpoint/pages-1.img", "x")],
            vec!["checkpoint/inventory.img"],
        ),
        (
            vec![
                dir("checkpoint/inventory.img"),
                file("pre-checkpoint/x", "x"),
            ],
            vec!["checkpoint/inventory.img", "pre-checkpoint/inventory.img"],
        ),
        (
            vec![
                inventory("checkpoint"),
                parent("checkpoint", "../pre-checkpoint"),
            ],
            vec!["checkpoint/parent"],
        ),
        (
            vec![
                inventory("checkpoint"),
                parent("checkpoint", "../pre-checkpoint"),
                inventory("pre-checkpoint"),
            ],
            vec![],
        ),
        (
            vec![
                inventory("dump-1"),
                inventory("dump-2"),
                parent("dump-2", "../dump-1"),
                parent("dump-3", "../dump-2"),
            ],
            vec!["dump-3/inventory.img"],
        ),
        (
            vec![inventory("dumps/2"), parent("dumps/2", "../1")],
            vec!["dumps/2/parent"],
        ),
        (
            vec![
                inventory("a"),
                parent("a", "../b"),
                inventory("b"),
                parent("b", "../file"),
                file("file", "x"),
            ],
            vec!["b/parent"],
        ),
    ]
}

door_tests! {
    what_a_restore_will_miss_is_told,
    what_an_earlier_import_has_put_into_the_bundle_is_there,
    the_link_to_the_dump_before_may_be_in_any_directory,
    a_link_to_anything_but_a_sibling_is_refused
}

fn what_a_restore_will_miss_is_told(_: &Test, door: &'static dyn Door) {
    for (entries, missing) in incomplete() {
        let sandbox = Sandbox::new();
        let (input, bundle) = (input(&sandbox, entries), sandbox.path().join("bundle"));
        let watch = door.watch(None);
        let mut session = door
            .open(Place::Path(&input), &Options::none(), Some(&*watch))
            .unwrap();
        session.to_bundle(Place::from(&bundle)).unwrap();
        session.extract().unwrap();
        let told = watch.log().warnings();
        let expected: Vec<_> = missing
            .iter()
            .map(|name| (INCOMPLETE, name.as_bytes().to_vec()))
            .collect();
        assert_eq!(
            told.iter()
                .map(|(kind, member, _)| (*kind, member.clone()))
                .collect::<Vec<_>>(),
            expected,
            "{told:?}"
        );
    }
}

fn what_an_earlier_import_has_put_into_the_bundle_is_there(_: &Test, door: &'static dyn Door) {
    let sandbox = Sandbox::new();
    let bundle = sandbox.path().join("bundle");
    for entries in [
        vec![file("pre-checkpoint/inventory.img", "x")],
        vec![
            file("checkpoint/inventory.img", "x"),
            symlink("checkpoint/parent", "../pre-checkpoint"),
        ],
    ] {
        let (input, watch) = (input(&sandbox, entries), door.watch(None));
        let mut session = door
            .open(Place::Path(&input), &Options::none(), Some(&*watch))
            .unwrap();
        session.to_bundle(Place::from(&bundle)).unwrap();
        session.extract().unwrap();
        assert_eq!(watch.log().warnings(), []);
    }
    assert_eq!(
        fs::read_to_string(bundle.join("checkpoint/parent/inventory.img")).unwrap(),
        "x"
    );
}

fn the_link_to_the_dump_before_may_be_in_any_directory(t: &Test, _: &'static dyn Door) {
    let chain = [
        file("dump-1/inventory.img", "1"),
        file("dump-2/inventory.img", "2"),
        symlink("dump-2/parent", "../dump-1"),
        file("checkpoint/1/inventory.img", "3"),
        file("checkpoint/2/inventory.img", "4"),
        symlink("checkpoint/2/parent", "../1"),
    ];
    let sandbox = Sandbox::new();
    let (input, bundle) = (input(&sandbox, chain), sandbox.path().join("bundle"));
    t.import_without_config(&bundle, &input).unwrap();
    let read = |path: &str| fs::read_to_string(bundle.join(path)).unwrap();
    assert_eq!(
        (
            read("dump-2/parent/inventory.img"),
            read("checkpoint/2/parent/inventory.img")
        ),
        ("1".into(), "3".into())
    );
}

fn a_link_to_anything_but_a_sibling_is_refused(t: &Test, _: &'static dyn Door) {
    for (name, target) in [
        ("parent", "../x"),
        ("parent", "x"),
        ("dump/parent", ".."),
        ("dump/parent", "../.."),
        ("dump/parent", "../../x"),
        ("dump/parent", "../x/y"),
        ("dump/parent", "/etc"),
        ("dump/parent", "x"),
        ("dump/parent", "../dump"),
        ("dump/other", "../x"),
        ("checkpoint/1/parent", "../../etc"),
    ] {
        let sandbox = Sandbox::new();
        let (input, bundle) = (
            input(&sandbox, [symlink(name, target)]),
            sandbox.path().join("bundle"),
        );
        assert_errno(t.import_without_config(&bundle, &input), libc::EXDEV);
    }
}

door_tests! {
    what_a_restore_would_miss_is_refused_if_that_is_asked_for
}

fn what_a_restore_would_miss_is_refused_if_that_is_asked_for(_: &Test, door: &'static dyn Door) {
    for (entries, missing) in incomplete() {
        let sandbox = Sandbox::new();
        let (input, bundle) = (input(&sandbox, entries), sandbox.path().join("bundle"));
        let mut session = door.file(&input, &Options::on(REQUIRE_COMPLETE));
        session.to_bundle((&bundle).into()).unwrap();
        let outcome = session.extract();
        let Some(first) = missing.first() else {
            outcome.unwrap();
            continue;
        };
        let error = outcome.unwrap_err();
        assert_eq!(
            (error.errno, error.entry.as_deref()),
            (libc::ENODATA, Some(first.as_bytes())),
            "{error:?}"
        );
        assert!(!bundle.exists());
    }
}

#[test]
fn a_link_that_leads_out_of_the_bundle_is_not_followed() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.dir("bundle");
    fs::create_dir(sandbox.dir("outside").join("x")).unwrap();
    make_symlink(sandbox.path().join("outside"), bundle.join("dump-1")).unwrap();
    let entries = [
        file("dump-2/inventory.img", "x"),
        symlink("dump-2/parent", "../dump-1"),
    ];
    let input = input(&sandbox, entries);
    let mut options = ImportOptions::new();
    options.require_complete(true);
    let mut import = Import::open(&input, &options, &Watch::new()).unwrap();
    import.to_bundle(&bundle).unwrap();
    let error = import.extract().unwrap_err();
    assert_eq!(error.entry(), Some(&b"dump-2/parent"[..]), "{error}");
    assert!(Snapshot::of(&bundle).paths().contains(&"dump-2".to_owned()));
}
