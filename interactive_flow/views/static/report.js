// What a script adds to the report: the graph can be zoomed and moved, its nodes lead to their calls, the decisions can
// be gone through one by one (travel.js), and the table of calls can be filtered.  Without it the page shows all the same things.

const MOST = 8;
const STEP = 1.25;

function zoomable(box) {
  const svg = box.querySelector("svg");
  const width = svg.viewBox.baseVal.width;
  const height = svg.viewBox.baseVal.height;
  const view = { scale: 1, x: 0, y: 0 };
  svg.setAttribute("width", width);
  svg.setAttribute("height", height);
  box.classList.add("iflow-zoomable");
  box.style.height = `min(${height + 24}px, 36em, 80vh)`;

  const show = () => {
    svg.style.transform = `translate(${view.x}px, ${view.y}px) scale(${view.scale})`;
  };
  const least = () => Math.min(box.clientWidth / width, box.clientHeight / height, 1) * 0.5;
  const zoom = (factor, x = box.clientWidth / 2, y = box.clientHeight / 2) => {
    const scale = Math.min(Math.max(view.scale * factor, least()), MOST);
    view.x = x - ((x - view.x) * scale) / view.scale;
    view.y = y - ((y - view.y) * scale) / view.scale;
    view.scale = scale;
    show();
  };
  const fit = () => {
    view.scale = Math.min((box.clientWidth - 16) / width, (box.clientHeight - 16) / height, 1);
    view.x = (box.clientWidth - width * view.scale) / 2;
    view.y = (box.clientHeight - height * view.scale) / 2;
    show();
  };
  const move = (x, y) => {
    view.x += x;
    view.y += y;
    show();
  };

  box.addEventListener(
    "wheel",
    (event) => {
      if (!event.ctrlKey && !event.metaKey) return; // the page scrolls, as everywhere
      event.preventDefault();
      const place = box.getBoundingClientRect();
      zoom(Math.exp(-event.deltaY / 300), event.clientX - place.left, event.clientY - place.top);
    },
    { passive: false },
  );
  drag(box, move);
  keys(box, { "+": () => zoom(STEP), "=": () => zoom(STEP), "-": () => zoom(1 / STEP), 0: fit,
    ArrowLeft: () => move(40, 0), ArrowRight: () => move(-40, 0), ArrowUp: () => move(0, 40), ArrowDown: () => move(0, -40) });
  box.before(
    tools([
      ["−", "Zoom out", () => zoom(1 / STEP)],
      ["+", "Zoom in", () => zoom(STEP)],
      ["Fit", "Fit the graph into its frame", fit],
    ]),
  );
  new ResizeObserver(fit).observe(box);
}

function drag(box, move) {
  let last = null;
  box.addEventListener("pointerdown", (event) => {
    last = { x: event.clientX, y: event.clientY, moved: false };
  });
  box.addEventListener("pointermove", (event) => {
    if (!last || !event.buttons) return;
    // Captured only once it moves, so that a plain click still reaches the node.
    if (!last.moved) box.setPointerCapture(event.pointerId);
    move(event.clientX - last.x, event.clientY - last.y);
    last = { x: event.clientX, y: event.clientY, moved: true };
  });
  box.addEventListener("pointerup", () => {
    last = null;
  });
}

function keys(box, actions) {
  box.tabIndex = 0;
  box.setAttribute("role", "group");
  box.setAttribute("aria-label", "Graph; plus and minus zoom, arrows move, 0 fits it in");
  box.addEventListener("keydown", (event) => {
    if (event.target === box && actions[event.key] && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      actions[event.key]();
    }
  });
}

function tools(buttons) {
  const bar = document.createElement("div");
  bar.className = "iflow-tools";
  for (const [text, label, action] of buttons) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = text;
    button.title = label;
    button.setAttribute("aria-label", label);
    button.addEventListener("click", action);
    bar.append(button);
  }
  return bar;
}

function linkNodes(graph, table) {
  const choose = (id) => {
    const rows = [...table.querySelectorAll("tr[data-of]")];
    for (const row of rows) row.classList.toggle("iflow-chosen", row.dataset.of === id);
    const first = rows.find((row) => row.dataset.of === id);
    if (!first) return;
    table.closest("details").open = true;
    first.scrollIntoView({ block: "center", behavior: "smooth" });
  };
  for (const node of graph.querySelectorAll(".iflow-node:not(.iflow-barrier)")) {
    node.setAttribute("tabindex", "0");
    node.setAttribute("role", "button");
    const act = (event) => {
      event.stopPropagation();
      choose(node.dataset.node);
    };
    node.addEventListener("click", act);
    node.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        act(event);
      }
    });
  }
}

function filterable(table) {
  const field = document.createElement("input");
  field.type = "search";
  field.className = "iflow-filter";
  field.placeholder = "Filter calls: name, state, worker, text …";
  field.setAttribute("aria-label", "Filter calls");
  table.parentElement.before(field);
  const rows = [...table.tBodies[0].rows].map((row) => [row, row.textContent.toLowerCase()]);
  field.addEventListener("input", () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const [row, text] of rows) row.hidden = !words.every((word) => text.includes(word));
  });
}

// The data of all steps are in the page; what did not go in is at the end, and only in the list.
function travel(data, list, graph) {
  const page = JSON.parse(data.textContent);
  const shown = { ...page, steps: page.page.length };
  const view = new TravelView(async (first) => (first < shown.steps ? shown : null), () => graph?.querySelector("svg"));
  list.before(view.element);
  if (page.steps > shown.steps) {
    const note = document.createElement("p");
    note.className = "iflow-note";
    note.textContent = `The slider goes through the first ${shown.steps} of ${page.steps} steps.`;
    view.element.after(note);
  }
  view.renew();
}

const box = document.querySelector(".iflow-report .iflow-graph-box");
const table = document.querySelector(".iflow-report .iflow-calls");
const steps = document.querySelector(".iflow-report .iflow-travel-data");
const list = document.querySelector(".iflow-report .iflow-each");
if (steps && list) travel(steps, list, box?.cloneNode(true));
if (box) zoomable(box);
if (box && table) linkNodes(box, table);
if (table) filterable(table);
