//! `--canonical`: pages that name another page as their canonical URL. At the end of the crawl, the file of such a page
//! is removed if the other page was saved. Until then both are kept, because the other page may fail.

use super::chains::{Chains, Duplicate};
use super::links::{Found, Link, LinkKind};
use super::output::{Record, count};
use super::save::SavedFile;
use super::shared::Engine;
use crate::Failure;
use executor::{shield, spawn_blocking};
use std::collections::HashSet;
use std::path::PathBuf;
use url::Url;

/// Notes a saved page that names another page in scope as its canonical page. The canonical page becomes one of its
/// links.
pub fn note(engine: &Engine, record: &Record, found: &mut Found) {
    let (Some(canonical), Some(path)) = (&found.canonical, &record.path) else { return };
    let url = Url::parse(record.final_url.as_deref().unwrap_or(&record.url));
    if let Ok(url) = url
        && engine.scope.borrow().has_canonical()
        && url != *canonical
        && engine.scope.borrow().contains(canonical)
    {
        let duplicate = Duplicate { url, path: path.clone(), canonical: canonical.clone() };
        engine.duplicates.borrow_mut().push(duplicate);
        let link = Link { url: canonical.clone(), fragment: None, kind: LinkKind::Page, nofollow: false };
        found.links.push(link);
    }
}

/// Removes the files of copies. From now on, links to a copy lead to its canonical page.
///
/// # Errors
/// Fails if a file can't be removed.
pub async fn remove(engine: &Engine, redirects: &mut Chains) -> Result<(), Failure> {
    let duplicates = engine.duplicates.take();
    if duplicates.is_empty() {
        return Ok(());
    }
    let removed = remove_from(engine.saved.borrow_mut().as_mut(), duplicates, redirects);
    let (files, number) = (engine.store.files(), removed.len() as u64);
    let ended = shield(spawn_blocking(move || removed.iter().try_for_each(|path| files.parts.root.remove_file(path))));
    ended.await?.map_err(|error| engine.store.failure(error))?;
    engine.progress.say(&format!("removed {}, whose canonical pages were saved", count(number, "page")));
    Ok(())
}

/// Removes copies from the list of saved files. Returns their paths.
fn remove_from(saved: Option<&mut Vec<SavedFile>>, duplicates: Vec<Duplicate>, redirects: &mut Chains) -> Vec<PathBuf> {
    let Some(saved) = saved else { return Vec::new() };
    let mut left: HashSet<String> = saved.iter().map(|file| file.url.clone()).collect();
    let mut removed = Vec::new();
    for Duplicate { url, path, canonical } in duplicates {
        let end = redirects.end(canonical.as_str(), |url| left.contains(url)).map(str::to_owned);
        // Pages may name each other. In that case, the last one is kept.
        if let Some(end) = end.filter(|end| *end != url.as_str()) {
            left.remove(url.as_str());
            redirects.insert(url.into(), end);
            removed.push(path);
        }
    }
    saved.retain(|file| left.contains(&file.url));
    removed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str) -> SavedFile {
        let url = format!("http://h/{name}");
        SavedFile { path: name.to_owned(), url, media: Default::default(), converted: None }
    }

    /// The names in `saved` that remain after copies were removed.
    fn left(saved: &[&str], copies: &[(&str, &str)], redirects: &[(&str, &str)]) -> Vec<String> {
        let url = |name: &str| Url::parse(&format!("http://h/{name}")).unwrap();
        let mut saved: Vec<SavedFile> = saved.iter().map(|name| file(name)).collect();
        let copies = copies
            .iter()
            .map(|(from, to)| Duplicate { url: url(from), path: from.into(), canonical: url(to) })
            .collect();
        let mut redirects = redirects.iter().map(|(from, to)| (url(from).into(), url(to).into())).collect();
        let removed = remove_from(Some(&mut saved), copies, &mut redirects);
        for path in removed {
            let path = path.to_str().unwrap();
            let end =
                redirects.end(url(path).as_str(), |at| saved.iter().any(|file| file.url == at)).map(str::to_owned);
            assert!(end.is_some(), "links to {path} lead nowhere");
        }
        saved.into_iter().map(|file| file.path).collect()
    }

    #[test]
    fn a_copy_is_removed_if_its_canonical_page_was_saved() {
        assert_eq!(left(&["a", "b"], &[("a", "b")], &[]), ["b"]);
        assert_eq!(left(&["a", "b"], &[("a", "gone")], &[]), ["a", "b"]);
        assert_eq!(left(&["a", "b"], &[("a", "old")], &[("old", "b")]), ["b"]);
        assert_eq!(left(&["a", "b"], &[("a", "old")], &[("old", "a")]), ["a", "b"]);
        assert_eq!(left(&["a", "b"], &[("a", "b"), ("b", "a")], &[]), ["b"]);
        assert_eq!(left(&["a", "b", "c"], &[("a", "b"), ("b", "c")], &[]), ["c"]);
        assert_eq!(left(&["a", "b", "c"], &[("b", "c"), ("a", "b")], &[]), ["c"]);
    }
}
