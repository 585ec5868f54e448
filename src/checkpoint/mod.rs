//! checkpoint

mod metadata;

pub use metadata::ContainerConfig;
