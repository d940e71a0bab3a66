// All runs: what happened lately, by state, and the newest of them. At most three requests per refresh:
// the page of runs, the history (counts and bars come out of one answer), and names of flows not yet known.
import {post, learnFlowNames, flowName, ApiError} from './api.js';
import {h, s, keyed, redraw, setText, setAttr} from './dom.js';
import {STATES, ago, campaignOf, duration, isTerminal, plural, stateClass, stateIcon, when, workedFor} from './format.js';
import {poll} from './poll.js';

const PER_PAGE = 50, BARS = 60;
const RANGES = [['1h', 'last hour', 3600], ['24h', 'last 24 hours', 86400], ['7d', 'last 7 days', 604800],
  ['30d', 'last 30 days', 2592000], ['1y', 'last year', 31536000]];
const SHOWN = ['RUNNING', 'PENDING', 'SCHEDULED', 'PAUSED', 'FAILED', 'CRASHED', 'CANCELLED', 'COMPLETED'];

const typesOf = (state) => (state === 'CANCELLED' ? ['CANCELLED', 'CANCELLING'] : [state]);

function filterOf(query, from, to) {
  const runs = {expected_start_time: {after_: from, before_: to}};
  if (query.get('q')) runs.name = {like_: query.get('q')};
  if (query.get('tag')) runs.tags = {all_: query.get('tag').split(',').map((t) => t.trim()).filter(Boolean)};
  const body = {flow_runs: runs};
  if (query.get('flow')) body.flows = {id: {any_: [query.get('flow')]}};
  return body;
}

// {type: count} of the whole range.
function countStates(history) {
  const counts = {};
  for (const bucket of history)
    for (const st of bucket.states) counts[st.state_type] = (counts[st.state_type] || 0) + st.count_runs;
  return counts;
}

function bars(history) {
  const sums = history.map((b) => b.states.reduce((n, st) => n + st.count_runs, 0)), top = Math.max(1, ...sums);
  const width = 1000 / Math.max(1, history.length);
  return s('svg', {viewBox: '0 0 1000 60', preserveAspectRatio: 'none', class: 'bars', role: 'img', 'aria-label': 'Runs over time by state'},
    history.map((bucket, i) => {
      let y = 60;
      const order = [...bucket.states].sort((a, b) => SHOWN.indexOf(b.state_type) - SHOWN.indexOf(a.state_type));
      return s('g', {}, s('title', {}, `${when(bucket.interval_start)}: ${plural(sums[i], 'run')}`),
        s('rect', {x: i * width, y: 0, width, height: 60, class: 'hit'}),
        order.map((st) => {
          const height = 58 * st.count_runs / top;
          y -= height;
          return s('rect', {x: i * width + width * 0.1, y, width: width * 0.8, height, class: stateClass(st.state_type, st.state_name)});
        }));
    }));
}

function makeRow(run) {
  const parts = {
    state: h('span', {class: 'cell state'}),
    name: h('b', {}), flow: h('span', {class: 'dim'}), tags: h('span', {class: 'tags'}),
    started: h('span', {class: 'cell num started'}), took: h('span', {class: 'cell num took'}),
  };
  const el = h('a', {class: 'row', 'data-row': true, href: `#/runs/${run.id}`}, parts.state,
    h('span', {class: 'cell main'}, parts.name, ' ', parts.flow, parts.tags), parts.started, parts.took);
  el.parts = parts;
  return el;
}

export function pill(type, name) {
  return h('span', {class: `pill ${stateClass(type, name)}`}, stateIcon(type), name || (STATES[type] || {}).label || 'unknown');
}

