//! Deadlines.

use super::{catch_poll, ms, taken, virtually};
use executor::time::{Duration, Elapsed, now, sleep, timeout};
use executor::{Runtime, TaskGroup, deadline, deadline_at, join_all, shield, task_group, time_left, yield_now};
use futures_lite::future::{pending, ready};
use tests::{Log, OnDrop};

#[test]
fn the_earliest_of_nested_deadlines_counts() {
    virtually(async {
        assert_eq!(time_left(), None);
        let (took, inner) = taken(deadline(ms(10), async {
            assert_eq!(time_left(), Some(ms(10)));
            sleep(ms(4)).await;
            let inner = taken(deadline(ms(3), async {
                assert_eq!(time_left(), Some(ms(3)));
                sleep(ms(60_000)).await;
            }))
            .await;
            assert_eq!(time_left(), Some(ms(3)));
            inner
        }))
        .await;
        assert_eq!((took, inner), (7, Ok((3, Err(Elapsed)))));

        let (took, outer) = taken(deadline(ms(10), async {
            deadline(ms(60), async {
                sleep(ms(6)).await;
                assert_eq!(time_left(), Some(ms(4)));
                sleep(ms(60)).await;
            })
            .await
        }))
        .await;
        assert_eq!((took, outer), (10, Err(Elapsed)));
        assert_eq!(time_left(), None);

        // Side by side, each with its own deadline.
        let both = join_all([5, 9].map(|n| {
            deadline(ms(n), async move {
                sleep(ms(2)).await;
                time_left()
            })
        }));
        assert_eq!(both.await, [Ok(Some(ms(3))), Ok(Some(ms(7)))]);
    });
}

#[test]
fn time_left_is_zero_after_the_deadline() {
    virtually(async {
        let left = Log::new();
        let (took, late) = taken(deadline(ms(5), async {
            shield(async {
                sleep(ms(8)).await;
                left.push(time_left());
            })
            .await;
            left.push(time_left());
            yield_now().await;
            left.push(None);
        }))
        .await;
        assert_eq!((took, late), (8, Err(Elapsed)));
        assert_eq!(left.take(), [Some(Duration::ZERO), Some(Duration::ZERO)]);
        // A future that completes without a further await is in time.
        assert_eq!(deadline(ms(5), shield(sleep(ms(8)))).await, Ok(()));
    });
}

#[test]
fn a_future_that_is_ready_wins_against_its_time_limit() {
    virtually(async {
        assert_eq!(deadline(Duration::ZERO, ready(7)).await, Ok(7));
        assert_eq!(deadline_at(now() - ms(1), ready(7)).await, Ok(7));
        assert_eq!(deadline_at(now() - ms(1), pending::<()>()).await, Err(Elapsed));
        assert_eq!(deadline(ms(5), sleep(ms(5))).await, Ok(()));
        // The time counts from the call, not from the first poll.
        let late = deadline(ms(5), sleep(ms(9)));
        sleep(ms(4)).await;
        let (took, output) = taken(late).await;
        assert_eq!((took, output), (1, Err(Elapsed)));
    });
}

#[test]
fn a_deadline_beyond_the_range_of_the_clock_never_passes() {
    virtually(async {
        let output = deadline(Duration::MAX, async {
            assert!(time_left() > Some(Duration::from_secs(50 * 365 * 24 * 3600)));
            sleep(ms(1)).await;
            deadline(ms(5), pending::<()>()).await
        });
        assert_eq!(output.await, Ok(Err(Elapsed)));
    });
}

#[test]
fn deadlines_and_shields_work_on_another_executor_and_time_left_returns_none_there() {
    assert_eq!(time_left(), None);
    assert_eq!(futures_lite::future::block_on(shield(async { time_left() })), None);
    let inside = futures_lite::future::block_on(deadline(ms(60_000), async { time_left().is_some() }));
    assert_eq!(inside, Ok(true));
    let runtime = Runtime::builder().build().unwrap();
    assert_eq!(runtime.block_on(deadline(ms(5), sleep(ms(60_000)))), Err(Elapsed));
}

#[test]
fn a_scope_is_left_when_a_poll_in_it_panics() {
    virtually(async {
        let panics = deadline(ms(5), async {
            if true {
                panic!("on purpose")
            }
        });
        assert!(catch_poll(panics).await.is_err());
        assert_eq!(time_left(), None);
    });
}

#[test]
fn tasks_of_a_dropped_group_do_not_see_the_deadline_of_the_task_that_drops_it() {
    virtually(async {
        let left = Log::new();
        let group = task_group(|group: TaskGroup<()>| {
            let left = left.clone();
            async move {
                group.spawn(async move {
                    let _dropped = OnDrop::new(|| left.push(time_left()));
                    pending::<Result<(), ()>>().await
                });
                pending::<Result<(), ()>>().await
            }
        });
        let mut group = Box::pin(group);
        assert!(timeout(ms(1), &mut group).await.is_err());
        deadline(ms(5), async { drop(group) }).await.unwrap();
        assert_eq!(left.take(), [None]);
    });
}
