// Going through a run decision by decision: a slider, the code where it stood, and the graph as it was known then.
//
// The data come in pages (views/travel.py tells what is in them); the graph is a copy of the one that is drawn already,
// and is only restyled.  The notebook's panel asks its kernel for pages, a report has them in it.

const TRAVEL_PACE = 1000; // milliseconds a step while it plays
const TRAVEL_PATIENCE = 150; // milliseconds before a page is asked for: a slider that is dragged passes many
const TRAVEL_KEPT = 40; // pages

export class TravelView {
  // `ask(first, known)` promises a page, or null where there is none to be had; `graph()` gives the SVG to copy, or null.
  constructor(ask, graph) {
    this.ask = ask;
    this.graph = graph;
    this.steps = new Map(); // number -> step, with all its states
    this.listings = new Map();
    this.order = []; // the first steps of the pages that are kept
    this.count = 0;
    this.at = null; // the step that is shown
    this.timer = this.later = 0;
    this.asking = false;
    this.closed = false;
    this.build();
  }

  build() {
    const button = (text, label, act) => {
      const b = travelPart("button", { type: "button", title: label, "aria-label": label }, text);
      b.addEventListener("click", act);
      return b;
    };
    this.previous = button("‹", "previous decision", () => this.go(this.at - 1));
    this.player = button("▶", "play", () => (this.timer ? this.pause() : this.play()));
    this.next = button("›", "next decision", () => this.go(this.at + 1));
    this.slider = travelPart("input", { type: "range", min: "0", max: "0", step: "1", value: "0", "aria-label": "decision" });
    this.slider.addEventListener("input", () => {
      this.pause();
      this.want(Number(this.slider.value));
    });
    // The keys of a slider are shortcuts of a notebook too.
    this.slider.addEventListener("keydown", (event) => event.stopPropagation());
    this.count_ = travelPart("span", { class: "iflow-travel-count" });
    const bar = travelPart("div", { class: "iflow-travel-bar" }, [this.previous, this.player, this.next, this.slider, this.count_]);
    this.did = travelPart("p", { class: "iflow-travel-did" });
    this.made = travelPart("ul", { class: "iflow-travel-made" });
    this.title = travelPart("figcaption", { class: "iflow-note" });
    this.lines = travelPart("div", { class: "iflow-code", tabindex: "0", role: "group", "aria-label": "source" });
    this.lines.addEventListener("keydown", (event) => {
      if (/^(Arrow|Page|Home|End)/.test(event.key)) event.stopPropagation(); // they scroll
    });
    this.code = travelPart("figure", { class: "iflow-travel-code", hidden: "" }, [this.title, this.lines]);
    this.drawing = travelPart("div", { class: "iflow-travel-graph", hidden: "" });
    const views = travelPart("div", { class: "iflow-travel-views" }, [this.code, this.drawing]);
    this.element = travelPart("div", { class: "iflow-travel", role: "group", "aria-label": "decision by decision", hidden: "" }, [
      bar, this.did, this.made, views,
    ]);
  }

  close() {
    this.closed = true;
    this.pause();
    clearTimeout(this.later);
    this.element.remove();
    if (this.list) this.list.open = true;
  }

  // -- pages

  // Fetches what is there; the first time, and again where there may be more.
  async renew() {
    if (this.asking || this.closed) return;
    const last = this.at === null || this.at >= this.count - 1;
    // While it was at the end it stays at the end, else where it is; what is known may have changed since.
    const from = this.count === 0 ? 0 : last ? this.count - 1 : this.at;
    this.steps.clear();
    this.order = [];
    const before = this.count;
    await this.fetch(from);
    if (!this.count || this.closed) return;
    if (before === 0) this.show(0);
    else this.want(last ? this.count - 1 : this.at);
  }

