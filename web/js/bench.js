// The bench: devices and who holds them, work pools and their workers. Three requests per refresh: devices,
// pools, and the workers of one pool in turn.
import {get, post, ApiError} from './api.js';
import {ask, h, keyed, redraw, toast} from './dom.js';
import {ago, plural, si, when} from './format.js';
import {poll} from './poll.js';

const DEVICE = {FREE: ['st-completed', 'free'], BUSY: ['st-running', 'busy'], OFFLINE: ['st-cancelled', 'offline'], QUARANTINED: ['st-failed', 'quarantined'], MAINTENANCE: ['st-paused', 'maintenance'], HELD: ['st-paused', 'held'], PROBATION: ['st-late', 'to be checked']};

const mark = (cls, text) => h('span', {class: `pill ${cls}`}, text);

const until = (time) => (time ? ` until ${when(time)}` : '');

// Who or what keeps runs from it, in words.
function obstacleOf(d) {
  if (d.status === 'QUARANTINED') return `${d.quarantine_reason || (d.health || {}).reason || 'no reason given'}, since ${ago(d.quarantined_since).replace(' ago', '')}`;
  if (d.maintenance_since) return `${d.maintenance_by}${d.maintenance_comment ? `: ${d.maintenance_comment}` : ''}, since ${when(d.maintenance_since)}`;
  if (d.held_by) return `${d.held_by}${until(d.held_until)}${d.held_comment ? `: ${d.held_comment}` : ''}`;
  return '';
}

// Versions by part; what USB says is worth a word only where nothing better is known.
function firmwareOf(d) {
  const all = Object.entries(d.firmware || {});
  return all.filter(([k]) => k !== 'usb' || all.length === 1).map(([k, v]) => `${k} ${v}`).join(', ');
}

// How often each rung of the recovery ladder was needed, in words.
const RUNGS = {retry: ['retry', 'retries'], power_cycle: ['power cycle'], usb_reset: ['USB reset'], hub_cycle: ['hub port cycle'], quarantine: ['quarantine']};
const recoveriesOf = (d) => Object.entries(RUNGS).filter(([k]) => (d.recoveries || {})[k]).map(([k, words]) => plural(d.recoveries[k], ...words)).join(', ');

function factsOf(d) {
  const firmware = firmwareOf(d);
  return [d.location, d.bench ? `part of ${d.bench}` : null, d.capacity > 1 ? `${d.used} of ${d.capacity} in use` : null, firmware || null,
    d.flashes ? `${plural(d.flashes, 'flash', 'flashes')}, ${plural(d.failures, 'failure')}` : null, recoveriesOf(d) || null].filter(Boolean);
}

// A measurement of the golden model, or of another.
const measured = (m, what) => (m ? h('p', {class: 'dim', title: when(m.created)}, `${what}: `, h('b', {}, si(m.median_energy_per_inference_j, 'J')), ` per inference, ${m.model}${m.valid ? '' : ' (not a result)'}, ${ago(m.created)} `, h('a', {href: `#/runs/${m.flow_run_id}`}, 'run')) : null);

const CHECK = {true: ['st-completed', 'passed'], false: ['st-failed', 'failed'], null: ['st-paused', 'undecided']};

// What the golden model gave, within its limits.
function checkLine(c) {
  const [cls, text] = c.passed === null && !c.reason ? ['st-running', 'under way'] : CHECK[c.passed], limits = [c.low_j, c.high_j].some((l) => l !== null);
  return h('li', {title: c.reason || ''}, h('time', {title: when(c.began)}, ago(c.began)), ' ', mark(cls, text), ' ',
    c.value_j === null ? null : h('b', {}, si(c.value_j, 'J')), limits ? ` of ${si(c.low_j, 'J')} to ${si(c.high_j, 'J')}` : null, c.value_j === null && !limits ? c.reason : null,
    c.flow_run_id ? [' ', h('a', {href: `#/runs/${c.flow_run_id}`}, 'run')] : null);
}

