//! One client: reads requests, runs those that are complete, sends all their replies at once.

use crate::buffers::{Input, Outbox};
use crate::commands;
use crate::large::LARGE;
use crate::pubsub::Session;
use crate::resp::{Parser, Reply};
use crate::server::Server;
use executor::net::{Shutdown, TcpStream};
use executor::time::{Duration, timeout};
use executor::yield_now;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

/// Bytes of replies after which they are sent before more requests are run.
const BATCH: usize = 1024 * 1024;
/// The time a refused client may go on sending before the connection is reset.
const LINGER: Duration = Duration::from_secs(1);

pub struct Client {
    stream: TcpStream,
    server: Rc<Server>,
    session: Session,
    parser: Parser,
    input: Input,
    /// The input has no complete request.
    starved: bool,
    /// The client has closed its side.
    ended: bool,
}

impl Client {
    pub fn new(id: u64, stream: TcpStream, server: Rc<Server>) -> Client {
        let session = Session::new(id, Rc::<Outbox>::default());
        Client {
            stream,
            server,
            session,
            parser: Parser::default(),
            input: Input::default(),
            starved: true,
            ended: false,
        }
    }

    /// Serves the client until it leaves or is disconnected. Errors affect only this client.
    pub async fn serve(mut self) {
        let _ = self.stream.set_nodelay(true);
        while let Ok(true) = poll_fn(|cx| self.poll_more(cx)).await {
            self.answer();
            if self.input.is_full() {
                yield_now().await; // a client that keeps sending must not starve the others
            }
        }
        if self.session.closing && !self.ended {
            self.linger().await;
        }
    }

    /// Sends the replies, then waits for more input. `false` when the client is to be disconnected.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        self.session.outbox.listen(cx.waker());
        // While a client does not read its replies, no more of its requests are read, so replies cannot pile up.
        ready!(self.session.outbox.poll_send(&self.stream, &self.server.output, cx))?;
        if self.session.closing || self.ended {
            return Poll::Ready(Ok(false));
        }
        if self.starved {
            self.ended = ready!(self.input.poll_fill(&self.stream, &self.server.input, cx))? == 0;
        }
        Poll::Ready(Ok(true))
    }

    /// Runs the complete requests, until their replies reach the limit.
    fn answer(&mut self) {
        let mut replies = self.session.outbox.take(&self.server.output);
        self.starved = false;
        while !self.starved && self.session.goes_on() && replies.len() < BATCH {
            let unread = self.input.unread();
            match self.parser.parse(unread) {
                Ok(Some(used @ LARGE..)) => {
                    let request = self.input.detach(used);
                    let args = self.parser.args(&request);
                    commands::run(&self.server, &mut self.session, args, Some(&request), &mut replies);
                    self.parser.reset();
                }
                Ok(Some(used)) => {
                    commands::run(&self.server, &mut self.session, self.parser.args(unread), None, &mut replies);
                    self.input.consume(used);
                    self.parser.reset();
                }
                Ok(None) => self.starved = true,
                Err(malformed) => {
                    Reply(&mut replies).error(format!("ERR Protocol error: {malformed}").as_bytes());
                    self.session.closing = true;
                }
            }
        }
        self.session.outbox.put(replies);
        if let Some(value) = self.session.large.take() {
            self.session.outbox.follow(value);
        }
    }

    /// Discards further input for a while: closing with unread bytes would reset the connection, and the client would not
    /// see the error.
    async fn linger(&mut self) {
        self.server.pubsub.borrow_mut().leave_all(&mut self.session);
        let _ = self.stream.shutdown(Shutdown::Write);
        let (input, stream, spare) = (&mut self.input, &self.stream, &self.server.input);
        let reading = async {
            while let Ok(1..) = poll_fn(|cx| input.poll_fill(stream, spare, cx)).await {
                let count = input.unread().len();
                input.consume(count);
            }
        };
        let _ = timeout(LINGER, reading).await;
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.server.pubsub.borrow_mut().leave_all(&mut self.session);
    }
}
