//! Tests of the line of workers and of the delays of hosts, with manual polls and with a simulated clock.

use super::*;
use executor::time::sleep;
use executor::{Runtime, spawn_local, yield_now};
use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Wake};

const LIMITS: Limits = Limits { jobs: 64, per_host: Some(4), delay: Duration::ZERO, max_pages: None, robots: false };

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

/// Runs on a simulated clock.
fn simulated<T>(test: impl Future<Output = T>) -> T {
    Runtime::builder().deterministic(1).build().unwrap().block_on(test)
}

/// Counts wakes.
#[derive(Default)]
struct Counter(AtomicUsize);

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// A worker that is polled by hand.
struct Worker<'a> {
    next: Pin<Box<Next<'a>>>,
    wakes: Arc<Counter>,
}

impl<'a> Worker<'a> {
    fn new(frontier: &'a Frontier) -> Worker<'a> {
        Worker { next: Box::pin(frontier.next()), wakes: Arc::default() }
    }

    fn poll(&mut self) -> Poll<Option<Claim<'a>>> {
        let waker = self.wakes.clone().into();
        self.next.as_mut().poll(&mut Context::from_waker(&waker))
    }

    fn wakes(&self) -> usize {
        self.wakes.0.load(SeqCst)
    }
}

/// A page in progress. Its links are not known yet, so the crawl is not over.
fn working(frontier: &Frontier) -> Claim<'_> {
    frontier.add(url("http://other/"), 0, None);
    let mut worker = Worker::new(frontier);
    let Poll::Ready(Some(claim)) = worker.poll() else { panic!("it is the only page") };
    claim
}

#[test]
fn each_page_wakes_only_the_first_worker_in_the_line() {
    simulated(async {
        let frontier = Frontier::new(LIMITS);
        let _working = working(&frontier);
        let mut workers: Vec<_> = (0..3).map(|_| Worker::new(&frontier)).collect();
        assert!(workers.iter_mut().all(|worker| worker.poll().is_pending()));
        frontier.add(url("http://h/1"), 1, None);
        frontier.add(url("http://h/2"), 1, None);
        assert_eq!(workers.iter().map(Worker::wakes).collect::<Vec<_>>(), [1, 0, 0]);
        assert!(workers[1].poll().is_pending(), "it is not its turn");
        let Poll::Ready(Some(first)) = workers[0].poll() else { panic!("a page is there") };
        assert_eq!(workers.iter().map(Worker::wakes).collect::<Vec<_>>(), [1, 1, 0]);
        let Poll::Ready(Some(second)) = workers[1].poll() else { panic!("a page is there") };
        assert_eq!((first.job.url.path(), second.job.url.path(), workers[2].wakes()), ("/1", "/2", 0));
    });
}

#[test]
fn a_woken_worker_that_is_dropped_leaves_its_page_to_the_next_one() {
    simulated(async {
        let frontier = Frontier::new(LIMITS);
        let _working = working(&frontier);
        let mut workers: Vec<_> = (0..3).map(|_| Worker::new(&frontier)).collect();
        assert!(workers.iter_mut().all(|worker| worker.poll().is_pending()));
        drop(workers.remove(1));
        frontier.add(url("http://h/1"), 1, None);
        drop(workers.remove(0));
        assert_eq!(workers[0].wakes(), 1);
        assert!(matches!(workers[0].poll(), Poll::Ready(Some(_))));
    });
}

#[test]
fn a_dropped_worker_leaves_its_timer_to_the_next_one() {
    simulated(async {
        let frontier = Rc::new(Frontier::new(LIMITS));
        let working = working(&frontier);
        frontier.pause(&url("http://h/"), now() + Duration::from_secs(5));
        frontier.add(url("http://h/1"), 1, None);
        let start = now();
        let mut first = Worker::new(&frontier);
        assert!(first.poll().is_pending());
        let waits = frontier.clone();
        let second = spawn_local(async move { waits.next().await.map(|claim| (claim.job.url.clone(), now())) });
        yield_now().await;
        drop(first);
        let (page, at) = second.await.unwrap().expect("a page comes");
        assert_eq!((page.path(), at - start), ("/1", Duration::from_secs(5)));
        drop(working);
    });
}

