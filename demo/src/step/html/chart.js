// Draws the lanes on a canvas. It draws only what is in view, and merges what is narrower than a pixel, so the time to
// draw depends on the size of the canvas and not of the recording.

const AXIS = 28;
const DASHES = { timer: [2, 4], source: [], sync: [8, 4], join: [1, 0], other: [10, 3, 2, 3], unknown: [] };
/** With more events in view than this, only the chosen event's arrow is drawn. */
const MANY_ARROWS = 1500;
const SMALLEST = { event: 6, time: 50 };

class Chart {
  constructor(canvas, history, pick) {
    Object.assign(this, { canvas, history, pick, axis: "event", cursor: 0, top: 0, hits: [] });
    this.context = canvas.getContext("2d");
    this.pointers = new Map();
    new ResizeObserver(() => this.resize()).observe(canvas.parentElement);
    this.listen();
    this.recolour();
    this.resize();
    this.showAll();
    const readable = this.room / (this.width < 500 ? 10 : 15);
    if (history.end > readable) this.view = { from: -0.5, to: readable };
  }

  // Positions.

  get gutter() {
    return this.width < 500 ? 112 : 172;
  }

  get room() {
    return Math.max(50, this.width - this.gutter);
  }

  /** The ends of the axis. */
  get bounds() {
    const last = this.history.events.at(-1).shownAt;
    return this.axis === "event"
      ? { from: -0.5, to: this.history.end + 0.5 }
      : { from: -last / 50, to: last * 1.02 + 1 };
  }

  position(index) {
    if (this.axis === "event") return index;
    return this.history.events[Math.min(index, this.history.end - 1)].shownAt;
  }

  x(index) {
    const { from, to } = this.view;
    return this.gutter + ((this.position(index) - from) / (to - from)) * this.room;
  }

  /** The event whose column a point is in. */
  indexAt(x) {
    const { from, to } = this.view;
    const position = from + ((x - this.gutter) / this.room) * (to - from);
    const index = this.axis === "event" ? Math.floor(position) : lastUpTo(this.history.events, position, (e) => e.shownAt);
    return Math.min(Math.max(index, 0), this.history.end - 1);
  }

  /** The height of a row: larger if there are few. */
  get row() {
    return Math.min(Math.max(Math.floor((this.height - AXIS - 8) / this.history.rows.length), 28), 44);
  }

  /** Above and below a bar. */
  get margin() {
    return Math.round(this.row * 0.19);
  }

  y(row) {
    return AXIS + row * this.row - this.top;
  }

  get rowsInView() {
    const first = Math.max(0, Math.floor(this.top / this.row));
    return {
      first,
      last: Math.min(this.history.rows.length - 1, Math.floor((this.top + this.height - AXIS) / this.row)),
    };
  }

  // The view.

  resize() {
    const { width, height } = this.canvas.parentElement.getBoundingClientRect();
    const scale = window.devicePixelRatio || 1;
    [this.width, this.height] = [width, height];
    [this.canvas.width, this.canvas.height] = [Math.round(width * scale), Math.round(height * scale)];
    this.context.setTransform(scale, 0, 0, scale, 0, 0);
    if (this.view) this.look(this.view.from, this.view.to);
  }

  look(from, to) {
    const bounds = this.bounds;
    const size = Math.min(Math.max(to - from, SMALLEST[this.axis]), bounds.to - bounds.from);
    const start = Math.min(Math.max(from, bounds.from), bounds.to - size);
    this.view = { from: start, to: start + size };
    this.scroll(0);
  }

  scroll(by) {
    const most = this.history.rows.length * this.row + AXIS + 8 - this.height;
    this.top = Math.max(0, Math.min(this.top + by, most));
    this.redraw();
  }

  showAll() {
    this.look(this.bounds.from, this.bounds.to);
  }

