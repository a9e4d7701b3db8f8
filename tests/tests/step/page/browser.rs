//! A page in a browser, driven as a person would: opened, read, clicked, typed into.

use super::chromium::Chromium;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

/// A window of [`Chromium`] with one page, and with storage that no other window sees. Closed when dropped.
pub struct Browser {
    chromium: Arc<Chromium>,
    /// The ID of the browser context, which owns the window and its storage.
    context: String,
    session: String,
    from: Receiver<Value>,
    /// The events received so far.
    events: Vec<Value>,
}

impl Browser {
    /// Opens a window. Prints a message and returns `None` if Chromium is not installed.
    pub fn start() -> Option<Browser> {
        let chromium = Chromium::shared()?;
        let call = |method, params, result| {
            let text = chromium.call(None, method, params)[result].as_str().map(str::to_owned);
            text.unwrap_or_else(|| panic!("{method} returns no {result}"))
        };
        let context = call("Target.createBrowserContext", json!({}), "browserContextId");
        let window = json!({ "url": "about:blank", "browserContextId": context });
        let target = call("Target.createTarget", window, "targetId");
        let session = call("Target.attachToTarget", json!({ "targetId": target, "flatten": true }), "sessionId");
        let from = chromium.events(&session);
        let mut browser = Browser { chromium, context, session, from, events: Vec::new() };
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        // The page behaves as if it had the focus, although other windows are open.
        browser.call("Emulation.setFocusEmulationEnabled", json!({ "enabled": true }));
        Some(browser)
    }

    /// Calls a method of the protocol.
    #[track_caller]
    pub fn call(&mut self, method: &str, params: Value) -> Value {
        let result = self.chromium.call(Some(&self.session), method, params);
        self.events.extend(self.from.try_iter());
        result
    }

    /// Shows a file in a window of this size, and waits until it is loaded.
    #[track_caller]
    pub fn open(&mut self, file: &Path, (width, height): (u32, u32)) {
        let is_phone = width < 500;
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": is_phone });
        self.call("Emulation.setDeviceMetricsOverride", size);
        // The event of the previous page must not count as that of this one.
        self.events.retain(|event| event["method"] != "Page.loadEventFired");
        self.call("Page.navigate", json!({ "url": format!("file://{}", file.display()) }));
        while !self.events.iter().any(|event| event["method"] == "Page.loadEventFired") {
            self.events.push(self.from.recv().expect("Chromium has not ended"));
        }
        self.settle();
    }

    /// Waits until two frames have been painted, so that all earlier changes are visible.
    #[track_caller]
    pub fn settle(&mut self) {
        self.eval("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))");
    }

    /// The value of an expression; of a promise, the value that it resolves to.
    #[track_caller]
    pub fn eval(&mut self, expression: &str) -> Value {
        let params = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let mut result = self.call("Runtime.evaluate", params);
        assert!(result["exceptionDetails"].is_null(), "{expression}: {}", result["exceptionDetails"]);
        result["result"]["value"].take()
    }

    /// The text of the element that a selector finds.
    #[track_caller]
    pub fn text(&mut self, selector: &str) -> String {
        let text = self.eval(&format!("document.querySelector({}).textContent", json!(selector)));
        text.as_str().unwrap_or_else(|| panic!("{selector} is no text: {text}")).to_owned()
    }

    /// Presses a key.
    #[track_caller]
    pub fn key(&mut self, key: &str) {
        self.key_with(key, 0);
    }

    /// Presses a key while Shift is held.
    #[track_caller]
    pub fn shift_key(&mut self, key: &str) {
        self.key_with(key, 8);
    }

    #[track_caller]
    fn key_with(&mut self, key: &str, modifiers: u32) {
        let mut event = json!({ "type": "keyDown", "key": key, "modifiers": modifiers });
        if key.chars().count() == 1 {
            event["text"] = key.into();
        }
        // The browser's own action for a key depends on its code: Enter presses the button that has the focus.
        if let Some((_, code)) = [("Tab", 9), ("Enter", 13), ("Escape", 27)].iter().find(|(name, _)| *name == key) {
            event["windowsVirtualKeyCode"] = (*code).into();
        }
        if key == "Enter" {
            event["text"] = "\r".into();
        }
        self.call("Input.dispatchKeyEvent", event);
        self.call("Input.dispatchKeyEvent", json!({ "type": "keyUp", "key": key, "modifiers": modifiers }));
        self.settle();
    }

    /// Types text into the element that has the focus.
    #[track_caller]
    pub fn write(&mut self, text: &str) {
        self.call("Input.insertText", json!({ "text": text }));
    }

    /// Clicks at a point of the page.
    #[track_caller]
    pub fn click(&mut self, x: f64, y: f64) {
        for kind in ["mousePressed", "mouseReleased"] {
            let event = json!({ "type": kind, "x": x, "y": y, "button": "left", "clickCount": 1 });
            self.call("Input.dispatchMouseEvent", event);
        }
        self.settle();
    }

    /// Touches a point of the page with a finger.
    #[track_caller]
    pub fn tap(&mut self, x: f64, y: f64) {
        self.call("Input.dispatchTouchEvent", json!({ "type": "touchStart", "touchPoints": [{ "x": x, "y": y }] }));
        self.call("Input.dispatchTouchEvent", json!({ "type": "touchEnd", "touchPoints": [] }));
        self.settle();
    }

    /// Scrolls the element that a selector finds into view. Returns its middle.
    #[track_caller]
    pub fn middle(&mut self, selector: &str) -> (f64, f64) {
        let middle = self.eval(&format!(
            "(() => {{ const one = document.querySelector({}); one.scrollIntoView({{ block: 'center' }});
               const box = one.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; }})()",
            json!(selector)
        ));
        serde_json::from_value(middle).expect("it has a place")
    }

    /// The requests of the page that failed, with their reasons.
    pub fn failed_requests(&mut self) -> Vec<String> {
        self.settle();
        let url_of = |request: &Value| {
            let mut sent = self.events.iter().filter(|event| event["method"] == "Network.requestWillBeSent");
            sent.find(|event| event["params"]["requestId"] == *request)
                .map_or(String::new(), |event| event["params"]["request"]["url"].to_string())
        };
        let failed = self.events.iter().filter(|event| event["method"] == "Network.loadingFailed");
        failed.map(|event| format!("{}: {}", url_of(&event["params"]["requestId"]), event["params"])).collect()
    }

    /// Checks that the page logged no error and requested nothing from the network.
    #[track_caller]
    pub fn is_content(&self) {
        let bad = |event: &&Value| match event["method"].as_str() {
            Some("Runtime.exceptionThrown" | "Runtime.consoleAPICalled" | "Log.entryAdded") => true,
            Some("Network.requestWillBeSent") => {
                let url = event["params"]["request"]["url"].as_str().unwrap_or_default();
                !url.starts_with("file:///") && !url.starts_with("data:")
            }
            _ => false,
        };
        let bad: Vec<_> = self.events.iter().filter(bad).collect();
        assert!(bad.is_empty(), "{bad:#?}");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // A test that panics because Chromium ended must not panic once more here.
        if !std::thread::panicking() {
            let context = json!({ "browserContextId": self.context });
            self.chromium.call(None, "Target.disposeBrowserContext", context);
        }
    }
}
