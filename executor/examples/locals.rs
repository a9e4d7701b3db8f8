//! Task-locals: the user of a request, without passing it through every call.
//!
//! ```sh
//! cargo run -p executor --example locals
//! ```

use executor::{block_on, join_all, spawn, task_local, yield_now};

task_local! {
    /// The user that sent the request.
    static USER: String;
}

async fn query(table: &str) {
    yield_now().await; // other tasks run here, with other users
    USER.with(|user| println!("{table} for {user}"));
}

async fn handle() {
    query("orders").await;
    query("bills").await;
}

fn main() {
    block_on(async {
        let requests = ["ann", "bob"].map(|user| spawn(USER.scope(user.to_owned(), handle())));
        join_all(requests).await;
        println!("outside of a request there is none: {:?}", USER.try_with(String::clone));
    });
}
