//! One connection of a body that is received in segments. It takes one segment after another from the queue. Used by
//! `mod.rs`.

use super::Shared;
use super::queue::Queue;
use crate::engine::error::PageError;
use crate::engine::frontier::Room;
use crate::engine::resume::Verdict;
use crate::engine::retry::{busy, next_attempt};
use crate::engine::save::{SaveError, Writer};
use crate::http::{Connection, Error, Response};
use executor::time::{Instant, now, sleep_until};
use futures_lite::FutureExt;
use http::StatusCode;
use std::ops::Range;

/// One connection.
pub struct Stream<'a> {
    shared: &'a Shared<'a>,
    queue: &'a Queue,
    retries: u32,
    /// Whether the last request was answered with the range that it requested.
    is_answered: bool,
}

impl<'a> Stream<'a> {
    pub fn new(shared: &'a Shared<'a>) -> Stream<'a> {
        Stream { shared, queue: &shared.queue, retries: 0, is_answered: false }
    }

    /// Receives the segment `own` from the first response, which has the bytes up to `end`. Then receives others.
    pub async fn first(mut self, response: &mut Response<'_>, mut own: Range<u64>, end: u64) -> Result<(), PageError> {
        let _working = self.queue.work();
        let begun = now();
        self.is_answered = true;
        self.queue.whole.set(own.end < end);
        let received = self.first_response(Pieces::of(response), &mut own, end).await;
        self.queue.whole.set(false);
        match received {
            // A connection is reused only if its response was read to the end.
            Ok(at) if at == end => drop(response.piece().await),
            _ => response.abandon(),
        }
        let goes_on = match received {
            Ok(_) => true,
            Err(error) => self.goes_on(&own, error, begun).await?,
        };
        if goes_on { self.segments(own).await } else { Ok(()) }
    }

    /// Waits until the host has room for another connection, and receives segments over it.
    pub async fn further(mut self) -> Result<(), PageError> {
        let Shared { engine, url, .. } = self.shared;
        let room = async { Some(Room::at(&engine.frontier, url).await) };
        let over = async {
            self.queue.until(Queue::is_over).await;
            None
        };
        let Some(_room) = room.or(over).await else { return Ok(()) };
        let _working = self.queue.work();
        self.segments(0..0).await
    }

    /// Receives a segment, and then those that are left.
    async fn segments(&mut self, mut range: Range<u64>) -> Result<(), PageError> {
        loop {
            while !range.is_empty() {
                let begun = now();
                if let Err(error) = self.request(&mut range).await
                    && !self.goes_on(&range, error, begun).await?
                {
                    return Ok(());
                }
            }
            if self.queue.is_over() {
                return Ok(());
            }
            range = self.queue.take().unwrap_or_default();
        }
    }

    /// Handles an error: waits before the next attempt at `range`, or gives it back. Returns whether to continue.
    ///
    /// # Errors
    /// Fails if the body can't be completed.
    async fn goes_on(&mut self, range: &Range<u64>, error: PageError, begun: Instant) -> Result<bool, PageError> {
        let Shared { engine, url, .. } = self.shared;
        if matches!(error, PageError::NotInSegments) {
            self.queue.give_back(range.clone());
            self.queue.refuse();
            return if self.queue.whole.get() { Ok(false) } else { Err(error) };
        }
        let may_pass = next_attempt(engine, url, &error, begun, self.retries);
        let is_of_all = matches!(error, PageError::Save(_) | PageError::Http(Error::TotalTime(_)));
        if !self.is_answered && !is_of_all && self.queue.has_others() {
            self.queue.give_back(range.clone());
            return Ok(false);
        }
        match may_pass {
            _ if matches!(&error, PageError::Http(error) if error.is_out_of_descriptors()) => Err(error),
            Some(time) => {
                self.retries += 1;
                sleep_until(time).or(engine.frontier.stopped()).await;
                Ok(true)
            }
            None if error.is_transient() => Err(PageError::Exhausted(Box::new(error))),
            None => Err(error),
        }
    }

    /// Receives the first response up to the first range that another connection receives. Returns the position that it
    /// reached.
    async fn first_response(
        &mut self,
        mut pieces: Pieces<'_, '_>,
        range: &mut Range<u64>,
        end: u64,
    ) -> Result<u64, PageError> {
        loop {
            self.receive(&mut pieces, range).await?;
            let at = range.end;
            if at == end {
                return Ok(at);
            }
            *range = at..at;
            if let Some(next) = self.queue.take_at(at) {
                *range = next;
            } else if self.queue.is_asking() {
                // The server may refuse to send the requested ranges. In that case, only this response has them.
                self.queue.until(|queue| queue.has(at) || !queue.is_asking()).await;
            } else if self.queue.is_refused()
                && let Some(next) = self.queue.take_from(at)
            {
                pieces.skip(next.start - at).await?; // what others have received
                *range = next;
            } else {
                return Ok(at);
            }
        }
    }

    /// Requests a range, and receives it. Its start advances by what was received.
    async fn request(&mut self, range: &mut Range<u64>) -> Result<(), PageError> {
        let Shared { engine, url, limits, .. } = *self.shared;
        self.is_answered = false;
        let mut asking = Some(self.queue.ask());
        engine.frontier.turn(url).await;
        let mut connection = limits.within_total(engine.connections.get(url, limits)).await?;
        loop {
            let used = connection.was_used();
            let exchanged = self.exchange(&mut connection, range, &mut asking).await;
            match exchanged {
                // The server closed an idle connection just when it was reused.
                Err(PageError::Http(Error::NoReply)) if used => {
                    connection = limits.within_total(engine.connections.connect(url, limits)).await?;
                }
                exchanged => {
                    engine.connections.put(url, connection);
                    return exchanged;
                }
            }
        }
    }

    async fn exchange(
        &mut self,
        connection: &mut Connection,
        range: &mut Range<u64>,
        asking: &mut Option<impl Sized>,
    ) -> Result<(), PageError> {
        let Shared { engine, url, limits, origin, attempts, .. } = self.shared;
        attempts.set(attempts.get() + 1);
        let mut request = engine.requests.get(url, self.shared.referrer);
        origin.fields(range.start, Some(range.end)).into_iter().for_each(|(name, value)| request.set(name, value));
        let mut response = connection.request(&request, limits).await?;
        engine.requests.received(url, response.status, &response.headers)?;
        match origin.verdict(range.start, Some(range.end), response.status, &response.headers) {
            Verdict::Continues { end, .. } => {
                *asking = None;
                self.is_answered = true;
                let mut answered = range.start..end;
                let received = self.receive(&mut Pieces::of(&mut response), &mut answered).await;
                range.start = answered.start;
                received?;
                let _not_reused_then = response.piece().await; // the end of the body
                Ok(())
            }
            Verdict::Other => Err(refusal(&response)),
            Verdict::Whole | Verdict::IsComplete | Verdict::AskAgain => Err(PageError::NotInSegments),
        }
    }

    /// Receives a range and writes it. Its start advances by what was received.
    async fn receive(&self, pieces: &mut Pieces<'_, '_>, range: &mut Range<u64>) -> Result<(), PageError> {
        let mut writer = self.shared.body.writer(range.start);
        let received = self.receive_into(&mut writer, pieces, range).await;
        writer.flush().await.map_err(SaveError::Io)?;
        received
    }

    async fn receive_into(
        &self,
        writer: &mut Writer<'_>,
        pieces: &mut Pieces<'_, '_>,
        range: &mut Range<u64>,
    ) -> Result<(), PageError> {
        let Shared { engine, page, bytes, .. } = self.shared;
        while !range.is_empty() {
            let Some(piece) = pieces.next(range.end - range.start).await? else {
                return Err(Error::Incomplete("before the end of its range".into()).into());
            };
            let count = piece.len();
            bytes.set(bytes.get() + count as u64);
            engine.progress.received(page, count);
            writer.write(piece).await.map_err(SaveError::Io)?;
            range.start += count as u64;
            engine.rate.received(count).await;
        }
        Ok(())
    }
}

