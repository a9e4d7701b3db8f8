// Events, waits and times in words. A sentence is a list of texts and of things with a link: `{lane}`, `{place}`.

const ordinal = (n) => `${n}${["th", "st", "nd", "rd"][n % 100 > 10 && n % 100 < 14 ? 0 : n % 10] ?? "th"}`;
const count = (n, one, many = `${one}s`) => `${n} ${n === 1 ? one : many}`;

const UNITS = [
  ["s", 1e9],
  ["ms", 1e6],
  ["µs", 1e3],
];

const unitOf = (nanoseconds) => UNITS.find(([, size]) => Math.abs(nanoseconds) >= size) ?? ["ns", 1];

/** A time in nanoseconds, with three significant digits. */
function time(nanoseconds) {
  const [unit, size] = unitOf(nanoseconds);
  const value = nanoseconds / size;
  const digits = unit === "ns" || Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return `${value.toFixed(digits).replace(/\.0+$/, "")} ${unit}`;
}

/** A time on the axis, with enough digits to differ from the next tick. */
function timeOnAxis(nanoseconds, step) {
  const [unit, size] = unitOf(nanoseconds);
  const digits = Math.max(0, Math.ceil(Math.log10(size / step)));
  return `${(nanoseconds / size).toFixed(digits)} ${unit}`;
}

const placeText = ({ file, line }) => `${file}:${line}`;

/** What kind of thing a leaf waits for. */
function kindOf(leaf) {
  if (/^sleep /.test(leaf)) return "timer";
  if (/^(readable|writable) on /.test(leaf)) return "source";
  if (/^the end of /.test(leaf)) return "join";
  return / (made|created) at \S+:\d+:\d+$/.test(leaf) ? "sync" : "other";
}

/** The most informative of several leaves: a timer may be only a timeout around another leaf. */
function mainWait(waits) {
  const rank = { source: 0, sync: 1, other: 2, join: 3, timer: 4 };
  return [...(waits ?? [])].sort((a, b) => rank[kindOf(a.leaf)] - rank[kindOf(b.leaf)])[0] ?? null;
}

/** The words that fit beside a bar. */
function short(leaf) {
  return leaf
    .replace(/ \((made|created|spawned) at [^)]*\)$/, "")
    .replace(/ (made|created) at \S+$/, "")
    .replace(/^sleep for another /, "sleep ")
    .replace(/ on the /, " · ")
    .replace(/^the end of /, "end of ");
}

/** What a waiter is interested in. */
const INTERESTS = { read: "reading", write: "writing" };

/** The state of a task. A blocking call runs too, on a thread of the pool. */
const stateWord = (state) => (state === "blocking" ? "running" : state);

const KINDS = {
  timer: "a timer",
  source: "a socket or file",
  sync: "another task (a channel, a lock, …)",
  join: "the end of a task",
  other: "something else",
  unknown: "not reported",
};

const who = (by, waker) => {
  if (waker) return { lane: waker };
  if (by.timer !== undefined) return `timer ${by.timer}`;
  if (by.source !== undefined) return `source ${by.source}`;
  return `thread "${by.thread}"`;
};

const sourceName = (source) => (source?.name ? `source ${source.id} (${source.name})` : `source ${source?.id}`);

