//! Long recordings open and step at once, and recordings without a beginning open too.

use super::{DESKTOP, browse, index, replayed};
use executor::trace::{Event, Recorder};
use std::sync::Arc;
use std::time::{Duration, Instant};

#[test]
fn a_hundred_thousand_events_open_and_step_at_once() {
    let recorder = Arc::new(Recorder::new().without_chains());
    let runtime = executor::Runtime::builder().observer(recorder.clone()).build().unwrap();
    runtime.block_on(async {
        let yields = async || {
            for _ in 0..700 {
                executor::yield_now().await;
            }
        };
        executor::join_all((0..50).map(|_| executor::spawn(yields()))).await;
    });
    let trace = recorder.trace();
    assert!(trace.records.len() > 100_000);
    browse(move |browser, place| {
        let page = replayed(place, &trace);
        let start = Instant::now();
        browser.open(&page, DESKTOP);
        assert!(start.elapsed() < Duration::from_secs(10), "it opens in {:?}", start.elapsed());
        browser.key("End");
        browser.eval("chart.showAll()");
        let mut step = || {
            let start = Instant::now();
            browser.key("ArrowLeft");
            start.elapsed()
        };
        // The quickest step counts, because the machine may be busy.
        let quickest = (0..20).map(|_| step()).min().unwrap();
        assert_eq!(index(browser), trace.records.len() as u64 - 20);
        assert!(quickest < Duration::from_millis(250), "a step takes {quickest:?}");
    });
}

#[test]
fn a_task_that_is_woken_often_is_searched_at_once() {
    let recorder = Arc::new(Recorder::new().without_chains());
    let runtime = executor::Runtime::builder().virtual_clock().observer(recorder.clone()).build().unwrap();
    runtime.block_on(async {
        for _ in 0..25_000 {
            executor::yield_now().await;
        }
    });
    let trace = recorder.trace();
    browse(move |browser, place| {
        browser.open(&replayed(place, &trace), DESKTOP);
        browser.key("Home");
        let start = Instant::now();
        browser.key("/");
        browser.write("wakes itself");
        browser.key("Enter");
        assert_eq!(browser.text("#said"), "1 of 25000 found");
        // It would take twenty seconds if each wake were checked against all earlier events of the task.
        assert!(start.elapsed() < Duration::from_secs(5), "it takes {:?}", start.elapsed());
    });
}

#[test]
fn a_recording_without_its_beginning_opens_too() {
    let recorder = Arc::new(Recorder::new().with_limit(60));
    let runtime = executor::Runtime::builder().observer(recorder.clone()).build().unwrap();
    let sleeps = |n: u64| executor::spawn(executor::time::sleep(Duration::from_millis(n)));
    runtime.block_on(async { executor::join_all((0..20).map(sleeps)).await });
    let mut trace = recorder.trace();
    assert!(trace.head.dropped > 0);
    // Also drops the events that the recorder keeps of what still exists, so that the tasks are unknown.
    trace.records.retain(|record| !matches!(record.event, Event::Spawned { .. } | Event::TimerSet { .. }));
    browse(move |browser, place| {
        browser.open(&replayed(place, &trace), DESKTOP);
        browser.key("Home");
        for _ in 0..trace.records.len() {
            browser.key("ArrowRight");
            assert!(!browser.text("#says").contains("undefined"), "{}", browser.text("#says"));
        }
        assert_eq!(index(browser), trace.records.len() as u64);

        trace.records.clear();
        browser.open(&replayed(place, &trace), DESKTOP);
        assert_eq!(browser.text("#says"), "Nothing was recorded.");
    });
}
