//! Floor 0: a root directory that paths may not leave, and what is done below it, on descriptors.
//!
//! Whoever can write below the root may race against every function here. What they hold is a descriptor; the last
//! name of a path is never followed; everything above it is resolved inside the root.

#![forbid(unsafe_code)]

mod acl;
mod canonical;
mod copy;
mod counts;
mod destination;
mod from_offset;
mod holes;
mod host;
mod identity;
mod listing;
mod name;
mod node;
mod output;
mod parents;
mod path;
mod place;
mod remove;
mod root;
mod settle;
mod spool;
mod temporary;
#[cfg(test)]
pub(crate) mod testing;
mod xattrs;

pub(crate) use acl::{ACCESS_ACL, DEFAULT_ACL, strip_inherited_acl};
pub(crate) use copy::{copy_range, share_range};
pub(crate) use counts::counts_all_names;
pub(crate) use destination::Destination;
pub(crate) use from_offset::{FromOffset, fill_from};
pub(crate) use holes::data_extents;
pub(crate) use host::{create_empty_at, open_input_ambient, open_regular_at};
pub(crate) use identity::Identity;
pub(crate) use listing::{is_empty_directory, sorted_names};
pub(crate) use name::Name;
pub(crate) use node::{Node, Owner, file_type, is_directory, stat_at};
pub(crate) use output::Output;
pub(crate) use parents::{ImplicitOwner, Parent, Parents};
pub(crate) use path::{RootPath, compare_paths, is_path_within, names_start};
pub use place::{Place, PlaceBuf};
pub(crate) use remove::{Keep, remove_tree, restore_times, times_of};
pub(crate) use root::{Root, openat2_works};
pub(crate) use settle::{check_close, sync_file_system};
pub(crate) use spool::spool_ambient;
pub(crate) use temporary::with_temporary_name;
pub(crate) use xattrs::{
    OverlayState, is_overlay_state, surely_lacks_travelling_xattrs, travelling_xattrs, travels,
    xattrs_of,
};
