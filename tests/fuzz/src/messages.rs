//! Messages of HTTP: the head of a response, its body, its codings; and the head of a request.

use demo::http::Error;
use demo::http::parsers::{
    Body, Buffer, Chunk, Coding, Framing, HEAD_LIMIT, Next, codings as codings_of, parse_head, parse_request,
};
use futures_lite::future::block_on;
use futures_lite::io::Cursor;
use http::Method;

/// The most bytes of a body.
const LIMIT: u64 = 1 << 20;

/// The beginning of a head is judged like the whole head, or is incomplete.
pub fn head(bytes: &[u8]) {
    let Some((cut, head)) = bytes.split_first() else { return };
    let whole = format!("{:?}", parse_head(head));
    let part = format!("{:?}", parse_head(&head[..usize::from(*cut).min(head.len())]));
    assert!(part == "Ok(None)" || part == whole, "{part} of {whole}");
    if let Ok(Some((length, (_, headers, _)))) = parse_head(head) {
        assert!(length <= head.len().min(HEAD_LIMIT));
        let is_clean = |value: &[u8]| !value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0));
        assert!(headers.values().all(|value| is_clean(value.as_bytes()) && value.as_bytes().trim_ascii() == value));
    }
}

/// A response is the same however its bytes arrive.
pub fn response(bytes: &[u8]) {
    let Some(([method, size], response)) = bytes.split_first_chunk() else { return };
    let Ok(Some((length, (status, headers, _)))) = parse_head(response) else { return };
    let method = if *method == b'H' { Method::HEAD } else { Method::GET };
    let body = || {
        let delimited = Framing::of_response(&method, status, &headers)?;
        let codings = codings_of("/", &headers, &delimited.codings)?;
        Ok(Body::new(delimited.framing, &codings, LIMIT))
    };
    same_in_pieces(body, &response[length..], usize::from(*size) + 1);
}

/// Chunks are the same however they arrive.
pub fn chunks(bytes: &[u8]) {
    let Some((size, chunks)) = bytes.split_first() else { return };
    let body = || Ok(Body::new(Framing::Chunked(Chunk::Size), &[], LIMIT));
    same_in_pieces(body, chunks, usize::from(*size) + 1);
}

/// Coded data decodes to the same however it arrives, and never to more than the limit.
pub fn codings(bytes: &[u8]) {
    const CODINGS: [Coding; 4] = [Coding::Gzip, Coding::Deflate, Coding::Brotli, Coding::Zstd];
    let Some(([codings, size], coded)) = bytes.split_first_chunk() else { return };
    let coding = |number: u8| CODINGS[usize::from(number % 4)];
    let stack = [coding(*codings), coding(*codings / 4)];
    let stack = if *codings < 128 { &stack[..1] } else { &stack };
    same_in_pieces(|| Ok(Body::new(Framing::UntilClose, stack, LIMIT)), coded, usize::from(*size) + 1);
}

/// A request's head is valid, and its beginning is judged like the whole head, or is incomplete.
pub fn request(bytes: &[u8]) {
    let Ok(Some((length, _))) = parse_request(bytes) else { return };
    assert!(length <= bytes.len());
    let shorter = parse_request(&bytes[..length - 1]);
    assert!(!matches!(shorter, Ok(Some((shorter, _))) if shorter >= length));
}

/// Checks that a body is the same, or an error, in pieces of `size` bytes and at once. Which of several errors depends
/// on the pieces if the body has codings.
fn same_in_pieces(body: impl Fn() -> Result<Body, Error>, input: &[u8], size: usize) {
    let receive = |size| body().and_then(|body| receive(body, input, size));
    let (pieces, whole) = (receive(size), receive(input.len().max(1)));
    assert!(pieces.as_ref().ok() == whole.as_ref().ok(), "in pieces of {size}: {pieces:?}; at once: {whole:?}");
}

/// Receives a body that arrives in pieces. Returns it, and the bytes after it.
fn receive(mut body: Body, input: &[u8], size: usize) -> Result<(Vec<u8>, Vec<u8>), Error> {
    let (mut buffer, mut whole, mut left) = (Buffer::default(), Vec::new(), input);
    loop {
        match body.next(&mut buffer)? {
            Next::Piece(count) => whole.extend(body.take(count, &mut buffer)),
            Next::Done => break,
            Next::More if left.is_empty() => body.end_of_stream()?,
            Next::More => {
                let mut arrived = Cursor::new(left[..size.min(left.len())].to_vec());
                let filled = block_on(buffer.fill(&mut arrived)).expect("memory can be read");
                left = &left[filled..];
            }
        }
        assert!(whole.len() as u64 <= LIMIT, "the limit does not hold");
    }
    assert_eq!(body.decoded(), whole.len() as u64);
    Ok((whole, [buffer.unread(), left].concat()))
}
