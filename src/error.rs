//! The one error type of the crate: a kind, an errno, and the path through the work that led to it.
//!
//! Each floor names its refusals in an enum of its own (`tar::Refusal`, `compress::Refusal`, …), one variant a refusal.
//! It implements [`Refusal`], which makes an [`Error`] of it; what a caller sees is always this type.

#![forbid(unsafe_code)]

use std::fmt::{self, Write as _};
use std::io;

use nix::errno::Errno;

/// The result of every fallible function of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What sort of failure an [`Error`] is.
///
/// The numbers are those of the C ABI (`CR_ERROR_*`). More may follow: match with a wildcard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u32)]
pub enum Kind {
    /// The operating system refused a call; the errno is the call's own.
    System = 1,
    /// An argument is unusable; nothing was touched. EINVAL.
    Argument = 2,
    /// An archive or a JSON file breaks its format, is cut short, or fails its checksum. EBADMSG.
    Malformed = 3,
    /// An archive or a list names something outside of its root, by a path or by a link. EXDEV.
    Escape = 4,
    /// An archive holds a type or a name that may not be there, such as a device in a bundle. EPERM; ELOOP for a symlink.
    Forbidden = 5,
    /// A documented limit was exceeded. E2BIG.
    Limit = 6,
    /// The input is well-formed but uses something this library, its build or this system doesn't support. EOPNOTSUPP.
    Unsupported = 7,
    /// The archive lacks the member that was asked for. ENODATA.
    NotInArchive = 8,
    /// The caller cancelled the work. ECANCELED.
    Cancelled = 9,
    /// The work's deadline has passed. ETIMEDOUT.
    Deadline = 10,
    /// A defect of this library. ENOTRECOVERABLE.
    Internal = 11,
}

impl Kind {
    /// All of them, in the order of their numbers.
    pub const ALL: [Kind; 11] = [
        Kind::System,
        Kind::Argument,
        Kind::Malformed,
        Kind::Escape,
        Kind::Forbidden,
        Kind::Limit,
        Kind::Unsupported,
        Kind::NotInArchive,
        Kind::Cancelled,
        Kind::Deadline,
        Kind::Internal,
    ];

    /// The kind as a word for logs, such as `malformed`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Kind::System => "system",
            Kind::Argument => "argument",
            Kind::Malformed => "malformed",
            Kind::Escape => "escape",
            Kind::Forbidden => "forbidden",
            Kind::Limit => "limit",
            Kind::Unsupported => "unsupported",
            Kind::NotInArchive => "not in archive",
            Kind::Cancelled => "cancelled",
            Kind::Deadline => "deadline",
            Kind::Internal => "internal",
        }
    }

    /// The errno of this kind, where no system call gave one.
    pub(crate) fn errno(self) -> Errno {
        match self {
            Kind::System => Errno::EIO,
            Kind::Argument => Errno::EINVAL,
            Kind::Malformed => Errno::EBADMSG,
            Kind::Escape => Errno::EXDEV,
            Kind::Forbidden => Errno::EPERM,
            Kind::Limit => Errno::E2BIG,
            Kind::Unsupported => Errno::EOPNOTSUPP,
            Kind::NotInArchive => Errno::ENODATA,
            Kind::Cancelled => Errno::ECANCELED,
            Kind::Deadline => Errno::ETIMEDOUT,
            Kind::Internal => Errno::ENOTRECOVERABLE,
        }
    }
}

/// Why a function failed: [`kind`](Error::kind), [`errno`](Error::errno), and a message that reads like a path
/// through the work, outermost step first: `apply rootfs-diff.tar: entry "usr/bin/x": mkdirat "x": ENOSPC …`.
pub struct Error(Box<Inner>);

struct Inner {
    kind: Kind,
    errno: Errno,
    detail: String,
    /// The steps around the failure, innermost first.
    steps: Vec<String>,
    entry: Option<Vec<u8>>,
    offset: Option<u64>,
}

