//! Whatever URLs, fields and redirects contain, and whatever the output folder already contains: nothing outside of the
//! folder is written.
//!
//! As `names.rs`, with random names. The seed of a failure is printed.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Component, Path};
use tests::demo::{Place, Ran, files_below};
use tests::faults::{After, FaultServer, Visit};
use tests::kit::Dice;

/// What random paths consist of.
const PIECES: [&str; 40] = [
    "..",
    "%2e%2e",
    ".",
    "%2E",
    "/",
    "/",
    "//",
    "%2f",
    "%5c",
    "\\",
    "a",
    "b",
    "CON",
    "nul.txt",
    ".parts",
    ".netrc",
    "~",
    "%00",
    "%0a",
    "%ff",
    "%C3%BC",
    "e%CC%81",
    "?",
    "?../",
    "&",
    "%3f",
    ":",
    "%3A",
    "*",
    "@",
    " ",
    "%20",
    ".html",
    "A",
    "x.css",
    "outside",
    "folder",
    "dangling",
    "etc/passwd",
    ";x=..",
];

/// A random path, and sometimes a query.
fn path(dice: &mut Dice) -> String {
    let mut path = "/".to_owned();
    for _ in 0..=dice.index(7) {
        path += PIECES[dice.index(PIECES.len())];
        if dice.once_in(2) {
            path.push('/');
        }
        if dice.once_in(60) {
            path += &"long".repeat(20 + dice.index(100));
        }
    }
    path
}

/// Answers with a page, a suggested name or a redirect. The same path always gets the same answer.
fn answer(visit: &mut Visit<'_>, links: &[String]) -> After {
    let mut dice =
        Dice::new(visit.path.bytes().fold(7, |hash: u64, byte| hash.wrapping_mul(31).wrapping_add(byte.into())));
    let disposition = format!("Content-Disposition: attachment; filename=\"{}\"\r\n", path(&mut dice).replace('"', ""));
    match (visit.path.as_str(), dice.roll(4)) {
        ("/", _) => visit.links(links),
        (_, 0) => visit.redirect(&links[dice.index(links.len())]),
        (_, 1) => visit.redirect(&path(&mut dice)),
        (_, 2) => visit.answer("200 OK", &disposition, "saved by the run"),
        _ => visit.page("saved by the run"),
    }
}

/// A folder full of traps, at `folder`: symbolic links that lead out, folders and files in the way of others.
fn set_traps(folder: &Path, outside: &Path, dice: &mut Dice) {
    fs::create_dir_all(folder).unwrap();
    for name in ["a", "a@", "b", "b@", "folder", "outside@", "A@", "x.css", "nul.txt", "etc", "_~", "b.html"] {
        let at = folder.join(name);
        match dice.roll(6) {
            0 => symlink(outside, at).unwrap(),
            1 => symlink(outside.join("precious"), at).unwrap(),
            2 => symlink(outside.join("new"), at).unwrap(),
            3 => symlink("../../outside", at).unwrap(),
            4 => fs::create_dir(at).unwrap(),
            _ => fs::write(at, "in the way").unwrap(),
        }
    }
}

/// Checks that nothing outside of `download` was changed, and that each path of the report is that of a file below it.
#[track_caller]
fn all_is_inside(place: &Place, ran: &Ran, expected: &BTreeMap<String, Vec<u8>>, seed: u64) {
    assert!(matches!(ran.status.code(), Some(0 | 3)), "seed {seed}: {}; {}", ran.status, ran.stderr);
    assert!(!ran.stderr.contains("panicked"), "seed {seed}: {}", ran.stderr);
    let mut around = files_below(&place.path(""));
    around.retain(|name, _| !name.starts_with("download/"));
    around.remove("report.jsonl");
    assert_eq!(&around, expected, "seed {seed}: written outside");
    let report = place.report();
    assert!(report.0.len() > 20, "seed {seed}: only {} lines", report.0.len());
    for line in &report.0 {
        let Some(path) = line.text("path") else { continue };
        let parts = || Path::new(path).components();
        assert!(
            parts().all(|part| matches!(part, Component::Normal(name) if name.len() <= 143)),
            "seed {seed}: {line:?}"
        );
        let metadata = fs::symlink_metadata(place.path("download").join(path));
        assert!(metadata.is_ok_and(|there| there.is_file()), "seed {seed}: {line:?}");
    }
    place.has_no_parts();
}

#[test]
fn no_url_field_or_redirect_leads_out_of_the_folder() {
    for seed in 1..=4 {
        let mut dice = Dice::new(seed);
        let links: Vec<_> = (0..120).map(|_| path(&mut dice)).collect();
        let served = links.clone();
        let server = FaultServer::start(move |visit| answer(visit, &served));
        let place = Place::new();
        let outside = place.path("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("precious"), "precious").unwrap();
        let list: String = links.iter().map(|link| format!("{}\n", server.url(link))).collect();
        fs::write(place.path("list"), list).unwrap();
        let expected = files_below(&place.path(""));
        set_traps(&place.path(&format!("download/127.0.0.1_{}", server.port())), &outside, &mut dice);
        set_traps(&place.path("download"), &outside, &mut dice);
        let crawled = place.crawl(&[&server.url("/"), "--retries", "0"]);
        all_is_inside(&place, &crawled, &expected, seed);
        let args = ["download", "--report", "report.jsonl", "-P", "download", "--retries", "0", "-i", "list"];
        all_is_inside(&place, &place.run(&args), &expected, seed);
    }
}
