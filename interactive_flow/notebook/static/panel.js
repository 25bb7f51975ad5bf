// The panel of a run.
//
// The kernel makes all markup and tells it in synced traits, so there are no templates here and no states are known:
//
//   run       the run's id
//   top       HTML above the tabs: header and result
//   progress, timeline, decisions, output
//             HTML of these tabs; "" until the tab was looked at for the first time
//   svg       the graph as it was laid out last, states baked in; "" where there is none
//   legend    HTML under the graph, or in its place
//   states    {node id: NodeState} for the nodes that changed since `svg` was sent
//   below     HTML below the tabs: errors
//   details   {node id: Details} for the pane that a click opens
//   spoken    what a screen reader is told; changes only when there is news
//   said      what came of the button that was pressed last
//   retry     whether the run has ended with something in it that could be tried again
//
// and is told in two more what is looked at, so that it draws only that:
//
//   tab       the tab that is shown
//   selected  the id of the node that the pane tells about; "" for none
//
// A button sends {do: "cancel"}, {do: "report"} or {do: "retry"}; the kernel hears it even while a cell is running.  The
// Decisions tab asks by {do: "page", ask, first, known} and {do: "advice", ask}, and is answered by a message
// {answers: ask, answer} (notebook/travel.py).
//
// Once the run has ended, markup and states are empty, as the static twin has them.  Where no twin takes the place of a
// live view, since outputs stay as they were first drawn there (Voilà), the view asks for the rest by {do: "rest"}.
//
// It is shown in two ways.  While the run is going, `render` draws a live panel from the traits.  When it has ended,
// the kernel replaces that output by a static twin, which a saved notebook keeps showing without kernel or script;
// `initialize` runs for a model even when it has no view, finds the twin by its `data-iflow-run` and makes tabs of its
// parts, with the same zoom, pan and details.

import { listen, make, morph } from "./dom.js";
import { DecisionsView, GraphView, Pane, Tabs, TimelineView } from "./views.js";

const TITLES = { progress: "Progress", graph: "Graph", timeline: "Timeline", decisions: "Decisions", output: "Output" };
const WAITING = "Waiting for the kernel …"; // it draws a tab when that is looked at
const PATIENCE = 10_000; // milliseconds
const REPLACED = 500; // milliseconds, in which the twin of a run that has ended takes the place of its live views
const WITH_DETAILS = ["graph", "timeline"];

export default { initialize, render };

// -- the two ways in ---------------------------------------------------------------------------------------------------

function render({ model, el }) {
  const root = make("section", { class: "iflow iflow-live", "data-iflow-run": model.get("run"), "data-iflow-live": "" });
  const top = make("div", { class: "iflow-top" });
  const main = make("div", { class: "iflow-main" });
  const below = make("div", { class: "iflow-below" });
  const panels = Object.fromEntries(Object.keys(TITLES).map((name) => [name, make("div", { class: "iflow-tab-content" })]));
  const legend = make("div");
  const list = make("div", { class: "iflow-listed" });
  for (const panel of Object.values(panels)) panel.append(make("p", { class: "iflow-note" }, WAITING));
  panels.graph.replaceChildren(make("div", { class: "iflow-graph-box" }), legend);
  list.append(...panels.decisions.childNodes);
  panels.decisions.append(list);
  main.append(...Object.values(panels));
  root.append(top, main, below);
  el.append(root);

  const tabs = Object.entries(TITLES).map(([name, title]) => ({ name, title, panel: panels[name], holder: panels[name] }));
  const view = new RunView(main, tabs, model, true);
  const follow = (element) => (html) => html && morph(element, html);
  let timer = 0;
  const askForRest = () => {
    view.end();
    timer = setTimeout(() => root.isConnected && model.send({ do: "rest" }), REPLACED);
  };
  const stop = listen(model, {
    top: (html) => (html ? morph(top, html) : askForRest()),
    below: (html) => morph(below, html),
    legend: follow(legend),
    progress: follow(panels.progress),
    decisions: follow(list),
    output: follow(panels.output),
  });
  return () => {
    clearTimeout(timer);
    stop();
    view.close();
  };
}

function initialize({ model }) {
  const mounted = new Map(); // twin's main part -> its view
  const forget = watchTwins(model.get("run"), (twins) => {
    for (const [main, view] of mounted) {
      if (!main.isConnected) {
        view.close();
        mounted.delete(main);
      }
    }
    for (const twin of twins) {
      const main = twin.querySelector(".iflow-main");
      if (main && !main.classList.contains("iflow-tabbed")) mounted.set(main, mountTwin(main, model));
    }
  });
  const say = () => announce(model.get("spoken"));
  model.on("change:spoken", say);
  say();
  return () => {
    model.off("change:spoken", say);
    forget();
    for (const view of mounted.values()) view.close();
  };
}