  /** Zooms in by a factor. What is at `x` stays there. */
  zoom(times, x = null) {
    const { from, to } = this.view;
    const anchor = x ?? Math.min(Math.max(this.x(this.cursor), this.gutter), this.width);
    const part = (anchor - this.gutter) / this.room;
    const at = from + part * (to - from);
    const size = Math.max((to - from) / times, SMALLEST[this.axis]);
    this.look(at - part * size, at + (1 - part) * size);
  }

  pan(pixels) {
    const unit = (this.view.to - this.view.from) / this.room;
    this.look(this.view.from + pixels * unit, this.view.to + pixels * unit);
  }

  setAxis(axis) {
    const part = this.history.end / (this.view.to - this.view.from);
    this.axis = axis;
    const { from, to } = this.bounds;
    const size = Math.min(to - from, (to - from) / part);
    const at = this.position(this.cursor);
    this.look(at - size / 2, at + size / 2);
  }

  /** Chooses an event, and brings it and its lane into view. */
  choose(index, row) {
    this.cursor = index;
    const { from, to } = this.view;
    const at = this.position(index);
    const margin = (to - from) * 0.06;
    if (at < from + margin || at > to - margin) this.look(at - (to - from) * 0.35, at + (to - from) * 0.65);
    if (row >= 0) {
      const y = this.y(row);
      if (y < AXIS) this.scroll(y - AXIS - this.row);
      else if (y + this.row > this.height) this.scroll(y + 2 * this.row - this.height);
    }
    this.redraw();
  }

