//! What of the configuration is imported, and the runtime that it names.

use std::fs;
use std::path::Path;

use crate::import::{CONFIG, Import, runtime};
use crate::support::api::{MALFORMED, NOT_IN_ARCHIVE};
use crate::support::compressor::Compression;
use crate::support::process::{Test, Within};
use crate::support::stage::assert_errno;
use crate::support::tarball::{archive, char_device, dir, fifo, file, hardlink, symlink, unended};
use crate::support::tree::Snapshot;

api_tests! {
    config_only_takes_exactly_the_two_members,
    config_only_of_an_archive_without_them_is_no_error,
    reading_ends_once_everything_needed_is_there,
    a_config_that_is_no_regular_file_is_never_followed_or_waited_for,
    config_members_are_limited_to_16_mebibytes,
    the_runtime_is_what_the_config_says,
    a_key_is_found_whatever_its_case_and_the_last_one_wins,
    a_config_that_is_no_json_object_is_malformed,
    a_runtime_with_a_nul_is_malformed,
    a_deeply_nested_config_crashes_nothing,
    an_archive_without_config_names_no_runtime,
    a_damaged_archive_may_have_had_a_config,
    a_later_duplicate_of_the_config_is_not_seen,
    asking_for_the_runtime_writes_nothing
}

fn config_only_takes_exactly_the_two_members(t: &Test) {
    let import = Import::from([
        file("/config.dump", CONFIG),
        file("devshm-checkpoint.tar", "x"),
        file("pre-checkpoint/pages-1.img", "x"),
        file("sub/config.dump", "x"),
        file("config.dumpster", "x"),
        fifo("pipe"),
        symlink("l", "/etc"),
        char_device("c", 1, 3),
        file("./spec.dump", "{}").mode(0o600),
    ]);
    import
        .guarded(|| t.import_config_only(&import.bundle, &import.input))
        .unwrap();
    assert_eq!(import.tree().paths(), ["config.dump", "spec.dump"]);
    assert_eq!(
        fs::read_to_string(import.bundle.join("config.dump")).unwrap(),
        CONFIG
    );
}

fn config_only_of_an_archive_without_them_is_no_error(t: &Test) {
    let import = Import::from([file("ctr.log", "x")]);
    t.import_config_only(&import.bundle, &import.input).unwrap();
    assert_eq!(import.tree().paths(), Vec::<String>::new());
}

fn reading_ends_once_everything_needed_is_there(t: &Test) {
    for compression in [Compression::None, Compression::Gzip] {
        let good = unended([file("config.dump", CONFIG), file("spec.dump", "{}")]);
        let bytes = [good, vec![0xff; 1 << 20]].concat();
        let import = Import::of(&compression.pack(&bytes));
        assert_eq!(t.runtime_from_archive(&import.input).unwrap(), "crun");
        t.import_config_only(&import.bundle, &import.input).unwrap();
        assert_eq!(import.tree().paths(), ["config.dump", "spec.dump"]);
    }
    let import = Import::of(&[unended([file("config.dump", CONFIG)]), vec![0xff; 512]].concat());
    assert_errno(
        t.import_config_only(&import.bundle, &import.input),
        libc::EBADMSG,
    );
}

fn a_config_that_is_no_regular_file_is_never_followed_or_waited_for(t: &Test) {
    let secret = r#"{"runtime":"secret"}"#;
    for entry in [
        symlink("config.dump", "../secret"),
        fifo("config.dump"),
        char_device("config.dump", 1, 5),
        dir("config.dump"),
        hardlink("config.dump", "../secret"),
    ] {
        let import = Import::from([entry.clone()]);
        fs::write(import.sandbox.path().join("secret"), secret).unwrap();
        fs::write(import.bundle.join("secret"), secret).unwrap();
        let failure = import
            .guarded(|| t.runtime_from_archive(&import.input))
            .unwrap_err();
        assert!(
            !failure.message.contains("runtime\""),
            "{}",
            failure.message
        );
        let _ = import.guarded(|| t.import_config_only(&import.bundle, &import.input));
        assert_eq!(import.tree().paths(), ["secret"], "{entry:?}");
    }
}

fn config_members_are_limited_to_16_mebibytes(t: &Test) {
    for name in ["config.dump", "spec.dump"] {
        let large = vec![b' '; (16 << 20) + 1];
        let import = Import::of(&Compression::Zstd.pack(&archive([file(name, &large)])));
        assert_errno(
            t.import_config_only(&import.bundle, &import.input),
            libc::E2BIG,
        );
    }
    let import = Import::of(
        &Compression::Zstd.pack(&archive([file("config.dump", vec![b' '; (16 << 20) + 1])])),
    );
    assert_errno(t.runtime_from_archive(&import.input), libc::E2BIG);
    let import = Import::of(&archive([file(
        "config.dump",
        [CONFIG.as_bytes(), &vec![b' '; (16 << 20) - CONFIG.len()]].concat(),
    )]));
    assert_eq!(t.runtime_from_archive(&import.input).unwrap(), "crun");
}

