//! libcrutils: container checkpoint archives, read and written once and for all.
//!
//! A checkpoint archive holds CRIU's memory images, a container's configuration and the changes of its root file
//! system. This crate writes it in one pass ([`checkpoint::Export`]), reads it in one session ([`checkpoint::Import`]),
//! has the steps in between as functions of their own, and answers the small questions that engines ask around it.
//! [`checkpoint`] and [`changes`], which finds what a diff is made of, are the whole API, with a [`watch`] for what takes
//! long; [`capi`] offers the same to C.
//!
//! # Floors
//!
//! The modules are floors of one house. A floor calls only downwards; `unsafe` lives in `sys` and `capi` alone.
//!
//! | floor | module | what it knows |
//! | --- | --- | --- |
//! | 4 | [`capi`] | the C ABI: convert, call one public Rust function, return |
//! | 3 | [`checkpoint`] | what is in a checkpoint archive and what engines do with it |
//! | 2 | `archive` | a tar stream into a root directory, and a root directory into a tar stream |
//! | 2 | [`changes`] | what differs between two states of a root file system |
//! | 1 | `tar` | the bytes of a tar stream; no file system |
//! | 1 | `criu` | the images that CRIU writes, as bytes; no archive |
//! | 1 | `compress` | which compression a stream has, and how to undo it |
//! | 0 | `fs` | a root directory that paths may not leave, and what is done below it on descriptors |
//! | 0 | `sys` | one thin function per system call that `nix` lacks or offers unsafely |
//! | - | [`watch`] | how a caller watches a long work, and ends it early |
//! | - | `error` | [`Error`], [`Kind`] and context |
//!
//! Below `checkpoint` nothing takes a host path: everything works on descriptors, and the few functions that do open
//! a host path say `ambient` in their names.

mod archive;
pub mod capi;
pub mod changes;
pub mod checkpoint;
mod compress;
mod criu;
mod error;
mod fs;
mod sys;
mod tar;
pub mod watch;

pub use error::{Error, Kind, Result};
pub use fs::{Directory, DirectoryBuf};
