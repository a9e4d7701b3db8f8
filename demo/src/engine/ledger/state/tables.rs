//! The tables of the database in which a crawl is kept. Its functions block, so the pool calls them, through `file.rs`.
//!
//! | table | key | value |
//! |---|---|---|
//! | `crawl` | `format`, `crawl` | the version of this format; the [`Crawl`] as JSON |
//! | `queue` | a page's number | URL, depth, referrer (empty: none): the pages that are not done |
//! | `done` | a page's number | the [`Done`] as JSON |
//! | `forbidden` | URL | pages that robots.txt forbids |
//! | `skipped` | the hash of a link | why it is not followed, as JSON |
//! | `scope` | URL | targets of first pages' redirects, which extend the scope |

use super::change::{Change, Queued};
use super::crawl::Crawl;
use super::error::StateError;
use crate::engine::ledger::Done;
use crate::engine::skipped::Skipped;
use redb::{AccessGuard, Database, Key, Range, ReadableDatabase, ReadableTable, TableDefinition, TableError, Value};
use serde::de::DeserializeOwned;
use url::Url;

const CRAWL: TableDefinition<'_, &str, &str> = TableDefinition::new("crawl");
const QUEUE: TableDefinition<'_, u32, (&str, u32, &str)> = TableDefinition::new("queue");
const DONE: TableDefinition<'_, u32, &[u8]> = TableDefinition::new("done");
const FORBIDDEN: TableDefinition<'_, &str, ()> = TableDefinition::new("forbidden");
const SKIPPED: TableDefinition<'_, u64, &str> = TableDefinition::new("skipped");
const SCOPE: TableDefinition<'_, &str, ()> = TableDefinition::new("scope");

/// The version of the format. Increase it for any change that this code cannot read.
const FORMAT: &str = "1";
/// Number of pages to read at once.
const CHUNK: usize = 1000;

/// What is kept beside the pages.
pub struct Rest {
    pub scope: Vec<Url>,
    pub forbidden: Vec<Url>,
    pub skipped: Vec<(u64, Skipped)>,
}

/// Creates the tables, and writes which crawl they hold and its first pages.
pub fn begin(database: &Database, crawl: &Crawl) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        let mut table = transaction.open_table(CRAWL)?;
        table.insert("format", FORMAT)?;
        table.insert("crawl", json(crawl).as_str())?;
        let mut queue = transaction.open_table(QUEUE)?;
        for (number, url) in crawl.starts.iter().enumerate() {
            queue.insert(number as u32, (url.as_str(), 0, ""))?;
        }
        transaction.open_table(DONE)?;
        transaction.open_table(FORBIDDEN)?;
        transaction.open_table(SKIPPED)?;
        transaction.open_table(SCOPE)?;
    }
    Ok(transaction.commit()?)
}

/// Which crawl a database holds.
pub fn crawl(database: &Database) -> Result<Crawl, StateError> {
    let read = |key| -> Result<Option<String>, redb::Error> {
        let table = match database.begin_read()?.open_table(CRAWL) {
            Err(TableError::TableDoesNotExist(_)) => return Ok(None),
            table => table?,
        };
        Ok(table.get(key)?.map(|value| value.value().to_owned()))
    };
    match read("format")?.ok_or(StateError::NotAState)? {
        format if format == FORMAT => parse(read("crawl")?.ok_or(StateError::NotAState)?.as_bytes()),
        format => Err(StateError::OtherFormat(format)),
    }
}

/// Writes changes in one transaction, and waits until they are on the disk.
pub fn write(database: &Database, changes: &[Change]) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        let mut queue = transaction.open_table(QUEUE)?;
        let mut done_pages = transaction.open_table(DONE)?;
        let mut forbidden = transaction.open_table(FORBIDDEN)?;
        let mut skipped = transaction.open_table(SKIPPED)?;
        let mut scope = transaction.open_table(SCOPE)?;
        for change in changes {
            match change {
                Change::Queued(Queued { number, url, depth, referrer }) => {
                    queue.insert(number, (url.as_str(), *depth, referrer.as_deref().unwrap_or_default()))?;
                }
                Change::Redirected { number } => drop(queue.remove(number)?),
                Change::Done { number, done } => {
                    queue.remove(number)?;
                    done_pages.insert(number, done.as_slice())?;
                }
                Change::Forbidden { number, url } => {
                    queue.remove(number)?;
                    forbidden.insert(url.as_str(), ())?;
                }
                Change::SkippedLink { hash, reason } => drop(skipped.insert(hash, reason.as_str())?),
                Change::Scope { url } => drop(scope.insert(url.as_str(), ())?),
            }
        }
    }
    Ok(transaction.commit()?)
}

/// The first pages with at least this number that are not done.
pub fn queued(database: &Database, from: u32) -> Result<Vec<Queued>, StateError> {
    let table = database.begin_read().map_err(error)?.open_table(QUEUE).map_err(error)?;
    entries(table.range(from..), CHUNK, |number, page| {
        let (url, depth, referrer) = page.value();
        let referrer = Some(referrer.to_owned()).filter(|referrer| !referrer.is_empty());
        Ok(Queued { number: number.value(), url: url.to_owned(), depth, referrer })
    })
}

/// The first pages with at least this number that are done.
pub fn done(database: &Database, from: u32) -> Result<Vec<(u32, Done)>, StateError> {
    let table = database.begin_read().map_err(error)?.open_table(DONE).map_err(error)?;
    entries(table.range(from..), CHUNK, |number, done| Ok((number.value(), parse(done.value())?)))
}

/// What is kept beside the pages.
pub fn rest(database: &Database) -> Result<Rest, StateError> {
    let transaction = database.begin_read().map_err(error)?;
    let scope = transaction.open_table(SCOPE).map_err(error)?;
    let forbidden = transaction.open_table(FORBIDDEN).map_err(error)?;
    let skipped = transaction.open_table(SKIPPED).map_err(error)?;
    Ok(Rest {
        scope: entries(scope.iter(), usize::MAX, |url, _| parse_url(url.value()))?,
        forbidden: entries(forbidden.iter(), usize::MAX, |url, _| parse_url(url.value()))?,
        skipped: entries(skipped.iter(), usize::MAX, |hash, reason| {
            Ok((hash.value(), parse(reason.value().as_bytes())?))
        })?,
    })
}

/// The first entries of a range.
fn entries<K: Key + 'static, V: Value + 'static, T>(
    range: Result<Range<'_, K, V>, redb::StorageError>,
    most: usize,
    entry: impl Fn(AccessGuard<'_, K>, AccessGuard<'_, V>) -> Result<T, StateError>,
) -> Result<Vec<T>, StateError> {
    let mut entries = Vec::new();
    for found in range.map_err(error)?.take(most) {
        let (key, value) = found.map_err(error)?;
        entries.push(entry(key, value)?);
    }
    Ok(entries)
}

/// A value as JSON.
pub fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("strings and numbers make JSON")
}

fn parse<T: DeserializeOwned>(json: &[u8]) -> Result<T, StateError> {
    serde_json::from_slice(json).map_err(|error| StateError::Damaged(error.to_string()))
}

/// A URL that was written into the file.
pub fn parse_url(text: &str) -> Result<Url, StateError> {
    Url::parse(text).map_err(|error| StateError::Damaged(format!("`{text}`: {error}")))
}

fn error(error: impl Into<redb::Error>) -> StateError {
    error.into().into()
}
