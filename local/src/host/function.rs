//! One function: the environments that wait for an invocation, and the invocations that wait for an
//! environment.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::mpsc;

use super::invocation::Job;

/// How much of a function there may be at once.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Environments.
    pub concurrency: usize,
    /// Invocations that may wait for one; beyond it they are throttled.
    pub waiting: usize,
}

/// One function.
pub struct Function {
    /// Its name, which is its binary's.
    pub name: &'static str,
    /// How long an invocation may take.
    pub timeout: Duration,
    bounds: Bounds,
    pool: Mutex<Pool>,
    spent: Mutex<Spent>,
}

/// What a function's invocations have come to so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Spent {
    /// How many there were.
    pub invocations: u64,
    /// How many of them are not over.
    pub running: u64,
    /// How long those took that are over, with the work after their responses: each in whole
    /// milliseconds, rounded up, as Lambda bills it.
    pub billed_ms: u64,
}

#[derive(Default)]
struct Pool {
    /// The environments that wait for work, the latest used last.
    idle: Vec<(String, mpsc::Sender<Job>)>,
    /// How many there are, idle or not.
    running: usize,
    waiting: VecDeque<Job>,
}

/// What becomes of work.
pub enum Placed {
    /// An environment has it, or it waits for one.
    Taken,
    /// It is for an environment that is to be started now.
    Start(Job),
    /// Too much waits already.
    Full,
}

impl Function {
    /// A function that nothing runs yet.
    #[must_use]
    pub fn new(name: &'static str, timeout: Duration, bounds: Bounds) -> Self {
        Self {
            name,
            timeout,
            bounds,
            pool: Mutex::default(),
            spent: Mutex::default(),
        }
    }

    /// An invocation begins.
    pub fn invoked(&self) {
        let mut spent = self.spent();
        spent.invocations += 1;
        spent.running += 1;
    }

    /// One is over, after so long.
    pub fn done(&self, took: Duration) {
        let millis = took.as_micros().div_ceil(1_000);
        let mut spent = self.spent();
        spent.running -= 1;
        spent.billed_ms += u64::try_from(millis).unwrap_or(u64::MAX);
    }

    /// What its invocations have come to.
    #[must_use]
    pub fn so_far(&self) -> Spent {
        *self.spent()
    }

    fn spent(&self) -> MutexGuard<'_, Spent> {
        self.spent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives work to an idle environment, to a new one, or to the queue.
    #[must_use]
    pub fn place(&self, mut job: Job) -> Placed {
        let mut pool = self.pool();
        while let Some((_, jobs)) = pool.idle.pop() {
            match jobs.try_send(job) {
                Ok(()) => return Placed::Taken,
                // It has just ended.
                Err(refused) => job = refused.into_inner(),
            }
        }
        if pool.running < self.bounds.concurrency {
            pool.running += 1;
            return Placed::Start(job);
        }
        if pool.waiting.len() >= self.bounds.waiting {
            return Placed::Full;
        }
        pool.waiting.push_back(job);
        Placed::Taken
    }

    /// The next work that waits; without any the environment is idle from now on.
    pub fn next_or_idle(&self, environment: &str, jobs: &mpsc::Sender<Job>) -> Option<Job> {
        let mut pool = self.pool();
        let job = pool.waiting.pop_front();
        if job.is_none() {
            pool.idle.push((environment.to_owned(), jobs.clone()));
        }
        job
    }

    /// Takes an environment off, after its process has ended. Gives the work that now needs
    /// another one: what was given to it but not begun, or what waits.
    pub fn ended(&self, environment: &str, unbegun: Option<Job>) -> Option<Job> {
        let mut pool = self.pool();
        pool.running -= 1;
        pool.idle.retain(|(id, _)| id != environment);
        unbegun.or_else(|| pool.waiting.pop_front())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invocation_is_billed_in_whole_milliseconds() {
        let bounds = Bounds {
            concurrency: 1,
            waiting: 1,
        };
        let function = Function::new("connect", Duration::from_secs(1), bounds);
        for micros in [1, 1_000, 1_001] {
            function.invoked();
            assert_eq!(function.so_far().running, 1);
            function.done(Duration::from_micros(micros));
        }
        let expected = Spent {
            invocations: 3,
            running: 0,
            billed_ms: 1 + 1 + 2,
        };
        assert_eq!(function.so_far(), expected);
    }
}
