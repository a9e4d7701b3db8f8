//! Tasks that belong together. No task outlives the block; an error in one cancels the others and is returned.
//!
//! ```sh
//! cargo run -p executor --example group
//! ```

use executor::time::{Duration, sleep};
use executor::{block_on, deadline, shield, task_group, time_left};

async fn part(name: &str, millis: u64) -> Result<u64, String> {
    sleep(Duration::from_millis(millis)).await;
    println!("  {name} is done");
    match millis {
        30 => Err(format!("{name} found nothing")),
        millis => Ok(millis),
    }
}

fn main() {
    block_on(async {
        println!("all goes well:");
        let sum = task_group(|group| async move {
            let (a, b) = (group.spawn(part("a", 20)), group.spawn(part("b", 10)));
            Ok(a.await.unwrap() + b.await.unwrap())
        });
        println!("  {:?}", sum.await.map_err(|error| error.to_string()));

        println!("one fails, and the others are cancelled:");
        let failed = task_group(|group| async move {
            group.spawn(part("c", 10));
            group.spawn_named("the one that fails", part("d", 30));
            group.spawn(part("e", 500));
            Ok(())
        });
        println!("  {}", failed.await.unwrap_err());

        println!("the deadline passes, and only the shielded part completes:");
        let late = deadline(Duration::from_millis(50), async {
            println!("  at first, {} ms are left", time_left().unwrap().as_millis().div_ceil(10) * 10);
            task_group(|group| async move {
                group.spawn(part("f", 500));
                group.spawn(async { shield(part("g, which is shielded,", 80)).await });
                Ok(())
            })
            .await
        });
        println!("  {}", late.await.unwrap_err());
    });
}
