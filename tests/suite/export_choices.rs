//! What is left out of an export on purpose, and what it tells of what is missing.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use crutils::checkpoint::ExportOptions;

use super::export::{Bundle, content, members, plain};
use super::export_nested::of_directory;
use crate::support::door::{CRIO, Door, INCOMPLETE};
use crate::support::export::{Export, REQUIRED};
use crate::support::os;
use crate::support::process::Test;

/// Directories in directories, further down than a path can lead.
fn deepen(top: &Path) {
    let script = "import os, sys\nos.chdir(sys.argv[1])\nfor _ in range(600):\n os.mkdir('directory'); os.chdir('directory')\n";
    let status = Command::new("python3")
        .args(["-c", script])
        .arg(top)
        .status();
    assert!(status.unwrap().success());
}

door_tests! {
    what_no_path_leads_to_can_be_left_out_of_a_directory,
    what_is_in_a_member_of_a_bundle_can_be_left_out,
    what_is_left_out_has_to_be_of_a_directory_of_the_export,
    a_dump_that_nothing_can_be_restored_from_is_told,
    a_dump_whose_predecessor_is_not_exported_is_told,
    a_volume_that_is_not_exported_is_told
}

fn what_no_path_leads_to_can_be_left_out_of_a_directory(_: &Test, door: &'static dyn Door) {
    let bundle = Bundle::new(door);
    let volume = bundle.sandbox.dir("volume");
    deepen(&volume);
    fs::create_dir(volume.join("sub")).unwrap();
    for name in ["kept", "sub/kept", "sub/left-out"] {
        fs::write(volume.join(name), name).unwrap();
    }
    let export = of_directory(door, &volume);
    let error = bundle.export(&*export, &plain()).unwrap_err();
    assert_eq!(error.errno, libc::E2BIG);
    assert!(error.to_string().len() < 1500, "{error}");
    assert_eq!(bundle.left(), [""; 0]);
    let options = plain()
        .exclude("volumes/v.tar", "directory")
        .exclude("volumes/v.tar", "/sub/left-out/");
    bundle.export(&*export, &options).unwrap();
    let inner = bundle.out.join("inner");
    fs::write(&inner, content(&bundle.archive(), "volumes/v.tar")).unwrap();
    assert_eq!(members(&inner), ["./", "./kept", "./sub/", "./sub/kept"]);
    let status = Command::new("rm").arg("-rf").arg(&volume).status();
    assert!(status.unwrap().success());
}

fn what_is_in_a_member_of_a_bundle_can_be_left_out(_: &Test, door: &'static dyn Door) {
    let bundle = Bundle::new(door);
    bundle.write("checkpoint/large/core", "core");
    bundle.write("checkpoint/largest", "kept");
    os::mknod(
        &bundle.path.join("checkpoint/fifo"),
        libc::S_IFIFO | 0o600,
        0,
        0,
    )
    .unwrap();
    let export = bundle.of(CRIO);
    bundle.export(&*export, &plain()).unwrap_err();
    let options = plain()
        .exclude("checkpoint", "large")
        .exclude("checkpoint", "fifo");
    bundle.export(&*export, &options).unwrap();
    let expected = [
        "checkpoint/",
        "checkpoint/inventory.img",
        "checkpoint/largest",
        "checkpoint/pages-1.img",
        "config.dump",
        "spec.dump",
    ];
    assert_eq!(members(&bundle.archive()), expected);
}

fn what_is_left_out_has_to_be_of_a_directory_of_the_export(_: &Test, door: &'static dyn Door) {
    let bundle = Bundle::new(door);
    let mut export = bundle.podman();
    export.add_bytes("bytes", b"content").unwrap();
    for name in ["volumes/v.tar", "bytes", "checkpoin"] {
        let options = plain().exclude(name, "x");
        door.check_export_options(&options).unwrap();
        let error = bundle.export(&*export, &options).unwrap_err();
        assert_eq!(error.errno, libc::EINVAL, "{error}");
        assert_eq!(bundle.left(), [""; 0]);
    }
    for (name, path) in [("", "x"), ("x", "/")] {
        let refused = door.check_export_options(&plain().exclude(name, path));
        assert_eq!(refused.unwrap_err().errno, libc::EINVAL);
    }
}

