#![forbid(unsafe_code)]

use super::*;

const MALFORMED: (Kind, i32) = (Kind::Malformed, libc::EBADMSG);

fn layer() -> Rules {
    Rules {
        oci_whiteouts: true,
        ..Rules::default()
    }
}

fn whiteout(path: &str) -> Entry {
    file(path, "")
}

/// The base of the image specification's example of a whiteout, and a little more.
fn base() -> Temp {
    let temp = Temp::new();
    temp.put("a/b/c/bar", "lower")
        .put("a/file", "lower")
        .put("other", "lower");
    temp
}

/// What is below the root of the base after a layer of these entries.
#[track_caller]
fn applied(entries: &[Entry]) -> BTreeMap<String, String> {
    let temp = base();
    extract(&temp, layer(), entries).unwrap();
    temp.tree()
}

#[test]
fn by_default_whiteouts_are_files() {
    let temp = Temp::new();
    temp.put("a", "1");
    extract(
        &temp,
        Rules::default(),
        &[whiteout(".wh.a"), whiteout(".wh..wh..opq")],
    )
    .unwrap();
    assert_eq!(
        temp.tree(),
        tree([("a", "1"), (".wh.a", ""), (".wh..wh..opq", "")])
    );
}

#[test]
fn a_whiteout_removes_a_file_or_a_directory_with_all_that_is_in_it() {
    let rest = [
        ("a", "/"),
        ("a/b", "/"),
        ("a/b/c", "/"),
        ("a/b/c/bar", "lower"),
        ("other", "lower"),
    ];
    assert_eq!(applied(&[whiteout("a/.wh.file")]), tree(rest));
    let rest = [("a", "/"), ("a/file", "lower"), ("other", "lower")];
    assert_eq!(applied(&[whiteout("./a/.wh.b")]), tree(rest));
    assert_eq!(applied(&[whiteout(".wh.a")]), tree([("other", "lower")]));
}

#[test]
fn what_is_not_there_needs_no_removal_and_nothing_is_made_for_it() {
    let temp = base();
    temp.put_link("round", "round")
        .put_link("nowhere", "nothing");
    let before = temp.tree();
    for missing in [
        "a/.wh.no",
        "no/no/.wh.a",
        "a/file/.wh.x",
        "round/.wh.x",
        "nowhere/.wh.x",
    ] {
        extract(&temp, layer(), &[whiteout(missing)]).unwrap();
        let opaque = missing
            .replace(".wh.no", "no/.wh..wh..opq")
            .replace(".wh.x", ".wh..wh..opq");
        extract(&temp, layer(), &[whiteout(&opaque)]).unwrap();
        assert_eq!(temp.tree(), before, "{missing}");
    }
}

#[test]
fn a_symlink_is_removed_itself() {
    let temp = base();
    temp.put_link("l", "a");
    extract(&temp, layer(), &[whiteout(".wh.l")]).unwrap();
    assert_eq!(temp.tree(), base().tree());
}

#[test]
fn a_whiteout_is_followed_to_where_a_symlink_of_before_leads() {
    let temp = base();
    temp.put_link("l", "/a/b/..");
    extract(&temp, layer(), &[whiteout("l/.wh.b")]).unwrap();
    assert_eq!(
        temp.tree(),
        tree([
            ("a", "/"),
            ("a/file", "lower"),
            ("l", "-> /a/b/.."),
            ("other", "lower")
        ])
    );
}

#[test]
fn nothing_is_removed_through_a_symlink_of_the_layer_itself() {
    let temp = base();
    temp.put("d/file", "lower");
    let entries = [
        symlink("d", "a"),
        whiteout("d/.wh.file"),
        whiteout("d/.wh..wh..opq"),
    ];
    extract(&temp, layer(), &entries).unwrap();
    let mut expected = base().tree();
    expected.insert("d".to_owned(), "-> a".to_owned());
    assert_eq!(temp.tree(), expected);
}

