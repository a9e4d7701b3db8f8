//! Response heads.

use super::meet;
use std::time::Duration;
use tests::faults::After;

#[test]
fn a_head_that_drips_in_is_given_up_at_the_deadline() {
    let met = meet(&["--header-timeout", "800ms", "--retries", "0"], |visit| {
        for byte in b"HTTP/1.1 200 OK\r\nX: ".iter().copied().chain(std::iter::repeat(b'x')) {
            // Each byte comes long before the deadline, but the head never ends.
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
fn a_head_of_2_mb_is_refused_with_the_name_of_the_limit() {
    let met = meet(&[], |visit| {
        visit.send(format!("HTTP/1.1 200 OK\r\nX: {}\r\nContent-Length: 0\r\n\r\n", "x".repeat(2 << 20)));
        After::Close
    });
    met.fails(None, "the response's head is larger than the limit of 64", 1);
}

#[test]
fn a_head_of_5000_fields_is_refused_with_the_name_of_the_limit() {
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
fn a_response_that_ends_inside_its_head_is_incomplete_and_tried_again() {
    let met = meet(&["--retries", "1"], |visit| {
        visit.send("HTTP/1.1 200 OK\r\nContent-Le");
        After::Close
    });
    met.fails(None, "incomplete", 2);
}

#[test]
fn a_head_that_curl_accepts_is_accepted() {
    for head in [
        "HTTP/1.1 200 OK\r\nX: a\r\n folded\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length:\r\n 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nPHP Warning: Unable to load dynamic library on line 0\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\n<br />\r\nContent-Length: 5\r\n: empty\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\x01b\x7f\rc\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1  200   OK\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 200\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 200 \x01\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 200 OK\nContent-Length: 5\n\n",
        "\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
        "http/1.1 200 ok\r\nContent-Length: 5\r\n\r\n",
    ] {
        let met = meet(&["--retries", "0"], move |visit| {
            visit.send(head);
            visit.send("hello");
            visit.stall()
        });
        met.saves("hello", 1);
    }
}

#[test]
fn a_nul_in_a_head_is_an_error() {
    for field in ["X: a\0b", "X\0: a", "junk \0"] {
        let met = meet(&[], move |visit| visit.answer("200 OK", &format!("{field}\r\n"), "hello"));
        met.fails(None, "a NUL in the head", 1);
    }
}

/// Sends bytes in pieces of this size.
fn in_pieces(bytes: &[u8], size: usize) -> impl Fn(&mut tests::faults::Visit<'_>) -> After + Send + Sync + 'static {
    let bytes = bytes.to_vec();
    move |visit| {
        for piece in bytes.chunks(size) {
            visit.send(piece);
            std::thread::sleep(Duration::from_millis(5)); // so that the pieces arrive separately
        }
        After::Close
    }
}

#[test]
fn a_limit_is_the_same_whether_the_head_comes_at_once_or_in_pieces() {
    let head =
        format!("HTTP/1.1 200 OK\r\n{}Content-Length: 2\r\n\r\nhi", format!("X: {}\r\n", "x".repeat(1000)).repeat(80));
    for size in [head.len(), 10_000] {
        let met = meet(&[], in_pieces(head.as_bytes(), size));
        met.fails(None, "the response's head is larger than the limit of 64", 1);
    }
}

#[test]
fn a_switch_of_protocols_that_was_not_asked_for_is_an_error() {
    let met = meet(&[], |visit| {
        visit.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nx");
        visit.stall()
    });
    met.fails(None, "an unrequested 101 Switching Protocols", 1);
}
