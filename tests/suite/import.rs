//! Importing a checkpoint into a bundle: which members come in, which are refused, and when reading stops.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::support::api::MALFORMED;
use crate::support::os;
use crate::support::process::{Test, Within};
use crate::support::sandbox::{Fs, Sandbox};
use crate::support::stage::assert_errno;
use crate::support::tarball::{
    Entry, archive, block_device, char_device, dir, fifo, file, hardlink, symlink, unended,
};
use crate::support::tree::{Aspects, Kind, Snapshot};

pub(crate) const CONFIG: &str = r#"{"id":"1","runtime":"crun"}"#;

/// A sandbox with an archive in it and a bundle directory beside.
pub(crate) struct Import {
    pub(crate) sandbox: Sandbox,
    pub(crate) input: PathBuf,
    pub(crate) bundle: PathBuf,
}

impl Import {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self::within(Sandbox::new(), bytes)
    }

    pub(crate) fn within(sandbox: Sandbox, bytes: &[u8]) -> Self {
        let (input, bundle) = (sandbox.path().join("input"), sandbox.path().join("bundle"));
        fs::write(&input, bytes).unwrap();
        fs::create_dir(&bundle).unwrap();
        Self {
            sandbox,
            input,
            bundle,
        }
    }

    pub(crate) fn from(entries: impl IntoIterator<Item = Entry>) -> Self {
        Self::of(&archive(entries))
    }

    /// Both kinds of import, with a check that nothing outside of the bundle was touched.
    pub(crate) fn guarded<T>(&self, work: impl FnOnce() -> T) -> T {
        let around = || Snapshot::without(self.sandbox.path(), &["bundle"]);
        let before = around();
        let result = work();
        before.assert_same(
            &around(),
            Aspects::UNTOUCHED,
            "something outside of the bundle was touched",
        );
        result
    }

    pub(crate) fn tree(&self) -> Snapshot {
        Snapshot::of(&self.bundle)
    }
}

/// The runtime that a config.dump of this content names.
pub(crate) fn runtime(t: &Test, content: &str) -> Result<String, i32> {
    let import = Import::from([file("config.dump", content)]);
    t.runtime_from_archive(&import.input)
        .map_err(|failure| failure.errno)
}

api_tests! {
    the_config_is_excluded_by_its_whole_name_at_the_top,
    a_refusal_names_the_member_and_a_cut_says_where_it_is,
    an_excluded_member_is_still_read,
    a_config_json_at_the_top_is_refused,
    a_link_already_in_the_bundle_is_no_way_to_a_protected_name,
    devices_and_fifos_have_no_place_in_a_bundle,
    links_have_no_place_in_a_bundle,
    the_links_that_criu_makes_come_in,
    the_bundles_own_attributes_are_not_the_archives_business,
    a_destination_is_cleaned_before_it_is_made,
    a_missing_destination_is_made_only_for_an_archive,
    a_missing_destination_must_be_absolute_and_an_existing_one_need_not,
    a_destination_may_be_a_symlink_to_a_directory,
    a_bundle_member_replaces_what_was_there,
    what_is_imported_keeps_owner_mode_and_times,
    an_inode_number_that_is_used_again_makes_no_link_the_archives_own,
    a_name_that_was_the_archives_own_file_is_none_once_a_link_has_its_place,
    a_file_that_took_another_ones_place_is_the_archives_own
}

fn the_config_is_excluded_by_its_whole_name_at_the_top(t: &Test) {
    let import = Import::from([
        file("config.dump", "1"),
        file("/spec.dump", "1"),
        file("../config.dump", "1"),
        file("./spec.dump", "1"),
        file("a/../config.dump", "1"),
        file("config.dump/x", "1"),
        file("config.dumpster", "2"),
        file("spec.dump.old", "2"),
        file("sub/config.dump", "2"),
        file("checkpoint/spec.dump", "2"),
        file("ctr.log", "2"),
    ]);
    import
        .guarded(|| t.import_without_config(&import.bundle, &import.input))
        .unwrap();
    let expected = [
        "checkpoint",
        "checkpoint/spec.dump",
        "config.dumpster",
        "ctr.log",
        "spec.dump.old",
        "sub",
        "sub/config.dump",
    ];
    assert_eq!(import.tree().paths(), expected);
}

