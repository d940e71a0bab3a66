// Making and changing elements. Text is always set as text, never parsed as HTML.

const SVG = 'http://www.w3.org/2000/svg';

function fill(el, props, children) {
  for (const [name, value] of Object.entries(props || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) el.addEventListener(name.slice(2), value);
    else if (name === 'style') for (const [k, v] of Object.entries(value)) el.style.setProperty(k, v);
    else if (name === 'value') el.value = value;
    else el.setAttribute(name, value === true ? '' : value);
  }
  el.append(...children.flat().filter((c) => c !== null && c !== undefined && c !== false));
  return el;
}

// h('a', {href: '#'}, 'text', child)
export const h = (tag, props, ...children) => fill(document.createElement(tag), props, children);
export const s = (tag, props, ...children) => fill(document.createElementNS(SVG, tag), props, children);

// Sets text only when it changed, so that a selection survives a refresh.
export function setText(el, text) {
  if (el.textContent !== text) el.textContent = text;
}

export function setAttr(el, name, value) {
  if (value === null || value === undefined) el.removeAttribute(name);
  else if (el.getAttribute(name) !== String(value)) el.setAttribute(name, value);
}

// Rebuilds the children only when `mark` (a string) differs from last time.
export function redraw(el, mark, make) {
  if (el.drawn === mark) return;
  el.drawn = mark;
  el.replaceChildren(...[make()].flat().filter(Boolean));
}

// One child per item, kept by key: made once, updated, moved, removed.
export function keyed(parent, items, key, make, update) {
  const old = parent.byKey || new Map(), now = new Map();
  let at = parent.firstChild;
  for (const item of items) {
    const k = key(item);
    if (now.has(k)) continue;
    const el = old.get(k) || make(item);
    update(el, item);
    if (el === at) at = at.nextSibling;
    else parent.insertBefore(el, at);
    now.set(k, el);
  }
  for (const [k, el] of old) if (!now.has(k)) el.remove();
  parent.byKey = now;
}

export function toast(text, kind = 'info') {
  const el = h('div', {class: `toast ${kind}`}, text);
  document.getElementById('toasts').append(el);
  setTimeout(() => el.remove(), kind === 'bad' ? 9000 : 4000);
}

// A modal question; resolves to true when the answer is yes.
export function ask(question, detail, yes) {
  return new Promise((resolve) => {
    const box = h('dialog', {class: 'ask'}, h('h2', {}, question), h('p', {}, detail),
      h('form', {method: 'dialog'},
        h('button', {value: 'no'}, 'Keep it'), h('button', {value: 'yes', class: 'primary'}, yes)));
    box.addEventListener('close', () => {
      resolve(box.returnValue === 'yes');
      box.remove();
    });
    document.body.append(box);
    box.showModal();
  });
}
