//! Archives and moments that an import session and an export have to hold out against.

use std::fs;
use std::io::Write;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::thread;

use crutils::Kind;
use crutils::checkpoint::{
    Compression as ExportCompression, Engine, Export, ExportOptions, Import, ImportOptions,
    Imported, Limit, Sha256Digest,
};
use crutils::watch::{Phase, Watch};

use crate::support::compressor::{Compression, filter};
use crate::support::os;
use crate::support::sandbox::Sandbox;
use crate::support::tarball::{Entry, archive, dir, file};
use crate::support::tree::Snapshot;

/// A place with an archive, directories to extract it into, and room for a bundle.
struct Place(Sandbox);

impl Place {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        sandbox.dir("root");
        Self(sandbox)
    }

    fn join(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn bundle(&self) -> PathBuf {
        self.join("bundle")
    }

    fn root(&self) -> PathBuf {
        self.join("root")
    }

    fn open(&self, bytes: &[u8], options: &ImportOptions) -> Import {
        let path = self.join("input");
        fs::write(&path, bytes).unwrap();
        Import::open(&path, options, &Watch::new()).unwrap()
    }
}

/// An archive with these members beside the configuration.
fn checkpoint(entries: impl IntoIterator<Item = Entry>) -> Vec<u8> {
    let documents = [
        file("config.dump", r#"{"id":"1"}"#),
        file("spec.dump", "{}"),
    ];
    archive(documents.into_iter().chain(entries))
}

/// The digest, as another program computes it.
fn sha256(bytes: &[u8]) -> Sha256Digest {
    let text = filter(&["sha256sum"], bytes);
    std::str::from_utf8(&text[..64]).unwrap().parse().unwrap()
}

/// Has an import read from a pipe that delivers a few bytes at a time.
fn piped<T>(bytes: &[u8], options: &ImportOptions, work: impl FnOnce(&mut Import) -> T) -> T {
    let (reader, mut writer) = std::io::pipe().unwrap();
    thread::scope(|scope| {
        scope.spawn(move || {
            // An import that fails stops reading.
            bytes
                .chunks(97)
                .all(|chunk| writer.write_all(chunk).is_ok())
        });
        let import = Import::open(reader.as_fd(), options, &Watch::new());
        drop(reader);
        work(&mut import.unwrap())
    })
}

#[test]
fn a_file_that_is_written_to_after_it_was_verified_fails_the_import() {
    let place = Place::new();
    let archive = place.join("archive");
    let bytes = checkpoint([file("ctr.log", "x")]);
    for bytes in [Compression::Gzip.pack(&bytes), bytes] {
        fs::write(&archive, &bytes).unwrap();
        os::set_times(&archive, (1, 0), (1, 0)).unwrap();
        let mut options = ImportOptions::new();
        options.expected_digest(sha256(&bytes));
        let (watch, written, last) = (Watch::new(), archive.clone(), bytes.clone());
        watch.on_progress(move |progress| {
            if progress.phase == Phase::Extracting {
                fs::write(&written, &last).unwrap();
            }
        });
        let mut import = Import::open(&archive, &options, &watch).unwrap();
        import.to_bundle(&place.bundle()).unwrap();
        let error = import.extract().unwrap_err();
        assert_eq!(error.kind(), Kind::Malformed, "{error}");
        assert!(error.to_string().contains("was written to"), "{error}");
        assert!(!place.bundle().exists());
    }
}

#[test]
fn a_pipe_that_was_looked_at_is_still_verified() {
    let bytes = checkpoint([file("ctr.log", "x")]);
    for bytes in [Compression::Zstd.pack(&bytes), bytes] {
        let run = |look: fn(&mut Import), expected| -> (crutils::Result<Imported>, bool) {
            let place = Place::new();
            let mut options = ImportOptions::new();
            options.expected_digest(expected);
            let result = piped(&bytes, &options, |import| {
                look(import);
                import.to_bundle(&place.bundle()).unwrap();
                import.extract()
            });
            (result, place.bundle().exists())
        };
        let looks: [fn(&mut Import); 3] = [
            |_| {},
            |import| assert_eq!(import.metadata().unwrap().id(), Some("1")),
            |import| assert_eq!(import.members().unwrap().len(), 3),
        ];
        for look in looks {
            let (result, made) = run(look, Sha256Digest([7; 32]));
            let error = result.unwrap_err();
            assert_eq!((error.kind(), made), (Kind::Malformed, false), "{error}");
            let (result, made) = run(look, sha256(&bytes));
            assert_eq!((result.unwrap().sha256, made), (Some(sha256(&bytes)), true));
        }
    }
}

#[test]
fn an_archive_that_was_extracted_can_be_looked_at_again() {
    let bytes = checkpoint([file("ctr.log", "x")]);
    for bytes in [Compression::Zstd.pack(&bytes), bytes] {
        let place = Place::new();
        let mut import = place.open(&bytes, &ImportOptions::new());
        import.metadata().unwrap();
        import.to_bundle(&place.bundle()).unwrap();
        for _ in 0..2 {
            import.extract().unwrap();
            assert_eq!(import.metadata().unwrap().id(), Some("1"));
            let names: Vec<_> = import
                .members()
                .unwrap()
                .iter()
                .map(|own| own.name.clone())
                .collect();
            assert_eq!(names, ["config.dump", "spec.dump", "ctr.log"]);
        }
    }
}

#[test]
fn names_below_others_and_names_with_a_place_of_their_own_are_found() {
    let place = Place::new();
    let diff = archive([file("a", "x")]);
    let bytes = checkpoint([
        file("checkpoint/inventory.img", "x"),
        file("checkpointed", "x"),
        file("rootfs-diff.tar", diff),
    ]);
    let mut import = place.open(&bytes, &ImportOptions::new());
    import.to_root(&place.root()).unwrap();
    let names = ["checkpoint", "checkpoint/inventory.img", "rootfs-diff.tar"];
    import.to_bundle_only(&place.bundle(), &names).unwrap();
    import.extract().unwrap();
    assert!(place.root().join("a").exists());
    assert_eq!(
        Snapshot::of(&place.bundle()).paths(),
        ["checkpoint", "checkpoint/inventory.img"]
    );
    // One of several that isn't there is still missed.
    let mut import = place.open(&bytes, &ImportOptions::new());
    import
        .to_bundle_only(&place.bundle(), &["checkpoint", "checkpoint/pages-1.img"])
        .unwrap();
    assert_eq!(import.extract().unwrap_err().errno(), libc::ENODATA);
}

#[test]
fn strict_names_hold_for_what_is_applied_too() {
    let diff = archive([file("a", "x")]);
    for name in [
        "/rootfs-diff.tar",
        "volumes/../rootfs-diff.tar",
        "../rootfs-diff.tar",
    ] {
        for strict in [false, true] {
            let place = Place::new();
            let mut options = ImportOptions::new();
            options.strict_names(strict);
            let mut import = place.open(&checkpoint([file(name, &diff)]), &options);
            import.to_root(&place.root()).unwrap();
            let errno = import.extract().map(|_| ()).map_err(|error| error.errno());
            assert_eq!(
                errno,
                if strict { Err(libc::EXDEV) } else { Ok(()) },
                "{name}"
            );
            assert_eq!(place.root().join("a").exists(), !strict, "{name}");
        }
    }
}

#[test]
fn members_beyond_the_limit_are_not_applied() {
    let bytes = checkpoint([file("rootfs-diff.tar", archive([dir("a")]))]);
    for (limit, errno) in [(2, Err(libc::E2BIG)), (3, Err(libc::E2BIG)), (4, Ok(()))] {
        let place = Place::new();
        let mut options = ImportOptions::new();
        options.limit(Limit::Members, limit);
        let mut import = place.open(&bytes, &options);
        import.to_root(&place.root()).unwrap();
        let result = import.extract().map(|_| ()).map_err(|error| error.errno());
        assert_eq!(result, errno, "{limit}");
        assert_eq!(place.root().join("a").exists(), errno.is_ok(), "{limit}");
    }
}

#[test]
fn compressions_one_in_another_do_not_multiply_the_ratio() {
    let zeros = vec![0; 16 << 20];
    let inner = Compression::Gzip.pack(&archive([file("a", &zeros)]));
    let bytes = Compression::Zstd.pack(&checkpoint([file("rootfs-diff.tar", &inner)]));
    // Gzip makes a thousandth of zeros, of which zstd makes a few bytes.
    assert!(bytes.len() * 4000 < zeros.len(), "{}", bytes.len());
    for (ratio, errno) in [(2000, Err(libc::E2BIG)), (1_000_000, Ok(()))] {
        let place = Place::new();
        let mut options = ImportOptions::new();
        options.limit(Limit::Ratio, ratio);
        let mut import = place.open(&bytes, &options);
        import.to_root(&place.root()).unwrap();
        let result = import.extract().map(|_| ()).map_err(|error| error.errno());
        assert_eq!(result, errno, "{ratio}");
    }
}

#[test]
fn a_failed_import_removes_what_it_has_made_and_nothing_of_others() {
    let place = Place::new();
    let bad = place.join("bad");
    fs::write(&bad, archive([file("a", "x"), file("config.json", "{}")])).unwrap();
    let import = |bundle: &str| {
        let mut import = Import::open(&bad, &ImportOptions::new(), &Watch::new()).unwrap();
        import.to_bundle(&place.join(bundle)).unwrap();
        (import.extract().unwrap_err(), place.join(bundle))
    };
    let (error, _) = import("made/one/two");
    assert_eq!(error.errno(), 1, "{error}");
    assert!(!place.join("made").exists());
    // Somebody else has begun to use the directories on the way.
    fs::create_dir_all(place.join("used/by")).unwrap();
    fs::write(place.join("used/by/others"), "kept").unwrap();
    let (_, bundle) = import("used/by/this/import");
    assert!(!bundle.exists());
    assert!(!place.join("used/by/this").exists());
    assert_eq!(fs::read(place.join("used/by/others")).unwrap(), b"kept");
}

/// A bundle that podman would export.
fn bundle(place: &Place) -> PathBuf {
    let bundle = place.bundle();
    fs::create_dir_all(bundle.join("checkpoint")).unwrap();
    for name in ["config.dump", "spec.dump", "network.status"] {
        fs::write(bundle.join(name), "{}").unwrap();
    }
    for name in ["inventory.img", "pages-1.img", "pages-2.img"] {
        fs::write(bundle.join("checkpoint").join(name), vec![7; 300_000]).unwrap();
    }
    bundle
}

#[test]
fn an_archive_is_not_written_over_a_file_that_goes_into_it() {
    let place = Place::new();
    let bundle = bundle(&place);
    let volume = place.join("volume");
    fs::create_dir(&volume).unwrap();
    fs::write(volume.join("data"), "precious").unwrap();
    let mut export = Export::new();
    export.add_bundle(&bundle, Engine::Podman).unwrap();
    export.add_directory_tar("volumes/v.tar", &volume).unwrap();
    let options = ExportOptions::new()
        .compression(ExportCompression::None)
        .clone();
    for victim in [bundle.join("checkpoint/pages-1.img"), volume.join("data")] {
        let before = fs::read(&victim).unwrap();
        let output = fs::File::options().write(true).open(&victim).unwrap();
        let refused = export.write(output.as_fd(), &options, &Watch::new());
        let error = refused.unwrap_err();
        assert_eq!(
            (error.kind(), error.errno()),
            (Kind::Argument, 22),
            "{error}"
        );
        assert!(fs::read(&victim).unwrap() == before, "{victim:?}");
    }
}

#[test]
fn a_file_of_the_memory_that_vanishes_on_the_way_fails_the_export() {
    let place = Place::new();
    let bundle = bundle(&place);
    let mut export = Export::new();
    export.add_bundle(&bundle, Engine::Podman).unwrap();
    let watch = Watch::new();
    let victim = bundle.join("checkpoint/pages-2.img");
    watch.on_progress(move |progress| {
        if progress.phase == Phase::Writing {
            // The first report comes with the first data, which other members have.
            let _ = fs::remove_file(&victim);
        }
    });
    let archive = place.join("archive");
    let options = ExportOptions::new()
        .compression(ExportCompression::None)
        .clone();
    let error = export.write(&archive, &options, &watch).unwrap_err();
    assert_eq!(error.errno(), 116, "{error}");
    assert!(!archive.exists());
}
