// Start: the router (the part behind #), the theme, the keyboard, the state of the connection.
import {h, setText} from './dom.js';
import {runsPage} from './runs.js';
import {runPage} from './run.js';
import {campaignsPage, campaignPage} from './campaigns.js';
import {benchPage} from './bench.js';

const routes = [
  [/^\/(?:runs)?$/, runsPage, 'runs'],
  [/^\/runs\/([0-9a-f-]{36})$/, runPage, 'runs'],
  [/^\/campaigns$/, campaignsPage, 'campaigns'],
  [/^\/campaigns\/(.+)$/, campaignPage, 'campaigns'],
  [/^\/bench$/, benchPage, 'bench'],
];

const main = document.getElementById('main');
let page = null; // {stop(), key(event)?, route(query)?}
let shownPath = null;

function onLink(error) {
  const el = document.getElementById('link');
  el.className = error ? 'link bad' : 'link good';
  setText(el, error ? error.message : 'live');
  el.title = error ? 'The last refresh failed; trying again' : 'The figures on this page are refreshed by themselves';
}

function notFound() {
  main.replaceChildren(h('div', {class: 'empty'}, h('h1', {}, 'There is no such page'),
    h('p', {}, h('a', {href: '#/runs'}, 'All runs'))));
  return {stop() {}};
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function route() {
  const hash = location.hash.slice(1) || '/runs', cut = hash.indexOf('?');
  const path = cut < 0 ? hash : hash.slice(0, cut), query = new URLSearchParams(cut < 0 ? '' : hash.slice(cut + 1));
  if (!path.startsWith('/')) return; // an anchor such as #main
  if (path === shownPath && page && page.route) {
    page.route(query);
    return;
  }
  if (page) page.stop();
  shownPath = path;
  main.replaceChildren();
  const hit = routes.find(([pattern]) => pattern.test(path));
  for (const a of document.querySelectorAll('nav a')) {
    if (hit && a.dataset.page === hit[2]) a.setAttribute('aria-current', 'page');
    else a.removeAttribute('aria-current');
  }
  document.title = 'Switchyard';
  page = hit ? hit[1](main, {args: hit[0].exec(path).slice(1).map(decode), query, onLink}) : notFound();
  window.scrollTo(0, 0);
}

// ---- theme: follows the system until the button is pressed ----

const dark = matchMedia('(prefers-color-scheme: dark)');

function remembered() {
  try {
    return localStorage.getItem('switchyard-theme');
  } catch {
    return null;
  }
}

function showTheme(theme) {
  const now = theme || (dark.matches ? 'dark' : 'light');
  document.documentElement.dataset.theme = now;
  setText(document.getElementById('theme'), now === 'dark' ? '☀' : '☾');
}

document.getElementById('theme').addEventListener('click', () => {
  const next = document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark';
  try {
    localStorage.setItem('switchyard-theme', next);
  } catch { /* private windows keep nothing */ }
  showTheme(next);
});
dark.addEventListener('change', () => showTheme(remembered()));
showTheme(remembered());

// ---- keyboard ----

const KEYS = [['/', 'search'], ['j  k', 'next, previous row'], ['Enter', 'open the row'], ['r', 'refresh'],
  ['g then r, c, b', 'runs, campaigns, bench'], ['t', 'light or dark'], ['Esc', 'leave a field; back to the list'], ['?', 'this list']];

function showKeys() {
  const box = h('dialog', {class: 'ask'}, h('h2', {}, 'Keyboard'),
    h('table', {class: 'keys'}, KEYS.map(([k, what]) => h('tr', {}, h('td', {}, h('kbd', {}, k)), h('td', {}, what)))),
    h('form', {method: 'dialog'}, h('button', {class: 'primary'}, 'Close')));
  box.addEventListener('close', () => box.remove());
  document.body.append(box);
  box.showModal();
}
document.getElementById('keys').addEventListener('click', showKeys);

let prefix = 0; // when `g` was pressed
const places = {r: '#/runs', c: '#/campaigns', b: '#/bench'};

// j and k walk over everything marked as a row.
function moveRow(step) {
  const rows = [...main.querySelectorAll('[data-row]')];
  const at = rows.indexOf(document.activeElement);
  const next = rows[at < 0 ? 0 : Math.max(0, Math.min(rows.length - 1, at + step))];
  if (next) next.focus();
}

document.addEventListener('keydown', (e) => {
  if (e.ctrlKey || e.metaKey || e.altKey || document.querySelector('dialog[open]')) return;
  if (e.target.matches('input, select, textarea')) {
    if (e.key === 'Escape') e.target.blur();
    return;
  }
  if (Date.now() - prefix < 1200 && places[e.key]) {
    location.hash = places[e.key];
    prefix = 0;
    return;
  }
  const actions = {
    g: () => { prefix = Date.now(); },
    j: () => moveRow(1),
    k: () => moveRow(-1),
    r: () => page && page.refresh && page.refresh(),
    t: () => document.getElementById('theme').click(),
    '?': showKeys,
    '/': () => { const q = main.querySelector('input[type=search]'); if (q) q.focus(); },
    Escape: () => page && page.back && page.back(),
  };
  if (!actions[e.key]) return;
  e.preventDefault();
  actions[e.key]();
});

window.addEventListener('hashchange', route);
route();
