//! Paths whose way changes between two members that take it.

#![forbid(unsafe_code)]

use super::*;

#[test]
fn a_path_through_a_symlink_leads_elsewhere_once_the_symlink_was_replaced_through_itself() {
    let temp = Temp::new();
    let entries = [
        directory("d"),
        symlink("l", "."),
        file("l/before", ""),
        symlink("l/l", "d"),
        file("l/after", ""),
    ];
    extract(&temp, Rules::default(), &entries).unwrap();
    assert_eq!(
        temp.tree(),
        tree([("before", ""), ("d", "/"), ("d/after", ""), ("l", "-> d")])
    );
}

#[test]
fn a_path_leads_elsewhere_once_a_directory_that_a_symlink_climbs_out_of_was_replaced() {
    let temp = Temp::new();
    let entries = [
        directory("x"),
        directory("d/e"),
        symlink("a", "x/.."),
        file("a/before", ""),
        symlink("a/x", "d/e"),
        file("a/after", ""),
    ];
    extract(&temp, Rules::default(), &entries).unwrap();
    assert_eq!(
        temp.tree(),
        tree([
            ("a", "-> x/.."),
            ("before", ""),
            ("d", "/"),
            ("d/after", ""),
            ("d/e", "/"),
            ("x", "-> d/e")
        ])
    );
}
