//! Threads that do one job after the other, and answer in the order of the jobs.

#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::sync::mpsc::{self, Receiver, SyncSender, TryRecvError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use super::worker::spawn_quiet;
use crate::Result;

/// A job, and where its answer goes.
type Task<J, A> = (J, SyncSender<A>);

/// Threads that do jobs. Dropping them waits for them to finish those that they were given.
pub(crate) struct Threads<J, A> {
    /// What they take jobs from; they end when it is gone.
    jobs: Option<SyncSender<Task<J, A>>>,
    threads: Vec<JoinHandle<()>>,
}

/// Threads whose answers come in the order of the jobs.
pub(super) struct Pool<J, A> {
    threads: Threads<J, A>,
    /// One channel for each job under way, oldest first. A thread that dies drops its end, so nobody waits for it.
    answers: VecDeque<Receiver<A>>,
    most: usize,
}

/// A thread died before it could answer.
#[derive(Debug)]
pub(crate) struct Died;

impl<J: Send + 'static, A: Send + 'static> Threads<J, A> {
    /// Starts up to `workers` threads that do jobs by `work`. Up to `most` jobs wait for them.
    ///
    /// # Errors
    ///
    /// Not even one thread can be started: the system call's.
    pub(crate) fn start(
        name: &str,
        workers: usize,
        most: usize,
        work: impl Fn(J) -> A + Clone + Send + 'static,
    ) -> Result<Self> {
        let (sender, receiver) = mpsc::sync_channel::<Task<J, A>>(most);
        let receiver = Arc::new(Mutex::new(receiver));
        let mut threads = Vec::new();
        for _ in 0..workers {
            let (receiver, work) = (Arc::clone(&receiver), work.clone());
            let thread = spawn_quiet(name, move || {
                while let Ok((job, answer)) = take(&receiver) {
                    // Nobody waits for an answer once the work is abandoned.
                    let _ = answer.send(work(job));
                }
            });
            match thread {
                Ok(thread) => threads.push(thread),
                Err(error) if threads.is_empty() => return Err(error),
                Err(_) => break,
            }
        }
        Ok(Threads {
            jobs: Some(sender),
            threads,
        })
    }

    /// Gives a job to the next thread that is free, and tells where its answer comes. This waits while too many jobs do.
    pub(crate) fn give(&self, job: J) -> Result<Receiver<A>, Died> {
        let (sender, receiver) = mpsc::sync_channel(1);
        let jobs = self.jobs.as_ref().ok_or(Died)?;
        jobs.send((job, sender)).map_err(|_| Died)?;
        Ok(receiver)
    }
}

impl<J: Send + 'static, A: Send + 'static> Pool<J, A> {
    /// Starts up to `workers` threads that do jobs by `work`. Up to `most` jobs may be under way.
    ///
    /// # Errors
    ///
    /// Not even one thread can be started: the system call's.
    pub(super) fn start(
        name: &str,
        workers: usize,
        most: usize,
        work: impl Fn(J) -> A + Clone + Send + 'static,
    ) -> Result<Self> {
        Ok(Pool {
            threads: Threads::start(name, workers, most, work)?,
            answers: VecDeque::new(),
            most,
        })
    }

    /// Whether there may be no further job until an answer is taken.
    pub(super) fn is_full(&self) -> bool {
        self.answers.len() >= self.most
    }

    /// Gives a job to the next thread that is free. While the pool is full this may wait.
    pub(super) fn submit(&mut self, job: J) -> Result<(), Died> {
        self.answers.push_back(self.threads.give(job)?);
        Ok(())
    }

    /// Waits for the answer to the oldest job, if there is one.
    pub(super) fn wait(&mut self) -> Option<Result<A, Died>> {
        let answer = self.answers.pop_front()?;
        Some(answer.recv().map_err(|_| Died))
    }

