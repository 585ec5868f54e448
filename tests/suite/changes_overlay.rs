//! What an overlay's upper directory changes.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use crate::changes::{lines, overlay, write};
use crate::support::api::Outcome;
use crate::support::changes::Look;
use crate::support::door::Door;
use crate::support::os::{self, chown, mknod, set_times, set_xattr};
use crate::support::overlay::Overlay;
use crate::support::process::Test;

pub fn detect(door: &dyn Door, overlaid: &Overlay, options: &Look) -> Outcome<Vec<String>> {
    Ok(lines(&overlay(
        door,
        &overlaid.lowers(),
        &overlaid.upper,
        options,
    )?))
}

#[track_caller]
pub fn found(door: &dyn Door, overlaid: &Overlay) -> Vec<String> {
    detect(door, overlaid, &Look::new()).unwrap()
}

pub fn tree(root: &Path) {
    write(root, "d/e/f", "content");
    write(root, "d/g", "content");
    write(root, "h", "content");
    symlink("h", root.join("l")).unwrap();
}

fn one_layer(options: &str) -> Option<Overlay> {
    Overlay::new(1, options, |_, root| tree(root))
}

pub fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

const PLAIN: &str = "redirect_dir=off,metacopy=off,index=off";
const RICH: &str = "redirect_dir=on,metacopy=on,index=on";

door_tests! {
    an_untouched_overlay_has_no_changes,
    additions_modifications_and_deletions_are_found,
    a_file_changed_in_place_is_listed_without_the_directories_above,
    a_file_that_was_copied_up_as_it_was_is_not_listed,
    other_bytes_are_found_behind_the_same_size_and_time,
    metadata_of_files_and_directories_are_compared,
    times_are_compared_to_the_nanosecond,
    a_directory_made_anew_is_modified_and_what_it_hides_is_deleted,
    what_took_the_place_of_another_type_is_modified,
    lower_symlinks_are_not_followed,
    a_renamed_directory_is_deleted_and_added_with_all_that_came_along,
    directories_that_changed_places_are_compared_name_by_name,
    redirects_lead_through_redirects_of_lower_layers,
    a_file_whose_data_is_in_a_lower_layer_is_modified_in_what_was_changed,
    several_lower_layers_are_seen_as_one,
    other_names_of_a_file_in_the_index_are_found,
    without_an_index_a_changed_name_leaves_the_others,
    names_of_a_lower_file_that_was_renamed_with_its_directory_stay_together,
    a_new_name_of_a_lower_file_is_listed_with_the_old_one,
    a_copied_up_name_of_a_file_with_several_is_listed_although_nothing_else_differs
}

fn an_untouched_overlay_has_no_changes(_: &Test, door: &'static dyn Door) {
    for options in [PLAIN, RICH] {
        let o = needs_overlay!(one_layer(options));
        assert_eq!(found(door, &o), [""; 0], "{options}");
    }
}

fn additions_modifications_and_deletions_are_found(_: &Test, door: &'static dyn Door) {
    for options in [PLAIN, RICH] {
        let o = needs_overlay!(one_layer(options));
        o.write("d/e/new", "");
        o.write("n/e/w", "");
        fs::remove_file(o.at("h")).unwrap();
        fs::write(o.at("d/g"), "other").unwrap();
        let expected = [
            "C /d",
            "C /d/e",
            "A /d/e/new",
            "C /d/g",
            "D /h",
            "A /n",
            "A /n/e",
            "A /n/e/w",
        ];
        assert_eq!(found(door, &o), expected, "{options}");
    }
}

fn a_file_changed_in_place_is_listed_without_the_directories_above(
    _: &Test,
    door: &'static dyn Door,
) {
    let o = needs_overlay!(one_layer(PLAIN));
    fs::write(o.at("d/e/f"), "other").unwrap();
    assert_eq!(found(door, &o), ["C /d/e/f"]);
}

fn a_file_that_was_copied_up_as_it_was_is_not_listed(_: &Test, door: &'static dyn Door) {
    for options in [PLAIN, RICH] {
        let o = needs_overlay!(one_layer(options));
        drop(fs::OpenOptions::new().append(true).open(o.at("h")).unwrap());
        assert!(o.upper.join("h").exists());
        assert_eq!(found(door, &o), [""; 0], "{options}");
    }
}