fn a_refusal_names_the_member_and_a_cut_says_where_it_is(t: &Test) {
    let sandbox = Sandbox::new();
    let (input, bundle) = (sandbox.path().join("input"), sandbox.path().join("bundle"));
    let whole = archive([file("first", "first"), file("second", vec![b'x'; 4096])]);
    fs::write(&input, &whole[..512 + 512 + 512 + 100]).unwrap();
    let failure = t.import_without_config(&bundle, &input).unwrap_err();
    assert_eq!((failure.errno, failure.kind), (libc::EBADMSG, MALFORMED));
    assert_eq!(failure.entry.as_deref(), Some(&b"second"[..]));
    // Its header is the third block.
    let offset = failure.offset.unwrap();
    assert!((1024..=1024 + 512).contains(&offset), "{offset}");
}

fn an_excluded_member_is_still_read(t: &Test) {
    let whole = unended([file("config.dump", vec![b'x'; 4096])]);
    let import = Import::of(&whole[..2048]);
    assert_errno(
        t.import_without_config(&import.bundle, &import.input),
        libc::EBADMSG,
    );
}

fn a_config_json_at_the_top_is_refused(t: &Test) {
    for name in [
        "config.json",
        "/config.json",
        "./config.json",
        "../config.json",
        "x/../config.json",
        "config.json/x",
    ] {
        for entry in [file(name, "{}"), dir(name)] {
            let import = Import::from([entry]);
            fs::write(import.bundle.join("config.json"), "the engine's").unwrap();
            assert_errno(
                import.guarded(|| t.import_without_config(&import.bundle, &import.input)),
                libc::EPERM,
            );
            assert_eq!(
                fs::read_to_string(import.bundle.join("config.json")).unwrap(),
                "the engine's",
                "{name}"
            );
        }
    }
    let import = Import::from([file("sub/config.json", "{}"), file("config.json.old", "{}")]);
    t.import_without_config(&import.bundle, &import.input)
        .unwrap();
}

fn a_link_already_in_the_bundle_is_no_way_to_a_protected_name(t: &Test) {
    for name in ["config.json", "config.dump"] {
        let import = Import::from([file(format!("a/{name}"), "hostile")]);
        std::os::unix::fs::symlink(".", import.bundle.join("a")).unwrap();
        let _ = import.guarded(|| t.import_without_config(&import.bundle, &import.input));
        assert!(!import.bundle.join(name).exists(), "{name}");
    }
}

fn devices_and_fifos_have_no_place_in_a_bundle(t: &Test) {
    for entry in [
        char_device("checkpoint/d", 1, 3),
        block_device("d", 8, 0),
        fifo("ctr.log"),
        char_device("c", 0, 0),
    ] {
        let import = Import::from([entry]);
        assert_errno(
            import.guarded(|| t.import_without_config(&import.bundle, &import.input)),
            libc::EPERM,
        );
        assert!(
            import
                .tree()
                .0
                .values()
                .all(|node| node.kind == Kind::Directory)
        );
    }
}

fn links_have_no_place_in_a_bundle(t: &Test) {
    for entry in [
        symlink("restore.log", "/etc/passwd"),
        symlink("checkpoint", "/"),
        symlink("checkpoint/other", "../pre-checkpoint"),
        symlink("checkpoint/sub/parent", "../../pre-checkpoint"),
        symlink("parent", "../pre-checkpoint"),
        symlink("checkpoint/parent", "/etc"),
        symlink("checkpoint/parent", "../.."),
        symlink("checkpoint/parent", ".."),
        symlink("checkpoint/parent", "../a/b"),
        symlink("checkpoint/parent", "../../x"),
        symlink("checkpoint/parent", "x"),
        symlink("checkpoint/parent", "../."),
        symlink("checkpoint/parent", "../"),
        symlink("volumes/parent", "../volumes"),
        hardlink("checkpoint/l", "already-there"),
        hardlink("checkpoint/l", "checkpoint"),
    ] {
        let import = Import::from([entry.clone()]);
        fs::write(import.bundle.join("already-there"), "x").unwrap();
        let outcome = import.guarded(|| t.import_without_config(&import.bundle, &import.input));
        assert_eq!(
            outcome.map_err(|failure| failure.errno),
            Err(libc::EXDEV),
            "{entry:?}"
        );
        assert!(
            import
                .tree()
                .0
                .values()
                .all(|node| !matches!(node.kind, Kind::Symlink(_)) && node.names == 1)
        );
    }
}

