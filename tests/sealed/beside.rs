//! Another Rust library of a C program: it has a runtime of its own, which panics and catches that.

use std::cell::Cell;
use std::panic::catch_unwind;

thread_local! {
    static CALLS: Cell<u32> = const { Cell::new(0) };
}

/// Panics on this thread and on one of its own. Returns how often it was called here, or a negative number if a panic
/// was not caught or has lost its payload.
#[unsafe(no_mangle)]
pub extern "C" fn beside_panics(number: u32) -> i32 {
    let caught = catch_unwind(|| panic!("beside panics with {number}"));
    let spawned = std::thread::spawn(move || panic!("a thread beside panics with {number}")).join();
    let texts: Vec<String> = [caught, spawned]
        .into_iter()
        .filter_map(|result| result.err()?.downcast_ref::<String>().cloned())
        .collect();
    if texts.len() != 2 || !texts.iter().all(|text| text.ends_with(&number.to_string())) {
        return -1;
    }
    CALLS.with(|calls| {
        calls.set(calls.get() + 1);
        i32::try_from(calls.get()).unwrap_or(-1)
    })
}
