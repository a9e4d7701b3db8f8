// The cursor, and everything that moves it: keys, buttons, search, findings. Buttons, keys and the help are one table.

const recorded = new History(JSON.parse(document.querySelector("#recording").textContent));
const find = (selector) => document.querySelector(selector);

const panes = new Panes(recorded, { go });
const chart = recorded.end > 0 ? new Chart(find("#chart canvas"), recorded, go) : null;
const been = [];
let cursor = 0;
let wanted = null;
let hits = [];

/** Chooses an event. The panes are updated at most once for each frame, however fast the keys come. */
function go(index, isJump = true) {
  const to = Math.min(Math.max(index, 0), recorded.end - 1);
  if (to === cursor && wanted !== null) return;
  if (isJump && to !== cursor) been.push(cursor);
  cursor = to;
  const { lane, running } = recorded.events[cursor];
  chart.choose(cursor, (lane ?? running)?.row ?? 0);
  wanted ??= requestAnimationFrame(show);
}

function show() {
  wanted = null;
  panes.show(cursor);
  find("#filter").textContent = panes.filter ? `Only ${laneText(panes.filter)}` : "All tasks";
  find("#filter").setAttribute("aria-pressed", `${panes.filter !== null}`);
  find("#filter").disabled = !panes.filter && !panes.lane;
  find("#chart canvas").setAttribute("aria-label", `Chart of the tasks. ${find("#says").textContent}`);
  buttonOf("back").disabled = been.length === 0;
  buttonOf("cause").disabled = recorded.causeOf(recorded.events[cursor]) < 0;
}

/** Goes to the next event, forwards or backwards, for which `isIt` returns true. */
function seek(step, isIt) {
  for (let at = cursor + step; at >= 0 && at < recorded.end; at += step) {
    if (isIt(recorded.events[at])) return go(at, false);
  }
  say(step > 0 ? "There is no later one." : "There is no earlier one.");
}

const of =
  (...kinds) =>
  (event) =>
    kinds.includes(event.event);

function seekSame(step) {
  const { lane } = panes;
  if (lane) seek(step, (event) => event.lane === lane);
  else say("There is no task yet.");
}

function followCause() {
  const cause = recorded.causeOf(recorded.events[cursor]);
  if (cause >= 0) go(cause);
  else say("It has no recorded cause.");
}

function goBack() {
  const before = been.pop();
  if (before !== undefined) go(before, false);
  else say("There is no jump to go back from.");
}

/** Goes to an event, or says that it is the current one. */
function goOrSay(index, isJump, words) {
  if (index === cursor || index < 0 || index >= recorded.end) say(words);
  else go(index, isJump);
}

function toggleFilter() {
  if (!panes.filter && !panes.lane) return say("There is no task yet.");
  panes.setFilter(panes.filter ? null : panes.lane);
  wanted ??= requestAnimationFrame(show);
}

function say(words) {
  find("#said").textContent = words;
}

// Search.

let texts = null;

/** Finds the events whose sentence or kind contains the query. */
function search(query) {
  say("");
  hits = [];
  if (query.trim()) {
    texts ??= recorded.events.map((event) => `${plain(sentence(recorded, event))} ${event.event}`.toLowerCase());
    const literal = query
      .trim()
      .toLowerCase()
      .replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
    const pattern = new RegExp(/\d$/.test(literal) ? `${literal}(?!\\d)` : literal);
    hits = texts.flatMap((text, index) => (pattern.test(text) ? [index] : []));
    say(hits.length > 0 ? `${count(hits.length, "event")} found` : "Nothing found.");
  }
  chart.hits = hits;
  chart.redraw();
  panes.hits = new Set(hits);
  panes.showList();
}

let typing = null;

/** Searches while the user types; in a large recording, when the user pauses. */
function searchSoon() {
  clearTimeout(typing);
  typing = setTimeout(searchNow, recorded.end > 20_000 ? 200 : 0);
}

function searchNow() {
  clearTimeout(typing);
  search(find("#search").value);
}

function toSearch() {
  // In some browsers, select() does not move the focus.
  find("#search").focus();
  find("#search").select();
}

