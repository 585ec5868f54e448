#![forbid(unsafe_code)]

use super::super::rules::Types;
use super::*;
use crate::watch::Progress;

const ESCAPE: (Kind, i32) = (Kind::Escape, libc::EXDEV);
const FORBIDDEN: (Kind, i32) = (Kind::Forbidden, libc::EPERM);

fn strict() -> Rules {
    Rules {
        strict_names: true,
        ..Rules::default()
    }
}

#[test]
fn names_are_clamped_by_default() {
    let temp = Temp::new();
    let entries = [
        file("/a", "1"),
        file("../b", "2"),
        file("x/../../c", "3"),
        hard_link("d", "/../a"),
    ];
    extract(&temp, Rules::default(), &entries).unwrap();
    assert_eq!(
        temp.tree(),
        tree([("a", "1"), ("b", "2"), ("c", "3"), ("d", "1")])
    );
}

#[test]
fn strict_names_refuse_what_is_absolute_or_goes_up() {
    let temp = Temp::new();
    temp.put("source", "");
    for name in ["/a", "../a", "a/..", "a/../b", "a/b/..", "..", "/"] {
        assert_refused(
            &temp,
            strict(),
            &file(name, ""),
            ESCAPE,
            "the name is absolute",
        );
        let link = hard_link("new", name);
        assert_refused(
            &temp,
            strict(),
            &link,
            ESCAPE,
            &format!("source {name:?} is absolute"),
        );
    }
}

#[test]
fn strict_names_take_names_that_stay_below_and_any_symlink() {
    let temp = Temp::new();
    let entries = [
        file("./a", "1"),
        file("..a//...", "2"),
        symlink("l", "/../x"),
        hard_link("b", "./a"),
    ];
    extract(&temp, strict(), &entries).unwrap();
    let expected = [
        ("a", "1"),
        ("..a", "/"),
        ("..a/...", "2"),
        ("l", "-> /../x"),
        ("b", "1"),
    ];
    assert_eq!(temp.tree(), tree(expected));
}

#[test]
fn strict_names_are_asked_for_of_skipped_members_too() {
    let temp = Temp::new();
    let mut setup = Setup::new(&temp, strict());
    setup.judge = &|_, _| Ok(Verdict::Skip);
    setup.extract(&[file("a", "")]).unwrap();
    let error = setup.extract(&[file("../a", "")]).unwrap_err();
    assert_eq!((error.kind(), error.errno()), ESCAPE);
}

#[test]
fn a_directory_called_dot_is_passed_over_by_default_and_nothing_else_is() {
    let temp = Temp::new();
    temp.put("a", "1");
    let before = temp.state();
    let root = directory(".").with(|member| member.mode = 0o700);
    extract(&temp, Rules::default(), &[root]).unwrap();
    for entry in [file(".", "x"), symlink("b/..", "x")] {
        let error = extract(&temp, Rules::default(), &[entry]).unwrap_err();
        assert_eq!((error.kind(), error.errno()), ESCAPE);
    }
    assert_eq!(temp.state(), before);
}

#[test]
fn the_root_gets_the_attributes_of_a_directory_called_dot_if_asked_for() {
    let temp = Temp::new();
    let rules = Rules {
        root_attributes: true,
        ..Rules::default()
    };
    let owner = if in_user_namespace() {
        temp.owner("")
    } else {
        (7, 8)
    };
    let root = directory("./").with(|member| {
        (member.mode, member.uid, member.gid) = (0o2750, owner.0, owner.1);
    });
    let root = root.xattr("user.test", b"value");
    extract(&temp, rules, &[root, file("./a", "1")]).unwrap();
    assert_eq!((temp.mode(""), temp.owner("")), (0o2750, owner));
    assert_eq!(temp.meta("").mtime(), ARCHIVED);
    assert_eq!(temp.xattr("", "user.test").unwrap(), b"value");
    assert_eq!(temp.tree(), tree([("a", "1")]));
}

#[test]
fn what_is_made_in_the_root_belongs_to_whom_the_archive_says_whatever_the_root_hands_down() {
    if in_user_namespace() || !nix::unistd::geteuid().is_root() {
        return;
    }
    let temp = Temp::new();
    let rules = Rules {
        root_attributes: true,
        ..Rules::default()
    };
    let root = directory("./").with(|member| (member.mode, member.gid) = (0o2755, 8));
    let own = |name: &str| file(name, "1").with(|member| (member.uid, member.gid) = (0, 0));
    extract(&temp, rules, &[own("a"), root, own("b"), own("c")]).unwrap();
    assert_eq!(["a", "b", "c"].map(|name| temp.owner(name)), [(0, 0); 3]);
}

#[test]
fn nothing_but_a_directory_may_be_called_dot_then() {
    let temp = Temp::new();
    temp.put("a", "1");
    let rules = Rules {
        root_attributes: true,
        ..Rules::default()
    };
    for entry in [
        file(".", ""),
        symlink("./", "x"),
        Entry::new(MemberKind::Fifo, "a/.."),
    ] {
        assert_refused(
            &temp,
            rules.clone(),
            &entry,
            ESCAPE,
            "in the place of the root",
        );
    }
}

