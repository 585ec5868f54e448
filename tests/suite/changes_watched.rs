//! Looking for changes can be ended early.

use std::fs;
use std::path::Path;

use crate::changes::{directories, write};
use crate::changes_directories::Two;
use crate::support::changes::Look;
use crate::support::door::{COMPARING, Door};
use crate::support::process::{Test, Within};

door_tests! {
    a_cancellation_and_a_deadline_end_both_detectors,
    the_first_directory_that_may_not_be_read_is_named_whichever_is_met_first,
    few_descriptors_are_enough_for_much,
    looking_is_told_as_it_goes_on
}

fn a_cancellation_and_a_deadline_end_both_detectors(_: &Test, door: &'static dyn Door) {
    let two = Two::of(door, |root| {
        for number in 0..20 {
            write(root, &format!("d{number}/f"), "x");
        }
    });
    for (deadline, errno) in [(None, libc::ECANCELED), (Some(0), libc::ETIMEDOUT)] {
        let (new, old) = ((&two.new).into(), (&two.old).into());
        let watch = door.watch(deadline);
        if deadline.is_none() {
            watch.cancel();
        }
        let watch = Some(&*watch);
        for found in [
            door.directories(new, Some(old), &Look::new(), watch),
            door.overlay(&[old], new, &Look::new(), watch),
        ] {
            let failure = found.unwrap_err();
            assert_eq!(failure.errno, errno, "{failure:?}");
        }
    }
}

fn looking_is_told_as_it_goes_on(_: &Test, door: &'static dyn Door) {
    let two = Two::of(door, |root| write(root, "d/f", "x"));
    let (new, old) = ((&two.new).into(), (&two.old).into());
    let watch = door.watch(None);
    let none = Look::new();
    door.directories(new, Some(old), &none, Some(&*watch))
        .unwrap();
    let reports = watch.log().reports();
    assert!(!reports.is_empty());
    assert!(reports.iter().all(|report| report.phase == COMPARING));
    assert_eq!(watch.warned(), []);
}

/// Many directories, one of them with many names: enough that threads are worth their start.
fn much(root: &Path) {
    for number in 0..40 {
        for file in 0..50 {
            write(root, &format!("d{number:02}/f{file}"), "");
        }
    }
    for file in 0..1500 {
        write(root, &format!("many/f{file:04}"), "");
    }
}

fn the_first_directory_that_may_not_be_read_is_named_whichever_is_met_first(
    t: &Test,
    door: &'static dyn Door,
) {
    t.within(Within::User, || {
        let two = Two::of(door, much);
        for directory in ["d03", "d17", "d31"] {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o0);
            fs::set_permissions(two.new.join(directory), mode).unwrap();
        }
        for _ in 0..20 {
            let failure = directories(door, &two.new, Some(&two.old), &Look::new());
            let failure = failure.unwrap_err();
            let entry = failure.entry.as_deref();
            // Directories are looked in from the last one on.
            assert_eq!(
                (failure.errno, entry),
                (libc::EACCES, Some(&b"d31"[..])),
                "{failure:?}"
            );
        }
    });
}

fn few_descriptors_are_enough_for_much(t: &Test, door: &'static dyn Door) {
    t.within(Within::Descriptors(14), || {
        let two = Two::of(door, much);
        write(&two.new, "many/new", "");
        write(&two.new, "d20/new", "");
        for _ in 0..20 {
            assert_eq!(
                two.lines(),
                ["C /d20", "A /d20/new", "C /many", "A /many/new"]
            );
        }
    });
}
