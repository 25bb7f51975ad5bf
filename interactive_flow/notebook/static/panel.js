// The panel of a run.
//
// The kernel makes all markup and tells it in synced traits, so this file has no templates and knows no states:
//
//   run      the run's id
//   top      HTML above the graph: header and progress
//   svg      the graph as it was laid out last, states baked in; "" where there is none
//   below    HTML below the graph: legend, errors, result
//   states   {node id: NodeState} for the nodes that changed since `svg` was sent
//   details  {node id: Details} for the pane that a click opens
//   spoken   what a screen reader is told; changes only when there is news
//
// Once the run has ended, markup and states are empty, as the static twin has them.
//
// It is shown in two ways.  While the run is going, `render` draws a live panel from the traits.  When it has ended,
// the kernel replaces that output by a static twin, which a saved notebook keeps showing without kernel or script;
// `initialize` runs for a model even when it has no view, finds the twin by its `data-iflow-run` and gives its graph
// the same zoom, pan and details.

const MIN_SCALE = 0.1;
const READABLE = 0.5; // the smallest scale that is chosen unasked
const MAX_SCALE = 4;
const STEP = 1.25;
const DRAG_THRESHOLD = 4; // pixels: less is a click

export default { initialize, render };

// -- the two ways in ---------------------------------------------------------------------------------------------------

function render({ model, el }) {
  const root = make("section", { class: "iflow iflow-live", "data-iflow-run": model.get("run"), "data-iflow-live": "" });
  const top = make("div", { class: "iflow-top" });
  const graph = make("div", { class: "iflow-graph-box" });
  const below = make("div", { class: "iflow-below" });
  root.append(top, graph, below);
  el.append(root);

  const unmount = mountGraph(graph, model, true);
  const stop = listen(model, {
    top: (html) => html && morph(top, html),
    below: (html) => html && morph(below, html),
  });
  return () => {
    stop();
    unmount();
  };
}

function initialize({ model }) {
  const mounted = new Map(); // twin's graph element -> unmount
  const forget = watchTwins(model.get("run"), (twins) => {
    for (const [graph, unmount] of mounted) {
      if (!graph.isConnected) {
        unmount();
        mounted.delete(graph);
      }
    }
    for (const twin of twins) {
      const graph = twin.querySelector(".iflow-graph-box");
      const free = graph && !graph.classList.contains("iflow-mounted");
      if (free) mounted.set(graph, mountGraph(graph, model, false));
    }
  });
  // Outside of all outputs, as the one that shows the run is replaced when there is most to say.
  const spoken = make("div", { class: "iflow-spoken", role: "status", "aria-live": "polite" });
  document.body.append(spoken);
  const say = () => (spoken.textContent = model.get("spoken"));
  model.on("change:spoken", say);
  return () => {
    model.off("change:spoken", say);
    spoken.remove();
    forget();
    for (const unmount of mounted.values()) unmount();
  };
}

// Calls `found` with the twins of a run in the page, now and whenever the page changed.  One observer serves all
// models, because a page with fifty runs should not look for them fifty times.
function watchTwins(run, found) {
  const key = Symbol.for("interactive_flow.twins");
  const shared = (window[key] ??= { watchers: new Set(), observer: null, timer: 0 });
  const watcher = { run, found };
  const look = () => {
    shared.timer = 0;
    const twins = [...document.querySelectorAll("[data-iflow-run]:not([data-iflow-live])")];
    for (const w of shared.watchers) w.found(twins.filter((twin) => twin.dataset.iflowRun === w.run));
  };
  shared.watchers.add(watcher);
  if (!shared.observer) {
    shared.observer = new MutationObserver(() => (shared.timer ||= setTimeout(look, 100)));
    shared.observer.observe(document.body, { childList: true, subtree: true });
  }
  look();
  return () => {
    shared.watchers.delete(watcher);
    if (shared.watchers.size === 0) {
      shared.observer.disconnect();
      shared.observer = null;
    }
  };
}

// -- the graph ---------------------------------------------------------------------------------------------------------

