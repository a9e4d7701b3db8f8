//! Await chains.

use super::{chain, dump_of, leaf, ms, pending_announced, virtually};
use executor::net::{TcpListener, TcpStream};
use executor::sync::{Semaphore, channel};
use executor::time::sleep;
use executor::{
    TaskGroup, as_completed, block_on, deadline, join_all, named, race, select, task_group, tasks, yield_now,
};
use futures_lite::StreamExt;
use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use tests::within;

static INNER: AtomicUsize = AtomicUsize::new(0);

async fn outermost(what: Pin<Box<dyn Future<Output = ()>>>) -> u32 {
    middle(what).await; // line 0
    line!()
}

async fn middle(what: Pin<Box<dyn Future<Output = ()>>>) {
    INNER.store(line!() as usize + 1, Ordering::Relaxed);
    what.await;
    sleep(ms(1)).await;
}

#[test]
fn the_await_chain_goes_through_async_fns_blocks_boxes_and_custom_futures_down_to_the_line() {
    struct Own<F>(F);
    impl<F: Future + Unpin> Future for Own<F> {
        type Output = F::Output;
        fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
            Pin::new(&mut self.0).poll(cx)
        }
    }
    async fn leaf_fn(line: Rc<Cell<u32>>) {
        line.set(line!() + 1);
        sleep(ms(60_000)).await;
    }
    virtually(async {
        let (fn_line, block_line, box_line) = <(Rc<Cell<u32>>, Rc<Cell<u32>>, Rc<Cell<u32>>)>::default();
        let lines = (fn_line.clone(), block_line.clone(), box_line.clone());
        let inside: Pin<Box<dyn Future<Output = ()>>> = Box::pin(async move {
            let (fn_line, block_line, box_line) = lines;
            let nested = async {
                block_line.set(line!() + 1);
                leaf_fn(fn_line).await;
            };
            box_line.set(line!() + 1);
            Own(Box::pin(nested)).await;
        });
        let task = named("deep").spawn_local(outermost(inside));
        sleep(ms(1)).await;
        let dump = dump_of("deep");
        assert!(
            leaf(&dump).starts_with("sleep for another 60.0s (made at tests/tests/observe/dump/chains.rs:"),
            "{dump}"
        );
        let places = chain(&dump, 0);
        let lines: Vec<_> = places.iter().map(|(_, line)| *line).collect();
        let inner = INNER.load(Ordering::Relaxed) as u32;
        let names: Vec<_> = places.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names[..2], ["outermost", "middle"], "{dump}");
        assert_eq!(names.last(), Some(&"leaf_fn"), "{dump}");
        assert_eq!(lines[0], inner - 6, "{dump}");
        assert_eq!(lines[1], inner, "{dump}");
        assert_eq!(lines.last(), Some(&fn_line.get()), "{dump}");
        assert!(lines.contains(&box_line.get()) && lines.contains(&block_line.get()), "{dump}");
        assert!(names.contains(&"poll"), "the future of one's own is in it: {dump}");
        assert!(task.await.unwrap() > 0);
        assert_eq!(tasks().len(), 1);
    });
}

