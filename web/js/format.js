// Numbers, times and states as people read them.
import {s} from './dom.js';

const PREFIXES = [[1e-15, 'f'], [1e-12, 'p'], [1e-9, 'n'], [1e-6, 'µ'], [1e-3, 'm'], [1, ''], [1e3, 'k'], [1e6, 'M'], [1e9, 'G']];

// si(7.21e-4, 'J') gives "721.0 µJ"
export function si(value, unit, digits = 4) {
  if (typeof value !== 'number' || !isFinite(value)) return '–';
  const rounded = Number(value.toPrecision(digits)), size = Math.abs(rounded);
  let [factor, prefix] = PREFIXES[5];
  if (size > 0) for (const [f, p] of PREFIXES) if (size >= f * (1 - 1e-9)) [factor, prefix] = [f, p];
  const scaled = rounded / factor, before = Math.abs(scaled) >= 1 ? Math.floor(Math.log10(Math.abs(scaled)) + 1e-9) + 1 : 1;
  return `${scaled.toFixed(Math.max(0, digits - before)).replace('-', '−')}\u00a0${prefix}${unit}`;
}

export const percent = (rel, digits = 2) =>
  rel > 0 && rel < 1e-4 ? '< 0.01\u00a0%' : typeof rel === 'number' && isFinite(rel) ? `${Number((rel * 100).toPrecision(digits))}\u00a0%` : '–';

export function bytes(n) {
  if (!(n > 0)) return '–';
  const units = ['B', 'KiB', 'MiB', 'GiB'];
  let i = 0;
  while (n >= 1024 && i < 3) {
    n /= 1024;
    i++;
  }
  return `${i ? n.toFixed(n < 10 ? 1 : 0) : n}\u00a0${units[i]}`;
}

// "45 s", "3 m 20 s", "2 h 5 m", "3 d 4 h"
export function duration(seconds) {
  if (!(seconds >= 0)) return '–';
  if (seconds < 1) return seconds < 0.0005 ? '0\u00a0s' : `${Math.round(seconds * 1000)}\u00a0ms`;
  if (seconds < 9.95) return `${seconds.toFixed(1)}\u00a0s`;
  const t = Math.round(seconds);
  if (t < 60) return `${t}\u00a0s`;
  if (t < 3600) return `${Math.floor(t / 60)}\u00a0m ${t % 60}\u00a0s`;
  if (t < 86400) return `${Math.floor(t / 3600)}\u00a0h ${Math.floor((t % 3600) / 60)}\u00a0m`;
  return `${Math.floor(t / 86400)}\u00a0d ${Math.floor((t % 86400) / 3600)}\u00a0h`;
}

export function ago(time, now = Date.now()) {
  if (!time) return '–';
  const t = (now - Date.parse(time)) / 1000, size = Math.abs(t);
  const text = size < 5 ? '' : size < 60 ? `${Math.round(size)} s` : size < 3600 ? `${Math.round(size / 60)} min`
    : size < 86400 ? `${Math.round(size / 3600)} h` : `${Math.round(size / 86400)} d`;
  if (!text) return 'now';
  return t > 0 ? `${text} ago` : `in ${text}`;
}

const dateTime = new Intl.DateTimeFormat(undefined, {dateStyle: 'medium', timeStyle: 'medium'});
export const when = (time) => (time ? dateTime.format(new Date(time)) : '–');

const two = (n) => String(n).padStart(2, '0');
export function clock(time) {
  const d = new Date(time);
  return `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}.${String(d.getMilliseconds()).padStart(3, '0')}`;
}

export const plural = (n, one, many = `${one}s`) => `${n.toLocaleString()} ${n === 1 ? one : many}`;

// ---- states: type → shown name, class (colour) and shape; shapes differ, colours alone say nothing ----

export const STATES = {
  RUNNING: {label: 'Running', path: 'M5 3.5v9l7.5-4.5z'},
  PENDING: {label: 'Pending', path: 'M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2zm0 2v4l3 2-.8 1.2L6.6 8.9V4z'},
  SCHEDULED: {label: 'Scheduled', path: 'M3 3h2V1.5h1.5V3h3V1.5H11V3h2v11H3zm1.5 4v5.5h7V7z'},
  PAUSED: {label: 'Paused', path: 'M4 3h3v10H4zm5 0h3v10H9z'},
  CANCELLING: {label: 'Cancelling', path: 'M3 7h10v2H3z'},
  FAILED: {label: 'Failed', path: 'M4.2 2.8 8 6.6l3.8-3.8 1.4 1.4L9.4 8l3.8 3.8-1.4 1.4L8 9.4l-3.8 3.8-1.4-1.4L6.6 8 2.8 4.2z'},
  CRASHED: {label: 'Crashed', path: 'M9.5 1 3.5 9H7l-1 6 6.5-8.5H9z'},
  CANCELLED: {label: 'Cancelled', path: 'M3 3h10v10H3z'},
  COMPLETED: {label: 'Completed', path: 'm6.5 12.8-4.3-4.3 1.5-1.5 2.8 2.8 5.8-6.3 1.5 1.4z'},
};

export const isTerminal = (type) => ['COMPLETED', 'FAILED', 'CRASHED', 'CANCELLED'].includes(type);

export const stateClass = (type, name) => `st-${name === 'Late' ? 'late' : name === 'Skipped' ? 'cancelled' : (type || 'none').toLowerCase()}`;

export function stateIcon(type) {
  const st = STATES[type] || STATES.PENDING;
  return s('svg', {viewBox: '0 0 16 16', class: 'icon', 'aria-hidden': 'true'}, s('path', {d: st.path}));
}

// Seconds that a run or a task has worked until now.
export function workedFor(run, now = Date.now()) {
  if (run.start_time && run.end_time) return (Date.parse(run.end_time) - Date.parse(run.start_time)) / 1000;
  if (run.start_time && !isTerminal(run.state_type)) return (now - Date.parse(run.start_time)) / 1000;
  return run.total_run_time > 0 ? run.total_run_time : NaN;
}

export const campaignOf = (run) => {
  const tag = (run.tags || []).find((t) => t.startsWith('campaign:'));
  return tag ? tag.slice(9) : null;
};

const tagValue = (run, name) => {
  const tag = (run.tags || []).find((t) => t.startsWith(`${name}:`));
  return tag ? tag.slice(name.length + 1) : '';
};

const asText = (v) => (typeof v === 'string' ? v : v && typeof v === 'object' ? String(v.name || '') : v === undefined || v === null ? '' : String(v));
export const modelOf = (run) => asText(run.parameters && run.parameters.model) || tagValue(run, 'model');
export const targetOf = (run) => asText(run.parameters && run.parameters.target) || tagValue(run, 'target');