#[test]
fn an_opaque_directory_in_the_place_of_a_symlink_takes_nothing_from_where_it_leads() {
    let temp = base();
    temp.put_link("l", "a");
    let setup = Setup::new(&temp, layer());
    let warnings = setup.warnings();
    setup
        .extract(&[whiteout("l/.wh..wh..opq"), directory("l"), file("l/x", "1")])
        .unwrap();
    let mut expected = base().tree();
    expected.extend(tree([("l", "/"), ("l/x", "1")]));
    assert_eq!(temp.tree(), expected);
    let told = (WarningKind::Ignored, "l/.wh..wh..opq".to_owned());
    assert_eq!(*warnings.lock().unwrap(), [told]);
}

#[test]
fn the_order_of_whiteouts_and_what_is_made_anew_plays_no_part() {
    let made = [
        directory("a"),
        directory("a/b"),
        directory("a/b/c"),
        file("a/b/c/foo", "upper"),
    ];
    let after = [
        ("a/b", "/"),
        ("a/b/c", "/"),
        ("a/b/c/foo", "upper"),
        ("a", "/"),
        ("other", "lower"),
    ];
    for mark in ["a/.wh..wh..opq", ".wh.a"] {
        let mark = whiteout(mark);
        for at in 0..=made.len() {
            let mut entries = made.to_vec();
            entries.insert(at, mark.clone());
            assert_eq!(applied(&entries), tree(after), "{at}");
        }
        // The directories on the way aren't described.
        let file = made.last().unwrap().clone();
        assert_eq!(applied(&[mark.clone(), file.clone()]), tree(after));
        assert_eq!(applied(&[file, mark]), tree(after));
    }
}

#[test]
fn objects_of_every_type_that_the_layer_has_made_stay() {
    let temp = base();
    let entries = [
        file("a/file", "upper"),
        symlink("a/link", "x"),
        hard_link("a/name", "other"),
        Entry::new(MemberKind::Fifo, "a/b/fifo"),
        whiteout("a/.wh.file"),
        whiteout("a/.wh.link"),
        whiteout("a/.wh..wh..opq"),
    ];
    extract(&temp, layer(), &entries).unwrap();
    let left: Vec<_> = walk(&temp.path("a"))
        .into_iter()
        .map(|path| path.file_name().unwrap().to_owned())
        .collect();
    assert_eq!(left, ["a", "b", "fifo", "file", "link", "name"]);
}

#[test]
fn what_was_made_and_replaced_since_is_no_reason_to_stay() {
    let entries = [file("a/b/x", "1"), file("a/b", "2"), whiteout(".wh.a")];
    assert_eq!(
        applied(&entries),
        tree([("a", "/"), ("a/b", "2"), ("other", "lower")])
    );
}

#[test]
fn an_opaque_root_is_emptied_but_for_the_layer() {
    let temp = base();
    extract(
        &temp,
        layer(),
        &[
            file("a/new", "upper"),
            whiteout(".wh..wh..opq"),
            file("z", ""),
        ],
    )
    .unwrap();
    assert_eq!(
        temp.tree(),
        tree([("a", "/"), ("a/new", "upper"), ("z", "")])
    );
    assert_eq!(temp.meta("").mtime(), BEFORE);
}

#[test]
fn what_an_undescribed_directory_holds_stays_left_out_devices_included() {
    let temp = base();
    let mut setup = Setup::new(&temp, layer());
    setup.user_namespace = true;
    let entries = [
        device(MemberKind::CharDevice, "a/b/null", 1, 3),
        whiteout(".wh.a"),
    ];
    setup.extract(&entries).unwrap();
    assert_eq!(
        temp.tree(),
        tree([("a", "/"), ("a/b", "/"), ("other", "lower")])
    );
}