  redraw() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      this.draw();
    });
  }

  // The picture.

  recolour() {
    const probe = document.body.appendChild(document.createElement("i"));
    const names = ["page", "panel", "stripe", "ink", "quiet", "line", "accent", "running", "queued", "blocking", "wrong"];
    const read = (name) => ((probe.style.color = `var(--${name})`), getComputedStyle(probe).color);
    this.colours = Object.fromEntries([...names, ...Object.keys(KINDS)].map((name) => [name, read(name)]));
    this.font = getComputedStyle(document.body).fontFamily;
    probe.remove();
    this.hatch = hatch(this.context, this.colours.queued);
    this.redraw();
  }

  draw() {
    const { context, colours } = this;
    context.fillStyle = colours.panel;
    context.fillRect(0, 0, this.width, this.height);
    const range = { first: Math.max(0, this.indexAt(this.gutter) - 1), last: this.indexAt(this.width) + 1 };
    const rows = this.rowsInView;
    this.clipped(this.gutter, AXIS, () => {
      this.drawStripes(rows);
      this.drawCursor();
      for (let row = rows.first; row <= rows.last; row++) this.drawRow(this.history.rows[row], this.y(row), range);
      this.drawArrows(range);
    });
    this.clipped(this.gutter, 0, () => this.drawAxis());
    this.drawUnit();
    this.clipped(0, AXIS, () => this.drawNames(rows));
  }

  clipped(left, top, paint) {
    this.context.save();
    this.context.beginPath();
    this.context.rect(left, top, left === 0 ? this.gutter : this.room, top === 0 ? AXIS : this.height - top);
    this.context.clip();
    paint();
    this.context.restore();
  }

  drawStripes({ first, last }) {
    for (let row = first; row <= last; row++) {
      if (row % 2 === 0) continue;
      this.context.fillStyle = this.colours.stripe;
      this.context.fillRect(0, this.y(row), this.width, this.row);
    }
  }

  drawCursor() {
    const { context, colours } = this;
    const x = this.x(this.cursor);
    const width = this.axis === "event" ? Math.max(2, this.x(this.cursor + 1) - x) : 2;
    context.globalAlpha = width > 2 ? 0.16 : 1;
    context.fillStyle = colours.accent;
    context.fillRect(x, AXIS, width, this.height);
    context.globalAlpha = 1;
    context.fillRect(x - 0.75, AXIS, 1.5, this.height);
  }

  drawRow(row, y, range) {
    if (row.kind === "reactor") return this.drawWaits(row.waits, y, range);
    const { lanes } = row;
    for (
      let at = Math.max(
        0,
        lastUpTo(lanes, range.first, (lane) => lane.first),
      );
      at < lanes.length;
      at++
    ) {
      const lane = lanes[at];
      if (lane.first > range.last) break;
      this.drawSpans(lane, y, range);
      this.drawPolls(lane, y, range);
      this.drawEnd(lane, y, range);
      this.drawFindings(lane, y, range);
    }
  }

  drawWaits(waits, y, { first, last }) {
    let drawn = -Infinity;
    for (let at = Math.max(0, lastUpTo(waits, first, fromOf)); at < waits.length && waits[at].from <= last; at++) {
      const [from, to] = [this.x(waits[at].from), this.x(waits[at].to)];
      if (to <= drawn + 1) continue;
      drawn = Math.max(to, from + 1);
      this.bar(from, drawn - from, y + this.row / 2 - 4, 8, this.colours.quiet, 0.55);
      this.label(short(waitedFor(this.history, waits[at])), from, to, y);
    }
  }

  drawSpans({ spans }, y, { first, last }) {
    let drawn = -Infinity;
    for (let at = Math.max(0, lastUpTo(spans, first, fromOf)); at < spans.length && spans[at].from <= last; at++) {
      const span = spans[at];
      if (span.state === "running" || isOver(span.state)) continue;
      const [from, to] = [this.x(span.from), this.x(spans[at + 1]?.from ?? this.history.end)];
      if (to <= drawn + 1) continue;
      drawn = to;
      if (span.state === "suspended") this.wait(span, from, to, y);
      if (span.state === "queued") this.queued(from, to, y);
      if (span.state === "blocking") this.blocking(from, to, y);
    }
  }

  drawPolls({ polls }, y, { first, last }) {
    let drawn = -Infinity;
    for (let at = Math.max(0, lastUpTo(polls, first, fromOf)); at < polls.length && polls[at].from <= last; at++) {
      const from = this.x(polls[at].from);
      const to = Math.max(this.x(polls[at].to), from + 1.5);
      if (to <= drawn + 1) continue;
      drawn = to;
      this.bar(from, to - from, y + this.margin, this.row - 2 * this.margin, this.colours.running);
      // The right end has room for the sign of completion.
      const start = Math.max(from, this.gutter) + 7;
      if (to - start > 58) this.text(`poll ${at + 1}`, start, y, to - 16, this.colours.panel);
    }
  }

  /** The position of the sign of completion: in the last poll, if that is wide enough. */
  endAt(lane, end) {
    const poll = lane.polls.at(-1);
    const [from, to] = poll ? [this.x(poll.from), this.x(poll.to)] : [0, 0];
    return poll?.to >= end.from && to - from > 20 ? to - 11 : this.x(end.from) + 4;
  }

  /** The sign of completion tells returned, cancelled and panicked apart without colour. */
  drawEnd(lane, y, { first, last }) {
    const { spans } = lane;
    const end = spans.at(-1);
    if (!end || !isOver(end.state) || end.from < first - 2 || end.from > last) return;
    const sign = { completed: "✓", cancelled: "✕", panicked: "!" }[end.state];
    const colour = end.state === "completed" ? this.colours.source : this.colours.blocking;
    const { context } = this;
    context.fillStyle = this.colours.panel;
    context.strokeStyle = context.fillStyle;
    context.font = `bold 12px ${this.font}`;
    context.textBaseline = "middle";
    const x = this.endAt(lane, end);
    context.beginPath();
    context.arc(x, y + this.row / 2, 7, 0, 7);
    context.fill();
    context.strokeStyle = colour;
    context.lineWidth = 1.25;
    context.stroke();
    context.fillStyle = colour;
    context.textAlign = "center";
    context.fillText(sign, x, y + this.row / 2 + 0.5);
    context.textAlign = "left";
  }

  /** The findings, at the upper edge of the row, which is otherwise empty. */
  drawFindings({ findings }, y, { first, last }) {
    let drawn = -Infinity;
    for (const { index } of findings) {
      const x = this.x(index);
      if (index < first - 2 || index > last || x < drawn + 4) continue;
      this.wrongSign((drawn = x), y + 7);
    }
  }

  wait({ waits, isStranded }, from, to, y) {
    const { context } = this;
    const main = mainWait(waits);
    const kind = main ? kindOf(main.leaf) : "unknown";
    const lines = kind === "join" ? [-1.5, 1.5] : [0];
    context.strokeStyle = this.colours[kind];
    context.lineWidth = { join: 1.25, unknown: 1 }[kind] ?? 2.5;
    context.setLineDash(DASHES[kind]);
    context.beginPath();
    for (const line of lines) {
      context.moveTo(Math.max(from, this.gutter - 40), y + this.row / 2 + line);
      context.lineTo(Math.min(to, this.width + 40), y + this.row / 2 + line);
    }
    context.stroke();
    context.setLineDash([]);
    const words = main ? short(main.leaf) : isStranded ? "no waker is left" : null;
    if (words) this.label(words, from, to, y);
  }

  queued(from, to, y) {
    const { context } = this;
    const [top, height] = [y + 2 * this.margin - 1, this.row - 4 * this.margin + 2];
    const isNarrow = to - from <= 3;
    context.fillStyle = isNarrow ? this.colours.queued : this.hatch;
    context.fillRect(from, top, to - from, height);
    if (isNarrow) return;
    context.strokeStyle = this.colours.queued;
    context.lineWidth = 1;
    context.strokeRect(from + 0.5, top + 0.5, to - from - 1, height - 1);
  }

  blocking(from, to, y) {
    this.bar(from, Math.max(1.5, to - from), y + this.margin, this.row - 2 * this.margin, this.colours.blocking);
    if (to - from > 70) this.text("blocking call", Math.max(from, this.gutter) + 7, y, to, this.colours.panel);
  }

  bar(x, width, y, height, colour, alpha = 1) {
    const { context } = this;
    context.globalAlpha = alpha;
    context.fillStyle = colour;
    if (width < 4) {
      context.fillRect(x, y, width, height);
    } else {
      context.beginPath();
      context.roundRect(x, y, width, height, 3);
      context.fill();
    }
    context.globalAlpha = 1;
  }

  /** Words on a line, if there is room. */
  label(words, from, to, y) {
    const start = Math.max(from, this.gutter) + 10;
    const room = Math.min(to, this.width) - start - 10;
    if (room < 44) return;
    const { context } = this;
    context.font = `11px ${this.font}`;
    const shown = fitting(context, words, room - 8);
    const odd = Math.round((y + this.top - AXIS) / this.row) % 2 === 1;
    context.fillStyle = odd ? this.colours.stripe : this.colours.panel;
    context.fillRect(start - 1, y + this.row / 2 - 7, context.measureText(shown).width + 8, 14);
    this.text(shown, start + 3, y, to, this.colours.ink);
  }

  text(words, x, y, to, colour) {
    const { context } = this;
    context.font = `11px ${this.font}`;
    context.textBaseline = "middle";
    context.fillStyle = colour;
    context.fillText(fitting(context, words, to - x - 4), x, y + this.row / 2 + 0.5);
  }

  drawArrows({ first, last }) {
    const { events } = this.history;
    const chosen = events[this.cursor];
    if (last - first <= MANY_ARROWS) {
      for (let at = first; at < Math.min(last, events.length); at++) {
        if (at !== this.cursor) this.arrow(events[at], false);
      }
    }
    this.arrow(chosen, true);
  }

  /** The rows that the arrow of a wake, a spawn or a cancel connects; null for other events. */
  arrowOf(event) {
    if (!["woken", "cancelled", "spawned"].includes(event.event)) return null;
    if (event.from === undefined) {
      const waker = event.waker ?? (event.by?.thread && this.history.events[this.history.causeOf(event)]?.lane);
      const inside = event.by?.timer !== undefined || event.by?.source !== undefined;
      event.from = waker ? waker.row : inside ? this.history.runtimeOf(event).row : -1;
    }
    return event.from === event.lane.row ? null : { from: event.from, to: event.lane.row };
  }

  arrow(event, isChosen) {
    const rows = this.arrowOf(event);
    if (!rows) return;
    const { context, colours } = this;
    const x = this.x(event.index);
    const down = rows.to > rows.from;
    // From bar to bar. A waker without a row gets only the tip of an arrow.
    const { margin } = this;
    const from = rows.from < 0 ? this.y(rows.to) - 12 : this.y(rows.from) + (down ? this.row - margin : margin);
    const to = this.y(rows.to) + (down ? margin + 2 : this.row - margin - 2);
    if (Math.max(from, to) < AXIS || Math.min(from, to) > this.height) return;
    context.strokeStyle = context.fillStyle = isChosen ? colours.accent : colours.ink;
    context.globalAlpha = isChosen ? 1 : 0.5;
    context.lineWidth = isChosen ? 2.25 : 1;
    context.setLineDash(event.event === "spawned" ? [2, 2] : []);
    context.beginPath();
    context.moveTo(x, from);
    context.lineTo(x, to);
    context.stroke();
    context.setLineDash([]);
    const [wide, high] = isChosen ? [5, 9] : [3.5, 6];
    context.beginPath();
    context.moveTo(x, to);
    context.lineTo(x - wide, to + (down ? -high : high));
    context.lineTo(x + wide, to + (down ? -high : high));
    context.closePath();
    context.moveTo(x, from);
    context.arc(x, from, isChosen ? 3.5 : 2, 0, 7);
    context.fill();
    context.globalAlpha = 1;
  }

  drawAxis() {
    const { context, colours } = this;
    context.fillStyle = colours.panel;
    context.fillRect(this.gutter, 0, this.room, AXIS);
    context.fillStyle = colours.line;
    context.fillRect(this.gutter, AXIS - 1, this.room, 1);
    context.font = `11px ${this.font}`;
    context.textBaseline = "middle";
    const { from, to } = this.view;
    const step = niceStep(((to - from) / this.room) * (this.axis === "event" ? 90 : 120), this.axis === "event");
    const shift = this.axis === "event" ? 1 : 0; // people count events from 1
    const begins = Math.max(0, Math.ceil((from + shift) / step) * step - shift);
    // The number of ticks is limited: in a time of centuries, rounding may lose a step that is added to it.
    for (let tick = 0; tick < 1_000 && begins + tick * step <= to; tick++) {
      const at = begins + tick * step;
      const x = this.gutter + ((at - from) / (to - from)) * this.room;
      context.fillStyle = colours.line;
      context.fillRect(x, AXIS - 7, 1, 6);
      context.fillStyle = colours.quiet;
      context.fillText(this.axis === "event" ? `${Math.round(at + shift)}` : timeOnAxis(at, step), x + 4, AXIS / 2 - 1);
    }
    this.drawHits();
    const x = this.x(this.cursor);
    context.fillStyle = colours.accent;
    context.beginPath();
    context.moveTo(x - 6, AXIS - 9);
    context.lineTo(x + 6, AXIS - 9);
    context.lineTo(x, AXIS);
    context.fill();
  }

  /** The name of the axis and its unit, above the names of the rows. */
  drawUnit() {
    const { context, colours } = this;
    context.font = `11px ${this.font}`;
    context.textBaseline = "middle";
    context.textAlign = "right";
    context.fillStyle = colours.quiet;
    const words = this.axis === "event" ? "event number →" : "time since start →";
    context.fillText(words, this.gutter - 8, AXIS / 2 - 1);
    context.textAlign = "left";
  }

  drawHits() {
    let drawn = -Infinity;
    this.context.fillStyle = this.colours.queued;
    for (let at = Math.max(0, lastUpTo(this.hits, this.indexAt(this.gutter))); at < this.hits.length; at++) {
      const x = this.x(this.hits[at]);
      if (x > this.width) return;
      if (x < drawn + 2) continue;
      this.context.fillRect((drawn = x), 0, 2, 6);
    }
  }

  drawNames({ first, last }) {
    const { context, colours, history } = this;
    context.fillStyle = colours.panel;
    context.fillRect(0, AXIS, this.gutter, this.height);
    const state = (lane) => lane.spanAt(this.cursor)?.state;
    for (let row = first; row <= last; row++) {
      const { kind, lanes, number } = history.rows[row];
      const y = this.y(row);
      context.fillStyle = row % 2 ? colours.stripe : colours.panel;
      context.fillRect(0, y, this.gutter, this.row);
      const lane = kind === "task" ? lanes[0] : null;
      const there = lane && lane.first <= this.cursor && !isOver(state(lane));
      const isWrong = lanes.some((lane) => lane.findings.length > 0);
      const start = isWrong ? 26 : 12;
      const reactor = number ? `reactor ${number}` : "reactor";
      const words = lane ? nameOf(lane, history) : kind === "pool" ? `blocking calls ${number}` : reactor;
      context.font = `${there ? "600 " : ""}12px ${this.font}`;
      context.textBaseline = "middle";
      context.fillStyle = there || !lane ? colours.ink : colours.quiet;
      context.fillText(fitting(context, words, this.gutter - 24 - start), start, y + this.row / 2);
      if (isWrong) this.wrongSign(14, y + this.row / 2);
      if (lane && lane.first <= this.cursor) this.stateSign(state(lane), this.gutter - 14, y + this.row / 2);
    }
    context.fillStyle = colours.line;
    context.fillRect(this.gutter - 1, 0, 1, this.height);
  }

  /** A warning triangle. */
  wrongSign(x, y) {
    const { context, colours } = this;
    context.fillStyle = colours.wrong;
    context.beginPath();
    context.moveTo(x, y - 6);
    context.lineTo(x + 6.5, y + 5);
    context.lineTo(x - 6.5, y + 5);
    context.fill();
    context.fillStyle = colours.panel;
    context.fillRect(x - 0.75, y - 2.5, 1.5, 4);
    context.fillRect(x - 0.75, y + 2.5, 1.5, 1.5);
  }

  /** The state at the chosen event: a shape for each. */
  stateSign(state, x, y) {
    const { context, colours } = this;
    const fill = { running: colours.running, blocking: colours.blocking, queued: this.hatch };
    context.strokeStyle = { running: colours.running, queued: colours.queued }[state] ?? colours.quiet;
    context.lineWidth = 1.25;
    context.beginPath();
    if (state === "suspended") context.arc(x, y, 4, 0, 7);
    else if (!isOver(state)) context.rect(x - 4.5, y - 4.5, 9, 9);
    context.fillStyle = fill[state] ?? "transparent";
    context.fill();
    context.stroke();
    const sign = { completed: "✓", cancelled: "✕", panicked: "!" }[state];
    if (!sign) return;
    context.font = `bold 12px ${this.font}`;
    context.textAlign = "center";
    context.fillStyle = state === "completed" ? colours.source : colours.blocking;
    context.fillText(sign, x, y);
    context.textAlign = "left";
  }

  // The pointer.

  listen() {
    const { canvas } = this;
    const at = (event) => ({ x: event.offsetX, y: event.offsetY });
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.pointers.set(event.pointerId, at(event));
      this.moved = this.pointers.size > 1 ? Infinity : 0;
    });
    canvas.addEventListener("pointermove", (event) => this.drag(event.pointerId, at(event)));
    canvas.addEventListener("pointerup", (event) => {
      if (this.pointers.size === 1 && this.moved < 5) this.click(at(event));
      this.pointers.delete(event.pointerId);
    });
    canvas.addEventListener("pointercancel", (event) => this.pointers.delete(event.pointerId));
    canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
  }

  drag(id, to) {
    const from = this.pointers.get(id);
    if (!from) return;
    this.moved += Math.hypot(to.x - from.x, to.y - from.y);
    this.pointers.set(id, to);
    if (this.pointers.size === 2) {
      const [other] = [...this.pointers].filter(([key]) => key !== id).map(([, point]) => point);
      const apart = (point) => Math.max(10, Math.abs(point.x - other.x));
      this.zoom(apart(to) / apart(from), (to.x + other.x) / 2);
    } else if (this.moved >= 5) {
      this.pan(from.x - to.x);
      this.scroll(from.y - to.y);
    }
  }

  wheel(event) {
    event.preventDefault();
    const sideways = event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY);
    if (event.offsetX < this.gutter) this.scroll(event.deltaY);
    else if (sideways) this.pan(event.deltaX || event.deltaY);
    else this.zoom(Math.exp(-event.deltaY / 400), event.offsetX);
  }

  click({ x, y }) {
    const number = Math.floor((y - AXIS + this.top) / this.row);
    const row = y < AXIS ? null : this.history.rows[number];
    const index = x < this.gutter ? this.cursor : this.indexAt(x);
    const arrow = x < this.gutter ? null : this.arrowNear(x, y);
    this.pick(arrow ?? this.eventIn(row, index, x < this.gutter));
  }

  arrowNear(x, y) {
    const near = { distance: 5, index: null };
    for (let at = this.indexAt(x - 5); at <= this.indexAt(x + 5); at++) {
      const rows = this.arrowOf(this.history.events[at]);
      const distance = Math.abs(this.x(at) - x);
      if (!rows || distance >= near.distance) continue;
      const ends = [this.y(rows.from) + this.row / 2, this.y(rows.to) + this.row / 2];
      if (y >= Math.min(...ends) - 4 && y <= Math.max(...ends) + 4) Object.assign(near, { distance, index: at });
    }
    return near.index;
  }

  /** The event that a click chooses: the one that put the row into its state at that index. */
  eventIn(row, index, isName) {
    if (row?.kind === "reactor" && !isName) {
      const wait = row.waits[lastUpTo(row.waits, index, fromOf)];
      return wait && index < wait.to ? wait.from : index;
    }
    const lane =
      row?.lanes[
        Math.max(
          0,
          lastUpTo(row.lanes, index, (lane) => lane.first),
        )
      ];
    if (!lane) return index;
    const wide = this.axis === "event" && this.x(1) - this.x(0) >= 4;
    if (!isName && wide && lane.spanAt(index)?.state === "running") return index;
    return lane.events[Math.max(0, lastUpTo(lane.events, index))];
  }
}

