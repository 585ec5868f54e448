//! However many threads compare two directories, the result is that of one.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::fs;
use std::hash::{BuildHasher as _, RandomState};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{Mode, mkdirat};

use super::*;
use crate::Kind;
use crate::fs::Place;
use crate::fs::testing::{Random, Scratch};

/// How many threads help: none, as many as there are cores here, and more.
const HELPERS: [usize; 4] = [0, 1, 3, 9];

/// Two directories, removed with their content.
struct Two(Scratch);

impl Two {
    fn new() -> Self {
        let scratch = Scratch::new();
        fs::create_dir(scratch.join("old")).unwrap();
        Self(scratch)
    }

    fn old(&self) -> PathBuf {
        self.0.join("old")
    }

    fn new_tree(&self) -> PathBuf {
        self.0.join("new")
    }

    fn copy(&self) {
        let mut cp = Command::new("cp");
        let copied = cp.arg("-a").args([self.old(), self.new_tree()]).status();
        assert!(copied.unwrap().success());
    }

    fn compare(&self, helpers: usize, options: &Options) -> Result<Vec<Change>> {
        self.watched(helpers, options, &Watch::new())
    }

    fn watched(&self, helpers: usize, options: &Options, watch: &Watch) -> Result<Vec<Change>> {
        let (new, old) = (self.new_tree(), self.old());
        directories_with(
            helpers,
            new.as_path().into(),
            Some(old.as_path().into()),
            options,
            watch,
        )
    }
}

/// The directories of a tree of some thousand files, among them one with many names, and one far down.
fn make(root: &Path, random: &mut Random) -> Vec<PathBuf> {
    let mut directories = vec![PathBuf::from("many"), PathBuf::from("d/".repeat(40))];
    for number in 0..60 {
        let above = match directories.get(random.below(2 * directories.len())) {
            Some(above) if above != Path::new("many") => above.clone(),
            _ => PathBuf::new(),
        };
        directories.push(above.join(format!("d{number}")));
    }
    for directory in &directories {
        fs::create_dir_all(root.join(directory)).unwrap();
        let files = match directory.to_str() {
            Some("many") => 2000,
            _ => random.below(90),
        };
        for file in 0..files {
            fs::write(root.join(directory).join(format!("f{file:04}")), "content").unwrap();
        }
        symlink("f0000", root.join(directory).join("link")).unwrap();
    }
    directories
}

/// Changes some of it, and tells which paths are to be listed, without those on the way.
fn change(
    root: &Path,
    directories: &[PathBuf],
    random: &mut Random,
) -> BTreeMap<PathBuf, ChangeKind> {
    let mut expected = BTreeMap::new();
    for directory in directories {
        for file in 0..random.below(4) {
            let name = directory.join(format!("f{:04}", file * 7 + random.below(7)));
            let path = root.join(&name);
            let there = path.exists();
            let kind = match random.below(4) {
                0 if there => {
                    fs::remove_file(&path).unwrap();
                    ChangeKind::Delete
                }
                1 if there => {
                    fs::remove_file(&path).unwrap();
                    fs::create_dir(&path).unwrap();
                    fs::write(path.join("in"), "").unwrap();
                    expected.insert(name.join("in"), ChangeKind::Add);
                    ChangeKind::Modify
                }
                _ => {
                    fs::write(&path, "other content").unwrap();
                    if there {
                        ChangeKind::Modify
                    } else {
                        ChangeKind::Add
                    }
                }
            };
            expected.insert(name, kind);
        }
        if random.below(5) == 0 {
            let link = root.join(directory).join("link");
            fs::remove_file(&link).unwrap();
            symlink("f0001", link).unwrap();
            expected.insert(directory.join("link"), ChangeKind::Modify);
        }
        if random.below(9) == 0 {
            let path = directory.join("made");
            for number in 0..random.below(700) {
                let file = path.join(format!("{number}/n"));
                fs::create_dir_all(root.join(&path).join(number.to_string())).unwrap();
                fs::write(root.join(&file), "").unwrap();
                for path in file.ancestors().take(3) {
                    expected.insert(path.to_owned(), ChangeKind::Add);
                }
            }
        }
    }
    expected
}

/// The same with the directories above each path, which changed with it.
fn with_ancestors(expected: &BTreeMap<PathBuf, ChangeKind>) -> BTreeMap<PathBuf, ChangeKind> {
    let mut all = expected.clone();
    for path in expected.keys() {
        for above in path.ancestors().skip(1) {
            if above != Path::new("") {
                all.entry(above.to_owned()).or_insert(ChangeKind::Modify);
            }
        }
    }
    all
}