  async fetch(first) {
    this.asking = true;
    let page = null;
    try {
      page = await this.ask(first, [...this.listings.keys()]);
    } finally {
      this.asking = false;
    }
    if (!page || !page.steps || this.closed) return;
    for (const [number, listing] of Object.entries(page.listings)) this.listings.set(Number(number), listing);
    this.symbols = page.symbols;
    this.words = page.words;
    let states = {};
    page.page.forEach((step, n) => {
      states = { ...states, ...step.states };
      this.steps.set(page.first + n, { ...step, all: states });
    });
    this.order.push([page.first, page.page.length]);
    if (this.order.length > TRAVEL_KEPT) {
      const [from, number] = this.order.shift();
      for (let n = from; n < from + number; n++) if (n !== this.at) this.steps.delete(n);
    }
    this.count = page.steps;
    this.slider.max = String(this.count - 1);
    if (this.element.hidden) {
      this.element.hidden = false;
      this.list = this.element.parentElement?.querySelector(".iflow-each"); // it says the same
      if (this.list) this.list.open = false;
    }
  }

  // -- moving

  go(number) {
    this.pause();
    this.want(number);
  }

  // Shows a step as soon as it is there.
  want(number) {
    number = Math.max(0, Math.min(number, this.count - 1));
    clearTimeout(this.later);
    if (this.steps.has(number)) {
      this.show(number);
      return;
    }
    this.at = number;
    this.mark();
    this.did.textContent = "…";
    this.later = setTimeout(async () => {
      if (this.asking) return this.want(number); // one page at a time
      await this.fetch(number);
      if (this.at === number && this.steps.has(number)) this.show(number);
    }, TRAVEL_PATIENCE);
  }

  play() {
    if (this.at >= this.count - 1) this.want(0);
    this.timer = setInterval(() => {
      if (!this.steps.has(this.at)) return; // it is on its way
      if (this.at >= this.count - 1) this.pause();
      else this.want(this.at + 1);
    }, TRAVEL_PACE);
    this.sayPlaying(true);
  }

  pause() {
    clearInterval(this.timer);
    this.timer = 0;
    this.sayPlaying(false);
  }

  sayPlaying(on) {
    this.player.textContent = on ? "‖" : "▶";
    this.player.title = on ? "pause" : "play";
    this.player.setAttribute("aria-label", this.player.title);
  }

  // -- showing

  mark() {
    const step = this.steps.get(this.at);
    this.slider.value = String(this.at);
    this.previous.disabled = this.at <= 0;
    this.next.disabled = this.at >= this.count - 1;
    const number = `${this.at + 1} of ${this.count}`;
    this.count_.textContent = step ? `${number} · ${step.at}` : number;
    this.slider.setAttribute("aria-valuetext", step ? `${number}, at ${step.at}: ${step.did}` : number);
  }

  show(number) {
    this.at = number;
    const step = this.steps.get(number);
    this.mark();
    this.did.textContent = this.sentence(step);
    this.made.replaceChildren(...step.made.map((made) => this.item(made)));
    this.made.hidden = !step.made.length;
    this.showCode(step);
    this.restyle();
  }

  sentence(step) {
    const made = step.made.reduce((sum, each) => sum + each.calls, 0);
    const calls = made === 0 ? "nothing" : made === 1 ? "1 call" : `${made} calls`;
    return step.made.length || step.awaited.length ? `Scheduled ${calls}; ${step.did}.` : `${step.did[0].toUpperCase()}${step.did.slice(1)}.`;
  }

  item(made) {
    const number = made.calls > 1 ? ` ×${made.calls}` : "";
    const parts = [travelPart("span", { class: "iflow-id" }, made.name), `${made.ids ? number : ""}${made.place ? ` at ${made.place}` : ""}`];
    return travelPart("li", made.ids ? { title: made.ids } : {}, parts);
  }