fn the_runtime_is_what_the_config_says(t: &Test) {
    assert_eq!(runtime(t, CONFIG).as_deref(), Ok("crun"));
    assert_eq!(
        runtime(t, r#"{"runtime":"\/usr\/bin\/r\u00e9"}"#).as_deref(),
        Ok("/usr/bin/r\u{e9}")
    );
    assert_eq!(
        runtime(t, r#"{"x":{"runtime":"no"},"runtim\u0065":"yes"}"#).as_deref(),
        Ok("yes")
    );
    for content in [
        "{}",
        r#"{"runtime":null}"#,
        r#"{"runtime":""}"#,
        "{\"spec\":{}}\n",
    ] {
        assert_eq!(runtime(t, content).as_deref(), Ok(""), "{content}");
    }
}

fn a_key_is_found_whatever_its_case_and_the_last_one_wins(t: &Test) {
    assert_eq!(runtime(t, r#"{"Runtime":"runc"}"#).as_deref(), Ok("runc"));
    assert_eq!(
        runtime(t, r#"{"runtime":"runc","RUNTIME":"crun"}"#).as_deref(),
        Ok("crun")
    );
}

fn a_config_that_is_no_json_object_is_malformed(t: &Test) {
    for content in [
        "",
        "x",
        "[]x",
        r#"{"runtime":5}"#,
        r#"{"runtime":{}}"#,
        r#"{"runtime":"x"} x"#,
        "\u{feff}{}",
        "{\"a\":\"\n\"}",
    ] {
        assert_eq!(runtime(t, content), Err(libc::EBADMSG), "{content}");
    }
    let import = Import::from([file("config.dump", "x")]);
    assert_eq!(
        t.runtime_from_archive(&import.input).unwrap_err().kind,
        MALFORMED
    );
}

fn a_runtime_with_a_nul_is_malformed(t: &Test) {
    for content in [
        r#"{"runtime":"a\u0000b"}"#,
        r#"{"runtime":"\u0000"}"#,
        r#"{"runtime":"runc\u0000"}"#,
    ] {
        assert_eq!(runtime(t, content), Err(libc::EBADMSG), "{content}");
    }
}

fn a_deeply_nested_config_crashes_nothing(t: &Test) {
    let nested = |depth: usize| {
        format!(
            r#"{{"a":{}{},"runtime":"x"}}"#,
            "[".repeat(depth),
            "]".repeat(depth)
        )
    };
    assert_eq!(runtime(t, &nested(5000)).as_deref(), Ok("x"));
    let _ = runtime(t, &nested(1_000_000));
    let _ = runtime(t, &"{\"runtime\":".repeat(1_000_000));
}

fn an_archive_without_config_names_no_runtime(t: &Test) {
    let import = Import::from([file("spec.dump", "{}"), file("sub/config.dump", CONFIG)]);
    let failure = t.runtime_from_archive(&import.input).unwrap_err();
    assert_eq!(
        (failure.errno, failure.kind),
        (libc::ENODATA, NOT_IN_ARCHIVE)
    );
    let import = Import::of(b"");
    assert_errno(t.runtime_from_archive(&import.input), libc::ENODATA);
}

fn a_damaged_archive_may_have_had_a_config(t: &Test) {
    let whole = archive([
        file("spec.dump", "{}"),
        file("checkpoint/x", vec![b'x'; 3000]),
    ]);
    let mut damaged = vec![
        whole[..2000].to_vec(),
        [whole.clone(), vec![b'x'; 512]].concat()[..1024 + 700].to_vec(),
    ];
    for compression in Compression::REAL {
        let packed = compression.pack(&whole);
        damaged.push(packed[..packed.len() - 1].to_vec());
    }
    let mut gzip = Compression::Gzip.pack(&whole);
    // The first byte of the checksum, long after the archive's own end.
    let at = gzip.len() - 8;
    gzip[at] ^= 1;
    damaged.push(gzip);
    for (number, bytes) in damaged.iter().enumerate() {
        let import = Import::of(bytes);
        let failure = t
            .runtime_from_archive(&import.input)
            .expect_err(&number.to_string());
        assert_eq!(
            (failure.errno, failure.kind),
            (libc::EBADMSG, MALFORMED),
            "{number}: {failure:?}"
        );
    }
    assert_errno(
        t.runtime_from_archive(&Import::of(&whole).input),
        libc::ENODATA,
    );
}

fn a_later_duplicate_of_the_config_is_not_seen(t: &Test) {
    let import = Import::from([
        file("config.dump", CONFIG),
        file("spec.dump", "1"),
        file("config.dump", "{}"),
        file("spec.dump", "2"),
    ]);
    assert_eq!(t.runtime_from_archive(&import.input).unwrap(), "crun");
    t.import_config_only(&import.bundle, &import.input).unwrap();
    assert_eq!(
        fs::read_to_string(import.bundle.join("spec.dump")).unwrap(),
        "1"
    );
}

fn asking_for_the_runtime_writes_nothing(t: &Test) {
    let import = Import::from([file("config.dump", CONFIG), file("checkpoint/x", "x")]);
    let work = import.sandbox.dir("tmp");
    let line = format!(
        "TMPDIR={} CRUTILS_TEST_INPUT={}",
        work.display(),
        import.input.display()
    );
    t.within(Within::Environment(line.leak()), || {
        let input = std::env::var_os("CRUTILS_TEST_INPUT").unwrap();
        assert_eq!(t.runtime_from_archive(Path::new(&input)).unwrap(), "crun");
    });
    // The inner run made its own sandbox in there and took it away again.
    assert_eq!(Snapshot::of(&work).paths(), Vec::<String>::new());
    import
        .guarded(|| t.runtime_from_archive(&import.input))
        .unwrap();
    assert_eq!(import.tree().paths(), Vec::<String>::new());
}
