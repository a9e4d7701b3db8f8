//! A transfer that is safe in the usual order and not in others: found by trying orders, repeated by its seed.
//!
//! `cargo run -p executor --example explore`; with `EXECUTOR_SEED=…` before it, that seed alone.

use executor::net::{TcpListener, TcpStream};
use executor::test::{Host, Link, Network, explore};
use executor::time::{Duration, sleep};
use executor::{named, try_join_all};
use std::cell::Cell;
use std::io;
use std::panic::catch_unwind;
use std::rc::Rc;

/// A bank on a host of its own: a connection is an account's withdrawal of 60, if there is as much.
async fn bank(balance: Rc<Cell<i32>>) -> io::Result<()> {
    let listener = TcpListener::bind("0.0.0.0:80").await?;
    loop {
        let (_withdrawal, _) = listener.accept().await?;
        let balance = balance.clone();
        named("withdrawal").spawn_local(async move {
            if balance.get() >= 60 {
                sleep(Duration::from_millis(2)).await; // meanwhile another one may look
                balance.set(balance.get() - 60);
            }
        });
    }
}

async fn withdraw(bank: Host, after: Duration) -> io::Result<()> {
    sleep(after).await;
    TcpStream::connect((bank.address(), 80)).await.map(drop)
}

/// Two withdrawals, 10 ms apart: that is far enough on most days.
async fn two_withdrawals(network: Network) {
    network.set_default_link(Link { jitter: Duration::from_millis(9), ..Link::default() });
    let (host, balance) = (network.host("bank"), Rc::new(Cell::new(100)));
    named("bank").spawn_local(host.run(bank(balance.clone())));
    let times = [5, 15].map(Duration::from_millis);
    try_join_all(times.map(|after| withdraw(host.clone(), after))).await.expect("the bank is open");
    sleep(Duration::from_secs(1)).await;
    assert!(balance.get() >= 0, "the balance is {}", balance.get());
}

fn main() {
    let explored = catch_unwind(|| explore(1000, two_withdrawals));
    let panic = explored.expect_err("one order in a hundred is bad");
    println!("{}", panic.downcast_ref::<String>().expect("explore says what went wrong"));
}
