// Campaigns: runs with the same tag `campaign:NAME`, and each as a matrix of model and target.
import {get, learnFlowNames, flowName, post, ApiError} from './api.js';
import {isResult, refusal} from './energy.js';
import {h, keyed, redraw, setAttr, setText, toast} from './dom.js';
import {STATES, ago, bytes, campaignOf, duration, isTerminal, modelOf, plural, si, stateClass, stateIcon, targetOf} from './format.js';
import {poll} from './poll.js';

const PAGE = 200, AT_ONCE = 3, LOOK_BACK = 1000, RUNS_MAX = 10000, ROWS_AT_ONCE = 1000, ROWS_SHOWN = 500, SHOW_MS = 1500;
const AT_WORK = ['PENDING', 'RUNNING', 'PAUSED', 'CANCELLING'];
const ORDER = ['COMPLETED', 'RUNNING', 'PENDING', 'SCHEDULED', 'PAUSED', 'CANCELLING', 'FAILED', 'CRASHED', 'CANCELLED'];

function countByState(runs) {
  const counts = {};
  for (const r of runs) counts[r.state_type] = (counts[r.state_type] || 0) + 1;
  return ORDER.filter((st) => counts[st]).map((st) => [st, counts[st]]);
}

const progress = (counts) => h('div', {class: 'progress', role: 'img', 'aria-label': counts.map(([st, n]) => `${n} ${st}`).join(', ')},
  counts.map(([st, n]) => h('i', {class: stateClass(st), style: {flex: String(n)}})));

const sums = (counts) => h('div', {class: 'sums'}, counts.map(([st, n]) => h('span', {class: stateClass(st)}, stateIcon(st), `${n.toLocaleString()} ${STATES[st].label.toLowerCase()}`)));

// ---- all campaigns ----

function group(runs) {
  const found = new Map();
  for (const r of runs) {
    const name = campaignOf(r);
    if (!name) continue;
    if (!found.has(name)) found.set(name, {name, runs: []});
    found.get(name).runs.push(r);
  }
  return [...found.values()];
}

// The runs that measure; without any, all.
function measuringOf(runs) {
  const found = runs.filter((r) => modelOf(r) || targetOf(r));
  return found.length ? found : runs;
}

// Of a campaign with a queue the server counts all runs, not only those that were looked at.
const countsOf = (c) => (c.counts ? ORDER.filter((st) => c.counts[st.toLowerCase()]).map((st) => [st, c.counts[st.toLowerCase()]]) : countByState(measuringOf(c.runs)));

function tileParts(c) {
  const counts = countsOf(c), all = counts.reduce((sum, [, n]) => sum + n, 0), last = c.runs.map((r) => r.start_time || r.expected_start_time || r.created).sort().pop();
  const models = new Set(c.runs.map(modelOf).filter(Boolean)), targets = new Set(c.runs.map(targetOf).filter(Boolean));
  const seen = all <= c.runs.length ? `, ${plural(models.size, 'model')}, ${plural(targets.size, 'target')}` : '';
  return [h('h2', {}, c.name), h('p', {class: 'dim'}, `${plural(all, 'run')}${seen}${c.state === 'paused' ? ', paused' : ''}${last || c.created ? `, last ${ago(last || c.created)}` : ''}`),
    progress(counts), sums(counts)];
}