    /// The answer to the oldest job if it is there already.
    pub(super) fn ready(&mut self) -> Option<Result<A, Died>> {
        let answer = match self.answers.front()?.try_recv() {
            Err(TryRecvError::Empty) => return None,
            Err(TryRecvError::Disconnected) => Err(Died),
            Ok(answer) => Ok(answer),
        };
        self.answers.pop_front();
        Some(answer)
    }
}

/// The next job; an error once there are no more.
fn take<T>(receiver: &Mutex<Receiver<T>>) -> Result<T, mpsc::RecvError> {
    // Nothing panics while it is locked.
    let receiver = receiver.lock().unwrap_or_else(PoisonError::into_inner);
    receiver.recv()
}

impl<J, A> Drop for Threads<J, A> {
    fn drop(&mut self) {
        self.jobs = None;
        for thread in self.threads.drain(..) {
            // What it died of was told where its answer was missed.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(
        workers: usize,
        most: usize,
        work: impl Fn(u32) -> u32 + Clone + Send + 'static,
    ) -> Pool<u32, u32> {
        Pool::start("pool-test", workers, most, work).unwrap()
    }

    #[test]
    fn answers_come_in_the_order_of_the_jobs() {
        let (sender, receiver) = mpsc::channel();
        let receiver = Arc::new(Mutex::new(receiver));
        // The first job ends only after the second one has.
        let mut pool = pool(2, 4, move |job| {
            if job == 0 {
                receiver.lock().unwrap().recv().unwrap();
            } else {
                sender.send(()).unwrap();
            }
            job + 10
        });
        pool.submit(0).unwrap();
        pool.submit(1).unwrap();
        assert_eq!(pool.wait().unwrap().unwrap(), 10);
        assert_eq!(pool.wait().unwrap().unwrap(), 11);
        assert!(pool.wait().is_none(), "there was no third");
    }

    #[test]
    fn what_is_not_ready_is_not_waited_for() {
        let (sender, receiver) = mpsc::channel();
        let receiver = Arc::new(Mutex::new(receiver));
        let mut pool = pool(1, 2, move |job| {
            receiver.lock().unwrap().recv().unwrap();
            job
        });
        // It goes before the pool does, so that a failed test ends.
        let sender = sender;
        assert!(pool.ready().is_none() && !pool.is_full());
        pool.submit(1).unwrap();
        assert!(pool.ready().is_none() && !pool.is_full());
        pool.submit(2).unwrap();
        assert!(pool.ready().is_none() && pool.is_full());
        sender.send(()).unwrap();
        sender.send(()).unwrap();
        assert_eq!(pool.wait().unwrap().unwrap(), 1);
        assert!(!pool.is_full());
        assert_eq!(pool.wait().unwrap().unwrap(), 2);
        assert!(pool.ready().is_none());
    }

    #[test]
    fn a_thread_that_dies_is_not_waited_for() {
        let mut pool = pool(1, 3, |job| {
            assert_ne!(job, 1, "on purpose");
            job
        });
        for job in 0..2 {
            pool.submit(job).unwrap();
        }
        assert_eq!(pool.wait().unwrap().unwrap(), 0);
        assert!(pool.wait().unwrap().is_err(), "it died of this one");
        assert!(
            pool.submit(2).is_err() || pool.wait().unwrap().is_err(),
            "nobody is left for this one"
        );
    }

    #[test]
    fn the_other_threads_do_the_jobs_of_one_that_died() {
        let mut pool = pool(2, 9, |job| {
            assert_ne!(job, 0, "on purpose");
            job
        });
        for job in 0..9 {
            pool.submit(job).unwrap();
        }
        assert!(pool.wait().unwrap().is_err());
        for job in 1..9 {
            assert_eq!(pool.wait().unwrap().unwrap(), job);
        }
    }

    #[test]
    fn a_dropped_pool_leaves_no_thread() {
        let witness = Arc::new(());
        let held = Arc::clone(&witness);
        let mut pool = pool(3, 6, move |job| {
            let _held = &held;
            job
        });
        for job in 0..6 {
            pool.submit(job).unwrap();
        }
        drop(pool);
        assert_eq!(Arc::strong_count(&witness), 1);
    }
}
