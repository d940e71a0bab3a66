// The server's REST API, relative to this page, so that any sub-path works.

const base = new URL('api/', document.baseURI);
const TIMEOUT_MS = 20000;

export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status; // 0: no answer
  }
}

// What the server said is wrong: FastAPI's and Prefect's shapes.
function reason(status, body) {
  const d = body && (body.detail ?? body.exception_message ?? body.message);
  if (typeof d === 'string') return d;
  if (Array.isArray(d) && d[0]) return `${(d[0].loc || []).join('.')}: ${d[0].msg}`;
  if (body && body.exception_detail) return String(body.exception_message || 'invalid request');
  return status === 401 ? 'The server asks for a password' : `The server answered with ${status}`;
}

async function send(method, path, body, signal) {
  const signals = [AbortSignal.timeout(TIMEOUT_MS)];
  if (signal) signals.push(signal);
  try {
    return await fetch(new URL(path, base), {
      method,
      headers: body === undefined ? {} : {'content-type': 'application/json'},
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.any ? AbortSignal.any(signals) : signal,
    });
  } catch (e) {
    if (signal && signal.aborted) throw e;
    throw new ApiError(0, e.name === 'TimeoutError' ? 'The server did not answer in time' : 'The server cannot be reached');
  }
}

async function call(method, path, body, signal) {
  const reply = await send(method, path, body, signal);
  const text = await reply.text();
  let value = null;
  try {
    value = text ? JSON.parse(text) : null;
  } catch {
    if (reply.ok) throw new ApiError(reply.status, 'The server\'s answer is not JSON');
  }
  if (!reply.ok) throw new ApiError(reply.status, reason(reply.status, value));
  return value;
}

export const get = (path, signal) => call('GET', path, undefined, signal);
export const post = (path, body, signal) => call('POST', path, body, signal);

// A content of the file store, shown under a name.
export const fileUrl = (sha256, name) => new URL(`switchyard/files/${sha256}?name=${encodeURIComponent(name)}`, base).href;
export const logDownload = (id) => new URL(`flow_runs/${id}/logs/download`, base).href;

// Moves a run; the server may refuse by its rules.
export async function setState(id, state) {
  const verdict = await post(`flow_runs/${id}/set_state`, {state});
  if (verdict.status === 'ACCEPT') return verdict.state;
  throw new ApiError(409, (verdict.details && verdict.details.reason) || `The server did not accept it (${verdict.status})`);
}

// Names of flows, asked for once.
const flowNames = new Map();

export const flowName = (id) => flowNames.get(id) || '';

export async function learnFlowNames(ids, signal) {
  const unknown = [...new Set(ids)].filter((id) => id && !flowNames.has(id)).slice(0, 200);
  if (!unknown.length) return;
  const flows = await post('flows/filter', {flows: {id: {any_: unknown}}, limit: 200}, signal);
  for (const id of unknown) flowNames.set(id, '');
  for (const f of flows) flowNames.set(f.id, f.name);
}
