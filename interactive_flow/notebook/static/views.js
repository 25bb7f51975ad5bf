// What a run shows in its tabs: the graph, the timeline, the pane with details, and the tabs themselves.

import { TravelView } from "../../views/static/travel.js";
import { make } from "./dom.js";
import { DrawingWindow } from "./window.js";

// -- the graph ---------------------------------------------------------------------------------------------------------

// A twin shows the run as it ended.  It may be there before the model has heard of the end, so what the model says of
// states is for live graphs only.
export class GraphView {
  constructor(box, model, live, select) {
    this.box = box;
    this.static = [...box.childNodes];
    const svg = box.querySelector("svg");
    this.window = new DrawingWindow(box, "graph", "data-node", select);
    if (live) this.window.shown = () => this.restyle(model.get("states"));
    if (svg) this.window.show(svg.cloneNode(true));
  }

  close() {
    this.window.close();
    this.box.classList.remove("iflow-mounted");
    this.box.replaceChildren(...this.static);
  }

  // A new layout.
  draw(svg) {
    const element = svg && parse(svg).querySelector("svg");
    if (element) this.window.show(element);
  }

  restyle(states) {
    for (const [id, s] of Object.entries(states)) {
      const node = this.window.item(id);
      if (!node) continue;
      node.dataset.state = s.state;
      node.toggleAttribute("data-stale", s.stale);
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
}

// -- the timeline ------------------------------------------------------------------------------------------------------

// A bar leads to the node of its call; one that stands for calls of several nodes leads nowhere.
export class TimelineView {
  constructor(panel, select) {
    this.panel = panel;
    this.static = [...panel.childNodes];
    this.box = make("div", { class: "iflow-drawing" });
    this.notes = make("div");
    this.window = new DrawingWindow(this.box, "timeline", "data-of", select);
    panel.replaceChildren(this.box, this.notes);
    const content = make("div");
    content.append(...this.static.map((node) => node.cloneNode(true)));
    this.take(content);
  }

  draw(html) {
    if (html) this.take(parse(html));
  }

  take(content) {
    const svg = content.querySelector("svg");
    this.box.hidden = !svg;
    if (svg) this.window.show(svg);
    this.notes.replaceChildren(...content.querySelectorAll(".iflow-note"));
  }

  close() {
    this.window.close();
    this.panel.replaceChildren(...this.static);
  }
}

// -- the decisions -----------------------------------------------------------------------------------------------------

const AGAIN = 1500; // milliseconds between two looks for more while a run goes on, at least,
const SPARING = 20; // and so many times what the last one took

// The list that is there already, and above it the slider once the kernel has told of the first steps.  Nothing is asked
// for before the tab is looked at.
export class DecisionsView {
  constructor(panel, model, graph) {
    this.panel = panel;
    this.model = model;
    this.waiting = new Map(); // question -> who waits for the answer
    this.travel = new TravelView((first, known) => this.told({ do: "page", first, known }), graph);
    this.hear = (message) => this.heard(message);
    this.looked = this.open = false;
    this.timer = this.took = 0;
    model.on("msg:custom", this.hear);
    panel.prepend(this.travel.element);
  }

  close() {
    this.model.off("msg:custom", this.hear);
    clearTimeout(this.timer);
    this.travel.close();
  }

  shown(open) {
    this.open = open;
    if (!open) return this.travel.pause();
    if (this.looked) return this.changed();
    this.looked = true;
    this.travel.renew();
    this.renewAdvice();
  }

  // There may be more decisions now.
  changed() {
    if (!this.open || this.timer) return;
    this.timer = setTimeout(() => {
      this.timer = 0;
      if (this.open && !this.travel.timer) this.travel.renew();
    }, Math.max(AGAIN, SPARING * this.took));
  }

  redraw() {
    this.travel.redraw();
  }

  async renewAdvice() {
    const place = this.panel.querySelector("[data-advice=later]");
    const answer = place && (await this.told({ do: "advice" }));
    if (answer) place.replaceChildren(parse(answer.html));
  }

  // The answer, as soon as the kernel may send one.
  async told(question) {
    for (;;) {
      const began = performance.now();
      const answer = await this.ask(question);
      this.took = performance.now() - began;
      if (!answer?.again) return answer;
      await new Promise((resolve) => setTimeout(resolve, 1000 * answer.again));
    }
  }

  ask(question) {
    const ask = `${Math.random()}`;
    return new Promise((resolve) => {
      this.waiting.set(ask, resolve);
      this.model.send({ ...question, ask });
    });
  }

  heard(message) {
    this.waiting.get(message.answers)?.(message.answer);
    this.waiting.delete(message.answers);
  }
}

// -- details -----------------------------------------------------------------------------------------------------------

// Tells about one node; empty where nothing is selected.
export class Pane {
  constructor(close) {
    this.close = close;
    this.element = make("div", { class: "iflow-pane", role: "group", "aria-label": "details", hidden: "" });
  }

  tell(selected, details) {
    this.element.hidden = selected === null;
    if (selected === null) return;
    this.element.dataset.state = details?.state ?? "waiting";
    this.element.replaceChildren(...(details ? this.describe(details) : [make("p", {}, "No details yet.")]));
  }

  describe(details) {
    const close = make("button", { type: "button", class: "iflow-close", "aria-label": "close the details" }, "×");
    close.addEventListener("click", this.close);
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
      parts.push(make("pre", { class: "iflow-pre", tabindex: "0", role: "group", "aria-label": label }, details[label]));
    }
    return parts;
  }
}

// -- tabs --------------------------------------------------------------------------------------------------------------

// A list of tabs over panels that are there already: [{name, title, panel, holder}], where hiding the holder hides all
// that belongs to the tab.
export class Tabs {
  constructor(tabs, choose) {
    const group = `iflow-tabs-${Math.random().toString(36).slice(2)}`; // many panels share a page
    this.tabs = tabs;
    this.shown = null; // the name of the tab that is shown
    this.list = make("div", { class: "iflow-tabs", role: "tablist", "aria-label": "views of the run" });
    for (const tab of tabs) {
      const id = `${group}-${tab.name}`;
      tab.button = make(
        "button",
        { type: "button", role: "tab", id, "aria-controls": `${id}-panel`, "data-tab": tab.name },
        tab.title,
      );
      tab.button.addEventListener("click", () => choose(tab.name));
      tab.panel.id = `${id}-panel`;
      tab.panel.setAttribute("role", "tabpanel");
      tab.panel.setAttribute("aria-labelledby", id);
      this.list.append(tab.button);
    }
    this.list.addEventListener("keydown", (event) => {
      const now = tabs.findIndex((tab) => tab.button === event.target);
      const to = { ArrowRight: now + 1, ArrowLeft: now - 1, Home: 0, End: tabs.length - 1 }[event.key];
      if (now < 0 || to === undefined) return;
      event.preventDefault();
      event.stopPropagation(); // arrows go to other cells otherwise
      const tab = tabs[(to + tabs.length) % tabs.length];
      choose(tab.name);
      tab.button.focus();
    });
  }

  // Shows a tab; where there is none of that name, the graph or the first one.
  show(name) {
    const named = (wanted) => this.tabs.find((tab) => tab.name === wanted);
    const shown = named(name) ?? named("graph") ?? this.tabs[0];
    this.shown = shown.name;
    for (const tab of this.tabs) {
      const on = tab === shown;
      tab.button.setAttribute("aria-selected", String(on));
      tab.button.setAttribute("tabindex", on ? "0" : "-1");
      tab.holder.hidden = !on;
    }
  }

  // Leaves the panels as they were.
  close() {
    for (const { panel, holder } of this.tabs) {
      for (const name of ["id", "role", "aria-labelledby"]) panel.removeAttribute(name);
      holder.hidden = false;
    }
  }
}

function parse(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content;
}
