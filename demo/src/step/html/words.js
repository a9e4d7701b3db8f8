// What events, waits and times are called. A sentence is a list of texts and of things that one can go to:
// `{lane}`, `{place}`, `{code}`.

const ordinal = (n) => `${n}${["th", "st", "nd", "rd"][n % 100 > 10 && n % 100 < 14 ? 0 : n % 10] ?? "th"}`;
const count = (n, one, many = `${one}s`) => `${n} ${n === 1 ? one : many}`;

const UNITS = [
  ["s", 1e9],
  ["ms", 1e6],
  ["µs", 1e3],
];

const unitOf = (nanoseconds) => UNITS.find(([, size]) => Math.abs(nanoseconds) >= size) ?? ["ns", 1];

/** Nanoseconds, with three digits that count. */
function time(nanoseconds) {
  const [unit, size] = unitOf(nanoseconds);
  const value = nanoseconds / size;
  const digits = unit === "ns" || Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return `${value.toFixed(digits).replace(/\.0+$/, "")} ${unit}`;
}

/** A time on an axis, with the digits that tell it from one that is a step later. */
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
  return / made at \S+:\d+:\d+$/.test(leaf) ? "sync" : "other";
}

/** Of several leaves, the one that the task is there for: a time limit is beside something else. */
function mainWait(waits) {
  const rank = { source: 0, sync: 1, other: 2, join: 3, timer: 4 };
  return [...(waits ?? [])].sort((a, b) => rank[kindOf(a.leaf)] - rank[kindOf(b.leaf)])[0] ?? null;
}

