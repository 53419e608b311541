//! Futures that run by turns on one thread. Which of those that are ready comes next is somebody else's choice.

use std::any::Any;
use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Wake, Waker};

use futures::future::LocalBoxFuture;

#[derive(Default)]
pub(super) struct Tasks {
    all: BTreeMap<usize, Task>,
    ready: Arc<Ready>,
    begun: usize,
}

struct Task {
    who: usize,
    future: LocalBoxFuture<'static, ()>,
    waker: Waker,
}

/// Those that want to run, in the order in which they were woken.
#[derive(Default)]
struct Ready(Mutex<VecDeque<usize>>);

/// Wakes one task.
struct Call {
    task: usize,
    ready: Arc<Ready>,
}

impl Ready {
    fn tasks(&self) -> MutexGuard<'_, VecDeque<usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Call {
    fn wake(self: Arc<Self>) {
        let mut ready = self.ready.tasks();
        if !ready.contains(&self.task) {
            ready.push_back(self.task);
        }
    }
}

impl Tasks {
    /// A future of process `who` joins those that are ready.
    pub(super) fn begin(&mut self, who: usize, future: LocalBoxFuture<'static, ()>) {
        let task = self.begun;
        self.begun += 1;
        let waker = Waker::from(Arc::new(Call { task, ready: Arc::clone(&self.ready) }));
        waker.wake_by_ref();
        self.all.insert(task, Task { who, future, waker });
    }

    /// Drops all futures of a process.
    pub(super) fn end(&mut self, who: usize) {
        self.all.retain(|_, task| task.who != who);
    }

    /// Takes out one of those that are ready and may run: `choose` is told how many there are.
    pub(super) fn next(
        &mut self,
        may_run: impl Fn(usize) -> bool,
        choose: impl FnOnce(usize) -> usize,
    ) -> Option<Turn> {
        let mut ready = self.ready.tasks();
        ready.retain(|task| self.all.contains_key(task));
        let who = |task: &usize| self.all.get(task).map(|task| task.who);
        let able: Vec<_> = ready.iter().filter(|task| who(task).is_some_and(&may_run)).collect();
        let chosen = if able.len() > 1 { choose(able.len()) } else { 0 };
        let task = **able.get(chosen)?;
        ready.retain(|other| *other != task);
        Some(Turn { task, who: who(&task)? })
    }

    /// Lets a task run until it waits.
    ///
    /// # Errors
    /// What it panicked with.
    pub(super) fn poll(&mut self, turn: Turn) -> Result<(), String> {
        let Some(mut task) = self.all.remove(&turn.task) else { return Ok(()) };
        let mut cx = Context::from_waker(&task.waker);
        let polled = catch_unwind(AssertUnwindSafe(|| task.future.as_mut().poll(&mut cx)));
        if polled.map_err(|panic| words(panic.as_ref()))?.is_pending() {
            self.all.insert(turn.task, task);
        }
        Ok(())
    }
}

/// A task whose turn it is.
#[derive(Clone, Copy, Debug, Hash)]
pub(super) struct Turn {
    task: usize,
    pub(super) who: usize,
}

fn words(panic: &(dyn Any + Send)) -> String {
    let literal = panic.downcast_ref::<&str>().map(|words| (*words).to_owned());
    let words = literal.or_else(|| panic.downcast_ref::<String>().cloned());
    words.unwrap_or_else(|| "no words".into())
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::future::poll_fn;
    use std::rc::Rc;
    use std::task::Poll;

    use super::*;

    async fn wait_once() {
        let mut polls = [Poll::Pending, Poll::Ready(())].into_iter();
        poll_fn(|_| polls.next().unwrap()).await;
    }

    /// What three tasks write that each wait once, if always the same one of the ready ones is chosen.
    fn written(choose: fn(usize) -> usize) -> String {
        let paper = Rc::new(RefCell::new(String::new()));
        let mut tasks = Tasks::default();
        for letter in ['a', 'b', 'c'] {
            let paper = Rc::clone(&paper);
            let future = async move {
                paper.borrow_mut().push(letter);
                wait_once().await;
                paper.borrow_mut().push(letter);
            };
            tasks.begin(0, Box::pin(future));
        }
        for _ in 0..2 {
            while let Some(turn) = tasks.next(|_| true, choose) {
                tasks.poll(turn).unwrap();
            }
            tasks.all.values().for_each(|task| task.waker.wake_by_ref());
        }
        paper.take()
    }

    #[test]
    fn the_first_choice_is_first_in_first_out() {
        assert_eq!(written(|_| 0), "abcabc");
    }

    #[test]
    fn any_other_choice_is_another_order() {
        assert_eq!(written(|ready| ready - 1), "cbacba");
    }

    #[test]
    fn a_panic_is_told_and_those_who_may_not_run_do_not() {
        let mut tasks = Tasks::default();
        tasks.begin(0, Box::pin(async { panic!("oh") }));
        assert!(tasks.next(|who| who == 1, |_| 0).is_none());
        let turn = tasks.next(|_| true, |_| 0).unwrap();
        assert_eq!(tasks.poll(turn), Err("oh".into()));
        assert!(tasks.next(|_| true, |_| 0).is_none());
    }
}
