//! How an image is named in a layout.

#![forbid(unsafe_code)]

use std::fmt;

use crate::archive::Sha256Digest;
use crate::error::{Error, Result, quote};

/// The annotation of a descriptor that names its image.
pub(crate) const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// How long a name may be: longer ones no registry takes.
const MAX_NAME: usize = 512;

/// Which image of a layout is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reference {
    /// The only one.
    Only,
    /// The one of this name.
    Name(String),
    /// The one whose manifest has this digest.
    Digest(Sha256Digest),
}

impl Reference {
    /// Reads a reference: a name, or `sha256:` and a digest; none or an empty one means the only image.
    ///
    /// # Errors
    ///
    /// EINVAL for what can be neither.
    pub(crate) fn parse(text: Option<&str>) -> Result<Self> {
        match text {
            None | Some("") => Ok(Reference::Only),
            Some(text) => match text.strip_prefix("sha256:") {
                Some(digits) => digits.parse().map(Reference::Digest),
                None => check_name("reference", text).map(|()| Reference::Name(text.to_owned())),
            },
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reference::Only => f.write_str("(the only one)"),
            Reference::Name(name) => f.write_str(&quote(name.as_bytes())),
            Reference::Digest(digest) => write!(f, "sha256:{digest}"),
        }
    }
}

/// Refuses a name that the specification's grammar for `ref.name` doesn't have: letters and digits, separated by one of
/// `-._:@+` or by `--`, in components separated by slashes. `argument` is what messages call it.
pub(crate) fn check_name(argument: &str, name: &str) -> Result<()> {
    let wrong = |why: &str| {
        let why = format!("{} is no name of an image: {why}", quote(name.as_bytes()));
        Err(Error::argument(argument, why))
    };
    if name.is_empty() || name.len() > MAX_NAME {
        return wrong("it is empty or longer than 512 bytes");
    }
    if name.split('/').all(is_component) {
        return Ok(());
    }
    wrong("it may have letters, digits, single separators of -._:@+ between them, and slashes")
}

fn is_component(component: &str) -> bool {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric();
    let bytes = component.as_bytes();
    let ends = [bytes.first(), bytes.last()];
    if !ends.iter().all(|end| end.is_some_and(is_word)) {
        return false;
    }
    let separators = bytes.split(is_word);
    separators
        .into_iter()
        .all(|between| matches!(between, b"" | b"--") || is_separator(between))
}

fn is_separator(between: &[u8]) -> bool {
    matches!(between, [one] if b"-._:@+".contains(one))
}
