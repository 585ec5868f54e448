//! How much may be decoded ahead, and the memory that goes around.

#![forbid(unsafe_code)]

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// How many bytes what is on its way may have, decoded and not, unless it is a single thing.
pub(super) const BUDGET: usize = 32 << 20;
/// What anything costs at least.
const LEAST: usize = 64 << 10;
/// How much memory there may be besides that is kept to be used again. What isn't kept goes back to the allocator, which
/// may keep as much again.
const KEPT: usize = 8 << 20;

/// Lets in no more than the [`BUDGET`], and no more than some number of things.
pub(super) struct Gate {
    state: Mutex<State>,
    changed: Condvar,
    most: usize,
}

/// What memory was used for.
#[derive(Clone, Copy)]
pub(super) enum Use {
    Compressed,
    Content,
}

#[derive(Default)]
struct State {
    inside: usize,
    number: usize,
    is_closed: bool,
    /// Memory to be used again, by its use, and how much of it there is.
    spare: [Vec<Vec<u8>>; 2],
    kept: usize,
}

/// What was let in. It is out again when this is dropped or made less.
pub(super) struct Pass {
    cost: usize,
    gate: Arc<Gate>,
}

impl Gate {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Gate {
            state: Mutex::default(),
            changed: Condvar::new(),
            most,
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
            let is_much = state.inside.saturating_add(cost) > BUDGET;
            !state.is_closed && state.number > 0 && (is_much || state.number >= self.most)
        };
        let state = self.changed.wait_while(self.lock(), is_full);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        if state.is_closed {
            return None;
        }
        state.inside += cost;
        state.number += 1;
        // What is let in uses some of it.
        state.trim((BUDGET + KEPT).saturating_add(cost));
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

    /// Memory that was used before, or none.
    pub(super) fn spare(&self, what: Use) -> Vec<u8> {
        let mut state = self.lock();
        let spare = state.spare[what as usize].pop().unwrap_or_default();
        state.kept -= spare.capacity();
        spare
    }

    /// Keeps memory to be used again.
    pub(super) fn keep(&self, what: Use, bytes: Vec<u8>) {
        let size = bytes.capacity();
        let mut state = self.lock();
        let has_room = state.inside + state.kept + size <= BUDGET + KEPT;
        if has_room && size > 0 && state.spare[what as usize].len() < self.most {
            state.kept += size;
            state.spare[what as usize].push(bytes);
        }
    }
}

impl State {
    /// Keeps less memory if with it there would be more than this.
    fn trim(&mut self, most: usize) {
        for spare in &mut self.spare {
            while self.inside + self.kept > most
                && let Some(bytes) = spare.pop()
            {
                self.kept -= bytes.capacity();
            }
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
        let mut state = self.gate.lock();
        state.inside -= self.cost;
        state.number -= 1;
        drop(state);
        self.gate.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_much_is_let_in_as_there_is_room_for_and_a_single_thing_always() {
        let gate = Gate::new(9);
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
        let gate = Gate::new(9);
        let _first = gate.enter(BUDGET).unwrap();
        let other = Arc::clone(&gate);
        let thread = std::thread::spawn(move || other.enter(BUDGET).is_none());
        gate.close();
        assert!(thread.join().unwrap());
        assert!(gate.enter(1).is_none());
    }

    #[test]
    fn no_more_things_are_let_in_than_there_may_be() {
        let gate = Gate::new(2);
        let first = gate.enter(1).unwrap();
        let _second = gate.enter(1).unwrap();
        let other = Arc::clone(&gate);
        let thread = std::thread::spawn(move || other.enter(1).is_some());
        drop(first);
        assert!(thread.join().unwrap());
    }

    #[test]
    fn memory_goes_around_unless_it_is_too_much() {
        let gate = Gate::new(9);
        gate.keep(Use::Content, Vec::with_capacity(15 << 20));
        assert_eq!(gate.spare(Use::Compressed).capacity(), 0);
        assert_eq!(gate.spare(Use::Content).capacity(), 15 << 20);
        assert_eq!(gate.spare(Use::Content).capacity(), 0);
        let pass = gate.enter(BUDGET).unwrap();
        gate.keep(Use::Content, Vec::with_capacity(KEPT + 1));
        assert_eq!(gate.spare(Use::Content).capacity(), 0);
        gate.keep(Use::Content, Vec::with_capacity(KEPT));
        gate.keep(Use::Compressed, Vec::with_capacity(1));
        assert_eq!(gate.lock().kept, KEPT, "there is no room for more");
        drop(pass);
        gate.keep(Use::Compressed, Vec::with_capacity(BUDGET));
        assert_eq!(gate.lock().kept, BUDGET + KEPT);
        let _uses_it = gate.enter(BUDGET / 2).unwrap();
        assert_eq!(gate.lock().kept, BUDGET + KEPT);
        let _has_its_own = gate.enter(BUDGET / 2).unwrap();
        assert!(
            gate.lock().kept <= KEPT,
            "it is given back for what is let in"
        );
    }
}
