"""gdb pretty printers for the runtime, and the command `tasks`.

    (gdb) source demo/debug/printers.py
    (gdb) print *self          a scheduler, a queue, a task, a source … in a frame that has one
    (gdb) tasks                all tasks of a stopped program or of a core dump

They read memory and call no function, so they work on a process and on a core dump, wherever it stopped. They need
debug information with types: that of `cargo build`, or of a release with CARGO_PROFILE_RELEASE_DEBUG=full.
"""

import gdb
import gdb.printing

# The debug information does not contain constants. tests/tests/docs/debugger.rs compares these with the sources.
STATE = {  # executor/src/task/state.rs
    "NOTIFIED": 1 << 0,
    "RUNNING": 1 << 1,
    "COMPLETE": 1 << 2,
    "CANCELLED": 1 << 3,
    "PANICKED": 1 << 4,
    "JOIN": 1 << 5,
    "JOIN_WAKER": 1 << 6,
    "CALLBACKS": 1 << 7,
    "OBSERVED": 1 << 8,
    "LISTED": 1 << 9,
    "REFERENCE": 1 << 10,
    "REFERENCES": (1 << 27) - 1,
}
STAGE = {  # executor/src/sync/wait_list.rs
    "IDLE": 0,
    "WAITING": 1,
    "HANDED_OVER": 2,
}
READINESS = {  # reactor/src/readiness.rs
    "READABLE": 1,
    "WRITABLE": 2,
    "READ_CLOSED": 4,
    "WRITE_CLOSED": 8,
    "URGENT": 16,
    "ORPHANED": 32,
}
SOURCE = {  # reactor/src/readiness.rs
    "REPORT": 1 << 8,
}
TICKS = {  # reactor/src/time/ticks.rs
    "COARSE": 250_000,
}


# Through the standard library's wrappers.


def peel(value):
    """The value inside of wrappers such as cells, atomics, `NonNull` and `Box`, which have one field with a size."""
    while value.type.strip_typedefs().code == gdb.TYPE_CODE_STRUCT:
        fields = [field for field in value.type.fields() if field.type.sizeof > 0]
        if len(fields) != 1:
            break
        value = value[fields[0]]
    return value


def number(value):
    return int(peel(value))


def pointer(value, kind="executor::task::header::Header"):
    """What an `Option` of a pointer points to, or None. Such an option is stored as the pointer, and None as null."""
    address = int.from_bytes(gdb.selected_inferior().read_memory(value.address, 8).tobytes(), "little")
    return at(address, kind)


def at(address, kind):
    kind = gdb.lookup_type(kind) if isinstance(kind, str) else kind
    return gdb.Value(address).cast(kind.pointer()).dereference() if address else None


def arc(value):
    return value["ptr"]["pointer"].dereference()["data"]


def locked(mutex):
    """The value of a mutex, whether or not it is locked."""
    return mutex["data"]["value"]


def variant(value):
    """The name of an enum's current variant, and its fields."""
    field = value.type.fields()[-1]
    return field.name, value[field]


def vec(value):
    kind = value.type.template_argument(0)
    first = gdb.Value(number(value["buf"]["inner"]["ptr"])).cast(kind.pointer())
    return [(first + index).dereference() for index in range(int(value["len"]))]


def ring(deque):
    kind = deque.type.template_argument(0)
    first = gdb.Value(number(deque["buf"]["inner"]["ptr"])).cast(kind.pointer())
    head, length, room = int(deque["head"]), int(deque["len"]), number(deque["buf"]["inner"]["cap"])
    return [(first + (head + index) % room).dereference() for index in range(length)]


def slab(value):
    """The occupied entries of a `slab::Slab`, with their keys."""
    entries = enumerate(map(variant, vec(value["entries"])))
    return [(key, content["__0"]) for key, (name, content) in entries if name == "Occupied"]


def text(value):
    value = peel(value)
    length = int(value["length"])
    return value["data_ptr"].string("utf-8", "replace", length) if length else ""


def place(location):
    """A location in the source, from a `Location` of the standard library."""
    return f"{text(location['filename'])}:{int(location['line'])}"


def plural(count, what):
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


# Tasks.


