//! The layers of each crate: no two files import each other, and the newcomer's path stays short.
//!
//! An import is a `use` of a name, or a path such as `crate::a::b`, outside of comments, texts and `#[cfg(test)]`. A `pub use`
//! is no import: a file that uses the name imports it from the file that defines it. What a file uses of the `mod.rs`
//! above it is no import either, because the files below implement its traits.

mod source;

use source::Sources;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// A file, as the names of the modules that lead to it.
type Module = Vec<String>;
/// The files that a file imports from, each with the names.
type Imports = BTreeMap<Module, BTreeMap<Module, BTreeSet<String>>>;

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this package is a folder of the workspace")
}

/// All modules that can be reached from `from` by imports.
fn reached<'a>(imports: &'a Imports, from: &'a Module) -> BTreeSet<&'a Module> {
    let (mut found, mut next) = (BTreeSet::new(), vec![from]);
    while let Some(module) = next.pop() {
        let further = imports.get(module).into_iter().flat_map(BTreeMap::keys);
        next.extend(further.filter(|to| found.insert(*to)));
    }
    found
}

/// The circles: sets of files, each of which imports from another of its set.
fn circles(imports: &Imports) -> BTreeSet<BTreeSet<&Module>> {
    let reached: BTreeMap<_, _> = imports.keys().map(|module| (module, reached(imports, module))).collect();
    let is_mutual = |a: &&Module, b: &&Module| {
        reached[*a].contains(*b) && reached.get(*b).is_some_and(|from_b| from_b.contains(*a))
    };
    let circle = |module| reached[module].iter().filter(|other| is_mutual(&module, other)).copied().collect();
    imports.keys().map(circle).filter(|circle: &BTreeSet<&Module>| circle.len() > 1).collect()
}

/// The circles of the files below a folder, and the names that tie each.
fn described(folder: &Path) -> String {
    let sources = Sources::read(folder);
    let imports = sources.imports();
    let mut text = String::new();
    for circle in circles(&imports) {
        writeln!(text, "{}: {} files import each other", folder.display(), circle.len()).unwrap();
        for (from, to, names) in
            circle.iter().flat_map(|from| imports[*from].iter().map(move |(to, names)| (from, to, names)))
        {
            if circle.contains(to) {
                let names: Vec<_> = names.iter().map(String::as_str).collect();
                writeln!(text, "  {} -> {}: {}", sources.file(from), sources.file(to), names.join(", ")).unwrap();
            }
        }
    }
    text
}

#[test]
fn no_two_files_import_each_other() {
    let mut folders: Vec<_> = ["reactor/src", "executor/src", "demo/src"].map(|folder| workspace().join(folder)).into();
    let examples = fs::read_dir(workspace().join("demo/examples")).unwrap();
    folders.extend(examples.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()));
    let circles: String = folders.iter().map(|folder| described(folder)).collect();
    assert!(circles.is_empty(), "\n{circles}");
}

#[test]
fn an_import_cycle_is_found_with_the_names_that_cause_it() {
    let folder = tempfile::tempdir().unwrap();
    let files = [
        ("lib.rs", "mod a;\nmod b;\nmod c;\npub use b::Beta;"),
        ("a.rs", "use crate::{Beta, c::self};\nfn f(_: c::Gamma) { /* use crate::d; */ }"),
        ("b.rs", "pub struct Beta;\nfn g() -> Option<crate::a::Alpha> { let _ = \"use crate::c::Gamma;\"; None }"),
        ("c.rs", "// use crate::a::Alpha;\npub struct Gamma;\n#[cfg(test)]\nmod tests { use crate::a::Alpha; }"),
        ("d/mod.rs", "mod e;\nuse e::Epsilon;"),
        ("d/e.rs", "use super::Delta;"),
    ];
    fs::create_dir(folder.path().join("d")).unwrap();
    files.iter().for_each(|(name, text)| fs::write(folder.path().join(name), text).unwrap());
    let text = described(folder.path());
    let (head, ties) = text.split_once('\n').unwrap();
    assert!(head.ends_with(": 2 files import each other"), "{text}");
    assert_eq!(ties, "  a.rs -> b.rs: Beta\n  b.rs -> a.rs: Alpha\n");
}

/// README's command `wc -l …` names the files of the newcomer's path.
#[test]
fn the_newcomers_path_has_at_most_2600_lines() {
    let readme = fs::read_to_string(workspace().join("README.md")).unwrap();
    let command = readme.lines().find(|line| line.starts_with("wc -l ")).expect("README counts the newcomer's path");
    let files = command.split_once('#').map_or(command, |(command, _)| command).split_whitespace().skip(2);
    let lines = |file: &str| {
        let text = fs::read_to_string(workspace().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        (text.lines().count(), file.to_owned())
    };
    let files: Vec<_> = files.map(lines).collect();
    let all: usize = files.iter().map(|(lines, _)| lines).sum();
    assert!(files.len() >= 6 && all <= 2_600, "{all} lines: {files:#?}");
}