#[test]
fn what_aufs_keeps_for_itself_is_passed_over_and_told() {
    let temp = base();
    let before = temp.state();
    let setup = Setup::new(&temp, layer());
    let warnings = setup.warnings();
    let members = [
        directory(".wh..wh.plnk"),
        file(".wh..wh.plnk/12.34", "content"),
        whiteout(".wh..wh.aufs"),
        whiteout(".wh..wh."),
        directory("a/.wh..wh.orph"),
        whiteout(".wh..wh.plnk/.wh.."),
    ];
    setup.extract(&members).unwrap();
    let name = |entry: Entry| String::from_utf8(entry.0.path).unwrap();
    let told = members.map(|entry| (WarningKind::Ignored, name(entry)));
    assert_eq!(*warnings.lock().unwrap(), told);
    assert_eq!(temp.state(), before);
}

#[test]
fn whiteouts_of_no_name_and_of_the_two_dots_are_malformed() {
    let temp = base();
    for name in [
        ".wh.",
        ".wh..",
        ".wh...",
        "a/b/.wh.",
        "a/b/.wh..",
        "a/b/.wh...",
    ] {
        assert_refused(
            &temp,
            layer(),
            &whiteout(name),
            MALFORMED,
            "by way of its own content",
        );
    }
    extract(&temp, layer(), &[whiteout("a/.wh....")]).unwrap();
}

#[test]
fn a_whiteout_is_an_empty_file_or_another_name_of_one() {
    let temp = base();
    for name in ["a/.wh.b", "a/.wh..wh..opq"] {
        for (entry, words) in [
            (file(name, "content"), "with content"),
            (directory(name), "is a directory"),
            (symlink(name, ".wh.x"), "is a symlink"),
            (hard_link(name, "a/file"), "is a hard link"),
            (Entry::new(MemberKind::Fifo, name), "is a fifo"),
            (
                device(MemberKind::CharDevice, name, 0, 0),
                "is a character device",
            ),
            (
                device(MemberKind::BlockDevice, name, 1, 1),
                "is a block device",
            ),
            (file(&format!("{name}/x"), ""), "is a directory"),
        ] {
            assert_refused(&temp, layer(), &entry, MALFORMED, words);
        }
    }
    let entries = [
        whiteout("a/.wh.b"),
        hard_link(".wh.a", "a/.wh.b"),
        hard_link(".wh.other", ".wh.a"),
    ];
    extract(&temp, layer(), &entries).unwrap();
    assert_eq!(temp.tree(), tree([]));
}

#[test]
fn directories_keep_their_times_unless_they_are_described() {
    let temp = base();
    temp.put("d/e/gone", "")
        .put("d/gone/x", "")
        .put("f/gone", "")
        .put("f/stays", "")
        .put("a/b/gone", "");
    let entries = [
        whiteout("d/e/.wh.gone"),
        whiteout("d/.wh.gone"),
        directory("f"),
        whiteout("f/.wh.gone"),
        file("a/b/c/new", ""),
        whiteout("a/.wh..wh..opq"),
    ];
    extract(&temp, layer(), &entries).unwrap();
    let times = ["", "d", "d/e", "a", "a/b", "a/b/c", "f"].map(|path| temp.meta(path).mtime());
    assert_eq!(
        times,
        [BEFORE, BEFORE, BEFORE, BEFORE, BEFORE, BEFORE, ARCHIVED]
    );
}

#[test]
fn whiteouts_are_judged_by_what_they_remove() {
    let temp = base();
    let judge = |path: &RootPath, _: &Member| match path.as_bytes() {
        b"other" | b"a" => Ok(Verdict::Skip),
        b"a/b" => Err(Error::new(Kind::Escape, "refused by the judge")),
        _ => Ok(Verdict::Extract),
    };
    let mut setup = Setup::new(&temp, layer());
    setup.judge = &judge;
    setup
        .extract(&[
            whiteout(".wh.other"),
            whiteout("a/.wh..wh..opq"),
            whiteout(".wh.a"),
        ])
        .unwrap();
    setup.extract(&[whiteout("a/.wh.b")]).unwrap_err();
    setup.extract(&[whiteout("a/b/.wh..wh..opq")]).unwrap_err();
    assert_eq!(temp.tree(), base().tree());
}

