//! What the integration tests stand on. Nothing below uses code of the library but `api`, so that an error in the
//! library can't hide itself.

pub mod api;
pub mod changes;
pub mod compressor;
pub mod dice;
#[macro_use]
pub mod door;
pub mod door_c;
pub mod export;
pub mod export_c;
pub mod fuse;
pub mod gate;
pub mod image;
pub mod image_c;
pub mod inspection;
pub mod mutate;
pub mod os;
pub mod overlay;
pub mod process;
pub mod sandbox;
pub mod scratch;
pub mod session;
pub mod session_c;
pub mod stage;
pub mod tarball;
pub mod tree;

/// Makes two tests of each of these functions: `name::rust` and `name::c`, one for each way into the library.
#[macro_export]
macro_rules! api_tests {
    ($( $name:ident ),* $(,)?) => { $(
        mod $name {
            use $crate::support::api::{C, Rust};
            use $crate::support::process::Test;

            #[test]
            fn rust() {
                Test::run(module_path!(), "rust", &Rust, super::$name);
            }

            #[test]
            fn c() {
                Test::run(module_path!(), "c", &C, super::$name);
            }
        }
    )* };
}

/// Says why a test, or a part of it, isn't run. A skip is never silent.
#[macro_export]
macro_rules! skip {
    ($($reason:tt)*) => {{
        $crate::support::say(format_args!("skipped: {}: {}", module_path!(), format_args!($($reason)*)));
        return;
    }};
}

/// Ends the test, with its reason, unless it is run by the real root.
#[macro_export]
macro_rules! needs_root {
    ($why:expr) => {
        if !$crate::support::os::is_real_root() {
            $crate::skip!("only root can {}", $why);
        }
    };
}

/// A POSIX ACL as its xattr: owner `rwx`, group `r-x`, others nothing, mask `rwx`, and these users with `rw-`.
pub fn acl(users: &[u32]) -> Vec<u8> {
    const UNDEFINED: u32 = u32::MAX;
    let mut entries = vec![(1u16, 7u16, UNDEFINED)];
    entries.extend(users.iter().map(|user| (2, 6, *user)));
    entries.extend([
        (4, 5, UNDEFINED),
        (0x10, 7, UNDEFINED),
        (0x20, 0, UNDEFINED),
    ]);
    let mut out = 2u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        out.extend(tag.to_le_bytes());
        out.extend(permissions.to_le_bytes());
        out.extend(id.to_le_bytes());
    }
    out
}

/// How large the files are, in MiB, of tests that count every byte: `default`, or what CRUTILS_TEST_MIB says (`make
/// check-large`).
pub fn mebibytes(default: u64) -> u64 {
    match std::env::var("CRUTILS_TEST_MIB") {
        Ok(number) => number.parse().expect("CRUTILS_TEST_MIB is a number"),
        Err(_) => default,
    }
}

/// Writes an executable shell script.
pub fn script(path: &std::path::Path, body: &str) {
    // A script that this process has open for writing when another test forks couldn't be executed (ETXTBSY), hence
    // the detour over a program that writes it.
    let line = "printf '#!/bin/sh\\n%s\\n' \"$1\" > \"$2\" && chmod 755 \"$2\"";
    let status = std::process::Command::new("sh")
        .args(["-c", line, "sh", body])
        .arg(path)
        .status();
    assert!(status.expect("a shell").success());
}

/// Writes a line that is seen even if the test passes: the harness holds back only what is printed by macros.
pub fn say(line: std::fmt::Arguments<'_>) {
    use std::io::Write;
    let _ = std::io::stderr().write_all(format!("{line}\n").as_bytes());
}
