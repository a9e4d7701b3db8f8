//! What the files of a crate import, read from their text.

use super::{Imports, Module};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A path in the code: `a::b::C`.
type Names = Vec<String>;

/// The files below a folder with a `lib.rs` or `main.rs`.
pub(super) struct Sources {
    files: BTreeMap<Module, File>,
    /// Names that a module re-exports, and what they refer to.
    exports: BTreeMap<(Module, String), Names>,
}

struct File {
    name: String,
    /// Paths of `use` items.
    uses: Vec<Names>,
    /// Paths of `pub use` items.
    exports: Vec<Names>,
    /// Paths elsewhere in the code.
    paths: Vec<Names>,
}

impl Sources {
    pub(super) fn read(folder: &Path) -> Sources {
        let mut paths = Vec::new();
        rust_files(folder, &mut paths);
        let has_library = folder.join("lib.rs").exists();
        let mut files = BTreeMap::new();
        for path in paths {
            let name = path.strip_prefix(folder).unwrap().to_str().expect("names of sources are text").to_owned();
            let mut module: Module = name.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
            if name == "main.rs" && has_library {
                continue; // the root of another crate
            }
            if ["lib.rs", "main.rs"].contains(&&*name) || name.ends_with("mod.rs") {
                module.pop();
            }
            files.insert(module, File::parse(name, &fs::read_to_string(&path).unwrap()));
        }
        let mut sources = Sources { files, exports: BTreeMap::new() };
        for (module, file) in &sources.files {
            for path in &file.exports {
                if let (Some(target), Some(name)) =
                    (sources.absolute(path, module), path.last().filter(|name| *name != "*"))
                {
                    sources.exports.insert((module.clone(), name.clone()), target);
                }
            }
        }
        sources
    }

    pub(super) fn file(&self, module: &Module) -> &str {
        &self.files[module].name
    }

    /// For each file, the files that it imports from, with the names. Leaves out the modules above the file.
    pub(super) fn imports(&self) -> Imports {
        let mut imports = Imports::new();
        for (module, file) in &self.files {
            let into = imports.entry(module.clone()).or_default();
            let mut add = |target: &Names, is_module_a_name: bool| {
                let Some((to, name)) = self.resolve(target, 0) else { return };
                if let Some(name) = name.or_else(|| target.last().filter(|_| is_module_a_name).cloned())
                    && !module.starts_with(&to)
                {
                    into.entry(to).or_default().insert(name);
                }
            };
            for target in file.uses.iter().chain(&file.paths).filter_map(|path| self.absolute(path, module)) {
                add(&target, false);
            }
            // A module that is imported by name and then begins a path in the code.
            let modules = file.uses.iter().filter_map(|path| Some((path.last()?, self.absolute(path, module)?)));
            for (name, target) in modules.filter(|(_, target)| self.files.contains_key(target) && target != module) {
                for path in file.paths.iter().filter(|path| path[0] == *name) {
                    add(&[&target[..], &path[1..2]].concat(), true);
                }
            }
        }
        imports
    }

    /// The path from the root of the crate; nothing if it leads out of the crate.
    fn absolute(&self, path: &Names, module: &Module) -> Option<Names> {
        match path.first()?.as_str() {
            "crate" => Some(path[1..].to_vec()),
            "self" | "super" => {
                let ups = path.iter().take_while(|name| ["self", "super"].contains(&name.as_str()));
                let (count, up) = ups.fold((0, 0), |(count, up), name| (count + 1, up + usize::from(name == "super")));
                let base = &module[..module.len().checked_sub(up)?];
                Some([base, &path[count..]].concat())
            }
            first => {
                let below = [&module[..], &[first.to_owned()]].concat();
                self.files.contains_key(&below).then(|| [&module[..], &path[..]].concat())
            }
        }
    }

    /// The file that defines what a path names, and its name there; no name if the path names the module of the file.
    fn resolve(&self, path: &Names, depth: usize) -> Option<(Module, Option<String>)> {
        let length = (0..=path.len()).rev().find(|length| self.files.contains_key(&path[..*length]))?;
        let (module, rest) = path.split_at(length);
        if let Some(name) = rest.first()
            && let Some(target) = self.exports.get(&(module.to_vec(), name.clone()))
            && depth < 8
        {
            return self.resolve(&[&target[..], &rest[1..]].concat(), depth + 1);
        }
        Some((module.to_vec(), rest.first().cloned()))
    }
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        match path.is_dir() {
            true => rust_files(&path, files),
            false if path.extension().is_some_and(|extension| extension == "rs") => files.push(path),
            false => {}
        }
    }
}

