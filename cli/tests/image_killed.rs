//! What a kill leaves of an image, and archives that go through age and are signed by an SSH key.

#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod images;

use std::fs;
use std::io::Write as _;
use std::process::Stdio;
use std::thread;
use std::time::{Instant, SystemTime};

use images::{crutils, done, expected, files, inspected, rich, scratch, skopeo, succeeded, tool};

/// A number below `most`, of a generator that anybody can start again.
fn random(state: &mut u64, most: u32) -> u32 {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    u32::try_from(*state >> 33).unwrap() % most
}

#[test]
fn a_kill_leaves_the_old_images_or_the_new_one() {
    let scratch = scratch();
    let directory = scratch.path();
    let bundle = directory.join("bundle/checkpoint");
    fs::create_dir_all(&bundle).unwrap();
    fs::write(
        directory.join("bundle/config.dump"),
        r#"{"id":"1","name":"n"}"#,
    )
    .unwrap();
    fs::write(directory.join("bundle/spec.dump"), "{}").unwrap();
    fs::write(bundle.join("inventory.img"), "i").unwrap();
    let pages: Vec<u8> = (0..8_000_000_u32)
        .map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0])
        .collect();
    fs::write(bundle.join("pages-1.img"), pages).unwrap();
    done(directory, &["image", "build", &rich(), "-o", "images:old"]);
    let old = inspected(directory, "images:old");
    let begun = Instant::now();
    done(directory, &["image", "build", "bundle", "-o", "other:new"]);
    let whole = begun.elapsed();
    let new = inspected(directory, "other:new");
    let seed = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .subsec_nanos();
    let seed = u64::from(seed);
    let _ = writeln!(std::io::stderr(), "seed {seed}");
    let mut state = seed;
    let (mut killed, mut finished) = (0, 0);
    for _ in 0..40 {
        let mut command = crutils(directory);
        command.args(["image", "build", "bundle", "-q", "-o", "images:new"]);
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // The time is what is random; nothing waits for it.
        thread::sleep(whole.mul_f64(f64::from(random(&mut state, 1300)) / 1000.0));
        let _ = child.kill();
        match child.wait().unwrap().success() {
            true => finished += 1,
            false => killed += 1,
        }
        assert_eq!(inspected(directory, "images:old"), old);
        let list = done(directory, &["image", "inspect", "--list", "images"]);
        if list.contains("  new\n") {
            assert_eq!(inspected(directory, "images:new"), new);
            done(directory, &["list", "oci:images:new"]);
        }
        assert!(list.lines().count() <= 2, "{list}");
        if let Some(raw) = skopeo(directory, &["inspect", "--raw", "oci:images:old"]) {
            succeeded(&raw);
        }
    }
    let _ = writeln!(std::io::stderr(), "{killed} killed, {finished} finished");
    done(directory, &["image", "build", "bundle", "-o", "images:new"]);
    assert_eq!(inspected(directory, "images:new"), new);
    done(directory, &["import", "-b", "imported", "oci:images:new"]);
}

/// The shell that a recipe is written for.
const BASH: [&str; 2] = ["bash", "-euc"];

#[test]
fn an_archive_goes_through_age() {
    let scratch = scratch();
    let directory = scratch.path();
    let command = env!("CARGO_BIN_EXE_crutils");
    let Some(key) = tool(directory, &["age-keygen", "-o", "key.txt"]) else {
        return;
    };
    succeeded(&key);
    let expected = expected(directory);
    let line = format!(
        "set -o pipefail
        recipient=$(age-keygen -y key.txt)
        {command} -q export expected - | age --recipient $recipient >archive.age
        age --decrypt --identity key.txt archive.age | {command} -q import --strict --config --bundle imported -"
    );
    succeeded(&tool(directory, &[&BASH[..], &[&line]].concat()).unwrap());
    assert!(files(&directory.join("imported")) == expected);
    // One that was cut off is refused, and nothing of it stays.
    let line = format!(
        "set -o pipefail
        head -c 1000 archive.age | age --decrypt --identity key.txt | {command} -q import --strict --bundle none -"
    );
    let cut = tool(directory, &[&BASH[..], &[&line]].concat()).unwrap();
    assert!(!cut.status.success());
    assert!(!directory.join("none").exists());
}

#[test]
fn an_archive_is_signed_by_an_ssh_key() {
    let scratch = scratch();
    let directory = scratch.path();
    fs::copy(rich(), directory.join("a.tar.zst")).unwrap();
    let line = "ssh-keygen -q -t ed25519 -N '' -f key
        ssh-keygen -q -Y sign -f key -n checkpoint a.tar.zst
        echo \"me $(cat key.pub)\" >allowed_signers
        ssh-keygen -Y verify -f allowed_signers -I me -n checkpoint -s a.tar.zst.sig <a.tar.zst
        echo x >>a.tar.zst
        ! ssh-keygen -Y verify -f allowed_signers -I me -n checkpoint -s a.tar.zst.sig <a.tar.zst";
    if tool(directory, &["ssh-keygen", "-?"]).is_some() {
        succeeded(&tool(directory, &[&BASH[..], &[line]].concat()).unwrap());
    }
}