impl Error {
    /// A refusal of this library's own, with the errno of its kind.
    pub(crate) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self::build(kind, kind.errno(), detail.into())
    }

    /// A system call that failed; `call` names it and what it was called on, as in `mkdirat "x"`.
    pub(crate) fn system(call: impl fmt::Display, errno: Errno) -> Self {
        // An errno of 0 would make a failure look like success to a C caller.
        let errno = if errno as i32 > 0 { errno } else { Errno::EIO };
        Self::build(
            Kind::System,
            errno,
            format!("{call}: {errno:?} ({})", errno.desc()),
        )
    }

    /// An unusable argument, called by its name in the C ABI.
    pub(crate) fn argument(name: &str, why: impl fmt::Display) -> Self {
        Self::new(Kind::Argument, format!("{name}: {why}"))
    }

    /// A failed read or write. An [`Error`] that travelled through an [`io::Error`] comes out as it went in.
    pub(crate) fn io(call: impl fmt::Display, error: io::Error) -> Self {
        if let Some(code) = error.raw_os_error() {
            return Self::system(call, Errno::from_raw(code));
        }
        if error.kind() == io::ErrorKind::OutOfMemory {
            return Self::system(call, Errno::ENOMEM);
        }
        let kind = match error.kind() {
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::InvalidData
            | io::ErrorKind::InvalidInput => Kind::Malformed,
            _ => Kind::System,
        };
        match error.downcast::<Error>() {
            Ok(own) => own,
            Err(error) => Self::new(kind, format!("{call}: {error}")),
        }
    }

    fn build(kind: Kind, errno: Errno, detail: String) -> Self {
        Error(Box::new(Inner {
            kind,
            errno,
            detail,
            steps: Vec::new(),
            entry: None,
            offset: None,
        }))
    }

    /// The same error with another errno than its kind's.
    #[must_use]
    pub(crate) fn with_errno(mut self, errno: Errno) -> Self {
        self.0.errno = errno;
        self
    }

    /// Adds the step that was under way, outside of those already there.
    #[must_use]
    pub(crate) fn context(mut self, step: impl Into<String>) -> Self {
        self.0.steps.push(step.into());
        self
    }

    /// Names the archive member or listed path concerned, as a step and for [`Error::entry`]. The innermost stays.
    #[must_use]
    pub(crate) fn at_entry(mut self, name: &[u8]) -> Self {
        self.0.steps.push(format!("entry {}", quote(name)));
        self.0.entry.get_or_insert_with(|| name.to_vec());
        self
    }

    /// Records how far into the tar stream the failure was found. The innermost stays.
    #[must_use]
    pub(crate) fn at_offset(mut self, bytes: u64) -> Self {
        self.0.offset.get_or_insert(bytes);
        self
    }

    /// What sort of failure this is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// The errno that describes the failure best; positive, never 0.
    #[must_use]
    pub fn errno(&self) -> i32 {
        self.0.errno as i32
    }

    /// The archive member or listed path concerned, as raw bytes, if there is one.
    #[must_use]
    pub fn entry(&self) -> Option<&[u8]> {
        self.0.entry.as_deref()
    }

    /// How many bytes into the (decompressed) tar stream the failure was found, if it was found in one.
    #[must_use]
    pub fn offset(&self) -> Option<u64> {
        self.0.offset
    }

    /// Whether this is the system call error `errno`.
    pub(crate) fn is(&self, errno: Errno) -> bool {
        self.is_any(&[errno])
    }

    /// Whether a path doesn't lead to what was looked for: a name is missing, or something else than a directory is on
    /// the way, a symlink where none is followed among them.
    pub(crate) fn is_absent(&self) -> bool {
        self.is_any(&[Errno::ENOENT, Errno::ENOTDIR, Errno::ELOOP])
    }

    /// Whether this is a system call error of one of these numbers.
    pub(crate) fn is_any(&self, errnos: &[Errno]) -> bool {
        self.0.kind == Kind::System && errnos.contains(&self.0.errno)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in self.0.steps.iter().rev() {
            write!(f, "{step}: ")?;
        }
        f.write_str(&self.0.detail)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}/{:?}: {self}", self.0.kind, self.0.errno)
    }
}

