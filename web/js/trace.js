// Current over time, to zoom into: drag a range, turn the wheel, double-click to go back; the keys + − ← → 0 do it, too.
// It begins with the preview of the measurement; the samples of a window come from the server, when it has the recording.
import {ApiError, get} from './api.js';
import {h, s, setText} from './dom.js';
import {si} from './format.js';

const H = 230, LEFT = 62, RIGHT = 10, TOP = 18, BOTTOM = 26, SETTLE_MS = 120, SAMPLES_LEAST = 8;

const niceStep = (span, want) => {
  const raw = span / want, power = 10 ** Math.floor(Math.log10(raw));
  return [1, 2, 2.5, 5, 10].find((m) => m * power >= raw * 0.999) * power;
};

function ticks(from, to, want) {
  const step = niceStep(to - from, want), out = [];
  for (let i = Math.ceil(from / step - 1e-9); i * step <= to + step * 1e-6; i++) out.push(i * step);
  return {step, at: out};
}

// As many digits as two neighbours need to differ.
const timeText = (t, step) => {
  const [unit, factor] = step >= 0.1 ? ['s', 1] : step >= 1e-4 ? ['ms', 1e3] : ['µs', 1e6];
  const digits = [0, 1, 2, 3, 4, 5].find((d) => Math.abs(step * factor * 10 ** d - Math.round(step * factor * 10 ** d)) < 1e-6) ?? 3;
  return t === 0 ? '0' : `${(t * factor).toFixed(digits)}\u00a0${unit}`;
};

const tenth = (step) => 10 ** Math.floor(Math.log10(step));

// {from, to, min, mean, max}: what is known of [from, to) seconds; null where samples are missing.
const ofPreview = (p) => ({from: 0, to: p.mean_a.length * p.bin_s, min: p.min_a, mean: p.mean_a, max: p.max_a, suspects: [], marks: []});
const ofServer = (v) => ({from: v.from_s, to: v.to_s, min: v.min_a, mean: v.mean_a, max: v.max_a, suspects: v.suspects, marks: v.marks, rate: v.rate_hz, end: v.duration_s, lost: v.lost});

// Stretches without a gap: [[first, end), ...]
function pieces(values) {
  const out = [];
  values.forEach((v, i) => {
    if (v === null) return;
    if (out.length && out[out.length - 1][1] === i) out[out.length - 1][1]++;
    else out.push([i, i + 1]);
  });
  return out;
}

function paths(data, x, y) {
  const width = (data.to - data.from) / data.mean.length, at = (i) => x(data.from + (i + 0.5) * width).toFixed(2);
  const line = (values, from, to) => values.slice(from, to).map((a, k) => `L${at(from + k)} ${y(a).toFixed(2)}`);
  let mean = '', band = '';
  for (const [from, to] of pieces(data.mean)) {
    mean += `M${line(data.mean, from, to).join('').slice(1)}${to - from === 1 ? 'h0.01' : ''}`;
    band += `M${[...line(data.max, from, to), ...line(data.min, from, to).reverse()].join('').slice(1)}Z`;
  }
  return [s('path', {class: 'band', d: band}), s('path', {class: 'mean', d: mean})];
}

