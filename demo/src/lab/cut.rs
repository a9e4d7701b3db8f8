//! Cuts holes into a source file, puts wrong solutions into them, and takes the bodies of a student's functions.

use super::items::{Found, find, indentation, replaced};
use super::manifest::{Hole, Wrong};

/// The start of what a hole panics with.
pub(crate) const UNWRITTEN: &str = "not yet implemented: lab ";

/// The body that stands in a hole.
fn hole_body(text: &str, found: &Found, lab: u32, task: usize, item: &str) -> String {
    let indent = indentation(text, found.whole.start);
    format!("{{\n{indent}    todo!(\"lab {lab}, task {task}: {item}\")\n{indent}}}")
}

/// Replaces the bodies of the holes, each with its task number, by `todo!`.
///
/// # Errors
/// If a hole is not a function of the file.
pub(crate) fn cut(text: &str, lab: u32, holes: &[(usize, &Hole)]) -> Result<String, String> {
    let mut parts = Vec::new();
    for (task, hole) in holes {
        let found = find(text, &hole.item)?;
        let body = found.body.clone().ok_or_else(|| format!("`{}` is not a function", hole.item))?;
        parts.push((body, hole_body(text, &found, lab, *task, &hole.item)));
    }
    Ok(replaced(text, parts))
}

/// The body of a function, with its braces.
///
/// # Errors
/// If the item is not a function of the file.
pub(crate) fn body<'a>(text: &'a str, item: &str) -> Result<&'a str, String> {
    let found = find(text, item)?;
    found.body.map(|body| &text[body]).ok_or_else(|| format!("`{item}` is not a function"))
}

/// Whether the body is still a hole.
pub(crate) fn is_hole(body: &str) -> bool {
    body.contains("todo!(\"lab ")
}

/// Puts the bodies into the functions of a file.
///
/// # Errors
/// If one of them is not a function of the file.
pub(crate) fn with_bodies(text: &str, bodies: &[(&str, &str)]) -> Result<String, String> {
    let mut parts = Vec::new();
    for (item, body) in bodies {
        let found = find(text, item)?;
        let range = found.body.ok_or_else(|| format!("`{item}` is not a function"))?;
        parts.push((range, (*body).to_owned()));
    }
    Ok(replaced(text, parts))
}

/// The body of a wrong solution.
///
/// # Errors
/// If what it replaces does not occur exactly once in our body.
pub(crate) fn wrong_body(text: &str, wrong: &Wrong) -> Result<String, String> {
    let ours = body(text, &wrong.item)?;
    match (&wrong.replace, &wrong.with, &wrong.body) {
        (Some(replace), Some(with), _) => match ours.matches(replace.as_str()).count() {
            1 => Ok(ours.replacen(replace.as_str(), with, 1)),
            count => Err(format!("`{replace}` occurs {count} times in `{}`; it must occur once", wrong.item)),
        },
        (.., body) => {
            let body = body.as_deref().unwrap_or_default().trim();
            let is_block = syn::parse_str::<syn::Block>(body).is_ok();
            Ok(if is_block { body.to_owned() } else { format!("{{\n{body}\n}}") })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{body, cut, is_hole, with_bodies, wrong_body};
    use crate::lab::manifest::{Hole, Wrong};

    const TEXT: &str = "\
struct A;

impl A {
    /// One more.
    fn more(&self, n: u8) -> u8 {
        // A comment with a { brace.
        n + 1
    }

    fn less(&self, n: u8) -> u8 { n - 1 }
}
";

    fn hole(item: &str) -> Hole {
        let (file, task, hints, track) = Default::default();
        Hole { file, item: item.into(), task, hints, whole: false, track }
    }

    #[test]
    fn a_hole_keeps_the_documentation_and_the_signature() {
        let holes = [hole("A::more"), hole("A::less")];
        let starter = cut(TEXT, 3, &[(1, &holes[0]), (2, &holes[1])]).unwrap();
        let expected = "\
struct A;

impl A {
    /// One more.
    fn more(&self, n: u8) -> u8 {
        todo!(\"lab 3, task 1: A::more\")
    }

    fn less(&self, n: u8) -> u8 {
        todo!(\"lab 3, task 2: A::less\")
    }
}
";
        assert_eq!(starter, expected);
        assert!(is_hole(body(&starter, "A::less").unwrap()));
        let ours = [("A::more", body(TEXT, "A::more").unwrap()), ("A::less", body(TEXT, "A::less").unwrap())];
        assert_eq!(with_bodies(&starter, &ours).unwrap(), TEXT);
    }

    #[test]
    fn a_wrong_solution_changes_one_place() {
        let wrong = |replace: &str| Wrong {
            name: "w".into(),
            item: "A::more".into(),
            replace: Some(replace.into()),
            with: Some("n".into()),
            body: None,
            fails: String::new(),
            says: String::new(),
        };
        assert!(wrong_body(TEXT, &wrong("n + 1")).unwrap().ends_with("        n\n    }"));
        assert!(wrong_body(TEXT, &wrong("m")).unwrap_err().contains("2 times"));
        assert!(wrong_body(TEXT, &wrong("zero")).unwrap_err().contains("0 times"));
    }
}