// A twin shows the run as it ended.  It may be there before the model has heard of the end, so what the model says of
// states is for live graphs only.
function mountGraph(graph, model, live) {
  const view = new GraphView(graph, model, live);
  const changes = { svg: (svg) => view.draw(svg), states: (states) => view.restyle(states) };
  const stop = listen(model, { ...(live ? changes : {}), details: () => view.tell() });
  return () => {
    stop();
    view.close();
  };
}

// The drawing in a window that zooms and pans, and the pane that tells about the node clicked.
class GraphView {
  constructor(graph, model, live) {
    this.live = live;
    this.graph = graph;
    this.model = model;
    this.scale = 1;
    this.x = this.y = 0;
    this.moved = false; // by the user: then a new layout keeps the view
    this.selected = null;
    this.off = new AbortController();
    this.static = [...graph.childNodes];
    const svg = graph.querySelector("svg");
    this.stage = make("div", { class: "iflow-stage" });
    this.window = make("div", { class: "iflow-window", role: "group", "aria-label": "graph" });
    this.window.append(this.stage);
    this.pane = make("aside", { class: "iflow-pane", "aria-label": "details", hidden: "" });
    this.buttons = this.makeButtons();
    graph.classList.add("iflow-mounted");
    graph.replaceChildren(this.buttons, this.window, this.pane);
    if (svg) this.show(svg.cloneNode(true));
    this.bind();
  }

  makeButtons() {
    const bar = make("div", { class: "iflow-buttons", role: "toolbar", "aria-label": "graph" });
    const button = (text, label, act) => {
      const b = make("button", { type: "button", title: label, "aria-label": label }, text);
      b.addEventListener("click", act);
      bar.append(b);
    };
    button("−", "zoom out", () => this.zoom(1 / STEP));
    button("+", "zoom in", () => this.zoom(STEP));
    button("⤢", "fit the graph", () => this.fit(MIN_SCALE));
    return bar;
  }

  close() {
    this.off.abort();
    this.graph.classList.remove("iflow-mounted");
    this.graph.replaceChildren(...this.static);
  }

  // A new layout.
  draw(svg) {
    if (!svg) return;
    const template = document.createElement("template");
    template.innerHTML = svg;
    const element = template.content.querySelector("svg");
    if (element) this.show(element);
  }

  show(svg) {
    const focused = document.activeElement?.closest?.("[data-node]")?.dataset.node;
    const box = svg.viewBox.baseVal;
    this.width = box?.width || svg.width.baseVal.value;
    this.height = box?.height || svg.height.baseVal.value;
    svg.setAttribute("width", this.width);
    svg.setAttribute("height", this.height);
    svg.removeAttribute("style"); // which fits it into a page
    this.svg = svg;
    this.stage.replaceChildren(svg);
    for (const node of this.nodes()) {
      node.setAttribute("tabindex", "-1");
      node.setAttribute("role", "button");
    }
    this.nodes()[0]?.setAttribute("tabindex", "0");
    if (this.live) this.restyle(this.model.get("states"));
    this.mark();
    if (this.moved) this.place();
    else this.fit();
    if (focused) this.node(focused)?.focus({ preventScroll: true });
  }

  nodes() {
    return this.svg ? [...this.svg.querySelectorAll("[data-node]")] : [];
  }

  node(id) {
    return this.svg?.querySelector(`[data-node="${CSS.escape(id)}"]`);
  }

  restyle(states) {
    for (const [id, s] of Object.entries(states)) {
      const node = this.node(id);
      if (!node) continue;
      node.dataset.state = s.state;
      const text = (selector, value) => {
        const part = node.querySelector(`:scope > ${selector}`);
        if (part && part.textContent !== value) part.textContent = value;
      };
      text(".iflow-label > .iflow-symbol", s.symbol);
      text(".iflow-detail", s.detail);
      text(".iflow-badge", s.badge);
      text("title", s.title);
      const done = node.querySelector(":scope > .iflow-done");
      if (s.part === null) done?.style.removeProperty("--iflow-part");
      else done?.style.setProperty("--iflow-part", s.part);
    }
  }

  // -- zoom and pan

  place() {
    this.stage.style.transform = `translate(${this.x}px, ${this.y}px) scale(${this.scale})`;
  }

