// A drawing in a window that zooms and pans: by wheel and mouse, by buttons, by keys.

import { make } from "./dom.js";

const MIN_SCALE = 0.1;
const READABLE = 0.5; // the smallest scale that is chosen unasked
const MAX_SCALE = 8;
const STEP = 1.25;
const DRAG_THRESHOLD = 4; // pixels: less is a click

// What can be clicked in a drawing carries `attribute`: its value is handed to `select`, or null for a click beside.
export class DrawingWindow {
  constructor(box, name, attribute, select) {
    this.name = name;
    this.attribute = attribute;
    this.select = select;
    this.scale = 1;
    this.x = this.y = 0;
    this.moved = false; // by the user: then a new drawing keeps the view
    this.held = false; // by the mouse: then a new drawing waits, or the click would go to one that is gone
    this.later = null;
    this.selected = null;
    this.shown = () => {}; // called after each new drawing
    this.off = new AbortController();
    this.stage = make("div", { class: "iflow-stage" });
    this.window = make("div", { class: "iflow-window", role: "group", "aria-label": name });
    this.window.append(this.stage);
    this.buttons = this.makeButtons();
    box.classList.add("iflow-mounted");
    box.replaceChildren(this.buttons, this.window);
    this.bind();
  }

  makeButtons() {
    const bar = make("div", { class: "iflow-buttons", role: "toolbar", "aria-label": this.name });
    const button = (text, label, act) => {
      const b = make("button", { type: "button", title: label, "aria-label": label }, text);
      b.addEventListener("click", act);
      bar.append(b);
    };
    button("−", "zoom out", () => this.zoom(1 / STEP));
    button("+", "zoom in", () => this.zoom(STEP));
    button("⤢", `fit the ${this.name}`, () => this.fit(MIN_SCALE));
    return bar;
  }

  close() {
    this.off.abort();
  }

  show(svg) {
    if (this.held) {
      this.later = svg;
      return;
    }
    const focused = document.activeElement?.closest?.(`[${this.attribute}]`);
    const again = focused && this.stage.contains(focused) ? this.idOf(focused) : null;
    const box = svg.viewBox.baseVal;
    this.width = box?.width || svg.width.baseVal.value;
    this.height = box?.height || svg.height.baseVal.value;
    svg.setAttribute("style", `width: ${this.width}px; height: ${this.height}px`); // before, it was to fit into a page
    if (svg.getAttribute("role") === "img") svg.setAttribute("role", "group"); // there is something to press in it
    this.svg = svg;
    this.stage.replaceChildren(svg);
    for (const item of this.items()) {
      item.setAttribute("tabindex", "-1");
      item.setAttribute("role", "button");
    }
    this.items()[0]?.setAttribute("tabindex", "0");
    this.shown();
    this.mark(this.selected);
    if (this.moved) this.place();
    else this.fit();
    if (again !== null) this.item(again)?.focus({ preventScroll: true });
  }

  items() {
    return this.svg ? [...this.svg.querySelectorAll(`[${this.attribute}]`)] : [];
  }

  item(id) {
    return this.svg?.querySelector(`[${this.attribute}="${CSS.escape(id)}"]`);
  }

  idOf(item) {
    return item.getAttribute(this.attribute);
  }

  mark(id) {
    this.selected = id;
    for (const item of this.items()) item.toggleAttribute("data-selected", this.idOf(item) === id);
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

  // Brings an item that has the focus into the window.
  reveal(item) {
    const box = item.getBoundingClientRect();
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
    const release = () => {
      gesture.abort();
      this.held = false;
      setTimeout(() => this.catchUp()); // the click comes first
    };
    this.held = true;
    this.dragged = false;
    this.window.addEventListener("pointermove", move, { signal: gesture.signal });
    for (const end of ["pointerup", "pointercancel"]) document.addEventListener(end, release, { signal: gesture.signal });
  }

  catchUp() {
    const svg = this.later;
    this.later = null;
    if (svg) this.show(svg);
  }

  click(event) {
    if (this.dragged) return;
    const item = event.target.closest(`[${this.attribute}]`);
    this.select(item ? this.idOf(item) : null);
    if (item) this.rove(item);
  }

  key(event) {
    const item = event.target.closest(`[${this.attribute}]`);
    const items = this.items();
    const beside = (step) => items[items.indexOf(item) + step];
    const moves = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
    if (event.key in moves) this.rove(beside(moves[event.key]) ?? item);
    else if (event.key === "Enter" || event.key === " ") this.select(item ? this.idOf(item) : null);
    else if (event.key === "Escape") this.select(null);
    else if (event.key === "+") this.zoom(STEP);
    else if (event.key === "-") this.zoom(1 / STEP);
    else if (event.key === "0") this.fit(MIN_SCALE);
    else return;
    event.preventDefault();
    event.stopPropagation(); // these keys are shortcuts of the notebook too
  }

  // The drawing is one stop of the Tab key; arrows go from item to item.
  rove(item) {
    if (!item) return;
    for (const other of this.items()) other.setAttribute("tabindex", other === item ? "0" : "-1");
    item.focus({ preventScroll: true });
    this.reveal(item);
  }
}
