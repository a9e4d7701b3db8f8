//! The layout of the page on a phone and a desktop, its colours, labels and names.

use super::{DESKTOP, PHONE, SMALL, browse, crawl, index, page_of, replayed};
use executor::trace::Recorder;
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The elements that extend beyond the right edge of the window, except for source lines, which scroll.
const CUT_OFF: &str = "[...document.querySelectorAll('button, input, p, li, dd, h1, h2, canvas')]
    .filter((one) => one.checkVisibility() && !one.closest('dialog') && !one.closest('pre'))
    .filter((one) => one.getBoundingClientRect().right > innerWidth + 0.5).map((one) => one.outerHTML)";

#[test]
fn the_page_is_no_wider_than_a_phone_and_fits_a_desktop() {
    browse(|browser, place| {
        let trace = crawl(place);
        let crawled = place.path("crawl.html");
        std::fs::rename(replayed(place, &trace), &crawled).unwrap();
        for page in [crawled, page_of(place, "cancel")] {
            for (width, height) in [PHONE, SMALL, DESKTOP] {
                browser.open(&page, (width, height));
                for key in ["Home", "w", "w", "c", "End", "r", "?"] {
                    browser.key(key);
                    let wide = browser.eval("document.documentElement.scrollWidth").as_u64().unwrap();
                    assert!(wide <= u64::from(width), "{wide} pixels after {key}");
                    assert_eq!(browser.eval(CUT_OFF), json!([]), "cut off at {width} pixels after {key}");
                }
                let high = browser.eval("document.documentElement.scrollHeight").as_u64().unwrap();
                assert!(width < 500 || high <= u64::from(height), "{high} pixels are scrolled on a desktop");
                // The chart keeps its room beside a long sentence, too.
                let longest = "recorded.events.filter((event) => event.waits)
                    .sort((a, b) => JSON.stringify(b.waits).length - JSON.stringify(a.waits).length)[0].index";
                browser.eval(&format!("location.hash = {longest} + 1"));
                browser.settle();
                let room = browser.eval("[chart.width, chart.height]");
                assert!(room[0].as_f64().unwrap() > 300.0 && room[1].as_f64().unwrap() > 160.0, "{room}");
            }
        }
    });
}

/// The texts whose contrast with their background is below 4.5 to 1, except for disabled elements.
const FAINT: &str = "(() => {
    const pen = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
    const mixed = (colours) => {
      for (const colour of colours) {
        pen.fillStyle = colour;
        pen.fillRect(0, 0, 1, 1);
      }
      return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3);
    };
    const linear = (part) => (part <= 10 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4);
    const light = ([red, green, blue]) => 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
    const behind = (one) => (one ? [...behind(one.parentElement), getComputedStyle(one).backgroundColor] : ['white']);
    const contrast = (one) => {
      const ground = behind(one);
      const both = [light(mixed(ground)), light(mixed([...ground, getComputedStyle(one).color]))].sort((a, b) => a - b);
      return (both[1] + 0.05) / (both[0] + 0.05);
    };
    const hasText = (one) => [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    const texts = [...document.querySelectorAll('body *')].filter((one) => hasText(one) && one.checkVisibility());
    const faint = texts.filter((one) => !one.disabled && contrast(one) < 4.5);
    return faint.map((one) => `${contrast(one).toFixed(2)}: ${one.outerHTML}`);
})()";

#[test]
fn every_text_has_enough_contrast_in_light_and_dark_colours() {
    browse(|browser, place| {
        let page = page_of(place, "lost-wake");
        for colours in ["light", "dark"] {
            let feature = json!([{ "name": "prefers-color-scheme", "value": colours }]);
            browser.call("Emulation.setEmulatedMedia", json!({ "features": feature }));
            browser.open(&page, DESKTOP);
            browser.key("/");
            browser.write("waits");
            browser.key("Enter");
            browser.key("Home");
            for _ in 0..browser.eval("recorded.end").as_u64().unwrap() {
                assert_eq!(browser.eval(FAINT), json!([]), "{colours}, at event {}", index(browser));
                browser.key("ArrowRight");
            }
            browser.key("i");
            assert_eq!(browser.eval(FAINT), json!([]), "{colours}, the findings");
        }
    });
}

