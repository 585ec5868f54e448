//! What a kill leaves of an image: what was there, or the new one.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crate::support::{crutils, done, inspected, rich, say, scratch, skopeo, succeeded};

/// A number below `most`, of a generator that anybody can start again.
fn random(state: &mut u64, most: u32) -> u32 {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    u32::try_from(*state >> 33).unwrap() % most
}

/// A seed that nobody has chosen, which is told.
fn seed() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let seed = u64::from(now.unwrap().subsec_nanos());
    say(format_args!("seed {seed}"));
    seed
}

/// A bundle whose layer takes a while.
fn make_bundle(directory: &Path) {
    let bundle = directory.join("bundle/checkpoint");
    fs::create_dir_all(&bundle).unwrap();
    let config = r#"{"id":"1","name":"n"}"#;
    fs::write(directory.join("bundle/config.dump"), config).unwrap();
    fs::write(directory.join("bundle/spec.dump"), "{}").unwrap();
    fs::write(bundle.join("inventory.img"), "i").unwrap();
    let pages: Vec<u8> = (0..8_000_000_u32)
        .map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0])
        .collect();
    fs::write(bundle.join("pages-1.img"), pages).unwrap();
}

/// Builds an image once for the time that it takes.
fn timed(directory: &Path, image: &str) -> Duration {
    let begun = Instant::now();
    done(directory, &["image", "build", "bundle", "-q", "-o", image]);
    begun.elapsed()
}

/// Builds an image and kills the writer at some point; whether it had finished.
fn killed(directory: &Path, image: &str, whole: Duration, state: &mut u64) -> bool {
    let mut command = crutils();
    command
        .current_dir(directory)
        .args(["image", "build", "bundle", "-q", "-o", image])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    // The time is what is random; nothing waits for it.
    thread::sleep(whole.mul_f64(f64::from(random(state, 1300)) / 1000.0));
    let _ = child.kill();
    child.wait().unwrap().success()
}

/// skopeo copies the image, which compares the digest of each of its blobs.
fn skopeo_reads(directory: &Path, image: &str) {
    if let Some(copied) = skopeo(directory, &["copy", "-q", image, "dir:copied"]) {
        succeeded(&copied);
        fs::remove_dir_all(directory.join("copied")).unwrap();
    }
}

#[test]
fn a_kill_leaves_the_old_images_of_a_layout_or_the_new_one_too() {
    let scratch = scratch();
    let directory = scratch.path();
    make_bundle(directory);
    done(directory, &["image", "build", &rich(), "-o", "images:old"]);
    let old = inspected(directory, "images:old");
    let mut whole = timed(directory, "other:new");
    let new = inspected(directory, "other:new");
    let mut state = seed();
    let (mut cut, mut finished) = (0, 0);
    for _ in 0..40 {
        if killed(directory, "images:new", whole, &mut state) {
            finished += 1;
            // The tests beside it that slowed it down when it was timed may have ended.
            whole = timed(directory, "other:new");
        } else {
            cut += 1;
        }
        assert_eq!(inspected(directory, "images:old"), old);
        skopeo_reads(directory, "oci:images:old");
        let list = done(directory, &["image", "inspect", "--list", "images"]);
        if list.contains("  new\n") {
            assert_eq!(inspected(directory, "images:new"), new);
            skopeo_reads(directory, "oci:images:new");
            // The next one has to write it once more.
            fs::remove_dir_all(directory.join("images")).unwrap();
            done(directory, &["image", "build", &rich(), "-o", "images:old"]);
        }
        assert!(list.lines().count() <= 2, "{list}");
    }
    say(format_args!("{cut} killed, {finished} finished"));
    done(directory, &["image", "build", "bundle", "-o", "images:new"]);
    assert_eq!(inspected(directory, "images:new"), new);
    done(directory, &["import", "-b", "imported", "oci:images:new"]);
}

#[test]
fn a_kill_leaves_the_old_archive_or_the_new_one() {
    let scratch = scratch();
    let directory = scratch.path();
    make_bundle(directory);
    let old = ["image", "build", &rich(), "-o", "oci-archive:image:old"];
    done(directory, &old);
    let before = fs::read(directory.join("image")).unwrap();
    let mut whole = timed(directory, "oci-archive:other:new");
    let after = fs::read(directory.join("other")).unwrap();
    let mut state = seed();
    let (mut cut, mut finished) = (0, 0);
    for _ in 0..40 {
        if killed(directory, "oci-archive:image:new", whole, &mut state) {
            finished += 1;
            // The tests beside it that slowed it down when it was timed may have ended.
            whole = timed(directory, "oci-archive:other:new");
        } else {
            cut += 1;
        }
        let found = fs::read(directory.join("image")).unwrap();
        assert!(found == before || found == after);
        if found == after {
            skopeo_reads(directory, "oci-archive:image:new");
            done(directory, &old);
        } else {
            skopeo_reads(directory, "oci-archive:image:old");
        }
    }
    say(format_args!("{cut} killed, {finished} finished"));
}