/** A sentence for each kind of event. */
const SENTENCES = {
  run_begins: () => ["The run begins: tasks are numbered from 1."],
  run_ends: () => ["The run ends: all its tasks have completed."],
  spawned(h, { lane, waker, place }) {
    const at = [" at ", { place: h.places[place] }];
    return waker ? [{ lane: waker }, " spawns ", { lane }, ...at] : [{ lane }, " is spawned", ...at];
  },
  handed_over(h, { lane, kind, place, running }) {
    const giver = running && running !== lane ? [" by ", { lane: running }] : [];
    return [{ lane }, " is handed what it waits for", ...giver, `, through the ${kind} created at `, { place: h.places[place] }];
  },
  woken: (h, event) => wakeSentence(h, event),
  cancelled(h, { by, waker, lane, reason }) {
    return [who(by, waker), " cancels ", { lane }, reason ? `: “${reason}”` : ""];
  },
  asked: (h, { lane }) => [{ lane }, " is polled without a wake, to learn its await chain"],
  lost_wake: (h, { lane }) => [{ lane }, " makes progress without a wake: its wake was lost"],
  waker_dropped: (h, { by, waker, lane }) => ["The last waker of ", { lane }, " is dropped by ", who(by, waker), ", without a wake"],
  poll_begins(h, { lane, index }) {
    const { number, to } = h.pollAt(lane, index);
    // A shielded task is still polled after its cancel.
    if (lane.spanAt(to).state === "cancelled")
      return [{ lane }, " runs once more, to drop its future: it was cancelled"];
    return [{ lane }, ` is polled for the ${ordinal(number)} time`];
  },
  waits(h, { lane, waits }) {
    if (waits.length === 0) return [{ lane }, " waits for something that it does not report"];
    const leaves = waits.map(({ leaf, times = 1 }) => (times > 1 ? `${times} × ${leaf}` : leaf));
    return [{ lane }, " waits for: ", leaves.join(", or ")];
  },
  poll_ends(h, { lane, end }) {
    if (end === "pending") return [{ lane }, " returns pending and is suspended"];
    if (end === "pending_woken") return [{ lane }, " returns pending and is queued again: it was woken during the poll"];
    return ["The last poll of ", { lane }, " ends"];
  },
  stranded(h, { lane, lost }) {
    return [{ lane }, ` is suspended, and ${lost ? "its last waker was dropped" : "left no waker"}: nothing can wake it`];
  },
  panicked: (h, { lane, message }) => [{ lane }, message ? ` panics: “${message}”` : " panics"],
  finished(h, { lane, how }) {
    const words = {
      ready: " completes: it returned, and its future is dropped",
      cancelled: " completes: it was cancelled, and its future is dropped",
      panicked: " completes: it panicked, and its future is dropped",
    };
    return [{ lane }, words[how]];
  },
  output_dropped(h, { lane, how }) {
    const what = how === "panicked" ? "an unobserved panic" : "an output that was never joined";
    return [{ lane }, ` has ${what}: its handle was dropped`];
  },
  freed: (h, { lane }) => [{ lane }, " is freed: its last waker and handle are gone"],
  slow_poll: (h, { lane, took }) => [{ lane }, ` held the thread for ${time(took)}`],
  blocking_queued: (h, { lane }) => [{ lane }, " is a blocking call, queued for a thread of the pool"],
  blocking_begins: (h, { lane }) => [{ lane }, " starts on a thread of the pool"],
  blocking_ends: (h, { lane }) => [{ lane }, " returns from its blocking call"],
  source_added: (h, { source, fd }) => [
    `Source ${source} is registered, ${fd < 0 ? "a simulated socket" : `file descriptor ${fd}`}`,
  ],
  source_removed: (h, { source }) => [`Source ${source} is deregistered`],
  source_waits(h, { running, sourceIs, direction }) {
    const what = `at ${sourceName(sourceIs)}, with interest in ${INTERESTS[direction]}`;
    return running ? [{ lane: running }, ` leaves its waker ${what}`] : [`A waker is left ${what}`];
  },
  source_left: (h, { source, direction }) => [
    `A waiter is removed from source ${source}, with interest in ${INTERESTS[direction]}`,
  ],
  source_ready(h, { sourceIs, readiness, woken }) {
    const words = readiness.join(", ").replaceAll("_", " ") || "ready";
    return [`${sourceName(sourceIs)} is ${words}: ${count(woken, "waiter")}`];
  },
  timer_set(h, { timer, deadline, at, place, running }) {
    const what = `timer ${timer}, due in ${time(Math.max(0, deadline - at))}, at `;
    return [...(running ? [{ lane: running }, " sets "] : ["New: "]), what, { place: h.places[place] }];
  },
  timer_cancelled: (h, { timer }) => [`Timer ${timer} is cancelled`],
  timer_fired: (h, { timer }) => [`Timer ${timer} fires`],
  wait_begins(h, { timeout }) {
    if (timeout === 0) return ["The thread polls the reactor"];
    const limit = timeout === undefined ? "without a time limit" : `for ${time(timeout)} at most`;
    return [`The thread parks on the reactor, ${limit}`];
  },
  wait_ends(h, { sources, timers }) {
    return [`The reactor reports ${count(sources, "source")} and ${count(timers, "timer")}`];
  },
  notified: () => ["The reactor is notified"],
};

