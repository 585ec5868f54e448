//! Root who lacks a capability: what the kernel then does silently must not be taken for success.

use crate::support::acl;
use crate::support::api::Outcome;
use crate::support::process::{Test, Within};
use crate::support::stage::Stage;
use crate::support::tarball::{Entry, dir, file, hardlink};

/// Asserts that the mode came out whole, or that the call said that it didn't.
#[track_caller]
fn assert_whole_or_refused(stage: &Stage<'_>, name: &str, mode: u32, outcome: Outcome) {
    match outcome {
        Ok(()) => assert_eq!(stage.tree_mode(name), mode),
        Err(failure) => assert_eq!(failure.errno, libc::EPERM, "{failure:?}"),
    }
}

fn with_acl(entry: Entry) -> Entry {
    entry
        .mode(0o2770)
        .xattr("system.posix_acl_access", acl(&[1234]))
}

api_tests! {
    setgid_of_a_foreign_group_is_never_lost_in_silence,
    setgid_survives_an_acl
}

fn setgid_of_a_foreign_group_is_never_lost_in_silence(t: &Test) {
    needs_root!("give up a capability");
    t.within(Within::Without("fsetid"), || {
        for mode in [0o2755, 0o2555] {
            let stage = Stage::new(t);
            let outcome = stage.apply([file("x", "x").mode(mode).owner(7, 8)]);
            assert_whole_or_refused(&stage, "x", mode as u32, outcome);
            let stage = Stage::new(t);
            let outcome = stage.apply([dir("x").mode(mode).owner(7, 8), file("x/f", "x")]);
            assert_whole_or_refused(&stage, "x", mode as u32, outcome);
        }
        let stage = Stage::new(t);
        let outcome = stage.apply([
            file("f", "x").owner(7, 8),
            hardlink("x", "f").owner(7, 8).mode(0o2755),
        ]);
        assert_whole_or_refused(&stage, "x", 0o2755, outcome);
    });
}

fn setgid_survives_an_acl(t: &Test) {
    needs_root!("give up a capability");
    t.within(Within::Without("fsetid"), || {
        for owner in [0, 8] {
            for entry in [file("x", "x"), dir("x")] {
                let stage = Stage::new(t);
                let outcome = stage.apply([with_acl(entry).owner(0, owner)]);
                if owner == 0 {
                    outcome.clone().unwrap();
                }
                assert_whole_or_refused(&stage, "x", 0o2770, outcome);
            }
        }
    });
}