fn the_links_that_criu_makes_come_in(t: &Test) {
    let import = Import::from([
        dir("checkpoint"),
        symlink("checkpoint/parent", "../pre-checkpoint"),
        file("checkpoint/pages-1.img", "x"),
        hardlink("checkpoint/pages-2.img", "checkpoint/pages-1.img"),
        symlink("pre-checkpoint/parent", "../pre-checkpoint-1"),
    ]);
    t.import_without_config(&import.bundle, &import.input)
        .unwrap();
    assert_eq!(
        import.tree().get("checkpoint/parent").kind,
        Kind::Symlink(b"../pre-checkpoint".to_vec())
    );
    assert_eq!(import.tree().get("checkpoint/pages-2.img").names, 2);
}

fn the_bundles_own_attributes_are_not_the_archives_business(t: &Test) {
    for name in ["..", "/", "../", "/..", ".", "./"] {
        let entry = dir(name)
            .mode(0o777)
            .owner(1000, 1000)
            .mtime(5)
            .xattr("user.a", "1");
        let import = Import::from([
            entry,
            file("ctr.log", "x"),
            file("config.dump", CONFIG),
            file("spec.dump", "{}"),
        ]);
        fs::set_permissions(&import.bundle, PermissionsExt::from_mode(0o750)).unwrap();
        let before = import.tree();
        let is_as_before = || {
            let (before, after) = (before.get("").clone(), import.tree().get("").clone());
            assert_eq!(
                (after.mode, after.uid, after.gid, after.xattrs),
                (before.mode, before.uid, before.gid, before.xattrs),
                "{name}"
            );
        };
        import
            .guarded(|| t.import_without_config(&import.bundle, &import.input))
            .unwrap();
        is_as_before();
        import
            .guarded(|| t.import_config_only(&import.bundle, &import.input))
            .unwrap();
        is_as_before();
        assert_eq!(
            import.tree().paths(),
            ["config.dump", "ctr.log", "spec.dump"]
        );
    }
}

fn a_destination_is_cleaned_before_it_is_made(t: &Test) {
    let import = Import::from([file("x", "x"), file("config.dump", CONFIG)]);
    let at = |name: &str| import.sandbox.path().join(name);
    t.import_without_config(&at("n1/../n2"), &import.input)
        .unwrap();
    t.import_config_only(&at("./n3//n4/../n5/."), &import.input)
        .unwrap();
    let mut names = Snapshot::of(import.sandbox.path()).paths();
    names.sort();
    assert_eq!(
        names,
        [
            "bundle",
            "input",
            "n2",
            "n2/x",
            "n3",
            "n3/n5",
            "n3/n5/config.dump"
        ]
    );
}

fn a_missing_destination_is_made_only_for_an_archive(t: &Test) {
    let import = Import::from([file("checkpoint/x", "x"), file("config.dump", CONFIG)]);
    let new = import.sandbox.path().join("a/b/c");
    t.import_without_config(&new, &import.input).unwrap();
    assert_eq!(Snapshot::of(&new).paths(), ["checkpoint", "checkpoint/x"]);
    let config = import.sandbox.path().join("d/e");
    t.import_config_only(&config, &import.input).unwrap();
    assert_eq!(Snapshot::of(&config).paths(), ["config.dump"]);
    for garbage in [
        b"garbage".to_vec(),
        vec![b'x'; 1024],
        b"\x1f\x8b\x08xxxxxxx".to_vec(),
    ] {
        let import = Import::of(&garbage);
        let new = import.sandbox.path().join("new/sub");
        import.guarded(|| {
            assert_errno(t.import_without_config(&new, &import.input), libc::EBADMSG);
            assert_errno(t.import_config_only(&new, &import.input), libc::EBADMSG);
        });
    }
}

fn a_missing_destination_must_be_absolute_and_an_existing_one_need_not(t: &Test) {
    t.within(Within::Process, || {
        let import = Import::from([file("x", "x"), file("config.dump", CONFIG)]);
        std::env::set_current_dir(import.sandbox.path()).unwrap();
        for path in ["missing/sub", "missing", ""] {
            assert_errno(
                t.import_without_config(Path::new(path), &import.input),
                libc::EINVAL,
            );
            assert_errno(
                t.import_config_only(Path::new(path), &import.input),
                libc::EINVAL,
            );
        }
        t.import_without_config(Path::new("bundle"), Path::new("input"))
            .unwrap();
        assert_eq!(import.tree().paths(), ["x"]);
    });
}

fn a_destination_may_be_a_symlink_to_a_directory(t: &Test) {
    let import = Import::from([file("x", "x")]);
    let link = import.sandbox.path().join("link");
    std::os::unix::fs::symlink("bundle", &link).unwrap();
    t.import_without_config(&link, &import.input).unwrap();
    assert_eq!(import.tree().paths(), ["x"]);
}

