//! What is left out of an export on purpose, and what it tells of what is missing.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use crutils::checkpoint::{Engine, Export, Exported, Presence};
use crutils::watch::{WarningKind, Watch};

use super::export::{Bundle, content, members, plain};
use super::export_nested::of_directory;
use crate::support::os;

/// Directories in directories, further down than a path can lead.
fn deepen(top: &Path) {
    let script = "import os, sys\nos.chdir(sys.argv[1])\nfor _ in range(600):\n os.mkdir('directory'); os.chdir('directory')\n";
    let status = Command::new("python3")
        .args(["-c", script])
        .arg(top)
        .status();
    assert!(status.unwrap().success());
}

#[test]
fn what_no_path_leads_to_can_be_left_out_of_a_directory() {
    let bundle = Bundle::new();
    let volume = bundle.sandbox.dir("volume");
    deepen(&volume);
    fs::create_dir(volume.join("sub")).unwrap();
    for name in ["kept", "sub/kept", "sub/left-out"] {
        fs::write(volume.join(name), name).unwrap();
    }
    let export = of_directory(&volume);
    let error = bundle.export(&export, &plain()).unwrap_err();
    assert_eq!(error.errno(), libc::E2BIG);
    assert!(error.to_string().len() < 1500, "{error}");
    assert_eq!(bundle.left(), [""; 0]);
    let mut options = plain();
    options.exclude("volumes/v.tar", "directory").unwrap();
    options.exclude("volumes/v.tar", "/sub/left-out/").unwrap();
    bundle.export(&export, &options).unwrap();
    let inner = bundle.out.join("inner");
    fs::write(&inner, content(&bundle.archive(), "volumes/v.tar")).unwrap();
    assert_eq!(members(&inner), ["./", "./kept", "./sub/", "./sub/kept"]);
    let status = Command::new("rm").arg("-rf").arg(&volume).status();
    assert!(status.unwrap().success());
}

#[test]
fn what_is_in_a_member_of_a_bundle_can_be_left_out() {
    let bundle = Bundle::new();
    bundle.write("checkpoint/large/core", "core");
    bundle.write("checkpoint/largest", "kept");
    os::mknod(
        &bundle.path.join("checkpoint/fifo"),
        libc::S_IFIFO | 0o600,
        0,
        0,
    )
    .unwrap();
    let mut export = Export::new();
    export.add_bundle(&bundle.path, Engine::Crio).unwrap();
    bundle.export(&export, &plain()).unwrap_err();
    let mut options = plain();
    for path in ["large", "fifo"] {
        options.exclude("checkpoint", path).unwrap();
    }
    bundle.export(&export, &options).unwrap();
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

#[test]
fn what_is_left_out_has_to_be_of_a_directory_of_the_export() {
    let bundle = Bundle::new();
    let mut export = bundle.podman();
    export.add_bytes("bytes", "content").unwrap();
    for name in ["volumes/v.tar", "bytes", "checkpoin"] {
        let mut options = plain();
        options.exclude(name, "x").unwrap();
        let error = bundle.export(&export, &options).unwrap_err();
        assert_eq!(error.errno(), libc::EINVAL, "{error}");
        assert_eq!(bundle.left(), [""; 0]);
    }
    for (name, path, errno) in [
        ("", "x", libc::EINVAL),
        ("x", "/", libc::EINVAL),
        ("x", "a\0", libc::EBADMSG),
    ] {
        assert_eq!(plain().exclude(name, path).unwrap_err().errno(), errno);
    }
}

/// Exports; what is lacking, which is what was warned of.
#[track_caller]
fn lacking(bundle: &Bundle, export: &Export) -> Vec<String> {
    let (watch, told) = (Watch::new(), Arc::new(Mutex::new(Vec::new())));
    let tell = Arc::clone(&told);
    watch.on_warning(move |warning| {
        if warning.kind == WarningKind::Incomplete && warning.member.starts_with(b"checkpoint/") {
            tell.lock()
                .unwrap()
                .push(String::from_utf8(warning.member.to_vec()).unwrap());
        }
    });
    let exported: Exported = export.write(&bundle.archive(), &plain(), &watch).unwrap();
    let told = told.lock().unwrap().clone();
    let lacking = Vec::from_iter(
        exported
            .lacking
            .iter()
            .map(|name| name.to_str().unwrap().to_owned()),
    );
    assert_eq!(lacking, told);
    lacking
}

#[test]
fn a_dump_that_nothing_can_be_restored_from_is_told() {
    let bundle = Bundle::new();
    assert_eq!(lacking(&bundle, &bundle.podman()), [""; 0]);
    for name in ["inventory.img", "pages-1.img"] {
        fs::remove_file(bundle.path.join("checkpoint").join(name)).unwrap();
    }
    assert_eq!(
        lacking(&bundle, &bundle.podman()),
        ["checkpoint/inventory.img"]
    );
}

#[test]
fn a_dump_whose_predecessor_is_not_exported_is_told() {
    let bundle = Bundle::new();
    symlink("../pre-checkpoint", bundle.path.join("checkpoint/parent")).unwrap();
    assert_eq!(lacking(&bundle, &bundle.podman()), ["checkpoint/parent"]);
    bundle.write("pre-checkpoint/inventory.img", "inventory");
    assert_eq!(lacking(&bundle, &bundle.podman()), [""; 0]);
    // It is there, and isn't exported.
    let mut export = Export::new();
    export
        .add_member(&bundle.path, "checkpoint", Presence::Required)
        .unwrap();
    assert_eq!(lacking(&bundle, &export), ["checkpoint/parent"]);
}
