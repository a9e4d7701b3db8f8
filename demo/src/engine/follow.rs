//! Adds the links of a page to the frontier.

use super::frontier::{Job, Purpose};
use super::links::{Found, Link, LinkKind, Unusable};
use super::output::Record;
use super::scope::Candidate;
use super::shared::Engine;
use super::skipped::Skipped;
use executor::yield_now;
use std::rc::Rc;

/// Number of links to add before other tasks run. A page may have 100,000.
const PIECE: usize = 256;

/// Adds the links that are in scope and were not seen before. Counts the others by reason.
///
/// # Cancel safety
/// If it is dropped, some links may have been added and others not.
pub async fn follow_links(engine: &Engine, job: &Job, record: &Record, found: Found) {
    let depth = job.depth.saturating_add(1);
    let page: Rc<str> = record.final_url.as_deref().unwrap_or(&record.url).into();
    if let Some(references) = &engine.plan.references {
        references.redirect(&record.url, &page);
        if found.has_anchors {
            references.page(&page, found.anchors);
        }
    }
    if engine.is_probe(&job.url, job.depth) {
        return;
    }
    let unusable = |(why, reference): (Unusable, String)| engine.skip_link(why.into(), &reference);
    in_pieces(found.unusable, unusable).await;
    let follow = |Link { url, fragment, kind, nofollow }: Link| {
        if let Some(references) = &engine.plan.references {
            references.link(&page, &url, fragment.as_deref());
        }
        if engine.ledger.has_seen(&engine.frontier, &url) {
            return;
        }
        let (requisite, nofollow) = (kind == LinkKind::Requisite, nofollow || found.nofollow);
        let purpose = if requisite { Purpose::Requisite } else { Purpose::Page };
        let admitted = engine.scope.borrow().admits(&Candidate { url: &url, depth, requisite, nofollow });
        match admitted {
            Ok(()) => engine.ledger.link(&engine.frontier, Some(job), purpose, url, depth, &page),
            Err(Skipped::OtherHost | Skipped::OtherDirectory) if engine.plan.probe_external => {
                engine.ledger.link(&engine.frontier, Some(job), purpose, url, depth, &page);
            }
            Err(reason) => engine.skip_link(reason, url.as_str()),
        }
    };
    in_pieces(found.links, follow).await;
}

/// Calls `each` with all items, and lets other tasks run in between.
async fn in_pieces<T>(items: Vec<T>, mut each: impl FnMut(T)) {
    for (number, item) in items.into_iter().enumerate() {
        if number % PIECE == PIECE - 1 {
            yield_now().await;
        }
        each(item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use executor::spawn_local;
    use std::cell::Cell;
    use std::rc::Rc;

    #[test]
    fn other_tasks_run_while_many_links_are_added() {
        let turns = Rc::new(Cell::new(0));
        let counted = turns.clone();
        let mut items = 0;
        executor::block_on(async {
            spawn_local(async move {
                loop {
                    counted.set(counted.get() + 1);
                    yield_now().await;
                }
            });
            in_pieces(vec![(); 100_000], |()| items += 1).await;
        });
        assert_eq!(items, 100_000);
        assert!((380..=400).contains(&turns.get()), "{} turns", turns.get());
    }
}
