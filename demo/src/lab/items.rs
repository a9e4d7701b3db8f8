//! Items of a Rust file, found by name: a function, a method, a type. Holes, wrong solutions, submissions and the
//! excerpts of a chapter are all found here, so the sources need no markers.
//!
//! A path names an item: `function`, `Type::method`, `Trait for Type::method`, `Type`, each after the modules that it
//! is in. Positions are byte ranges in the text, so the rest of a file keeps its comments and its format.

use std::ops::Range;
use syn::spanned::Spanned;
use syn::{ImplItem, Item, TraitItem, Type};

/// Where an item is in its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The item with its documentation and attributes.
    pub whole: Range<usize>,
    /// The block of a function, with its braces. Other items have none.
    pub body: Option<Range<usize>>,
}

/// Finds the item that `path` names.
///
/// # Errors
/// If the text is not Rust, or the path names no item or several.
///
/// ```
/// use demo::lab::items::find;
///
/// let text = "struct A;\nimpl A {\n    /// Two.\n    fn two(&self) -> u8 { 2 }\n}\n";
/// let found = find(text, "A::two")?;
/// assert_eq!(&text[found.whole], "/// Two.\n    fn two(&self) -> u8 { 2 }");
/// assert_eq!(&text[found.body.unwrap()], "{ 2 }");
/// # Ok::<_, String>(())
/// ```
pub fn find(text: &str, path: &str) -> Result<Found, String> {
    let file = parse(text)?;
    let mut found = Vec::new();
    search(&file.items, path, &mut found);
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => Err(format!("there is no `{path}`")),
        many => Err(format!("there are {many} items `{path}`: name the trait too, as in `Trait for Type::method`")),
    }
}

/// Parses a file. The error has the line.
pub(crate) fn parse(text: &str) -> Result<syn::File, String> {
    // `syn` skips these, so that the positions of all items would be wrong.
    let is_skipped =
        text.starts_with('\u{feff}') || (text.starts_with("#!") && !text[2..].trim_start().starts_with('['));
    if is_skipped {
        return Err(
            "it begins with a byte order mark or a line `#!`, which a source file of the runtime must not".into()
        );
    }
    syn::parse_file(text).map_err(|error| {
        let start = error.span().start();
        format!("line {}: {error}", start.line)
    })
}

fn search(items: &[Item], path: &str, found: &mut Vec<Found>) {
    for item in items {
        match item {
            Item::Fn(function) if function.sig.ident == path => {
                found.push(Found { whole: bytes(function), body: Some(bytes(&*function.block)) });
            }
            Item::Impl(block) => search_impl(block, path, found),
            Item::Trait(block) => {
                let name = block.ident.to_string();
                if name == path {
                    found.push(Found { whole: bytes(block), body: None });
                }
                for item in &block.items {
                    if let TraitItem::Fn(method) = item
                        && path.strip_prefix(&name).and_then(|rest| rest.strip_prefix("::"))
                            == Some(&method.sig.ident.to_string())
                    {
                        found.push(Found { whole: bytes(method), body: method.default.as_ref().map(bytes) });
                    }
                }
            }
            Item::Mod(module) => {
                let inside = path.strip_prefix(&module.ident.to_string()).and_then(|rest| rest.strip_prefix("::"));
                if let (Some(inside), Some((_, items))) = (inside, &module.content) {
                    search(items, inside, found);
                }
            }
            item if name(item).is_some_and(|name| name == path) => {
                found.push(Found { whole: bytes(item), body: None });
            }
            _ => {}
        }
    }
}

fn search_impl(block: &syn::ItemImpl, path: &str, found: &mut Vec<Found>) {
    let Some(of) = last_name(&block.self_ty) else { return };
    let of_trait = block.trait_.as_ref().and_then(|(path, _)| path.segments.last()).map(|last| last.ident.to_string());
    let names = [Some(of.clone()), of_trait.map(|name| format!("{name} for {of}"))];
    for item in &block.items {
        let ImplItem::Fn(method) = item else { continue };
        let name = method.sig.ident.to_string();
        if names.iter().flatten().any(|of| path.strip_prefix(of.as_str()) == Some(&format!("::{name}"))) {
            found.push(Found { whole: bytes(method), body: Some(bytes(&method.block)) });
        }
    }
}