impl std::error::Error for Error {
    /// The errno of the system call that failed, if one did.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        (self.0.kind == Kind::System).then_some(&self.0.errno as _)
    }
}

/// Why this library doesn't do what it was asked to: of the module's own enum of reasons, whose variants tell the attack
/// or the loss that each prevents, and whose [`Display`](fmt::Display) is the message.
pub(crate) trait Refusal: fmt::Display {
    /// What sort of failure it is.
    fn kind(&self) -> Kind;

    /// The errno, where it isn't the kind's.
    fn errno(&self) -> Errno {
        self.kind().errno()
    }
}

impl<R: Refusal> Refusal for &R {
    fn kind(&self) -> Kind {
        (*self).kind()
    }

    fn errno(&self) -> Errno {
        (*self).errno()
    }
}

impl<R: Refusal> From<R> for Error {
    fn from(refusal: R) -> Self {
        Error::build(refusal.kind(), refusal.errno(), refusal.to_string())
    }
}

/// Keeps the [`Error`] inside, so that [`io::Error::downcast`] gives it back, and takes the [`io::ErrorKind`] from its
/// errno.
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match io::Error::from_raw_os_error(error.errno()).kind() {
            // The standard library's readers and writers would try again, and never see the error.
            io::ErrorKind::Interrupted => io::ErrorKind::Other,
            kind => kind,
        };
        io::Error::new(kind, error)
    }
}

/// Adds context to the error of a result, built only if there is one.
pub(crate) trait Context<T> {
    /// Adds the step that was under way.
    fn context<S: Into<String>>(self, step: impl FnOnce() -> S) -> Result<T>;
    /// Names the archive member or listed path concerned.
    fn at_entry(self, name: &[u8]) -> Result<T>;
}

impl<T, E: Into<Error>> Context<T> for Result<T, E> {
    fn context<S: Into<String>>(self, step: impl FnOnce() -> S) -> Result<T> {
        self.map_err(|error| error.into().context(step()))
    }

    fn at_entry(self, name: &[u8]) -> Result<T> {
        self.map_err(|error| error.into().at_entry(name))
    }
}

/// Turns a failed call, of the system or of the standard library, into an [`Error`] that names it.
pub(crate) trait Called<T> {
    /// `call` names the call and what it was called on; it is built only if the call failed.
    fn called<D: fmt::Display>(self, call: impl FnOnce() -> D) -> Result<T>;
}

impl<T> Called<T> for Result<T, Errno> {
    fn called<D: fmt::Display>(self, call: impl FnOnce() -> D) -> Result<T> {
        self.map_err(|errno| Error::system(call(), errno))
    }
}

impl<T> Called<T> for io::Result<T> {
    fn called<D: fmt::Display>(self, call: impl FnOnce() -> D) -> Result<T> {
        self.map_err(|error| Error::io(call(), error))
    }
}

/// How long a name may be to be shown whole, in bytes: as long as those of single files, and some more.
const SHOWN_WHOLE: usize = 300;
/// How much of a longer one is shown at its beginning, and at its end.
const SHOWN_PART: usize = 120;

/// The bytes of a name between quotation marks, fit for a terminal and a log: what isn't printable, isn't UTF-8 or
/// could change the direction of the text is escaped. A long name lacks its middle.
pub(crate) fn quote(name: &[u8]) -> String {
    if name.len() <= SHOWN_WHOLE {
        return quote_whole(name);
    }
    let (first, rest) = name.split_at(character_boundary(name, SHOWN_PART));
    let (middle, last) = rest.split_at(character_boundary(rest, rest.len() - SHOWN_PART));
    let (first, last) = (quote_whole(first), quote_whole(last));
    format!("{first}…({} bytes)…{last}", middle.len())
}

