//! Two tasks sleep at the same time: together they take as long as the longer one.

use executor::time::{Duration, sleep};
use executor::{named, yield_now};

pub(super) async fn main() {
    let tea = named("tea").spawn(async {
        sleep(Duration::from_millis(300)).await;
        "tea"
    });
    let toast = named("toast").spawn(async {
        sleep(Duration::from_millis(200)).await;
        yield_now().await; // lets other tasks run
        "toast"
    });
    let breakfast = (tea.await, toast.await);
    assert!(breakfast.0.is_ok() && breakfast.1.is_ok());
}
