// The runtime's own code behind an event, and what the event changed: the state word of its task, the readiness word of its
// source or the slot of its timer; and the queues.

function showRuntime(history, event, state) {
  showCode(history, event);
  document.querySelector("#words").replaceChildren(
    ...(stateWordOf(history, event) ?? readinessWordOf(event) ?? slotOf(event) ?? []),
    ...queuesOf(state),
  );
}

/** The functions that made the event, the innermost first. */
function showCode(history, event) {
  const functions = history.codeLists[event.code].map((number) => history.codes[number]);
  document.querySelector("#source h2").textContent = functions.map((code) => code.function).join(" ← ");
  const code = document.querySelector("#source pre");
  code.replaceChildren(
    ...functions.flatMap(({ path, function: name, first, lines, marked }) => [
      element("span", { className: "function" }, `${path} · ${name}`),
      ...lines.map((line, at) => sourceLine(line, first + at, at === marked)),
    ]),
  );
  const line = code.querySelector(".marked");
  code.scrollTop = Math.max(0, line.offsetTop - code.offsetTop - code.clientHeight / 2);
}

/** The word of the event's task: before and after its transition, or as it was left by the latest one. */
function stateWordOf(history, event) {
  const { lane } = event;
  if (!lane) return null;
  const heading = element("h2", {}, `State word of ${laneText(lane)}`);
  const changes = event.edge ? event : lane.latestWhere(history, event.index, ({ edge }) => edge !== undefined);
  if (!changes) return [heading, element("p", { className: "none" }, "The recording does not contain state words.")];
  const after = partsOf(changes, "after");
  if (changes !== event) return [heading, wordTable(history, [["now", after, after]])];
  const before = partsOf(changes, "before");
  const pushed = event.queue ? `, and pushed to the ${event.queue === "run" ? "run queue" : "injection queue"}` : "";
  const rows = before ? [["before", before, after], ["after", after, before]] : [["after", after, after]];
  return [heading, element("p", {}, element("b", {}, event.edge), pushed), wordTable(history, rows)];
}

function partsOf(event, side) {
  const bits = event[`${side}_bits`];
  if (bits === undefined) return null;
  return { bits, references: event[`${side}_references`], polls: event[`${side}_polls`] };
}

/** A row for each `[name, word, other]`: the parts of the word that differ from the other are highlighted. */
function wordTable(history, rows) {
  const changed = (differs) => (differs ? "changed" : "");
  const row = ([name, word, other]) => {
    const isSet = (at, { bits }) => (bits & (1 << at)) !== 0;
    const bits = history.bits.flatMap((bit, at) => {
      const [here, there] = [isSet(at, word), isSet(at, other)];
      if (here) return [element("span", { className: `bit ${changed(!there)}` }, bit)];
      return there && name === "after" ? [element("span", { className: "bit changed cleared" }, bit)] : [];
    });
    const counted = (number, noun, before) => {
      return element("span", { className: `bit ${changed(number !== before)}` }, count(number, noun));
    };
    const counts = [
      counted(word.references, "reference", other.references),
      counted(word.polls, "poll", other.polls),
    ];
    return element("tr", {}, element("th", {}, name), element("td", {}, ...bits, ...counts));
  };
  return element("table", {}, element("tbody", {}, ...rows.map(row)));
}

function readinessWordOf({ event, source, word }) {
  if (event !== "source_ready" && event !== "source_waits") return null;
  const heading = element("h2", {}, `Readiness word of source ${source}`);
  if (!word) return [heading, element("p", { className: "none" }, "The recording does not contain readiness words.")];
  const bits = word.readiness.map((name) => element("span", { className: "bit" }, name.toUpperCase()));
  return [heading, element("p", {}, ...(bits.length > 0 ? bits : ["no bit is set "]), count(word.reports, "report"))];
}

/** The slot is that of the event that set the timer. */
function slotOf({ timerIs }) {
  if (!timerIs) return null;
  const heading = element("h2", {}, `Slot of timer ${timerIs.id}`);
  if (!timerIs.slot) return [heading, element("p", { className: "none" }, "The recording does not contain the slot.")];
  const [wheel, slot] = timerIs.slot;
  const ticks = count(64 ** wheel, "tick");
  return [heading, element("p", {}, element("b", {}, `wheel ${wheel}, slot ${slot}`), ` of 0 to 63; a slot is ${ticks}`)];
}

/** Both queues as they are linked. The head of the injection queue is the task that was pushed last. */
function queuesOf({ queue, injected, reactor }) {
  const linked = (lanes) => ["head", ...lanes.map(({ id }) => `${id}`)].join(" → ");
  const isParked = injected.length === 0 && reactor && reactor.timeout !== 0;
  const none = isParked ? "head = PARKED" : "head = null";
  return [
    element("h2", {}, "Queues"),
    element("p", {}, "run queue: ", element("code", {}, queue.length > 0 ? linked(queue) : "empty")),
    element("p", {}, "injection queue: ", element("code", {}, injected.length > 0 ? linked([...injected].reverse()) : none)),
  ];
}
