// Small things: elements, what a model tells, and markup that is changed only where it differs.

// An element; `content` is text, never markup, or elements.
export function make(tag, attributes = {}, content = []) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...(typeof content === "string" ? [content] : content));
  return element;
}

// Calls each function with its trait's value, now and at every change.
export function listen(model, handlers) {
  const bound = Object.entries(handlers).map(([name, handle]) => [`change:${name}`, () => handle(model.get(name))]);
  for (const [event, act] of bound) {
    model.on(event, act);
    act();
  }
  return () => bound.forEach(([event, act]) => model.off(event, act));
}

// Makes the content of `target` that of `html` by changing only what differs, so that focus, selection, opened parts
// and running transitions stay.
export function morph(target, html) {
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