const nameOf = (lane, history) => {
  const run = history.runs.length > 1 ? `${lane.run + 1}·` : "";
  return `${run}${lane.id}  ${lane.name ?? ""}`;
};

function waitedFor(history, { from, to }) {
  const until = history.events[Math.min(to, history.end - 1)].at; // of the same runtime
  return time(until - history.events[from].at);
}

/** The words, cut to the available width. */
function fitting(context, words, room) {
  if (context.measureText(words).width <= room) return words;
  let [low, high] = [0, words.length];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (context.measureText(`${words.slice(0, middle)}…`).width <= room) low = middle;
    else high = middle - 1;
  }
  return low > 1 ? `${words.slice(0, low)}…` : "";
}

/** The smallest of 1, 2, 5, 10, … that is at least `least`. */
function niceStep(least, whole) {
  const power = 10 ** Math.floor(Math.log10(Math.max(least, 1e-9)));
  const step = [1, 2, 5, 10].find((times) => times * power >= least) * power;
  return whole ? Math.max(1, Math.round(step)) : step;
}

function hatch(context, colour) {
  const tile = document.createElement("canvas");
  [tile.width, tile.height] = [6, 6];
  const pen = tile.getContext("2d");
  [pen.strokeStyle, pen.lineWidth] = [colour, 1.2];
  pen.beginPath();
  for (const shift of [-6, 0, 6]) {
    pen.moveTo(shift, 6);
    pen.lineTo(shift + 6, 0);
  }
  pen.stroke();
  return context.createPattern(tile, "repeat");
}