#[test]
fn the_up_and_down_keys_select_in_the_list() {
    browse(|browser, place| {
        browser.open(&page_of(place, "ping-pong"), DESKTOP);
        browser.key("Home");
        browser.eval("document.querySelector('#list').focus()");
        ["ArrowDown", "ArrowDown", "ArrowDown", "ArrowUp"].into_iter().for_each(|key| browser.key(key));
        assert_eq!(index(browser), 3);
        browser.key("f"); // lists only the events of task 1
        let listed = browser.eval("panes.listed.slice(0, 12).map((at) => at + 1)");
        let listed: Vec<u64> = serde_json::from_value(listed).unwrap();
        assert!(listed[11] > listed[0] + 11, "nothing of others lies between: {listed:?}");
        for event in listed.iter().skip_while(|event| **event <= 3) {
            browser.key("ArrowDown");
            assert_eq!(index(browser), *event);
        }
        browser.key("ArrowUp");
        assert_eq!(index(browser), listed[10]);
    });
}

#[test]
fn a_line_beyond_the_end_of_a_file_is_reported_as_that_of_another_file() {
    browse(|browser, place| {
        std::fs::create_dir_all(place.path("old/demo/src/step/programs")).unwrap();
        std::fs::write(place.path("old/demo/src/step/programs/ping_pong.rs"), "// shorter\n").unwrap();
        place.run(&["step", "ping-pong", "--source", "old", "--html", "page.html"]).exits(0);
        browser.open(&place.path("page.html#4"), DESKTOP);
        let source = browser.text("#source pre");
        assert!(source.starts_with("The file has no line 9, so it is not the file that ran."), "{source}");
    });
}

#[test]
fn the_labels_of_the_time_axis_differ_at_every_zoom() {
    browse(|browser, place| {
        browser.open(&page_of(place, "two-sleeps"), DESKTOP);
        browser.key("t");
        for room in [400_000_000, 1_000_000, 2_000, 50] {
            let labels = browser.eval(&format!(
                "(() => {{
                   const labels = [];
                   chart.look(199_999_990, 199_999_990 + {room});
                   chart.context.fillText = (label) => labels.push(label);
                   chart.drawAxis();
                   delete chart.context.fillText;
                   return labels;
                 }})()"
            ));
            let labels: Vec<String> = serde_json::from_value(labels).unwrap();
            let different: BTreeSet<_> = labels.iter().collect();
            assert!(labels.len() > 2 && different.len() == labels.len(), "{labels:?}");
        }
    });
}

#[test]
fn names_are_shown_as_text_whatever_they_contain() {
    let recorder = Arc::new(Recorder::new());
    let runtime = executor::Runtime::builder().observer(recorder.clone()).build().unwrap();
    let name = "</script><script>throw 1</script><!--<b>\\u003c \u{2028}";
    let shown = name.replace('\u{2028}', "\\u{2028}"); // unescaped, it would end the line
    runtime.block_on(async {
        executor::named(name).spawn(async {}).await.unwrap();
        executor::named(name).spawn(std::future::pending::<()>());
        executor::yield_now().await;
    });
    let mut trace = recorder.trace();
    trace.head.program = format!("{name}{}", "long".repeat(50));
    browse(move |browser, place| {
        browser.open(&replayed(place, &trace), PHONE);
        assert_eq!(browser.text("h1"), format!("A run of \"{}\"", trace.head.program.replace(name, &shown)));
        assert_eq!(browser.eval(CUT_OFF), json!([]));
        browser.open(&replayed(place, &trace), DESKTOP);
        browser.key("End");
        let known = browser.eval("recorded.lanes[1].name");
        assert_eq!(known, shown.as_str());
        browser.key("P");
        assert!(browser.text("#list").contains(&shown), "{}", browser.text("#list"));
        assert!(browser.text("#findings-box ol").contains(&shown), "{}", browser.text("#findings-box ol"));
    });
}

/// The texts in which a comma begins a line, in the sentences about every event.
const COMMAS: &str = "recorded.events.flatMap(({ index }) => {
    panes.show(index);
    const found = [];
    for (const box of document.querySelectorAll('#about, #says, #facts, #cause, #task dd, #task .leaf')) {
      const texts = document.createTreeWalker(box, NodeFilter.SHOW_TEXT);
      let before = null;
      for (let text = texts.nextNode(); text; text = texts.nextNode()) {
        for (let at = 0; at < text.length; at++) {
          const range = document.createRange();
          range.setStart(text, at);
          range.setEnd(text, at + 1);
          const [place] = range.getClientRects();
          if (place && before && text.data[at] === ',' && place.top >= before.bottom - 2) found.push(box.textContent);
          before = place ?? before;
        }
      }
    }
    return found;
})";

#[test]
fn no_line_begins_with_a_comma_on_a_phone() {
    browse(|browser, place| {
        for program in ["two-sleeps", "cancel", "semaphore", "ping-pong"] {
            browser.open(&page_of(place, program), PHONE);
            assert_eq!(browser.eval(COMMAS), json!([]), "{program}");
        }
    });
}
