//! Exporting a checkpoint: which members get into the archive, in which order, and what is left if one can't.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::api::Outcome;
use crate::support::door::{CRIO, Door, NONE, PODMAN, SOCKET};
use crate::support::export::{Export, ExportOptions, Exported, OPTIONAL};
use crate::support::os;
use crate::support::process::{Test, Within};
use crate::support::sandbox::Sandbox;
use crate::support::tree::Snapshot;

/// A bundle that an engine has checkpointed into, and room for archives beside it.
pub(crate) struct Bundle {
    pub(crate) door: &'static dyn Door,
    pub(crate) sandbox: Sandbox,
    pub(crate) path: PathBuf,
    pub(crate) out: PathBuf,
}

impl Bundle {
    /// What every checkpoint has.
    pub(crate) fn new(door: &'static dyn Door) -> Self {
        let sandbox = Sandbox::new();
        let (path, out) = (sandbox.dir("bundle"), sandbox.dir("out"));
        let bundle = Self {
            door,
            sandbox,
            path,
            out,
        };
        bundle.write("config.dump", r#"{"runtime":"crun"}"#);
        bundle.write("spec.dump", "{}");
        bundle.write("checkpoint/inventory.img", "inventory");
        bundle.write("checkpoint/pages-1.img", "pages");
        bundle
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub(crate) fn archive(&self) -> PathBuf {
        self.out.join("archive")
    }

    /// Writes the archive to its place.
    pub(crate) fn export(&self, export: &dyn Export, options: &ExportOptions) -> Outcome<Exported> {
        export.write((&self.archive()).into(), options, None)
    }

    /// The names in the directory of the archive.
    pub(crate) fn left(&self) -> Vec<String> {
        Snapshot::of(&self.out).paths()
    }

    pub(crate) fn podman(&self) -> Box<dyn Export> {
        self.of(PODMAN)
    }

    /// What an engine exports of the bundle.
    pub(crate) fn of(&self, engine: u32) -> Box<dyn Export> {
        let mut export = self.door.export();
        export.add_bundle((&self.path).into(), engine).unwrap();
        export
    }
}

pub(crate) fn plain() -> ExportOptions {
    ExportOptions::new().compression(NONE)
}

/// What a program says on its standard output.
#[track_caller]
pub(crate) fn said(line: &[&str], path: &Path) -> Vec<String> {
    let output = Command::new(line[0]).args(&line[1..]).arg(path).output();
    let output = output.unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && error.is_empty(),
        "{line:?}: {error}"
    );
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(Into::into).collect()
}

const PYTHON: &str = "
import sys, tarfile
with tarfile.open(sys.argv[1]) as archive:
    for member in archive:
        print(member.name + '/' * member.isdir())
";

/// The member names, about which GNU tar, bsdtar and Python agree.
#[track_caller]
pub(crate) fn members(archive: &Path) -> Vec<String> {
    let gnu = said(&["tar", "-tf"], archive);
    assert_eq!(said(&["bsdtar", "-tf"], archive), gnu);
    assert_eq!(said(&["python3", "-c", PYTHON], archive), gnu);
    gnu
}

/// What a member holds.
pub(crate) fn content(archive: &Path, member: &str) -> Vec<u8> {
    let output = Command::new("tar")
        .arg("-xOf")
        .args([archive, Path::new(member)])
        .output()
        .unwrap();
    assert!(output.status.success(), "{member}");
    output.stdout
}

#[track_caller]
pub(crate) fn assert_refused(outcome: Outcome<impl std::fmt::Debug>, errno: i32, entry: &str) {
    let error = outcome.unwrap_err();
    assert_eq!(error.errno, errno, "{error}");
    let own = error.entry.as_deref().unwrap_or_default();
    assert_eq!(String::from_utf8_lossy(own), entry, "{error}");
}

door_tests! {
    podman_s_members_come_in_podman_s_order,
    cri_o_s_members_come_in_cri_o_s_order,
    a_name_of_the_caller_s_own_has_its_own_place,
    a_name_is_there_once,
    a_pre_checkpoint_alone_is_a_checkpoint_for_podman,
    optional_members_that_are_missing_are_told_by_the_result_and_no_warning,
    bytes_are_private_and_the_same_input_is_the_same_output,
    a_file_comes_with_its_attributes_under_another_name,
    a_descriptor_is_enough_where_the_file_may_not_be_opened_again,
    sockets_are_left_out_and_told
}

fn podman_s_members_come_in_podman_s_order(_: &Test, door: &'static dyn Door) {
    let bundle = Bundle::new(door);
    for name in [
        "volumes/b.tar",
        "volumes/a.tar",
        "deleted.files",
        "rootfs-diff.tar",
        "pre-checkpoint/pages-1.img",
        "ctr.log",
        "stats-dump",
        "network.status",
        "devshm-checkpoint.tar",
        "artifacts/notes",
    ] {
        bundle.write(name, name);
    }
    // What podman leaves in a bundle and doesn't export.
    for name in ["config.json", "dump.log", "restore.log", "ctl", "attach"] {
        bundle.write(name, "not exported");
    }
    let exported = bundle.export(&*bundle.podman(), &plain()).unwrap();
    let expected = [
        "artifacts/",
        "artifacts/notes",
        "devshm-checkpoint.tar",
        "config.dump",
        "spec.dump",
        "network.status",
        "stats-dump",
        "ctr.log",
        "checkpoint/",
        "checkpoint/inventory.img",
        "checkpoint/pages-1.img",
        "pre-checkpoint/",
        "pre-checkpoint/pages-1.img",
        "rootfs-diff.tar",
        "deleted.files",
        "volumes/a.tar",
        "volumes/b.tar",
    ];
    assert_eq!(members(&bundle.archive()), expected);
    assert_eq!(exported.members, expected.len() as u64);
    assert_eq!(exported.missing, [""; 0]);
    assert_eq!(
        exported.bytes,
        fs::metadata(bundle.archive()).unwrap().len()
    );
}

fn cri_o_s_members_come_in_cri_o_s_order(_: &Test, door: &'static dyn Door) {
    let bundle = Bundle::new(door);
    for name in [
        "io.kubernetes.cri-o.LogPath",
        "deleted.files",
        "rootfs-diff.tar",
        "bind.mounts",
        "dump.log",
        "stats-dump",
        "network.status",
        "ctr.log",
    ] {
        bundle.write(name, name);
    }
    let mut export = door.export();
    export.add_bundle((&bundle.path).into(), CRIO).unwrap();
    bundle.export(&*export, &plain()).unwrap();
    let expected = [
        "stats-dump",
        "dump.log",
        "checkpoint/",
        "checkpoint/inventory.img",
        "checkpoint/pages-1.img",
        "config.dump",
        "spec.dump",
        "bind.mounts",
        "rootfs-diff.tar",
        "deleted.files",
        "io.kubernetes.cri-o.LogPath",
    ];
    assert_eq!(members(&bundle.archive()), expected);
}

fn a_name_of_the_caller_s_own_has_its_own_place(_: &Test, door: &'static dyn Door) {
    let bundle = Bundle::new(door);
    bundle.write("stats-dump", "the bundle's");
    bundle.write("volumes/a.tar", "the bundle's");
    bundle.write("volumes/b.tar", "the bundle's");
    let mut export = door.export();
    export.add_bytes("spec.dump", b"before").unwrap();
    export.add_bundle((&bundle.path).into(), PODMAN).unwrap();
    export.add_bytes("config.dump", b"after").unwrap();
    export.add_bytes("volumes/a.tar", b"own").unwrap();
    export.add_bytes("stats-dump", b"own").unwrap();
    bundle.export(&*export, &plain()).unwrap();
    let expected = [
        "spec.dump",
        "checkpoint/",
        "checkpoint/inventory.img",
        "checkpoint/pages-1.img",
        "volumes/b.tar",
        "config.dump",
        "volumes/a.tar",
        "stats-dump",
    ];
    assert_eq!(members(&bundle.archive()), expected);
    assert_eq!(content(&bundle.archive(), "stats-dump"), b"own");
    assert_eq!(content(&bundle.archive(), "volumes/b.tar"), b"the bundle's");
}

fn a_name_is_there_once(_: &Test, door: &'static dyn Door) {
    let bundle = Bundle::new(door);
    let mut export = door.export();
    export.add_bytes("a", b"1").unwrap();
    assert_refused(export.add_bytes("a", b"2"), libc::EINVAL, "a");
    let again = export.add_member((&bundle.path).into(), "a", OPTIONAL);
    assert_refused(again, libc::EINVAL, "a");
    let spec = bundle.path.join("spec.dump");
    assert_refused(export.add_file("a", (&spec).into()), libc::EINVAL, "a");
    let again = export.add_directory_tar("a", (&bundle.path).into());
    assert_refused(again, libc::EINVAL, "a");
    export.add_rootfs_diff(&[], (&bundle.path).into()).unwrap();
    assert_refused(
        export.add_bytes("deleted.files", b""),
        libc::EINVAL,
        "deleted.files",
    );
    let second = export.add_rootfs_diff(&[], (&bundle.path).into());
    assert_refused(second, libc::EINVAL, "rootfs-diff.tar");
    export.add_bundle((&bundle.path).into(), PODMAN).unwrap();
    let second = export.add_bundle((&bundle.path).into(), CRIO);
    assert_refused(second, libc::EINVAL, "");
    // A diff that can't be added takes no name from the list.
    let mut export = door.export();
    bundle.write("deleted.files", "[]");
    export.add_bytes("rootfs-diff.tar", b"").unwrap();
    export.add_bundle((&bundle.path).into(), PODMAN).unwrap();
    export
        .add_rootfs_diff(&[], (&bundle.path).into())
        .unwrap_err();
    bundle.export(&*export, &plain()).unwrap();
    assert!(members(&bundle.archive()).contains(&"deleted.files".to_owned()));
}

fn a_pre_checkpoint_alone_is_a_checkpoint_for_podman(_: &Test, door: &'static dyn Door) {
    let bundle = Bundle::new(door);
    fs::rename(
        bundle.path.join("checkpoint"),
        bundle.path.join("pre-checkpoint"),
    )
    .unwrap();
    let exported = bundle.export(&*bundle.podman(), &plain()).unwrap();
    assert!(members(&bundle.archive()).contains(&"pre-checkpoint/pages-1.img".to_owned()));
    assert!(!exported.missing.iter().any(|name| name == "checkpoint"));
}

fn optional_members_that_are_missing_are_told_by_the_result_and_no_warning(
    _: &Test,
    door: &'static dyn Door,
) {
    let bundle = Bundle::new(door);
    bundle.write("ctr.log", "log");
    let watch = door.watch(None);
    let mut export = bundle.podman();
    export
        .add_member((&bundle.path).into(), "more", OPTIONAL)
        .unwrap();
    let exported = export
        .write((&bundle.archive()).into(), &plain(), Some(&*watch))
        .unwrap();
    let expected = [
        "artifacts",
        "devshm-checkpoint.tar",
        "network.status",
        "stats-dump",
        "rootfs-diff.tar",
        "deleted.files",
        "more",
    ];
    assert_eq!(exported.missing, expected);
    assert_eq!(watch.log().warnings(), []);
}

fn bytes_are_private_and_the_same_input_is_the_same_output(_: &Test, door: &'static dyn Door) {
    let bundle = Bundle::new(door);
    let mut export = door.export();
    export.add_bytes("some", b"bytes").unwrap();
    bundle.export(&*export, &plain()).unwrap();
    let listed = said(
        &["tar", "--numeric-owner", "--utc", "--full-time", "-tvf"],
        &bundle.archive(),
    );
    assert_eq!(
        listed,
        ["-rw------- 0/0               5 1970-01-01 00:00:00 some"]
    );
    bundle.export(&*export, &plain().time(86_400)).unwrap();
    let listed = said(&["tar", "--utc", "--full-time", "-tvf"], &bundle.archive());
    assert!(listed[0].contains("1970-01-02 00:00:00"), "{listed:?}");
}

fn a_file_comes_with_its_attributes_under_another_name(_: &Test, door: &'static dyn Door) {
    let bundle = Bundle::new(door);
    let host = bundle.sandbox.path().join("host");
    fs::write(&host, "the host's").unwrap();
    fs::set_permissions(&host, fs::Permissions::from_mode(0o640)).unwrap();
    os::set_times(&host, (1, 0), (1_000_000_000, 0)).unwrap();
    let link = bundle.sandbox.path().join("link");
    symlink("host", &link).unwrap();
    let mut file = File::open(&host).unwrap();
    file.seek(SeekFrom::Start(3)).unwrap();
    let mut export = door.export();
    export.add_file("by-path", (&link).into()).unwrap();
    export.add_file("by-descriptor", (&file).into()).unwrap();
    bundle.export(&*export, &plain()).unwrap();
    let extracted = bundle.sandbox.dir("extracted");
    said(
        &["tar", "-C", extracted.to_str().unwrap(), "-xpf"],
        &bundle.archive(),
    );
    for name in ["by-path", "by-descriptor"] {
        let meta = fs::metadata(extracted.join(name)).unwrap();
        assert_eq!((meta.mode() & 0o7777, meta.mtime()), (0o640, 1_000_000_000));
        assert_eq!(fs::read(extracted.join(name)).unwrap(), b"the host's");
    }
    assert_eq!(file.stream_position().unwrap(), 3);
}

fn a_descriptor_is_enough_where_the_file_may_not_be_opened_again(
    t: &Test,
    door: &'static dyn Door,
) {
    t.within(Within::User, || {
        let bundle = Bundle::new(door);
        let host = bundle.sandbox.path().join("host");
        let mut file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&host)
            .unwrap();
        file.set_len(1 << 20).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, b"data", 300_000).unwrap();
        fs::set_permissions(&host, fs::Permissions::from_mode(0o0)).unwrap();
        file.seek(SeekFrom::Start(7)).unwrap();
        let mut export = door.export();
        assert_refused(export.add_file("x", (&host).into()), libc::EACCES, "x");
        export.add_file("x", (&file).into()).unwrap();
        bundle.export(&*export, &plain()).unwrap();
        assert_eq!(file.stream_position().unwrap(), 7);
        let own = content(&bundle.archive(), "x");
        assert_eq!(own.len(), 1 << 20);
        assert_eq!(&own[300_000..300_004], b"data");
    });
}

fn sockets_are_left_out_and_told(_: &Test, door: &'static dyn Door) {
    let bundle = Bundle::new(door);
    let _one = UnixListener::bind(bundle.path.join("checkpoint/s")).unwrap();
    let _other = UnixListener::bind(bundle.path.join("stats-dump")).unwrap();
    let watch = door.watch(None);
    bundle
        .podman()
        .write((&bundle.archive()).into(), &plain(), Some(&*watch))
        .unwrap();
    let told = watch.log().warnings().into_iter();
    let told: Vec<_> = told.filter(|(kind, ..)| *kind == SOCKET).collect();
    let told: Vec<_> = told
        .iter()
        .map(|(_, member, _)| member.as_slice())
        .collect();
    assert_eq!(told, [&b"stats-dump"[..], b"checkpoint/s"]);
    let _third = {
        fs::remove_file(bundle.path.join("spec.dump")).unwrap();
        UnixListener::bind(bundle.path.join("spec.dump")).unwrap()
    };
    let outcome = bundle.export(&*bundle.podman(), &plain());
    assert_refused(outcome, libc::EOPNOTSUPP, "spec.dump");
}
