//! Each option and limit of an import: what it refuses, and that the same archive is imported without it.

use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::session::{Places, Stream, checkpoint};
use crate::support::api::Outcome;
use crate::support::api::{ARGUMENT, ESCAPE, LIMIT, MALFORMED};
use crate::support::compressor::{Compression, filter};
use crate::support::door::Door;
use crate::support::process::Test;
use crate::support::session::{
    DEPTH, DIGEST, END_MARKER, IGNORE_OWNERSHIP, KNOWN_NAMES, MEMBER_BYTES, MEMBERS, NO_DEVICES,
    Options, PATH_BYTES, RATIO, ROOT_ATTRIBUTES, STRICT_NAMES, TOTAL_BYTES, XATTR_BYTES,
};
use crate::support::stage::assert_errno;
use crate::support::tarball::{
    Entry, Sparse, archive, char_device, dir, file, hardlink, sparse, symlink, unended,
};
use crate::support::tree::Snapshot;

/// Imports into a bundle that is there, and a root file system.
fn import(door: &dyn Door, bytes: &[u8], options: &Options) -> (Places, Outcome<Option<String>>) {
    let places = Places::with(bytes);
    fs::create_dir_all(&places.bundle).unwrap();
    fs::remove_dir_all(places.root.join("etc")).unwrap();
    let mut session = door.file(&places.input, options);
    session.to_bundle((&places.bundle).into()).unwrap();
    session.to_root((&places.root).into()).unwrap();
    let outcome = session.extract();
    (places, outcome)
}

fn diff(entries: impl IntoIterator<Item = Entry>) -> Entry {
    file("rootfs-diff.tar", archive(entries))
}

fn made(places: &Places) -> Vec<String> {
    [
        Snapshot::of(&places.bundle).paths(),
        Snapshot::of(&places.root).paths(),
    ]
    .concat()
}

