//! The suite: the command, run as people and engines run it.
//!
//! What only root may do, and what other programs do that aren't installed, is skipped with a line that begins with
//! `skipped:`.

#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod support;

mod check;
mod command;
mod engine;
mod image;
mod image_chain;
mod image_foreign;
mod image_killed;
mod image_recipes;
mod messages;
mod page;
