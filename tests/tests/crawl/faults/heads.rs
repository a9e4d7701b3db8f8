//! Response heads.

use super::meet;
use std::time::Duration;
use tests::faults::After;

#[test]
fn a_head_that_drips_in_is_given_up_at_the_deadline() {
    let met = meet(&["--header-timeout", "800ms", "--retries", "0"], |visit| {
        for byte in b"HTTP/1.1 200 OK\r\nX: ".iter().copied().chain(std::iter::repeat(b'x')) {
            // The pace is the point: each byte comes long before the deadline, the last one never.
            std::thread::sleep(Duration::from_millis(20));
            if !visit.send([byte]) {
                break;
            }
        }
        After::Close
    });
    met.fails(None, "waiting for the response's head took longer than 800ms", 1);
}

#[test]
fn a_server_that_says_nothing_is_given_up_at_the_deadline_and_tried_again() {
    let met = meet(&["--header-timeout", "800ms", "--retries", "1"], |visit| visit.stall());
    met.fails(None, "waiting for the response's head took longer than 800ms", 2);
}

#[test]
fn a_head_of_2_mb_is_refused_by_a_limit_with_a_name() {
    let met = meet(&[], |visit| {
        visit.send(format!("HTTP/1.1 200 OK\r\nX: {}\r\nContent-Length: 0\r\n\r\n", "x".repeat(2 << 20)));
        After::Close
    });
    met.fails(None, "the response's head is larger than the limit of 64", 1);
}

#[test]
fn a_head_of_5000_fields_is_refused_by_a_limit_with_a_name() {
    let met = meet(&[], |visit| {
        visit.send(format!("HTTP/1.1 200 OK\r\n{}Content-Length: 0\r\n\r\n", "X: x\r\n".repeat(5000)));
        After::Close
    });
    met.fails(None, "more fields than the limit of 256", 1);
}

#[test]
fn an_endless_head_is_refused_while_it_comes() {
    let met = meet(&[], |visit| {
        visit.send("HTTP/1.1 200 OK\r\nX: ");
        visit.send_for_ever("x".repeat(1000));
        After::Close
    });
    met.fails(None, "limit of 64", 1);
}

#[test]
fn an_endless_run_of_100_continue_ends_at_a_cap() {
    let met = meet(&[], |visit| {
        visit.send_for_ever("HTTP/1.1 100 Continue\r\n\r\n".repeat(100));
        After::Close
    });
    met.fails(None, "more than 16 informational", 1);
}

#[test]
fn a_few_informational_responses_are_passed_over() {
    let met = meet(&["--retries", "0"], |visit| {
        visit.send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n");
        visit.page("after all")
    });
    met.saves("after all", 1);
}

#[test]
fn an_answer_without_a_status_line_is_an_error() {
    for answer in ["<html>hello", "hello\r\n\r\n", "SSH-2.0-OpenSSH_9.2\r\n", "\0\0\0\0"] {
        let met = meet(&[], move |visit| {
            visit.send(answer);
            After::Close
        });
        met.fails(None, "not a valid HTTP response", 1);
    }
}

#[test]
fn an_end_inside_of_the_head_is_incomplete_and_tried_again() {
    let met = meet(&["--retries", "1"], |visit| {
        visit.send("HTTP/1.1 200 OK\r\nContent-Le");
        After::Close
    });
    met.fails(None, "incomplete", 2);
}