def life(word):
    """The state of a task, as in the picture in `state.rs`."""
    boxes = {"COMPLETE": "completed", "RUNNING": "running", "NOTIFIED": "queued"}
    return next((name for bit, name in boxes.items() if word & STATE[bit]), "suspended")


def bits(word):
    """The names of the bits that are set."""
    # LISTED is left out: it is always set for the tasks of a runtime.
    shown = [(name, bit) for name, bit in STATE.items() if bit < STATE["REFERENCE"] and name != "LISTED"]
    return " ".join(name for name, bit in shown if word & bit)


def counts(word):
    references = word // STATE["REFERENCE"] & STATE["REFERENCES"]
    polls = word // (STATE["REFERENCE"] * (STATE["REFERENCES"] + 1))
    return references, polls


class State:
    """The state word."""

    def __init__(self, value):
        self.word = number(value)

    def to_string(self):
        references, polls = counts(self.word)
        is_set = bits(self.word) or "no bit"
        return f"{life(self.word)} ({is_set}), {plural(references, 'reference')}, {plural(polls, 'poll')}"


class Task:
    """A task, found through its cell, a `Runnable` or a `JoinHandle`."""

    def __init__(self, header):
        self.header = header
        self.address = int(header.address)
        self.word = number(header["state"])
        self.id = int(header["id_low"]) | int(header["id_high"]) << 32

    def name(self):
        extras = at(number(self.header["extras"]), "executor::task::extras::Extras")
        if extras is None:
            return ""
        name = peel(variant(extras["name"])[1])
        return text(name) if name.type.code == gdb.TYPE_CODE_STRUCT else ""

    def label(self):
        return f'task {self.id} "{self.name()}"' if self.name() else f"task {self.id}"

    def spawned_at(self):
        return place(self.header["spawned_at"].dereference())

    def joiner(self):
        """The waker of the task that joins it."""
        waker = pointer(self.header["join_waker"], "core::task::wake::Waker")
        return waker if waker is not None and self.word & STATE["JOIN_WAKER"] else None

    def to_string(self):
        return f"{self.label()}, spawned at {self.spawned_at()}, {State(self.header['state']).to_string()}"


