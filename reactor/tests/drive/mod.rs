// The smallest executor there is: one future, one thread. For this crate's tests and examples.

/// Polls `future` on `reactor` until it is ready.
#[allow(dead_code)] // each test takes what it needs
pub fn drive_on<F: Future>(reactor: &mut reactor::Reactor, future: F) -> F::Output {
    let _current = reactor.handle().enter();
    let handle = reactor.handle();
    let waker = waker_fn::waker_fn(move || handle.notify());
    let mut cx = std::task::Context::from_waker(&waker);
    let mut future = std::pin::pin!(future);
    loop {
        if let std::task::Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        reactor.turn(None).unwrap();
    }
}

/// Like [`drive_on`], on the operating system's reactor.
#[allow(dead_code)]
pub fn drive<F: Future>(future: F) -> F::Output {
    drive_on(&mut reactor::Reactor::new().unwrap(), future)
}

/// Like [`drive`], on a simulated clock and a simulated network: nothing takes time.
#[allow(dead_code)]
pub fn drive_simulated<F: Future>(future: F) -> F::Output {
    let backend = Box::new(reactor::backend::Simulation::with_network(0));
    drive_on(&mut reactor::Reactor::with(backend, None), future)
}