fn a_bundle_member_replaces_what_was_there(t: &Test) {
    let import = Import::from([file("checkpoint/x", "new"), file("ctr.log", "new")]);
    fs::create_dir_all(import.bundle.join("ctr.log/old")).unwrap();
    std::os::unix::fs::symlink("/etc", import.bundle.join("x")).unwrap();
    t.import_without_config(&import.bundle, &import.input)
        .unwrap();
    assert_eq!(
        fs::read_to_string(import.bundle.join("ctr.log")).unwrap(),
        "new"
    );
}

fn what_is_imported_keeps_owner_mode_and_times(t: &Test) {
    let id = i64::from(if os::is_real_root() { 7 } else { os::uid() });
    let import = Import::from([
        dir("checkpoint").mode(0o700).mtime(5),
        file("checkpoint/x", "x")
            .mode(0o640)
            .owner(id, id)
            .pax("mtime", "7.25"),
    ]);
    t.import_without_config(&import.bundle, &import.input)
        .unwrap();
    let tree = import.tree();
    let x = tree.get("checkpoint/x");
    assert_eq!(
        (x.mode, x.mtime, i64::from(x.uid), i64::from(x.gid)),
        (0o640, (7, 250_000_000), id, id)
    );
    assert_eq!(
        (tree.get("checkpoint").mode, tree.get("checkpoint").mtime),
        (0o700, (5, 0))
    );
}

fn an_inode_number_that_is_used_again_makes_no_link_the_archives_own(t: &Test) {
    // Forty files give up their numbers, one after the other or all at once; on ext4 the link that comes next gets
    // one of them.
    let names = || (0..40).map(|number| format!("checkpoint/d/f{number}"));
    let files = || {
        [dir("checkpoint"), dir("checkpoint/d")]
            .into_iter()
            .chain(names().map(|name| file(name, "x")))
    };
    let hostile = [
        symlink("checkpoint/parent", "../victim"),
        hardlink("ctr.log", "checkpoint/parent"),
    ];
    let replaced: Vec<_> = files()
        .chain(names().map(dir))
        .chain(hostile.clone())
        .collect();
    let gone: Vec<_> = files()
        .chain([file("checkpoint/d", "x")])
        .chain(hostile)
        .collect();
    for fs in [Fs::Host, Fs::Ext4] {
        for entries in [&replaced, &gone] {
            let Some(sandbox) = Sandbox::on(fs) else {
                continue;
            };
            let import = Import::within(sandbox, &archive(entries.clone()));
            assert_errno(
                import.guarded(|| t.import_without_config(&import.bundle, &import.input)),
                libc::EXDEV,
            );
            assert!(
                fs::symlink_metadata(import.bundle.join("ctr.log")).is_err(),
                "{fs:?}"
            );
            assert_eq!(import.tree().get("checkpoint/parent").names, 1);
        }
    }
}

fn a_name_that_was_the_archives_own_file_is_none_once_a_link_has_its_place(t: &Test) {
    for (before, source) in [
        ("checkpoint/parent", "checkpoint/parent"),
        ("checkpoint/parent/f", "checkpoint/parent/f"),
        ("checkpoint/parent/f", "victim/f"),
    ] {
        let import = Import::from([
            file(before, "x"),
            symlink("checkpoint/parent", "../victim"),
            hardlink("ctr.log", source),
        ]);
        fs::create_dir(import.bundle.join("victim")).unwrap();
        fs::write(import.bundle.join("victim/f"), "foreign").unwrap();
        assert_errno(
            import.guarded(|| t.import_without_config(&import.bundle, &import.input)),
            libc::EXDEV,
        );
        assert!(
            fs::symlink_metadata(import.bundle.join("ctr.log")).is_err(),
            "{source}"
        );
        assert_eq!(import.tree().get("victim/f").names, 1);
    }
}

fn a_file_that_took_another_ones_place_is_the_archives_own(t: &Test) {
    let import = Import::from([
        file("a", "1"),
        dir("a"),
        file("a", "2"),
        hardlink("b", "a"),
        file("a", "3"),
        hardlink("c", "b"),
        hardlink("d", "./x/../a"),
    ]);
    fs::write(import.bundle.join("a"), "0").unwrap();
    t.import_without_config(&import.bundle, &import.input)
        .unwrap();
    let content =
        ["a", "b", "c", "d"].map(|name| fs::read_to_string(import.bundle.join(name)).unwrap());
    assert_eq!(content, ["3", "2", "2", "3"]);
}