fn other_bytes_are_found_behind_the_same_size_and_time(_: &Test, door: &'static dyn Door) {
    let time = (1_500_000_000, 123);
    let o = Overlay::new(1, PLAIN, |_, root| {
        tree(root);
        set_times(&root.join("h"), time, time).unwrap();
    });
    let o = needs_overlay!(o);
    fs::write(o.at("h"), "CONTENT").unwrap();
    set_times(&o.at("h"), time, time).unwrap();
    assert_eq!(found(door, &o), ["C /h"]);
}

fn metadata_of_files_and_directories_are_compared(_: &Test, door: &'static dyn Door) {
    for options in [PLAIN, RICH] {
        for path in ["h", "d/e", "l"] {
            let o = needs_overlay!(one_layer(options));
            chown(&o.at(path), 0, 7).unwrap();
            assert_eq!(found(door, &o), [format!("C /{path}")], "owner, {options}");
            chown(&o.at(path), 0, 0).unwrap();
            assert_eq!(found(door, &o), [""; 0], "undone, {options}");
            set_xattr(&o.at(path), "trusted.x", b"y").unwrap();
            assert_eq!(
                found(door, &o),
                [format!("C /{path}")],
                "attribute, {options}"
            );
        }
        let o = needs_overlay!(one_layer(options));
        mode(&o.at("d"), 0o700);
        assert_eq!(found(door, &o), ["C /d"], "{options}");
    }
}

fn times_are_compared_to_the_nanosecond(_: &Test, door: &'static dyn Door) {
    let o = Overlay::new(1, PLAIN, |_, root| {
        tree(root);
        set_times(&root.join("d"), (5, 0), (5, 0)).unwrap();
    });
    let o = needs_overlay!(o);
    set_times(&o.at("d"), (5, 0), (5, 1)).unwrap();
    assert_eq!(found(door, &o), ["C /d"]);
}

fn a_directory_made_anew_is_modified_and_what_it_hides_is_deleted(
    _: &Test,
    door: &'static dyn Door,
) {
    for options in [PLAIN, RICH] {
        let o = needs_overlay!(one_layer(options));
        fs::remove_dir_all(o.at("d")).unwrap();
        o.write("d/g", "new");
        o.write("d/n", "");
        assert_eq!(
            os::xattr(&o.upper.join("d"), b"trusted.overlay.opaque")
                .unwrap()
                .unwrap(),
            b"y"
        );
        assert_eq!(
            found(door, &o),
            ["C /d", "D /d/e", "C /d/g", "A /d/n"],
            "{options}"
        );
    }
}

fn what_took_the_place_of_another_type_is_modified(_: &Test, door: &'static dyn Door) {
    for options in [PLAIN, RICH] {
        let o = needs_overlay!(one_layer(options));
        fs::remove_dir_all(o.at("d")).unwrap();
        fs::write(o.at("d"), "a file now").unwrap();
        fs::remove_file(o.at("h")).unwrap();
        o.write("h/in/side", "");
        fs::remove_file(o.at("l")).unwrap();
        fs::create_dir(o.at("l")).unwrap();
        assert_eq!(
            found(door, &o),
            ["C /d", "C /h", "A /h/in", "A /h/in/side", "C /l"],
            "{options}"
        );
    }
    let o = needs_overlay!(one_layer(PLAIN));
    fs::remove_dir_all(o.at("d")).unwrap();
    symlink("/etc", o.at("d")).unwrap();
    assert_eq!(found(door, &o), ["C /d"]);
}

fn lower_symlinks_are_not_followed(_: &Test, door: &'static dyn Door) {
    let o = Overlay::new(1, PLAIN, |_, root| {
        symlink("/etc/passwd", root.join("absolute")).unwrap();
        symlink("nowhere", root.join("dangling")).unwrap();
        symlink("/usr", root.join("dir")).unwrap();
    });
    let o = needs_overlay!(o);
    for name in ["absolute", "dangling", "dir"] {
        fs::remove_file(o.at(name)).unwrap();
    }
    o.write("absolute", "");
    o.write("dir/bin", "");
    symlink("elsewhere", o.at("dangling")).unwrap();
    assert_eq!(
        found(door, &o),
        ["C /absolute", "C /dangling", "C /dir", "A /dir/bin"]
    );
}