fn seed() -> u64 {
    let given = std::env::var("CRUTILS_SEED").ok();
    let given = given.and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| RandomState::new().hash_one("changes") | 1);
    println!("CRUTILS_SEED={seed}");
    seed
}

#[test]
fn any_number_of_threads_finds_what_was_changed_in_a_random_tree() {
    let mut random = Random::new(seed());
    let two = Two::new();
    let directories = make(&two.old(), &mut random);
    two.copy();
    assert_eq!(two.compare(3, &Options::default()).unwrap(), []);
    let expected = change(&two.new_tree(), &directories, &mut random);
    let expected: Vec<(PathBuf, ChangeKind)> = {
        let mut all: Vec<_> = with_ancestors(&expected).into_iter().collect();
        all.sort_by(|(a, _), (b, _)| {
            let (a, b) = (a.as_os_str().as_bytes(), b.as_os_str().as_bytes());
            a.cmp(b)
        });
        all
    };
    for helpers in HELPERS {
        let found = two.compare(helpers, &Options::default()).unwrap();
        let found: Vec<(PathBuf, ChangeKind)> = found
            .into_iter()
            .map(|change| {
                let path = Path::new(&change.path).strip_prefix("/").unwrap();
                (path.to_owned(), change.kind)
            })
            .collect();
        for (own, other) in found.iter().zip(&expected) {
            assert_eq!(own, other, "{helpers} helpers");
        }
        assert_eq!(found.len(), expected.len(), "{helpers} helpers");
    }
}

#[test]
fn any_number_of_threads_treats_links_and_exclusions_as_one_does() {
    let mut random = Random::new(seed());
    let two = Two::new();
    let directories = make(&two.old(), &mut random);
    for directory in &directories {
        let directory = two.old().join(directory);
        let linked = directory.join("f0000");
        if linked.exists() {
            let other = &directories[random.below(directories.len())];
            let name = format!("linked{}", random.below(1 << 30));
            fs::hard_link(linked, two.old().join(other).join(name)).unwrap();
        }
    }
    two.copy();
    change(&two.new_tree(), &directories, &mut random);
    let mut options = Options {
        compare_content: true,
        exact_times: true,
        ..Options::default()
    };
    for (number, directory) in directories.iter().enumerate() {
        let path = Path::new("/").join(directory);
        match number % 5 {
            0 => options.exclude.exact(path.join("f0003")).unwrap(),
            1 => options.exclude.subtree(path.join("made")).unwrap(),
            _ => {}
        }
    }
    let alone = two.compare(0, &options).unwrap();
    assert!(alone.len() > 50, "{}", alone.len());
    for helpers in HELPERS {
        assert_eq!(two.compare(helpers, &options).unwrap(), alone, "{helpers}");
    }
}

/// Makes directories one in another, as far as a path below the root may go, and one further.
fn make_too_deep(root: &Path, name: &str) {
    let mut at = Place::from(root).open_directory_ambient("root").unwrap();
    for component in [name].into_iter().chain(["n"; 17]) {
        let component = component.repeat(250 / component.len());
        mkdirat(&at, component.as_str(), Mode::S_IRWXU).unwrap();
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY;
        at = openat(&at, component.as_str(), flags, Mode::empty()).unwrap();
    }
}

#[test]
fn the_error_is_the_first_that_one_thread_would_meet() {
    let mut random = Random::new(seed());
    let two = Two::new();
    make(&two.old(), &mut random);
    two.copy();
    for name in ["aa", "mm", "zz"] {
        make_too_deep(&two.new_tree(), name);
    }
    let mut found: Vec<_> = HELPERS
        .map(|helpers| {
            let error = two.compare(helpers, &Options::default()).unwrap_err();
            assert_eq!(error.kind(), Kind::Limit, "{error}");
            (error.to_string(), error.entry().map(<[u8]>::to_vec))
        })
        .to_vec();
    let last = found[0].1.clone().unwrap();
    assert!(
        last.starts_with(b"zz"),
        "directories are taken from the end"
    );
    found.dedup();
    assert_eq!(found.len(), 1, "{found:?}");
}

#[test]
fn a_cancellation_ends_the_work_of_all_threads() {
    let mut random = Random::new(seed());
    let two = Two::new();
    make(&two.old(), &mut random);
    two.copy();
    for helpers in HELPERS {
        let watch = Watch::new();
        let other = watch.clone();
        watch.on_progress(move |_| other.cancel());
        let error = two.watched(helpers, &Options::default(), &watch);
        assert_eq!(error.unwrap_err().kind(), Kind::Cancelled, "{helpers}");
    }
}
