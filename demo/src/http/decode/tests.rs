//! Tests of all codings together: right data in any pieces, cut data, wrong data, bombs.

use super::*;
use crate::http::coding::Coding::{Brotli, Deflate, Gzip, Zstd};
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use proptest::prelude::*;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use std::io::Write;

const TEXT: &[u8] = b"hello, decoders";
const TEXT_BR: &[u8] = b"\x0b\x07\x80hello, decoders\x03";
/// gzip inside br, as for `Content-Encoding: gzip, br`.
const TEXT_GZIP_BR: &[u8] =
    b"\x0b\x11\x80\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xcb\x48\xcd\xc9\xc9\xd7\x51\x48\x49\x4d\xce\
    \x4f\x49\x2d\x2a\x06\x00\xee\x28\xc7\xc9\x0f\x00\x00\x00\x03";
/// 20,000,000 zeros.
const ZEROS_BR: &[u8] =
    b"\xcb\xff\xff\x3f\xf8\x27\x00\xe2\xb1\x40\x20\xf7\xfe\x8f\xff\xff\x7f\xf0\x4f\x00\xc4\x61\x11\x80\xee\xfd\
    \x5f\xfe\xb3\xc4\xe0\x9f\x00\x88\xc3\x02\x00\x5d\x92\x18";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn bare(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    compress_to_vec(bytes, CompressionLevel::Fastest)
}

/// A page that compresses well, but not to almost nothing.
fn page() -> Vec<u8> {
    (0..400_u32)
        .flat_map(|n| format!("<a href=/{}>{}</a>\n", n.wrapping_mul(2_654_435_761), n % 7).into_bytes())
        .collect()
}

/// Decodes `input`, pushed in pieces of these sizes, repeated in a cycle.
fn decode_in(codings: &[Coding], input: &[u8], sizes: &[usize]) -> Result<Vec<u8>, Error> {
    let (mut decoder, mut decoded, mut left) = (Decoder::new(codings), Vec::new(), input);
    for size in sizes.iter().cycle() {
        loop {
            match decoder.pull()? {
                0 => break,
                pulled => assert!(pulled <= PIECE && pulled == decoder.piece().len()),
            }
            decoded.extend(decoder.piece());
        }
        assert_eq!(decoder.piece.capacity(), 0, "a decoder that waits holds no piece");
        if decoder.has_ended() {
            break;
        }
        let count = left.len().min(*size);
        decoder.push(&left[..count]);
        left = &left[count..];
        if left.is_empty() {
            decoder.end();
        }
    }
    Ok(decoded)
}

fn decode(codings: &[Coding], input: &[u8]) -> Result<Vec<u8>, Error> {
    decode_in(codings, input, &[32 * 1024])
}

/// One body in each coding, and in stacks.
fn bodies(of: &[u8]) -> Vec<(Vec<Coding>, Vec<u8>)> {
    vec![
        (vec![Gzip], gzip(of)),
        (vec![Deflate], zlib(of)),
        (vec![Deflate], bare(of)),
        (vec![Zstd], zstd(of)),
        (vec![Gzip, Zstd], zstd(&gzip(of))),
        (vec![Deflate, Gzip], gzip(&bare(of))),
        (vec![Zstd, Deflate, Gzip], gzip(&zlib(&zstd(of)))),
    ]
}

#[test]
fn each_coding_is_undone_for_pieces_of_any_size() {
    let mut small = bodies(TEXT);
    small.extend([(vec![Brotli], TEXT_BR.to_vec()), (vec![Gzip, Brotli], TEXT_GZIP_BR.to_vec())]);
    for (codings, body) in small {
        for size in 1..=body.len() {
            assert_eq!(decode_in(&codings, &body, &[size]).unwrap(), TEXT, "{codings:?} in pieces of {size}");
        }
    }
    let page = page();
    for (codings, body) in bodies(&page) {
        for size in [100, 32 * 1024] {
            assert!(decode_in(&codings, &body, &[size]).unwrap() == page, "{codings:?} in pieces of {size}");
        }
    }
}

#[test]
fn a_body_that_ends_too_early_is_incomplete_wherever_it_is_cut() {
    let mut bodies = bodies(TEXT);
    bodies.extend([(vec![Brotli], TEXT_BR.to_vec()), (vec![Gzip, Brotli], TEXT_GZIP_BR.to_vec())]);
    for (codings, body) in bodies {
        for cut in 1..body.len() {
            let result = decode(&codings, &body[..cut]);
            assert!(matches!(result, Err(Error::Incomplete(_))), "{codings:?} cut at {cut}: {result:?}");
        }
    }
}

#[test]
fn an_empty_body_is_empty_in_any_coding() {
    for coding in [Gzip, Deflate, Brotli, Zstd] {
        assert_eq!(decode(&[coding], b"").unwrap(), b"", "{coding:?}");
    }
    for (codings, body) in bodies(b"") {
        assert_eq!(decode(&codings, &body).unwrap(), b"", "{codings:?}");
    }
}

