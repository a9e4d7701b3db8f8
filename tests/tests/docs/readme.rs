//! Runs README's commands in their order and in one folder, as they are written but without a release build.

use std::path::Path;
use std::process::Command;
use std::{env, fs};
use tests::demo::{Place, Running, Serving, demo, example, within_after_build};
use tests::redis::RedisServer;

/// A line of a `sh` block.
struct Line {
    text: String,
    variables: Vec<(String, String)>,
    /// The example, or else the downloader.
    example: Option<String>,
    args: Vec<String>,
}

impl Line {
    /// Reads `VARIABLE=value cargo run --release -p demo --example name -- args &`.
    fn parse(text: &str) -> Line {
        let command = text.split_once(" #").map_or(text, |(command, _)| command).trim().trim_end_matches(" &");
        let mut words = command.split_whitespace().peekable();
        let mut variables = Vec::new();
        while let Some((name, value)) = words.peek().and_then(|word| word.split_once('=')) {
            variables.push((name.to_owned(), value.to_owned()));
            words.next();
        }
        let (own, args) = match words.clone().position(|word| word == "--") {
            Some(at) => (words.clone().take(at).collect(), words.skip(at + 1).map(str::to_owned).collect()),
            None => (words.collect::<Vec<_>>(), Vec::new()),
        };
        let example = match own[..] {
            ["cargo", "run", "--release"] => None,
            ["cargo", "run", "--release", "-p", "demo", "--example", name] => Some(name.to_owned()),
            _ => panic!("this test does not know how to run `{text}`"),
        };
        Line { text: text.to_owned(), variables, example, args }
    }

    fn command(&self, place: &Place, program: &Path) -> Command {
        let mut command = Command::new(program);
        let variables = self.variables.iter().map(|(name, value)| (name, value));
        command.args(&self.args).envs(variables).current_dir(place.path(""));
        command
    }
}

fn lines() -> Vec<Line> {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = fs::read_to_string(readme).unwrap();
    let blocks = readme.split("```sh\n").skip(1).map(|rest| rest.split_once("```").expect("a block has an end").0);
    // This test is a part of the first, another test runs the second, and this one starts the third itself.
    let others = ["cargo test", "wc -l", "redis-server"];
    let lines = blocks.flat_map(str::lines).filter(|line| !others.iter().any(|other| line.starts_with(other)));
    lines.map(Line::parse).collect()
}

/// Replaces each address and path in the arguments by one of this test.
fn adapt(line: &mut Line, place: &Place, site: &Serving, redis: &str) {
    let socket = place.path("serve.sock").display().to_string();
    let site = format!("http://{}/", site.address);
    for value in line.args.iter_mut().chain(line.variables.iter_mut().map(|(_, value)| value)) {
        *value = value.replace("http://localhost:8000/", &site).replace("/tmp/serve.sock", &socket);
        *value = value.replace("redis://localhost/0", redis);
        if value == "../rt" {
            *value = place.path("rt").display().to_string();
        }
    }
}

#[test]
fn every_command_of_the_readme_works() {
    // Built before the time limit begins.
    lines().iter().filter_map(|line| line.example.as_deref()).for_each(|name| drop(example(name)));
    within_after_build(120, || {
        let place = Place::new();
        fs::create_dir_all(place.path("some/directory")).unwrap();
        let site = Serving::start(&Place::new(), &[]);
        let redis = RedisServer::start();
        let redis = redis.as_ref().map(RedisServer::url);
        let mut servers = Vec::new();
        for mut line in lines() {
            if redis.is_none() && line.args.iter().any(|arg| arg == "--frontier") {
                continue;
            }
            adapt(&mut line, &place, &site, redis.as_deref().unwrap_or_default());
            println!("{}", line.text);
            if let Some(name) = &line.example {
                let mut command = line.command(&place, &example(name));
                Running::start(command.arg("--help")).wait().exits(0);
                continue;
            }
            let mut command = line.command(&place, demo());
            let has = |option: &str| line.args.iter().any(|arg| arg == option);
            match line.args.first().map(String::as_str) {
                Some("serve") => servers.push(Serving::run(command.args(["--listen", "127.0.0.1:0"]))),
                Some("step") if !has("--html") && !has("--lint") => {
                    let ran = Running::start(&mut command).wait();
                    assert!(ran.stderr.contains("terminal"), "`{}` asks for a terminal: {}", line.text, ran.stderr);
                }
                Some("step") if has("--lint") => {
                    let ran = Running::start(&mut command).wait();
                    assert!(matches!(ran.status.code(), Some(0 | 3)), "`{}`: {}", line.text, ran.stderr);
                }
                _ => drop(Running::start(&mut command).wait().exits(0)),
            }
        }
        assert!(place.path("run.html").exists() && place.path("docs.jsonl").exists());
        assert!(redis.is_none() || place.path("all.jsonl").exists());
    });
}
