// Folds the events once, into the states of each task, source and timer over time. A state is then looked up, so a jump
// to any event is as fast as a step.
//
// An index is the index of an event. The state at an index is the state after that event.

"use strict";

/** The events as objects, from the rows that `data.rs` writes. */
function unpack({ shapes, values, events }) {
  const read = shapes.map(({ event, fields }) => ({
    event,
    fields: fields.map((field, at) => {
      const indexed = field.endsWith("*");
      return { name: indexed ? field.slice(0, -1) : field, at: at + 2, indexed };
    }),
  }));
  let [at, latest] = [0, 0];
  return events.map((row, index) => {
    const shape = read[row[0]];
    at += row[1];
    // With several simulated clocks, one may be behind another. On the axis, time never runs backwards.
    latest = Math.max(latest, at);
    const event = { index, at, shownAt: latest, run: 0, runtime: 1, event: shape.event, lane: null, running: null };
    for (const { name, at, indexed } of shape.fields) event[name] = indexed ? values[row[at]] : row[at];
    return event;
  });
}

/** The last position in a sorted list whose key is at most the value; -1 if there is none. */
function lastUpTo(list, value, key = (item) => item) {
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (key(list[middle]) <= value) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

const fromOf = (span) => span.from;

/** A task over time. `run` counts from 0. */
class Lane {
  constructor(id, run, first) {
    Object.assign(this, { id, run, first, last: first, name: null, place: null, by: null, size: null });
    /** `{from, state, waits, isStranded}`: from that index on, until the next one. */
    this.spans = [];
    /** `{from, to}` of each poll. */
    this.polls = [];
    /** Indices of its events, and of those that queued it. */
    this.events = [];
    this.wakes = [];
    this.isBlocking = false;
    /** The index of its cancel. */
    this.cancelled = -1;
    /** Its findings: `{finding, index}`, in the order of the events. */
    this.findings = [];
    /** What the task waits for, as its current poll reported, and the sources where it left its waker. */
    this.waits = null;
    this.sources = [];
    /** No waker of it is left. */
    this.isStranded = false;
    /** Its row in the chart. */
    this.row = -1;
  }

  become(state, from, waits = null) {
    const last = this.spans.at(-1);
    if (last?.from === from) Object.assign(last, { state, waits });
    else this.spans.push({ from, state, waits });
  }

  get state() {
    return this.spans.at(-1)?.state ?? null;
  }

  spanAt(index) {
    return this.spans[lastUpTo(this.spans, index, fromOf)];
  }

  /** The latest of its events of one of these kinds, up to an index. */
  latest(history, index, kinds) {
    return this.latestWhere(history, index, ({ event }) => kinds.includes(event));
  }

  /** The latest of its events, up to an index, for which `isIt` returns true. */
  latestWhere(history, index, isIt) {
    for (let at = lastUpTo(this.events, index); at >= 0; at--) {
      const event = history.events[this.events[at]];
      if (isIt(event)) return event;
    }
    return null;
  }
}

/** The findings by event, with the tasks that they are about. */
function foundAt(findings) {
  const found = new Map();
  for (const finding of findings) {
    for (const [event, task] of [[finding.event, finding.task], ...finding.others]) {
      if (!found.has(event)) found.set(event, []);
      found.get(event).push({ finding, task });
    }
  }
  return found;
}

const FINAL = ["completed", "cancelled", "panicked"];
const isOver = (state) => FINAL.includes(state);

/** A whole recording, folded. */
class History {
  constructor(data) {
    Object.assign(this, { head: data.head, places: data.places, chains: data.chains });
    /** The functions of the runtime, the lists of them that events name, and the names of a state word's bits. */
    Object.assign(this, { codes: data.codes, codeLists: data.code_lists, bits: data.bits });
    this.files = new Map(Object.entries(data.files));
    /** The files that the page does not contain, and why. */
    this.leftOut = new Map(Object.entries(data.left_out));
    this.events = unpack(data);
    /** The numbers of the runs, in order of appearance. */
    this.runs = [...new Set(this.events.map(({ run }) => run))];
    /** What the lints found: `{kind, event, task, others, text, at}`, and the `lane` of that task. */
    this.findings = data.findings;
    this.lanes = [];
    this.timers = [];
    this.sources = [];
    /** The tasks by run, and the sources and timers by runtime: each numbers its own. */
    this.openRuns = new Map();
    this.runtimes = new Map();
    const found = foundAt(this.findings);
    for (const event of this.events) {
      this.fold(event);
      for (const { finding, task } of found.get(event.index) ?? []) this.mark(finding, task, event.index);
    }
    this.rows = rowsOf(this.lanes, [...this.runtimes.values()], this.events.length);
  }

  get end() {
    return this.events.length;
  }

  fold(event) {
    if (event.task !== undefined) {
      event.lane = event.event === "spawned" ? this.begin(event) : this.lane(event.task, event.index);
      event.lane.events.push(event.index);
      event.lane.last = event.index;
    }
    if (event.by?.task !== undefined) event.waker = this.lane(event.by.task, event.index);
    const { polls } = this.openIn(event);
    event.running = polls.at(-1)?.lane ?? null;
    this.runtimeOf(event);
    FOLD[event.event]?.(this, event, event.lane);
    event.runningAfter = this.openIn(event).polls.at(-1)?.lane ?? null;
  }

  /**
   * `polls`: `{lane, registered}` of each poll that is open; several when a task is dropped within another's. `injected`: the
   * spans of the tasks in the injection queue. `takes`: the thread was parked, and takes them before it polls a task.
   */
  openIn({ run }) {
    if (!this.openRuns.has(run)) this.openRuns.set(run, { tasks: new Map(), polls: [], injected: [], takes: false });
    return this.openRuns.get(run);
  }

  /** `waits`: `{from, to, timeout, sources, timers}` of each park of the thread. */
  runtimeOf({ runtime }) {
    const none = { runtime, timers: new Map(), sources: new Map(), waits: [], row: 0 };
    if (!this.runtimes.has(runtime)) this.runtimes.set(runtime, none);
    return this.runtimes.get(runtime);
  }

  /** Called during the fold, because the next run reuses the task's number. */
  mark(finding, task, index) {
    const lane = this.lane(task, index);
    lane.findings.push({ finding, index });
    if (task === finding.task && index === finding.event) finding.lane = lane;
  }

  begin({ task, index }) {
    const event = this.events[index];
    const lane = new Lane(task, event.run - 1, index);
    this.openIn(event).tasks.set(task, lane);
    this.lanes.push(lane);
    return lane;
  }

  /** A task that was spawned before the recording is added here. */
  lane(task, index) {
    const known = this.openIn(this.events[index]).tasks.get(task);
    if (known) return known;
    const lane = this.begin({ task, index });
    lane.become("suspended", index);
    return lane;
  }

  source(source, index) {
    const { runtime, sources } = this.runtimeOf(this.events[index]);
    let known = sources.get(source);
    if (!known) {
      known = { id: source, runtime, fd: null, name: null, from: index, to: this.end, waiters: [], open: [] };
      sources.set(source, known);
      this.sources.push(known);
    }
    return known;
  }

  timer(timer, index) {
    const { runtime, timers } = this.runtimeOf(this.events[index]);
    let known = timers.get(timer);
    if (!known) {
      known = { id: timer, runtime, place: null, deadline: null, from: index, to: this.end, end: null, lane: null };
      timers.set(timer, known);
      this.timers.push(known);
    }
    return known;
  }

  /** The state at an index, of the run and the runtime of the event there. */
  stateAt(index) {
    const { at: now, run, runtime } = this.events[index];
    const present = this.lanes.filter((lane) => lane.first <= index);
    const alive = present.filter((lane) => lane.run === run - 1 && !isOver(lane.spanAt(index)?.state));
    const at = (lane) => lane.spanAt(index);
    const queued = alive.filter((lane) => at(lane)?.state === "queued" && !lane.isBlocking);
    const isInjected = (lane) => at(lane).injected && !(at(lane).takenAt <= index);
    const place = (lane) => at(lane).takenAt ?? at(lane).from;
    const isThere = (thing) => thing.runtime === runtime && thing.from <= index && index < thing.to;
    return {
      now,
      alive,
      queue: queued.filter((lane) => !isInjected(lane)).sort((a, b) => place(a) - place(b) || at(a).from - at(b).from),
      injected: queued.filter(isInjected).sort((a, b) => at(a).from - at(b).from),
      running: this.runningAfter(index),
      timers: this.timers.filter(isThere).sort((a, b) => (a.deadline ?? 0) - (b.deadline ?? 0)),
      sources: this.sources.filter(isThere),
      reactor: this.waitAt(index),
    };
  }

  /** The task that is running after an event. A completed task is still in its last poll when it wakes its joiner. */
  runningAfter(index) {
    return this.events[index].runningAfter;
  }

  /** The thread's park that contains an index. */
  waitAt(index) {
    const { waits } = this.runtimeOf(this.events[index]);
    const wait = waits[lastUpTo(waits, index, fromOf)];
    return wait && index < wait.to ? wait : null;
  }

  /** The waiters of a source at an index. */
  waitersAt(source, index) {
    return source.waiters.filter((waiter) => waiter.from <= index && index < waiter.to);
  }

  /** The task that an event is about, or else that of the previous event of its run. */
  laneAt(index) {
    const { run } = this.events[index];
    for (let at = index; at >= 0; at--) {
      const { lane, running, run: of } = this.events[at];
      if (of === run && (lane ?? running)) return lane ?? running;
    }
    return null;
  }

  pollAt(lane, index) {
    const number = lastUpTo(lane.polls, index, fromOf);
    return number < 0 ? null : { ...lane.polls[number], number: number + 1 };
  }

  /** What caused an event: the index of an earlier one, or -1. */
  causeOf(event) {
    const { index, lane, waker, running } = event;
    const poll = (of) => (of ? (this.pollAt(of, index)?.from ?? -1) : -1);
    switch (event.event) {
      case "woken":
      case "cancelled":
      case "waker_dropped":
        if (waker) return poll(waker);
        if (event.by.timer !== undefined) return this.before(index, "timer_fired", (e) => e.timer === event.by.timer);
        if (event.by.source !== undefined)
          return this.before(index, "source_ready", (e) => e.source === event.by.source);
        return this.endThatWoke(event);
      case "spawned":
        return poll(waker ?? running);
      case "timer_fired":
      case "timer_cancelled":
        return event.timerIs.from < index ? event.timerIs.from : -1;
      case "source_ready":
        return event.waitersWere.at(-1)?.from ?? -1;
      case "wait_ends":
        return event.wait.from < index ? event.wait.from : -1;
    }
    if (!lane || event.event === "handed_over") return poll(running);
    // A task acts only in a poll; a blocking call has none.
    if (event.event !== "poll_begins" && poll(lane) >= 0) return poll(lane);
    const wake = lastUpTo(lane.wakes, index - 1);
    return wake < 0 ? -1 : lane.wakes[wake];
  }

  /** A thread of the pool wakes the task that joins a blocking call. Wakes by other threads have no recorded cause. */
  endThatWoke({ index, lane, run }) {
    const waits = lane.spans[lastUpTo(lane.spans, index - 1, fromOf)]?.waits ?? [];
    const awaited = waits.flatMap(({ leaf }) => Number(/^the end of task (\d+)/.exec(leaf)?.[1] ?? []));
    return this.before(index, "finished", (event) => event.run === run && event.lane.isBlocking && awaited.includes(event.task));
  }

  /** The latest such event of the same runtime. The search is short: a wake follows its cause closely. */
  before(index, kind, isIt) {
    const { runtime } = this.events[index];
    for (let at = index - 1; at >= Math.max(0, index - 10_000); at--) {
      const event = this.events[at];
      if (event.event === kind && event.runtime === runtime && isIt(event)) return at;
    }
    return -1;
  }
}

/** What each event changes. */
const FOLD = {
  run_begins(history, event) {
    history.openRuns.delete(event.run);
    // The waiters were tasks of the previous run.
    for (const source of history.runtimeOf(event).sources.values()) endWaiters(source, event.index, () => true);
  },
  spawned(history, event, lane) {
    const { place, by = null, size, index } = event;
    const name = event.name ?? (lane.id === 1 && by === null ? "main" : null);
    Object.assign(lane, { name, place, by, size });
    if (by !== null) event.waker = history.lane(by, index);
    lane.wakes.push(index);
    lane.become("queued", index);
  },
  woken: (history, event, lane) => ready(history, event, lane),
  cancelled(history, event, lane) {
    lane.cancelled = event.index;
    ready(history, event, lane);
  },
  poll_begins(history, { index }, lane) {
    const open = history.openIn(history.events[index]);
    if (open.takes || open.injected.includes(lane.spans.at(-1))) takeInjected(open, index);
    open.polls.push({ lane, registered: [] });
    for (const source of lane.sources) endWaiters(source, index, (waiter) => waiter.lane === lane);
    [lane.sources, lane.waits, lane.isStranded] = [[], null, false];
    lane.polls.push({ from: index, to: history.end });
    lane.become("running", index);
  },
  waits(history, { index, waits }, lane) {
    lane.waits = waits;
    const leaves = waits.flatMap(({ leaf }) => /^(?:readable|writable) on (.*)$/.exec(leaf)?.[1] ?? []);
    const registered = history.openIn(history.events[index]).polls.at(-1)?.registered ?? [];
    if (leaves.length === registered.length) registered.forEach((source, at) => (source.name = leaves[at]));
  },
  poll_ends(history, { index, end }, lane) {
    const poll = lane.polls.at(-1);
    if (poll?.to === history.end) poll.to = index;
    const open = history.openIn(history.events[index]);
    open.polls = open.polls.filter((poll) => poll.lane !== lane);
    if (end === "pending") lane.become("suspended", index, lane.waits);
    lane.spans.at(-1).isStranded = lane.isStranded;
    if (end === "pending_woken") lane.become("queued", index);
  },
  stranded(history, event, lane) {
    lane.isStranded = true;
    if (lane.state === "suspended") lane.spans.at(-1).isStranded = true;
  },
  finished(history, { index, how }, lane) {
    lane.become(how === "ready" ? "completed" : how, index);
  },
  blocking_queued(history, event, lane) {
    lane.isBlocking = true;
  },
  blocking_begins(history, { index }, lane) {
    lane.isBlocking = true;
    lane.become("blocking", index);
  },
  source_added(history, { source, fd, index }) {
    history.runtimeOf(history.events[index]).sources.delete(source);
    history.source(source, index).fd = fd;
  },
  source_removed(history, { source, index }) {
    const known = history.source(source, index);
    known.to = index;
    endWaiters(known, index, () => true);
    history.runtimeOf(history.events[index]).sources.delete(source);
  },
  source_left(history, { source, direction, index, running }) {
    const known = history.source(source, index);
    endWaiters(known, index, (waiter) => waiter.lane === running && waiter.direction === direction);
  },
  source_waits(history, event) {
    const { source, direction, index, running } = event;
    const known = history.source(source, index);
    event.sourceIs = known;
    const waiter = { from: index, to: history.end, direction, lane: running };
    // A task that registers twice in a poll is one waiter.
    endWaiters(known, index, (other) => other.lane === running && other.direction === direction);
    known.waiters.push(waiter);
    known.open.push(waiter);
    running?.sources.push(known);
    history.openIn(event).polls.at(-1)?.registered.push(known);
  },
  source_ready(history, event) {
    const known = history.source(event.source, event.index);
    event.sourceIs = known;
    const all = event.woken >= known.open.length;
    const isFor = (direction) => event.readiness.some((word) => READY[direction].includes(word));
    const isWoken = ({ direction }) => event.woken > 0 && (all || isFor(direction));
    event.waitersWere = endWaiters(known, event.index, isWoken);
  },
  timer_set(history, event) {
    const { timer, place, deadline, slot = null, index, running } = event;
    history.runtimeOf(event).timers.delete(timer);
    event.timerIs = Object.assign(history.timer(timer, index), { place, deadline, slot, lane: running });
  },
  timer_fired: (history, event) => endTimer(history, event, "fired"),
  timer_cancelled: (history, event) => endTimer(history, event, "cancelled"),
  wait_begins(history, event) {
    takeInjected(history.openIn(event), event.index);
    event.wait = { from: event.index, to: history.end, timeout: event.timeout ?? null, sources: 0, timers: 0 };
    history.runtimeOf(event).waits.push(event.wait);
  },
  wait_ends(history, event) {
    const begun = history.runtimeOf(event).waits.at(-1);
    event.wait = begun?.to === history.end ? begun : { from: event.index };
    history.openIn(event).takes = event.wait === begun && begun.timeout !== 0;
    Object.assign(event.wait, { to: event.index, sources: event.sources, timers: event.timers });
  },
};

function ready(history, { index, queue }, lane) {
  lane.wakes.push(index);
  if (lane.state !== "suspended") return;
  lane.become("queued", index);
  if (queue !== "injection") return;
  const span = Object.assign(lane.spans.at(-1), { injected: true });
  history.openIn(history.events[index]).injected.push(span);
}

/** The thread takes the tasks of the injection queue. No event reports this: see `model.rs`. */
function takeInjected(open, index) {
  for (const span of open.injected) span.takenAt = index;
  [open.injected, open.takes] = [[], false];
}

/** The readiness that wakes waiters with interest in reading, and in writing. */
const READY = {
  read: ["readable", "read_closed", "urgent", "orphaned"],
  write: ["writable", "write_closed", "orphaned"],
};

/** Ends waiters, and returns them. */
function endWaiters(source, index, ends) {
  const ended = source.open.filter(ends);
  for (const waiter of ended) waiter.to = index;
  source.open = source.open.filter((waiter) => waiter.to > index);
  return ended;
}

function endTimer(history, event, end) {
  event.timerIs = Object.assign(history.timer(event.timer, event.index), { to: event.index, end });
  history.runtimeOf(event).timers.delete(event.timer);
}

/** Rows of the chart: one for each reactor, one for each task, and as few as possible for the blocking calls. */
function rowsOf(lanes, runtimes, end) {
  const rows = runtimes.map((runtime, row) => {
    runtime.row = row;
    return { kind: "reactor", lanes: [], waits: runtime.waits, number: runtimes.length > 1 ? runtime.runtime : null };
  });
  const pool = [];
  for (const lane of lanes) {
    if (!lane.isBlocking) {
      lane.row = rows.push({ kind: "task", lanes: [lane] }) - 1;
      continue;
    }
    const over = lane.spans.find((span) => isOver(span.state))?.from ?? end;
    let free = pool.find((row) => row.until <= lane.first);
    if (!free) pool.push((free = { kind: "pool", number: pool.length + 1, lanes: [] }));
    free.lanes.push(lane);
    free.until = over;
  }
  for (const row of pool) {
    const at = rows.push(row) - 1;
    for (const lane of row.lanes) lane.row = at;
  }
  return rows;
}
