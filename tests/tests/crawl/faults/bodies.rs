//! Response bodies: their length, and chunks.

use super::{late_bytes_are_not_taken_for_a_response, meet};
use std::time::Duration;
use tests::faults::{After, Visit};

// ---- bodies: their length ----

#[test]
fn a_body_that_stalls_is_given_up_at_the_idle_timeout_and_tried_again() {
    let met = meet(&["--idle-timeout", "800ms", "--retries", "1"], |visit| {
        visit.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345");
        visit.stall()
    });
    met.fails(200, "waiting for more of the body took longer than 800ms", 2);
}

#[test]
fn a_large_body_that_stalls_leaves_no_part() {
    let met = meet(&["--idle-timeout", "800ms", "--retries", "0"], |visit| {
        visit.send("HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n");
        visit.send(vec![b'x'; 1_000_000]); // more than is kept in memory
        visit.stall()
    });
    met.fails(200, "waiting for more of the body took longer than 800ms", 1);
}

#[test]
fn a_body_that_is_slow_but_never_idle_is_saved() {
    let met = meet(&["--idle-timeout", "5s", "--header-timeout", "800ms", "--retries", "0"], |visit| {
        visit.send("HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n");
        for _ in 0..40 {
            // The whole body takes longer than a head may.
            std::thread::sleep(Duration::from_millis(30));
            visit.send("x");
        }
        After::Next
    });
    met.saves("x".repeat(40), 1);
}

#[test]
fn an_endless_body_stops_at_the_size_cap_while_it_streams() {
    for framing in ["", "Transfer-Encoding: chunked\r\n", "Content-Length: 9000000000000\r\n"] {
        let chunked = framing.starts_with("Transfer");
        let sent = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let count = sent.clone();
        let met = meet(&["--max-size", "1M"], move |visit| {
            visit.send(format!("HTTP/1.1 200 OK\r\n{framing}\r\n"));
            let data = "x".repeat(0x4000);
            let pieces = visit.send_for_ever(if chunked { format!("4000\r\n{data}\r\n") } else { data });
            count.store(pieces * 0x4000, std::sync::atomic::Ordering::SeqCst);
            After::Close
        });
        let met = met.fails(200, "the body is larger than the limit of ", 1);
        drop(met.server); // its threads have counted now
        let sent = sent.load(std::sync::atomic::Ordering::SeqCst);
        // The sockets' buffers hold more bytes than the limit.
        assert!(sent < 32_000_000, "{sent} bytes were taken from `{framing}`");
    }
}

#[test]
fn a_body_as_large_as_the_cap_is_saved_and_one_byte_more_is_not() {
    let sized = |size: usize| meet(&["--max-size", "100k"], move |visit| visit.page("x".repeat(size)));
    sized(100_000).saves("x".repeat(100_000), 1);
    sized(100_001).fails(200, "the body is larger than the limit of ", 1);
}

#[test]
fn a_body_shorter_than_promised_is_incomplete_and_tried_again() {
    let met = meet(&["--retries", "1"], |visit| {
        visit.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345");
        After::Close
    });
    met.fails(200, "incomplete", 2);
}

#[test]
fn a_body_that_is_short_only_once_is_saved_whole() {
    let met = meet(&["--retries", "1"], |visit| match visit.attempt {
        1 => {
            visit.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345");
            After::Close
        }
        _ => visit.page("1234567890"),
    });
    met.saves("1234567890", 2);
}

#[test]
fn a_body_longer_than_its_length_is_cut_there_and_its_connection_is_not_used_again() {
    // One page at a time, so that `/good` could come over the same connection.
    let met = meet(&["-j", "1", "--retries", "0"], |visit| {
        visit.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello and more");
        visit.stall()
    });
    let met = met.saves("hello", 1);
    assert_ne!(met.connection_of("/bad"), met.connection_of("/good"));
}

const EVIL: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL";

#[test]
fn bytes_that_come_after_a_complete_body_are_not_taken_for_the_next_response() {
    late_bytes_are_not_taken_for_a_response("200 OK\r\nContent-Length: 5", "hello", EVIL);
}

#[test]
fn a_body_that_comes_after_a_204_is_not_taken_for_the_next_response() {
    late_bytes_are_not_taken_for_a_response("204 No Content", "", EVIL);
}

#[test]
fn two_different_lengths_are_an_error() {
    for lengths in ["Content-Length: 5\r\nContent-Length: 6", "Content-Length: 5, 6"] {
        let met = meet(&[], move |visit| {
            visit.send(format!("HTTP/1.1 200 OK\r\n{lengths}\r\n\r\nhello!"));
            After::Close
        });
        met.fails(None, "two different lengths", 1);
    }
}

#[test]
fn a_negative_or_absurd_length_is_an_error() {
    for length in ["-5", "+5", "5x", "0x5", "", "18446744073709551616", "99999999999999999999999999"] {
        let met = meet(&[], move |visit| {
            visit.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\nhello"));
            After::Close
        });
        met.fails(None, "is not a size", 1);
    }
}