#[test]
fn a_worker_follows_start_times_that_become_earlier_or_later() {
    simulated(async {
        let frontier = Rc::new(Frontier::new(LIMITS));
        let start = now();
        for (host, seconds) in [("a", 20), ("b", 10)] {
            frontier.pause(&url(&format!("http://{host}/")), start + Duration::from_secs(seconds));
            frontier.add(url(&format!("http://{host}/")), 1, None);
        }
        let waits = frontier.clone();
        let worker = spawn_local(async move {
            let mut pages = Vec::new();
            while let Some(claim) = waits.next().await {
                pages.push((claim.job.url.host_str().unwrap().to_owned(), (now() - start).as_secs()));
            }
            pages
        });
        sleep(Duration::from_secs(1)).await;
        frontier.add(url("http://c/"), 1, None);
        frontier.pause(&url("http://b/"), start + Duration::from_secs(30)); // later than its timer
        frontier.pause(&url("http://d/"), start + Duration::from_secs(5)); // earlier than any timer
        frontier.add(url("http://d/"), 1, None);
        let pages = worker.await.unwrap();
        assert_eq!(pages, [("c", 1), ("d", 5), ("a", 20), ("b", 30)].map(|(host, at)| (host.to_owned(), at)));
    });
}

#[test]
fn the_end_and_a_stop_wake_all_workers() {
    simulated(async {
        for stop in [false, true] {
            let frontier = Frontier::new(LIMITS);
            let working = working(&frontier);
            let mut workers: Vec<_> = (0..3).map(|_| Worker::new(&frontier)).collect();
            assert!(workers.iter_mut().all(|worker| worker.poll().is_pending()));
            if stop {
                frontier.stop();
            } else {
                drop(working);
            }
            assert!(workers.iter().all(|worker| worker.wakes() == 1));
            assert!(workers.iter_mut().all(|worker| matches!(worker.poll(), Poll::Ready(None))));
        }
    });
}

#[test]
fn a_page_that_waits_for_another_attempt_still_counts_towards_the_limit_on_pages() {
    simulated(async {
        let frontier = Frontier::new(Limits { max_pages: Some(2), ..LIMITS });
        (0..5).for_each(|page| _ = frontier.add(url(&format!("http://h/{page}")), 1, None));
        let mut pages = Vec::new();
        let start = now();
        while let Some(claim) = frontier.next().await {
            pages.push((claim.job.url.path().to_owned(), (now() - start).as_secs()));
            if pages.len() == 1 {
                claim.again(start + Duration::from_secs(7));
            }
        }
        assert_eq!(pages, [("/0", 0), ("/1", 0), ("/0", 7)].map(|(path, at)| (path.to_owned(), at)));
        assert_eq!(frontier.queued(), 3);
    });
}

#[test]
fn only_the_first_linked_page_of_a_host_begins_until_the_host_is_open() {
    simulated(async {
        let frontier = Frontier::new(Limits { robots: true, ..LIMITS });
        frontier.add(url("http://h/given"), 0, None);
        (0..3).for_each(|page| _ = frontier.add(url(&format!("http://h/{page}")), 1, None));
        let given = frontier.next().await.unwrap();
        let asks = frontier.next().await.unwrap();
        assert_eq!((given.asks, asks.asks), (false, true));
        let mut worker = Worker::new(&frontier);
        assert!(worker.poll().is_pending());
        asks.put_back();
        let Poll::Ready(Some(asks)) = worker.poll() else { panic!("it asks again") };
        assert_eq!((asks.asks, asks.job.url.path()), (true, "/0"));
        let mut worker = Worker::new(&frontier);
        assert!(worker.poll().is_pending());
        frontier.open(&asks.job.url, Duration::ZERO);
        let mut pinned = pin!(frontier.next());
        assert!(worker.wakes() == 1 && matches!(worker.poll(), Poll::Ready(Some(claim)) if !claim.asks));
        let waker = std::task::Waker::noop();
        assert!(pinned.as_mut().poll(&mut Context::from_waker(waker)).is_ready());
    });
}