/** The words that fit beside a bar. */
function short(leaf) {
  const words = leaf
    .replace(/ \((made|spawned) at [^)]*\)$/, "")
    .replace(/ made at \S+$/, "")
    .replace(/^sleep for another /, "sleep ")
    .replace(/ on the /, " · ")
    .replace(/^the end of /, "end of ");
  return words.replace(/`/g, "");
}

const KINDS = {
  timer: "a timer",
  source: "a socket or file",
  sync: "another task (a channel, a lock, …)",
  join: "the end of a task",
  other: "something else",
  unknown: "nobody said what",
};

const who = (by, waker) => {
  if (waker) return { lane: waker };
  if (by.timer !== undefined) return `timer ${by.timer}`;
  if (by.source !== undefined) return `source ${by.source}`;
  return `the thread “${by.thread}”`;
};

const sourceName = (source) => (source?.name ? `source ${source.id} (${source.name})` : `source ${source?.id}`);

/** A sentence for each kind of event. */
const SENTENCES = {
  run_begins: () => ["The run begins: tasks are numbered from 1."],
  run_ends: () => ["The run ends: all its tasks are gone."],
  spawned(h, { lane, waker, place }) {
    const at = [" at ", { place: h.places[place] }];
    return waker ? [{ lane: waker }, " spawns ", { lane }, ...at] : [{ lane }, " is spawned", ...at];
  },
  handed_over(h, { lane, kind, place, running }) {
    const giver = running && running !== lane ? [{ lane: running }, " hands "] : ["Handed over: "];
    return [...giver, { lane }, ` what it waited for at the ${kind} made at `, { place: h.places[place] }];
  },
  woken: (h, event) => wakeSentence(h, event),
  cancelled(h, { by, waker, lane, reason }) {
    return [who(by, waker), " cancels ", { lane }, reason ? `: “${reason}”` : ""];
  },
  asked: (h, { lane }) => [{ lane }, " is polled without a wake, to learn its await chain"],
  lost_wake: (h, { lane }) => [{ lane }, " made progress without a wake: its wake was lost"],
  waker_dropped: (h, { by, waker, lane }) => ["The last waker of ", { lane }, " is dropped by ", who(by, waker), ", without a wake"],
  poll_begins(h, { lane, index }) {
    const { number, to } = h.pollAt(lane, index);
    // A cancel that a shield puts off has polls like any other until then.
    if (lane.spanAt(to).state === "cancelled")
      return [{ lane }, " runs once more: cancelled, it drops its future"];
    return [{ lane }, ` is polled for the ${ordinal(number)} time`];
  },
  waits(h, { lane, waits }) {
    if (waits.length === 0) return [{ lane }, " is about to wait and does not say what for"];
    const leaves = waits.map(({ leaf, times = 1 }) => (times > 1 ? `${times} × ${leaf}` : leaf));
    return [{ lane }, " is about to wait: ", leaves.join(", or ")];
  },
  poll_ends(h, { lane, end }) {
    if (end === "pending") return [{ lane }, " gives way and waits"];
    if (end === "pending_woken") return [{ lane }, " gives way; woken meanwhile, it joins the end of the queue"];
    return ["The last poll of ", { lane }, " is over"];
  },
  stranded(h, { lane, lost }) {
    return [
      "Nobody can wake ",
      { lane },
      lost ? " any more: its last waker was dropped" : ": it waits and left no waker",
    ];
  },
  panicked: (h, { lane, message }) => [{ lane }, message ? ` panics: “${message}”` : " panics"],
  finished(h, { lane, how }) {
    const words = {
      ready: " is done",
      cancelled: " was cancelled; its future is dropped",
      panicked: " ends in a panic",
    };
    return [{ lane }, words[how]];
  },
  output_dropped: (h, { lane }) => ["Nobody will take what ", { lane }, " returned: its handle is gone"],
  freed: (h, { lane }) => [{ lane }, " is freed: nobody refers to it any more"],
  slow_poll: (h, { lane, took }) => [`A slow poll: for ${time(took)}, `, { lane }, " lets nobody else run"],
  blocking_queued: (h, { lane }) => [{ lane }, " is a blocking call, and waits for a thread of the pool"],
  blocking_begins: (h, { lane }) => ["A thread of the pool begins the blocking call, ", { lane }],
  blocking_ends: (h, { lane }) => ["The blocking call, ", { lane }, ", returns"],
  source_added: (h, { source, fd }) => [
    `Source ${source} is registered, ${fd < 0 ? "a simulated socket" : `file descriptor ${fd}`}`,
  ],
  source_removed: (h, { source }) => [`Source ${source} is deregistered`],
  source_waits(h, { running, sourceIs, direction }) {
    const what = `until ${sourceName(sourceIs)} is ${direction === "read" ? "readable" : "writable"}`;
    return running ? [{ lane: running }, ` leaves its waker, ${what}`] : [`A waker is left, ${what}`];
  },
  source_left: (h, { source, direction }) => [`A waker is taken back from source ${source}, where it was left to ${direction}`],
  source_ready(h, { sourceIs, readiness, woken }) {
    const whom = woken === 0 ? "nobody waits for it yet" : `wakes ${count(woken, "task")}`;
    return [`${sourceName(sourceIs)} is ${readiness.join(", ") || "ready"}: ${whom}`];
  },
  timer_set(h, { timer, deadline, at, place, running }) {
    const what = `timer ${timer}, due in ${time(Math.max(0, deadline - at))}, at `;
    return [...(running ? [{ lane: running }, " sets "] : ["Set: "]), what, { place: h.places[place] }];
  },
  timer_cancelled: (h, { timer }) => [`Timer ${timer} is dropped before its time`],
  timer_fired: (h, { timer }) => [`Timer ${timer} is due`],
  wait_begins(h, { timeout }) {
    if (timeout === 0) return ["The reactor looks what is ready, and does not wait"];
    const limit = timeout === undefined ? "until something happens" : `for ${time(timeout)} at most`;
    return [`No task is ready: the thread sleeps, ${limit}`];
  },
  wait_ends(h, { sources, timers }) {
    return [`The reactor reports ${count(sources, "source")} ready and ${count(timers, "timer")} due`];
  },
  notified: () => ["Another thread interrupts the thread's sleep"],
};

function wakeSentence(history, { by, waker, lane, index }) {
  const before = history.events[index - 1];
  const self = waker === lane;
  const how = () => {
    if (before?.event === "handed_over" && before.lane === lane)
      return `, handing it what it waited for at the ${before.kind}`;
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

/** The line that woke a task: in a call; or where the timer was set. */
function wokenFrom(history, event) {
  const chain = history.chains[event.chain];
  if (chain?.some((frame) => frame.line > 0)) return { chain };
  const cause = event.by.timer === undefined ? -1 : history.causeOf(event);
  const place = cause < 0 ? undefined : history.places[history.events[cause].timerIs.place];
  return place ? { place, isTimer: true } : null;
}

/** The sentence of an event, with a capital. */
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

const laneText = ({ id, name }, isFirst = false) => `${isFirst ? "Task" : "task"} ${id}${name ? ` \`${name}\`` : ""}`;

/** Where in the source an event is at home: a place, a chain with the frame in it, or nothing. */
function homeOf(history, event) {
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
