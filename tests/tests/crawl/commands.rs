//! The command line beyond `crawl`: `download`, options from a file, words that other tools use, completions.

use std::fs;
use std::io::Write;
use std::process::Stdio;
use tests::demo::{Place, Serving};

/// Some files to download.
fn serving(place: &Place) -> Serving {
    fs::create_dir_all(place.path("root/sub")).unwrap();
    for (name, text) in [("a.txt", "a"), ("b.txt", "b"), ("sub/A.TXT", "A"), ("sub/page.html", "<a href=/a.txt>")] {
        fs::write(place.path("root").join(name), text).unwrap();
    }
    Serving::start(place, &["root"])
}

#[test]
fn download_saves_each_file_under_the_name_in_its_url_and_follows_no_link() {
    let place = Place::new();
    let serving = serving(&place);
    place.run(&["download", &serving.url("/b.txt"), &serving.url("/sub/page.html"), "-P", "to"]).exits(0);
    let names: Vec<_> = tests::demo::files_below(&place.path("to")).into_keys().collect();
    assert_eq!(names, ["b.txt", "page.html"]);
    // Without -P the files go into the current directory.
    place.run(&["download", &serving.url("/b.txt")]).exits(0).says("1 file saved");
    assert_eq!(fs::read_to_string(place.path("b.txt")).unwrap(), "b");
}

#[test]
fn a_download_has_no_size_limit_unless_one_is_given() {
    let place = Place::new();
    let serving = serving(&place);
    let sparse = fs::File::create(place.path("root/large.bin")).unwrap();
    sparse.set_len(65_000_000).unwrap();
    let url = serving.url("/large.bin");
    place.run(&["download", &url, "-P", "to"]).exits(0);
    assert_eq!(fs::metadata(place.path("to/large.bin")).unwrap().len(), 65_000_000);
    place.run(&["download", &url, "--max-size", "64M"]).exits(3).says("larger than the limit");
}

#[test]
fn urls_that_end_in_the_same_name_give_different_files_in_any_order() {
    let place = Place::new();
    let serving = serving(&place);
    let urls = [serving.url("/a.txt"), serving.url("/sub/A.TXT")];
    place.run(&["download", &urls[0], &urls[1], "-P", "one"]).exits(0);
    place.run(&["download", &urls[1], &urls[0], "-P", "other"]).exits(0);
    let files = tests::demo::files_below(&place.path("one"));
    assert_eq!(files.len(), 2);
    assert_eq!(files, tests::demo::files_below(&place.path("other")));
}

#[test]
fn a_list_is_read_from_a_file_or_from_standard_input() {
    let place = Place::new();
    let serving = serving(&place);
    let list = format!("# comment\n\n{}\n  {}\n", serving.url("/a.txt"), serving.url("/b.txt"));
    fs::write(place.path("list"), &list).unwrap();
    place.run(&["download", "-i", "list", "-P", "from-file"]).exits(0);
    let mut command = place.command(&["download", "-i", "-", "-P", "from-stdin"]);
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(list.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    for directory in ["from-file", "from-stdin"] {
        assert_eq!(tests::demo::files_below(&place.path(directory)).len(), 2, "{directory}");
    }
    place.run(&["download", "-i", "no-such-list"]).exits(1).says("cannot read no-such-list");
    place.run(&["download"]).exits(2).says("URL");
}

#[test]
fn the_output_can_be_named_or_printed() {
    let place = Place::new();
    let serving = serving(&place);
    place.run(&["download", "--output", "x/y", &serving.url("/a.txt")]).exits(0);
    assert_eq!(fs::read_to_string(place.path("x/y")).unwrap(), "a");
    let ran = place.run(&["download", "-q", "--output", "-", &serving.url("/b.txt"), &serving.url("/a.txt")]).exits(0);
    assert_eq!(ran.stdout, "ba", "in the order of the URLs");
    place.run(&["download", "--output", "x", &serving.url("/a.txt"), &serving.url("/b.txt")]).exits(2).says("-P DIR");
    place.run(&["download", "--output", "/", &serving.url("/a.txt")]).exits(2).says("directory");
}

#[test]
fn options_from_a_file_come_before_those_of_the_command_line() {
    let place = Place::new();
    let serving = serving(&place);
    let url = serving.url("/a.txt");
    fs::write(place.path("demo.conf"), "# mine\ndirectory-prefix = by-file\nformat = json\ndepth = 3\n").unwrap();
    let ran = place.run(&["download", "--config", "demo.conf", &url]).exits(0);
    assert!(place.path("by-file/a.txt").exists() && ran.stdout.starts_with('{'));
    place.run(&["download", "--config=demo.conf", "-P", "by-line", &url]).exits(0);
    assert!(place.path("by-line/a.txt").exists());
    let mut command = place.command(&["download", "-P", "x", &url]);
    command.env("XDG_CONFIG_HOME", place.path(""));
    assert!(String::from_utf8_lossy(&command.output().unwrap().stdout).starts_with('{'), "the file is found by itself");
    let mut command = place.command(&["download", "-P", "x", "--no-config", &url]);
    command.env("XDG_CONFIG_HOME", place.path(""));
    assert!(command.output().unwrap().stdout.is_empty());
    fs::write(place.path("demo.conf"), "\nretires = 3\n").unwrap();
    place.run(&["crawl", "--config", "demo.conf", &url]).exits(2).says("demo.conf: line 2").says("`retires`");
    place.run(&["crawl", "--config", "missing", &url]).exits(1).says("cannot read missing");
}

#[test]
fn what_other_tools_call_differently_is_explained() {
    let place = Place::new();
    place.run(&["crwl", "http://x/"]).exits(2).says("did you mean `demo crawl`?");
    place.run(&["download", "-k", "http://x/"]).exits(2).says("--insecure").says("--convert-links");
    place.run(&["crawl", "-H", "a: b", "http://x/"]).exits(2).says("--header").says("--span-hosts");
    place.run(&["serve", "http://x/"]).exits(2).says("demo crawl");
}

#[test]
fn completions_and_the_manual_page_name_the_commands() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = place.run(&["completions", shell]).exits(0).stdout;
        assert!(script.contains("download") && script.contains("max-size"), "{shell}");
    }
    let page = place.run(&["man"]).exits(0).stdout;
    for part in [".TH demo", "DEMO CRAWL", "DEMO DOWNLOAD", "DEMO CHECK", "DEMO SERVE", "EXIT CODES"] {
        assert!(page.contains(part), "{part} is missing");
    }
    assert!(!page.contains("WAYS-RUN"));
}

#[test]
fn the_summary_as_json_is_one_line_with_every_failure() {
    let place = Place::new();
    let serving = serving(&place);
    let ran = place.run(&["download", "--format", "json", &serving.url("/a.txt"), &serving.url("/gone")]).exits(3);
    assert_eq!(ran.stdout.lines().count(), 1);
    for part in ["\"saved\":1", "\"failed\":1", "\"cause\":\"404\"", "/gone"] {
        assert!(ran.stdout.contains(part), "{part} in {}", ran.stdout);
    }
}
