//! What the caller of an import chooses: attributes that can't be set, overlays' own state, mounts, modes, durability.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::acl;
use crate::support::api::Outcome;
use crate::support::door::{Door, Place, XATTR};
use crate::support::os;
use crate::support::process::{Test, Within};
use crate::support::sandbox::{Fs, Sandbox};
use crate::support::session::{
    CROSS_MOUNTS, FAIL, IGNORE_OWNERSHIP, OVERLAY_XATTRS, Options, SKIP_ALL, SYNC, USABLE_MODES,
    XATTRS,
};
use crate::support::tarball::{Entry, archive, dir, fifo, file, symlink};
use crate::support::tree::Snapshot;

const ACCESS: &str = "system.posix_acl_access";

/// What an engine's overlay storage has in its directories.
const OVERLAY_STATE: [(&str, &str); 4] = [
    ("trusted.overlay.metacopy", ""),
    ("trusted.overlay.opaque", "y"),
    ("user.fuseoverlayfs.opaque", "y"),
    ("user.overlay.redirect", "/before"),
];

/// A directory and a file with an overlay's state, and something that no overlay has.
fn storage() -> Vec<u8> {
    let with_state = |entry: Entry| {
        let with = |entry: Entry, (name, value): &(&str, &str)| entry.xattr(name, value);
        OVERLAY_STATE
            .iter()
            .fold(entry, with)
            .xattr("user.kept", "1")
    };
    archive([with_state(dir("d")), with_state(file("f", "x"))])
}

/// An archive in which this diff is, as a volume and as /dev/shm, too.
fn checkpoint(directory: &Path, nested: &[u8]) -> PathBuf {
    let path = directory.join("input");
    let names = ["rootfs-diff.tar", "volumes/v.tar", "devshm-checkpoint.tar"];
    fs::write(&path, archive(names.map(|name| file(name, nested)))).unwrap();
    path
}

/// The names of an object's attributes, but for those that the host's overlay may have.
fn names(path: &Path) -> Vec<String> {
    let names = os::xattrs(path).unwrap().into_keys();
    names.map(|name| String::from_utf8(name).unwrap()).collect()
}

fn state_and_kept() -> Vec<String> {
    let mut names: Vec<_> = OVERLAY_STATE
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .collect();
    names.push("user.kept".into());
    names.sort();
    names
}

door_tests! {
    an_overlays_state_is_data_in_a_volume_and_left_out_of_a_root_with_a_warning,
    what_a_merged_directory_of_a_volume_lacks_is_removed_overlay_state_included,
    an_attribute_that_is_left_out_is_told
}

fn an_overlays_state_is_data_in_a_volume_and_left_out_of_a_root_with_a_warning(
    _: &Test,
    door: &'static dyn Door,
) {
    needs_root!("set trusted attributes");
    let Some(sandbox) = Sandbox::on(Fs::Tmpfs) else {
        return;
    };
    let (root, volume, shm) = (
        sandbox.dir("root"),
        sandbox.dir("volume"),
        sandbox.dir("shm"),
    );
    let input = checkpoint(sandbox.path(), &storage());
    let watch = door.watch(None);
    let mut session = door
        .open(Place::Path(&input), &Options::none(), Some(&*watch))
        .unwrap();
    session.to_root(Place::from(&root)).unwrap();
    session.to_volume("v", Place::from(&volume)).unwrap();
    session.to_shm(Place::from(&shm)).unwrap();
    session.extract().unwrap();
    for tree in [&volume, &shm] {
        for path in ["d", "f"] {
            assert_eq!(names(&tree.join(path)), state_and_kept(), "{path}");
            for (name, value) in OVERLAY_STATE {
                let found = os::xattr(&tree.join(path), name.as_bytes()).unwrap();
                assert_eq!(found.as_deref(), Some(value.as_bytes()), "{name}");
            }
        }
    }
    for path in ["d", "f"] {
        assert_eq!(names(&root.join(path)), ["user.kept"], "{path}");
    }
    let warnings = watch.log().warnings();
    let told: Vec<_> = warnings
        .iter()
        .map(|(kind, member, _)| (*kind, &member[..]))
        .collect();
    let expected = [vec![(XATTR, &b"d"[..]); 4], vec![(XATTR, &b"f"[..]); 4]].concat();
    assert_eq!(told, expected, "{warnings:?}");
    assert!(
        warnings
            .iter()
            .zip(OVERLAY_STATE.iter().cycle())
            .all(|((_, _, text), (name, _))| text.contains(name))
    );
}

fn what_a_merged_directory_of_a_volume_lacks_is_removed_overlay_state_included(
    _: &Test,
    door: &'static dyn Door,
) {
    needs_root!("set trusted attributes");
    let Some(sandbox) = Sandbox::on(Fs::Tmpfs) else {
        return;
    };
    let volume = sandbox.dir("volume");
    for path in ["d", "e"] {
        fs::create_dir(volume.join(path)).unwrap();
        os::set_xattr(&volume.join(path), "trusted.overlay.opaque", b"y").unwrap();
    }
    let entries = [dir("d").pax("CRUTILS.xattrs", "complete"), dir("e")];
    let input = checkpoint(sandbox.path(), &archive(entries));
    let mut session = door.file(&input, &Options::none());
    session.to_volume("v", Place::from(&volume)).unwrap();
    session.extract().unwrap();
    assert_eq!(
        (
            names(&volume.join("d")).len(),
            names(&volume.join("e")).len()
        ),
        (0, 1)
    );
}