export function campaignsPage(main, {onLink}) {
  let back = LOOK_BACK, runs = [], cut = false;
  const tiles = h('div', {class: 'tiles'}), empty = h('div', {class: 'empty', hidden: true});
  const more = h('button', {hidden: true, onclick: () => { back += LOOK_BACK; refresher.now(); }}, 'Look further back');
  main.append(h('div', {class: 'head'}, h('h1', {}, 'Campaigns')), tiles, empty, h('div', {class: 'pager'}, more));
  document.title = 'Campaigns · Switchyard';

  // The first time all pages; afterwards only the newest.
  async function refresh(signal) {
    const known = new Map(runs.map((r) => [r.id, r])), pages = known.size ? 1 : back / PAGE;
    if (known.size && back > known.size && !cut) cut = false;
    for (let offset = 0; offset < (cut && known.size < back ? back : pages * PAGE); offset += PAGE) {
      const found = await post('flow_runs/filter', {sort: 'EXPECTED_START_TIME_DESC', limit: PAGE, offset}, signal);
      for (const r of found) known.set(r.id, r);
      cut = found.length === PAGE;
      if (!cut) break;
    }
    runs = [...known.values()];
    const found = group(runs), byName = new Map(found.map((c) => [c.name, c]));
    for (const c of await get('switchyard/campaigns', signal).catch(() => [])) { // a Prefect has none
      if (byName.has(c.name)) Object.assign(byName.get(c.name), {counts: c.counts, state: c.state});
      else found.push({...c, runs: []});
    }
    keyed(tiles, found, (c) => c.name, (c) => h('a', {class: 'tile', 'data-row': true, href: `#/campaigns/${encodeURIComponent(c.name)}`}),
      (el, c) => redraw(el, JSON.stringify([countsOf(c), c.state, Math.floor(Date.now() / 15000)]), () => tileParts(c)));
    empty.hidden = found.length > 0;
    if (!found.length) redraw(empty, 'none', () => [h('h2', {}, 'No campaigns yet'), h('p', {}, 'A campaign is a matrix of runs with one report:'),
      h('pre', {}, 'switchyard run energy-profile/default -m model=a,b -m target=x,y -c first')]);
    more.hidden = !cut || runs.length < back;
    return 4000;
  }
  const refresher = poll(refresh, onLink);
  return {refresh: () => refresher.now(), stop: () => refresher.stop()};
}

// ---- one campaign ----

// Energies on a logarithmic scale from blue (little) to yellow (much): readable without colour vision, too.
const STOPS = [[0x0b, 0x3c, 0x6f], [0x1f, 0x74, 0x8f], [0x3f, 0xa8, 0x86], [0xa5, 0xcf, 0x5c], [0xf6, 0xdf, 0x56]];

function heat(value, low, high) {
  const at = high > low ? Math.log(value / low) / Math.log(high / low) : 0.5, i = Math.min(STOPS.length - 2, Math.floor(at * (STOPS.length - 1)));
  const part = at * (STOPS.length - 1) - i, rgb = STOPS[i].map((c, k) => Math.round(c + (STOPS[i + 1][k] - c) * part));
  const light = (0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2]) > 140;
  return {'--heat': `rgb(${rgb.join(' ')})`, '--heat-ink': light ? '#10202c' : '#fff'};
}

function matrixOf(runs) {
  const cells = new Map(), models = new Set(), targets = new Set();
  for (const r of runs) {
    const model = modelOf(r), target = targetOf(r);
    if (!model && !target) continue;
    models.add(model);
    targets.add(target);
    const key = `${model}\n${target}`, old = cells.get(key);
    if (!old || Date.parse(r.created) > Date.parse(old.created)) cells.set(key, r);
  }
  const natural = new Intl.Collator(undefined, {numeric: true}).compare;
  return {cells, models: [...models].sort(natural), targets: [...targets].sort(natural)};
}

function cell(run, m, mode, range) {
  if (!run) return h('span', {class: 'cellbox void'}, '–');
  const props = {href: `#/runs/${run.id}`, class: `cellbox ${stateClass(run.state_type, run.state_name)}`, 'data-row': true};
  if (m && !isResult(m)) return h('a', {...props, class: 'cellbox st-failed', title: `Not a result. ${refusal(m)}`}, stateIcon('FAILED'), 'no result');
  if (m && mode === 'energy') {
    const e = m.median_energy_per_inference_j;
    return h('a', {...props, class: 'cellbox heat', style: heat(e, ...range), title: `${si(e, 'J')} per inference, dynamic ${si(m.median_dynamic_energy_per_inference_j, 'J')}, ${si(m.latency_s, 's')}${m.emulated ? ', emulated' : ''}`}, si(e, 'J', 3));
  }
  return h('a', {...props, title: `${run.name}: ${run.state_name}${run.state && run.state.message ? `: ${run.state.message}` : ''}`}, stateIcon(run.state_type), run.state_name);
}