function picture(m, data, view, W) {
  const shown = data.max.filter((a, i) => a !== null && data.from + (i + 1) / data.max.length * (data.to - data.from) > view.from && data.from + i / data.max.length * (data.to - data.from) < view.to);
  const top = Math.max(...shown, 0) * 1.08 || 1, inside = (t) => Math.min(W - RIGHT, Math.max(LEFT, t));
  const x = (t) => LEFT + (t - view.from) / (view.to - view.from) * (W - LEFT - RIGHT), y = (a) => TOP + (1 - a / top) * (H - TOP - BOTTOM);
  const rows = ticks(0, top, 4).at, columns = ticks(view.from, view.to, Math.max(2, Math.round(W / 140))), span = (a, b) => ({x: inside(x(a)), width: Math.max(1, inside(x(b)) - inside(x(a))), y: TOP, height: H - TOP - BOTTOM});
  const seen = (w) => w.end_s > view.from && w.start_s < view.to;
  return [
    rows.map((a) => [s('line', {class: 'grid', x1: LEFT, x2: W - RIGHT, y1: y(a), y2: y(a)}), s('text', {x: LEFT - 6, y: y(a) + 4, 'text-anchor': 'end'}, a ? si(a, 'A', 2) : '0')]),
    columns.at.map((t) => s('text', {x: x(t), y: H - 8, 'text-anchor': x(t) < LEFT + 12 ? 'start' : x(t) > W - 30 ? 'end' : 'middle'}, timeText(t, columns.step))),
    (m.windows || []).map((w, i) => (seen(w) ? [s('rect', {class: 'window', ...span(w.start_s, w.end_s)}, s('title', {}, `Window ${i + 1}: ${w.inferences} inferences in ${si(w.end_s - w.start_s, 's', 4)}, ${si(w.energy_per_inference_j, 'J')} each`)),
      s('text', {x: (inside(x(w.start_s)) + inside(x(w.end_s))) / 2, y: TOP - 5, 'text-anchor': 'middle'}, String(i + 1))] : [])),
    data.suspects.filter(seen).map((w) => s('rect', {class: 'suspect', ...span(w.start_s, w.end_s)}, s('title', {}, 'samples were lost or damaged here'))),
    s('svg', {x: LEFT, y: 0, width: W - LEFT - RIGHT, height: H, viewBox: `${LEFT} 0 ${W - LEFT - RIGHT} ${H}`}, paths(data, x, y)),
    data.marks.filter((k) => k.at_s >= view.from && k.at_s < view.to).map((k) => s('line', {class: 'mark', x1: x(k.at_s), x2: x(k.at_s), y1: TOP, y2: H - BOTTOM}, s('title', {}, `${k.name} ${k.text}`))),
    m.baseline_a > 0 && m.baseline_a < top ? [s('line', {class: 'idle', x1: LEFT, x2: W - RIGHT, y1: y(m.baseline_a), y2: y(m.baseline_a)}),
      s('text', {x: W - RIGHT - 4, y: y(m.baseline_a) + 14, 'text-anchor': 'end'}, 'idle')] : null,
  ].flat(2).filter(Boolean);
}