async function history(box, d) {
  if (!box.open) return;
  try {
    const found = await get(`switchyard/devices/${encodeURIComponent(d.name)}/history?agent=${encodeURIComponent(d.agent)}`), {checks} = found;
    box.replaceChildren(...[box.firstChild, h('p', {class: 'dim'}, `${plural(found.runs, 'run')}, ${plural(found.flashes, 'flash', 'flashes')}, ${plural(found.failures, 'failure')}`),
      h('p', {class: 'dim'}, `Recoveries: ${recoveriesOf(found) || 'none'}`), measured(found.last_golden_measurement, 'Golden model'), measured(found.last_measurement, 'Last other model'),
      checks.length ? [h('h3', {}, 'Health checks'), h('ol', {class: 'history'}, checks.slice(0, 5).map(checkLine)), h('h3', {}, 'What befell it')] : null,
      h('ol', {class: 'history'}, found.events.slice(0, 30).map((e) => h('li', {}, h('time', {title: when(e.at)}, ago(e.at)), ' ', h('b', {}, e.kind), e.by ? ` by ${e.by}` : '', ' ',
        e.flow_run_id ? h('a', {href: `#/runs/${e.flow_run_id}`}, e.comment || 'run') : e.comment || ''))), found.events.length ? null : h('p', {class: 'dim'}, 'Nothing yet.')].flat().filter(Boolean));
  } catch (e) {
    toast(e.message, 'bad');
  }
}

// What a person can do: [label, question, detail, path, body]
function actionsOf(d) {
  const path = (what) => `switchyard/devices/${encodeURIComponent(d.name)}/${what}`, by = {by: 'dashboard', agent: d.agent};
  return [
    (d.leases || []).length ? ['Kick', `Cancel what runs on ${d.name}?`, 'Its clean-up still uses the device.', path('kick'), by] : null,
    d.held_by || d.maintenance_since ? null : ['Hold', `Keep ${d.name} from runs for an hour?`, 'A run that uses it goes on.', path('hold'), {...by, minutes: 60}],
    d.held_by ? ['Release', `Release ${d.name}?`, `${d.held_by} holds it.`, path('release'), by] : null,
    d.maintenance_since ? ['End maintenance', `Give ${d.name} back to runs?`, obstacleOf(d), path('maintenance'), {...by, on: false}]
      : ['Maintenance', `Keep ${d.name} from runs?`, 'A run that uses it goes on.', path('maintenance'), {...by, on: true}],
    d.status === 'QUARANTINED' || d.probation_since ? ['Return', `End the quarantine of ${d.name}?`, obstacleOf(d), path('return'), by] : null,
  ].filter(Boolean);
}

// A board or a meter of a bench stands in the bench's tile; its state where it is another than the bench's.
function partLine(d, bench) {
  const [cls, text] = DEVICE[d.status] || ['st-none', String(d.status).toLowerCase()], name = d.name.startsWith(`${bench.name}.`) ? d.name.slice(bench.name.length + 1) : d.name;
  const firmware = firmwareOf(d), {serial} = d.labels || {};
  return h('p', {class: 'part', title: d.name}, h('b', {}, name), ' ', d.status === bench.status ? null : [mark(cls, text), ' '], h('span', {class: 'dim'}, [serial, firmware].filter(Boolean).join(', ')));
}

function deviceTile(d, parts, act) {
  const [cls, text] = DEVICE[d.status] || ['st-none', String(d.status).toLowerCase()], obstacle = obstacleOf(d), facts = factsOf(d);
  const labels = [...Object.entries(d.labels || {}).filter(([k]) => k !== 'emulated').map(([k, v]) => `${k}: ${v}`), ...(d.capabilities || [])];
  const past = h('details', {class: 'past', ontoggle: () => history(past, d)}, h('summary', {}, 'History'));
  return [h('div', {class: 'runhead'}, h('h2', {}, d.name), h('span', {class: 'spring'}), mark(cls, text)),
    h('p', {}, d.target || d.type, ' ', String((d.labels || {}).emulated) === 'true' ? h('span', {class: 'emulated'}, 'EMULATED') : null),
    obstacle ? h('p', {class: `message ${cls}`}, obstacle) : null,
    h('p', {class: 'dim', title: when(d.last_seen)}, `${d.type} at ${d.agent_name || 'an agent'}, pool ${d.pool || '–'}, seen ${ago(d.last_seen)}`),
    facts.length ? h('p', {class: 'dim'}, facts.join(', ')) : null, parts.map((p) => partLine(p, d)),
    labels.length ? h('p', {}, labels.map((l) => h('span', {class: 'tag', style: {'margin-left': '0', 'margin-right': '6px'}}, l))) : null,
    (d.leases || []).map((l) => h('p', {}, 'leased by ', h('a', {href: `#/runs/${l.flow_run_id}`, 'data-row': true}, l.flow_run_name || 'a run'), h('span', {class: 'dim'}, ago(l.since) === 'now' ? ' just now' : ` for ${ago(l.since).replace(' ago', '')}`))),
    h('p', {class: 'tile-actions'}, actionsOf(d).map((a) => h('button', {class: 'small', onclick: () => act(a)}, a[0]))), past].flat();
}

