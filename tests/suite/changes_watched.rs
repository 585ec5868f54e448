//! Looking for changes can be ended early.

use std::fs;
use std::path::Path;

use crutils::changes::Options;

use crate::changes::{directories, ended, write};
use crate::changes_directories::Two;
use crate::support::process::{Test, Within};

#[test]
fn a_cancellation_and_a_deadline_end_both_detectors() {
    let two = Two::of(|root| {
        for number in 0..20 {
            write(root, &format!("d{number}/f"), "x");
        }
    });
    for (deadline, errno) in [(None, libc::ECANCELED), (Some(0), libc::ETIMEDOUT)] {
        for failure in ended(&two.new, &two.old, deadline) {
            assert_eq!(failure.errno, errno, "{failure:?}");
        }
    }
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

api_tests! {
    the_first_directory_that_may_not_be_read_is_named_whichever_is_met_first,
    few_descriptors_are_enough_for_much
}

fn the_first_directory_that_may_not_be_read_is_named_whichever_is_met_first(t: &Test) {
    t.within(Within::User, || {
        let two = Two::of(much);
        for directory in ["d03", "d17", "d31"] {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o0);
            fs::set_permissions(two.new.join(directory), mode).unwrap();
        }
        for _ in 0..20 {
            let failure = directories(&two.new, Some(&two.old), &Options::default());
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

fn few_descriptors_are_enough_for_much(t: &Test) {
    t.within(Within::Descriptors(14), || {
        let two = Two::of(much);
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