function updateRow(el, run) {
  const p = el.parts, start = run.start_time || run.expected_start_time, worked = workedFor(run);
  redraw(p.state, `${run.state_type} ${run.state_name}`, () => pill(run.state_type, run.state_name));
  setText(p.name, run.name);
  setText(p.flow, flowName(run.flow_id));
  redraw(p.tags, (run.tags || []).join('\n'), () => (run.tags || []).slice(0, 4).map((t) =>
    h('span', {class: campaignOf({tags: [t]}) ? 'tag campaign' : 'tag'}, t)));
  setText(p.started, ago(start));
  setAttr(p.started, 'title', `${run.start_time ? 'started' : 'expected'} ${when(start)}`);
  setText(p.took, isNaN(worked) ? '' : duration(worked));
  el.classList.toggle('active', run.state_type === 'RUNNING');
}

const emptyText = (query) => (['q', 'tag', 'flow', 'state'].some((k) => query.get(k))
  ? [h('h2', {}, 'No run matches'), h('p', {}, 'Remove a filter, or look further back.')]
  : [h('h2', {}, 'No runs yet'), h('p', {}, 'Runs appear here as soon as there are some. To make one:'),
    h('pre', {}, 'switchyard deploy flow.yaml\nswitchyard run FLOW/default --watch')]);

