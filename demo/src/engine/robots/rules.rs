//! What a robots.txt allows (RFC 9309). `texting_robots` parses it and matches paths.

use crate::engine::urls::normalize_escapes;
use std::time::Duration;
use texting_robots::Robot;
use url::Url;

/// The name by which a robots.txt addresses this program.
const PRODUCT: &str = "demo";
/// Maximum number of bytes of a robots.txt to parse (RFC 9309, 2.5).
pub const LIMIT: usize = 500 * 1024;
/// Maximum number of patterns with a `$`. Each one is compiled. Real files have a few.
const PATTERNS: usize = 1000;

/// What the robots.txt of a host allows.
pub enum Rules {
    /// There is none.
    None,
    /// It could not be read, so nothing is allowed.
    Unreadable,
    /// Its rules.
    File(Box<Robot>),
}

impl Rules {
    /// The rules of a robots.txt. Lines that are invalid are ignored.
    pub fn parse(file: &[u8]) -> Rules {
        let mut patterns = 0;
        let text = String::from_utf8_lossy(&file[..file.len().min(LIMIT)]);
        // Lines may end in `\n`, `\r` or both.
        let lines = text.split(['\n', '\r']).filter(|line| {
            patterns += usize::from(line.contains('$'));
            !line.contains('$') || patterns <= PATTERNS
        });
        let mut lines: Vec<String> = lines.map(line).collect();
        if file.len() > LIMIT {
            lines.pop(); // it may be cut, and could forbid more than the whole line
        }
        let parse = |lines: &[String]| Robot::new(PRODUCT, lines.join("\n").as_bytes());
        let robot = parse(&lines).or_else(|_| {
            // One pattern that is too large to compile makes the whole file an error.
            lines.retain(|line| Robot::new(PRODUCT, line.as_bytes()).is_ok());
            parse(&lines)
        });
        robot.map_or(Rules::None, |robot| Rules::File(Box::new(robot)))
    }

    /// Whether a URL of its host may be fetched.
    pub fn allows(&self, url: &Url) -> bool {
        match self {
            Rules::None => true,
            Rules::Unreadable => false,
            Rules::File(robot) => robot.allowed(url.as_str()),
        }
    }

    /// The sitemaps that it names.
    pub fn sitemaps(&self) -> &[String] {
        match self {
            Rules::File(robot) => &robot.sitemaps,
            Rules::None | Rules::Unreadable => &[],
        }
    }

    /// The time that it sets between two requests.
    pub fn delay(&self) -> Duration {
        match self {
            Rules::File(robot) => robot.delay.map_or(Duration::ZERO, |seconds| {
                Duration::try_from_secs_f32(seconds).unwrap_or(Duration::MAX) // `inf` is a number too
            }),
            Rules::None | Rules::Unreadable => Duration::ZERO,
        }
    }
}