#[test]
fn all_members_or_frames_are_decoded_and_bytes_after_them_are_ignored() {
    for (coding, one) in [(Gzip, gzip(TEXT)), (Zstd, zstd(TEXT))] {
        let two = [&*one, &*one].concat();
        assert_eq!(decode(&[coding], &two).unwrap(), [TEXT, TEXT].concat(), "{coding:?}");
        let cut = decode(&[coding], &two[..two.len() - 1]);
        assert!(matches!(cut, Err(Error::Incomplete(_))), "{coding:?}: {cut:?}");
    }
    for (codings, body) in bodies(TEXT).into_iter().chain([(vec![Brotli], TEXT_BR.to_vec())]) {
        for garbage in [&[0; 512][..], b"\0", b"garbage", b"\x1f", b"\x28\xb5", b"\x1fgarbage"] {
            let padded = [&*body, garbage].concat();
            for size in [1, 7, padded.len()] {
                let result = decode_in(&codings, &padded, &[size]);
                assert_eq!(result.unwrap(), TEXT, "{codings:?} and {garbage:?} in pieces of {size}");
            }
        }
    }
    let skippable = [b"\x50\x2a\x4d\x18\x05\0\0\0skip!", &*zstd(TEXT), b"\x5f\x2a\x4d\x18\0\0\0\0"].concat();
    for size in 1..skippable.len() {
        assert_eq!(decode_in(&[Zstd], &skippable, &[size]).unwrap(), TEXT, "in pieces of {size}");
    }
}

#[test]
fn invalid_data_is_an_error_that_names_the_coding() {
    let wrong_checksum = |mut body: Vec<u8>| {
        let at = body.len() - 5;
        body[at] ^= 1;
        body
    };
    for (coding, body) in [
        (Gzip, b"<html>plain".to_vec()),
        (Deflate, b"<html>plain".to_vec()),
        (Brotli, b"\xff\xff\xff\xff plain".to_vec()),
        (Zstd, b"<html>plain".to_vec()),
        (Gzip, wrong_checksum(gzip(TEXT))),
        (Gzip, b"\x1f\x8b\x01\0\0\0\0\0\0\0\0\0".to_vec()), // another method
        (Gzip, [&*gzip(TEXT), b"\x1f\x8b\x01\0\0\0\0\0\0\0\0\0"].concat()),
        (Zstd, b"\x28\xb5\x2f\xfd\0\xf8\0\0\0\0\0\0".to_vec()), // a window of 2 TiB
        (Zstd, b"\x28\xb5\x2f\xfd\0\x70\0\0\0\0\0\0".to_vec()), // 16 MiB
        (Zstd, b"\x28\xb5\x2f\xfd\xe0\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0".to_vec()),
        (Zstd, b"\x28\xb5\x2f\xfd\x01\0\x07\x01\0\0\0\0".to_vec()), // with a dictionary
        (Brotli, b"\x11\x3e\0\0\0\0".to_vec()),                     // a large window
    ] {
        let result = decode(&[coding], &body);
        let is_named = matches!(result, Err(Error::Undecodable { coding: name, .. }) if name == coding.name());
        assert!(is_named, "{coding:?} {body:?}: {result:?}");
    }
    // The data of the inner coding is invalid.
    let result = decode(&[Zstd, Gzip], &gzip(b"plain text, and no Zstandard"));
    assert!(matches!(result, Err(Error::Undecodable { coding: "zstd", .. })), "{result:?}");
}

#[test]
fn decoding_a_bomb_stops_at_the_ratio() {
    let zeros = vec![0; 3_000_000];
    for (codings, bomb) in [
        (vec![Gzip], gzip(&zeros)),
        (vec![Deflate], zlib(&zeros)),
        (vec![Brotli], ZEROS_BR.to_vec()),
        (vec![Zstd], zstd(&zeros)),
        (vec![Gzip, Gzip], gzip(&gzip(&zeros))),
        // The inner data expands, although the final output is almost empty.
        (vec![Gzip, Brotli], ZEROS_BR.to_vec()),
        (vec![Gzip, Gzip, Gzip], gzip(&gzip(&gzip(b"").repeat(200_000)))),
    ] {
        let mut decoder = Decoder::new(&codings);
        decoder.push(&bomb);
        decoder.end();
        let mut decoded = 0;
        let error = loop {
            match decoder.pull() {
                Ok(count @ 1..) => decoded += count as u64,
                Ok(0) => panic!("{codings:?}: {decoded} bytes from {}, without an error", bomb.len()),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, Error::Expands(RATIO) | Error::Undecodable { .. }), "{codings:?}: {error:?}");
        assert!(decoded <= FREE.max(RATIO * bomb.len() as u64) + PIECE as u64, "{codings:?}: {decoded} bytes");
    }
}

#[test]
fn data_that_compresses_well_is_not_a_bomb() {
    let line = |n: u32| format!("2026-01-01 00:{:02}:{:02} INFO nothing happened\n", n / 60 % 60, n % 60);
    let lines = (0..40_000).flat_map(|n| line(n).into_bytes()).collect::<Vec<_>>();
    for (codings, body) in bodies(&lines).into_iter().take(4) {
        assert!(decode(&codings, &body).unwrap() == lines, "{codings:?}");
    }
}

proptest! {
    #[test]
    fn the_sizes_of_the_pieces_do_not_change_the_result(
        stack in proptest::collection::vec(prop_oneof![Just(Gzip), Just(Deflate), Just(Brotli), Just(Zstd)], 1..3),
        start in prop_oneof![Just(gzip(TEXT)), Just(zlib(TEXT)), Just(zstd(TEXT)), Just(TEXT_BR.to_vec()), Just(vec![])],
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        rest in proptest::collection::vec(any::<u8>(), 0..40),
        sizes in proptest::collection::vec(1..20_usize, 1..6),
    ) {
        let mut input = [start, rest].concat();
        for (at, byte) in flips {
            if !input.is_empty() {
                let at = at.index(input.len());
                input[at] = byte;
            }
        }
        // If the data of several codings is invalid, the bytes that have arrived decide which error comes first.
        let outcome = |sizes: &[usize]| decode_in(&stack, &input, sizes).map_err(|error| match stack.len() {
            1 => error.to_string(),
            _ => String::new(),
        });
        prop_assert_eq!(outcome(&sizes), outcome(&[input.len().max(1)]));
    }
}