/// A limit, a value that the members are at, the limit's name, the members, and what is made before the one that is refused.
type AtLimit = (u32, u64, &'static str, Vec<Entry>, &'static [&'static str]);

door_tests! {
    each_limit_lets_through_what_is_at_it_and_refuses_one_more,
    a_bomb_is_stopped_by_its_ratio,
    strict_names_refuse_what_would_be_clamped,
    an_end_marker_can_be_required,
    root_attributes_are_a_volume_s_when_asked_and_never_the_bundle_s,
    types_and_devices_can_be_refused,
    names_can_be_limited_to_those_that_are_known,
    owners_are_mapped_or_ignored_in_root_file_systems,
    a_digest_is_that_of_the_archive_and_can_be_demanded
}

fn each_limit_lets_through_what_is_at_it_and_refuses_one_more(_: &Test, door: &'static dyn Door) {
    let counted = [
        file("a", "123"),
        diff([file("x", "1234"), file("y", "12345")]),
        file("z", "123456"),
    ];
    let large = sparse(Sparse::Pax10, "large", 1 << 20, &[(0, b"data".to_vec())]);
    let cases: [AtLimit; 9] = [
        (MEMBERS, 5, "members", counted.to_vec(), &["a", "x", "y"]),
        (
            TOTAL_BYTES,
            18,
            "total_bytes",
            counted.to_vec(),
            &["a", "x", "y"],
        ),
        (
            MEMBER_BYTES,
            1 << 20,
            "member_bytes",
            vec![file("a", ""), large.clone()],
            &["a"],
        ),
        (
            MEMBER_BYTES,
            1 << 20,
            "member_bytes",
            vec![diff([file("a", ""), large])],
            &["a"],
        ),
        (
            PATH_BYTES,
            8,
            "path_bytes",
            vec![file("a/b", ""), file("./d/bb/ccc", "")],
            &["a", "a/b"],
        ),
        (
            PATH_BYTES,
            8,
            "path_bytes",
            vec![diff([file("a", ""), hardlink("b", "c/dd/eeee")])],
            &["a"],
        ),
        (
            DEPTH,
            3,
            "depth",
            vec![file("a", ""), file("d/b/c", "")],
            &["a"],
        ),
        (
            DEPTH,
            3,
            "depth",
            vec![diff([file("a", ""), dir("d/b/c")])],
            &["a"],
        ),
        (
            XATTR_BYTES,
            10,
            "xattr_bytes",
            vec![diff([file("a", ""), file("b", "").xattr("user.k", "vvvv")])],
            &["a"],
        ),
    ];
    for (number, (limit, value, name, entries, before)) in cases.into_iter().enumerate() {
        let bytes = archive(entries);
        if number != 5 {
            // The link's source is too long by one, since it isn't there.
            import(door, &bytes, &Options::limit(limit, value))
                .1
                .unwrap();
        }
        let (places, outcome) = import(door, &bytes, &Options::limit(limit, value - 1));
        let failure = outcome.unwrap_err();
        assert_eq!(
            (failure.errno, failure.kind),
            (libc::E2BIG, LIMIT),
            "{number}: {failure:?}"
        );
        assert!(
            failure
                .message
                .contains(&format!("limit {name} of {}", value - 1)),
            "{number}: {failure:?}"
        );
        assert_eq!(
            made(&places),
            before,
            "{number}: nothing is touched for the member"
        );
    }
}

fn a_bomb_is_stopped_by_its_ratio(_: &Test, door: &'static dyn Door) {
    let bomb = Compression::Gzip.pack(&archive([file("zeros", vec![0; 4 << 20])]));
    let (_, outcome) = import(door, &bomb, &Options::limit(RATIO, 2000));
    outcome.unwrap();
    let nested = archive([file("rootfs-diff.tar", &bomb)]);
    for (what, bytes) in [("the archive", &bomb), ("an archive in it", &nested)] {
        let (_, outcome) = import(door, bytes, &Options::limit(RATIO, 100));
        let failure = outcome.unwrap_err();
        assert_eq!(
            (failure.errno, failure.kind),
            (libc::E2BIG, LIMIT),
            "{what}: {failure:?}"
        );
        assert!(
            failure.message.contains("100 times its size"),
            "{failure:?}"
        );
    }
    // A few blocks of zeros say nothing, and a plain archive expands to itself.
    let small = Compression::Gzip.pack(&archive([file("zeros", vec![0; 512 << 10])]));
    for bytes in [small, archive([file("zeros", vec![0; 4 << 20])])] {
        import(door, &bytes, &Options::limit(RATIO, 1)).1.unwrap();
    }
}

fn strict_names_refuse_what_would_be_clamped(_: &Test, door: &'static dyn Door) {
    for entries in [
        vec![file("/a", "")],
        vec![file("x/../../a", "")],
        vec![diff([file("../a", "")])],
        vec![file("a", ""), hardlink("b", "/a")],
    ] {
        let bytes = archive(entries);
        let (places, outcome) = import(door, &bytes, &Options::none());
        outcome.unwrap();
        assert!(made(&places).contains(&"a".to_owned()));
        let (places, outcome) = import(door, &bytes, &Options::on(STRICT_NAMES));
        let failure = outcome.unwrap_err();
        assert_eq!(
            (failure.errno, failure.kind),
            (libc::EXDEV, ESCAPE),
            "{failure:?}"
        );
        assert!(made(&places).len() <= 1 && !made(&places).contains(&"b".to_owned()));
    }
    import(
        door,
        &archive([file("./a..b/..c", ""), hardlink("d", "a..b/..c")]),
        &Options::on(STRICT_NAMES),
    )
    .1
    .unwrap();
}

fn an_end_marker_can_be_required(_: &Test, door: &'static dyn Door) {
    let inner = [file("a", "a")];
    let nested = |bytes: Vec<u8>| archive([file("rootfs-diff.tar", bytes)]);
    for (cut, whole) in [
        (unended(inner.clone()), archive(inner.clone())),
        (nested(unended(inner.clone())), nested(archive(inner))),
    ] {
        import(door, &cut, &Options::none()).1.unwrap();
        import(door, &whole, &Options::on(END_MARKER)).1.unwrap();
        let (places, outcome) = import(door, &cut, &Options::on(END_MARKER));
        let failure = outcome.unwrap_err();
        assert_eq!(
            (failure.errno, failure.kind),
            (libc::EBADMSG, MALFORMED),
            "{failure:?}"
        );
        assert_eq!(made(&places), ["a"], "it is found at the end");
    }
}

fn root_attributes_are_a_volume_s_when_asked_and_never_the_bundle_s(
    _: &Test,
    door: &'static dyn Door,
) {
    let inner = archive([dir("./").mode(0o711).mtime(77), file("a", "")]);
    let bytes = archive([
        dir("./").mode(0o711).mtime(77),
        file("volumes/v.tar", inner),
    ]);
    for (options, mode) in [
        (Options::none(), 0o750),
        (Options::on(ROOT_ATTRIBUTES), 0o711),
    ] {
        let places = Places::with(&bytes);
        fs::create_dir_all(&places.bundle).unwrap();
        for place in [&places.bundle, &places.volume] {
            fs::set_permissions(place, std::os::unix::fs::PermissionsExt::from_mode(0o750))
                .unwrap();
        }
        let mut session = door.file(&places.input, &options);
        session.to_bundle((&places.bundle).into()).unwrap();
        session.to_volume("v", (&places.volume).into()).unwrap();
        session.extract().unwrap();
        let volume = fs::metadata(&places.volume).unwrap();
        assert_eq!(
            (volume.mode() & 0o7777, volume.mtime() == 77),
            (mode, mode == 0o711)
        );
        assert_eq!(fs::metadata(&places.bundle).unwrap().mode() & 0o7777, 0o750);
    }
}

fn types_and_devices_can_be_refused(_: &Test, door: &'static dyn Door) {
    let entries = [file("f", ""), diff([file("g", ""), symlink("l", "g")])];
    let types = |types: &[u32]| Options {
        types: Some(types.to_vec()),
        ..Options::none()
    };
    import(door, &archive(entries.clone()), &types(&[1, 3]))
        .1
        .unwrap();
    let (places, outcome) = import(door, &archive(entries), &types(&[1]));
    assert_errno(outcome, libc::EPERM);
    assert_eq!(made(&places), ["f", "g"]);
    let (places, outcome) = import(door, &archive([dir("d"), file("f", "")]), &types(&[]));
    assert_errno(outcome, libc::EPERM);
    assert_eq!(made(&places), [""; 0]);
    needs_root!("make devices");
    let device = archive([diff([file("g", ""), char_device("null", 1, 3)])]);
    let (places, outcome) = import(door, &device, &Options::none());
    outcome.unwrap();
    assert_eq!(made(&places), ["g", "null"]);
    let (places, outcome) = import(door, &device, &Options::on(NO_DEVICES));
    assert_errno(outcome, libc::EPERM);
    assert_eq!(made(&places), ["g"]);
}

fn names_can_be_limited_to_those_that_are_known(_: &Test, door: &'static dyn Door) {
    let names = |names: &[&'static str]| Options {
        names: Some(names.to_vec()),
        ..Options::none()
    };
    import(door, &archive(checkpoint()), &Options::on(KNOWN_NAMES))
        .1
        .unwrap();
    for name in ["ctr.log.old", "xcheckpoint/a", "config.json.new"] {
        let bytes = archive([file("ctr.log", ""), file(name, "")]);
        import(door, &bytes, &Options::none()).1.unwrap();
        let (places, outcome) = import(door, &bytes, &Options::on(KNOWN_NAMES));
        assert_errno(outcome, libc::EPERM);
        assert_eq!(made(&places), ["ctr.log"]);
    }
    let bytes = archive([dir("./"), dir("a"), file("a/b/c", ""), file("a/d", "")]);
    import(door, &bytes, &names(&["a/b", "./a/d"])).1.unwrap();
    let (places, outcome) = import(door, &bytes, &names(&["a/b"]));
    assert_errno(outcome, libc::EPERM);
    assert_eq!(made(&places), ["a", "a/b", "a/b/c"]);
    for wrong in ["", ".", "/"] {
        let places = Places::with(&bytes);
        let outcome = door.open(
            crate::support::door::Place::Path(&places.input),
            &names(&[wrong]),
            None,
        );
        let failure = outcome.err().unwrap();
        assert_eq!((failure.errno, failure.kind), (libc::EINVAL, ARGUMENT));
    }
}

fn owners_are_mapped_or_ignored_in_root_file_systems(_: &Test, door: &'static dyn Door) {
    needs_root!("give files away");
    let entries = [
        file("f", "").owner(7, 8),
        diff([
            file("g", "").owner(7, 8).mode(0o4755),
            file("d/e", "").owner(9, 9),
        ]),
    ];
    let owner = |places: &Places, path: &str| {
        let meta = fs::metadata(places.sandbox.path().join(path)).unwrap();
        (meta.uid(), meta.gid(), meta.mode() & 0o7777)
    };
    let bundle = |places: &Places| owner(places, "made/bundle/f");
    let ids = |uids: &[[u32; 3]], gids: &[[u32; 3]]| Options {
        uids: uids.to_vec(),
        gids: gids.to_vec(),
        ..Options::none()
    };
    let (plain, outcome) = import(door, &archive(entries.clone()), &Options::none());
    outcome.unwrap();
    assert_eq!(
        (owner(&plain, "root/g"), bundle(&plain)),
        ((7, 8, 0o4755), (7, 8, 0o644))
    );
    let (places, outcome) = import(
        door,
        &archive(entries.clone()),
        &ids(&[[0, 100_000, 10]], &[[0, 200_000, 8], [8, 50, 2]]),
    );
    outcome.unwrap();
    assert_eq!(
        (owner(&places, "root/g"), bundle(&places)),
        ((100_007, 50, 0o4755), (7, 8, 0o644))
    );
    let d = owner(&places, "root/d");
    assert_eq!(
        (d.0, d.1),
        (100_000, 200_000),
        "a directory that no member describes is root's"
    );
    let (places, outcome) = import(
        door,
        &archive(entries.clone()),
        &ids(&[[0, 100_000, 9]], &[]),
    );
    assert_errno(outcome, libc::EOVERFLOW);
    assert!(places.root.join("g").exists() && !places.root.join("d/e").exists());
    let (places, outcome) = import(
        door,
        &archive(entries.clone()),
        &Options::on(IGNORE_OWNERSHIP),
    );
    outcome.unwrap();
    assert_eq!(
        (owner(&places, "root/g"), bundle(&places)),
        ((0, 0, 0o755), (0, 0, 0o644))
    );
    let (places, outcome) = import(
        door,
        &archive(entries),
        &Options {
            set: vec![(IGNORE_OWNERSHIP, 1)],
            ..ids(&[[0, 1, 1]], &[])
        },
    );
    assert_errno(outcome, libc::EINVAL);
    assert_eq!(made(&places), [""; 0]);
}

fn a_digest_is_that_of_the_archive_and_can_be_demanded(_: &Test, door: &'static dyn Door) {
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        let bytes = compression.pack(&archive(checkpoint()));
        let sum = String::from_utf8(filter(&["sha256sum"], &bytes)).unwrap()[..64].to_owned();
        let demand = |digest: String| Options {
            expected: Some(digest),
            ..Options::none()
        };
        let wrong = demand(format!(
            "{}{}",
            &sum[..63],
            if sum.ends_with('0') { '1' } else { '0' }
        ));
        for (stream, look) in [(false, false), (false, true), (true, false), (true, true)] {
            let what = format!("{compression:?} {stream} {look}");
            for options in [
                Options::on(DIGEST),
                demand(sum.to_uppercase()),
                wrong.clone(),
            ] {
                let places = Places::with(&bytes);
                let (reader, _, writer) = Stream::Pipe.feed(&bytes);
                let mut session = if stream {
                    door.stream(&reader, &options)
                } else {
                    door.file(&places.input, &options)
                };
                drop(reader);
                if look {
                    session.metadata().unwrap();
                }
                places.ask(&mut *session);
                let before = places.all();
                let outcome = session.extract();
                if options.expected == wrong.expected {
                    let failure = outcome.unwrap_err();
                    assert_eq!(
                        (failure.errno, failure.kind),
                        (libc::EBADMSG, MALFORMED),
                        "{what}: {failure:?}"
                    );
                    assert!(failure.message.contains(&sum), "{what}: {failure:?}");
                    assert!(!places.bundle.parent().unwrap().exists(), "{what}");
                    assert!(
                        places.root.join("etc/gone").exists(),
                        "{what}: it is known before the deletions"
                    );
                    // Only a file can be read twice.
                    assert_eq!(places.all().paths() == before.paths(), !stream, "{what}");
                } else {
                    assert_eq!(outcome.unwrap(), Some(sum.clone()), "{what} {options:?}");
                    places.assert_restored(&what);
                }
                drop(session);
                writer.join().unwrap();
            }
        }
        let (_, outcome) = import(door, &bytes, &Options::none());
        assert_eq!(outcome.unwrap(), None, "nobody has asked");
    }
}