/// Converts a line to the form that `texting_robots` understands: escapes get one spelling, as in normalized URLs, and
/// a user agent such as `demo/1.0` is reduced to its name.
fn line(line: &str) -> String {
    let line = normalize_escapes(line);
    match line.split_once(':') {
        Some((key, value)) if key.trim().eq_ignore_ascii_case("user-agent") => {
            let value = value.trim_start();
            let end = value.find(|c: char| !(c.is_ascii_alphabetic() || "*-_".contains(c))).unwrap_or(value.len());
            format!("User-agent: {}", &value[..end])
        }
        _ => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(file: &str, path: &str) -> bool {
        Rules::parse(file.as_bytes()).allows(&Url::parse("http://h.example").unwrap().join(path).unwrap())
    }

    #[test]
    fn rules_mean_what_rfc_9309_says() {
        for (file, allowed, forbidden) in [
            ("", &["/", "/x"][..], &[][..]),
            ("User-agent: *\nDisallow: /", &["/robots.txt"], &["/", "/x"]),
            ("User-agent: *\nDisallow:", &["/", "/x"], &[]),
            ("User-agent: *\r\nDisallow: /a\r\rDisallow: /b", &["/", "/c"], &["/a", "/abc", "/b/c"]),
            ("\u{feff}User-agent: *\nDisallow: /a", &["/b"], &["/a"]),
            ("# text\n user-agent : * # all\n  DISALLOW : /a # b\n", &["/b"], &["/a"]),
            ("User-agent: *\nDisallow: /\nAllow: /a/", &["/a/b"], &["/", "/a", "/b"]),
            ("User-agent: *\nAllow: /p\nDisallow: /p", &["/p"], &[]),
            ("User-agent: *\nDisallow: /*.gif$", &["/a.gif?x", "/a.gifs"], &["/a.gif", "/a/b.gif"]),
            ("User-agent: *\nDisallow: /a/*/c", &["/a/c", "/a/bc"], &["/a/b/c", "/a/b/cd"]),
            ("User-agent: *\nDisallow: /*?", &["/a"], &["/a?b"]),
            ("User-agent: demo\nDisallow: /a\n\nUser-agent: *\nDisallow: /b", &["/b"], &["/a"]),
            ("User-agent: *\nDisallow: /b\n\nUser-agent: DEMO/1.0\nDisallow: /a", &["/b"], &["/a"]),
            ("User-agent: x\nUser-agent: demo\nDisallow: /a", &["/b"], &["/a"]),
            (
                "User-agent: demo\nDisallow: /a\nUser-agent: x\nDisallow: /c\nUser-agent: demo\nDisallow: /b",
                &["/c"],
                &["/a", "/b"],
            ),
            ("User-agent: demolition\nDisallow: /", &["/a"], &[]),
            ("User-agent: *\nSitemap: http://h/s\nNo-such: x\nDisallow: /a", &["/b"], &["/a"]),
            (
                "User-agent: *\nDisallow: /%7euser/\nDisallow: /caf%c3%a9\nDisallow: /ü",
                &["/user/"],
                &["/~user/x", "/café", "/%C3%BC"],
            ),
            ("<html>not found</html>", &["/", "/a"], &[]),
        ] {
            for path in allowed {
                assert!(allows(file, path), "{path} by {file:?}");
            }
            for path in forbidden {
                assert!(!allows(file, path), "{path} by {file:?}");
            }
        }
    }

    #[test]
    fn only_whole_lines_within_the_first_500_kib_count() {
        let padding = format!("{}\n", "#".repeat(99)).repeat(LIMIT / 100);
        let start = "User-agent: *\nDisallow: /first\n";
        let padded = format!("{start}{padding}");
        let cut = format!("{}Disallow: /long/{}\nDisallow: /last", &padded[..LIMIT - 16], "x".repeat(100));
        for (path, allowed) in [("/first", false), ("/long/x", true), ("/last", true)] {
            assert_eq!(allows(&cut, path), allowed, "{path}");
        }
    }

    #[test]
    fn a_hostile_file_neither_fails_nor_hides_the_other_rules() {
        let large = format!("User-agent: *\nDisallow: /a\nDisallow: /{}$\nDisallow: /b", "x*".repeat(20_000));
        let many = format!("User-agent: *\nDisallow: /a\n{}", "Disallow: /*x*y*z$\n".repeat(25_000));
        let stars = format!("User-agent: *\nDisallow: /a\nDisallow: /{}", "*a".repeat(100_000));
        for file in [&large, &many, &stars] {
            assert!(!allows(file, "/a") && allows(file, &format!("/{}", "c".repeat(5000))));
        }
        assert!(!allows(&large, "/b"));
        for file in [&b"\xff\xfe\0U\0s"[..], b"User-agent: *\nDisallow: /\xff\xff", b"\0\0\0", b"User-agent", b":::::"]
        {
            assert!(Rules::parse(file).allows(&Url::parse("http://h.example/a").unwrap()));
        }
    }

    #[test]
    fn every_number_for_a_delay_becomes_a_time() {
        let delay = |value| Rules::parse(format!("User-agent: *\nCrawl-delay: {value}").as_bytes()).delay();
        assert_eq!(delay("1.5"), Duration::from_millis(1500));
        assert_eq!(delay("inf"), Duration::MAX);
        assert_eq!(delay("1e30"), Duration::MAX);
        for none in ["-1", "NaN", "soon", ""] {
            assert_eq!(delay(none), Duration::ZERO, "{none}");
        }
    }
}
