//! Work that one thread needs done in its order, and that others may do before its turn.
//!
//! The works are a stack: the last one is needed next, and what comes of it may be further ones. Whoever helps takes the
//! work that is needed soonest and that nobody has begun. What a helper fails in is done again by the one who needs it, so
//! that a failure comes in its turn and is that of a single thread.

#![forbid(unsafe_code)]

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How many works may be done, or being done, before their turn.
const MOST: usize = 256;
/// How many things the answers may hold that wait for their turn. Those that are being made come on top.
const MOST_HELD: usize = 64 << 10;

/// Works of which the answers come in order.
pub(super) struct Board<W, A> {
    state: Mutex<State<W, A>>,
    changed: Condvar,
}

struct State<W, A> {
    /// The last one is needed next.
    slots: Vec<Slot<W, A>>,
    /// How many works are done or being done, how many of them are being done, and how much the answers hold.
    ahead: usize,
    running: usize,
    held: usize,
    /// Nobody begins anything any more but the one who needs it.
    is_closed: bool,
}

struct Slot<W, A> {
    work: Arc<W>,
    stage: Stage<A>,
}

enum Stage<A> {
    Waiting,
    Running,
    Done(A),
    /// A helper failed, or died.
    Failed,
}

/// How much an answer holds.
pub(super) trait Size {
    fn size(&self) -> usize;
}

/// What is next for the one who needs the works.
pub(super) enum Turn<W, A> {
    /// A work to be done by itself.
    Own(Arc<W>),
    /// A work that a helper has done.
    Done(Arc<W>, A),
    /// A helper is doing it.
    Busy,
    /// There is none.
    End,
}

impl<W, A: Size> Board<W, A> {
    pub(super) fn new() -> Self {
        Board {
            state: Mutex::new(State {
                slots: Vec::new(),
                ahead: 0,
                running: 0,
                held: 0,
                is_closed: false,
            }),
            changed: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<W, A>> {
        // Nothing panics while it is locked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds works; the last one is needed next.
    pub(super) fn push(&self, works: impl IntoIterator<Item = W>) {
        let slots = works.into_iter().map(|work| Slot {
            work: Arc::new(work),
            stage: Stage::Waiting,
        });
        self.lock().slots.extend(slots);
        self.changed.notify_all();
    }

    /// Takes what is needed next.
    pub(super) fn turn(&self) -> Turn<W, A> {
        let mut state = self.lock();
        let Some(slot) = state.slots.pop_if(|slot| !slot.stage.is_running()) else {
            return if state.slots.is_empty() {
                Turn::End
            } else {
                Turn::Busy
            };
        };
        let Stage::Done(answer) = slot.stage else {
            return Turn::Own(slot.work);
        };
        let was_full = state.is_full();
        state.ahead -= 1;
        state.held -= answer.size();
        drop(state);
        if was_full {
            self.changed.notify_all();
        }
        Turn::Done(slot.work, answer)
    }

    /// Waits a while for a helper to do what is needed next.
    pub(super) fn wait(&self, time: Duration) {
        let is_running = |state: &mut State<W, A>| {
            let last = state.slots.last();
            last.is_some_and(|slot| slot.stage.is_running())
        };
        let _ = self
            .changed
            .wait_timeout_while(self.lock(), time, is_running);
    }

    /// Does a work before its turn, if there is one; `make` answers nothing if it fails.
    pub(super) fn help(&self, make: impl Fn(&W) -> Option<A>) -> bool {
        let Some(begun) = self.begin(self.lock()) else {
            return false;
        };
        begun.finish(make);
        true
    }

    /// Does works until there are no more to come.
    pub(super) fn serve(&self, make: impl Fn(&W) -> Option<A>) {
        loop {
            let nothing = |state: &mut State<W, A>| !state.is_closed && state.waiting().is_none();
            let state = self.changed.wait_while(self.lock(), nothing);
            let state = state.unwrap_or_else(PoisonError::into_inner);
            match self.begin(state) {
                Some(begun) => begun.finish(&make),
                None => return,
            }
        }
    }

    fn begin<'b>(&'b self, mut state: MutexGuard<'b, State<W, A>>) -> Option<Begun<'b, W, A>> {
        let at = state.waiting()?;
        let slot = state.slots.get_mut(at)?;
        slot.stage = Stage::Running;
        let work = Arc::clone(&slot.work);
        state.ahead += 1;
        state.running += 1;
        drop(state);
        Some(Begun {
            board: self,
            at,
            work,
            answer: None,
        })
    }

    /// Lets nobody help any more, and waits for those who do.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_all();
        let state = self
            .changed
            .wait_while(self.lock(), |state| state.running > 0);
        drop(state);
    }
}

impl<A> Stage<A> {
    fn is_running(&self) -> bool {
        matches!(self, Stage::Running)
    }
}

impl<W, A> State<W, A> {
    fn is_full(&self) -> bool {
        self.ahead >= MOST || self.held >= MOST_HELD
    }

    /// The work that is needed soonest of those that nobody has begun. Below as many as may be done before their turn
    /// there is none to be looked for.
    fn waiting(&self) -> Option<usize> {
        if self.is_closed || self.is_full() {
            return None;
        }
        let from = self.slots.len().saturating_sub(2 * MOST);
        let soonest = self.slots.get(from..)?.iter().rposition(|slot| {
            let stage = &slot.stage;
            matches!(stage, Stage::Waiting)
        })?;
        Some(from + soonest)
    }
}

/// A work that a helper does. Dropped before it is finished, it is left to the one who needs it.
struct Begun<'b, W, A: Size> {
    board: &'b Board<W, A>,
    /// Where it is: it stays there until it is done.
    at: usize,
    work: Arc<W>,
    answer: Option<A>,
}

impl<W, A: Size> Begun<'_, W, A> {
    fn finish(mut self, make: impl Fn(&W) -> Option<A>) {
        self.answer = make(&self.work);
    }
}