function poolTile(pool, workers) {
  const state = pool.is_paused ? ['st-paused', 'paused'] : pool.status === 'READY' ? ['st-completed', 'ready'] : ['st-cancelled', 'no worker'];
  return [h('div', {class: 'runhead'}, h('h2', {}, pool.name), h('span', {class: 'spring'}), mark(...state)),
    h('p', {class: 'dim'}, `${pool.type}${pool.concurrency_limit !== null && pool.concurrency_limit !== undefined ? `, at most ${plural(pool.concurrency_limit, 'run')} at once` : ''}`),
    (workers || []).map((w) => h('p', {title: `last heartbeat ${when(w.last_heartbeat_time)}`}, mark(w.status === 'ONLINE' ? 'st-completed' : 'st-cancelled', w.status === 'ONLINE' ? 'online' : 'offline'),
      ` ${w.name} `, h('span', {class: 'dim'}, ago(w.last_heartbeat_time)))),
    workers && !workers.length ? h('p', {class: 'dim'}, 'No worker has been seen.') : null].flat();
}

export function benchPage(main, {onLink}) {
  const workers = new Map();
  let turn = 0;
  const devices = h('div', {class: 'tiles'}), pools = h('div', {class: 'tiles'}), noDevices = h('div', {class: 'empty', hidden: true}), noPools = h('div', {class: 'empty', hidden: true});
  main.append(h('div', {class: 'head'}, h('h1', {}, 'Bench')), h('h2', {}, 'Devices'), devices, noDevices,
    h('section', {class: 'panel'}, h('h2', {}, 'Work pools and workers'), pools, noPools));
  document.title = 'Bench · Switchyard';

  const devicesOf = (signal) => get('switchyard/devices', signal).catch((e) => {
    if (e instanceof ApiError && e.status === 404) return [];
    throw e;
  });

  async function act([label, question, detail, path, body]) {
    if (!(await ask(question, detail, label))) return;
    try {
      await post(path, body);
    } catch (e) {
      toast(e.message, 'bad');
    }
    refresher.now();
  }

  async function refresh(signal) {
    const [found, list] = await Promise.all([devicesOf(signal), post('work_pools/filter', {limit: 200}, signal)]);
    const pool = list[turn++ % Math.max(1, list.length)];
    if (pool) workers.set(pool.name, await post(`work_pools/${encodeURIComponent(pool.name)}/workers/filter`, {limit: 100}, signal));
    const slot = Math.floor(Date.now() / 10000);
    const partsOf = (d) => found.filter((p) => p.agent === d.agent && p.bench === d.name);
    const alone = found.filter((d) => !d.bench || !found.some((o) => o.agent === d.agent && o.name === d.bench));
    keyed(devices, alone, (d) => `${d.agent} ${d.name}`, () => h('div', {class: 'tile'}), (el, d) => {
      const open = el.querySelector('details[open]'), parts = partsOf(d);
      redraw(el, JSON.stringify([[d, ...parts].map((o) => ({...o, last_seen: open ? 0 : d.last_seen})), open ? 0 : slot]), () => deviceTile(d, parts, act));
      if (open && !open.isConnected) el.querySelector('details').open = true; // and it is asked anew
    });
    keyed(pools, list, (p) => p.id, () => h('div', {class: 'tile'}), (el, p) => redraw(el, JSON.stringify([p, workers.get(p.name), slot]), () => poolTile(p, workers.get(p.name))));
    noDevices.hidden = found.length > 0;
    noPools.hidden = list.length > 0;
    redraw(noDevices, 'none', () => 'No device has been reported. A worker with a bench in its configuration lists its boards and meters here.');
    redraw(noPools, 'none', () => h('pre', {}, 'switchyard-worker --server URL --pool bench'));
    return workers.size < list.length ? 300 : 4000;
  }
  const refresher = poll(refresh, onLink);
  return {refresh: () => refresher.now(), stop: () => refresher.stop()};
}
