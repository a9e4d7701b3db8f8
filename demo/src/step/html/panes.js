// The panes around the chart: the event in words, the state, the source, the list of events.

/** Makes an element. Properties that begin with a dash are attributes. */
function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("-")) made.setAttribute(name.slice(1), value);
    else made[name] = value;
  }
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

const LIST_ROW = 28;

class Panes {
  /** `actions`: `go(index)`, `showPlace(place)`. */
  constructor(history, actions) {
    Object.assign(this, { history, actions, filter: null, cursor: 0, hits: new Set() });
    this.showsRuntime = false;
    this.list = document.querySelector("#list");
    this.listed = null;
    this.list.addEventListener("scroll", () => this.showList());
    this.list.addEventListener("keydown", (event) => this.onListKey(event));
    new ResizeObserver(() => this.showList()).observe(this.list);
  }

  show(index) {
    const event = this.history.events[index];
    const state = this.history.stateAt(index);
    this.cursor = index;
    this.showEvent(event);
    this.showTask(event, state);
    this.showRest(event, state);
    document.querySelector("#source").classList.toggle("runtime", this.showsRuntime);
    document.querySelector("#words").hidden = !this.showsRuntime;
    if (this.showsRuntime) showRuntime(this.history, event, state);
    else this.showHome(homeOf(this.history, event));
    this.revealInList();
  }

  /** A sentence with links to tasks and places. */
  linked(parts) {
    return parts.map((part) => {
      if (part.lane) return this.laneLink(part.lane, part.isFirst);
      if (part.place) return this.placeLink(part.place);
      return part;
    });
  }

  laneLink(lane, isFirst = false) {
    const own = lane.events;
    const near = own[Math.max(0, lastUpTo(own, this.cursor))];
    return this.link(laneText(lane, isFirst), () => this.actions.go(near), `go to the latest event of ${laneText(lane)}`);
  }

  placeLink(place) {
    return this.link(placeText(place), () => this.showHome({ place }), "show this line");
  }

  eventLink(index) {
    const words = plain(sentence(this.history, this.history.events[index]));
    return this.link(`${index + 1}: ${words}`, () => this.actions.go(index), "go to this event");
  }

  /** An anchor and not a button: a line never breaks between an anchor and the comma after it. */
  link(text, action, title) {
    const onclick = (event) => {
      event.preventDefault();
      action();
    };
    return element("a", { className: "link", href: "#", title, onclick }, text);
  }

  showEvent(event) {
    const { events, end } = this.history;
    const since = event.index > 0 ? event.shownAt - events[event.index - 1].shownAt : 0;
    document.querySelector("#says").replaceChildren(...this.linked(sentence(this.history, event)));
    const facts = [`event ${event.index + 1} of ${end}`, `at ${time(event.at)}`];
    if (this.history.runs.length > 1) facts.push(`run ${event.run}`);
    if (since > 0) facts.push(`${time(since)} after the previous event`);
    const kind = element("code", {}, event.event);
    document.querySelector("#facts").replaceChildren(facts.join(" · "), " · ", kind);
    const cause = this.history.causeOf(event);
    const causedBy = cause < 0 ? ["no recorded cause"] : ["caused by event ", this.eventLink(cause)];
    document.querySelector("#cause").replaceChildren(...causedBy);
  }

  showTask(event, state) {
    const lane = this.history.laneAt(event.index);
    const place = document.querySelector("#task");
    this.lane = lane;
    if (!lane) return place.replaceChildren(element("p", { className: "none" }, "There is no task yet."));
    const now = this.factsOf(lane, event.index);
    const chip = element(
      "span",
      { className: `chip ${now.state}` },
      stateWord(now.state) + (now.isWoken ? ", woken during this poll" : ""),
    );
    const heading = element("h2", {}, laneText(lane), " ", chip);
    place.replaceChildren(
      heading,
      this.definitions(this.about(lane, now, state)),
      ...this.waitsOf(now, event.index, lane),
      ...lane.findings.flatMap(({ finding, index }) => this.findingWords(finding, index, lane)),
    );
  }

