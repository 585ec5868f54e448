//! Whether there is memory.

use std::ffi::c_void;
use std::ptr;

/// Whether the process may have so many more bytes of memory, at least one. They are asked for and given back behind the
/// allocator's back: malloc would keep up to that much of what is freed later.
pub(crate) fn has_memory(bytes: usize) -> bool {
    let (protection, flags) = (
        libc::PROT_READ | libc::PROT_WRITE,
        libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
    );
    // SAFETY: new memory at a place of the kernel's choice touches nobody's.
    let found: *mut c_void =
        unsafe { libc::mmap(ptr::null_mut(), bytes, protection, flags, -1, 0) };
    if found == libc::MAP_FAILED {
        return false;
    }
    // SAFETY: it is what was mapped, and nobody knows of it.
    let given_back = unsafe { libc::munmap(found, bytes) };
    debug_assert_eq!(given_back, 0);
    true
}
