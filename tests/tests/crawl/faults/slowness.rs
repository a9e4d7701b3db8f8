//! Bodies that arrive too slowly, and pages that take too long in all.

use super::meet;
use std::time::Duration;
use tests::faults::{After, Visit};

/// Sends a byte of the body every 50 ms, until the other side closes the connection.
fn drip(visit: &mut Visit<'_>) -> After {
    visit.send("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
    while visit.send("x") {
        std::thread::sleep(Duration::from_millis(50));
    }
    After::Close
}

#[test]
fn a_body_that_drips_in_is_given_up_below_the_minimum_speed() {
    let met = meet(&["--speed-limit", "1k", "--speed-time", "500ms"], drip);
    met.fails(200, "/s on average over 500ms", 1);
}

#[test]
fn a_body_that_drips_in_is_given_up_at_the_total_time() {
    let met = meet(&["--max-time", "700ms", "--speed-limit", "0"], drip);
    met.fails(200, "the request took longer than 700ms in total (--max-time)", 1);
}

#[test]
fn the_total_time_holds_for_the_head_as_well() {
    let met = meet(&["--max-time", "700ms"], |visit| visit.stall());
    met.fails(None, "the request took longer than 700ms in total (--max-time)", 1);
}

#[test]
fn a_body_above_the_minimum_speed_is_saved() {
    let met = meet(&["--speed-limit", "10", "--speed-time", "200ms", "--retries", "0"], |visit| {
        visit.send("HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n");
        for _ in 0..20 {
            visit.send("x"); // 20 bytes a second
            std::thread::sleep(Duration::from_millis(50));
        }
        After::Next
    });
    met.saves("x".repeat(20), 1);
}
