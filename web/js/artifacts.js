// What a run made. Artifacts are loaded once, then again while their number changes.
import {fileUrl, post} from './api.js';
import {h, keyed} from './dom.js';
import {energyCard} from './energy.js';
import {ago, bytes} from './format.js';
import {markdown} from './markdown.js';

const LIMIT = 50;

const parsed = (data) => {
  if (typeof data !== 'string') return data;
  try {
    return JSON.parse(data);
  } catch {
    return data;
  }
};

// ---- files of the store ----

// A report is shown inside of the page: as a document of its own, without scripts, without a way out.
function report(data) {
  const files = Array.isArray(data.files) ? data.files : [], page = files.find((f) => f.name === 'report.html');
  const shown = files.filter((f) => !/^trace-/.test(f.name)), traces = files.filter((f) => /^trace-/.test(f.name));
  const button = (f) => h('a', {class: 'button', href: fileUrl(f.sha256, f.name), target: '_blank', title: `${f.title || f.name}, ${bytes(f.bytes)}`}, f.name);
  return [h('p', {class: 'sums'}, data.emulated ? h('span', {class: 'emulated'}, 'EMULATED') : null,
    h('span', {}, `${data.results} of ${data.measurements + data.failed_runs} runs gave a result`)),
  h('div', {class: 'files'}, shown.map(button), traces.length ? h('details', {}, h('summary', {}, `${traces.length} files of traces`), traces.map(button)) : null),
  page ? h('iframe', {class: 'report', sandbox: '', title: `Energy report of ${data.campaign}`, src: fileUrl(page.sha256, page.name)}) : null];
}

// ---- kinds ----

const text = (v) => (v === null || v === undefined ? '' : typeof v === 'object' ? JSON.stringify(v) : String(v));

function table(data) {
  const rows = Array.isArray(data) ? data.slice(0, 500) : data && typeof data === 'object' ? Object.keys(data).length && Array.isArray(Object.values(data)[0])
    ? Object.values(data)[0].map((_, i) => Object.fromEntries(Object.entries(data).map(([k, v]) => [k, v[i]]))) : [data] : null;
  if (!rows) return json(data);
  const list = rows.every((r) => Array.isArray(r)), heads = list ? rows[0] || [] : [...new Set(rows.flatMap((r) => Object.keys(r || {})))];
  const numeric = (v) => typeof v === 'number';
  return h('div', {class: 'wide'}, h('table', {class: 'data'}, h('thead', {}, h('tr', {}, heads.map((c, i) => h('th', {class: numeric((rows[list ? 1 : 0] || {})[list ? i : c]) ? 'r' : null}, text(c))))),
    h('tbody', {}, (list ? rows.slice(1) : rows).map((r) => h('tr', {}, heads.map((c, i) => {
      const v = list ? r[i] : (r || {})[c];
      return h('td', {class: numeric(v) ? 'r' : null}, typeof v === 'string' && /\]\(/.test(v) ? markdown(v, storeLinks) : text(v));
    }))))));
}

const json = (data) => h('pre', {class: 'json'}, typeof data === 'string' ? data : JSON.stringify(data, null, 2));

// Links into the file store lead to this server, whatever host the agent knew it by.
function storeLinks(a, target) {
  const m = /\/switchyard\/files\/([0-9a-f]{64})(?:\?name=([\w.-]+))?/.exec(target);
  if (m) a.setAttribute('href', fileUrl(m[1], m[2] || 'file'));
}

function image(data) {
  return /^data:image\/(png|jpeg|gif|svg\+xml|webp);/.test(data) ? h('img', {src: data, alt: ''}) : markdown(`[${data}](${data})`);
}

const kinds = {
  measurement: (a) => energyCard(parsed(a.data)),
  report: (a) => report(parsed(a.data) || {}),
  markdown: (a) => markdown(a.data ?? '', storeLinks),
  link: (a) => markdown(a.data ?? '', storeLinks),
  table: (a) => table(parsed(a.data)),
  image: (a) => image(String(a.data)),
  progress: (a) => h('p', {}, h('progress', {max: 100, value: Number(a.data) || 0}), ` ${Math.round(Number(a.data) || 0)} %`),
};

function card(a) {
  let body;
  try {
    body = (kinds[a.type] || ((x) => json(parsed(x.data))))(a);
  } catch (e) {
    body = h('p', {class: 'dim'}, `This artifact cannot be shown: ${e.message}`);
  }
  const m = a.type === 'measurement' ? parsed(a.data) : null, title = m ? `${m.model} on ${m.target}` : a.key || a.description || a.type || 'artifact';
  return h('article', {class: 'card'}, h('header', {}, h('b', {}, title), h('span', {class: 'kind'}, a.type || ''),
    a.description && a.description !== title ? h('span', {class: 'dim'}, a.description) : null, h('span', {class: 'spring'}), h('span', {class: 'kind'}, ago(a.created))), body);
}

const RANK = {report: 0, measurement: 1, markdown: 2};

export function artifactsTab(panel, runId) {
  let items = null, lastCount = -1, ticks = 0;
  const list = h('div'), empty = h('div', {class: 'empty', hidden: true}, 'This run has made no artifacts.');
  panel.append(list, empty);
  const body = () => ({artifacts: {flow_run_id: {any_: [runId]}, type: {not_any_: ['result']}}});
  const counted = (signal) => post('artifacts/count', body(), signal);

  return {
    any: async (signal) => (lastCount = await counted(signal).catch(() => 0)) > 0,
    count: () => (items && items.length ? String(items.length) : lastCount > 0 ? String(lastCount) : ''),
    async refresh(signal) {
      // Measurements are large: ask for their number first, and for all of them only when it changed.
      const count = await counted(signal);
      if (items && count === lastCount && ++ticks % 10) return;
      items = await post('artifacts/filter', {...body(), sort: 'CREATED_DESC', limit: LIMIT}, signal);
      items.sort((a, b) => (RANK[a.type] ?? 9) - (RANK[b.type] ?? 9));
      lastCount = count;
    },
    show() {
      if (!items) return;
      keyed(list, items, (a) => `${a.id} ${a.updated}`, card, () => {});
      empty.hidden = items.length > 0;
    },
    stop() {},
  };
}