/// The error of a response without any of the body: the server refuses the connection, or its answers vary.
fn refusal(response: &Response<'_>) -> PageError {
    match response.status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => busy(response),
        status => match PageError::Status(status) {
            error if error.is_transient() => error,
            _ => PageError::NotInSegments,
        },
    }
}

/// The pieces of a response's body.
struct Pieces<'r, 'c> {
    response: &'r mut Response<'c>,
    /// The rest of the last piece of the response, beyond what [`next`](Pieces::next) was to return.
    kept: Vec<u8>,
    /// How many of these bytes were taken.
    taken: usize,
}

impl<'r, 'c> Pieces<'r, 'c> {
    fn of(response: &'r mut Response<'c>) -> Pieces<'r, 'c> {
        Pieces { response, kept: Vec::new(), taken: 0 }
    }

    /// The next bytes, `most` at most; `None` at the end.
    async fn next(&mut self, most: u64) -> Result<Option<&[u8]>, Error> {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        if self.taken < self.kept.len() {
            let start = self.taken;
            self.taken = self.kept.len().min(start.saturating_add(most));
            return Ok(Some(&self.kept[start..self.taken]));
        }
        let Some(piece) = self.response.piece().await? else { return Ok(None) };
        let (piece, kept) = piece.split_at(most.min(piece.len()));
        (self.kept, self.taken) = (kept.to_vec(), 0);
        Ok(Some(piece))
    }

    /// Receives and discards bytes that are not needed.
    async fn skip(&mut self, mut count: u64) -> Result<(), Error> {
        while count > 0 {
            let Some(piece) = self.next(count).await? else {
                return Err(Error::Incomplete("before the end of its range".into()));
            };
            count -= piece.len() as u64;
        }
        Ok(())
    }
}