fn a_renamed_directory_is_deleted_and_added_with_all_that_came_along(
    _: &Test,
    door: &'static dyn Door,
) {
    let o = needs_overlay!(one_layer(RICH));
    fs::rename(o.at("d"), o.at("z")).unwrap();
    assert_eq!(
        os::xattr(&o.upper.join("z"), b"trusted.overlay.redirect")
            .unwrap()
            .unwrap(),
        b"d"
    );
    let renamed = ["D /d", "A /z", "A /z/e", "A /z/e/f", "A /z/g"];
    assert_eq!(found(door, &o), renamed);
    fs::remove_file(o.at("z/g")).unwrap();
    fs::rename(o.at("z/e"), o.at("e")).unwrap();
    let absolute = os::xattr(&o.upper.join("e"), b"trusted.overlay.redirect")
        .unwrap()
        .unwrap();
    assert_eq!(absolute, b"/d/e");
    assert_eq!(found(door, &o), ["D /d", "A /e", "A /e/f", "A /z"]);
    o.write("d/x", "");
    assert_eq!(
        found(door, &o),
        [
            "C /d", "D /d/e", "D /d/g", "A /d/x", "A /e", "A /e/f", "A /z"
        ]
    );
}

fn directories_that_changed_places_are_compared_name_by_name(_: &Test, door: &'static dyn Door) {
    let o = Overlay::new(1, RICH, |_, root| {
        write(root, "a/only-a", "");
        write(root, "a/both", "of a");
        write(root, "b/only-b", "");
        write(root, "b/both", "of b");
    });
    let o = needs_overlay!(o);
    fs::rename(o.at("a"), o.at("c")).unwrap();
    fs::rename(o.at("b"), o.at("a")).unwrap();
    fs::rename(o.at("c"), o.at("b")).unwrap();
    let expected = [
        "C /a",
        "C /a/both",
        "D /a/only-a",
        "A /a/only-b",
        "C /b",
        "C /b/both",
        "A /b/only-a",
        "D /b/only-b",
    ];
    assert_eq!(found(door, &o), expected);
}

fn redirects_lead_through_redirects_of_lower_layers(_: &Test, door: &'static dyn Door) {
    // What an overlay's upper directory was becomes a lower layer of another.
    let first = Overlay::new(1, RICH, |_, root| tree(root));
    let first = needs_overlay!(first);
    fs::rename(first.at("d"), first.at("z")).unwrap();
    fs::rename(first.at("z/e"), first.at("e")).unwrap();
    first.write("e/middle", "");
    let second = Overlay::new(2, RICH, |number, root| {
        let from = if number == 0 {
            &first.upper
        } else {
            &first.lower[0]
        };
        crate::support::sandbox::run(&format!("cp -aT {} {}", from.display(), root.display()))
            .unwrap();
        for path in ["", "z", "e"] {
            let root = root.join(path);
            if root.exists() {
                // What names other inodes isn't true of a copy.
                for name in [
                    "trusted.overlay.origin",
                    "trusted.overlay.impure",
                    "trusted.overlay.uuid",
                ] {
                    let _ = crate::support::sandbox::run(&format!(
                        "setfattr -x {name} {}",
                        root.display()
                    ));
                }
            }
        }
    });
    let second = needs_overlay!(second);
    assert_eq!(
        fs::read_dir(second.at("e")).unwrap().count(),
        2,
        "the overlay itself sees f and middle"
    );
    assert_eq!(found(door, &second), [""; 0]);
    fs::rename(second.at("e"), second.at("z/deeper")).unwrap();
    assert_eq!(
        found(door, &second),
        [
            "D /e",
            "C /z",
            "A /z/deeper",
            "A /z/deeper/f",
            "A /z/deeper/middle"
        ]
    );
}

fn a_file_whose_data_is_in_a_lower_layer_is_modified_in_what_was_changed(
    _: &Test,
    door: &'static dyn Door,
) {
    let o = needs_overlay!(one_layer(RICH));
    mode(&o.at("h"), 0o600);
    assert!(
        os::xattr(&o.upper.join("h"), b"trusted.overlay.metacopy")
            .unwrap()
            .is_some()
    );
    assert_eq!(found(door, &o), ["C /h"]);
    mode(&o.at("h"), 0o644);
    assert_eq!(found(door, &o), [""; 0]);
    fs::rename(o.at("h"), o.at("renamed")).unwrap();
    assert_eq!(found(door, &o), ["D /h", "A /renamed"]);
}

