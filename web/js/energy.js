// A measurement as a card: the figures, the trace, the gates.
import {h} from './dom.js';
import {bytes, percent, si} from './format.js';
import {traceView} from './trace.js';

export const isResult = (m) => Boolean(m) && (m.gates || []).every((g) => g.passed) && (m.windows || []).length > 0 && m.median_energy_per_inference_j > 0;

export const refusal = (m) => (m.gates || []).filter((g) => !g.passed).map((g) => `${g.name}: ${g.detail || 'failed'}`).join('; ') || 'no energy was found';

export function energyCard(m) {
  const ok = isResult(m), figures = [
    ['Energy per inference', ok ? si(m.median_energy_per_inference_j, 'J') : '–', ok && m.uncertainty_rel > 0 ? `± ${percent(2 * m.uncertainty_rel)} (k = 2)` : ''],
    ['Dynamic', ok ? si(m.median_dynamic_energy_per_inference_j, 'J') : '–', ok && m.dynamic_uncertainty_rel > 0 ? `± ${percent(2 * m.dynamic_uncertainty_rel)} above idle` : 'above idle'],
    ['Latency', si(m.latency_s, 's'), ''],
    ['Idle current', si(m.baseline_a, 'A', 3), ''],
    ['Windows', String((m.windows || []).length), ok ? `MAD ${percent(m.mad_energy_per_inference_j / m.median_energy_per_inference_j)}` : ''],
    ['Flash, RAM', `${bytes(m.flash_bytes)}, ${bytes(m.ram_bytes)}`, ''],
  ];
  return [
    h('p', {}, m.emulated ? h('span', {class: 'emulated'}, 'EMULATED') : null, m.emulated ? ' ' : null, h('span', {class: 'dim'}, [m.board, m.meter, m.volts ? si(m.volts, 'V', 3) : null, m.sample_rate_hz ? si(m.sample_rate_hz, 'S/s', 3) : null].filter(Boolean).join(', '))),
    ok ? null : h('p', {class: 'message st-failed'}, `Not a result. ${refusal(m)}`),
    h('dl', {class: 'figures'}, figures.map(([k, v, note]) => h('div', {}, h('dt', {}, k), h('dd', {}, v), h('small', {}, note)))),
    traceView(m),
    h('ul', {class: 'gates'}, (m.gates || []).map((g) => h('li', {class: g.passed ? 'yes' : 'no', title: g.detail}, `${g.passed ? '✓' : '✕'} ${g.name.replaceAll('_', ' ')}`))),
    (m.warnings || []).length ? h('p', {class: 'dim'}, m.warnings.join('; ')) : null,
  ];
}