/// The last place up to `at` where no character of UTF-8 is cut.
fn character_boundary(name: &[u8], at: usize) -> usize {
    let is_inside = |at: &usize| name.get(*at).is_some_and(|byte| byte & 0xc0 == 0x80);
    (at.saturating_sub(3)..=at)
        .rev()
        .find(|at| !is_inside(at))
        .unwrap_or(at)
}

/// The same, whole: for what is the data itself and no part of a message.
pub(crate) fn quote_whole(name: &[u8]) -> String {
    let mut out = String::with_capacity(name.len() + 2);
    out.push('"');
    for chunk in name.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c == '"' || c == '\\' || c.is_control() || is_invisible(c) {
                out.extend(c.escape_default());
            } else {
                out.push(c);
            }
        }
        for byte in chunk.invalid() {
            // Writing to a String doesn't fail.
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out.push('"');
    out
}

/// Line and paragraph separators, zero-width and bidirectional formatting characters.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_reads_from_the_outermost_step_to_the_failure() {
        let error = Error::system("mkdirat \"x\"", Errno::ENOSPC)
            .at_entry(b"usr/x")
            .context("apply rootfs-diff.tar");
        assert_eq!(
            error.to_string(),
            "apply rootfs-diff.tar: entry \"usr/x\": mkdirat \"x\": ENOSPC (No space left on device)"
        );
        assert_eq!(error.entry(), Some(&b"usr/x"[..]));
    }

    #[test]
    fn an_errno_is_never_zero() {
        assert_eq!(
            Error::system("close", Errno::from_raw(0)).errno(),
            Errno::EIO as i32
        );
    }

    #[test]
    fn hostile_bytes_are_escaped() {
        assert_eq!(quote(b"a\x1b[2J\xff\"\n"), r#""a\u{1b}[2J\xff\"\n""#);
        assert_eq!(quote("é\u{202e}x".as_bytes()), "\"é\\u{202e}x\"");
    }

    #[test]
    fn an_io_error_has_the_kind_of_the_errno_and_the_error_inside() {
        let error = Error::system("openat \"x\"", Errno::ENOENT);
        let outer = io::Error::from(error);
        assert_eq!(outer.kind(), io::ErrorKind::NotFound);
        let inner = outer.downcast::<Error>().unwrap();
        assert_eq!(
            (inner.kind(), inner.errno()),
            (Kind::System, Errno::ENOENT as i32)
        );
    }

    #[test]
    fn the_source_is_the_failed_call_s_errno() {
        use std::error::Error as _;
        let error = Error::system("fsync", Errno::EIO);
        assert_eq!(
            error.source().and_then(|source| source.downcast_ref()),
            Some(&Errno::EIO)
        );
        assert!(Error::argument("root", "is wrong").source().is_none());
    }

    #[test]
    fn a_long_name_lacks_its_middle() {
        assert_eq!(quote(&[b'x'; 300]).len(), 302);
        let long = [vec![b'a'; 120], vec![b'-'; 3000], vec![b'z'; 120]].concat();
        let expected = format!(
            "\"{}\"…(3000 bytes)…\"{}\"",
            "a".repeat(120),
            "z".repeat(120)
        );
        assert_eq!(quote(&long), expected);
        let quoted = quote("aé".repeat(1000).as_bytes());
        assert!(!quoted.contains('\\') && quoted.len() < 300, "{quoted}");
        assert!(quote(&[0x80; 1000]).len() < 1100);
    }

    #[test]
    fn an_error_survives_the_way_through_io() {
        let inner = Error::new(Kind::Limit, "too much").at_offset(7);
        let outer = Error::io("read", io::Error::from(inner));
        assert_eq!(
            (outer.kind(), outer.errno(), outer.offset()),
            (Kind::Limit, Errno::E2BIG as i32, Some(7))
        );
    }
}