#[test]
fn types_that_are_not_allowed_are_refused_by_name() {
    let temp = Temp::new();
    temp.put("source", "");
    let kinds = all_types().map(|(_, entry)| entry.0.kind.member_type());
    for (name, entry) in all_types() {
        let others: Vec<_> = kinds
            .into_iter()
            .filter(|kind| *kind != entry.0.kind.member_type())
            .collect();
        let rules = Rules {
            types: Types::of(&others),
            ..Rules::default()
        };
        assert_refused(&temp, rules, &entry, FORBIDDEN, &format!("a {name}, which"));
    }
}

#[test]
fn a_type_that_is_allowed_alone_is_made() {
    for (name, entry) in all_types() {
        let device = matches!(
            entry.0.kind,
            MemberKind::CharDevice(_) | MemberKind::BlockDevice(_)
        );
        if device && !is_root() {
            continue;
        }
        let temp = Temp::new();
        temp.put("source", "");
        let rules = Rules {
            types: Types::of(&[entry.0.kind.member_type()]),
            ..Rules::default()
        };
        extract(&temp, rules, &[entry]).unwrap();
        assert!(temp.path("new/x").symlink_metadata().is_ok(), "{name}");
    }
}

#[test]
fn devices_are_made_by_default() {
    if !is_root() {
        return;
    }
    let temp = Temp::new();
    let entries = [
        device(MemberKind::CharDevice, "c", 1, 3),
        device(MemberKind::CharDevice, "zero", 0, 0),
        device(MemberKind::BlockDevice, "b", 7, 99),
    ];
    extract(&temp, Rules::default(), &entries).unwrap();
    let numbers = ["c", "zero", "b"].map(|name| temp.meta(name).rdev());
    assert_eq!(numbers, [libc::makedev(1, 3), 0, libc::makedev(7, 99)]);
}

#[test]
fn devices_are_refused_if_asked_for_in_a_user_namespace_too() {
    let temp = Temp::new();
    let rules = Rules {
        devices: false,
        ..Rules::default()
    };
    for entry in [
        device(MemberKind::CharDevice, "new/c", 1, 3),
        device(MemberKind::CharDevice, "new/zero", 0, 0),
        device(MemberKind::BlockDevice, "new/b", 7, 99),
    ] {
        assert_refused(&temp, rules.clone(), &entry, FORBIDDEN, "a device, which");
        let mut setup = Setup::new(&temp, rules.clone());
        setup.user_namespace = true;
        assert_eq!(setup.extract(&[entry]).unwrap_err().errno(), libc::EPERM);
    }
    extract(&temp, rules, &[Entry::new(MemberKind::Fifo, "fifo")]).unwrap();
}

#[test]
fn a_device_that_is_left_out_is_told_and_so_is_a_hard_link_to_it() {
    let temp = Temp::new();
    let mut setup = Setup::new(&temp, Rules::default());
    setup.user_namespace = true;
    let warnings = setup.warnings();
    let entries = [
        device(MemberKind::CharDevice, "./c", 1, 3),
        hard_link("l", "c"),
        file("a", "1"),
    ];
    setup.extract(&entries).unwrap();
    let told = ["./c", "l"].map(|name| (WarningKind::Device, name.to_owned()));
    assert_eq!(*warnings.lock().unwrap(), told);
    assert_eq!(temp.tree(), tree([("a", "1")]));
}

#[test]
fn an_end_marker_is_asked_for_only_if_the_rules_say_so() {
    let asked = Rules {
        end_marker: true,
        ..Rules::default()
    };
    for (rules, end, accepted) in [
        (Rules::default(), 0, true),
        (asked.clone(), 0, false),
        (asked.clone(), 512, true),
        (asked, 1024, true),
    ] {
        let temp = Temp::new();
        let locked = directory("d").with(|member| member.mode = 0o500);
        let bytes = [stream(&[locked, file("a", "1")]), vec![0; end]].concat();
        let result = Setup::new(&temp, rules).extract_stream(&bytes);
        // All is as it would be otherwise.
        assert_eq!(temp.tree(), tree([("a", "1"), ("d", "/")]));
        assert_eq!(temp.mode("d"), 0o500);
        match result {
            Ok(()) => assert!(accepted, "{end}"),
            Err(error) => {
                assert!(
                    !accepted && error.to_string().contains("no end marker"),
                    "{error}"
                );
                assert_eq!(
                    (error.kind(), error.errno()),
                    (Kind::Malformed, libc::EBADMSG)
                );
            }
        }
    }
}

#[test]
fn what_is_not_even_there_has_no_end_marker() {
    let rules = Rules {
        end_marker: true,
        ..Rules::default()
    };
    let error = Setup::new(&Temp::new(), rules)
        .extract_stream(b"")
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Malformed);
}

#[test]
fn every_member_is_named_to_who_watches() {
    let temp = Temp::new();
    let named = Arc::new(Mutex::new(Vec::new()));
    let mut setup = Setup::new(&temp, Rules::default());
    let record = Arc::clone(&named);
    let note = move |progress: &Progress<'_>| {
        record.lock().unwrap().push(progress.member.to_vec());
    };
    setup.watch.on_progress(note);
    let watch = setup.watch.clone();
    let judge = |_: &RootPath, _: &Member| {
        watch.advance(0);
        Ok(Verdict::Extract)
    };
    setup.judge = &judge;
    setup.extract(&[file("./a", "1")]).unwrap();
    assert_eq!(*named.lock().unwrap(), [b"./a"]);
}