  showCode(step) {
    const number = step.where?.[0] ?? step.made.find((made) => made.where)?.where[0] ?? this.listed;
    const listing = this.listings.get(number);
    this.code.hidden = !listing;
    if (!listing) return;
    if (this.listed !== number) {
      this.listed = number;
      this.title.textContent = listing.recorded ? listing.title : `${listing.title} (as it stands now)`;
      const room = String(listing.first + listing.lines.length).length;
      this.lines.replaceChildren(
        ...listing.lines.map((text, n) => {
          const mark = travelPart("span", { class: "iflow-code-mark" });
          const line = String(listing.first + n).padStart(room);
          return travelPart("div", { class: "iflow-code-line" }, [mark, travelPart("span", { class: "iflow-code-number" }, line), travelPart("span", { class: "iflow-code-text" }, text)]);
        }),
      );
    }
    const made = new Map();
    for (const each of step.made) {
      if (each.where?.[0] === number) made.set(each.where[1], (made.get(each.where[1]) ?? 0) + each.calls);
    }
    const stopped = step.where ? step.where[1] : null;
    [...this.lines.children].forEach((row, n) => {
      const line = listing.first + n;
      const waits = line === stopped;
      row.toggleAttribute("data-waits", waits);
      row.toggleAttribute("data-made", made.has(line));
      row.firstChild.textContent = `${made.has(line) ? `+${made.get(line)}` : ""}${waits ? " ‖" : ""}`;
      if (waits) row.setAttribute("aria-current", "step");
      else row.removeAttribute("aria-current");
    });
    const row = this.lines.querySelector("[data-waits]") ?? this.lines.querySelector("[data-made]");
    if (row) this.lines.scrollTop = row.offsetTop - this.lines.clientHeight / 2;
  }

  // The graph was drawn anew, or shows itself for the first time.
  redraw() {
    this.svg = null;
    if (this.steps.has(this.at)) this.restyle();
  }

  restyle() {
    if (!this.svg) {
      const drawn = this.graph();
      this.drawing.hidden = !drawn;
      if (!drawn) return;
      this.svg = drawn.cloneNode(true);
      this.svg.setAttribute("role", "img");
      this.svg.setAttribute("style", `max-width: 100%; height: auto; min-width: ${Math.min(drawn.viewBox.baseVal.width * 0.6, 640)}px`);
      this.svg.setAttribute("width", drawn.viewBox.baseVal.width);
      this.svg.removeAttribute("height");
      for (const node of this.svg.querySelectorAll("[data-node]")) {
        node.dataset.at = node.dataset.node; // there is only one node of that name, and that is where it can be pressed
        for (const name of ["data-node", "tabindex", "role", "data-selected"]) node.removeAttribute(name);
        for (const part of node.querySelectorAll(":scope > .iflow-badge")) part.textContent = "";
        node.querySelector(":scope > .iflow-done")?.removeAttribute("style");
      }
      const sign = (name, text) => travelPart("span", {}, [travelPart("span", { class: `iflow-sign-${name}` }), text]);
      const legend = [sign("new", "scheduled by this decision"), sign("awaited", "waited for"), sign("unknown", "not known yet")];
      this.drawing.replaceChildren(this.svg, travelPart("p", { class: "iflow-legend" }, legend));
    }
    const step = this.steps.get(this.at);
    const known = (id) => Boolean(step.all[id]);
    for (const node of this.svg.querySelectorAll("[data-at]")) {
      const id = node.dataset.at;
      const [state, detail] = step.all[id] ?? ["waiting", ""];
      node.dataset.state = state;
      node.toggleAttribute("data-unknown", !known(id));
      node.toggleAttribute("data-new", step.new.includes(id));
      node.toggleAttribute("data-awaited", step.awaited.includes(id));
      const text = (selector, value) => {
        const part = node.querySelector(`:scope > ${selector}`);
        if (part) part.textContent = value;
      };
      text(".iflow-label > .iflow-symbol", this.symbols[state] ?? "");
      text(".iflow-detail", detail);
      text(".iflow-label > .iflow-detail", detail);
      text("title", known(id) ? (this.words[state] ?? state) : "not scheduled yet");
    }
    for (const edge of this.svg.querySelectorAll(".iflow-edge")) {
      edge.toggleAttribute("data-unknown", !known(edge.dataset.from) || !known(edge.dataset.to));
    }
    const nodes = Object.values(step.all).filter(Boolean).length;
    this.svg.setAttribute("aria-label", `The graph at this decision: ${nodes} nodes known, ${step.new.length} of them new`);
  }
}

// An element; `content` is text, never markup, or elements and texts.
function travelPart(tag, attributes = {}, content = []) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...(typeof content === "string" ? [content] : content));
  return element;
}
