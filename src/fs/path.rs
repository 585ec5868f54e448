//! Paths below a root directory.

#![forbid(unsafe_code)]

use std::cmp::Ordering;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use thiserror::Error as ThisError;

use super::Name;
use crate::error::{self, Kind, quote};

/// How long a path may be, without its terminator (Linux's PATH_MAX less one).
pub(crate) const MAX_PATH: usize = 4095;

/// How many bytes of two paths are compared at once.
const PIECE: usize = 64;

/// A path below a root: cleaned and clamped, without `.`, `..` or empty components, without a leading slash.
///
/// Cleaning is lexical, as in archives: `a/../b` is `b` whatever `a` is, and a `..` that would climb out of the root
/// vanishes. Symlinks play no part until the path is resolved below a [`super::Root`].
///
/// Paths are ordered component by component: a directory comes right before everything below it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RootPath(Vec<u8>);

/// Why bytes are no path below a root.
#[derive(Debug, ThisError)]
pub(crate) enum BadPath {
    /// A NUL would cut the path short for the kernel, so that another object is meant than the one that was checked.
    #[error("path {} holds a NUL", quote(.0))]
    Nul(Vec<u8>),
    /// The kernel refuses longer paths; unlimited ones would exhaust memory.
    #[error("path of {0} bytes is longer than {MAX_PATH}")]
    TooLong(usize),
}

impl error::Refusal for BadPath {
    fn kind(&self) -> Kind {
        match self {
            Self::Nul(_) => Kind::Malformed,
            Self::TooLong(_) => Kind::Limit,
        }
    }
}

impl RootPath {
    /// Cleans and clamps `bytes`; what names the root itself gives the empty path.
    pub(crate) fn clean(bytes: &[u8]) -> Result<Self, BadPath> {
        if bytes.contains(&0) {
            return Err(BadPath::Nul(bytes.to_vec()));
        }
        let is_name = |part: &[u8]| !matches!(part, b"" | b"." | b"..");
        let path = if bytes.split(|&byte| byte == b'/').all(is_name) {
            bytes.to_vec()
        } else {
            cleaned(bytes)
        };
        if path.len() > MAX_PATH {
            return Err(BadPath::TooLong(path.len()));
        }
        Ok(Self(path))
    }

    /// The root itself.
    pub(crate) fn root() -> Self {
        Self(Vec::new())
    }

    /// Whether this is the root itself.
    pub(crate) fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn as_os_str(&self) -> &OsStr {
        OsStr::from_bytes(&self.0)
    }

    /// The names from the root down; of the root itself none.
    pub(crate) fn components(&self) -> impl Iterator<Item = &[u8]> {
        self.0
            .split(|&byte| byte == b'/')
            .filter(|component| !component.is_empty())
    }

    /// Whether this is `directory` or below it.
    pub(crate) fn is_within(&self, directory: &RootPath) -> bool {
        is_path_within(&self.0, &directory.0)
    }

    /// The directory that holds the object, and its name there; of the root itself nothing.
    pub(crate) fn split(&self) -> Option<(RootPath, Name)> {
        let (parent, name) = match self.0.iter().rposition(|&byte| byte == b'/') {
            Some(slash) => (&self.0[..slash], &self.0[slash + 1..]),
            None => (&[][..], &self.0[..]),
        };
        Some((RootPath(parent.to_vec()), Name::new(name)?))
    }

    /// The path of the object `name` in this directory.
    pub(crate) fn join(&self, name: &Name) -> Result<Self, BadPath> {
        let mut path = self.0.clone();
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(name.bytes());
        if path.len() > MAX_PATH {
            Err(BadPath::TooLong(path.len()))
        } else {
            Ok(Self(path))
        }
    }

    /// The path of what is at `path` below this directory.
    pub(crate) fn below(&self, path: &RootPath) -> Result<Self, BadPath> {
        let both = [self.as_bytes(), path.as_bytes()];
        Self::clean(&both.join(&b'/'))
    }

    /// The directories above, from the one just below the root down to the path itself, which comes last.
    pub(crate) fn steps_down(&self) -> impl Iterator<Item = RootPath> + '_ {
        let ends = self
            .0
            .iter()
            .enumerate()
            .filter(|&(_, &byte)| byte == b'/')
            .map(|(at, _)| at);
        let whole = (!self.is_root()).then_some(self.0.len());
        ends.chain(whole)
            .map(|end| RootPath(self.0[..end].to_vec()))
    }

    /// For messages: the path between quotation marks, escaped; the root itself is `"/"`.
    pub(crate) fn quoted(&self) -> String {
        if self.is_root() {
            quote(b"/")
        } else {
            quote(&self.0)
        }
    }
}

fn cleaned(bytes: &[u8]) -> Vec<u8> {
    let mut kept: Vec<&[u8]> = Vec::new();
    for component in bytes.split(|&byte| byte == b'/') {
        match component {
            b"" | b"." => {}
            b".." => drop(kept.pop()),
            name => kept.push(name),
        }
    }
    kept.join(&b'/')
}

impl Ord for RootPath {
    fn cmp(&self, other: &Self) -> Ordering {
        compare_paths(&self.0, &other.0)
    }
}