impl File {
    fn parse(name: String, text: &str) -> File {
        let mut file = File { name, uses: Vec::new(), exports: Vec::new(), paths: Vec::new() };
        let code = code(text);
        let code = match code.split_once("#[cfg(test)]").filter(|_| code.contains("mod tests")) {
            Some((before, _)) => before,
            None => &code,
        };
        let tokens = tokens(code);
        let mut at = 0;
        while at < tokens.len() {
            if tokens[at] == "use" && tokens.get(at + 1) != Some(&"<") {
                let end = at + tokens[at..].iter().position(|token| *token == ";").unwrap_or(tokens.len() - at);
                let is_export = at > 0 && (tokens[at - 1] == "pub" || is_restricted_pub(&tokens[..at]));
                let into = if is_export { &mut file.exports } else { &mut file.uses };
                use_tree(&tokens[at + 1..end], &[], into);
                at = end;
            } else if is_name(tokens[at]) && (at == 0 || tokens[at - 1] != "::") {
                let mut path = vec![tokens[at].to_owned()];
                while tokens.get(at + 1) == Some(&"::") && tokens.get(at + 2).is_some_and(|token| is_name(token)) {
                    path.push(tokens[at + 2].to_owned());
                    at += 2;
                }
                if path.len() > 1 {
                    file.paths.push(path);
                }
            }
            at += 1;
        }
        file
    }
}

/// Whether these tokens end with `pub(…)`.
fn is_restricted_pub(tokens: &[&str]) -> bool {
    let open = tokens.iter().rposition(|token| *token == "(");
    tokens.last() == Some(&")") && open.is_some_and(|open| open > 0 && tokens[open - 1] == "pub")
}

/// The paths of a use tree: `a::{b, c::{d, self}}` has a::b, a::c::d and a::c.
fn use_tree(tokens: &[&str], before: &[String], into: &mut Vec<Names>) {
    let mut path = before.to_vec();
    let mut at = 0;
    while at < tokens.len() {
        match tokens[at] {
            "{" => {
                let (mut depth, mut start) = (0, at + 1);
                for (index, token) in tokens.iter().enumerate().skip(at) {
                    depth += i32::from(*token == "{") - i32::from(*token == "}");
                    if (depth == 1 && *token == ",") || depth == 0 {
                        if start < index {
                            use_tree(&tokens[start..index], &path, into);
                        }
                        start = index + 1;
                    }
                    if depth == 0 {
                        return;
                    }
                }
                return;
            }
            "as" => break, // a new name for the same thing
            "self" if !path.is_empty() => {}
            "::" => {}
            name => path.push(name.to_owned()),
        }
        at += 1;
    }
    into.push(path);
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Names, `::`, and all else character by character.
fn tokens(code: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = code.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = if first.is_alphanumeric() || first == '_' {
            rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        tokens.push(&rest[..length]);
        rest = rest[length..].trim_start();
    }
    tokens
}

/// The text without comments, strings and characters.
fn code(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let is_after_name = code.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let skipped = match first {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            '"' => string(rest),
            'r' if !is_after_name => raw_string(rest),
            '\'' => character(rest),
            _ => 0,
        };
        code.push(if skipped == 0 { first } else { ' ' });
        rest = &rest[skipped.max(first.len_utf8())..];
    }
    code
}

fn string(text: &str) -> usize {
    let mut is_escaped = false;
    let end = text.char_indices().skip(1).find(|(_, c)| {
        let is_end = *c == '"' && !is_escaped;
        is_escaped = *c == '\\' && !is_escaped;
        is_end
    });
    end.map_or(text.len(), |(at, _)| at + 1)
}

/// The length of `r#"…"#`; 0 if it is none.
fn raw_string(text: &str) -> usize {
    let hashes = text[1..].chars().take_while(|c| *c == '#').count();
    let Some(body) = text[1 + hashes..].strip_prefix('"') else { return 0 };
    let end = format!("\"{}", "#".repeat(hashes));
    body.find(&end).map_or(text.len(), |at| 2 + hashes + at + end.len())
}

/// The length of a character literal; 0 for a lifetime.
fn character(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match chars.next() {
        Some((_, '\\')) => text[2..].char_indices().skip(1).find(|(_, c)| *c == '\'').map_or(0, |(at, _)| at + 3),
        Some(_) => chars.next().filter(|(_, c)| *c == '\'').map_or(0, |(at, _)| at + 1),
        None => 0,
    }
}