fn an_attribute_that_is_left_out_is_told(_: &Test, door: &'static dyn Door) {
    let sandbox = Sandbox::new();
    let root = sandbox.dir("root");
    let entries = [
        symlink("l", "x").xattr("user.note", "1"),
        fifo("p").xattr("user.note", "1"),
        file("f", "x").xattr("foo.bar", "1"),
    ];
    let input = checkpoint(sandbox.path(), &archive(entries));
    let watch = door.watch(None);
    let mut session = door
        .open(Place::Path(&input), &Options::none(), Some(&*watch))
        .unwrap();
    session.to_root(Place::from(&root)).unwrap();
    session.extract().unwrap();
    let told: Vec<_> = watch
        .log()
        .warnings()
        .into_iter()
        .map(|(kind, member, _)| (kind, member))
        .collect();
    assert_eq!(told, ["l", "p", "f"].map(|member| (XATTR, member.into())));
}

/// Applies these members to the root, as options say; what was told.
fn import(
    door: &'static dyn Door,
    sandbox: &Sandbox,
    entries: &[Entry],
    options: &Options,
) -> (Outcome, Vec<(u32, String)>) {
    let watch = door.watch(None);
    let input = checkpoint(sandbox.path(), &archive(entries.to_vec()));
    let mut session = door
        .open(Place::Path(&input), options, Some(&*watch))
        .unwrap();
    session.to_root(Place::from(&sandbox.dir("root"))).unwrap();
    let imported = session.extract().map(drop);
    let text = |member: Vec<u8>| String::from_utf8(member).unwrap();
    let told = watch.log().warnings().into_iter();
    let told = told.map(|(kind, member, _)| (kind, text(member))).collect();
    (imported, told)
}

door_tests! {
    attributes_that_cannot_be_set_fail_the_import_if_that_is_asked_for,
    attributes_that_cannot_be_set_are_all_left_out_if_that_is_asked_for,
    an_overlays_state_is_kept_in_a_root_if_that_is_asked_for,
    what_is_mounted_below_the_root_is_written_to_if_that_is_asked_for,
    modes_are_such_that_their_owner_can_work_if_that_is_asked_for,
    a_user_can_enter_what_an_engine_has_closed
}

fn attributes_that_cannot_be_set_fail_the_import_if_that_is_asked_for(
    _: &Test,
    door: &'static dyn Door,
) {
    let options = Options::none().with(XATTRS, FAIL);
    for (entry, errno) in [
        (symlink("l", "x").xattr("user.a", "1"), libc::EPERM),
        (file("f", "x").xattr("foo.bar", "1"), libc::EOPNOTSUPP),
    ] {
        let (imported, told) = import(door, &Sandbox::new(), &[entry], &options);
        assert_eq!((imported.unwrap_err().errno, told), (errno, vec![]));
    }
}

fn attributes_that_cannot_be_set_are_all_left_out_if_that_is_asked_for(
    _: &Test,
    door: &'static dyn Door,
) {
    needs_root!("tell a refusal from a lack of privilege");
    let entries = [
        file("capability", "x").xattr("security.capability", "nonsense"),
        file("acl", "x").xattr(ACCESS, [2, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0]),
        file("large", "x").xattr("user.large", vec![b'v'; 65_537]),
        dir("d").xattr(ACCESS, "x"),
        file("whole", "x").xattr("user.a", "1"),
    ];
    for entry in &entries[..4] {
        let one = std::slice::from_ref(entry);
        import(door, &Sandbox::new(), one, &Options::none())
            .0
            .unwrap_err();
    }
    let sandbox = Sandbox::new();
    let options = Options::none().with(XATTRS, SKIP_ALL);
    let (imported, told) = import(door, &sandbox, &entries, &options);
    imported.unwrap();
    let expected = ["capability", "acl", "large", "d"];
    assert_eq!(told, expected.map(|member| (XATTR, member.to_owned())));
    let tree = Snapshot::of(&sandbox.path().join("root"));
    assert_eq!(tree.get("whole").xattrs.len(), 1);
    assert!(expected.iter().all(|path| tree.get(path).xattrs.is_empty()));
}

fn an_overlays_state_is_kept_in_a_root_if_that_is_asked_for(_: &Test, door: &'static dyn Door) {
    needs_root!("set trusted attributes");
    let Some(sandbox) = Sandbox::on(Fs::Tmpfs) else {
        return;
    };
    let entry = dir("d")
        .xattr("trusted.overlay.opaque", "y")
        .xattr("user.overlay.redirect", "/x");
    let (imported, told) = import(door, &sandbox, &[entry], &Options::on(OVERLAY_XATTRS));
    imported.unwrap();
    assert_eq!(told, []);
    let expected = ["trusted.overlay.opaque", "user.overlay.redirect"];
    assert_eq!(names(&sandbox.path().join("root/d")), expected);
}

