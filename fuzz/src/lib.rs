//! The fuzz targets: each takes any bytes, has the library work on them, and checks what has to hold whatever they are.
//!
//! A target is a function, `check`, that panics where the library breaks a promise. cargo-fuzz runs them (targets/),
//! and the library's tests run them with the seeds (tests/fuzz.rs).

#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "these are tests, and tests/fuzz.rs takes this file in as a module"
)]

pub mod apply;
pub mod compressed;
pub mod delete;
pub mod deleted;
pub mod gnu_tar;
pub mod import;
pub mod inspect;
pub mod layers;
pub mod metadata;
mod pieces;
#[path = "../../tests/support/scratch.rs"]
mod scratch;
pub mod seeds;
pub mod sparse;
pub mod stage;

/// A target, by its name.
pub type Target = (&'static str, fn(&[u8]));

pub const TARGETS: [Target; 10] = [
    ("apply", apply::check),
    ("gnu_tar", gnu_tar::check),
    ("import", import::check),
    ("metadata", metadata::check),
    ("deleted", deleted::check),
    ("delete", delete::check),
    ("compressed", compressed::check),
    ("layers", layers::check),
    ("sparse", sparse::check),
    ("inspect", inspect::check),
];
