//! Who compresses the pieces that a stream is cut into: threads of ours, or the caller's.

#![forbid(unsafe_code)]

use super::super::pool::{Died, Pool};

/// Does jobs by `work`, in their order. Whoever gives one makes room for it first.
pub(super) struct Labour<J, A, W> {
    name: &'static str,
    workers: usize,
    /// How many jobs may be under way.
    most: usize,
    work: W,
    hands: Hands<J, A>,
}

enum Hands<J, A> {
    /// Nobody yet: a single job isn't worth a thread.
    None,
    /// The caller's thread, where it isn't worth another or there may be none.
    Here,
    /// Threads of ours.
    Threads(Pool<J, A>),
}

/// The answer to a job, unless the thread that had it died.
pub(super) type Answer<A> = Result<A, Died>;

impl<J, A, W> Labour<J, A, W>
where
    J: Send + 'static,
    A: Send + 'static,
    W: Fn(J) -> A + Clone + Send + 'static,
{
    pub(super) fn new(name: &'static str, workers: usize, most: usize, work: W) -> Self {
        Labour {
            name,
            workers,
            most,
            work,
            hands: Hands::None,
        }
    }

    /// Waits for the answer to the oldest job, if there may be no further job before it is taken.
    pub(super) fn make_room(&mut self) -> Option<Answer<A>> {
        match &mut self.hands {
            Hands::Threads(pool) if pool.is_full() => pool.wait(),
            _ => None,
        }
    }

    /// Gives a job. `alone` says that there was none before, and there will be none. Returns the answer if it is there
    /// at once.
    pub(super) fn give(&mut self, job: J, alone: bool) -> Option<Answer<A>> {
        if matches!(self.hands, Hands::None) {
            self.hands = self.start(alone);
        }
        match &mut self.hands {
            Hands::Threads(pool) => pool.submit(job).err().map(Err),
            Hands::None | Hands::Here => Some(Ok((self.work)(job))),
        }
    }

    fn start(&self, alone: bool) -> Hands<J, A> {
        if !alone
            && let Ok(pool) = Pool::start(self.name, self.workers, self.most, self.work.clone())
        {
            return Hands::Threads(pool);
        }
        Hands::Here
    }

    /// The answer to the oldest job if it is there already.
    pub(super) fn ready(&mut self) -> Option<Answer<A>> {
        match &mut self.hands {
            Hands::Threads(pool) => pool.ready(),
            Hands::None | Hands::Here => None,
        }
    }

    /// Waits for the answer to the oldest job, if there is one.
    pub(super) fn wait(&mut self) -> Option<Answer<A>> {
        match &mut self.hands {
            Hands::Threads(pool) => pool.wait(),
            Hands::None | Hands::Here => None,
        }
    }
}
