"""The tour's ten stops, and the commands `continue` and `rest` that lead from one to the next. See `tour.gdb`.

A stop is a breakpoint at a function, by its name, that says what happens there. Only the next one stops the
program, and only at the moment that it is about: so the order is always that of the tour.
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
# Frames that are shown; the rest of the stack is the same at most stops, and at one of them shown whole.
FRAMES = 7


class Stop(gdb.Breakpoint):
    """One stop: a function, what happens in it, and what there is to see."""

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
    """Says so if the program did not come by all stops: then one of them has to be found a new place."""
    if hasattr(event, "exit_code") and Stop.passed < len(Stop.stops):
        print(f"the program ended before it came to stop {Stop.passed + 1}, at {Stop.stops[Stop.passed].location}")
    Stop.passed = 0


class Rest(gdb.Command):
    """Goes through the stops that are left without waiting: rest"""

    def __init__(self):
        super().__init__("rest", gdb.COMMAND_RUNNING)

    def invoke(self, argument, from_tty):
        while gdb.selected_thread():
            gdb.execute("continue")


# What is to be seen.


def outer(frame, function):
    """The innermost of the frames of a function."""
    while frame is not None and function not in (frame.name() or ""):
        frame = frame.older()
    return frame


def short(name):
    """A function's name without its crate's folders and what it was made generic with."""
    while "<" in name:
        name, before = re.sub(r"<[^<>]*>", "", name), name
        if name == before:
            break
    parts = [part for part in name.split("::") if not part.startswith("{")]
    return "::".join(parts[-2:])


def frames(frame, depth):
    """The runtime's and the program's functions on the stack, above `main`, without what the compiler made."""
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
    """A core is what belongs to the thread: a queue of tasks that are ready, and the memory of all tasks. There is
    no other thread and no main loop yet; the loop is `Core::run`, which comes next.""",
    lambda frame: [
        ("called", [called_at(frame)]),
        ("timers", queue_lines(timers(arc(arc(frame.read_var("shared"))["reactor"]["__0"])))),
    ],
)
Stop(
    "executor::schedule::run_queue::RunQueue::push",
    "spawn: a task is made and queued",
    """The future was moved into a cell, its memory for life. Two references: the future's own and the join
    handle's. NOTIFIED without RUNNING means: it is queued. None of its code has run.""",
    lambda frame: [
        ("task", task_lines(Task(header_in(frame.read_var("task"))))),
        ("before", [", ".join(RunQueue(argument(frame, "self")).lines()) or "the queue is empty"]),
    ],
    lambda frame: outer(frame, "Core::spawn") and Task(header_in(frame.read_var("task"))).name() == "reader",
)
Stop(
    "tour::read::{async_fn#0}",
    "A pass: a task is polled, and your function runs",
    """The pass takes one task after the other out of the queue. To run one is a call: from the scheduler into the
    cell, into `poll`, into the async fn. The stack below your function is the whole runtime.""",
    lambda frame: [("task", task_lines(running())), ready()],
    depth=20,
)
Stop(
    "reactor::time::sleep::Sleep::wait",
    "Pending: a leaf keeps the waker",
    """The deadline is not there, so the leaf has put the task's waker into the timer queue and returns Pending. So
    does each async fn above it, down to the executor, which clears RUNNING and forgets the task.""",
    lambda frame: [("task", task_lines(running())), timer_values()],
    lambda frame: running().name() == "writer",
)
Stop(
    "reactor::reactor::Reactor::turn",
    "Nothing is queued: the thread parks",
    """All tasks are suspended: memory, no more, each with its waker where something will happen. One system call
    waits for all sources, until the first deadline.""",
    lambda frame: [
        ready(),
        timer_values(),
        ("sources", [flat(source) for source in sources(reactor_of(core()))]),
    ],
    shows_tasks=True,
)
Stop(
    "reactor::source::Source::report",
    "An event: the kernel says that a socket is readable",
    """The writer has run and sent a byte. The bits are added to the source's word, then the wakers of all who wait
    for them are taken out of its list, to be called when no lock is held.""",
    lambda frame: [
        ("event", [readiness(number(frame.read_var("readiness")))]),
        ("before", [flat(Source(argument(frame, "self")))]),
    ],
    lambda frame: number(frame.read_var("readiness")) & READINESS["READABLE"],
)
Stop(
    "executor::task::waker::wake",
    "A waker is called: suspended becomes queued",
    """One atomic instruction sets NOTIFIED. The task was suspended, so whoever set the bit has the right to run it,
    and queues it. Had it been queued or running already, that would have been all.""",
    lambda frame: [
        ("task", task_lines(Task(header_in(frame.read_var("header"))))),
        ("cause", [variant(outer(frame, "Wake::call").read_var("cause"))[0].lower()]),
        ready(),
    ],
    lambda frame: outer(frame, "Wake::call") and Task(header_in(frame.read_var("header"))).name() == "reader",
)
Stop(
    "executor::sync::event::Event::set",
    "From task to task: who waits in a list is served",
    """The reader went on after its `.await`, and rings. No reactor in this: under the event's lock the waiter is
    marked as served, then its waker is called. The list is made of places inside the waiting futures.""",
    lambda frame: [
        ("task", task_lines(running())),
        ("list", [Monitor(argument(frame, "self")).to_string(), *Monitor(argument(frame, "self")).lines()]),
    ],
)
Stop(
    "executor::task::state::State::complete",
    "The end: a task completes, its joiner wakes",
    """The future was dropped, the output is in its place. COMPLETE says so; from then on the output is the join
    handle's. JOIN_WAKER says that somebody awaits the handle: that task is woken next.""",
    lambda frame: [
        ("task", task_lines(task_of_state(argument(frame, "self")))),
        ("how", [str(frame.read_var("how")).split("::")[-1]]),
        ("wakes", [woken_by(task_of_state(argument(frame, "self")).joiner())]),
    ],
    lambda frame: task_of_state(argument(frame, "self")).joiner() is not None,
)
Stop(
    "reactor::time::sleep::Sleep::cancel",
    "Cancelled: the future is dropped where it stands",
    """To cancel is to set a bit and queue the task; the run that follows drops the future instead of polling it.
    Its destructors undo what it had begun: here a sleep takes its timer back, an hour early.""",
    lambda frame: [("task", task_lines(running())), timer_values()],
    lambda frame: running().word & STATE["CANCELLED"],
)
Rest()