  // The whole drawing, never enlarged, in a window as high as it needs up to what the style sheet allows.
  fit(smallest = READABLE) {
    this.moved = false;
    if (!this.svg) return;
    const room = this.window.clientWidth;
    if (!room) return; // not laid out yet: the resize observer comes back
    const limit = parseFloat(getComputedStyle(this.window).maxHeight) || 480;
    this.scale = Math.max(smallest, Math.min(1, room / this.width, limit / this.height));
    const height = Math.min(limit, this.height * this.scale);
    this.window.style.height = `${Math.ceil(height)}px`;
    this.x = Math.max(0, (room - this.width * this.scale) / 2);
    this.y = 0;
    this.place();
  }

  zoom(factor, x = this.window.clientWidth / 2, y = this.window.clientHeight / 2) {
    const scale = Math.max(MIN_SCALE, Math.min(MAX_SCALE, this.scale * factor));
    this.x = x - ((x - this.x) * scale) / this.scale;
    this.y = y - ((y - this.y) * scale) / this.scale;
    this.scale = scale;
    this.moved = true;
    this.place();
  }

  pan(dx, dy) {
    this.x += dx;
    this.y += dy;
    this.moved = true;
    this.place();
  }

  // Brings a node that has the focus into the window.
  reveal(node) {
    const box = node.getBoundingClientRect();
    const frame = this.window.getBoundingClientRect();
    const outside = (low, high, from, to) => (low < from ? from - low + 8 : high > to ? to - high - 8 : 0);
    const dx = outside(box.left, box.right, frame.left, frame.right);
    const dy = outside(box.top, box.bottom, frame.top, frame.bottom);
    const moved = this.moved;
    if (dx || dy) this.pan(dx, dy);
    this.moved = moved;
  }

  // -- mouse and keyboard

  bind() {
    const on = (target, type, act, options = {}) =>
      target.addEventListener(type, act, { signal: this.off.signal, ...options });
    on(this.window, "wheel", (event) => this.wheel(event), { passive: false });
    on(this.window, "pointerdown", (event) => this.grab(event));
    on(this.window, "click", (event) => this.click(event));
    on(this.window, "keydown", (event) => this.key(event));
    let width = 0; // the height follows from it
    const observer = new ResizeObserver(() => {
      if (this.window.clientWidth === width) return;
      width = this.window.clientWidth;
      if (!this.moved) this.fit();
    });
    observer.observe(this.window);
    this.off.signal.addEventListener("abort", () => observer.disconnect());
  }

  wheel(event) {
    if (!event.ctrlKey && !event.metaKey) return; // the page scrolls
    event.preventDefault();
    event.stopPropagation();
    const frame = this.window.getBoundingClientRect();
    this.zoom(Math.exp(-event.deltaY / 300), event.clientX - frame.left, event.clientY - frame.top);
  }

  grab(event) {
    if (event.button !== 0) return;
    const start = { x: event.clientX, y: event.clientY };
    const gesture = new AbortController();
    let last = null; // set once it is a drag
    const move = (e) => {
      if (!last && Math.hypot(e.clientX - start.x, e.clientY - start.y) < DRAG_THRESHOLD) return;
      if (!last) this.window.setPointerCapture(event.pointerId);
      this.dragged = true;
      const from = last ?? start;
      this.pan(e.clientX - from.x, e.clientY - from.y);
      last = { x: e.clientX, y: e.clientY };
    };
    this.dragged = false;
    this.window.addEventListener("pointermove", move, { signal: gesture.signal });
    for (const end of ["pointerup", "pointercancel"]) {
      this.window.addEventListener(end, () => gesture.abort(), { signal: gesture.signal });
    }
  }

  click(event) {
    if (this.dragged) return;
    const node = event.target.closest("[data-node]");
    this.select(node ? node.dataset.node : null);
    if (node) this.rove(node);
  }

  key(event) {
    const node = event.target.closest("[data-node]");
    const nodes = this.nodes();
    const beside = (step) => nodes[nodes.indexOf(node) + step];
    const moves = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
    if (event.key in moves) this.rove(beside(moves[event.key]) ?? node);
    else if (event.key === "Enter" || event.key === " ") this.select(node?.dataset.node ?? null);
    else if (event.key === "Escape") this.select(null);
    else if (event.key === "+") this.zoom(STEP);
    else if (event.key === "-") this.zoom(1 / STEP);
    else if (event.key === "0") this.fit(MIN_SCALE);
    else return;
    event.preventDefault();
    event.stopPropagation(); // these keys are shortcuts of the notebook too
  }