function wakeSentence(history, { by, waker, lane, index }) {
  const before = history.events[index - 1];
  const self = waker === lane;
  const how = () => {
    if (before?.event === "handed_over" && before.lane === lane)
      return `, after handing over through the ${before.kind}`;
    const poll = waker && history.pollAt(waker, index);
    const last = waker?.spans.at(-1);
    const isEnd = poll && isOver(last.state) && poll.from <= last.from && last.from < index;
    return isEnd && !self ? " by ending" : "";
  };
  const span = lane.spanAt(index);
  const running = span?.state === "running" && !self ? ", which is running" : "";
  const verb = self ? [" wakes itself"] : [" wakes ", { lane }];
  const home = wokenFrom(history, history.events[index]);
  const place = home && !home.isTimer ? [", at ", { place: home.place ?? home.chain.findLast((frame) => frame.line > 0) }] : [];
  return [who(by, waker), ...verb, how(), running, ...place];
}

/** The line that woke a task: a call, or the creation of the timer. */
function wokenFrom(history, event) {
  const chain = history.chains[event.chain];
  if (chain?.some((frame) => frame.line > 0)) return { chain };
  const cause = event.by.timer === undefined ? -1 : history.causeOf(event);
  const place = cause < 0 ? undefined : history.places[history.events[cause].timerIs.place];
  return place ? { place, isTimer: true } : null;
}

/** The sentence for an event. */
function sentence(history, event) {
  const parts = SENTENCES[event.event](history, event).filter((part) => part !== "");
  if (parts[0].lane) parts[0].isFirst = true;
  else parts[0] = parts[0][0].toUpperCase() + parts[0].slice(1);
  return parts;
}

function plain(parts) {
  return parts
    .map((part) => (part.lane ? laneText(part.lane, part.isFirst) : part.place ? placeText(part.place) : part))
    .join("");
}

const laneText = ({ id, name }, isFirst = false) => `${isFirst ? "Task" : "task"} ${id}${name ? ` "${name}"` : ""}`;

/** The source of an event: a place, a chain with the frame in it, or null. */
function homeOf(history, event) {
  const at = history.findings.find((finding) => finding.event === event.index)?.at;
  if (at) return { place: { file: at[0], line: at[1] } };
  const { lane, index, running } = event;
  const chainOf = (waits) => (mainWait(waits) ? { chain: history.chains[mainWait(waits).chain] } : null);
  const place = (number) => (number === null || number === undefined ? null : { place: history.places[number] });
  const waited = (of, at) => {
    for (let span = lastUpTo(of.spans, at, fromOf); span >= 0; span--) {
      if (of.spans[span].waits) return chainOf(of.spans[span].waits);
    }
    return null;
  };
  switch (event.event) {
    case "waits":
      return chainOf(event.waits);
    case "waker_dropped":
      if (history.chains[event.chain]?.some((frame) => frame.line > 0)) return { chain: history.chains[event.chain] };
      break;
    case "woken":
      if (wokenFrom(history, event)) return wokenFrom(history, event);
      break;
    case "timer_fired":
    case "timer_cancelled":
      return place(event.timerIs.place);
    case "spawned":
    case "handed_over":
    case "timer_set":
    case "cancelled":
      if (event.place !== undefined) return place(event.place);
  }
  const of = lane ?? running ?? history.laneAt(index);
  return of ? (waited(of, index) ?? place(of.place)) : null;
}
