// The bench: devices and who holds them, work pools and their workers. Three requests per refresh: devices,
// pools, and the workers of one pool in turn.
import {get, post, ApiError} from './api.js';
import {h, keyed, redraw} from './dom.js';
import {ago, plural, when} from './format.js';
import {poll} from './poll.js';

const DEVICE = {FREE: ['st-completed', 'free'], BUSY: ['st-running', 'busy'], OFFLINE: ['st-cancelled', 'offline'], QUARANTINED: ['st-failed', 'quarantined'], MAINTENANCE: ['st-paused', 'maintenance']};

const mark = (cls, text) => h('span', {class: `pill ${cls}`}, text);

function deviceTile(d) {
  const [cls, text] = DEVICE[d.status] || ['st-none', String(d.status).toLowerCase()];
  const labels = Object.entries(d.labels || {}).filter(([k]) => k !== 'emulated');
  return [h('div', {class: 'runhead'}, h('h2', {}, d.name), h('span', {class: 'spring'}), mark(cls, text)),
    h('p', {}, d.target || d.type, ' ', String((d.labels || {}).emulated) === 'true' ? h('span', {class: 'emulated'}, 'EMULATED') : null),
    h('p', {class: 'dim', title: when(d.last_seen)}, `${d.type} at ${d.agent_name || 'an agent'}, pool ${d.pool || '–'}, seen ${ago(d.last_seen)}`),
    labels.length ? h('p', {}, labels.map(([k, v]) => h('span', {class: 'tag', style: {'margin-left': '0', 'margin-right': '6px'}}, `${k}: ${v}`))) : null,
    d.flow_run_id ? h('p', {}, h('a', {href: `#/runs/${d.flow_run_id}`, 'data-row': true}, 'the run that holds it')) : null];
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

  async function refresh(signal) {
    const [found, list] = await Promise.all([devicesOf(signal), post('work_pools/filter', {limit: 200}, signal)]);
    const pool = list[turn++ % Math.max(1, list.length)];
    if (pool) workers.set(pool.name, await post(`work_pools/${encodeURIComponent(pool.name)}/workers/filter`, {limit: 100}, signal));
    const slot = Math.floor(Date.now() / 10000);
    keyed(devices, found, (d) => `${d.agent} ${d.name}`, () => h('div', {class: 'tile'}), (el, d) => redraw(el, JSON.stringify([d, slot]), () => deviceTile(d)));
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
