//! A real Redis on the simulated network, under the simulated clock.
//!
//! A host of the network accepts connections, and executes each command at once in a real redis-server. So the scripts
//! are those of the program, and no model of them is needed. In the scripts, the call of TIME is replaced by a key that
//! has the time of the simulated clock. The server's data is that of one run; its order depends only on the commands,
//! so the same seed gives the same run.

use executor::net::{TcpListener, TcpStream};
use executor::spawn_local;
use executor::test::{Host, Network};
use executor::time::{Duration, Instant, now, sleep};
use futures_lite::AsyncWriteExt;
use redis_protocol::resp2::decode::decode;
use redis_protocol::resp2::encode::encode;
use redis_protocol::resp2::types::Resp2Frame;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use tests::redis::{RedisServer, Reply, exchange};

/// A Redis on the simulated network, at the host "redis".
pub struct SimulatedRedis {
    real: RefCell<UnixStream>,
    /// The digests of the changed scripts, by those of the originals.
    scripts: RefCell<HashMap<String, Vec<u8>>>,
    network: Network,
    start: Instant,
    /// How many of a thousand commands lose their reply or are not executed, because the connection breaks.
    pub breaks: Cell<u64>,
    /// How long a restart takes; by default, some time up to 1.5 seconds.
    pub down: Cell<Option<Duration>>,
}

impl SimulatedRedis {
    /// Starts to serve, with an empty database.
    pub fn serve(server: &RedisServer, network: &Network) -> Rc<SimulatedRedis> {
        let real = RefCell::new(UnixStream::connect(server.socket()).expect("the server runs"));
        exchange(&mut real.borrow_mut(), &[b"FLUSHALL"]).expect("the server answers");
        let redis = Rc::new(SimulatedRedis {
            real,
            scripts: RefCell::default(),
            network: network.clone(),
            start: now(),
            breaks: Cell::new(0),
            down: Cell::new(None),
        });
        spawn_local(keep_serving(redis.clone()));
        redis
    }

    /// The server's host. A crash of the host restarts the server, which then knows no script.
    pub fn host(&self) -> Host {
        self.network.host("redis")
    }

    fn execute(&self, mut command: Vec<Vec<u8>>) -> Reply {
        self.set_clock();
        match &*command[0] {
            b"EVAL" => {
                let text = String::from_utf8(command[1].clone()).expect("a script is text");
                let changed = text.replace("redis.call('TIME')", "redis.call('LRANGE', 'clock', 0, -1)");
                assert_ne!(changed, text, "a script that does not look at the clock as this test expects");
                let Reply::BulkString(digest) = self.ask(&[b"SCRIPT", b"LOAD", changed.as_bytes()]) else {
                    panic!("the script is wrong: {changed}")
                };
                let original = demo::redis::Script::new(text).digest;
                self.scripts.borrow_mut().insert(original, digest.clone());
                (command[0], command[1]) = (b"EVALSHA".to_vec(), digest);
            }
            b"EVALSHA" => {
                let known = self.scripts.borrow().get(&*String::from_utf8_lossy(&command[1])).cloned();
                let Some(digest) = known else { return Reply::Error("NOSCRIPT No matching script.".to_owned()) };
                command[1] = digest;
            }
            _ => {}
        }
        self.ask(&command.iter().map(Vec::as_slice).collect::<Vec<_>>())
    }

    fn set_clock(&self) {
        let time = Duration::from_secs(1_000_000) + (now() - self.start);
        let (seconds, micros) = (time.as_secs().to_string(), time.subsec_micros().to_string());
        self.ask(&[b"DEL", b"clock"]);
        self.ask(&[b"RPUSH", b"clock", seconds.as_bytes(), micros.as_bytes()]);
    }

    fn ask(&self, command: &[&[u8]]) -> Reply {
        exchange(&mut self.real.borrow_mut(), command).expect("the real server answers")
    }
}

/// Serves until the host crashes, and starts again some time later.
async fn keep_serving(redis: Rc<SimulatedRedis>) {
    loop {
        let serving = redis.clone();
        let host = redis.host();
        let run = host.run(async move {
            let listener = TcpListener::bind("0.0.0.0:6379").await.expect("the port is free on this host");
            while let Ok((stream, _)) = listener.accept().await {
                spawn_local(connection(serving.clone(), stream));
            }
        });
        let _crashed = run.await;
        redis.scripts.borrow_mut().clear();
        let some_time = || Duration::from_millis(redis.network.random_below(1500));
        sleep(redis.down.get().unwrap_or_else(some_time)).await;
    }
}

async fn connection(redis: Rc<SimulatedRedis>, mut stream: TcpStream) {
    let (mut input, mut piece) = (Vec::new(), vec![0; 16 * 1024]);
    while let Ok(count @ 1..) = stream.read(&mut piece).await {
        input.extend(&piece[..count]);
        while let Some((request, length)) = decode(&input).expect("clients send commands") {
            input.drain(..length);
            let breaks = redis.network.random_below(1000) < redis.breaks.get();
            if breaks && redis.network.random_below(2) == 0 {
                return;
            }
            let Reply::Array(parts) = request else { panic!("{request:?} is no command") };
            let reply = redis.execute(parts.into_iter().map(bytes).collect());
            if breaks {
                return;
            }
            let mut output = vec![0; reply.encode_len(false)];
            encode(&mut output, &reply, false).expect("there is room for the reply");
            if stream.write_all(&output).await.is_err() {
                return;
            }
        }
    }
}

fn bytes(part: Reply) -> Vec<u8> {
    match part {
        Reply::BulkString(bytes) => bytes,
        part => panic!("{part:?} in a command"),
    }
}