#[test]
fn leaf_futures_say_what_they_are_and_where_they_were_created() {
    within(20, || {
        block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let ours = TcpStream::connect(address).await.unwrap();
            let (_theirs, peer) = listener.accept().await.unwrap();
            assert_eq!(ours.local_addr().unwrap(), peer);
            let reads = Arc::new(AtomicUsize::new(0));
            let line = reads.clone();
            named("reads").spawn(async move {
                let mut buffer = [0; 8];
                line.store(line!() as usize + 1, Ordering::Relaxed);
                ours.read(&mut buffer).await.unwrap();
            });
            named("accepts").spawn(async move { drop(listener.accept().await) });
            let made = line!() + 1;
            let semaphore = Arc::new(Semaphore::new(0));
            named("acquires").spawn(async move { drop(semaphore.acquire().await) });
            let (_tx, rx) = channel::<u32>(1);
            named("receives").spawn(async move { _ = rx.recv().await });
            let target = named("target").spawn(sleep(ms(60_000)));
            let (id, place) = (target.id(), target.spawned_at());
            named("joins").spawn(async move { drop(target.await) });
            yield_now().await;
            sleep(ms(5)).await;

            let dump = dump_of("reads");
            assert!(leaf(&dump).contains(&address.to_string()), "the peer's address: {dump}");
            assert!(leaf(&dump).contains("read"), "{dump}");
            assert_eq!(chain(&dump, 0).last().unwrap().1 as usize, reads.load(Ordering::Relaxed), "{dump}");
            let dump = dump_of("accepts");
            assert!(leaf(&dump).contains(&address.port().to_string()), "{dump}");
            let dump = dump_of("acquires");
            let begin = format!("acquire on the semaphore made at {}:{made}:", file!());
            assert!(leaf(&dump).starts_with(&begin), "{dump}");
            let dump = dump_of("receives");
            let begin = format!("receive on the channel made at {}:", file!());
            assert!(leaf(&dump).starts_with(&begin), "{dump}");
            assert_eq!(leaf(&dump_of("joins")), format!("the end of task {id} \"target\" (spawned at {place})"));
        });
    });
}

#[test]
fn a_task_that_awaits_several_futures_has_as_many_waits() {
    virtually(async {
        let line = Rc::new(Cell::new(0));
        let here = line.clone();
        named("selects").spawn_local(async move {
            here.set(line!() + 1);
            select(sleep(ms(60_000)), pending_announced()).await;
        });
        let sleeps = |count: u64| (0..count).map(|n| sleep(ms(60_000 + n)));
        named("joins").spawn(join_all(sleeps(5)));
        named("races").spawn(race(sleeps(40)));
        named("streams").spawn(async move { as_completed(sleeps(17)).next().await });
        named("deadline").spawn(deadline(ms(70_000), pending_announced()));
        let made = line!() + 1;
        named("group").spawn(task_group(|group: TaskGroup<()>| async move {
            group.spawn_named("child", async {
                pending_announced().await;
                Ok(())
            });
            Ok(())
        }));
        sleep(ms(1)).await;
        for _ in 0..3 {
            let dump = dump_of("selects");
            assert_eq!(dump.waits.len(), 2, "{dump}");
            assert!(dump.waits[0].leaf.starts_with("sleep "), "{dump}");
            assert_eq!(dump.waits[1].leaf, "something of its own", "{dump}");
            assert_eq!(chain(&dump, 0)[0].1, line.get(), "{dump}");
            assert_eq!(chain(&dump, 1)[0].1, line.get(), "{dump}");
            assert_eq!(chain(&dump, 1).last().unwrap().0, "pending_announced");
            let dump = dump_of("joins");
            assert_eq!((dump.waits.len(), dump.left_out), (5, 0), "{dump}");
            let dump = dump_of("races");
            assert_eq!((dump.waits.len(), dump.left_out), (16, 24), "{dump}");
            assert!(dump.to_string().ends_with("\n    and for 24 others"), "{dump}");
            assert_eq!((dump_of("streams").waits.len(), dump_of("streams").left_out), (16, 1));
            let dump = dump_of("deadline");
            assert_eq!(dump.waits.len(), 2, "{dump}");
            let text = leaf(&dump_of("group")).to_owned();
            let told = format!("the end of 1 task of the group made at {}:{made}:", file!());
            assert!(text.starts_with(&told), "{text}");
            assert_eq!(leaf(&dump_of("child")), "something of its own");
        }
    });
}

#[test]
fn a_socket_without_a_name_is_shown_by_its_descriptor() {
    within(20, || {
        block_on(async {
            let (end, _other) = executor::net::UnixStream::pair().unwrap();
            let reader = executor::spawn(async move { end.read(&mut [0; 1]).await });
            yield_now().await;
            let leaf = tasks()[1].waits[0].leaf.clone();
            assert!(leaf.starts_with("readable on file descriptor "), "{leaf}");
            reader.cancel();
        });
    });
}
