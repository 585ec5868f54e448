//! The suite: what the library guarantees, each guarantee a test, through the Rust API and through the C ABI.
//!
//! Most tests want to be run by root, who alone can make devices and mount file systems; what an ordinary user can't
//! do is skipped with a line that begins with `skipped:`. The suite is run a second time with openat2 refused:
//! `CARGO_TARGET_…_RUNNER=refuse-openat2` (see tests/tools).

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::semicolon_if_nothing_returned,
    clippy::too_many_lines,
    reason = "the values are the tests' own, and a test is one case after the other"
)]

#[path = "../support/mod.rs"]
#[macro_use]
mod support;

mod apply_dialects;
mod apply_metadata;
mod apply_names;
mod apply_sparse;
mod apply_types;
mod archives;
mod attackers;
mod capabilities;
mod cases;
#[macro_use]
mod changes;
mod changes_directories;
mod changes_exclude;
mod changes_layers;
mod changes_overlay;
mod changes_round_trip;
mod changes_watched;
mod clone;
mod compression;
mod compression_found;
mod compression_frames;
mod conformance;
mod corpora;
mod cut_spools;
mod deleted;
mod diff;
mod diff_replaced;
mod differential;
mod differential_refused;
mod documents;
mod endings;
mod engine_hostile;
mod export;
mod export_choices;
mod export_doors;
mod export_live;
mod export_nested;
mod export_output;
mod export_refused;
mod export_stale;
mod failing_files;
mod faults;
mod hard_links;
mod house;
mod images;
mod images_hostile;
mod images_read;
mod import;
mod inspect;
mod inspect_compare;
mod inspect_crit;
mod inspect_doors;
mod inspect_hostile;
mod inspect_images;
mod inspect_json;
mod inspect_restore;
mod inspect_writer;
mod label;
mod linear;
mod little_memory;
mod memory;
mod order;
mod ordinary;
mod outputs;
mod overlay_inodes;
mod overlay_xattrs;
mod probe;
mod process_state;
mod races;
mod replacing;
mod session;
mod session_ahead;
mod session_cancelled;
mod session_chain;
mod session_choices;
mod session_complete;
mod session_destinations;
mod session_metadata;
mod session_options;
mod session_refused;
mod session_restore;
mod system_calls;
