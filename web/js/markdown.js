// Markdown to elements. No HTML passes: what looks like a tag is text. Links lead to http(s), mail and places
// of this page only.
import {h} from './dom.js';

const SAFE = /^(https?:|mailto:|#|[^:]*$)/i;

// `code`, **bold**, *italic*, [text](target), ![text](source), <https://...>, \escapes
function inline(text, onLink) {
  const out = [], pattern = /\\([\\`*_{}[\]()<>#+\-.!|~])|`([^`]+)`|\*\*([^*]+)\*\*|__([^_]+)__|\*([^*\s][^*]*)\*|(?<![\w])_([^_\s][^_]*)_(?![\w])|(!?)\[([^\]]*)\]\(([^)\s]+)(?:\s+"[^"]*")?\)|(https?:\/\/[^\s<>)]+)|(\n)/g;
  let at = 0, m;
  while ((m = pattern.exec(text))) {
    if (m.index > at) out.push(text.slice(at, m.index));
    at = pattern.lastIndex;
    if (m[1] !== undefined) out.push(m[1]);
    else if (m[2] !== undefined) out.push(h('code', {}, m[2]));
    else if (m[3] !== undefined || m[4] !== undefined) out.push(h('strong', {}, inline(m[3] ?? m[4], onLink)));
    else if (m[5] !== undefined || m[6] !== undefined) out.push(h('em', {}, inline(m[5] ?? m[6], onLink)));
    else if (m[9] !== undefined) out.push(link(m[9], m[8] || m[9], onLink));
    else if (m[10] !== undefined) out.push(link(m[10], m[10], onLink));
    else out.push(' ');
  }
  if (at < text.length) out.push(text.slice(at));
  return out;
}

function link(target, text, onLink) {
  if (!SAFE.test(target)) return text;
  const a = h('a', {href: target, rel: 'noopener noreferrer', target: target.startsWith('#') ? null : '_blank'}, inline(text, () => false));
  if (onLink) onLink(a, target);
  return a;
}

const cells = (line) => line.trim().replace(/^\|/, '').replace(/(?<!\\)\|$/, '').split(/(?<!\\)\|/).map((c) => c.trim().replace(/\\\|/g, '|'));

function table(lines, onLink) {
  const align = cells(lines[1]).map((c) => (/^:?-+:$/.test(c) ? 'r' : ''));
  const row = (line, tag) => h('tr', {}, cells(line).map((c, i) => h(tag, {class: align[i] || null}, inline(c, onLink))));
  return h('div', {class: 'wide'}, h('table', {}, h('thead', {}, row(lines[0], 'th')), h('tbody', {}, lines.slice(2).map((l) => row(l, 'td')))));
}

const isRule = (line) => /^\s*\|?[\s:|-]*-[\s:|-]*$/.test(line) && line.includes('-');
const bullet = /^(\s*)([-*+]|\d+[.)])\s+(.*)$/;

function list(lines, onLink) {
  const ordered = /\d/.test(bullet.exec(lines[0])[2]), items = [];
  const indent = bullet.exec(lines[0])[1].length;
  for (const line of lines) {
    const m = bullet.exec(line);
    if (m && m[1].length <= indent) items.push({text: m[3], inner: []});
    else items[items.length - 1].inner.push(line);
  }
  return h(ordered ? 'ol' : 'ul', {}, items.map(({text, inner}) => h('li', {}, inline(text, onLink), inner.length ? blocks(inner.map((l) => l.slice(2)), onLink) : null)));
}

function take(lines, i, while_) {
  const from = i;
  while (i < lines.length && while_(lines[i])) i++;
  return [lines.slice(from, i), i];
}

function blocks(lines, onLink) {
  const out = [];
  for (let i = 0; i < lines.length;) {
    const line = lines[i];
    let part;
    if (!line.trim()) {
      i++;
    } else if (/^\s*(```|~~~)/.test(line)) {
      const fence = line.trim().slice(0, 3);
      [part, i] = take(lines, i + 1, (l) => !l.trim().startsWith(fence));
      i++;
      out.push(h('pre', {}, h('code', {}, part.join('\n'))));
    } else if (/^#{1,6}\s/.test(line)) {
      out.push(h(`h${Math.min(3, line.indexOf(' '))}`, {}, inline(line.replace(/^#+\s+/, '').replace(/\s#+$/, ''), onLink)));
      i++;
    } else if (line.includes('|') && lines[i + 1] && isRule(lines[i + 1]) && lines[i + 1].includes('|')) {
      [part, i] = take(lines, i, (l) => l.includes('|'));
      out.push(table(part, onLink));
    } else if (/^\s*([-*_])(\s*\1){2,}\s*$/.test(line)) {
      out.push(h('hr'));
      i++;
    } else if (bullet.test(line)) {
      [part, i] = take(lines, i, (l) => bullet.test(l) || /^\s{2,}\S/.test(l));
      out.push(list(part, onLink));
    } else if (/^\s*>/.test(line)) {
      [part, i] = take(lines, i, (l) => /^\s*>/.test(l));
      out.push(h('blockquote', {}, blocks(part.map((l) => l.replace(/^\s*>\s?/, '')), onLink)));
    } else {
      [part, i] = take(lines, i, (l) => l.trim() && !/^(#{1,6}\s|\s*```|\s*>)/.test(l) && !bullet.test(l));
      if (!part.length) part = [lines[i++]];
      out.push(h('p', {}, inline(part.join('\n'), onLink)));
    }
  }
  return out;
}

// onLink(element, target) may change where a link leads.
export const markdown = (text, onLink) => h('div', {class: 'md'}, blocks(String(text).slice(0, 400000).split(/\r?\n/), onLink));