fn what_is_mounted_below_the_root_is_written_to_if_that_is_asked_for(
    _: &Test,
    door: &'static dyn Door,
) {
    needs_root!("mount file systems");
    let mut sandbox = Sandbox::new();
    let mount = sandbox.dir("root/data");
    sandbox.mount_tmpfs(&mount);
    let entries = [
        dir("data").mode(0o711),
        file("data/keep", "x"),
        file("data/new/f", "x"),
    ];
    let (refused, _) = import(door, &sandbox, &entries, &Options::none());
    assert_eq!(refused.unwrap_err().errno, libc::EXDEV);
    let options = Options::on(CROSS_MOUNTS);
    import(door, &sandbox, &entries, &options).0.unwrap();
    assert_eq!(fs::read_to_string(mount.join("keep")).unwrap(), "x");
    assert_eq!(Snapshot::of(&mount).get("").mode, 0o711);
    // What is there is no reason to remove anything.
    let over = [file("data", "a file")];
    import(door, &sandbox, &over, &options).0.unwrap_err();
    assert_eq!(fs::read_to_string(mount.join("keep")).unwrap(), "x");
}

fn modes_are_such_that_their_owner_can_work_if_that_is_asked_for(
    _: &Test,
    door: &'static dyn Door,
) {
    let sandbox = Sandbox::new();
    let entries = [
        dir("d").mode(0o600),
        file("d/none", "x").mode(0),
        file("d/x", "x").mode(0o011),
        file("d/acl", "x").mode(0o070).xattr(ACCESS, {
            let mut list = acl(&[1234]);
            // The owner's entry is the first one.
            list[6] = 0;
            list
        }),
        fifo("p").mode(0o040),
        symlink("l", "x"),
    ];
    import(door, &sandbox, &entries, &Options::on(USABLE_MODES))
        .0
        .unwrap();
    let tree = Snapshot::of(&sandbox.path().join("root"));
    let mode = |path| tree.get(path).mode;
    assert_eq!(
        [mode("d"), mode("d/none"), mode("d/x"), mode("p")],
        [0o700, 0o600, 0o711, 0o640]
    );
    assert_eq!(mode("d/acl") & 0o700, 0o700);
}

fn a_user_can_enter_what_an_engine_has_closed(t: &Test, door: &'static dyn Door) {
    t.within(Within::User, || {
        let sandbox = Sandbox::new();
        let input = sandbox.path().join("input");
        let entries = [
            dir("checkpoint").mode(0o600),
            file("checkpoint/inventory.img", "x").mode(0o400),
        ];
        fs::write(&input, archive(entries.map(|entry| entry.owner(0, 0)))).unwrap();
        let bundle = sandbox.path().join("bundle");
        let mut session = door.file(&input, &Options::on(USABLE_MODES).and(IGNORE_OWNERSHIP));
        session.to_bundle(Place::from(&bundle)).unwrap();
        session.extract().unwrap();
        let inventory = bundle.join("checkpoint/inventory.img");
        assert_eq!(fs::read_to_string(inventory).unwrap(), "x");
    });
}

/// What the traced process does.
fn import_synced(door: &dyn Door, directory: &Path) {
    let mut session = door.file(&directory.join("input"), &Options::on(SYNC));
    let [root, volume, bundle] = ["root", "volume", "bundle"].map(|name| directory.join(name));
    session.to_root(Place::from(&root)).unwrap();
    session.to_volume("v", Place::from(&volume)).unwrap();
    session.to_bundle(Place::from(&bundle)).unwrap();
    session.extract().unwrap();
}

door_tests! {
    what_was_written_lasts_if_that_is_asked_for
}

fn what_was_written_lasts_if_that_is_asked_for(t: &Test, door: &'static dyn Door) {
    const TRACED: &str = "CRUTILS_TEST_SYNCED";
    if let Some(directory) = std::env::var_os(TRACED) {
        return import_synced(door, Path::new(&directory));
    }
    if let Some(reason) = crate::system_calls::untraceable() {
        skip!("{reason}");
    }
    let sandbox = Sandbox::new();
    for name in ["root", "volume"] {
        sandbox.dir(name);
    }
    checkpoint(sandbox.path(), &archive([file("f", "x")]));
    let trace = sandbox.path().join("trace");
    let output = std::process::Command::new("strace")
        .args(["-f", "-e", "trace=syncfs,pwrite64", "-o"])
        .arg(&trace)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", t.name(), "--nocapture"])
        .env(TRACED, sandbox.path())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    let trace = fs::read_to_string(trace).unwrap();
    let lines: Vec<&str> = trace.lines().filter(|line| line.contains("= 0")).collect();
    let syncs = lines.iter().filter(|line| line.contains("syncfs(")).count();
    assert_eq!(syncs, 3, "{trace}");
    assert!(trace.rfind("syncfs(") > trace.rfind("pwrite64("), "{trace}");
}