fn last_name(of: &Type) -> Option<String> {
    match of {
        Type::Path(path) => path.path.segments.last().map(|last| last.ident.to_string()),
        Type::Reference(reference) => last_name(&reference.elem),
        _ => None,
    }
}

fn name(item: &Item) -> Option<&syn::Ident> {
    match item {
        Item::Const(item) => Some(&item.ident),
        Item::Enum(item) => Some(&item.ident),
        Item::Static(item) => Some(&item.ident),
        Item::Struct(item) => Some(&item.ident),
        Item::Type(item) => Some(&item.ident),
        Item::Union(item) => Some(&item.ident),
        _ => None,
    }
}

fn bytes(item: &impl Spanned) -> Range<usize> {
    item.span().byte_range()
}

/// Replaces parts of a text. The ranges must not overlap.
pub(crate) fn replaced(text: &str, mut parts: Vec<(Range<usize>, String)>) -> String {
    parts.sort_by_key(|(range, _)| range.start);
    let mut result = text.to_owned();
    for (range, part) in parts.into_iter().rev() {
        result.replace_range(range, &part);
    }
    result
}

/// The item's text without the indentation of its first line.
pub(crate) fn unindented(text: &str, range: Range<usize>) -> String {
    let line = text[..range.start].rfind('\n').map_or(0, |end| end + 1);
    let indent = &text[line..range.start];
    let strip = |line: &str| line.strip_prefix(indent).unwrap_or(line).to_owned();
    text[range].lines().map(strip).collect::<Vec<_>>().join("\n")
}

/// The indentation of the line that `at` is in.
pub(crate) fn indentation(text: &str, at: usize) -> &str {
    let line = &text[text[..at].rfind('\n').map_or(0, |end| end + 1)..];
    &line[..line.len() - line.trim_start_matches(' ').len()]
}

#[cfg(test)]
mod tests {
    use super::{find, replaced, unindented};

    const TEXT: &str = "\
/// Ünïcode before the item: ranges are in bytes.
pub struct A(u8);

impl A {
    /// One.
    #[inline]
    pub fn one(&self) -> u8 {
        1
    }
}

impl Clone for A {
    fn clone(&self) -> A {
        A(self.0)
    }
}

impl Drop for A {
    fn drop(&mut self) {}
}

mod inner {
    pub fn one() {}
}

trait T {
    fn given(&self) {}
}
";

    #[track_caller]
    fn body(path: &str) -> &'static str {
        &TEXT[find(TEXT, path).unwrap().body.unwrap()]
    }

    #[test]
    fn items_are_found_by_their_paths() {
        assert_eq!(body("A::one"), "{\n        1\n    }");
        assert_eq!(body("A::clone"), body("Clone for A::clone"));
        assert_eq!(body("inner::one"), "{}");
        assert_eq!(body("T::given"), "{}");
        assert!(TEXT[find(TEXT, "A").unwrap().whole].starts_with("/// Ünïcode"));
        assert!(find(TEXT, "B").unwrap_err().contains("no `B`"));
        assert!(find(&format!("\u{feff}{TEXT}"), "A").unwrap_err().contains("byte order mark"));
    }

    #[test]
    fn an_excerpt_has_documentation_and_no_indentation() {
        let found = find(TEXT, "A::one").unwrap();
        let text = unindented(TEXT, found.whole);
        assert_eq!(text, "/// One.\n#[inline]\npub fn one(&self) -> u8 {\n    1\n}");
    }

    #[test]
    fn parts_are_replaced_whatever_their_order() {
        assert_eq!(replaced("a b c", vec![(4..5, "3".into()), (0..1, "one".into())]), "one b 3");
    }
}
