// A run's tasks as bars over time. Between two refreshes the bars of running tasks grow by themselves.
import {h, keyed, redraw, setAttr, setText} from './dom.js';
import {STATES, duration, isTerminal, plural, stateClass, stateIcon, workedFor} from './format.js';

const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400];

const startOf = (t) => Date.parse(t.start_time || t.expected_start_time || t.created);
const endOf = (t, now) => (t.end_time ? Date.parse(t.end_time) : t.start_time && !isTerminal(t.state_type) ? now : startOf(t));

function ticks(span) {
  const step = STEPS.find((st) => span / st <= 6) || Math.ceil(span / 6 / 86400) * 86400;
  const out = [];
  for (let t = 0; t <= span * 1.0001; t += step) out.push(t);
  return out;
}

const tickText = (t) => (t === 0 ? '0' : t < 60 ? `${Number(t.toFixed(1))} s` : duration(t).replace(/\u00a0m 0\u00a0s$/, ' m').replace(/\u00a0h 0\u00a0m$/, ' h'));

// onPick(task or null) is told which row was pressed.
export function timeline(onPick) {
  const rows = h('div'), axis = h('div'), element = h('div', {class: 'gantt'}, rows, axis), sums = h('span', {class: 'sums'});
  let picked = null;

  function make(task) {
    const icon = h('i', {style: {display: 'contents'}}), name = h('span'), bar = h('i'), took = h('span', {class: 'num'});
    const el = h('button', {class: 'gantt-row', title: 'Show the logs of this task', onclick: () => {
      picked = picked === task.id ? null : task.id;
      for (const row of rows.children) setAttr(row, 'aria-pressed', String(row === el && picked !== null));
      onPick(picked ? el.task : null);
    }}, h('span', {class: 'label'}, icon, name), h('span', {class: 'lane'}, bar), took);
    el.parts = {icon, name, bar, took};
    return el;
  }

  function show(run, tasks, cut) {
    const now = Date.now();
    const begin = Math.min(...tasks.map(startOf), run.start_time ? Date.parse(run.start_time) : Infinity);
    const end = Math.max(...tasks.map((t) => endOf(t, now)), begin + 100), span = end - begin;
    keyed(rows, tasks, (t) => t.id, make, (el, t) => {
      const p = el.parts, worked = workedFor(t, now), from = startOf(t);
      el.task = t;
      el.className = `gantt-row ${stateClass(t.state_type, t.state_name)}`;
      redraw(p.icon, t.state_type, () => stateIcon(t.state_type));
      setText(p.name, `${t.name}${t.run_count > 1 ? ` ×${t.run_count}` : ''}`);
      setAttr(p.name, 'title', `${t.name}: ${t.state_name}${t.state && t.state.message ? `: ${t.state.message}` : ''}`);
      p.bar.className = t.state_type === 'RUNNING' ? 'live' : '';
      p.bar.style.left = `${100 * (from - begin) / span}%`;
      p.bar.style.width = `${Math.max(0, 100 * (endOf(t, now) - from) / span)}%`;
      setText(p.took, t.state_name === 'Skipped' ? 'skipped' : t.start_time && !isNaN(worked) ? duration(worked) : t.state_name || '');
    });
    redraw(axis, `${Math.round(span / 100)}`, () => h('div', {class: 'axis'}, h('span', {style: {position: 'static', visibility: 'hidden'}}, ''),
      h('div', {}, ticks(span / 1000).map((t) => h('span', {style: {left: `${100 * t * 1000 / span}%`}}, tickText(t)))), ''));
    const counts = Object.keys(STATES).map((st) => [st, tasks.filter((t) => t.state_type === st).length]).filter(([, n]) => n);
    redraw(sums, JSON.stringify([counts, cut]), () => [...counts.map(([st, n]) => h('span', {class: stateClass(st)}, stateIcon(st), `${n} ${STATES[st].label.toLowerCase()}`)),
      cut ? h('span', {}, `the first ${plural(tasks.length, 'task')}`) : '']);
  }
  return {element, sums, show};
}