#[test]
fn protected_names_are_not_removed_by_way_of_a_symlink() {
    let temp = base();
    temp.put_link("l", ".").put_link("a/up", "..");
    let before = temp.state();
    let mut setup = Setup::new(&temp, layer());
    setup.protected = &[b"other"];
    for name in ["l/.wh.other", "a/up/.wh.other"] {
        let error = setup.extract(&[whiteout(name)]).unwrap_err();
        assert_eq!(
            (error.kind(), error.errno()),
            (Kind::Escape, libc::EXDEV),
            "{error}"
        );
    }
    assert_eq!(temp.state(), before);
}

#[test]
fn a_directory_that_was_cleared_is_not_looked_through_again() {
    let temp = base();
    let judge = |_: &RootPath, member: &Member| {
        // Somebody else's, put there after the first look.
        if member.path == b"a/again" {
            fs::write(temp.path("a/b/intruder"), "").unwrap();
            fs::write(temp.path("a/d/intruder"), "").unwrap();
            fs::write(temp.path("e/f/intruder"), "").unwrap();
        }
        Ok(Verdict::Extract)
    };
    let mut setup = Setup::new(&temp, layer());
    setup.judge = &judge;
    let first = ["a/b/.wh..wh..opq", "a/.wh..wh..opq", ".wh.e"].map(whiteout);
    let then = [
        "a/.wh.b",
        "a/.wh.d",
        "a/d/.wh..wh..opq",
        "a/.wh..wh..opq",
        ".wh.a",
        "e/.wh.f",
    ]
    .map(whiteout);
    let own = ["a/b/own", "a/d/own", "e/f/own"].map(|path| file(path, ""));
    let entries = [
        &own[..],
        &first,
        &[file("a/again", "")],
        &then,
        &[whiteout(".wh..wh..opq")],
    ];
    setup.extract(&entries.concat()).unwrap();
    let left = [
        ("a", "/"),
        ("a/again", ""),
        ("a/b", "/"),
        ("a/b/intruder", ""),
        ("a/b/own", ""),
        ("a/d", "/"),
        ("a/d/intruder", ""),
        ("a/d/own", ""),
        ("e", "/"),
        ("e/f", "/"),
        ("e/f/intruder", ""),
        ("e/f/own", ""),
    ];
    assert_eq!(temp.tree(), tree(left));
}

#[test]
fn paths_through_what_was_removed_lead_nowhere() {
    for (link, mark) in [("a/b/..", "l/.wh.b"), ("a/b/c/../..", "l/b/.wh..wh..opq")] {
        let temp = base();
        temp.put_link("l", link);
        let error = extract(&temp, layer(), &[whiteout(mark), file("l/new", "")]).unwrap_err();
        assert_eq!(error.errno(), libc::ENOENT, "{error}");
        assert!(!temp.path("a/new").exists());
    }
}

#[test]
fn below_a_mount_point_nothing_is_removed() {
    let (dev, shm) = (Path::new("/dev"), Path::new("/dev/shm"));
    let device = |path: &Path| path.metadata().map(|meta| meta.dev()).ok();
    let name = format!("crutils-whiteout-{}", std::process::id());
    let directory = shm.join(&name);
    if device(dev) == device(shm) || fs::create_dir(&directory).is_err() {
        println!("skipped: /dev/shm is no mount point that can be written to");
        return;
    }
    fs::write(directory.join("file"), "").unwrap();
    let temp = Temp::new();
    let mut setup = Setup::new(&temp, layer());
    setup.root = dev.to_owned();
    let marks = [".wh.file", ".wh..wh..opq"].map(|mark| format!("shm/{name}/{mark}"));
    let results = marks.map(|mark| setup.extract(&[whiteout(&mark)]));
    let there = directory.join("file").exists();
    fs::remove_dir_all(&directory).unwrap();
    for error in results.map(Result::unwrap_err) {
        assert_eq!(
            (error.kind(), error.errno()),
            (Kind::Escape, libc::EXDEV),
            "{error}"
        );
    }
    assert!(there);
}
