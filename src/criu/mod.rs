//! Floor 1: the images that CRIU writes, as bytes.
//!
//! An image is a magic number and a sequence of protobuf messages, each with its length in front ([`Image`]). Messages are
//! tables of fields ([`message`]): what a table has is decoded, everything else is skipped. [`Pagemap`] leads from an
//! address of a process to the bytes of its pages. This floor knows no archive and no file: it takes readers and slices.
//!
//! No length is trusted: a message has at most 16 MiB, memory grows with what was read, and [`Items`] bounds
//! how much memory all images together fill.

#![forbid(unsafe_code)]

mod files;
mod image;
mod memory;
mod names;
mod pages;
mod process;
mod refusal;
mod system;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod wire;

pub(crate) use files::*;
pub(crate) use image::Image;
#[cfg(test)]
use image::MAX_MESSAGE;
pub(crate) use memory::*;
pub(crate) use names::{ImageName, ImageType};
pub(crate) use pages::{PAGE_SIZE, PageSource, Pagemap, Piece};
pub(crate) use process::*;
pub(crate) use refusal::Refusal;
pub(crate) use system::*;
#[cfg(test)]
use wire::Zigzag;
pub(crate) use wire::{Bytes, Items};