  // The graph is one stop of the Tab key; arrows go from node to node.
  rove(node) {
    if (!node) return;
    for (const other of this.nodes()) other.setAttribute("tabindex", other === node ? "0" : "-1");
    node.focus({ preventScroll: true });
    this.reveal(node);
  }

  // -- details

  select(id) {
    this.selected = id;
    this.mark();
    this.tell();
    if (id !== null) this.pane.scrollIntoView({ block: "nearest" });
  }

  mark() {
    for (const node of this.nodes()) node.toggleAttribute("data-selected", node.dataset.node === this.selected);
  }

  tell() {
    this.pane.hidden = this.selected === null;
    if (this.selected === null) return;
    const details = this.model.get("details")[this.selected];
    this.pane.dataset.state = details?.state ?? "waiting";
    this.pane.replaceChildren(...(details ? this.describe(details) : [make("p", {}, "No details yet.")]));
  }

  describe(details) {
    const close = make("button", { type: "button", class: "iflow-close", "aria-label": "close the details" }, "×");
    close.addEventListener("click", () => this.select(null));
    const title = make("h4", {}, [
      make("span", { class: "iflow-mark", "aria-hidden": "true" }, details.symbol),
      make("span", {}, details.title),
      make("span", { class: "iflow-word" }, details.word),
    ]);
    const list = make("dl", {}, details.rows.flatMap(([label, text]) => [make("dt", {}, label), make("dd", {}, text)]));
    const parts = [close, title, list];
    for (const label of ["output", "traceback"]) {
      if (!details[label]) continue;
      parts.push(make("h5", {}, label));
      parts.push(make("pre", { class: "iflow-pre", tabindex: "0", "aria-label": label }, details[label]));
    }
    return parts;
  }
}

// -- small things ------------------------------------------------------------------------------------------------------

// An element; `content` is text, never markup, or elements.
function make(tag, attributes = {}, content = []) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...(typeof content === "string" ? [content] : content));
  return element;
}

// Calls each function with its trait's value, now and at every change.
function listen(model, handlers) {
  const bound = Object.entries(handlers).map(([name, handle]) => [`change:${name}`, () => handle(model.get(name))]);
  for (const [event, act] of bound) {
    model.on(event, act);
    act();
  }
  return () => bound.forEach(([event, act]) => model.off(event, act));
}

// Makes the content of `target` that of `html` by changing only what differs, so that focus, selection, opened parts
// and running transitions stay.
function morph(target, html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  patch(target, template.content);
}

function patch(target, source) {
  const keyed = new Map();
  for (const node of target.childNodes) if (keyOf(node)) keyed.set(keyOf(node), node);
  let place = target.firstChild;
  for (const node of [...source.childNodes]) {
    const key = keyOf(node);
    const present = key ? keyed.get(key) : keyOf(place) ? null : place;
    keyed.delete(key);
    if (present?.nodeName !== node.nodeName) {
      target.insertBefore(node, place);
      continue;
    }
    if (present === place) place = place.nextSibling;
    else target.insertBefore(present, place);
    if (node.nodeType === Node.ELEMENT_NODE) {
      patchAttributes(present, node);
      patch(present, node);
    } else if (present.nodeValue !== node.nodeValue) present.nodeValue = node.nodeValue;
  }
  while (place) {
    const old = place;
    place = place.nextSibling;
    old.remove();
  }
}

// What tells a node from its siblings, whatever comes and goes between them: a row's name, a running call's id, the
// state that a part of a bar or a count stands for.
function keyOf(node) {
  if (node?.nodeType !== Node.ELEMENT_NODE) return "";
  return node.dataset.row ?? node.querySelector(":scope > .iflow-task")?.title ?? node.dataset.state ?? "";
}

function patchAttributes(present, node) {
  for (const { name, value } of node.attributes) {
    if (present.getAttribute(name) !== value) present.setAttribute(name, value);
  }
  for (const { name } of [...present.attributes]) {
    if (!node.hasAttribute(name) && !(name === "open" && present.nodeName === "DETAILS")) present.removeAttribute(name);
  }
}