export function runsPage(main, {query, onLink}) {
  let rows = [], total = null, noHistory = false;
  const at = () => Number(query.get('page') || 0);
  const chips = h('div', {class: 'chips', role: 'group', 'aria-label': 'State'});
  const chart = h('div', {class: 'chart'}), list = h('div', {class: 'rows', role: 'list'}), empty = h('div', {class: 'empty', hidden: true});
  const search = h('input', {type: 'search', placeholder: 'Search by name   /', 'aria-label': 'Search by name', oninput: () => set('q', search.value)});
  const tag = h('input', {type: 'text', placeholder: 'Tag', 'aria-label': 'Tag', oninput: () => set('tag', tag.value)});
  const flow = h('select', {'aria-label': 'Flow', onchange: () => set('flow', flow.value)}, h('option', {value: ''}, 'All flows'));
  const range = h('select', {'aria-label': 'Time', onchange: () => set('range', range.value)}, RANGES.map(([k, label]) => h('option', {value: k}, label)));
  const older = h('button', {onclick: () => set('page', String(at() + 1), true)}, 'Older'), newer = h('button', {onclick: () => set('page', at() > 1 ? String(at() - 1) : '', true)}, 'Newer');
  const place = h('span', {class: 'dim'});
  const heading = h('h1', {}, 'Runs');
  document.title = 'Runs · Switchyard';
  main.append(h('div', {class: 'head'}, heading, h('span', {class: 'spring'}), range), chart, chips,
    h('div', {class: 'filters'}, search, flow, tag), list, empty, h('div', {class: 'pager'}, newer, place, older));
  let typing = 0;

  function set(name, value, keepPage) {
    if (value) query.set(name, value);
    else query.delete(name);
    if (!keepPage) query.delete('page');
    history.replaceState(null, '', `#/runs${[...query].length ? `?${query}` : ''}`);
    clearTimeout(typing);
    typing = setTimeout(() => refresher.now(), ['q', 'tag'].includes(name) ? 250 : 0);
    showFilters();
  }

  function showFilters() {
    if (document.activeElement !== search) search.value = query.get('q') || '';
    if (document.activeElement !== tag) tag.value = query.get('tag') || '';
    range.value = query.get('range') || '24h';
    flow.value = query.get('flow') || '';
    for (const chip of chips.children) setAttr(chip, 'aria-pressed', String(chip.dataset.state === (query.get('state') || '')));
  }

  async function learnFlows() {
    const flows = await post('flows/filter', {sort: 'NAME_ASC', limit: 200}).catch(() => []);
    flow.append(...flows.map((f) => h('option', {value: f.id}, f.name)));
    showFilters();
  }

  function chip(state, label, count) {
    return h('button', {class: `chip ${state ? stateClass(state) : ''}`, 'data-state': state, onclick: () => set('state', query.get('state') === state ? '' : state)},
      state && stateIcon(state), label, h('span', {class: 'count'}, count === null ? '' : count.toLocaleString()));
  }

  function showCounts(history) {
    const counts = history ? countStates(history) : {};
    counts.CANCELLED = (counts.CANCELLED || 0) + (counts.CANCELLING || 0);
    total = history ? SHOWN.reduce((n, st) => n + (counts[st] || 0), 0) : null;
    redraw(chips, JSON.stringify([counts, total]), () => [chip('', 'All', total),
      ...SHOWN.filter((st) => !history || counts[st] || query.get('state') === st).map((st) => chip(st, STATES[st].label, history ? counts[st] || 0 : null))]);
    chart.hidden = !total;
    if (total) redraw(chart, JSON.stringify(history), () => [bars(history), h('div', {class: 'ends'}, h('span', {}, when(history[0].interval_start)), h('span', {}, 'now'))]);
    showFilters();
    if (query.get('state')) total = history ? counts[query.get('state')] || 0 : null;
  }

  function show() {
    keyed(list, rows, (r) => r.id, makeRow, updateRow);
    empty.hidden = rows.length > 0;
    if (!rows.length) redraw(empty, query.toString(), () => emptyText(query));
    older.disabled = rows.length < PER_PAGE;
    newer.disabled = at() === 0;
    main.querySelector('.pager').hidden = older.disabled && newer.disabled;
    setText(place, `${at() * PER_PAGE + 1} to ${at() * PER_PAGE + rows.length}${total === null ? '' : ` of ${total.toLocaleString()}`}`);
  }

  async function fetchHistory(body, from, to, signal) {
    if (noHistory) return null;
    try {
      const seconds = Math.max(1, (Date.parse(to) - Date.parse(from)) / 1000 / BARS);
      return await post('flow_runs/history', {...body, history_start: from, history_end: to, history_interval_seconds: seconds}, signal);
    } catch (e) {
      if (!(e instanceof ApiError) || ![404, 405, 501].includes(e.status)) throw e;
      noHistory = true;
      return null;
    }
  }

  async function refresh(signal) {
    const seconds = (RANGES.find(([k]) => k === (query.get('range') || '24h')) || RANGES[1])[2];
    // Whole buckets, so that bars do not change their counts while they wander.
    const step = seconds / BARS * 1000, end = Math.ceil((Date.now() + 1000) / step) * step;
    const from = new Date(end - seconds * 1000).toISOString(), to = new Date(end).toISOString();
    const body = filterOf(query, from, to), wanted = structuredClone(body);
    if (query.get('state')) {
      wanted.flow_runs.state = {type: {any_: typesOf(query.get('state'))}};
      if (query.get('state') === 'SCHEDULED') delete wanted.flow_runs.expected_start_time.before_;
    }
    const [found, past] = await Promise.all([
      post('flow_runs/filter', {...wanted, sort: 'EXPECTED_START_TIME_DESC', limit: PER_PAGE, offset: at() * PER_PAGE}, signal),
      fetchHistory(body, from, to, signal)]);
    await learnFlowNames(found.map((r) => r.flow_id), signal);
    rows = found;
    showCounts(past);
    show();
    return rows.some((r) => !isTerminal(r.state_type)) ? 2000 : 5000;
  }

  learnFlows();
  showFilters();
  list.append(...Array.from({length: 8}, () => h('div', {class: 'row ghost'})));
  const clear = () => list.querySelectorAll('.ghost').forEach((g) => g.remove());
  const refresher = poll(async (signal) => {
    const pause = await refresh(signal);
    clear();
    return pause;
  }, (error) => {
    onLink(error);
    if (!error || rows.length) return;
    clear();
    empty.hidden = false;
    redraw(empty, error.message, () => [h('h2', {}, error.message), h('p', {}, 'The page tries again by itself.')]);
  });
  const ticking = setInterval(() => rows.length && keyed(list, rows, (r) => r.id, makeRow, updateRow), 1000);
  return {
    refresh: () => refresher.now(),
    back: () => { query = new URLSearchParams(); set('state', ''); },
    route: (q) => { query = q; showFilters(); refresher.now(); },
    stop() { clearInterval(ticking); refresher.stop(); },
  };
}
