//! Random images, randomly changed: what the detectors list, made into a diff and applied to the image, is what the
//! container saw.
//!
//! CRUTILS_ROUND_TRIPS is how many are made (500), CRUTILS_ROUND_TRIP_SEED the first one's seed (1). A failure prints its
//! seed; that seed with one round trip is the same again.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::archives::unpack;
use crate::changes::{copy, directories, lines, overlay, through_both};
use crate::support::api::{Api, Change, Rust};
use crate::support::changes::{FUSE, Look};
use crate::support::dice::Dice;
use crate::support::mutate::Mutation;
use crate::support::overlay::{Overlay, mounted};
use crate::support::sandbox::{Fs, Sandbox, run};
use crate::support::tree::{Aspects, Kind, Snapshot};

/// The number of a modification.
const MODIFY: u32 = 0;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().expect("a number"))
}

/// Runs `trip` for each seed; it says what was wrong. Ends with the seeds that failed.
fn round_trips(trip: impl Fn(u64) -> Result<(), String>) {
    round_trips_of(number("CRUTILS_ROUND_TRIPS", 500), trip);
}

fn round_trips_of(count: u64, trip: impl Fn(u64) -> Result<(), String>) {
    let first = number("CRUTILS_ROUND_TRIP_SEED", 1);
    let mut failed = Vec::new();
    for seed in first..first + count {
        if let Err(what) = trip(seed) {
            eprintln!("seed {seed}: {what}\n");
            failed.push(seed);
        }
    }
    assert!(
        failed.is_empty(),
        "{} failed: CRUTILS_ROUND_TRIP_SEED={failed:?}",
        failed.len()
    );
}

/// Makes the diff of `changes` from `merged`, applies it to `root`, and compares the two.
fn restore(changes: &[Change], merged: &Path, root: &Path, bundle: &Path) -> Result<(), String> {
    fs::create_dir(bundle).unwrap();
    Rust.create_rootfs_diff_tar(changes, merged, bundle)
        .map_err(|error| format!("create: {error}"))?;
    Rust.apply_rootfs_diff_tar(bundle, root)
        .map_err(|error| format!("apply: {error}"))?;
    Rust.remove_deleted_files("id".as_ref(), bundle, root)
        .map_err(|error| format!("delete: {error}"))?;
    let [mut expected, mut restored] = [merged, root].map(Snapshot::of);
    for tree in [&mut expected, &mut restored] {
        // No archive holds them; what one has replaced has to go all the same.
        tree.0.retain(|_, node| node.kind != Kind::Socket);
    }
    let mut found = expected.differences(&restored, Aspects::RESTORE);
    let listed: Vec<String> = changes
        .iter()
        .map(|one| format!("{:?}", &one.path.to_string_lossy()[1..]))
        .collect();
    found.retain(|line| {
        // An overlay counts the names of a file that isn't in its index as its layer does, gone ones included. And it fills
        // holes when it copies a file up, which doesn't change it.
        let of_a_listed_one = listed
            .iter()
            .any(|path| line.starts_with(&format!("{path}:")));
        !line.contains("number of names") && (of_a_listed_one || !line.contains("data map"))
    });
    if found.is_empty() {
        Ok(())
    } else {
        Err(found.join("\n"))
    }
}

/// What both detectors must say: what was added and deleted, and the modified objects that are neither directories nor
/// names of a file with several, in any of the trees. Of directories and linked files one lists more than the other.
fn common(changes: &[Change], trees: &[&Path]) -> Vec<String> {
    let plain = |one: &Path| {
        fs::symlink_metadata(one).map_or(true, |meta| !meta.is_dir() && meta.nlink() == 1)
    };
    let kept = changes.iter().filter(|one| {
        let below = OsStr::from_bytes(&one.path.as_bytes()[1..]);
        one.kind != MODIFY || trees.iter().all(|tree| plain(&tree.join(below)))
    });
    lines(&kept.cloned().collect::<Vec<_>>())
}

fn options(dice: &mut Dice) -> String {
    let redirect = dice.flip();
    let metacopy = redirect && dice.flip();
    let on = |on| if on { "on" } else { "off" };
    format!(
        "redirect_dir={},metacopy={},index={}",
        on(redirect),
        on(metacopy),
        on(dice.flip())
    )
}

/// Lower layers as an engine stacks them: each but the first is what an overlay of those below has put into its upper
/// directory.
fn layers(dice: &mut Dice, options: &str) -> Option<Overlay> {
    let count = 1 + dice.below(3);
    let o = Overlay::unmounted(count, |_, _| {})?;
    let bottom = o.lower.last().unwrap();
    Mutation::new(bottom, dice).fill();
    for number in (0..count - 1).rev() {
        let below = &o.lower[number + 1..];
        let work = o.sandbox.dir(&format!("w{number}"));
        mounted(
            &o.merged,
            below,
            Some((&o.lower[number], &work)),
            options,
            || {
                let changes = 1 + dice.below(12);
                Mutation::new(&o.merged, dice).change(changes);
            },
        )
        .unwrap();
    }
    Some(o)
}

