//! What this build can do, in this process on this system.

#![forbid(unsafe_code)]

use crate::compress::has_zstd_threads;
use crate::fs::openat2_works;
use crate::system::selinux;

/// Something that not every build or system can do. The numbers are those of the C ABI (`CR_FEATURE_*`); more may
/// follow.
///
/// ```
/// use crutils::checkpoint::Feature;
///
/// if !Feature::Selinux.is_there() {
///     println!("files aren't labelled");
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[repr(u32)]
pub enum Feature {
    /// SELinux labels are written (the cargo feature `selinux`).
    Selinux = 1,
    /// Paths are resolved by openat2; otherwise, where the kernel lacks it or refuses it, by other calls.
    Openat2 = 2,
    /// zstd compresses with several threads.
    ZstdThreads = 3,
}

impl Feature {
    /// All of them, in the order of their numbers.
    pub const ALL: [Feature; 3] = [Feature::Selinux, Feature::Openat2, Feature::ZstdThreads];

    /// Whether it is there.
    #[must_use]
    pub fn is_there(self) -> bool {
        match self {
            Feature::Selinux => selinux::CAN_LABEL,
            Feature::Openat2 => openat2_works(),
            Feature::ZstdThreads => has_zstd_threads(),
        }
    }
}
