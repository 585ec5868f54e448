//! checkpoint

mod deleted_list;
mod metadata;
mod probe;
mod selinux;

pub use metadata::ContainerConfig;
pub use probe::{runtime_supports_checkpoint_restore, runtime_supports_pod_checkpoint_restore};
