//! A large future: a value that lives across an await is part of the task.

use executor::named;
use executor::time::{Duration, sleep};

pub(super) async fn main() {
    let reads = named("reads").spawn(async {
        let mut buffer = [0; 16 * 1024]; // vec![0; 16 * 1024] would be three words
        sleep(Duration::from_millis(10)).await;
        buffer[0] = 1;
        buffer.iter().sum::<i32>()
    });
    assert_eq!(reads.await.expect("it only adds"), 1);
}