  /** A finding about a task. Its text names one task, and says how many others it holds for. */
  findingWords({ kind, text, lane: named }, index, lane) {
    const link = this.link(`event ${index + 1}`, () => this.actions.go(index), "go to this event");
    const same = named === lane ? [] : ["as for ", this.laneLink(named), ": "];
    return [element("h3", {}, `Wrong: ${kind}, at `, link), element("p", { className: "finding" }, ...same, text)];
  }

  factsOf(lane, index) {
    const span = lane.spanAt(index);
    const wakeAt = lastUpTo(lane.wakes, index);
    const wake = wakeAt < 0 ? null : lane.wakes[wakeAt];
    const isWoken = span?.state === "running" && wake > span.from;
    const begun = lastUpTo(lane.polls, index, fromOf) + 1;
    // The last run of a cancelled task only drops its future.
    const polls = begun > 0 && lane.spanAt(lane.polls[begun - 1].to)?.state === "cancelled" ? begun - 1 : begun;
    const marks = ["stranded", "poll_begins", "woken", "cancelled", "finished"];
    const isStranded = lane.latest(this.history, index, marks)?.event === "stranded";
    return { state: span?.state ?? "not spawned yet", span, wake, isWoken, polls, isStranded };
  }

  about(lane, now, state) {
    const { events, places, head } = this.history;
    const since = now.span ? state.now - events[now.span.from].at : 0;
    const queue = state.queue.indexOf(lane);
    const known = lane.place !== null;
    const outside = head.dropped > 0 ? "before the kept events" : "before the recording";
    return [
      ["since", now.span ? `event ${now.span.from + 1}${since > 0 ? `, ${time(since)} ago` : ""}` : "–"],
      queue >= 0 && ["in the queue", `${ordinal(queue + 1)} of ${state.queue.length}`],
      lane.isBlocking ? ["is", "a blocking call, on a thread of the pool"] : ["polls", `${now.polls}`],
      ["spawned", ...(known ? ["at ", this.placeLink(places[lane.place])] : [outside])],
      lane.by !== null && ["by", this.laneLink(events[lane.first].waker ?? lane)],
      lane.size !== null && ["size", count(lane.size, "byte")],
      now.wake !== null && ["last wake", this.eventLink(now.wake)],
      now.isStranded && ["wakers", "none is left: only a cancel can run it again"],
    ].filter(Boolean);
  }

  definitions(entries) {
    const pairs = entries.flatMap(([name, ...what]) => [element("dt", {}, name), element("dd", {}, ...what)]);
    return element("dl", {}, ...pairs);
  }

  waitsOf(now, index, lane) {
    const said = now.state === "running" ? lane.latest(this.history, index, ["waits", "poll_begins"])?.waits : null;
    const waits = now.span?.waits ?? said;
    const heading = (words) => element("h3", {}, words);
    if (now.state !== "suspended" && !said) return [];
    if (!waits?.length)
      return [heading("Waits for"), element("p", { className: "none" }, "something that it does not report")];
    return waits.flatMap(({ leaf, chain, times = 1 }, at) => {
      const kind = element("span", { className: `wait ${kindOf(leaf)}`, "-title": KINDS[kindOf(leaf)] });
      const frames = this.framesAfter(waits[at - 1]?.chain, chain);
      const what = element("p", { className: "leaf" }, kind, times > 1 ? `${times} × ${leaf}` : leaf);
      return [
        heading(at > 0 ? "or for" : "Waits for"),
        what,
        element("ol", { className: "chain" }, ...frames),
      ];
    });
  }