export function traceView(m) {
  const p = m.preview && m.preview.mean_a && m.preview.mean_a.length > 1 ? m.preview : null, sha = m.trace && /^[0-9a-f]{64}$/.test(m.trace.sha256) ? m.trace.sha256 : null;
  if (!p) return null;
  const whole = ofPreview(p);
  let data = whole, view = {from: 0, to: whole.to}, end = whole.to, rate = m.sample_rate_hz || 1000, timer = 0, asked = null, drag = null, W = 1000, measured = false;
  const svg = s('svg', {class: 'trace', role: 'img', 'aria-label': 'Current over time', tabindex: '0'});
  const range = s('rect', {class: 'choice', y: TOP, height: H - TOP - BOTTOM, visibility: 'hidden'}), note = h('span', {class: 'dim'}), cursor = h('span', {class: 'dim num'});
  const button = (text, title, act) => h('button', {class: 'plain', title, 'aria-label': title, onclick: act}, text);
  const tools = h('div', {class: 'trace-tools'}, button('+', 'Zoom in', () => zoom(0.5)), button('−', 'Zoom out', () => zoom(2)), button('All', 'The whole recording', () => show(0, end)), note, h('span', {class: 'spring'}), cursor);
  const box = h('div', {class: 'trace-box'}, svg, tools);

  function draw() {
    svg.setAttribute('viewBox', `0 0 ${W} ${H}`);
    svg.replaceChildren(...picture(m, data, view, W), range);
    setText(note, view.to - view.from < end * 0.999 ? `${timeText(view.from, tenth((view.to - view.from) / 100))} to ${timeText(view.to, tenth((view.to - view.from) / 100))}`
      : data.lost ? `${data.lost.toLocaleString()} samples are missing or damaged` : 'Drag over a range to look closer');
  }

  // The last picture stays, stretched, until the server's comes.
  async function load() {
    if (asked) asked.abort();
    const mine = asked = new AbortController(), pixels = Math.round(Math.min(2000, Math.max(200, W - LEFT - RIGHT)));
    try {
      const all = data === whole && view.to - view.from >= whole.to, range = all ? '' : `from=${view.from}&to=${view.to}&`; // how long it is, only the server knows
      const found = ofServer(await get(`switchyard/traces/${sha}?${range}pixels=${pixels}`, mine.signal));
      if (mine !== asked || !found.mean.length) return;
      if (all) view = {from: 0, to: found.end};
      [data, end, rate] = [found, found.end, found.rate];
      draw();
    } catch (e) {
      if (mine.signal.aborted) return;
      tools.hidden = e instanceof ApiError && e.status > 0 && data === whole;
    }
  }

  function show(from, to) {
    const least = Math.min(end, SAMPLES_LEAST / rate), span = Math.min(end, Math.max(least, to - from));
    from = Math.max(0, Math.min(end - span, from));
    view = {from, to: from + span};
    draw();
    clearTimeout(timer);
    timer = setTimeout(load, SETTLE_MS);
  }

  const zoom = (by, at = (view.from + view.to) / 2) => show(at - (at - view.from) * by, at + (view.to - at) * by);
  const timeAt = (e) => {
    const r = svg.getBoundingClientRect(), part = ((e.clientX - r.left) / r.width * W - LEFT) / (W - LEFT - RIGHT);
    return view.from + Math.min(1, Math.max(0, part)) * (view.to - view.from);
  };
  const xOf = (t) => LEFT + (t - view.from) / (view.to - view.from) * (W - LEFT - RIGHT);

  function hover(t) {
    const i = Math.floor((t - data.from) / (data.to - data.from) * data.mean.length), a = data.mean[i];
    setText(cursor, a === undefined ? '' : a === null ? `${timeText(t, tenth((view.to - view.from) / 1000))}  no samples` : `${timeText(t, tenth((view.to - view.from) / 1000))}  ${si(a, 'A', 4)}  (${si(data.min[i], 'A', 3)} to ${si(data.max[i], 'A', 3)})`);
  }

  svg.addEventListener('pointerdown', (e) => {
    if (e.button || tools.hidden) return;
    drag = {from: timeAt(e), x: e.clientX};
    svg.setPointerCapture(e.pointerId);
  });
  svg.addEventListener('pointermove', (e) => {
    const t = timeAt(e);
    hover(t);
    if (!drag) return;
    const [a, b] = [Math.min(drag.from, t), Math.max(drag.from, t)];
    for (const [k, v] of [['x', xOf(a)], ['width', xOf(b) - xOf(a)], ['visibility', 'visible']]) range.setAttribute(k, v);
  });
  svg.addEventListener('pointerup', (e) => {
    const began = drag, t = timeAt(e);
    drag = null;
    range.setAttribute('visibility', 'hidden');
    if (began && Math.abs(e.clientX - began.x) > 4) show(Math.min(began.from, t), Math.max(began.from, t));
  });
  svg.addEventListener('pointercancel', () => { drag = null; range.setAttribute('visibility', 'hidden'); });
  svg.addEventListener('dblclick', () => show(0, end));
  svg.addEventListener('wheel', (e) => {
    if (tools.hidden || !(e.ctrlKey || document.activeElement === svg || view.to - view.from < end * 0.999)) return; // the page scrolls else
    e.preventDefault();
    zoom(e.deltaY > 0 ? 1.25 : 0.8, timeAt(e));
  }, {passive: false});
  svg.addEventListener('keydown', (e) => {
    const span = view.to - view.from, act = {'+': () => zoom(0.5), '-': () => zoom(2), ArrowLeft: () => show(view.from - span / 4, view.to - span / 4), ArrowRight: () => show(view.from + span / 4, view.to + span / 4), 0: () => show(0, end)}[e.key];
    if (!act || tools.hidden) return;
    e.preventDefault();
    act();
  });
  // A pixel of the page is one of the picture; the samples are asked for when the card is seen.
  new ResizeObserver(() => {
    if (!svg.clientWidth || (measured && svg.clientWidth === W)) return;
    [W, measured] = [svg.clientWidth, true];
    draw();
    clearTimeout(timer);
    if (sha) timer = setTimeout(load, SETTLE_MS);
  }).observe(svg);
  tools.hidden = !sha;
  draw();
  return box;
}