function nextHit(step) {
  if (hits.length === 0) return find("#search").value ? say("Nothing found.") : toSearch();
  const upTo = lastUpTo(hits, step > 0 ? cursor : cursor - 1);
  const at = (upTo + (step > 0 ? 1 : 0) + hits.length) % hits.length;
  go(hits[at], false);
  say(`${at + 1} of ${hits.length} found`);
}

// What is wrong.

function makeFindings() {
  const { findings } = recorded;
  find("#findings").textContent = count(findings.length, "finding");
  find("#findings").hidden = find("#wrong").hidden = findings.length === 0;
  find("#findings").onclick = showFindings;
  find("#findings-box ol").append(...findings.map((finding) => element("li", {}, findingButton(finding))));
}

function findingButton(finding) {
  const onclick = () => {
    find("#findings-box").close();
    go(finding.event);
  };
  const run = recorded.runs.length > 1 ? ` · run ${recorded.events[finding.event].run}` : "";
  const heading = [element("b", {}, finding.kind), ` · event ${finding.event + 1}${run}`];
  return element("button", { type: "button", onclick }, element("span", {}, ...heading), finding.text);
}

function showFindings() {
  if (recorded.findings.length === 0) return say("Nothing wrong was found.");
  find("#findings-box").showModal();
  find("#findings-box li button").focus();
}

// Commands.

const COMMANDS = [
  ["first", "Home", "⇤", "The first event", () => goOrSay(0, true, "This is the first event.")],
  ["previous", "ArrowLeft", "←", "The previous event", () => goOrSay(cursor - 1, false, "This is the first event.")],
  ["next", "ArrowRight", "→", "The next event", () => goOrSay(cursor + 1, false, "This is the last event.")],
  ["last", "End", "⇥", "The last event", () => goOrSay(recorded.end - 1, true, "This is the last event.")],
  ["task-before", "Shift+ArrowLeft", "← task", "This task's previous event", () => seekSame(-1)],
  ["task-next", "Shift+ArrowRight", "task →", "This task's next event", () => seekSame(1)],
  ["poll-before", "P", "← poll", "The previous poll", () => seek(-1, of("poll_begins"))],
  ["poll", "p", "poll →", "The next poll", () => seek(1, of("poll_begins"))],
  ["wake-before", "W", "← wake", "The previous wake", () => seek(-1, of("woken"))],
  ["wake", "w", "wake →", "The next wake", () => seek(1, of("woken"))],
  ["wait-before", "R", "← park", "The thread's previous park on the reactor", () => seek(-1, of("wait_begins"))],
  ["wait", "r", "park →", "The thread's next park on the reactor", () => seek(1, of("wait_begins"))],
  ["cause", "c", "cause", "The cause: for a poll its wake, for a wake the poll that called the waker", followCause],
  ["back", "b", "back", "Back to where you jumped from", goBack],
  ["wider", "+", "+", "Zoom in", () => chart.zoom(1.5)],
  ["narrower", "-", "−", "Zoom out", () => chart.zoom(1 / 1.5)],
  ["all", "0", "all", "Show the whole run", () => chart.showAll()],
  ["runtime", "m", "program", "Show the program's code or the runtime's own, with its words and queues", toggleRuntime],
  ["axis", "t", "by event", "Switch the axis: by event, every event is equally wide; by time, every millisecond is", toggleAxis],
  ["only", "f", null, "List all events or only this task's", toggleFilter],
  ["find", "/", null, "Search", toSearch],
  ["hit", "n", "↓", "The next hit", () => nextHit(1)],
  ["hit-before", "N", "↑", "The previous hit", () => nextHit(-1)],
  ["findings", "i", null, "What is wrong with this run", showFindings],
  ["theme", "d", "◐", "Dark or light", toggleTheme],
  ["help", "?", "?", "What the keys do", () => find("#help-box").showModal()],
].map(([id, key, sign, title, run]) => ({ id, key, sign, title, run, shown: keyName(key) }));

function keyName(key) {
  return key.replace("Shift+", "Shift ").replace("ArrowLeft", "←").replace("ArrowRight", "→").replace(/^-$/, "−");
}

const buttonOf = (id) => find(`[data-command="${id}"]`);