  /** The frames of a chain, without those that the previous leaf's chain shares. */
  framesAfter(before, chain) {
    const [other, frames] = [this.history.chains[before] ?? [], this.history.chains[chain]];
    const same = frames.findIndex(
      (frame, at) => frame.function !== other[at]?.function || frame.line !== other[at]?.line,
    );
    const shared = same < 0 ? frames.length : same;
    const rest = frames.slice(shared).map((frame) => this.frame(frame));
    return shared > 0 ? [element("li", {}, "…"), ...rest] : rest;
  }

  frame(frame) {
    const words = [element("code", {}, frame.function)];
    if (frame.file) words.push(" at ", this.placeLink(frame));
    return element("li", {}, ...words);
  }

  showRest(event, state) {
    const lists = [
      ["running", "Running", state.running ? [[this.laneLink(state.running)]] : [], "nothing"],
      ["queue", "Run queue", state.queue.map((lane) => [this.laneLink(lane)]), "empty"],
      ["timers", "Timers", state.timers.map((timer) => this.timerWords(timer, state.now)), "none is set"],
      [
        "sources",
        "Sources",
        state.sources.map((source) => this.sourceWords(source, event.index)),
        "none is registered",
      ],
    ];
    for (const [id, title, entries, none] of lists) this.showEntries(id, title, entries, none);
  }

  showEntries(id, title, entries, none) {
    const most = 40;
    const heading = element("h2", {}, title, " ", element("span", { className: "count" }, `${entries.length}`));
    const shown = entries.slice(0, most).map((entry) => element("li", {}, ...entry));
    if (entries.length > most) shown.push(element("li", { className: "none" }, `and ${entries.length - most} more`));
    const body = shown.length > 0 ? element("ol", {}, ...shown) : element("p", { className: "none" }, none);
    document.querySelector(`#${id}`).replaceChildren(heading, body);
  }

  timerWords({ id, deadline, lane }, now) {
    const left = deadline === null ? "unknown" : deadline <= now ? "now" : `in ${time(deadline - now)}`;
    return [element("b", {}, left), ` timer ${id}`, ...(lane ? [" of ", this.laneLink(lane)] : [])];
  }

  sourceWords(source, index) {
    const waiters = this.history.waitersAt(source, index);
    const words = waiters.flatMap(({ lane, direction }, at) => {
      return [at > 0 ? ", " : " ← ", lane ? this.laneLink(lane) : "an unknown task", ` to ${direction}`];
    });
    return [source.name ? `${source.id}  ${source.name}` : `${source.id}`, ...words];
  }

  // The source.

  showHome(home) {
    const frame = home?.chain?.findLast((frame) => this.history.files.has(frame.file)) ?? home?.chain?.at(-1);
    const place = home?.place ?? frame;
    const title = document.querySelector("#source h2");
    const code = document.querySelector("#source pre");
    title.textContent = place ? placeText(place) : "Source";
    const piece = place && this.pieceOf(place);
    if (!piece) {
      return code.replaceChildren(element("span", { className: "none" }, this.whyNoSource(place)));
    }
    const lines = piece.lines.map((line, at) => sourceLine(line, piece.first + at, piece.first + at === place.line));
    code.replaceChildren(...lines);
    const marked = code.querySelector(".marked");
    code.scrollTop = marked.offsetTop - code.offsetTop - code.clientHeight / 2 + marked.offsetHeight / 2;
  }

  whyNoSource(place) {
    if (!place) return "This event has no source location.";
    return this.history.files.has(place.file)
      ? `The file has no line ${place.line}, so it is not the file that ran. Pass --source DIR to name the right directory.`
      : `The page does not contain this file: ${this.history.leftOut.get(place.file) ?? "it was not found"}.`;
  }

  pieceOf({ file, line }) {
    return this.history.files.get(file)?.find(({ first, lines }) => first <= line && line < first + lines.length);
  }

  // The list of events. Only the rows in view exist.

