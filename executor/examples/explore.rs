//! A bug that appears only when two withdrawals overlap. `explore` finds it, and prints the seed that repeats it.
//!
//! `cargo run -p executor --example explore`; with `EXECUTOR_SEED=…` before it, only that seed runs.

use executor::net::{TcpListener, TcpStream};
use executor::test::{Host, Link, Network, explore};
use executor::time::{Duration, sleep};
use executor::{named, try_join_all};
use std::cell::Cell;
use std::io;
use std::panic::catch_unwind;
use std::rc::Rc;

/// A bank on a host of its own. Each connection withdraws 60 from the account, if the account holds that much.
async fn bank(balance: Rc<Cell<i32>>) -> io::Result<()> {
    let listener = TcpListener::bind("0.0.0.0:80").await?;
    loop {
        let (_withdrawal, _) = listener.accept().await?;
        let balance = balance.clone();
        named("withdrawal").spawn_local(async move {
            if balance.get() >= 60 {
                sleep(Duration::from_millis(2)).await; // another withdrawal may check the balance meanwhile
                balance.set(balance.get() - 60);
            }
        });
    }
}

async fn withdraw(bank: Host, after: Duration) -> io::Result<()> {
    sleep(after).await;
    TcpStream::connect((bank.address(), 80)).await.map(drop)
}

/// Two withdrawals, 10 ms apart: with most seeds they do not overlap.
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
    let panic = explored.expect_err("about one order in a hundred fails");
    println!("{}", panic.downcast_ref::<String>().expect("explore panics with a message"));
}
