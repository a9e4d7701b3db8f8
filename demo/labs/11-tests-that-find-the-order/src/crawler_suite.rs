//! The suite for crawlers. The whole file is yours: add functions as you need them.

use crate::Crawler;

/// Checks that a crawler keeps the rules of [`Crawler`]. `make` makes one.
///
/// # Panics
/// If the crawler breaks a rule, in an order of events that the suite tries.
pub fn crawler_suite<C: Crawler>(make: impl Fn() -> C) {
    use crate::{Report, Site};
    use executor::test::{Network, explore};
    use executor::time::{Duration, sleep, timeout};
    use std::collections::BTreeSet;

    /// Sites whose links show mistakes.
    const SITES: [&[(&str, &[&str])]; 6] = [
        // One page without a link, and a page that links to itself.
        &[("/", &[])],
        &[("/", &["/", "/"])],
        // A chain that leads back.
        &[("/", &["/a"]), ("/a", &["/b"]), ("/b", &["/c"]), ("/c", &["/"])],
        // Two pages that link to the same one.
        &[("/", &["/a", "/b"]), ("/a", &["/c"]), ("/b", &["/c"]), ("/c", &["/a"])],
        // Many links at once, of which some fail.
        &[
            ("/", &["/1", "/2", "/3", "/4", "/x", "/y", "/z"]),
            ("/1", &["/2"]),
            ("/2", &[]),
            ("/3", &["/5"]),
            ("/4", &["/5"]),
            ("/5", &[]),
        ],
        // More failures than fetches may be under way, and then a page.
        &[("/", &["/u", "/v", "/w", "/x", "/a"]), ("/a", &["/z", "/b"]), ("/b", &[])],
    ];

    /// A site whose fetches take up to 20 ms, at random.
    fn site(pages: &[(&'static str, &[&'static str])], network: Network) -> Site {
        Site::new(pages).with_latency(move |_| Duration::from_millis(network.random() % 20))
    }

    fn sorted(pages: &[&'static str]) -> Vec<&'static str> {
        let mut pages = pages.to_vec();
        pages.sort_unstable();
        pages
    }

    /// What a crawl must report.
    fn expected(pages: &[(&'static str, &[&'static str])]) -> Report {
        let mut found = BTreeSet::from(["/"]);
        found.extend(pages.iter().flat_map(|(_, links)| links.iter()));
        let (pages, failed) = found.into_iter().partition(|page| pages.iter().any(|(there, _)| there == page));
        Report { pages, failed }
    }

    explore(20, |network| {
        let make = &make;
        async move {
            for pages in SITES {
                for at_most in 1..4 {
                    let site = site(pages, network.clone());
                    let limit = Duration::from_secs(100);
                    let report = timeout(limit, make().crawl(&site, "/", at_most)).await.expect("the end: it must end");
                    let expected = expected(pages);
                    let all = sorted(&[&expected.pages[..], &expected.failed[..]].concat());
                    assert_eq!(sorted(&site.fetches()), all, "all, once: these pages were fetched");
                    assert_eq!(sorted(&report.pages), expected.pages, "the report has these pages");
                    assert_eq!(sorted(&report.failed), expected.failed, "failures: the report has these");
                    assert!(site.most_at_once() <= at_most, "at most: more than {at_most} fetches were under way");
                    assert_eq!(site.under_way(), 0, "the end: a fetch is under way");
                }
            }
        }
    });

    // Dropped after some milliseconds.
    explore(20, |network| {
        let make = &make;
        async move {
            let site = site(SITES[4], network.clone());
            let limit = Duration::from_millis(network.random() % 30);
            drop(timeout(limit, make().crawl(&site, "/", 2)).await);
            executor::yield_now().await;
            let before = site.fetches();
            sleep(Duration::from_secs(10)).await;
            assert_eq!(site.fetches(), before, "drops: a fetch has begun after the crawl was dropped");
            assert_eq!(site.under_way(), 0, "drops: a fetch is under way after the crawl was dropped");
        }
    });
}
