//! checkpoint

mod deleted_list;
mod metadata;

pub use metadata::ContainerConfig;
