//! The C ABI: `include/crutils.h` is generated from this module.
//!
//! An export converts its arguments, calls one public Rust function, and hands back what that
//! returned. Whatever is worth a decision is decided a floor down. Three things hold for all of
//! them:
//!
//! - They go through `guard`, so that no panic crosses the ABI. A result of the type [`Status`](guard::Status)
//!   has no other origin.
//! - Their arguments have types (in `argument`) that carry the contract of what C passes: the conventions at
//!   the top of the header, which are in `cbindgen.toml`. Only a C program makes values of them.
//! - Their doc comments are the header's, written for a C programmer, in a form that Doxygen understands.
//!
//! `scripts/header` orders what cbindgen makes of the module by the groups of an engine author's needs, and
//! writes the types of arguments as C has them.

#![allow(
    non_snake_case,
    reason = "the exports have the names that C knows them by"
)]
#![allow(
    clippy::needless_pass_by_value,
    reason = "an argument of C's is passed by value, whatever is done with it"
)]

pub mod argument;
pub mod change;
pub mod changes;
pub mod error;
pub mod export;
pub mod export_members;
pub mod export_options;
pub mod guard;
pub mod image;
pub mod image_list;
pub mod image_options;
pub mod import;
pub mod import_chain;
pub mod import_options;
pub mod inspect_options;
pub mod inspection;
pub mod library;
pub mod members;
pub mod metadata;
pub mod nine;
pub mod nine_at;
pub mod place;
pub mod restorable;
pub mod string;
pub mod watch;

#[cfg(test)]
mod tests;