// ---- results as a table, and against another campaign ----

const natural = new Intl.Collator(undefined, {numeric: true}).compare;

function results(rows) {
  const shown = [...rows].sort((a, b) => natural(a.model, b.model) || natural(a.target || '', b.target || '')).slice(0, ROWS_SHOWN);
  return [h('div', {class: 'wide'}, h('table', {class: 'data'},
    h('thead', {}, h('tr', {}, ['Model', 'Target', 'Board'].map((c) => h('th', {}, c)), ['Energy', 'Dynamic', 'Latency', 'Flash', 'RAM'].map((c) => h('th', {class: 'r'}, c)), h('th', {}, 'Verdict'))),
    h('tbody', {}, shown.map((m) => h('tr', {}, h('td', {}, h('a', {href: `#/runs/${m.flow_run_id}`, 'data-row': true}, m.model)), h('td', {}, m.target || '–'), h('td', {}, m.board || '–'),
      [si(m.median_energy_per_inference_j, 'J'), si(m.median_dynamic_energy_per_inference_j, 'J'), si(m.latency_s, 's'), bytes(m.flash_bytes), bytes(m.ram_bytes)].map((v) => h('td', {class: 'r'}, m.valid ? v : '–')),
      h('td', {title: m.valid ? '' : refusal(m)}, m.valid ? m.emulated ? h('span', {class: 'emulated'}, 'EMULATED') : 'a result' : `no result: ${m.failed_gates.replaceAll('_', ' ') || 'no window'}`)))))),
  rows.length > ROWS_SHOWN ? h('p', {class: 'dim'}, `The first ${ROWS_SHOWN} of ${rows.length.toLocaleString()}; all of them: switchyard measurement export`) : null];
}

function change(percent) {
  const text = `${percent > 0 ? '+' : ''}${percent.toFixed(2).replace('-', '−')}\u00a0%`;
  return h('td', {class: `r ${percent > 3 ? 'worse' : percent < -3 ? 'better' : ''}`}, text);
}

function comparison(other, name, lines) {
  return [h('h2', {}, `Against ${other}`), lines.length ? h('div', {class: 'wide'}, h('table', {class: 'data'},
    h('thead', {}, h('tr', {}, h('th', {}, 'Model'), h('th', {}, 'Target'), [other, name, 'Change'].map((c) => h('th', {class: 'r'}, c)), h('th', {}, ''))),
    h('tbody', {}, [...lines].sort((a, b) => (b.change_percent ?? -1e9) - (a.change_percent ?? -1e9)).slice(0, ROWS_SHOWN).map((l) => h('tr', {}, h('td', {}, l.model), h('td', {}, l.target || '–'),
      h('td', {class: 'r'}, si(l.before_j, 'J')), h('td', {class: 'r'}, si(l.after_j, 'J')), l.change_percent === null ? h('td', {class: 'r'}, '–') : change(l.change_percent),
      h('td', {class: 'dim'}, l.verdict === 'compared' ? '' : l.verdict)))))) : h('p', {class: 'dim'}, 'Nothing to compare.')];
}