const AXES = {
  event: "Axis by event: every event is equally wide, however much time passes between two of them.",
  time: "Axis by time: distances are proportional to time, so events close in time overlap.",
};

function toggleAxis() {
  chart.setAxis(chart.axis === "event" ? "time" : "event");
  describeAxis();
}

/** The button shows the current axis; the line below the chart explains it. */
function describeAxis() {
  const other = chart.axis === "event" ? "time" : "event";
  buttonOf("axis").textContent = `by ${chart.axis}`;
  find("#axis").textContent = `${AXES[chart.axis]} Key t: by ${other}.`;
}

/** The button says which code is shown. */
function toggleRuntime() {
  panes.showsRuntime = !panes.showsRuntime;
  buttonOf("runtime").textContent = panes.showsRuntime ? "runtime" : "program";
  wanted ??= requestAnimationFrame(show);
}

function toggleTheme() {
  const { style } = document.documentElement;
  const isDark = getComputedStyle(document.documentElement).colorScheme === "dark";
  const prefersDark = matchMedia("(prefers-color-scheme: dark)").matches;
  const now = style.colorScheme ? isDark : prefersDark;
  style.colorScheme = now ? "light" : "dark";
  chart.recolour();
}

function onKey(event) {
  if (find("dialog[open]") || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target === find("#search")) return onSearchKey(event);
  const key = event.shiftKey && event.key.startsWith("Arrow") ? `Shift+${event.key}` : event.key;
  const command = COMMANDS.find((command) => command.key === (key === "=" ? "+" : key));
  if (!command) return;
  event.preventDefault();
  if (!command.id.startsWith("hit")) say("");
  command.run();
}

function onSearchKey(event) {
  if (event.key === "Enter") {
    event.preventDefault();
    event.target.blur();
    searchNow();
    nextHit(event.shiftKey ? -1 : 1);
  }
  if (event.key === "Escape") {
    event.target.value = "";
    searchNow();
    event.target.blur();
  }
}

function makeButtons() {
  for (const place of document.querySelectorAll("[data-commands]")) {
    for (const id of place.dataset.commands.split(" ")) {
      const { shown, sign, title, run } = COMMANDS.find((command) => command.id === id);
      const label = `${title} (key ${shown})`;
      const button = element("button", { type: "button", title: label, onclick: run, "-aria-label": label }, sign);
      button.dataset.command = id;
      place.append(button);
    }
  }
  const rows = COMMANDS.map(({ shown, title }) => {
    return element("tr", {}, element("td", {}, element("kbd", {}, shown)), element("td", {}, title));
  });
  find("#keys").append(...rows);
}

function describe() {
  const { program, simulated, dropped } = recorded.head;
  const last = recorded.events.at(-1).shownAt;
  const clock = simulated ? " on a simulated clock" : "";
  const missing = dropped > 0 ? ` The oldest ${count(dropped, "event")} ${dropped === 1 ? "is" : "are"} missing.` : "";
  document.title = `A run of "${program}"`;
  find("h1").textContent = document.title;
  const facts = [count(recorded.end, "event"), count(recorded.lanes.length, "task"), time(last)];
  if (recorded.runs.length > 1) facts.unshift(count(recorded.runs.length, "run"));
  // No line breaks between a number and its noun.
  find("#about").textContent = `${facts.join(", ").replaceAll(/(\d) /g, "$1\u00a0")}${clock}.${missing}`;
}

function begin() {
  makeButtons();
  describeAxis();
  makeFindings();
  describe();
  document.addEventListener("keydown", onKey);
  find("#filter").onclick = toggleFilter;
  find("#search").addEventListener("input", searchSoon);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => chart.recolour());
  // Without a number in the address, the page opens at the first wake: the events before it only set up the run.
  const firstWake = Math.max(0, recorded.events.findIndex(({ event }) => event === "woken"));
  const fromAddress = () => Number(/^#(\d+)$/.exec(location.hash)?.[1] ?? firstWake + 1) - 1;
  addEventListener("hashchange", () => go(fromAddress()));
  go(fromAddress(), false);
}

if (recorded.end > 0) begin();
else find("#says").textContent = "Nothing was recorded.";

/** For the browser's console and for tests. */
Object.assign(window, { recorded, chart, panes });
