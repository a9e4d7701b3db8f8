//! Running jobs. Each running job is a task; other jobs have none.
//!
//! A change is first stored, then its task is started or cancelled, all in one turn at the database; after that the
//! client gets its answer. Only the progress of running jobs is ahead in memory, and it is stored from time to time.

use crate::job::{Action, Job, Status, steps};
use crate::store::{Error, Store};
use executor::JoinHandle;
use executor::time::sleep;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

/// How often progress is stored: the most work that is repeated after a crash.
const STORE_EVERY: Duration = Duration::from_millis(500);
/// The pause before a failed store is retried.
const RETRY: Duration = Duration::from_secs(1);

/// The jobs.
pub struct Jobs {
    store: Store,
    running: RefCell<BTreeMap<i64, Running>>,
}

/// A running job.
struct Running {
    /// The number of completed steps.
    done: Rc<Cell<u32>>,
    task: JoinHandle<()>,
}

/// Why a change was not made.
pub enum Refusal {
    Unknown,
    /// The action is not possible in the job's status.
    Impossible(Job),
    Store(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Refusal::Store(error)
    }
}

impl Jobs {
    /// Opens the jobs in this file, without starting any.
    pub async fn open(database: PathBuf) -> Result<Rc<Jobs>, Error> {
        Ok(Rc::new(Jobs { store: Store::open(database).await?, running: RefCell::default() }))
    }

    /// Resumes the jobs that were running when the program ended, from their stored progress.
    pub async fn go_on(self: &Rc<Self>) -> Result<Vec<Job>, Error> {
        let (_turn, jobs) = self.store.turn().await.go_on().await?;
        for job in &jobs {
            self.start(job);
        }
        executor::named("progress").spawn_local(self.clone().keep_progress());
        Ok(jobs)
    }

    /// Creates a job and starts it.
    pub async fn create(self: &Rc<Self>, name: String, seconds: f64) -> Result<Job, Error> {
        let (_turn, job) = self.store.turn().await.insert(name, seconds, steps(seconds)).await?;
        self.start(&job);
        Ok(job)
    }

    /// A job.
    pub async fn find(&self, id: i64) -> Result<Option<Job>, Error> {
        let (_turn, mut job) = self.store.turn().await.find(id).await?;
        job.iter_mut().for_each(|job| self.bring_up_to_date(job));
        Ok(job)
    }

    /// All jobs, or those with this status.
    pub async fn list(&self, status: Option<Status>) -> Result<Vec<Job>, Error> {
        let (_turn, mut jobs) = self.store.turn().await.list(status).await?;
        jobs.iter_mut().for_each(|job| self.bring_up_to_date(job));
        Ok(jobs)
    }

    /// Pauses, resumes or cancels a job. Its current step is discarded.
    pub async fn change(self: &Rc<Self>, id: i64, action: Action) -> Result<Job, Refusal> {
        let (turn, job) = self.store.turn().await.find(id).await?;
        let mut job = job.ok_or(Refusal::Unknown)?;
        self.bring_up_to_date(&mut job);
        if !job.status.actions().contains(&action) {
            return Err(Refusal::Impossible(job));
        }
        job.apply(action);
        let (_turn, job) = turn.update(job).await?;
        match action {
            Action::Resume => self.start(&job),
            Action::Pause | Action::Cancel => {
                // The task cannot be storing its end now, because this is our turn.
                let running = self.running.borrow_mut().remove(&id);
                if let Some(Running { task, .. }) = running {
                    task.cancel();
                }
            }
        }
        Ok(job)
    }

    /// Stores the progress of all running jobs, and returns their number. Call no other method after it.
    pub async fn stop(&self) -> Result<usize, Error> {
        let turn = self.store.turn().await;
        let progress = self.progress();
        let count = progress.len();
        turn.progress(progress).await?;
        Ok(count)
    }

    /// Starts the task of a job. Call it in the turn in which the job was stored as running.
    fn start(self: &Rc<Self>, job: &Job) {
        let done = Rc::new(Cell::new(job.done));
        let task = executor::named(format!("job {}", job.id)).spawn_local(self.clone().work(job.clone(), done.clone()));
        self.running.borrow_mut().insert(job.id, Running { done, task });
    }

    /// The job's work, which is to sleep. Stores its end.
    async fn work(self: Rc<Self>, mut job: Job, done: Rc<Cell<u32>>) {
        while done.get() < job.steps {
            sleep(job.step()).await;
            done.set(done.get() + 1);
        }
        job.done = job.steps;
        while let Err(error) = self.finish(&job).await {
            eprintln!("cannot store the completion of task {}: {error}; trying again", job.id);
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

    /// Stores the progress of all running jobs from time to time.
    async fn keep_progress(self: Rc<Self>) {
        loop {
            sleep(STORE_EVERY).await;
            let turn = self.store.turn().await;
            let progress = self.progress();
            if progress.is_empty() {
                continue;
            }
            if let Err(error) = turn.progress(progress).await {
                eprintln!("cannot store the progress of the tasks: {error}; trying again");
                sleep(RETRY).await;
            }
        }
    }

    fn progress(&self) -> Vec<(i64, u32)> {
        self.running.borrow().iter().map(|(id, running)| (*id, running.done.get())).collect()
    }

    /// Sets the progress of a job from memory: only that is ahead of the disk.
    fn bring_up_to_date(&self, job: &mut Job) {
        if let Some(running) = self.running.borrow().get(&job.id) {
            job.done = running.done.get();
        }
    }
}