export function campaignPage(main, {args: [name], onLink}) {
  const tag = `campaign:${name}`, runs = new Map(), energies = new Map();
  let mode = 'energy', complete = false, left = null, reportRun = null, newest = null, shown = 0;
  const head = h('div'), bar = h('div'), tools = h('div', {class: 'filters'}), box = h('div', {class: 'matrix', hidden: true}), others = h('div'), table = h('section', {class: 'panel'}), compared = h('section', {class: 'panel'});
  const view = h('select', {'aria-label': 'Shown in the matrix', onchange: () => { mode = view.value; show(); }}, h('option', {value: 'energy'}, 'Energy'), h('option', {value: 'state'}, 'State'), h('option', {value: 'table'}, 'Table'));
  const other = h('input', {type: 'text', placeholder: 'Compare with …', 'aria-label': 'Compare with another campaign', onchange: () => compare()});
  const scale = h('span', {class: 'scale', hidden: true}), report = h('span'), headRow = h('tr'), body = h('tbody');
  box.append(h('table', {}, h('thead', {}, headRow), body));
  tools.append(view, other, scale, h('span', {class: 'spring'}), report, h('a', {href: `#/runs?tag=${encodeURIComponent(tag)}&range=1y`}, 'As a list'));
  main.append(h('div', {class: 'crumbs'}, h('a', {href: '#/campaigns'}, 'Campaigns')), h('div', {class: 'runhead'}, h('h1', {}, name), head), bar, tools, box, table, compared, others);
  document.title = `${name} · Switchyard`;

  const measuring = () => measuringOf([...runs.values()]);

  async function compare() {
    const name_ = other.value.trim();
    if (!name_) {
      compared.replaceChildren();
      return;
    }
    try {
      const lines = await get(`switchyard/measurements/compare?before=${encodeURIComponent(name_)}&after=${encodeURIComponent(name)}`);
      compared.replaceChildren(...comparison(name_, name, lines).flat());
    } catch (e) {
      toast(e.message, 'bad');
    }
  }

  function show() {
    const list = measuring(), counts = countByState(list), {cells, models, targets} = matrixOf(list);
    const good = [...energies.values()].filter((m) => m && isResult(m)), values = good.map((m) => m.median_energy_per_inference_j);
    const range = [Math.min(...values), Math.max(...values)], done = list.filter((r) => isTerminal(r.state_type)).length;
    redraw(bar, JSON.stringify(counts), () => (list.length ? [progress(counts), sums(counts)] : complete ? h('div', {class: 'empty'}, h('h2', {}, 'No run has this tag'), h('p', {}, tag)) : ''));
    const leftText = done < list.length && left !== null ? `, about ${duration(left)} left ` : '';
    redraw(head, JSON.stringify([done, list.length, leftText, good.some((m) => m.emulated)]), () => [h('span', {class: 'dim'}, `${done.toLocaleString()} of ${plural(list.length, 'run')} finished${leftText} `),
      good.some((m) => m.emulated) ? h('span', {class: 'emulated'}, 'EMULATED') : '']);
    redraw(report, reportRun ? reportRun.id : '', () => (reportRun ? h('a', {href: `#/runs/${reportRun.id}?tab=artifacts`}, h('b', {}, 'Report')) : ''));
    scale.hidden = mode !== 'energy' || values.length < 2;
    if (!scale.hidden) redraw(scale, range.join(), () => [si(range[0], 'J', 3), h('i', {style: {background: `linear-gradient(90deg, ${STOPS.map((c) => `rgb(${c.join(' ')})`).join(',')})`}}), si(range[1], 'J', 3)]);
    box.hidden = !models.length || mode === 'table';
    table.hidden = mode !== 'table';
    if (mode === 'table') redraw(table, `${energies.size} ${newest}`, () => results([...energies.values()]));
    redraw(headRow, JSON.stringify([models.length, targets]), () => [h('th', {scope: 'col'}, `${models.length} × ${targets.length}`), targets.map((t) => h('th', {scope: 'col'}, t || '–'))].flat());
    const inRow = (m) => targets.map((t) => cells.get(`${m}\n${t}`));
    keyed(body, box.hidden ? [] : models, (m) => m, () => h('tr'), (el, m) =>
      redraw(el, JSON.stringify([mode, range, inRow(m).map((r) => r && [r.id, r.state_type, r.state_name, Boolean(energies.get(r.id))])]), () =>
        [h('th', {scope: 'row', title: m}, m || '–'), ...inRow(m).map((run) => h('td', {}, cell(run, run && energies.get(run.id), mode, range)))]));
    shown = performance.now();
  }

  // All ids at once, then the runs: pages with an offset would cost the server the whole campaign each. A Prefect has no such list.
  async function fetchAll(signal) {
    const keep = (found) => found.forEach((r) => runs.set(r.id, r)), filter = (body) => post('flow_runs/filter', {limit: PAGE, ...body}, signal);
    const ids = await get(`switchyard/campaigns/${encodeURIComponent(name)}/runs`, signal).catch((e) => {
      if (e.status === 404) return null;
      throw e;
    });
    for (let at = 0; at < Math.min(ids ? ids.length : RUNS_MAX, RUNS_MAX); at += ids ? AT_ONCE * PAGE : PAGE) {
      const chunks = ids ? Array.from({length: AT_ONCE}, (_, k) => ids.slice(at + k * PAGE, at + (k + 1) * PAGE)).filter((some) => some.length) : [];
      const found = ids ? (await Promise.all(chunks.map((some) => filter({flow_runs: {id: {any_: some}}})))).flat() :
        await filter({flow_runs: {tags: {all_: [tag]}}, sort: 'EXPECTED_START_TIME_DESC', offset: at});
      keep(found);
      if (performance.now() - shown > SHOW_MS) show();
      if (!ids && found.length < PAGE) break;
    }
  }

  // The first time all of them; afterwards those that ended since, those at work, the newest, and what is at work no more without an end.
  async function fetchRuns(signal) {
    if (!complete) {
      await fetchAll(signal);
      complete = true;
      return;
    }
    const all = [...runs.values()], lastEnd = all.map((r) => r.end_time || '').sort().pop(), tags = {all_: [tag]};
    const filter = (flow_runs, sort = 'EXPECTED_START_TIME_DESC') => post('flow_runs/filter', {flow_runs, sort, limit: PAGE}, signal);
    const ended = await filter({tags, end_time: lastEnd ? {after_: lastEnd} : {is_null_: false}}, 'END_TIME_DESC');
    const [active, newestOnes] = await Promise.all([filter({tags, state: {type: {any_: AT_WORK}}}), filter({tags})]);
    const seen = [...ended, ...active, ...newestOnes], known = new Set(seen.map((r) => r.id));
    const gone = all.filter((r) => AT_WORK.includes(r.state_type) && !known.has(r.id)).map((r) => r.id).slice(0, PAGE);
    seen.push(...(gone.length ? await filter({id: {any_: gone}}) : []));
    for (const r of seen) runs.set(r.id, r);
    complete = ended.length < PAGE; // else more has happened than one look shows
  }

  // Rows that came since the last time; the newest of a run counts.
  async function fetchEnergies(signal) {
    for (let found = [null]; found.length;) {
      const measurements = {campaign: {any_: [name]}, superseded: {eq_: false}, ...(newest ? {created: {after_: newest}} : {})};
      const rows = await post('switchyard/measurements/filter', {measurements, sort: 'CREATED_ASC', limit: ROWS_AT_ONCE}, signal);
      found = rows.filter((m) => (energies.get(m.flow_run_id) || {}).id !== m.id);
      for (const m of found) energies.set(m.flow_run_id, m);
      if (rows.length) newest = rows[rows.length - 1].created;
      if (performance.now() - shown > SHOW_MS) show();
    }
    show();
  }

  async function refresh(signal) {
    await fetchRuns(signal);
    left = await get(`switchyard/campaigns/${encodeURIComponent(name)}`, signal).then((status) => status.eta_s, () => null); // no run has the tag yet
    await learnFlowNames([...runs.values()].map((r) => r.flow_id), signal);
    reportRun = [...runs.values()].filter((r) => r.state_type === 'COMPLETED' && !modelOf(r) && !targetOf(r) && /report/.test(flowName(r.flow_id)))
      .sort((a, b) => Date.parse(b.created) - Date.parse(a.created))[0] || null;
    show();
    await fetchEnergies(signal);
    return [...runs.values()].some((r) => !isTerminal(r.state_type)) ? 2500 : 8000;
  }
  const refresher = poll(refresh, onLink);
  return {refresh: () => refresher.now(), back: () => { location.hash = '#/campaigns'; }, stop: () => refresher.stop()};
}
