//! The clients of the echo rows: no runtime, so that only the server under test has one.

use crate::harness::thread_cpu;
use rustix::event::epoll;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

pub(crate) const MESSAGE: [u8; 64] = [b'.'; 64];

/// What the clients measured.
pub(crate) struct Outcome {
    /// From the first message to the last echo.
    pub(crate) wall: Duration,
    /// Processor time of the clients' thread.
    pub(crate) cpu: Duration,
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// One client that blocks.
pub(crate) fn echo_blocking(address: SocketAddr, trips: usize) -> io::Result<Outcome> {
    let mut stream = connect(address)?;
    let mut buf = MESSAGE;
    let start = Instant::now();
    for _ in 0..trips {
        stream.write_all(&MESSAGE)?;
        stream.read_exact(&mut buf)?;
    }
    assert_eq!(buf, MESSAGE);
    Ok(Outcome { wall: start.elapsed(), cpu: thread_cpu() })
}

/// Many clients on one thread, over a level-triggered epoll: a client reads only when there is something
/// to read, and a message is so small that a write always has room.
pub(crate) fn echo_epoll(address: SocketAddr, clients: usize, trips: usize) -> io::Result<Outcome> {
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let mut clients = (0..clients).map(|_| connect(address).map(Client::new)).collect::<io::Result<Vec<_>>>()?;
    for (index, client) in clients.iter().enumerate() {
        epoll::add(&epoll, &client.stream, epoll::EventData::new_u64(index as u64), epoll::EventFlags::IN)?;
    }
    let start = Instant::now();
    let (mut sent, mut echoed) = (0, 0);
    for client in clients.iter_mut().take(trips) {
        client.send()?;
        sent += 1;
    }
    let mut events = Vec::with_capacity(clients.len());
    while echoed < trips {
        events.clear();
        epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut events), None)?;
        for event in &events {
            let client = &mut clients[event.data.u64() as usize];
            if client.receive()? {
                echoed += 1;
                if sent < trips {
                    client.send()?;
                    sent += 1;
                }
            }
        }
    }
    Ok(Outcome { wall: start.elapsed(), cpu: thread_cpu() })
}

struct Client {
    stream: TcpStream,
    /// How much of the message has come back.
    received: usize,
}

impl Client {
    fn new(stream: TcpStream) -> Client {
        Client { stream, received: 0 }
    }

    fn send(&mut self) -> io::Result<()> {
        self.received = 0;
        self.stream.write_all(&MESSAGE)
    }

    /// Whether the echo is complete.
    fn receive(&mut self) -> io::Result<bool> {
        let mut buf = MESSAGE;
        match self.stream.read(&mut buf)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            n => {
                self.received += n;
                assert!(self.received <= MESSAGE.len(), "more came back than was sent");
                Ok(self.received == MESSAGE.len())
            }
        }
    }
}
