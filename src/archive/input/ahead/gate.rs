//! How much may be decoded ahead, and the memory that goes around.

#![forbid(unsafe_code)]

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// How many bytes what is on its way may have, decoded and not, unless it is a single thing.
pub(super) const BUDGET: usize = 40 << 20;
/// What anything costs at least.
const LEAST: usize = 64 << 10;
/// How much memory is kept to be used again.
const KEPT: usize = 24 << 20;

/// Lets in no more than the [`BUDGET`].
pub(super) struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    inside: usize,
    is_closed: bool,
    spare: Vec<Vec<u8>>,
    kept: usize,
}

/// What was let in. It is out again when this is dropped or made less.
pub(super) struct Pass {
    cost: usize,
    gate: Arc<Gate>,
}

impl Gate {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Gate {
            state: Mutex::default(),
            changed: Condvar::new(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is locked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there is room for as much, or for nothing else. None once nobody waits for anything.
    pub(super) fn enter(self: &Arc<Self>, cost: usize) -> Option<Pass> {
        let cost = cost.max(LEAST);
        let is_full = |state: &mut State| {
            !state.is_closed && state.inside > 0 && state.inside.saturating_add(cost) > BUDGET
        };
        let state = self.changed.wait_while(self.lock(), is_full);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        if state.is_closed {
            return None;
        }
        state.inside += cost;
        Some(Pass {
            cost,
            gate: Arc::clone(self),
        })
    }

    /// Lets nothing in any more.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_all();
    }

    /// Memory for about as many bytes that was used before, or none. Much larger memory is given up.
    pub(super) fn spare(&self, wanted: usize) -> Vec<u8> {
        let mut state = self.lock();
        while let Some(spare) = state.spare.pop() {
            state.kept -= spare.capacity();
            if spare.capacity() / 2 <= wanted.max(LEAST) {
                return spare;
            }
        }
        Vec::new()
    }

    /// Keeps memory to be used again.
    pub(super) fn keep(&self, bytes: Vec<u8>) {
        let mut state = self.lock();
        if bytes.capacity() > 0 && state.kept + bytes.capacity() <= KEPT {
            state.kept += bytes.capacity();
            state.spare.push(bytes);
        }
    }
}

impl Pass {
    /// Says that the rest costs no more than this.
    pub(super) fn reduce_to(&mut self, cost: usize) {
        let cost = cost.max(LEAST).min(self.cost);
        self.gate.lock().inside -= self.cost - cost;
        self.cost = cost;
        self.gate.changed.notify_all();
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.gate.lock().inside -= self.cost;
        self.gate.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_much_is_let_in_as_there_is_room_for_and_a_single_thing_always() {
        let gate = Gate::new();
        drop(gate.enter(2 * BUDGET).unwrap());
        let mut first = gate.enter(BUDGET).unwrap();
        let other = Arc::clone(&gate);
        let thread = std::thread::spawn(move || other.enter(BUDGET / 2).is_some());
        first.reduce_to(BUDGET / 2);
        assert!(thread.join().unwrap(), "there is room after a reduction");
        let _second = gate.enter(BUDGET / 2).unwrap();
        let other = Arc::clone(&gate);
        let thread = std::thread::spawn(move || other.enter(1).is_some());
        drop(first);
        assert!(thread.join().unwrap(), "there is room after an end");
    }

    #[test]
    fn a_closed_gate_lets_nobody_in_and_keeps_nobody_waiting() {
        let gate = Gate::new();
        let _first = gate.enter(BUDGET).unwrap();
        let other = Arc::clone(&gate);
        let thread = std::thread::spawn(move || other.enter(BUDGET).is_none());
        gate.close();
        assert!(thread.join().unwrap());
        assert!(gate.enter(1).is_none());
    }

    #[test]
    fn memory_goes_around_unless_it_is_too_much() {
        let gate = Gate::new();
        gate.keep(Vec::with_capacity(4 << 20));
        assert_eq!(gate.spare(3 << 20).capacity(), 4 << 20);
        assert_eq!(gate.spare(3 << 20).capacity(), 0);
        gate.keep(Vec::with_capacity(4 << 20));
        assert_eq!(
            gate.spare(1000).capacity(),
            0,
            "much larger memory is given up"
        );
        gate.keep(Vec::with_capacity(KEPT + 1));
        assert_eq!(gate.spare(KEPT).capacity(), 0);
    }
}