/// These lengths are valid numbers, but larger than the limit. So the page fails at once, and its body is
/// not fetched up to the limit.
#[test]
fn a_length_beyond_the_size_cap_is_refused_before_the_body_comes() {
    for length in ["18446744073709551615", "9223372036854775807", "1000001"] {
        let met = meet(&["--max-size", "1M", "--idle-timeout", "2s", "--retries", "0"], move |visit| {
            visit.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\nhello"));
            visit.stall()
        });
        met.fails(200, "larger than the limit", 1);
    }
}

#[test]
fn chunks_win_over_a_length_and_the_connection_is_not_used_again() {
    let met = meet(&["-j", "1", "--retries", "0"], |visit| {
        visit.send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n");
        visit.send("5\r\nhello\r\n0\r\n\r\n");
        visit.stall()
    });
    let met = met.saves("hello", 1);
    assert_ne!(met.connection_of("/bad"), met.connection_of("/good"));
}

#[test]
fn the_body_of_a_204_is_ignored_and_its_connection_is_not_used_again() {
    for fields in ["Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n", ""] {
        let met = meet(&["-j", "1", "--retries", "0"], move |visit| {
            visit.send(format!("HTTP/1.1 204 No Content\r\n{fields}\r\n5\r\nhello\r\n0\r\n\r\n"));
            visit.stall()
        });
        let met = met.saves("", 1);
        assert_eq!(met.bad().number("status"), Some(204));
        assert_ne!(met.connection_of("/bad"), met.connection_of("/good"));
    }
}

// ---- bodies: chunks ----

/// Answers with this chunked body, byte for byte.
fn chunks(body: &'static str) -> impl Fn(&mut Visit<'_>) -> After + Send + Sync {
    move |visit| {
        visit.send(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{body}"));
        After::Close
    }
}

#[test]
fn a_bad_chunk_size_is_an_error() {
    for body in ["xyz\r\nhello\r\n0\r\n\r\n", "-5\r\nhello\r\n0\r\n\r\n", "\r\nhello", "fffffffffffffffff\r\nhello"] {
        meet(&[], chunks(body)).fails(200, "chunk", 1);
    }
}

#[test]
fn a_chunk_longer_than_its_size_is_an_error() {
    meet(&[], chunks("3\r\nhello\r\n0\r\n\r\n")).fails(200, "a chunk is longer than its size", 1);
}

#[test]
fn a_chunk_size_without_an_end_is_an_error() {
    let met = meet(&[], |visit| {
        visit.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;");
        visit.send_for_ever("x".repeat(1000));
        After::Close
    });
    met.fails(200, "not a valid HTTP response", 1);
}

#[test]
fn a_body_that_ends_inside_its_chunks_is_incomplete_and_tried_again() {
    for body in ["a\r\nhello", "5\r\nhello\r\n", "5\r\nhello\r\n0\r\n", "5\r\nhello\r\n0\r\nX: y\r\n"] {
        meet(&["--retries", "1"], chunks(body)).fails(200, "incomplete", 2);
    }
}

#[test]
fn trailers_are_passed_over() {
    meet(&["--retries", "0"], chunks("5\r\nhello\r\n0\r\nX: y\r\nZ: z\r\n\r\n")).saves("hello", 1);
}

/// Bare line feeds are not valid HTTP, but some servers send them. The page may be saved or fail; the
/// others must be saved.
#[test]
fn chunks_that_end_with_bare_line_feeds_affect_only_their_own_page() {
    for body in ["5\r\nhello\r\n0\r\n\n", "5\r\nhello\r\n0\r\nX: y\n\n", "5\r\nhello\r\n0\n\n", "5\nhello\n0\n\n"] {
        let met = meet(&["--retries", "0"], chunks(body));
        let code = if met.ran.status.success() { 0 } else { 3 };
        met.others_are_well(code);
    }
}

#[test]
fn many_trailers_are_passed_over_and_too_many_are_refused_with_the_name_of_the_limit() {
    let trailers = |count: usize| {
        meet(&["--retries", "0"], move |visit| {
            visit.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n");
            visit.send("X: y\r\n".repeat(count) + "\r\n");
            After::Close
        })
    };
    trailers(5000).saves("hello", 1);
    trailers(50_000).fails(200, "the trailers are longer than the limit of 64", 1);
}

#[test]
fn a_limit_is_the_same_whether_a_chunk_extension_comes_at_once_or_in_pieces() {
    for size in [30_000, 4_000] {
        let met = meet(&["--retries", "0"], move |visit| {
            visit.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            for piece in format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(20_000)).as_bytes().chunks(size) {
                visit.send(piece);
                std::thread::sleep(Duration::from_millis(20)); // so that the pieces arrive separately
            }
            After::Close
        });
        met.fails(200, "a chunk's size is longer than the limit of 16", 1);
    }
}

#[test]
fn equal_lengths_count_as_one() {
    for lengths in ["Content-Length: 5\r\nContent-Length: 5", "Content-Length: 5, 5"] {
        let met = meet(&["--retries", "0"], move |visit| {
            visit.send(format!("HTTP/1.1 200 OK\r\n{lengths}\r\n\r\nhello"));
            visit.stall()
        });
        met.saves("hello", 1);
    }
}
