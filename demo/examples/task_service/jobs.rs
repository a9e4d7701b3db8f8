//! Jobs at work: each that runs is a task, and none is one that doesn't run.
//!
//! The disk comes first. A change is stored, then its task is started or cancelled, all in one turn at the
//! database; only then the client has its answer. What is in memory alone is how far each running job is,
//! and that is stored from time to time.

use crate::job::{Action, Job, Status, steps};
use crate::store::{Error, Store};
use executor::JoinHandle;
use executor::time::sleep;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

/// So much work is done again after a crash, at most.
const STORE_EVERY: Duration = Duration::from_millis(500);
/// Before another try to store what could not be stored.
const RETRY: Duration = Duration::from_secs(1);

/// All jobs.
pub struct Jobs {
    store: Store,
    running: RefCell<BTreeMap<i64, Running>>,
}

/// A job that runs.
struct Running {
    /// Steps that are done.
    done: Rc<Cell<u32>>,
    task: JoinHandle<()>,
}

/// Why a change was not made.
pub enum Refusal {
    Unknown,
    /// It makes no sense for the job as it is.
    Senseless(Job),
    Store(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Refusal::Store(error)
    }
}

impl Jobs {
    /// Those in this file. None runs yet.
    pub async fn open(database: PathBuf) -> Result<Rc<Jobs>, Error> {
        Ok(Rc::new(Jobs { store: Store::open(database).await?, running: RefCell::default() }))
    }

    /// Starts those that ran when the program ended, from where they were last stored.
    pub async fn go_on(self: &Rc<Self>) -> Result<Vec<Job>, Error> {
        let (_turn, jobs) = self.store.turn().await.go_on().await?;
        for job in &jobs {
            self.start(job);
        }
        executor::named("progress").spawn_local(self.clone().keep_progress());
        Ok(jobs)
    }

    /// Starts a new one.
    pub async fn create(self: &Rc<Self>, name: String, seconds: f64) -> Result<Job, Error> {
        let (_turn, job) = self.store.turn().await.insert(name, seconds, steps(seconds)).await?;
        self.start(&job);
        Ok(job)
    }

    /// One of them.
    pub async fn find(&self, id: i64) -> Result<Option<Job>, Error> {
        let (_turn, mut job) = self.store.turn().await.find(id).await?;
        job.iter_mut().for_each(|job| self.bring_up_to_date(job));
        Ok(job)
    }

    /// All of them, or those with this status.
    pub async fn list(&self, status: Option<Status>) -> Result<Vec<Job>, Error> {
        let (_turn, mut jobs) = self.store.turn().await.list(status).await?;
        jobs.iter_mut().for_each(|job| self.bring_up_to_date(job));
        Ok(jobs)
    }

    /// Pauses, resumes or cancels one. A step that is under way then was in vain.
    pub async fn change(self: &Rc<Self>, id: i64, action: Action) -> Result<Job, Refusal> {
        let (turn, job) = self.store.turn().await.find(id).await?;
        let mut job = job.ok_or(Refusal::Unknown)?;
        self.bring_up_to_date(&mut job);
        if !job.status.actions().contains(&action) {
            return Err(Refusal::Senseless(job));
        }
        job.apply(action);
        let (_turn, job) = turn.update(job).await?;
        match action {
            Action::Resume => self.start(&job),
            Action::Pause | Action::Cancel => {
                // It can't be storing its end just now, as we have the turn.
                let running = self.running.borrow_mut().remove(&id);
                if let Some(Running { task, .. }) = running {
                    task.cancel();
                }
            }
        }
        Ok(job)
    }

    /// Stores how far all are, and says how many run. Nothing may be changed after it.
    pub async fn stop(&self) -> Result<usize, Error> {
        let turn = self.store.turn().await;
        let progress = self.progress();
        let count = progress.len();
        turn.progress(progress).await?;
        Ok(count)
    }

    /// Makes a task of a job. To be called in the turn in which it was stored as running.
    fn start(self: &Rc<Self>, job: &Job) {
        let done = Rc::new(Cell::new(job.done));
        let task = executor::named(format!("job {}", job.id)).spawn_local(self.clone().work(job.clone(), done.clone()));
        self.running.borrow_mut().insert(job.id, Running { done, task });
    }

    /// The work: it sleeps. Then the job is done.
    async fn work(self: Rc<Self>, mut job: Job, done: Rc<Cell<u32>>) {
        while done.get() < job.steps {
            sleep(job.step()).await;
            done.set(done.get() + 1);
        }
        job.done = job.steps;
        while let Err(error) = self.finish(&job).await {
            eprintln!("task {} is done and that can't be stored: {error}; trying again", job.id);
            sleep(RETRY).await;
        }
    }

    async fn finish(&self, job: &Job) -> Result<(), Error> {
        let turn = self.store.turn().await;
        let mut job = job.clone();
        job.end(Status::Done);
        let (_turn, job) = turn.update(job).await?;
        self.running.borrow_mut().remove(&job.id);
        Ok(())
    }

    /// Stores how far all are, again and again.
    async fn keep_progress(self: Rc<Self>) {
        loop {
            sleep(STORE_EVERY).await;
            let turn = self.store.turn().await;
            let progress = self.progress();
            if progress.is_empty() {
                continue;
            }
            if let Err(error) = turn.progress(progress).await {
                eprintln!("how far the tasks are can't be stored: {error}; trying again");
                sleep(RETRY).await;
            }
        }
    }

    fn progress(&self) -> Vec<(i64, u32)> {
        self.running.borrow().iter().map(|(id, running)| (*id, running.done.get())).collect()
    }

    /// The disk lags behind in how far a running job is, and in nothing else.
    fn bring_up_to_date(&self, job: &mut Job) {
        if let Some(running) = self.running.borrow().get(&job.id) {
            job.done = running.done.get();
        }
    }
}
