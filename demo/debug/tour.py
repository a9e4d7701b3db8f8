"""The tour's ten stops, and the commands `continue` and `rest` that lead from one to the next. See `tour.gdb`.

A stop is a breakpoint at a function, found by its name, that prints what happens there. Only the next stop of the tour
stops the program, and only at the call that it is about. So the order is always that of the tour.
"""

import re
import textwrap

import gdb

from printers import (
    READINESS,
    STATE,
    Monitor,
    RunQueue,
    Source,
    State,
    Task,
    Tasks,
    all_tasks,
    arc,
    cores,
    flat,
    header_in,
    number,
    place,
    reactor_of,
    readiness,
    sources,
    table,
    task_of_state,
    timers,
    variant,
    woken_by,
)

WIDTH = 78
# The number of frames that a stop shows. The rest of the stack is the same at most stops; stop 3 shows it.
FRAMES = 7


class Stop(gdb.Breakpoint):
    """One stop: a function, what happens in it, and the values to print."""

    stops = []
    passed = 0

    def __init__(self, function, title, why, values, matters=lambda frame: True, depth=FRAMES, shows_tasks=False):
        super().__init__(function)
        self.silent = True
        self.title, self.why, self.values, self.matters = title, why, values, matters
        self.depth, self.shows_tasks = depth, shows_tasks
        Stop.stops.append(self)

    def stop(self):
        frame = gdb.newest_frame()
        if Stop.stops.index(self) != Stop.passed or not self.matters(frame):
            return False
        Stop.passed += 1
        self.show(frame)
        return True

    def show(self, frame):
        head = f"── {Stop.passed} ── {self.title} "
        print("\n" + head + "─" * (WIDTH - len(head)))
        print(textwrap.fill(" ".join(self.why.split()), WIDTH, initial_indent="  ", subsequent_indent="  "))
        print()
        for name, lines in [*self.values(frame), ("frames", frames(frame, self.depth))]:
            for index, line in enumerate(lines):
                print(f"  {name if index == 0 else '':7}  {line}".rstrip())
        if self.shows_tasks:
            print("", *Tasks.lines(core()), sep="\n  ")
        left = len(Stop.stops) - Stop.passed
        print(f"  ({f'{left} more: type `continue`, or `rest` for all' if left else 'that was the last one'})", flush=True)


def ended(event):
    """Reports a program that ended before the last stop: the function of the next stop was not called as expected."""
    if hasattr(event, "exit_code") and Stop.passed < len(Stop.stops):
        print(f"the program ended before stop {Stop.passed + 1}, at {Stop.stops[Stop.passed].location}")
    Stop.passed = 0


class Rest(gdb.Command):
    """Goes through the remaining stops without waiting at them: rest"""

    def __init__(self):
        super().__init__("rest", gdb.COMMAND_RUNNING)

    def invoke(self, argument, from_tty):
        while gdb.selected_thread():
            gdb.execute("continue")


# The values that stops print.


def outer(frame, function):
    """The innermost frame of a function."""
    while frame is not None and function not in (frame.name() or ""):
        frame = frame.older()
    return frame


def short(name):
    """The name of a function with its type or module, without the rest of the path and without generic arguments."""
    while "<" in name:
        name, before = re.sub(r"<[^<>]*>", "", name), name
        if name == before:
            break
    parts = [part for part in name.split("::") if not part.startswith("{")]
    return "::".join(parts[-2:])


def frames(frame, depth):
    """The functions of the runtime and of the program on the stack, down to `main`, without closures and wrappers."""
    rows = []
    while frame is not None and frame.name() != "tour::main":
        name, at = frame.name() or "", frame.find_sal()
        is_ours = at.symtab and re.match(r"(executor|reactor|demo)/", at.symtab.filename)
        is_glue = re.search(r"\{closure|with_body|with_mut|with_core|::VTABLE", name)
        if is_ours and not is_glue:
            rows.append((short(name), f"{at.symtab.filename}:{at.line}"))
        frame = frame.older()
    left_out = [(f"… {len(rows) - depth} below", "")] if len(rows) > depth else []
    return list(table(rows[:depth] + left_out))


def core():
    return cores()[0][1]


def task_lines(task):
    return [f"{task.label()}, spawned at {task.spawned_at()}", State(task.header["state"]).to_string()]


def running():
    return next(task for task in all_tasks(core()) if task.word & STATE["RUNNING"])


def queue_lines(queue):
    return queue.lines() or [queue.empty]


def ready():
    return ("queue", [", ".join(RunQueue(core()["queue"]).lines()) or "empty"])


def timer_values():
    return ("timers", queue_lines(timers(reactor_of(core()))))


def argument(frame, name):
    value = frame.read_var(name)
    return value.dereference() if value.type.code == gdb.TYPE_CODE_PTR else value


def called_at(frame):
    return place(outer(frame, "Runtime::block_on").read_var("location").dereference())


# The stops.

gdb.events.exited.connect(ended)