def task_of_state(state):
    """The task that a state word belongs to: the word is a field of its header."""
    header = gdb.lookup_type("executor::task::header::Header")
    offset = next(field.bitpos // 8 for field in header.fields() if field.name == "state")
    return Task(at(int(state.address) - offset, header))


def task_of_waker(waker):
    """The task that a waker wakes; None if it is not one of the runtime's own."""
    raw = waker["waker"] if waker.type.name == "core::task::wake::Waker" else waker
    clone = functions_at(int(raw["vtable"]["clone"]))
    ours = any("executor::task::waker::WAKER" in function for function in clone)
    return Task(at(int(raw["data"]), "executor::task::header::Header")) if ours else None


def functions_at(address):
    """The functions that an instruction belongs to: those inlined there, and the one that contains them."""
    block = gdb.block_for_pc(address)
    while block is not None:
        if block.function is not None:
            yield block.function.name
        block = block.superblock


def woken_by(waker):
    task = task_of_waker(waker)
    return task.label() if task else "a waker that is not a task's"


def header_in(value):
    """The header that a handle, a waker's address or a pointer leads to."""
    value = peel(value)
    return at(int(value), "executor::task::header::Header") if value.type.code == gdb.TYPE_CODE_PTR else value


class Waker:
    """The task that a waker wakes."""

    def __init__(self, value):
        self.value = value

    def to_string(self):
        return f"Waker of {woken_by(self.value)}"


# Queues. The tour prints the `lines` of each, and gdb prints them as its children.


class Queue:
    """Tasks, timers or waiters, a line each."""

    empty = "empty"

    def lines(self):
        raise NotImplementedError

    def title(self):
        return ""

    def to_string(self):
        return ": ".join(filter(None, [self.title(), "" if self.lines() else self.empty]))

    def children(self):
        return ((f"[{index}]", line) for index, line in enumerate(self.lines()))


def linked(header):
    """The tasks of a queue, from the first on."""
    while header is not None:
        yield Task(header)
        header = pointer(header["next"])


class RunQueue(Queue):
    def __init__(self, value):
        self.tasks = list(linked(pointer(value["first"])))

    def lines(self):
        return [task.label() for task in self.tasks]


class InjectionQueue(Queue):
    """The tasks that other threads have pushed, the latest first, as they are linked."""

    PARKED = 1  # not the address of a task

    def __init__(self, value):
        self.head = number(value["head"])

    def title(self):
        return "the thread is parked" if self.head == self.PARKED else "the thread is awake"

    def lines(self):
        head = 0 if self.head == self.PARKED else self.head
        return [task.label() for task in linked(at(head, "executor::task::header::Header"))]


class Timers(Queue):
    """The timer queue: deadlines in seconds since the reactor was made, the earliest first."""

    empty = "no timer is set"

    def __init__(self, value):
        timers = dict(slab(value["timers"]))
        slots = [vec(slot) for wheel in vec(value["wheels"]) for slot in occupied(wheel)]
        entries = [(int(entry["tick"]), timers[int(entry["key"])]) for slot in slots for entry in slot]
        self.timers = sorted(entries, key=lambda entry: (entry[0], int(entry[1]["number"])))
        self.nanos = int(value["ticks"]["nanos"])

    def seconds(self, tick):
        digits = 3 if self.nanos == TICKS["COARSE"] else 9  # a simulated clock is exact
        return f"{tick * self.nanos / 1e9:.{digits}f} s"

    def lines(self):
        return [
            f"timer {int(timer['number'])} at {self.seconds(tick)}: {woken_by(timer['waker'])}"
            for tick, timer in self.timers
        ]


def occupied(wheel):
    word = int(wheel["occupied"])
    return [wheel["slots"][index] for index in range(64) if word >> index & 1]


def readiness(word):
    return " ".join(name for name, bit in READINESS.items() if word & bit) or "not ready"


class Readiness:
    """What a source is ready for."""

    def __init__(self, value):
        self.word = number(value)

    def to_string(self):
        return readiness(self.word)


class Source(Queue):
    """A registered descriptor or simulated socket: its readiness word, and its waiters."""

    empty = "no waiter"

    def __init__(self, value):
        cell = value["readiness"]
        self.id, self.word = number(value["id"]), number(cell["word"])
        kind, registered = variant(value["registered"])
        self.what = f"fd {number(registered)}" if kind == "Descriptor" else "simulated"
        lists = locked(cell["waiters"])["lists"]
        waiters = [("read", lists[0]), ("write", lists[1])]
        self.waiters = [(entry["waker"], to) for to, waiting in waiters for entry in vec(waiting["entries"])]

    def title(self):
        reports = plural(self.word // SOURCE["REPORT"], "report")
        return f"source {self.id} ({self.what}), {readiness(self.word % SOURCE['REPORT'])}, {reports}"

    def lines(self):
        return [f"{woken_by(waker)} waits to {to}" for waker, to in self.waiters]


class WaitList(Queue):
    """The waiters of a `List`, in the order in which they came."""

    empty = "no waiter"

    def __init__(self, value):
        self.nodes = []
        rule = value.type.template_argument(0)
        kind = f"executor::sync::wait_list::Node<{rule.name}>"
        node = pointer(value["first"], kind)
        while node is not None:
            self.nodes.append(Node(node))
            node = pointer(Node(node).body["next"], kind)

    def lines(self):
        return [node.to_string() for node in self.nodes]


class Node:
    """A waiter's entry in a list."""

    def __init__(self, value):
        self.stage, self.body = number(value["stage"]), value["body"]["__0"]["value"]

    def to_string(self):
        stage = next(name for name, value in STAGE.items() if value == self.stage)
        name, waker = variant(self.body["waker"])
        return f"{woken_by(waker['__0'])}, {stage}" if name == "Some" else stage


class Monitor(Queue):
    """A primitive that tasks share: its kind, and the wait lists under its lock."""

    empty = "no waiter"

    def __init__(self, value):
        self.value = value if "kind" in [field.name for field in value.type.fields()] else value["__0"]

    def title(self):
        return f"{text(self.value['kind'])} made at {place(self.value['made_at'].dereference())}"

    def lines(self):
        state = locked(self.value["state"])
        lists = [state[field] for field in state.type.fields() if "wait_list::List<" in str(field.type.name)]
        return [line for waiters in lists for line in WaitList(waiters).lines()]


# Whole runtimes. Without these printers, gdb would follow all their pointers and print everything.


class Core(Queue):
    """A scheduler: its run queue and all tasks."""

    empty = "no task"

    def __init__(self, value):
        self.tasks, self.queue = all_tasks(value), RunQueue(value["queue"]).lines()

    def title(self):
        return "scheduler, queued: " + (", ".join(self.queue) or "no task")

    def lines(self):
        return [task.to_string() for task in self.tasks]


class Reactor(Queue):
    """A reactor, found through a `Reactor`, a `Handle` or what they share: its timers and its sources."""

    empty = "nothing to wait for"

    def __init__(self, value):
        leads = {"reactor::reactor::Reactor": "shared", "reactor::handle::Handle": "__0"}
        field = leads.get(value.type.name)
        self.shared = arc(value[field]) if field else value

    def title(self):
        return "reactor"

    def lines(self):
        return timers(self.shared).lines() + [flat(source) for source in sources(self.shared)]


def flat(queue):
    return ": ".join([queue.title(), ", ".join(queue.lines()) or queue.empty])


def cores():
    """The schedulers of all threads: each has a frame that runs it."""
    found = {}
    selected = gdb.selected_thread()
    for thread in gdb.selected_inferior().threads():
        thread.switch()
        frame = gdb.newest_frame()
        while frame is not None:
            core = core_of(frame)
            if core is not None:
                found.setdefault(int(core.address), (thread, core))
            frame = older(frame)
    if selected:
        selected.switch()
    return list(found.values())


def older(frame):
    try:
        return frame.older()
    except gdb.error:  # a stack that was overwritten cannot be followed further
        return None


def core_of(frame):
    if not (frame.name() or "").startswith("executor::schedule::single::Core::"):
        return None
    try:
        this = frame.read_var("self")
        return None if this.is_optimized_out or not int(this) else this.dereference()
    except (ValueError, gdb.error):  # a function without `self`
        return None


def all_tasks(core):
    """The tasks of a scheduler that have not completed, found in its slabs."""
    tasks = []
    classes = core["slabs"]["classes"]
    for index in range(classes.type.range()[1] + 1):
        for each in vec(classes[index]["value"]["value"]["slabs"]):
            tasks += tasks_of_slab(peel(each).dereference())
    return sorted((task for task in tasks if life(task.word) != "completed"), key=lambda task: task.id)


def tasks_of_slab(slab):
    shape, free = slab["shape"], number(slab["free"])
    size, align, is_alone = int(shape["size"]), int(shape["align"]), bool(shape["alone"])
    first = int(slab.address) + -(-slab.type.sizeof // align) * align
    taken = (1 if is_alone else (1 << 63) - 1) & ~free
    header = gdb.lookup_type("executor::task::header::Header")
    return [Task(at(first + bit * size, header)) for bit in range(63) if taken >> bit & 1]


def reactor_of(core):
    """What the reactor of a scheduler shares with its handles."""
    return arc(arc(core["shared"])["reactor"]["__0"])


def timers(shared):
    return Timers(locked(shared["timers"]["queue"]))


def sources(shared):
    return [Source(arc(value)) for _, value in slab(locked(arc(shared["registry"])["sources"])["table"])]


def calls(core):
    """Blocking calls: the number of each, whether it has a thread or waits for one, and its spawn location."""
    pool = locked(arc(core["pool"])["state"])
    begun = [(number(call["id"]), "its thread", place(call["spawned_at"].dereference())) for call in vec(pool["begun"])]
    queued = [Task(header_in(call["__0"])) for call in ring(pool["queue"])]
    return begun + [(task.id, "a thread", task.spawned_at()) for task in queued]


def waits(core, tasks):
    """What each task waits for, by its address, if its waker is found at a timer, a source or another task.

    Waiters in wait lists are not found, because no pointer leads from the runtime to the primitives of a program.
    """
    found = {}
    shared = reactor_of(core)
    queue = timers(shared)
    held = [(timer["waker"], f"timer at {queue.seconds(tick)}") for tick, timer in queue.timers]
    held += [(waker, f"source {source.id} to {to}") for source in sources(shared) for waker, to in source.waiters]
    held += [(task.joiner(), f"the end of task {task.id}") for task in tasks if task.joiner() is not None]
    for waker, what in held:
        task = task_of_waker(waker)
        if task:
            found.setdefault(task.address, []).append(what)
    return {address: ", ".join(what) for address, what in found.items()}


def table(rows):
    """The rows as lines, with aligned columns. The last column is not padded."""
    widths = [max(len(str(row[column])) for row in rows) for column in range(len(rows[0]) - 1)]
    for row in rows:
        cells = [str(cell).ljust(width) for cell, width in zip(row, widths)]
        yield "  ".join([*cells, str(row[-1])]).rstrip()


class Tasks(gdb.Command):
    """Lists all tasks of all runtimes of the program: tasks

The states are those of the picture in executor/src/task/state.rs; a `!` marks a task that was cancelled and has not
completed. The column "waits for" is empty for a task in a wait list, such as that of a mutex or a channel: the runtime
has no pointer to it."""

    def __init__(self):
        super().__init__("tasks", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        check_types()
        found = cores()
        if not found:
            raise gdb.GdbError("tasks: no frame of a runtime with a `self` is on a stack: stop the program inside of `block_on`")
        for thread, core in found:
            print(f"thread {thread.num}")
            for line in self.lines(core):
                print(f"  {line}")

    @staticmethod
    def lines(core):
        tasks = all_tasks(core)
        where = waits(core, tasks)
        rows = [("task", "name", "state", "polls", "waits for", "spawned at")]
        for task in tasks:
            wait = where.get(task.address, "") if life(task.word) == "suspended" else ""
            cancelled = " !" if task.word & STATE["CANCELLED"] else ""
            state = life(task.word) + cancelled
            rows.append((task.id, task.name(), state, counts(task.word)[1], wait, task.spawned_at()))
        rows += [(id, "", "blocking", "", what, spawned_at) for id, what, spawned_at in calls(core)]
        return table(rows)


def check_types():
    """Raises an error if the program has no types. The debug information of a release has only their names."""
    try:
        fields = gdb.lookup_type("executor::task::header::Header").fields()
    except (gdb.error, TypeError):
        fields = []
    if not fields:
        raise gdb.GdbError(
            "the program has no debug information with the runtime's types: use a build by `cargo build`, or build\n"
            "the release with CARGO_PROFILE_RELEASE_DEBUG=full"
        )


def printers():
    task = lambda value: Task(header_in(value))
    cell = lambda value: Task(value["header"])
    core, sync = "executor::task", "executor::sync"
    known = [
        ("state", rf"^{core}::state::State$", State),
        ("header", rf"^{core}::header::Header$", Task),
        ("cell", rf"^{core}::cell::TaskCell<.*>$", cell),
        ("task", rf"^{core}::(waker::Runnable|canceller::Canceller|join::JoinHandle<.*>|id::TaskRef)$", task),
        ("pointer", rf"^core::ptr::non_null::NonNull<{core}::header::Header>$", task),
        ("waker", r"^core::task::wake::Waker$", Waker),
        ("run queue", r"^executor::schedule::run_queue::RunQueue$", RunQueue),
        ("injection queue", r"^executor::schedule::run_queue::InjectionQueue$", InjectionQueue),
        ("timers", r"^reactor::time::queue::TimerQueue$", Timers),
        ("readiness", r"^reactor::readiness::Readiness$", Readiness),
        ("source", r"^reactor::source::Source$", Source),
        ("wait list", rf"^{sync}::wait_list::List<.*>$", WaitList),
        ("waiter", rf"^{sync}::wait_list::Node<.*>$", Node),
        ("scheduler", r"^executor::schedule::single::Core$", Core),
        ("reactor", r"^reactor::(reactor::(Reactor|Shared)|handle::Handle)$", Reactor),
        ("monitor", rf"^{sync}::(wait_list::Monitor<.*>|event::Event)$", Monitor),
    ]
    collection = gdb.printing.RegexpCollectionPrettyPrinter("runtime")
    for name, pattern, printer in known:
        collection.add_printer(name, pattern, printer)
    return collection


gdb.printing.register_pretty_printer(None, printers(), replace=True)
Tasks()
