// A run's log: the newest lines first, older ones when one scrolls up, new ones as they come. Only the
// lines in sight are in the page, so a log of a million lines costs no more than one of fifty.
import {logDownload, post} from './api.js';
import {h, setText} from './dom.js';
import {clock, when} from './format.js';

const PAGE = 200, LINE_PX = 20, SPARE = 20, LINES_MAX = 200000;
const LEVELS = [[0, 'All levels'], [20, 'Info and worse'], [30, 'Warnings and worse'], [40, 'Errors']];
const LETTER = {10: 'D', 20: 'I', 30: 'W', 40: 'E', 50: 'C'};
const grade = (level) => Math.min(50, Math.floor(level / 10) * 10);

export function logsTab(panel, runId) {
  let entries = [], lines = [], known = new Set(), reachedStart = false, level = 0, task = null, loadingOlder = false, names = new Map(), generation = 0, loaded = false;
  let follow = true;
  const sheet = h('div', {class: 'sheet'}), none = h('div', {class: 'none', hidden: true}), box = h('div', {class: 'log', tabindex: 0, 'aria-label': 'Log', role: 'log'}, sheet, none);
  const levels = h('select', {'aria-label': 'Level', onchange: () => { level = Number(levels.value); restart(); }}, LEVELS.map(([v, label]) => h('option', {value: v}, label)));
  const following = h('input', {type: 'checkbox', onchange: () => { follow = following.checked; if (follow) toEnd(); }});
  const only = h('button', {hidden: true, title: 'Show all tasks', onclick: () => api.only(null)}), count = h('span', {class: 'dim'});
  following.checked = true;
  panel.append(h('div', {class: 'logbar'}, levels, only, h('label', {}, following, 'Follow'), count, h('span', {class: 'spring'}),
    h('a', {href: logDownload(runId), download: true}, 'Download CSV')), box);

  const filter = () => {
    const f = {flow_run_id: {any_: [runId]}};
    if (level) f.level = {ge_: level};
    if (task) f.task_run_id = {any_: [task.id]};
    return f;
  };

  // A message of several lines takes several lines; the first one has the time.
  function split(entry) {
    return entry.message.replace(/\n+$/, '').split('\n').map((text, i) => ({entry, text, head: i === 0}));
  }

  function add(found, atEnd) {
    const fresh = found.filter((e) => !known.has(e.id));
    for (const e of fresh) known.add(e.id);
    if (!fresh.length) return 0;
    const more = fresh.flatMap(split);
    if (atEnd) {
      entries.push(...fresh);
      for (const line of more) lines.push(line);
    } else {
      entries.unshift(...fresh);
      lines = [...more, ...lines];
    }
    return more.length;
  }

  function lineElement(line, i) {
    const e = line.entry, name = e.task_run_id && names.get(e.task_run_id);
    return h('div', {class: `line lv${grade(e.level)}`, style: {top: `${i * LINE_PX}px`}},
      h('time', {title: line.head ? when(e.timestamp) : null}, line.head ? `${clock(e.timestamp)} ${LETTER[grade(e.level)] || ' '}` : ' '.repeat(14)),
      line.head && name ? h('span', {class: 'task'}, name) : null, line.text || ' ');
  }

  function draw() {
    const first = Math.max(0, Math.floor(box.scrollTop / LINE_PX) - SPARE), last = Math.min(lines.length, Math.ceil((box.scrollTop + box.clientHeight) / LINE_PX) + SPARE);
    sheet.style.height = `${lines.length * LINE_PX}px`;
    const selecting = document.getSelection() && !document.getSelection().isCollapsed && sheet.contains(document.getSelection().anchorNode);
    const mark = `${generation} ${first} ${last} ${lines.length} ${reachedStart} ${names.size}`;
    if (sheet.mark !== mark && !selecting) {
      sheet.mark = mark;
      sheet.replaceChildren(...lines.slice(first, last).map((line, i) => lineElement(line, first + i)));
    }
    none.hidden = lines.length > 0 || !loaded;
    setText(none, level || task ? 'No line matches.' : 'Nothing was logged yet.');
    setText(count, lines.length ? `${lines.length.toLocaleString()}${reachedStart ? '' : '+'} lines` : '');
  }

  const toEnd = () => {
    box.scrollTop = lines.length * LINE_PX;
    draw();
  };

  async function older(signal) {
    if (loadingOlder || reachedStart || lines.length > LINES_MAX) return;
    loadingOlder = true;
    const born = generation;
    try {
      const found = await post('logs/filter', {logs: filter(), sort: 'TIMESTAMP_DESC', limit: PAGE, offset: entries.length}, signal);
      if (born !== generation) return;
      reachedStart = found.length < PAGE;
      const top = box.scrollTop, grown = add(found.reverse(), false);
      if (grown) box.scrollTop = top + grown * LINE_PX;
      draw();
    } finally {
      loadingOlder = false;
    }
  }

  async function newer(signal) {
    const born = generation;
    for (let pages = 0; pages < 20; pages++) {
      const last = entries[entries.length - 1];
      const found = await post('logs/filter', {logs: {...filter(), timestamp: {after_: last.timestamp}}, sort: 'TIMESTAMP_ASC', limit: PAGE}, signal);
      if (born !== generation) return;
      if (!add(found, true) || found.length < PAGE) break;
    }
    if (follow) toEnd();
    else draw();
  }

  async function refresh(signal) {
    if (entries.length) return newer(signal);
    await older(signal);
    loaded = true;
    if (follow) toEnd();
    else draw();
  }

  function restart() {
    entries = [];
    lines = [];
    known = new Set();
    reachedStart = loaded = false;
    generation++;
    refresh().catch(() => {});
  }

  box.addEventListener('scroll', () => {
    const atEnd = box.scrollTop + box.clientHeight >= box.scrollHeight - LINE_PX;
    if (atEnd !== follow && !loadingOlder) {
      follow = atEnd;
      following.checked = atEnd;
    }
    if (box.scrollTop < 40 * LINE_PX && entries.length) older().catch(() => {});
    draw();
  });
  const sized = new ResizeObserver(() => (follow ? toEnd() : draw()));
  sized.observe(box);

  const api = {
    refresh,
    show(run, tasks) {
      for (const t of tasks) names.set(t.id, t.name);
      draw();
    },
    only(picked) {
      task = picked;
      only.hidden = !picked;
      setText(only, picked ? `${picked.name} ✕` : '');
      restart();
    },
    stop: () => sized.disconnect(),
  };
  return api;
}