Stop(
    "executor::schedule::single::Core::new",
    "block_on: a thread gets a scheduler",
    """A core belongs to one thread. It has the thread's run queue and the memory of all tasks. No other thread has
    been started, and no loop runs yet: `Core::run`, which comes next, is the loop.""",
    lambda frame: [
        ("called", [called_at(frame)]),
        ("timers", queue_lines(timers(arc(arc(frame.read_var("shared"))["reactor"]["__0"])))),
    ],
)
Stop(
    "executor::schedule::run_queue::RunQueue::push",
    "spawn: a task is made and queued",
    """The future has been moved into a task cell, where it stays until it is dropped. The cell has two references:
    the future's own and the join handle's. NOTIFIED without RUNNING means that the task is queued. The code of the
    future has not run yet.""",
    lambda frame: [
        ("task", task_lines(Task(header_in(frame.read_var("task"))))),
        ("before", [", ".join(RunQueue(argument(frame, "self")).lines()) or "the queue is empty"]),
    ],
    lambda frame: outer(frame, "Core::spawn") and Task(header_in(frame.read_var("task"))).name() == "reader",
)
Stop(
    "tour::read::{async_fn#0}",
    "A pass: a task is polled, and your function runs",
    """The pass pops one task after the other from the run queue. To run a task is a call: from the scheduler to the
    cell, to `poll`, to the async fn. The frames below your function are the whole runtime.""",
    lambda frame: [("task", task_lines(running())), ready()],
    depth=20,
)
Stop(
    "reactor::time::sleep::Sleep::wait",
    "Pending: a leaf keeps the waker",
    """The deadline has not passed, so the leaf has put the task's waker into the timer queue and returns
    Poll::Pending. Each async fn that awaits it returns Poll::Pending too, down to the executor, which clears RUNNING.
    After that, no queue has the task.""",
    lambda frame: [("task", task_lines(running())), timer_values()],
    lambda frame: running().name() == "writer",
)
Stop(
    "reactor::reactor::Reactor::turn",
    "Nothing is queued: the thread parks",
    """All tasks are suspended. A suspended task is only memory, and a waker at what it waits for. One system call
    waits for all sources, until the first deadline.""",
    lambda frame: [
        ready(),
        timer_values(),
        ("sources", [flat(source) for source in sources(reactor_of(core()))]),
    ],
    # After a pass that took long, as under a debugger, the reactor is polled although tasks are queued.
    lambda frame: outer(frame, "Core::park") is not None,
    shows_tasks=True,
)
Stop(
    "reactor::source::Source::report",
    "An event: the kernel says that a socket is readable",
    """The writer has run and sent a byte. The bits are added to the source's readiness word. Then the wakers of all
    waiters that wait for them are taken out of the list, to be called after the lock is released.""",
    lambda frame: [
        ("event", [readiness(number(frame.read_var("readiness")))]),
        ("before", [flat(Source(argument(frame, "self")))]),
    ],
    lambda frame: number(frame.read_var("readiness")) & READINESS["READABLE"],
)
Stop(
    "executor::task::waker::wake",
    "A waker is called: suspended becomes queued",
    """One atomic instruction sets NOTIFIED. The task was suspended, so the thread that set the bit now has the right
    to run it, and queues it. If the task had been queued or running, the wake would end here.""",
    lambda frame: [
        ("task", task_lines(Task(header_in(frame.read_var("header"))))),
        ("cause", [variant(outer(frame, "Wake::call").read_var("cause"))[0].lower()]),
        ready(),
    ],
    lambda frame: outer(frame, "Wake::call") and Task(header_in(frame.read_var("header"))).name() == "reader",
)
Stop(
    "executor::sync::event::Event::set",
    "From task to task: an event wakes the waiter in its list",
    """The reader has continued after its `.await`, and sets the event. The reactor takes no part in this: under the
    event's lock, the waiter's node becomes HANDED_OVER and leaves the list; then its waker is called. The nodes of the
    list are inside the futures that wait.""",
    lambda frame: [
        ("task", task_lines(running())),
        ("list", [Monitor(argument(frame, "self")).to_string(), *Monitor(argument(frame, "self")).lines()]),
    ],
)
Stop(
    "executor::task::state::State::complete",
    "The end: a task completes, its joiner wakes",
    """The future has been dropped, and the output is stored in the same memory. After COMPLETE is set, the output
    belongs to the join handle. JOIN_WAKER says that a task awaits the handle: it is woken next.""",
    lambda frame: [
        ("task", task_lines(task_of_state(argument(frame, "self")))),
        ("how", [str(frame.read_var("how")).split("::")[-1]]),
        ("wakes", [woken_by(task_of_state(argument(frame, "self")).joiner())]),
    ],
    lambda frame: task_of_state(argument(frame, "self")).joiner() is not None,
)
Stop(
    "reactor::time::sleep::Sleep::cancel",
    "Cancelled: the future is dropped at its await",
    """To cancel a task is to set a bit and queue it. When it is run, the future is dropped instead of polled. Its
    destructors undo what it had begun: here, a sleep removes its timer, an hour early.""",
    lambda frame: [("task", task_lines(running())), timer_values()],
    lambda frame: running().word & STATE["CANCELLED"],
)
Rest()