/// The order of two cleaned paths, which is that of [`RootPath`].
pub(crate) fn compare_paths(own: &[u8], others: &[u8]) -> Ordering {
    // Sets hold many paths of thousands of bytes that differ at their ends: what is equal is passed over in pieces.
    let pieces = own.chunks(PIECE).zip(others.chunks(PIECE));
    let equal = pieces.take_while(|(own, others)| own == others).count() * PIECE;
    let [own, others] = [own, others].map(|path| path.get(equal..).unwrap_or_default());
    // No name holds a byte as low as the one that stands for the slash here.
    let rank = |&byte: &u8| if byte == b'/' { 0 } else { byte };
    own.iter().map(rank).cmp(others.iter().map(rank))
}

/// Whether a cleaned path is `directory`, a cleaned path too, or below it.
pub(crate) fn is_path_within(path: &[u8], directory: &[u8]) -> bool {
    match path.strip_prefix(directory) {
        Some(rest) => directory.is_empty() || matches!(rest.first(), None | Some(b'/')),
        None => false,
    }
}

impl PartialOrd for RootPath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Whether cleaning `bytes` lexically gives `.`, that is, whether they name the directory the path starts from
/// (`.`, `./`, `a/..`, nothing at all) without being absolute or climbing above it.
pub(crate) fn names_start(bytes: &[u8]) -> bool {
    if bytes.first() == Some(&b'/') {
        return false;
    }
    let mut depth = 0_usize;
    for component in bytes.split(|&byte| byte == b'/') {
        match component {
            b"" | b"." => {}
            b".." if depth == 0 => return false,
            b".." => depth -= 1,
            _ => depth += 1,
        }
    }
    depth == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clean(bytes: &[u8]) -> Vec<u8> {
        RootPath::clean(bytes).unwrap().0
    }

    #[test]
    fn paths_are_cleaned_and_clamped_at_the_root() {
        for (given, cleaned) in [
            (&b"a//b/./c/"[..], &b"a/b/c"[..]),
            (b"/x", b"x"),
            (b"../x", b"x"),
            (b"x/../../y", b"y"),
            (b"..a/...", b"..a/..."),
            (b"/..", b""),
            (b"", b""),
        ] {
            assert_eq!(clean(given), cleaned, "{}", quote(given));
        }
    }

    #[test]
    fn only_relative_paths_that_come_back_name_the_start() {
        for name in [&b""[..], b".", b"./", b"a/..", b"a/b/../.."] {
            assert!(names_start(name), "{}", quote(name));
        }
        for name in [&b"/"[..], b"..", b"../", b"/..", b"a/../..", b"../a/.."] {
            assert!(!names_start(name), "{}", quote(name));
        }
    }

    #[test]
    fn a_path_splits_into_its_directory_and_its_name() {
        let (parent, name) = RootPath::clean(b"a/b/c").unwrap().split().unwrap();
        assert_eq!((parent.as_bytes(), name.bytes()), (&b"a/b"[..], &b"c"[..]));
        let (parent, name) = RootPath::clean(b"a").unwrap().split().unwrap();
        assert!(parent.is_root());
        assert_eq!(name.bytes(), b"a");
        assert!(RootPath::clean(b"/").unwrap().split().is_none());
    }

    #[test]
    fn the_way_down_ends_with_the_path_itself() {
        let path = RootPath::clean(b"a/bc/d").unwrap();
        let way: Vec<Vec<u8>> = path.steps_down().map(|path| path.0).collect();
        assert_eq!(way, [&b"a"[..], b"a/bc", b"a/bc/d"]);
        assert_eq!(RootPath::clean(b"/").unwrap().steps_down().count(), 0);
    }

    #[test]
    fn a_directory_comes_right_before_everything_below_it() {
        let mut paths =
            ["a-b", "a/b", "a", "a/b/c", "A"].map(|path| RootPath::clean(path.as_bytes()).unwrap());
        paths.sort();
        assert_eq!(
            paths.map(|path| path.0),
            ["A", "a", "a/b", "a/b/c", "a-b"].map(Vec::from)
        );
    }

    #[test]
    fn long_paths_are_ordered_like_short_ones() {
        for length in [62, 63, 64, 65, 127, 128, 129, 3000] {
            let before = &"d/".repeat(length)[length..];
            let path = |end: &str| RootPath::clean(format!("{before}x{end}").as_bytes()).unwrap();
            let sorted = ["", "/a", "/a/b", "/b", "\u{1}", "-a", "a", "a/b", "\u{ff}"].map(path);
            for (at, one) in sorted.iter().enumerate() {
                for (other_at, other) in sorted.iter().enumerate() {
                    assert_eq!(
                        one.cmp(other),
                        at.cmp(&other_at),
                        "{length} {at} {other_at}"
                    );
                }
            }
        }
    }

    #[test]
    fn only_whole_components_make_one_path_lie_within_another() {
        let path = |bytes: &[u8]| RootPath::clean(bytes).unwrap();
        assert!(path(b"a/b").is_within(&path(b"a")));
        assert!(path(b"a").is_within(&path(b"a")));
        assert!(path(b"a").is_within(&path(b"/")));
        assert!(!path(b"ab").is_within(&path(b"a")));
        assert!(!path(b"a").is_within(&path(b"a/b")));
    }

    #[test]
    fn overlong_paths_and_nuls_are_refused() {
        assert!(matches!(
            RootPath::clean(&[b'a'; 4096]),
            Err(BadPath::TooLong(4096))
        ));
        assert!(RootPath::clean(&[b'a'; 4095]).is_ok());
        assert!(matches!(RootPath::clean(b"a\0b"), Err(BadPath::Nul(_))));
    }
}