impl<W, A: Size> Drop for Begun<'_, W, A> {
    fn drop(&mut self) {
        let mut state = self.board.lock();
        state.running -= 1;
        let stage = match self.answer.take() {
            Some(answer) => {
                state.held += answer.size();
                Stage::Done(answer)
            }
            None => {
                state.ahead -= 1;
                Stage::Failed
            }
        };
        if let Some(slot) = state.slots.get_mut(self.at) {
            slot.stage = stage;
        }
        drop(state);
        self.board.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    struct Answer(usize);

    impl Size for Answer {
        fn size(&self) -> usize {
            self.0
        }
    }

    fn board(works: impl IntoIterator<Item = usize>) -> Board<usize, Answer> {
        let board = Board::new();
        board.push(works);
        board
    }

    fn shown(turn: &Turn<usize, Answer>) -> String {
        match turn {
            Turn::Own(work) => format!("own {work}"),
            Turn::Done(work, answer) => format!("done {work}: {}", answer.0),
            Turn::Busy => "busy".to_owned(),
            Turn::End => "end".to_owned(),
        }
    }

    #[test]
    fn what_is_needed_soonest_is_done_first_and_taken_in_order() {
        let board = board([1, 2, 3]);
        assert!(board.help(|work| Some(Answer(10 * work))));
        assert!(board.help(|work| Some(Answer(10 * work))));
        assert_eq!(shown(&board.turn()), "done 3: 30");
        board.push([4]);
        assert_eq!(shown(&board.turn()), "own 4");
        assert_eq!(shown(&board.turn()), "done 2: 20");
        assert_eq!(shown(&board.turn()), "own 1");
        assert_eq!(shown(&board.turn()), "end");
    }

    #[test]
    fn what_a_helper_fails_in_or_dies_of_is_left_to_its_turn() {
        let board = board([1, 2]);
        assert!(board.help(|_| None));
        let panic = catch_unwind(AssertUnwindSafe(|| {
            board.help(|work| panic!("on purpose, at {work}"))
        }));
        panic.unwrap_err();
        assert!(!board.help(|_| unreachable!("both were tried")));
        assert_eq!(shown(&board.turn()), "own 2");
        assert_eq!(shown(&board.turn()), "own 1");
        assert_eq!(shown(&board.turn()), "end");
    }

    #[test]
    fn a_work_that_is_being_done_is_waited_for() {
        let board = board([1]);
        board.help(|work| {
            assert_eq!(shown(&board.turn()), "busy");
            board.wait(Duration::ZERO);
            Some(Answer(*work))
        });
        board.wait(Duration::MAX);
        assert_eq!(shown(&board.turn()), "done 1: 1");
    }

    #[test]
    fn no_more_is_done_before_its_turn_than_may_be_kept() {
        let board = board(0..2 * MOST);
        let times = (0..2 * MOST).filter(|_| board.help(|_| Some(Answer(0))));
        assert_eq!(times.count(), MOST);
        board.turn();
        assert!(board.help(|_| Some(Answer(MOST_HELD))));
        board.turn();
        assert!(!board.help(|_| unreachable!("too much is held")));
    }

    #[test]
    fn helpers_end_with_the_board_and_none_begins_after_it() {
        let board = board(0..100);
        let done = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    board.serve(|work| {
                        done.fetch_add(1, Ordering::Relaxed);
                        Some(Answer(*work))
                    });
                });
            }
            while done.load(Ordering::Relaxed) < 9 {
                std::thread::yield_now();
            }
            board.close();
            let before = done.load(Ordering::Relaxed);
            board.push([7]);
            assert!(!board.help(|_| unreachable!("nobody helps any more")));
            assert_eq!(done.load(Ordering::Relaxed), before);
        });
        assert_eq!(shown(&board.turn()), "own 7");
    }
}