#[test]
fn a_path_with_a_nul_is_not_left_out() {
    // C's strings can't have one.
    let error = ExportOptions::new().exclude("x", "a\0").map(drop);
    assert_eq!(error.unwrap_err().errno(), libc::EBADMSG);
}

/// Exports; what is lacking, which is what was warned of.
#[track_caller]
fn lacking(bundle: &Bundle, export: &dyn Export) -> Vec<String> {
    let watch = bundle.door.watch(None);
    let exported = export.write((&bundle.archive()).into(), &plain(), Some(&*watch));
    let told = watch.warned().into_iter();
    // That of spec.dump is about whether an engine understands it.
    let told = told.filter(|(kind, member)| *kind == INCOMPLETE && member != "spec.dump");
    let told: Vec<_> = told.map(|(_, member)| member).collect();
    let lacking = exported.unwrap().lacking;
    assert_eq!(lacking, told);
    lacking
}

fn a_dump_that_nothing_can_be_restored_from_is_told(_: &Test, door: &'static dyn Door) {
    let bundle = Bundle::new(door);
    assert_eq!(lacking(&bundle, &*bundle.podman()), [""; 0]);
    for name in ["inventory.img", "pages-1.img"] {
        fs::remove_file(bundle.path.join("checkpoint").join(name)).unwrap();
    }
    assert_eq!(
        lacking(&bundle, &*bundle.podman()),
        ["checkpoint/inventory.img"]
    );
}

fn a_dump_whose_predecessor_is_not_exported_is_told(_: &Test, door: &'static dyn Door) {
    let bundle = Bundle::new(door);
    symlink("../pre-checkpoint", bundle.path.join("checkpoint/parent")).unwrap();
    assert_eq!(lacking(&bundle, &*bundle.podman()), ["checkpoint/parent"]);
    bundle.write("pre-checkpoint/inventory.img", "inventory");
    assert_eq!(lacking(&bundle, &*bundle.podman()), [""; 0]);
    // It is there, and isn't exported.
    let mut export = door.export();
    export
        .add_member((&bundle.path).into(), "checkpoint", REQUIRED)
        .unwrap();
    assert_eq!(lacking(&bundle, &*export), ["checkpoint/parent"]);
}

fn a_volume_that_is_not_exported_is_told(_: &Test, door: &'static dyn Door) {
    let bundle = Bundle::new(door);
    let volume = bundle.sandbox.dir("volume");
    let named = |volumes: &str| {
        bundle.write(
            "config.dump",
            format!(r#"{{"id": "1", "namedVolumes": {volumes}}}"#),
        );
    };
    named(r#"[{"dest": "/a", "volumeName": "v"}, {"volumeName": "\u00fc"}]"#);
    assert_eq!(
        lacking(&bundle, &*bundle.podman()),
        ["volumes/v.tar", "volumes/\u{fc}.tar"]
    );
    let mut export = bundle.podman();
    export
        .add_directory_tar("volumes/v.tar", (&volume).into())
        .unwrap();
    assert_eq!(lacking(&bundle, &*export), ["volumes/\u{fc}.tar"]);
    // What has another form is not podman's.
    for other in [
        "null",
        "{}",
        r#"["v"]"#,
        r#"[{"volumeName": 1}]"#,
        r#"[[], {}]"#,
    ] {
        named(other);
        assert_eq!(lacking(&bundle, &*bundle.podman()), [""; 0], "{other}");
    }
    // A bundle that has the volumes of an import in it.
    named(r#"[{"volumeName": "v"}]"#);
    bundle.write("volumes/v.tar", "content");
    let mut export = door.export();
    for name in ["config.dump", "volumes"] {
        let path = (&bundle.path).into();
        export.add_member(path, name, REQUIRED).unwrap();
    }
    assert_eq!(lacking(&bundle, &*export), [""; 0]);
}
