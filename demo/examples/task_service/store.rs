//! The jobs on disk: one SQLite database, one connection, one user at a time.
//!
//! SQLite blocks, so its calls run on the pool for blocking calls. A caller first takes its [`Turn`]. Callers wait for their
//! turns as suspended tasks, not as threads of the pool. A turn can be kept after a call, so that other callers see its
//! changes on disk and in memory only together.

use crate::job::{Job, Status, now};
use executor::sync::{Mutex, OwnedMutexGuard};
use executor::{JoinError, spawn_blocking};
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, OptionalExtension, Row, params};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The lock is exclusive, because a second service on the same file would run the same jobs. The system releases it however
/// the process ends.
///
/// With WAL, a commit is one write and one fsync at the end of one file. With FULL, that fsync happens before the commit
/// returns, and so before the client gets its answer. NORMAL would survive `kill -9`, but an answered change must survive a
/// power cut too. Progress is stored often, but for all jobs at once, so fsyncs are few.
const SET_UP: &str = "
    PRAGMA locking_mode = EXCLUSIVE;
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    CREATE TABLE IF NOT EXISTS job (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL,
        status TEXT NOT NULL CHECK (status IN ('running', 'paused', 'done', 'cancelled')),
        seconds REAL NOT NULL CHECK (seconds >= 0),
        steps INTEGER NOT NULL CHECK (steps > 0),
        done INTEGER NOT NULL CHECK (done BETWEEN 0 AND steps),
        created TEXT NOT NULL,
        started TEXT NOT NULL,
        ended TEXT
    ) STRICT;
    CREATE INDEX IF NOT EXISTS job_by_status ON job (status);
";

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("another program is using it")]
    InUse,
    #[error("{0}")]
    Sqlite(rusqlite::Error),
    #[error("a bug in task_service: {0}")]
    Bug(#[from] JoinError),
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Error::InUse,
            _ => Error::Sqlite(error),
        }
    }
}

/// The database.
pub struct Store {
    connection: Arc<Mutex<Connection>>,
}

/// The exclusive right to use the database.
///
/// Each call consumes it and returns it with the result. If the caller is dropped during a call, the turn ends when the call
/// returns.
pub struct Turn(OwnedMutexGuard<Connection>);

impl Store {
    /// Opens the file, creating it if it does not exist.
    pub async fn open(path: PathBuf) -> Result<Store, Error> {
        let connection = spawn_blocking(move || {
            let connection = Connection::open(path)?;
            connection.busy_timeout(Duration::from_secs(1))?; // a previous service may just be ending
            connection.execute_batch(SET_UP)?;
            Ok::<_, Error>(connection)
        });
        Ok(Store { connection: Arc::new(Mutex::new(connection.await??)) })
    }

    /// Waits for a turn.
    pub async fn turn(&self) -> Turn {
        Turn(self.connection.lock_owned().await)
    }
}

impl Turn {
    /// Inserts a new, running job.
    ///
    /// It needs a transaction: without one, SQLite commits at the end of the statement, which is after it has returned its
    /// row, and `query_row` cannot report that this commit failed.
    pub async fn insert(self, name: String, seconds: f64, steps: u32) -> Result<(Turn, Job), Error> {
        const INSERT: &str = "INSERT INTO job (name, status, seconds, steps, done, created, started)
            VALUES (?1, 'running', ?2, ?3, 0, ?4, ?4) RETURNING *";
        self.call(move |connection| {
            let transaction = connection.transaction()?;
            let job = transaction.query_row(INSERT, params![name, seconds, steps, now()], job)?;
            transaction.commit()?;
            Ok(job)
        })
        .await
    }

    /// A job, if it exists.
    pub async fn find(self, id: i64) -> Result<(Turn, Option<Job>), Error> {
        self.call(move |connection| connection.query_row("SELECT * FROM job WHERE id = ?", [id], job).optional()).await
    }

    /// All jobs, or those with this status.
    pub async fn list(self, status: Option<Status>) -> Result<(Turn, Vec<Job>), Error> {
        self.call(move |connection| {
            let mut select = connection.prepare("SELECT * FROM job WHERE ?1 IS NULL OR status = ?1 ORDER BY id")?;
            select.query_map([status], job)?.collect()
        })
        .await
    }

    /// The jobs that were running when the program ended, with a new start time.
    pub async fn go_on(self) -> Result<(Turn, Vec<Job>), Error> {
        self.call(move |connection| {
            connection.execute("UPDATE job SET started = ? WHERE status = 'running'", [now()])?;
            let mut select = connection.prepare("SELECT * FROM job WHERE status = 'running' ORDER BY id")?;
            select.query_map([], job)?.collect()
        })
        .await
    }

    /// Stores the status, the progress and the times of a job.
    pub async fn update(self, job: Job) -> Result<(Turn, Job), Error> {
        const UPDATE: &str = "UPDATE job SET status = ?2, done = ?3, started = ?4, ended = ?5 WHERE id = ?1";
        self.call(move |connection| {
            connection.execute(UPDATE, params![job.id, job.status, job.done, job.started, job.ended])?;
            Ok(job)
        })
        .await
    }

    /// Stores the progress of jobs, by id, in one transaction.
    pub async fn progress(self, done: Vec<(i64, u32)>) -> Result<(Turn, ()), Error> {
        self.call(move |connection| {
            let transaction = connection.transaction()?;
            let mut update = transaction.prepare("UPDATE job SET done = ?2 WHERE id = ?1")?;
            for (id, done) in done {
                update.execute(params![id, done])?;
            }
            drop(update);
            transaction.commit()
        })
        .await
    }

    async fn call<T, F>(mut self, call: F) -> Result<(Turn, T), Error>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        spawn_blocking(move || {
            let value = call(&mut self.0)?;
            Ok((self, value))
        })
        .await?
    }
}

fn job(row: &Row<'_>) -> rusqlite::Result<Job> {
    Ok(Job {
        id: row.get("id")?,
        name: row.get("name")?,
        status: row.get("status")?,
        seconds: row.get("seconds")?,
        steps: row.get("steps")?,
        done: row.get("done")?,
        created: row.get("created")?,
        started: row.get("started")?,
        ended: row.get("ended")?,
    })
}

impl ToSql for Status {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.name().into())
    }
}

impl FromSql for Status {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Status> {
        Status::named(value.as_str()?).ok_or(FromSqlError::InvalidType)
    }
}
