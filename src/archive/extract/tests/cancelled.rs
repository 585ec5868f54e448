#![forbid(unsafe_code)]

use super::*;

/// Extracts, and cancels when the member of this name is judged.
#[track_caller]
fn cancel_at(temp: &Temp, name: &str, entries: &[Entry]) {
    let watch = Watch::new();
    let judge = |path: &RootPath, _: &Member| {
        if path.as_bytes() == name.as_bytes() {
            watch.cancel();
        }
        Ok(Verdict::Extract)
    };
    let mut setup = Setup::new(temp, Rules::default());
    setup.watch = watch.clone();
    setup.judge = &judge;
    let error = setup.extract(entries).unwrap_err();
    assert_eq!(
        (error.kind(), error.errno()),
        (Kind::Cancelled, libc::ECANCELED),
        "{error}"
    );
}

#[test]
fn no_member_is_made_after_the_cancellation() {
    let temp = Temp::new();
    cancel_at(
        &temp,
        "b",
        &[file("a", ""), file("b", ""), symlink("c", "x")],
    );
    assert_eq!(temp.tree(), tree([("a", ""), ("b", "")]));
}

#[test]
fn a_removal_ends_at_the_cancellation_and_leaves_no_temporary_object() {
    let temp = Temp::new();
    temp.put("a/b/c", "1").put("a/d", "2");
    cancel_at(&temp, "a", &[file("a", "")]);
    let expected = [("a", "/"), ("a/b", "/"), ("a/b/c", "1"), ("a/d", "2")];
    assert_eq!(temp.tree(), tree(expected));
}

#[test]
fn directories_are_not_finished_after_the_cancellation() {
    let temp = Temp::new();
    let locked = directory("a").with(|member| member.mode = 0o500);
    cancel_at(&temp, "a", &[locked]);
    assert_eq!(temp.mode("a"), 0o700);
}