fn overlay_trip(seed: u64) -> Result<(), String> {
    let mut dice = Dice::new(seed);
    let options = options(&mut dice);
    let o = layers(&mut dice, &options).ok_or("no overlay")?;
    let at = |name: &str| o.sandbox.path().join(name);
    let flat = at("flat");
    match o.lower.len() {
        1 => copy(&o.lower[0], &flat),
        _ => mounted(&o.merged, &o.lower, None, &options, || {
            copy(&o.merged, &flat)
        })
        .unwrap(),
    }
    let second = at("second");
    copy(&flat, &second);
    let (mut result, mut done) = (Ok(()), Vec::new());
    mounted(
        &o.merged,
        &o.lower,
        Some((&o.upper, &at("w"))),
        &options,
        || {
            let changes = 1 + dice.below(30);
            done = Mutation::new(&o.merged, &mut dice).change(changes);
            result = compare(&o, &flat, &second, &at);
        },
    )
    .unwrap();
    result.map_err(|what| {
        format!(
            "{options}, {} layers\n{}\n{what}",
            o.lower.len(),
            done.join("\n")
        )
    })
}

fn compare(
    o: &Overlay,
    flat: &Path,
    second: &Path,
    at: &dyn Fn(&str) -> PathBuf,
) -> Result<(), String> {
    let work = Look::new().work_directory(&at("w"));
    let found = through_both(|door| overlay(door, &o.lowers(), &o.upper, &work))
        .map_err(|error| format!("overlay: {error:?}"))?;
    let exact = Look::new().exact_times().compare_content();
    let other = through_both(|door| directories(door, &o.merged, Some(flat), &exact))
        .map_err(|error| format!("directories: {error:?}"))?;
    let mut trees = o.lowers();
    trees.extend([&o.upper, &o.merged, flat]);
    let trees = trees.as_slice();
    if common(&found, trees) != common(&other, trees) {
        return Err(format!(
            "overlay: {:#?}\ndirectories: {:#?}",
            common(&found, trees),
            common(&other, trees)
        ));
    }
    let shown = |what: &str, list: &[Change]| format!("{what}\n  {}", lines(list).join("\n  "));
    restore(&found, &o.merged, flat, &at("b1"))
        .map_err(|what| format!("{}\n{what}", shown("overlay:", &found)))?;
    restore(&other, &o.merged, second, &at("b2"))
        .map_err(|what| format!("{}\n{what}", shown("directories:", &other)))?;
    Ok(())
}

#[test]
fn of_overlays() {
    needs_root!("mount overlays");
    round_trips(overlay_trip);
}

/// One change by what fuse-overlayfs holds up under: no names that are its markers, no devices, no attributes. Whatever
/// fails, nothing of that name is there, or something of another type.
fn plain_change(root: &Path, dice: &mut Dice, number: usize) -> String {
    let mut any = || {
        let directory = ["", "d0", "d1", "d2", "d0/d0", "d1/d4"][dice.below(6)];
        let name = ["f0", "f1", "f2", "f3", "d3", "new"][dice.below(6)];
        root.join(directory).join(name)
    };
    let (one, other) = (any(), any());
    let what = dice.below(8);
    let result = match what {
        0 => fs::write(&one, format!("content {number}")),
        1 => fs::remove_file(&one),
        2 => fs::remove_dir_all(&one),
        3 => fs::create_dir(&one),
        4 => fs::hard_link(&one, &other),
        5 => std::os::unix::fs::symlink("f0", &one),
        6 if one.is_file() => fs::rename(&one, &other),
        _ => fs::metadata(&one).and_then(|meta| {
            let mut permissions = meta.permissions();
            permissions.set_mode(0o700 + number as u32 % 8);
            fs::set_permissions(&one, permissions)
        }),
    };
    format!("{what} {one:?} {other:?}: {result:?}")
}