fn several_lower_layers_are_seen_as_one(_: &Test, door: &'static dyn Door) {
    let o = Overlay::new(3, PLAIN, |number, root| match number {
        2 => {
            write(root, "a/bottom", "");
            write(root, "a/hidden", "");
            write(root, "gone/x", "");
            write(root, "opaque/below", "");
            write(root, "type/in", "");
        }
        1 => {
            write(root, "a/middle", "");
            mknod(&root.join("a/hidden"), libc::S_IFCHR, 0, 0).unwrap();
            mknod(&root.join("gone"), libc::S_IFCHR, 0, 0).unwrap();
            write(root, "opaque/above", "");
            set_xattr(&root.join("opaque"), "trusted.overlay.opaque", b"y").unwrap();
            write(root, "type", "a file");
        }
        _ => write(root, "a/top", ""),
    });
    let o = needs_overlay!(o);
    assert_eq!(found(door, &o), [""; 0]);
    for path in ["a/bottom", "a/middle", "a/top"] {
        fs::write(o.at(path), "changed").unwrap();
    }
    o.write("a/hidden", "");
    o.write("gone/y", "");
    o.write("opaque/below", "");
    fs::remove_file(o.at("opaque/above")).unwrap();
    fs::remove_file(o.at("type")).unwrap();
    o.write("type/in", "");
    let expected = [
        "C /a",
        "C /a/bottom",
        "A /a/hidden",
        "C /a/middle",
        "C /a/top",
        "A /gone",
        "A /gone/y",
        "C /opaque",
        "D /opaque/above",
        "A /opaque/below",
        "C /type",
        "A /type/in",
    ];
    assert_eq!(found(door, &o), expected);
}

fn other_names_of_a_file_in_the_index_are_found(_: &Test, door: &'static dyn Door) {
    for name in ["a", "renamed"] {
        let o = Overlay::new(1, RICH, |_, root| {
            write(root, "a", "one file");
            write(root, "deep/er/x", "");
            fs::hard_link(root.join("a"), root.join("deep/er/b")).unwrap();
            write(root, "c", "two names of another");
            fs::hard_link(root.join("c"), root.join("d")).unwrap();
        });
        let o = needs_overlay!(o);
        if name == "renamed" {
            fs::rename(o.at("a"), o.at("renamed")).unwrap();
        }
        fs::write(o.at(name), "changed").unwrap();
        assert_eq!(fs::read_to_string(o.at("deep/er/b")).unwrap(), "changed");
        let expected: &[&str] = match name {
            "a" => &["C /a", "C /deep/er/b"],
            _ => &["D /a", "C /deep/er/b", "A /renamed"],
        };
        assert_eq!(found(door, &o), expected);
    }
}

fn without_an_index_a_changed_name_leaves_the_others(_: &Test, door: &'static dyn Door) {
    let o = Overlay::new(1, PLAIN, |_, root| {
        write(root, "a", "one file");
        fs::hard_link(root.join("a"), root.join("b")).unwrap();
    });
    let o = needs_overlay!(o);
    mode(&o.at("a"), 0o600);
    assert_eq!(found(door, &o), ["C /a"]);
}

fn names_of_a_lower_file_that_was_renamed_with_its_directory_stay_together(
    _: &Test,
    door: &'static dyn Door,
) {
    let o = Overlay::new(1, "redirect_dir=on,index=off", |_, root| {
        write(root, "d/a", "one file");
        fs::hard_link(root.join("d/a"), root.join("b")).unwrap();
    });
    let o = needs_overlay!(o);
    fs::rename(o.at("d"), o.at("z")).unwrap();
    assert_eq!(found(door, &o), ["C /b", "D /d", "A /z", "A /z/a"]);
}

fn a_new_name_of_a_lower_file_is_listed_with_the_old_one(_: &Test, door: &'static dyn Door) {
    for options in [PLAIN, RICH] {
        let o = needs_overlay!(one_layer(options));
        fs::hard_link(o.at("h"), o.at("d/h")).unwrap();
        assert_eq!(found(door, &o), ["C /d", "A /d/h", "C /h"], "{options}");
    }
}

fn a_copied_up_name_of_a_file_with_several_is_listed_although_nothing_else_differs(
    _: &Test,
    door: &'static dyn Door,
) {
    let o = Overlay::new(1, PLAIN, |_, root| {
        write(root, "a", "one file");
        fs::hard_link(root.join("a"), root.join("b")).unwrap();
    });
    let o = needs_overlay!(o);
    drop(fs::OpenOptions::new().append(true).open(o.at("a")).unwrap());
    assert_eq!(found(door, &o), ["C /a"]);
}
