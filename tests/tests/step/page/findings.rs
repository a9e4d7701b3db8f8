//! Findings on the page.

use super::browser::Browser;
use super::{DESKTOP, PHONE, browse, index, kind, page_of, replayed};
use executor::trace::Recorder;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

#[test]
fn findings_are_listed_and_chosen_by_keys_mouse_and_touch() {
    browse(|browser, place| {
        let page = page_of(place, "lost-wake");
        browser.open(&page, DESKTOP);
        assert_eq!(browser.text("#findings"), "1 finding");
        let listed = browser.text("#findings-box ol");
        let of_task =
            "task 2 \"waits\" (spawned at demo/src/step/programs/lost_wake.rs:13) is suspended, and its last waker was";
        assert!(listed.starts_with("lost wake · event ") && listed.contains(of_task), "{listed}");

        let choose = |browser: &mut Browser, how: &dyn Fn(&mut Browser)| {
            browser.key("Home");
            assert_eq!(index(browser), 1);
            how(browser);
            assert_eq!(kind(browser), "waker_dropped");
            assert!(listed.contains(&format!("event {}task", index(browser))), "{listed}");
            assert!(browser.text("#task").contains(of_task), "{}", browser.text("#task"));
            assert_eq!(browser.eval("document.querySelector('dialog[open]')"), Value::Null);
            browser.key("b");
            assert_eq!(index(browser), 1, "it is a jump");
        };
        choose(browser, &|browser| ["i", "Enter"].into_iter().for_each(|key| browser.key(key)));
        choose(browser, &|browser| {
            for selector in ["#findings", "#findings-box li button"] {
                let (x, y) = browser.middle(selector);
                browser.click(x, y);
            }
        });
        browser.key("i");
        browser.key("Escape");
        assert_eq!((index(browser), browser.eval("document.querySelector('dialog[open]')")), (1, Value::Null));
        browser.open(&page, PHONE);
        choose(browser, &|browser| {
            for selector in ["#findings", "#findings-box li button"] {
                let (x, y) = browser.middle(selector);
                browser.tap(x, y);
            }
        });

        browser.open(&page_of(place, "two-sleeps"), DESKTOP);
        for selector in ["#findings", "#wrong"] {
            assert_eq!(browser.eval(&format!("document.querySelector('{selector}').checkVisibility()")), false);
        }
        browser.key("i");
        assert_eq!(browser.text("#said"), "Nothing wrong was found.");
    });
}

/// The tasks, with their runs, whose names have the sign of a finding beside them.
const MARKED: &str = "(() => {
    const copy = new OffscreenCanvas(chart.canvas.width, chart.canvas.height);
    const pen = copy.getContext('2d', { willReadFrequently: true });
    pen.drawImage(chart.canvas, 0, 0);
    const marked = recorded.lanes.filter((lane) => {
      const pixel = pen.getImageData(10, chart.y(lane.row) + chart.row / 2 + 4, 1, 1).data;
      return `rgb(${[...pixel].slice(0, 3).join(', ')})` === chart.colours.wrong;
    });
    return marked.map((lane) => [lane.run, lane.id]);
})()";

#[test]
fn each_lane_that_a_finding_concerns_is_marked() {
    let recorder = Arc::new(Recorder::new());
    let runtime = executor::Runtime::builder().virtual_clock().observer(recorder.clone()).build().unwrap();
    for wrong in [0, 3] {
        runtime.block_on(async {
            for _ in 0..wrong {
                executor::spawn(std::future::pending::<()>());
            }
            executor::spawn(executor::time::sleep(Duration::from_millis(1))).await.unwrap();
        });
    }
    let trace = recorder.trace();
    browse(move |browser, place| {
        browser.open(&replayed(place, &trace), DESKTOP);
        assert_eq!(browser.text("#findings"), "1 finding");
        assert_eq!(browser.eval(MARKED), json!([[1, 2], [1, 3], [1, 4]]));
        browser.eval(
            "location.hash = recorded.lanes.find((lane) => lane.run === 1 && lane.id === 3).findings[0].index + 1",
        );
        browser.settle();
        assert_eq!(kind(browser), "stranded");
        let task = browser.text("#task");
        assert!(task.starts_with("task 3") && task.contains("as for task 2: task 2 (spawned at"), "{task}");
    });
}
