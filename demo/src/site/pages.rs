//! The built-in site: a small sample of what a crawler meets.
//!
//! Every page is generated from its path alone, so every run serves the same bytes. The front page links to each part;
//! the links of a part stay within it.
//!
//! | part | what it contains |
//! |---|---|
//! | `/tree/…` | a tree: 3 children for each page, 4 levels, 121 pages |
//! | `/ring/0` … `/ring/11` | a cycle, each page linking to both neighbours |
//! | `/diamond/0/0` … | layers of 4 pages, each linking to all pages of the next layer: many paths to one page |
//! | `/redirect/…` | redirects of every kind, relative and absolute, that lead to one page |
//! | `/framing/…` | bodies delimited by a length, in chunks and by closing the connection |
//! | `/spelling` | one page, linked in many spellings |
//! | `/size/…` | bodies from 0 bytes to 8 MiB |
//! | `/trouble/…` | not linked: an endless redirect, a page that is missing, one that fails |

use crate::http::server::{Answer, Body, Handler, LocalFuture, PieceByPiece, Request};
use executor::time::sleep;
use executor::yield_now;
use http::StatusCode;
use std::fmt::Write as _;
use std::io;
use std::time::Duration;

const TREE_CHILDREN: usize = 3;
const TREE_LEVELS: usize = 4;
const RING: usize = 12;
const DIAMOND_WIDTH: usize = 4;
const DIAMOND_LAYERS: usize = 5;

/// The sizes under `/size/`, by name.
const SIZES: [(&str, usize); 8] = [
    ("0", 0),
    ("1", 1),
    ("1k", 1 << 10),
    ("16k", 16 << 10),
    ("64k", 64 << 10),
    ("256k", 256 << 10),
    ("1m", 1 << 20),
    ("8m", 8 << 20),
];

/// Redirects: the name, the status and the target. `{host}` stands for the site itself.
const REDIRECTS: [(&str, StatusCode, &str); 7] = [
    ("moved", StatusCode::MOVED_PERMANENTLY, "/redirect/landing"),
    ("found", StatusCode::FOUND, "landing"),
    ("see-other", StatusCode::SEE_OTHER, "../redirect/landing"),
    ("temporary", StatusCode::TEMPORARY_REDIRECT, "http://{host}/redirect/landing"),
    ("permanent", StatusCode::PERMANENT_REDIRECT, "//{host}/redirect/landing"),
    ("twice", StatusCode::FOUND, "thrice"),
    ("thrice", StatusCode::FOUND, "moved"),
];

const SPELLINGS: [&str; 8] = [
    "/spelling",
    "spelling",
    "./spelling",
    "/tree/../spelling",
    "/spelling#top",
    "/%73pelling",
    "/spell%69ng",
    "/spelling?",
];

/// The handler that serves the site.
pub struct Site {
    delay: Duration,
}

impl Site {
    /// The site, with a delay before each answer.
    pub fn new(delay: Duration) -> Site {
        Site { delay }
    }
}

impl Handler for Site {
    fn answer(&self, request: Request) -> LocalFuture<'_, Answer> {
        Box::pin(async move {
            if !self.delay.is_zero() {
                sleep(self.delay).await;
            }
            let host =
                request.headers.get(http::header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
            answer(&request.target, host).unwrap_or_else(|| Answer::plain(StatusCode::NOT_FOUND))
        })
    }
}

fn answer(target: &str, host: &str) -> Option<Answer> {
    let path = percent_encoding::percent_decode_str(target.split('?').next()?).decode_utf8().ok()?;
    let segments: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
    match segments.as_slice() {
        [""] => Some(front_page()),
        ["style.css"] => Some(Answer::new(StatusCode::OK, "text/css", Body::Whole(STYLE.into()))),
        ["dot.svg"] => Some(Answer::new(StatusCode::OK, "image/svg+xml", Body::Whole(DOT.into()))),
        ["spelling"] => Some(page("One page, many spellings", &[])),
        ["tree", branch @ ..] => tree(branch),
        ["ring", n] => ring(number(n, RING)?),
        ["diamond", layer, n] => diamond(number(layer, DIAMOND_LAYERS)?, number(n, DIAMOND_WIDTH)?),
        ["redirect", "landing"] => Some(page("Where the redirects lead", &[])),
        ["redirect", name] => redirect(name, host),
        ["framing", name] => framing(name),
        ["size", name] => {
            let (_, size) = SIZES.iter().find(|(known, _)| known == name)?;
            Some(Answer::new(
                StatusCode::OK,
                "application/octet-stream",
                Body::Stream(*size as u64, Box::new(Noise::of(*size))),
            ))
        }
        ["trouble", "circle"] => Some(Answer::plain(StatusCode::FOUND).with("location", "/trouble/circle")),
        ["trouble", "failure"] => Some(Answer::plain(StatusCode::INTERNAL_SERVER_ERROR)),
        _ => None,
    }
}

const STYLE: &str = "body { font: 16px/1.5 sans-serif; max-width: 40em; margin: 2em auto; background: url(dot.svg) }\n";
const DOT: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" width="24" height="24"><circle cx="2" cy="2" r="1" fill="#ddd"/></svg>
"##;

fn front_page() -> Answer {
    let mut links: Vec<String> = ["/tree/", "/ring/0", "/diamond/0/0"].map(String::from).to_vec();
    links.extend(REDIRECTS.iter().map(|(name, ..)| format!("/redirect/{name}")));
    links.extend(["length", "chunked", "close"].map(|name| format!("/framing/{name}")));
    links.extend(SPELLINGS.map(String::from));
    links.extend(SIZES.iter().map(|(name, _)| format!("/size/{name}")));
    page("The built-in site", &links)
}