/// The same with Debian's fuse-overlayfs, which rootless engines use: it is FUSE, counts only the names that it has seen,
/// and keeps its state in attributes of its own.
fn fuse_overlay_trip(seed: u64) -> Result<(), String> {
    let mut dice = Dice::new(seed);
    let mut sandbox = Sandbox::on(Fs::Tmpfs).ok_or("no tmpfs")?;
    let at = |name: &str| sandbox.path().join(name);
    let [lower, upper, merged, work] = ["lower", "upper", "merged", "work"].map(at);
    let (flat, second, b1, b2) = (at("flat"), at("second"), at("b1"), at("b2"));
    for directory in [&lower, &upper, &merged, &work] {
        fs::create_dir(directory).unwrap();
    }
    for number in 0..6 {
        // No hard links here: fuse-overlayfs shows names that it has copied up, each into a file of its own, under the
        // number that they had in common.
        let below = lower.join(format!("d{}/d{number}", number % 3));
        fs::create_dir_all(&below).unwrap();
        fs::write(below.join("f0"), "deeper").unwrap();
        fs::write(below.with_file_name(format!("f{number}")), "below").unwrap();
    }
    for copied in [&flat, &second] {
        copy(&lower, copied);
    }
    run(&format!(
        "fuse-overlayfs -o lowerdir={},upperdir={},workdir={} {}",
        lower.display(),
        upper.display(),
        work.display(),
        merged.display()
    ))?;
    sandbox.unmount_later(&merged);
    let changes = 1 + dice.below(15);
    let done: Vec<_> = (0..changes)
        .map(|number| plain_change(&merged, &mut dice, number))
        .collect();
    let exact = Look::new().exact_times().compare_content();
    let told = |what: &str, list: &[Change], found: String| {
        let (done, list) = (done.join("\n"), lines(list).join("\n  "));
        format!("{done}\n{what}\n  {list}\n{found}")
    };
    let found = through_both(|door| directories(door, &merged, Some(&flat), &exact))
        .map_err(|error| format!("{error:?}"))?;
    restore(&found, &merged, &second, &b1).map_err(|what| told("directories:", &found, what))?;
    let fuse = Look::new().overlay_xattrs(FUSE).work_directory(&work);
    let found = through_both(|door| overlay(door, &[&lower], &upper, &fuse))
        .map_err(|error| format!("overlay: {error:?}"))?;
    restore(&found, &merged, &flat, &b2).map_err(|what| told("overlay:", &found, what))
}

#[test]
fn of_fuse_overlayfs() {
    needs_root!("mount file systems");
    if let Err(reason) = run("fuse-overlayfs --version") {
        crate::skip!("{reason}");
    }
    if !Path::new("/dev/fuse").exists() {
        crate::skip!("there is no /dev/fuse");
    }
    round_trips_of(number("CRUTILS_ROUND_TRIPS", 60), fuse_overlay_trip);
}

#[test]
fn of_directories() {
    needs_root!("make devices");
    round_trips(|seed| {
        let mut dice = Dice::new(seed);
        let sandbox = Sandbox::on(Fs::Tmpfs).ok_or("no tmpfs")?;
        let at = |name: &str| sandbox.path().join(name);
        Mutation::new(&sandbox.dir("old"), &mut dice).fill();
        copy(&at("old"), &at("new"));
        copy(&at("old"), &at("root"));
        let changes = 1 + dice.below(30);
        let done = Mutation::new(&at("new"), &mut dice).change(changes);
        let options = Look::new().exact_times();
        let found = through_both(|door| directories(door, &at("new"), Some(&at("old")), &options))
            .map_err(|error| format!("{error:?}"))?;
        restore(&found, &at("new"), &at("root"), &at("bundle")).map_err(|what| {
            format!(
                "{}\n  {}\n{what}",
                done.join("\n"),
                lines(&found).join("\n  ")
            )
        })
    });
}

#[test]
fn of_an_engines_container() {
    needs_root!("unpack root's files");
    let sandbox = Sandbox::new();
    let at = |name: &str| sandbox.path().join(name);
    for name in ["lower", "upper", "merged"] {
        unpack(&format!("rich.{name}.tar.zst"), &at(name));
    }
    for name in ["proc", "sys", "dev", "run"] {
        fs::remove_dir(at("lower").join(name)).unwrap();
    }
    // The recording left out a file here, of which the upper directory knows nothing.
    run(&format!(
        "touch -r {0}/merged/bin {0}/lower/bin",
        sandbox.path().display()
    ))
    .unwrap();
    let options = Look::new().subtree("/run");
    let found =
        through_both(|door| overlay(door, &[&at("lower")], &at("upper"), &options)).unwrap();
    let expected = [
        "C /data",
        "A /data/a",
        "A /data/a/b",
        "A /data/a/b/c",
        "A /data/a/b/c/numbers",
        "A /data/abs",
        "A /data/fifo",
        "A /data/hard",
        "A /data/sp ace",
        "A /data/sparse",
        "C /etc",
        "C /etc/app",
        "C /etc/app/conf.d",
        "C /etc/app/conf.d/2.conf",
        "A /etc/app/conf.d/21.conf",
        "C /etc/app/main.conf",
        "D /etc/app/old.conf",
        "A /etc/hostname",
        "A /etc/hosts",
        "A /etc/mtab",
        "C /opt/tool/owned",
        "C /usr",
        "C /usr/lib",
        "C /usr/lib/gone",
        "D /usr/lib/gone/a",
        "A /usr/lib/gone/fresh",
        "D /usr/lib/gone/sub",
        "D /usr/lib/lk",
        "A /vol",
    ];
    assert_eq!(lines(&found), expected);
    let exact = Look::new().exact_times().compare_content();
    let other =
        through_both(|door| directories(door, &at("merged"), Some(&at("lower")), &exact)).unwrap();
    let trees = [at("merged"), at("lower")];
    let trees: &[&Path] = &[&trees[0], &trees[1]];
    assert_eq!(common(&found, trees), common(&other, trees));
    restore(&found, &at("merged"), &at("lower"), &at("bundle")).unwrap();
}
