//! What stands between every export and its caller: no panic crosses the ABI, and no failure goes
//! untold.

use std::any::Any;
use std::ffi::c_int;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;

use super::argument::New;
use super::error::CRError;
use crate::error::{Error, Kind, Result};

/// 0, or a negative errno. The field is private to this file, so that `status` is its only origin
/// and an export that returns it can't have gone around the guard.
///
/// cbindgen:no-export
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Status(c_int);

impl Status {
    /// The number that C sees.
    #[must_use]
    pub fn code(self) -> c_int {
        self.0
    }
}

/// Where an error goes: NULL, or a place that may be written to during the call. What is there is neither read nor freed.
#[repr(transparent)]
#[derive(Debug)]
pub struct Slot(*mut *mut CRError);

impl Slot {
    fn fill(self, failure: Error) {
        if let Some(slot) = NonNull::new(self.0) {
            let new = New::of(CRError::from(failure)).into_raw();
            // SAFETY: the place isn't NULL, and the type says that it may be written to.
            unsafe { slot.write(new) };
        }
    }
}

/// Runs the work of an export. A failure, or a panic made into one, goes into the slot `error` if
/// there is one, and its errno into the result; on success the slot stays as it is.
pub(super) fn status(error: Slot, work: impl FnOnce() -> Result<()>) -> Status {
    let Err(failure) = caught(work) else {
        return Status(0);
    };
    let code = -failure.errno();
    error.fill(failure);
    Status(code)
}

/// Runs the work of an export that has no way to report a failure: then, or after a panic, the
/// answer is `fallback`.
pub(super) fn value<T>(fallback: T, work: impl FnOnce() -> Result<T>) -> T {
    caught(work).unwrap_or(fallback)
}

/// Runs the work of an export that answers nothing.
pub(super) fn run(work: impl FnOnce()) {
    value((), || {
        work();
        Ok(())
    });
}

/// The one place where a panic ends. The work's captures are dropped or never looked at again, so
/// that none of them is seen half changed.
fn caught<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| Err(internal(payload.as_ref())))
}

/// The error that stands for a panic.
fn internal(payload: &(dyn Any + Send)) -> Error {
    let text = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    Error::new(
        Kind::Internal,
        format!("a defect of libcrutils: {}", text.unwrap_or("panic")),
    )
}

#[cfg(test)]
mod tests {
    use std::ptr;

    use nix::errno::Errno;

    use super::*;

    #[test]
    fn a_panic_becomes_an_internal_error() {
        let mut slot = ptr::null_mut();
        let code = status(Slot(&raw mut slot), || panic!("a test's panic")).code();
        assert_eq!(code, -(Errno::ENOTRECOVERABLE as i32));
        // SAFETY: the slot was filled by the failure above, and this is its last use.
        let error = unsafe { Box::from_raw(slot) };
        assert_eq!(error.kind(), Kind::Internal as u32);
    }

    #[test]
    fn a_panic_with_any_payload_becomes_the_fallback() {
        assert!(!value(false, || std::panic::panic_any(7)));
    }

    #[test]
    fn a_failure_without_a_slot_is_still_its_errno() {
        let failure = || Err(Error::new(Kind::Limit, "too much"));
        let code = status(Slot(ptr::null_mut()), failure).code();
        assert_eq!(code, -(Errno::E2BIG as i32));
    }

    #[test]
    fn a_success_leaves_the_slot_alone() {
        let mut slot = ptr::dangling_mut();
        let code = status(Slot(&raw mut slot), || Ok(())).code();
        assert_eq!((code, slot), (0, ptr::dangling_mut()));
    }
}
