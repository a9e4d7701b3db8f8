//! Five downloads, at most three at a time, each reported as soon as it completes.
//!
//! ```sh
//! cargo run -p executor --example completed
//! ```

use executor::sync::Semaphore;
use executor::time::{Duration, Instant, sleep};
use executor::{as_completed, block_on};
use futures_lite::StreamExt;

/// Stands in for a download over the network.
async fn fetch(page: usize) -> String {
    println!("page {page} begins");
    sleep(Duration::from_millis(100)).await;
    format!("<page {page}>")
}

async fn worker(page: usize, three_at_once: &Semaphore) -> (usize, String) {
    let _permit = three_at_once.acquire().await; // released when the function ends, however it ends
    (page, fetch(page).await)
}

fn main() {
    block_on(async {
        let start = Instant::now();
        let three_at_once = Semaphore::new(3);
        let mut pages = as_completed((0..5).map(|page| worker(page, &three_at_once)));
        while let Some((page, text)) = pages.next().await {
            println!("page {page} arrived after {} tenths of a second: {text}", start.elapsed().as_millis() / 100);
        }
    });
}