// Tells a screen reader news.  One place serves the whole page; it is outside of all outputs, as the one that shows a run
// is replaced when there is most to say.
function announce(text) {
  const key = Symbol.for("interactive_flow.spoken");
  if (!text) return;
  if (!window[key]?.isConnected) {
    window[key] = make("div", { class: "iflow-spoken", role: "status", "aria-live": "polite" });
    document.body.append(window[key]);
  }
  if (window[key].textContent !== text) window[key].textContent = text;
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

// The parts that a reader opens and closes become tabs.
function mountTwin(main, model) {
  const parts = [...main.querySelectorAll(":scope > details[data-tab]")];
  const before = parts.map((part) => part.open);
  const tabs = parts.map((part) => {
    const summary = part.querySelector(":scope > summary");
    part.open = summary.hidden = true;
    return {
      name: part.dataset.tab,
      title: summary.textContent,
      panel: part.querySelector(":scope > .iflow-tab-content"),
      holder: part,
    };
  });
  const view = new RunView(main, tabs, model, false);
  return {
    close() {
      view.close();
      parts.forEach((part, n) => {
        part.open = before[n];
        part.querySelector(":scope > summary").hidden = false;
      });
    },
  };
}

// -- what both have ----------------------------------------------------------------------------------------------------

// Tabs, buttons, the drawings and the pane, in `main`, for panels that are in it already.
class RunView {
  constructor(main, tabs, model, live) {
    this.main = main;
    this.model = model;
    const panels = Object.fromEntries(tabs.map((tab) => [tab.name, tab.panel]));
    const select = (id) => {
      this.tell("selected", id ?? "");
      if (id) this.pane.element.scrollIntoView({ block: "nearest" });
    };
    this.pane = new Pane(() => {
      const drawing = (this.tabs.shown === "timeline" ? this.timeline : this.graph)?.window;
      const item = drawing?.item(this.model.get("selected"));
      select(null);
      drawing?.rove(item); // or the focus would be nowhere
    });
    const box = panels.graph?.querySelector(".iflow-graph-box");
    this.graph = box ? new GraphView(box, model, live, select) : null;
    this.timeline = panels.timeline ? new TimelineView(panels.timeline, select) : null;
    const drawn = () => this.graph?.window.svg ?? null;
    this.decisions = panels.decisions ? new DecisionsView(panels.decisions, model, drawn) : null;
    this.tabs = new Tabs(tabs, (name) => this.tell("tab", name));
    const actions = makeActions(model, live);
    this.end = actions.end;
    this.bar = make("div", { class: "iflow-tab-bar" }, [this.tabs.list, actions.bar]);
    main.classList.add("iflow-tabbed");
    main.addEventListener("keydown", keepKeys);
    main.prepend(this.bar);
    main.append(this.pane.element);
    const drawings = {
      svg: (svg) => {
        this.graph?.draw(svg);
        this.decisions?.redraw();
      },
      decisions: () => this.decisions?.changed(),
      states: (states) => this.graph?.restyle(states),
      timeline: (html) => this.timeline?.draw(html),
    };
    this.stop = listen(model, {
      ...(live ? drawings : {}),
      tab: (name) => {
        this.tabs.show(name);
        this.decisions?.shown(this.tabs.shown === "decisions");
        this.look();
      },
      selected: (id) => {
        this.graph?.window.mark(id || null);
        this.timeline?.window.mark(id || null);
        this.look();
      },
      details: () => this.look(),
      said: (text) => text && actions.say(text),
      retry: (on) => (actions.retry.hidden = !on),
    });
  }

  // Changes what is looked at, here and, where there is one, in the kernel.
  tell(name, value) {
    this.model.set(name, value);
    this.model.save_changes();
  }

  look() {
    const id = WITH_DETAILS.includes(this.tabs.shown) ? this.model.get("selected") || null : null;
    this.pane.tell(id, this.model.get("details")[id]);
  }

  close() {
    this.stop();
    this.graph?.close();
    this.timeline?.close();
    this.decisions?.close();
    this.tabs.close();
    this.bar.remove();
    this.pane.element.remove();
    this.main.removeEventListener("keydown", keepKeys);
    this.main.classList.remove("iflow-tabbed");
  }
}

// Enter and the space bar press the button that has the focus, and are no shortcuts of the notebook then.
function keepKeys(event) {
  if ([" ", "Enter"].includes(event.key) && event.target.closest("button, summary")) event.stopPropagation();
}

// What can be done with a run, and what came of it.
function makeActions(model, live) {
  const bar = make("div", { class: "iflow-actions", role: "toolbar", "aria-label": "run" });
  const said = make("span", { class: "iflow-said", role: "status" });
  let timer = 0;
  const say = (text) => {
    clearTimeout(timer);
    said.textContent = text;
  };
  const button = (name, text, busy) => {
    const b = make("button", { type: "button", "data-do": name }, text);
    b.addEventListener("click", () => {
      say(busy);
      timer = setTimeout(() => say("The kernel has not answered yet."), PATIENCE);
      model.send({ do: name });
      if (name !== "report") b.disabled = true; // once is enough
    });
    return b;
  };
  const retry = button("retry", "Retry failed", "Trying again …");
  retry.hidden = true;
  const cancel = button("cancel", "Cancel", "Cancelling …");
  bar.append(said, retry, button("report", "Save report", "Writing the report …"));
  if (live) bar.append(cancel);
  const told = (text) => {
    say(text);
    retry.disabled = false;
  };
  return { bar, say: told, retry, end: () => cancel.remove() };
}