  setFilter(lane) {
    this.filter = lane;
    const touches = (event) => event.lane === lane || event.waker === lane || (event.running === lane && !event.lane);
    this.listed = lane ? this.history.events.filter(touches).map((event) => event.index) : null;
    this.revealInList();
  }

  /** ↑ and ↓ choose the previous and the next listed event. */
  onListKey(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const { cursor, listed } = this;
    if (!listed) return this.actions.go(cursor + step, false);
    const to = listed[step > 0 ? lastUpTo(listed, cursor) + 1 : lastUpTo(listed, cursor - 1)];
    if (to !== undefined) this.actions.go(to, false);
  }

  get listLength() {
    return this.listed ? this.listed.length : this.history.end;
  }

  revealInList() {
    const at = this.listed ? Math.max(0, lastUpTo(this.listed, this.cursor)) : this.cursor;
    const { scrollTop, clientHeight } = this.list;
    const [top, bottom] = [at * LIST_ROW, (at + 1) * LIST_ROW];
    document.querySelector("#rows").style.height = `${this.listLength * LIST_ROW}px`;
    if (top < scrollTop || bottom > scrollTop + clientHeight)
      this.list.scrollTop = top - clientHeight / 2 + LIST_ROW / 2;
    this.showList();
  }

  showList() {
    const first = Math.max(0, Math.floor(this.list.scrollTop / LIST_ROW) - 4);
    const last = Math.min(this.listLength, first + Math.ceil(this.list.clientHeight / LIST_ROW) + 8);
    const rows = [];
    for (let at = first; at < last; at++) rows.push(this.listRow(this.listed ? this.listed[at] : at, at));
    const chosen = rows.find((row) => row.ariaSelected === "true");
    document.querySelector("#rows").replaceChildren(...rows);
    if (chosen) this.list.setAttribute("aria-activedescendant", chosen.id);
    else this.list.removeAttribute("aria-activedescendant");
  }

  listRow(index, at) {
    const event = this.history.events[index];
    const isChosen = index === this.cursor;
    const run = this.history.runs.length > 1 ? `run ${event.run}: ` : "";
    const words = run + plain(sentence(this.history, event));
    const properties = {
      id: `row-${index}`,
      className: `row${this.hits.has(index) ? " hit" : ""}`,
      "-role": "option",
      "-aria-selected": `${isChosen}`,
      title: words,
      onclick: () => this.actions.go(index),
    };
    const cells = [
      element("span", { className: "number" }, `${index + 1}`),
      element("span", { className: "at" }, time(event.at)),
    ];
    const row = element("div", properties, ...cells, element("span", { className: "words" }, words));
    row.style.top = `${at * LIST_ROW}px`;
    return row;
  }
}

const KEYWORDS =
  "as async await break const continue crate dyn else enum extern fn for if impl in let loop match mod move mut pub " +
  "ref return self Self static struct super trait type unsafe use where while";

const RUST = new RegExp(
  [
    String.raw`(?<comment>\/\/.*$)`,
    String.raw`(?<string>"(?:\\.|[^"\\])*"|b?'(?:\\.|[^'\\])')`,
    String.raw`(?<keyword>\b(?:${KEYWORDS.replaceAll(" ", "|")})\b)`,
    String.raw`(?<number>\b\d[\d_.]*\b)`,
  ].join("|"),
  "g",
);

function sourceLine(text, number, isMarked) {
  const parts = [];
  let done = 0;
  for (const match of text.matchAll(RUST)) {
    const [kind] = Object.entries(match.groups).find(([, found]) => found !== undefined);
    parts.push(text.slice(done, match.index), element("span", { className: kind }, match[0]));
    done = match.index + match[0].length;
  }
  parts.push(text.slice(done));
  const gutter = element("span", { className: "number", "-aria-hidden": "true" }, `${number}`);
  const mark = isMarked ? { className: "line marked", "-aria-current": "true" } : { className: "line" };
  return element("span", mark, gutter, ...parts, "\n");
}
