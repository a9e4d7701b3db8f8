//! `demo step --html` and `--perfetto`: the page as people use it, in a browser; the file as Perfetto reads it.

mod browser;
mod chrome;
mod chromium;
mod findings;
mod large;
mod layout;
mod perfetto;
mod saved_site;
mod stepping;

use browser::Browser;
use executor::trace::{Recorder, Trace};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tests::demo::{Place, Running};
use tests::within;

const DESKTOP: (u32, u32) = (1440, 900);
const SMALL: (u32, u32) = (1024, 768);
const PHONE: (u32, u32) = (375, 667);

/// The page of a built-in program.
fn page_of(place: &Place, program: &str) -> PathBuf {
    place.run(&["step", program, "--html", "page.html"]).exits(0);
    place.path("page.html")
}

/// The page of a recording.
fn replayed(place: &Place, trace: &Trace) -> PathBuf {
    let file = std::fs::File::create(place.path("run.jsonl")).unwrap();
    trace.write(file).unwrap();
    place.run(&["step", "--replay", "run.jsonl", "--html", "page.html"]).exits(0);
    place.path("page.html")
}

/// A crawl of the built-in site, recorded.
fn crawl(place: &Place) -> Trace {
    let recording = place.path("crawl.jsonl");
    Running::start(place.command(&["crawl", "-q"]).env("EXECUTOR_TRACE", &recording)).wait().exits(0);
    Trace::open(recording).unwrap()
}

/// Runs a test in a browser, if one is installed, with a time limit.
fn browse(body: impl FnOnce(&mut Browser, &Place) + Send + 'static) {
    tests::demo::demo(); // the time limit does not include the build
    within(120, || {
        let Some(mut browser) = Browser::start() else { return };
        body(&mut browser, &Place::new());
        browser.is_content();
    });
}

fn index(browser: &mut Browser) -> u64 {
    let facts = browser.text("#facts");
    facts.split(' ').nth(1).and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("no number in {facts}"))
}

/// The kind of the event that is shown.
fn kind(browser: &mut Browser) -> String {
    browser.text("#facts code")
}

/// Two runs in one recording: tasks have the same numbers in both.
fn two_runs() -> Trace {
    let recorder = Arc::new(Recorder::new());
    let runtime = executor::Runtime::builder().virtual_clock().observer(recorder.clone()).build().unwrap();
    for n in 1..3 {
        runtime.block_on(async {
            let sleeps = executor::spawn(executor::time::sleep(Duration::from_millis(n)));
            executor::yield_now().await;
            sleeps.await.unwrap();
        });
    }
    recorder.trace()
}

/// A poll that drops another task and then continues: it sets a timer and spawns.
fn dropped_in_a_poll() -> Trace {
    let recorder = Arc::new(Recorder::new());
    let runtime = executor::Runtime::builder().virtual_clock().observer(recorder.clone()).build().unwrap();
    let sleep = |n| executor::time::sleep(Duration::from_millis(n));
    runtime.block_on(async {
        let group = executor::task_group(async |group: executor::TaskGroup<()>| {
            group.spawn_named("inside", std::future::pending::<Result<(), ()>>());
            sleep(100).await;
            Ok(())
        });
        executor::time::timeout(Duration::from_millis(10), group).await.unwrap_err();
        let spawned = executor::spawn(sleep(2));
        sleep(1).await;
        spawned.await.unwrap();
    });
    recorder.trace()
}