fn tree(branch: &[&str]) -> Option<Answer> {
    // A page's path ends with a slash: /tree/, /tree/0/, /tree/0/2/ …
    let (&"", branch) = branch.split_last()? else { return None };
    if branch.len() > TREE_LEVELS || branch.iter().any(|n| number(n, TREE_CHILDREN).is_none()) {
        return None;
    }
    let children = if branch.len() < TREE_LEVELS { TREE_CHILDREN } else { 0 };
    let links: Vec<String> = (0..children).map(|n| format!("{n}/")).collect();
    Some(page(&format!("Tree, branch {}", branch.join(".")), &links))
}

fn ring(n: usize) -> Option<Answer> {
    let (before, after) = ((n + RING - 1) % RING, (n + 1) % RING);
    Some(page(&format!("Ring, page {n}"), &[before.to_string(), after.to_string()]))
}

fn diamond(layer: usize, n: usize) -> Option<Answer> {
    let below = if layer + 1 < DIAMOND_LAYERS { DIAMOND_WIDTH } else { 0 };
    let links: Vec<String> = (0..below).map(|n| format!("/diamond/{}/{n}", layer + 1)).collect();
    Some(page(&format!("Diamond, layer {layer}, page {n}"), &links))
}

fn redirect(name: &str, host: &str) -> Option<Answer> {
    let (_, status, to) = REDIRECTS.iter().find(|(known, ..)| *known == name)?;
    Some(Answer::plain(*status).with("location", to.replace("{host}", host)))
}

fn framing(name: &str) -> Option<Answer> {
    let html = html(&format!("Framed by {name}"), &[]).into_bytes();
    let body = match name {
        "length" => Body::Whole(html),
        "chunked" => Body::Chunked(html.repeat(40)),
        "close" => Body::UntilClose(html),
        _ => return None,
    };
    Some(Answer::new(StatusCode::OK, "text/html; charset=utf-8", body))
}

fn page(title: &str, links: &[String]) -> Answer {
    Answer::new(StatusCode::OK, "text/html; charset=utf-8", Body::Whole(html(title, links).into_bytes()))
}

fn html(title: &str, links: &[String]) -> String {
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <link rel=\"stylesheet\" href=\"/style.css\"></head>\n<body><h1>{title}</h1>\n"
    );
    for link in links {
        let _ = writeln!(html, "<p><a href=\"{link}\">{link}</a></p>");
    }
    html.push_str("<p><a href=\"/\">front page</a></p></body></html>\n");
    html
}

/// The number in a segment, if it is below `limit` and has no leading zeros or sign.
fn number(segment: &str, limit: usize) -> Option<usize> {
    segment.parse().ok().filter(|n: &usize| *n < limit && n.to_string() == segment)
}

/// Pseudo-random bytes that are the same in every run: xorshift64 (Marsaglia, 2003). They are generated while they are
/// sent: generating all of them at once would delay other clients.
struct Noise {
    /// The generator's state before the word at the position, and the bytes of that word before the position.
    here: (u64, usize),
    /// The same after the last piece, and the length of that piece.
    behind: (u64, usize, usize),
    left: usize,
}

impl Noise {
    const PIECE: usize = 64 << 10;
    const WORD: usize = size_of::<u64>();

    fn of(size: usize) -> Noise {
        Noise { here: (0x9e37_79b9_7f4a_7c15, 0), behind: (0, 0, 0), left: size }
    }

    fn piece(&mut self) -> Vec<u8> {
        let ((mut state, skipped), length) = (self.here, self.left.min(Noise::PIECE));
        let end = skipped + length;
        let mut piece = Vec::with_capacity(end);
        while piece.len() + Noise::WORD <= end {
            state = word_after(state);
            piece.extend(state.to_le_bytes());
        }
        self.behind = (state, end - piece.len(), length);
        piece.extend(&word_after(state).to_le_bytes()[..end - piece.len()]);
        piece.drain(..skipped);
        piece
    }
}

fn word_after(mut state: u64) -> u64 {
    state ^= state << 13;
    state ^= state >> 7;
    state ^ (state << 17)
}

impl PieceByPiece for Noise {
    fn next(&mut self) -> LocalFuture<'_, io::Result<Box<dyn AsRef<[u8]>>>> {
        Box::pin(async {
            yield_now().await; // a socket accepts many pieces before it is full
            Ok(Box::new(self.piece()) as Box<dyn AsRef<[u8]>>)
        })
    }

    fn advance(&mut self, count: usize) {
        self.left -= count;
        let (state, skipped, length) = self.behind;
        if count == length {
            self.here = (state, skipped);
            return;
        }
        let from = self.here.1 + count;
        let state = (0..from / Noise::WORD).fold(self.here.0, |state, _| word_after(state));
        self.here = (state, from % Noise::WORD);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_the_same_for_steps_of_any_size() {
        let whole = 200_000;
        let mut expected = Vec::new();
        let mut state = 0x9e37_79b9_7f4a_7c15;
        while expected.len() < whole {
            state = word_after(state);
            expected.extend(state.to_le_bytes());
        }
        for step in [1_000_000, 65_536, 65_535, 8, 9, 12_345] {
            let (mut noise, mut got) = (Noise::of(whole), Vec::<u8>::new());
            while noise.left > 0 {
                let piece = noise.piece();
                let count = step.min(piece.len());
                got.extend(&piece[..count]);
                noise.advance(count);
                if step < 10 && got.len() > 1000 {
                    break; // enough of the small steps
                }
            }
            assert!(got == expected[..got.len()], "in steps of {step}");
            assert!(step < 10 || got.len() == whole);
        }
    }
}
