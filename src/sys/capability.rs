//! The capabilities of the calling thread.

use nix::errno::Errno;

/// `struct __user_cap_header_struct` of `linux/capability.h`.
#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

/// `struct __user_cap_data_struct` of `linux/capability.h`; version 3 uses two of them.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Data {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

const LINUX_CAPABILITY_VERSION_3: u32 = 0x2008_0522;
/// Its number in the sets.
pub(crate) const CAP_SYS_ADMIN: u32 = 21;

/// Whether CAP_SYS_ADMIN is in the calling thread's effective set.
pub(crate) fn has_cap_sys_admin() -> Result<bool, Errno> {
    let mut header = Header {
        version: LINUX_CAPABILITY_VERSION_3,
        pid: 0,
    };
    let mut data = [Data::default(); 2];
    // SAFETY: the kernel reads one header and, as its version 3 says, writes two data structures; both live here and
    // have the layout of the kernel's header file.
    let result = unsafe { libc::syscall(libc::SYS_capget, &raw mut header, data.as_mut_ptr()) };
    Errno::result(result).map(|_| data[0].effective & (1 << CAP_SYS_ADMIN) != 0)
}
