//! `--convert-links`: rewrites the links of saved pages, so that the site works from disk. Used by `workers.rs` when a
//! crawl is over.
//!
//! A link leads to the file of its page if that is saved, and otherwise to its absolute URL. Only the bytes of links
//! change, whatever the encoding of the page. Pages are converted one by one, in pieces, on the pool for blocking
//! calls; each gets its name when it is complete. A page without a link that changes keeps its bytes and its time.
//!
//! | file | what it holds |
//! |---|---|
//! | `targets.rs` | where each link will lead |
//! | `source.rs` | the bytes of a page, by their position in its text |
//! | `editor.rs` | a page that is being rewritten |

mod editor;
mod source;
mod targets;

use super::chains::Chains;
use super::links::{Encoded, Kind, rewrite};
use super::output::count;
use super::save::{Files, Media, SaveError, SavedFile, url_of_file};
use super::shared::Engine;
use crate::Failure;
use editor::Editor;
use executor::{join_all, shield, spawn_blocking};
use std::cell::RefCell;
use std::io;
use std::sync::Arc;
use targets::Targets;
use url::Url;

/// Number of pages to convert at once.
const AT_ONCE: usize = 4;

/// Converts the links of the pages that this run has saved, or found unchanged.
///
/// # Errors
/// Fails if the list of saved files can't be written. Pages that can't be converted are reported, and stay as they were.
pub async fn run(engine: &Engine, redirects: Chains) -> Result<(), Failure> {
    let Some(pages) = engine.saved.borrow_mut().take().filter(|_| engine.plan.convert_links) else { return Ok(()) };
    let (files, of_this_run) = (engine.store.files(), pages.clone());
    let listed = shield(spawn_blocking(move || prepare(&files, of_this_run, redirects))).await?;
    let targets = Arc::new(listed.map_err(|error| engine.store.failure(error))?);
    let (left, converted) = (RefCell::new(pages.into_iter()), RefCell::new((0, 0)));
    let work = || async {
        loop {
            let Some(page) = left.borrow_mut().next() else { return Ok(()) };
            let (files, targets, name) = (engine.store.files(), targets.clone(), page.path.clone());
            let result = shield(spawn_blocking(move || convert(&files, targets, &page))).await?;
            match result {
                Ok(changed) => converted.borrow_mut().0 += u64::from(changed),
                Err(error) => {
                    converted.borrow_mut().1 += 1;
                    engine.progress.say(&format!("`{name}`: cannot convert its links: {}", SaveError::Io(error)));
                }
            }
        }
    };
    let ended: Vec<Result<(), Failure>> = join_all((0..AT_ONCE).map(|_| work())).await;
    ended.into_iter().collect::<Result<(), Failure>>()?;
    let (changed, failed) = converted.into_inner();
    engine.progress.say(&format!("converted the links of {}", count(changed, "file")));
    match failed {
        0 => Ok(()),
        failed => Err(engine.store.failure(io::Error::other(format!("{} not converted", count(failed, "file"))))),
    }
}

/// Adds the files of this run to the list, and finds out where links lead. Blocks.
fn prepare(files: &Files, pages: Vec<SavedFile>, redirects: Chains) -> io::Result<Targets> {
    let mut saved = files.saved();
    for page in pages {
        let converted = saved.get(&page.path).and_then(|known| known.converted.clone());
        let media = match (&page.media.content_type, saved.get(&page.path)) {
            (None, Some(known)) => known.media.clone(), // a 304 need not repeat the type
            _ => page.media,
        };
        saved.append(&files.parts.root, SavedFile { converted, media, ..page })?;
    }
    let root = &files.parts.root;
    let there = saved.files().filter(|file| root.symlink_metadata(&file.path).is_ok_and(|there| there.is_file()));
    Ok(Targets::new(there, saved.files(), redirects))
}

/// Converts the links of a file, if files of its kind can have links. Returns whether it changed. Blocks.
fn convert(files: &Files, targets: Arc<Targets>, page: &SavedFile) -> io::Result<bool> {
    let root = &files.parts.root;
    let media = files.saved().get(&page.path).map_or_else(Media::default, |known| known.media.clone());
    let url = Url::parse(&page.url).map_err(io::Error::other)?;
    let mut file = root.open(&page.path)?;
    let head = Media::head(&mut file)?;
    let Some(kind) = media.kind_of_saved(&url, &head).filter(|kind| *kind != Kind::Sitemap) else { return Ok(false) };
    let encoded = Encoded::of(kind, media.content_type.as_deref(), &head);
    // The links of a converted file are relative to the file.
    let base = if files.is_converted(&page.path)? { url_of_file(&page.path) } else { url };
    let editor = Editor::new(files, &page.path, encoded, targets)?;
    rewrite(kind, encoded, &mut file, &base, editor.rewriter())?;
    let listed = SavedFile { media, ..page.clone() };
    editor.finish(file.metadata()?.modified()?.into_std(), |digest| {
        files.saved().append(root, SavedFile { converted: Some(digest), ..listed })
    })
}
