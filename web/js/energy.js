// A measurement as a card: the figures, the trace, the gates.
import {h, s} from './dom.js';
import {bytes, percent, si} from './format.js';

const W = 1000, H = 210, LEFT = 62, RIGHT = 8, TOP = 16, BOTTOM = 26;

const niceStep = (span, want) => {
  const raw = span / want, power = 10 ** Math.floor(Math.log10(raw));
  return [1, 2, 2.5, 5, 10].find((m) => m * power >= raw * 0.999) * power;
};

function axis(max, want) {
  const step = niceStep(max, want), out = [];
  for (let i = 0; i * step <= max * 1.0001; i++) out.push(i * step);
  return out;
}

// The preview is at most 1000 bins of min, mean and max.
function trace(m) {
  const p = m.preview, n = p.mean_a.length, end = n * p.bin_s, top = Math.max(...p.max_a) * 1.06 || 1;
  const x = (t) => LEFT + t / end * (W - LEFT - RIGHT), y = (a) => TOP + (1 - a / top) * (H - TOP - BOTTOM);
  const mid = (i) => x((i + 0.5) * p.bin_s).toFixed(1);
  const line = p.mean_a.map((a, i) => `${i ? 'L' : 'M'}${mid(i)} ${y(a).toFixed(1)}`).join('');
  const band = p.max_a.map((a, i) => `${i ? 'L' : 'M'}${mid(i)} ${y(a).toFixed(1)}`).join('') + p.min_a.map((_, i) => `L${mid(n - 1 - i)} ${y(p.min_a[n - 1 - i]).toFixed(1)}`).join('') + 'Z';
  const yTicks = axis(top, 4), xTicks = axis(end, 8);
  return s('svg', {class: 'trace', viewBox: `0 0 ${W} ${H}`, role: 'img', 'aria-label': 'Current over time'},
    yTicks.map((a) => [s('line', {class: 'grid', x1: LEFT, x2: W - RIGHT, y1: y(a), y2: y(a)}), s('text', {x: LEFT - 6, y: y(a) + 4, 'text-anchor': 'end'}, a ? si(a, 'A', 2) : '0')]).flat(),
    xTicks.map((t) => s('text', {x: x(t), y: H - 8, 'text-anchor': t === 0 ? 'start' : 'middle'}, t ? `${Number(t.toPrecision(3))} s` : '0')),
    (m.windows || []).map((w, i) => [s('rect', {class: 'window', x: x(w.start_s), width: Math.max(1, x(w.end_s) - x(w.start_s)), y: TOP, height: H - TOP - BOTTOM}),
      s('text', {x: x((w.start_s + w.end_s) / 2), y: TOP - 4, 'text-anchor': 'middle'}, String(i + 1))]).flat(),
    s('path', {class: 'band', d: band}), s('path', {class: 'mean', d: line}),
    m.baseline_a > 0 ? s('line', {class: 'idle', x1: LEFT, x2: W - RIGHT, y1: y(m.baseline_a), y2: y(m.baseline_a)}) : null);
}

export const isResult = (m) => Boolean(m) && (m.gates || []).every((g) => g.passed) && (m.windows || []).length > 0 && m.median_energy_per_inference_j > 0;

export const refusal = (m) => (m.gates || []).filter((g) => !g.passed).map((g) => `${g.name}: ${g.detail || 'failed'}`).join('; ') || 'no energy was found';

export function energyCard(m) {
  const ok = isResult(m), figures = [
    ['Energy per inference', ok ? si(m.median_energy_per_inference_j, 'J') : '–', ok && m.uncertainty_rel > 0 ? `± ${percent(2 * m.uncertainty_rel)} (k = 2)` : ''],
    ['Dynamic', ok ? si(m.median_dynamic_energy_per_inference_j, 'J') : '–', 'above idle'],
    ['Latency', si(m.latency_s, 's'), ''],
    ['Idle current', si(m.baseline_a, 'A', 3), ''],
    ['Windows', String((m.windows || []).length), ok ? `MAD ${percent(m.mad_energy_per_inference_j / m.median_energy_per_inference_j)}` : ''],
    ['Flash, RAM', `${bytes(m.flash_bytes)}, ${bytes(m.ram_bytes)}`, ''],
  ];
  return [
    h('p', {}, m.emulated ? h('span', {class: 'emulated'}, 'EMULATED') : null, m.emulated ? ' ' : null, h('span', {class: 'dim'}, [m.board, m.meter, m.volts ? si(m.volts, 'V', 3) : null, m.sample_rate_hz ? si(m.sample_rate_hz, 'S/s', 3) : null].filter(Boolean).join(', '))),
    ok ? null : h('p', {class: 'message st-failed'}, `Not a result. ${refusal(m)}`),
    h('dl', {class: 'figures'}, figures.map(([k, v, note]) => h('div', {}, h('dt', {}, k), h('dd', {}, v), h('small', {}, note)))),
    m.preview && m.preview.mean_a && m.preview.mean_a.length > 1 ? trace(m) : null,
    h('ul', {class: 'gates'}, (m.gates || []).map((g) => h('li', {class: g.passed ? 'yes' : 'no', title: g.detail}, `${g.passed ? '✓' : '✕'} ${g.name.replaceAll('_', ' ')}`))),
    (m.warnings || []).length ? h('p', {class: 'dim'}, m.warnings.join('; ')) : null,
  ];
}
