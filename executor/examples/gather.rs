//! Several futures at once. The results come in the order of the calls, after the time that the slowest one takes.
//!
//! ```sh
//! cargo run -p executor --example gather
//! ```

use executor::time::{Duration, Instant, sleep};
use executor::{block_on, join_all, spawn, try_join_all};

async fn work(tenths: u64) -> String {
    println!("waiting for {tenths}00 ms");
    sleep(Duration::from_millis(100 * tenths)).await;
    format!("done after {tenths}00 ms")
}

async fn checked(tenths: u64) -> Result<String, String> {
    match work(tenths).await {
        _ if tenths == 1 => Err("100 ms is not enough".into()),
        output => Ok(output),
    }
}

fn main() {
    block_on(async {
        let start = Instant::now();
        for output in join_all([3, 1, 2].map(work)).await {
            println!("result: {output}");
        }
        println!("all three took {} tenths of a second", start.elapsed().as_millis() / 100);

        // The same with tasks. A task can also be cancelled, named, or awaited elsewhere.
        let start = Instant::now();
        for output in join_all([3, 1, 2].map(|tenths| spawn(work(tenths)))).await {
            println!("result: {}", output.unwrap());
        }
        println!("all three took {} tenths of a second", start.elapsed().as_millis() / 100);

        // The first error drops the others.
        let start = Instant::now();
        println!("{:?}", try_join_all([3, 1, 2].map(checked)).await);
        println!("failing took {} tenths of a second", start.elapsed().as_millis() / 100);
    });
}
