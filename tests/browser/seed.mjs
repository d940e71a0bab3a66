// Fills a server through its REST API with what the pages have to show.
import {createHash, randomUUID} from 'node:crypto';

export function client(base) {
  return async (method, path, body, file) => {
    for (let tries = 0; ; tries++) {
      const reply = await fetch(new URL(`api/${path}`, base), {method, headers: {'content-type': file ? 'application/octet-stream' : 'application/json'}, body: file ?? (body === undefined ? undefined : JSON.stringify(body))});
      const text = await reply.text();
      if (reply.status === 503 && tries < 20) {
        await new Promise((done) => setTimeout(done, 200));
        continue;
      }
      if (!reply.ok) throw new Error(`${method} ${path}: ${reply.status} ${text.slice(0, 300)}`);
      return text ? JSON.parse(text) : null;
    }
  };
}

export const measurement = {
  model: 'ad01_int8', target: 'stm32f405', board: 'sim-1', meter: 'STLINK-V3PWR', emulated: true, firmware_commit: '9f0c', build_id: 'a1b2',
  volts: 3.3, sample_rate_hz: 100000, samples: 1250000, lost: 0,
  windows: [1.5, 3.5].map((start_s) => ({start_s, end_s: start_s + 1, inferences: 100, energy_j: 0.0721, energy_per_inference_j: 7.21e-4, dynamic_energy_per_inference_j: 4.9e-4, latency_s: 0.01})),
  median_energy_per_inference_j: 7.21e-4, mad_energy_per_inference_j: 8e-7, median_dynamic_energy_per_inference_j: 4.9e-4, mad_dynamic_energy_per_inference_j: 7e-7,
  latency_s: 0.01, baseline_a: 0.0071, baseline_drift_rel: 0.001, uncertainty_rel: 0.0066,
  gates: [{name: 'lost_samples', passed: true, value: 0, limit: 0.001, detail: '0 of 1250000 samples'}],
  flash_bytes: 301224, ram_bytes: 20480, trace: {sha256: 'ab', bytes: 1, path: 'trace.syt'}, warnings: [],
  preview: {bin_s: 0.05, min_a: Array(100).fill(0.007), mean_a: Array(100).fill(0.0071), max_a: Array(100).fill(0.02)},
};

// A recording of 10 s at 1 kS/s: 1 mA, and 8 mA in the third second.
export function recording() {
  const part = (name, body) => {
    const head = Buffer.alloc(12);
    head.write(name);
    head.writeBigUInt64LE(BigInt(body.length), 4);
    return Buffer.concat([head, body, createHash('sha256').update(head).update(body).digest()]);
  };
  const samples = Buffer.alloc(20000);
  for (let k = 0; k < 10000; k++) samples.writeUInt16LE(k >= 2000 && k < 3000 ? 0x3021 : 0x3004, 2 * k);
  const head = {format: 1, code: 'hex16', rate_hz: 1000, volts_v: 3.3, samples: 10000, lost: 100, marks: [{at: 2000, name: 'SY-START', text: 'n=100'}, {at: 3000, name: 'SY-END', text: 'n=100 us=1000000'}], windows: [], suspects: [{first: 5000, count: 100, verdict: 2}]};
  return Buffer.concat([Buffer.from('SYTRACE1'), part('HEAD', Buffer.from(JSON.stringify(head))), part('SAMP', samples), part('END ', Buffer.alloc(0))]);
}

// A task run, told by events as the SDK does.
function taskEvents(runId, name, type, start, end) {
  const id = randomUUID(), states = [['PENDING', new Date(start - 100)], ['RUNNING', start], ...(end ? [[type, end]] : [])];
  return states.map(([state, time], i) => ({
    id: randomUUID(), occurred: time.toISOString(), event: `prefect.task-run.${state[0]}${state.slice(1).toLowerCase()}`,
    resource: {'prefect.resource.id': `prefect.task-run.${id}`, 'prefect.resource.name': name, 'prefect.run-count': '1', 'prefect.state-message': '',
      'prefect.state-type': state, 'prefect.state-name': state, 'prefect.state-timestamp': time.toISOString(), 'prefect.orchestration': 'client'},
    related: [{'prefect.resource.id': `prefect.flow-run.${runId}`, 'prefect.resource.role': 'flow-run'}],
    payload: {intended: {from: i ? states[i - 1][0] : null, to: state}, initial_state: i ? {type: states[i - 1][0], name: states[i - 1][0]} : null,
      validated_state: {type: state, name: `${state[0]}${state.slice(1).toLowerCase()}`, message: '', state_details: {}, data: null},
      task_run: {id, name, task_key: name, dynamic_key: '0', empirical_policy: {retries: 0, retry_delay: 0}, tags: [], labels: {}, task_inputs: {}, run_count: 1, flow_run_run_count: 1,
        flow_run_id: runId, expected_start_time: start.toISOString(), start_time: start.toISOString(), end_time: i === 2 ? time.toISOString() : null,
        total_run_time: i === 2 ? (time - start) / 1000 : 0, estimated_run_time: 0, estimated_start_time_delta: 0}},
  }));
}

// Repeats what may not be there yet: a pool that its agent makes, a state that a run comes to.
async function until(what, look) {
  for (let tries = 0; tries < 300; tries++) {
    const found = await look().catch(() => null);
    if (found) return found;
    await new Promise((done) => setTimeout(done, 100));
  }
  throw new Error(`${what} did not come`);
}

// Two runs of a flow that fails the first time: their ids.  Each attempt leaves a line in FOLDER/ID.
export async function seedRetries(api, pool, folder) {
  const mark = `"${folder}/{{ run.id }}"`, text = `name: ${pool}\ntasks:\n  work: {uses: shell, with: {run: 'echo attempt >> ${mark}; test $(wc -l < ${mark}) -gt 1'}}\n`;
  const sha256 = createHash('sha256').update(text).digest('hex');
  await api('PUT', `switchyard/files/${sha256}`, null, text);
  await until('the pool', () => api('GET', `work_pools/${pool}`));
  const flow_id = (await api('POST', 'flows/', {name: pool})).id;
  const {id} = await api('POST', 'deployments/', {name: pool, flow_id, work_pool_name: pool, enforce_parameter_schema: false, job_variables: {native_flow: `sha256:${sha256}`}});
  const runs = [];
  for (let i = 0; i < 2; i++) runs.push((await api('POST', `deployments/${id}/create_flow_run`, {state: {type: 'SCHEDULED'}})).id);
  for (const run of runs) await until('the failure', async () => (await api('GET', `flow_runs/${run}`)).state_type === 'FAILED');
  return runs;
}

// An agent that is played over its protocol, with a bench of two parts whose golden model was checked, and a run on it: the bench's name, the run.
export async function seedBench(api, mark) {
  const pool = `lab-${mark}`, name = `disco-f7-${mark}`, agent = randomUUID();
  await api('POST', 'work_pools/', {name: pool, type: 'switchyard'});
  const deploy = async (flow, job_variables) => (await api('POST', 'deployments/', {name: 'default', flow_id: (await api('POST', 'flows/', {name: flow})).id, work_pool_name: pool,
    enforce_parameter_schema: false, job_variables})).id;
  await deploy(`golden-${mark}`, {bench: {target: 'stm32f746'}, health: {type: 'bench', every_s: 86400, low_j: 7.0e-4, high_j: 7.4e-4}});
  const part = (kind, serial, firmware) => ({name: `${name}.${kind}`, type: kind, target: 'stm32f746', bench: name, labels: {serial}, firmware, free: true, health: {}});
  const devices = [{name, type: 'bench', target: 'stm32f746', labels: {rack: '3', emulated: 'true'}, capabilities: ['uart', 'mass-storage'], location: 'shelf 2', free: true, health: {flashes: 12, failures: 1, retry: 2, power_cycle: 1}},
    part('board', '066CFF504955857567123456', {'ST-LINK': 'V2J43M28', usb: '1.00'}), part('meter', '003500223433510237363934', {V3PWR: '1.2.3'})];
  const call = (more) => ({agent, name: `agent-${mark}`, epoch: 1, pool, devices, claims: [], ...more});
  const claim = () => until('the claim', async () => {
    await api('POST', 'switchyard/heartbeat', call());
    const [got] = (await api('POST', 'switchyard/claim', call({slots: 2, wait_s: 0}))).claims;
    return got && (await api('POST', 'switchyard/claims/ack', {agent, epoch: 1, claims: [{claim_id: got.claim_id, token: got.token}]})).lost.length === 0 ? got : null;
  });
  const check = await claim(), about = {flow_run_id: check.flow_run.id, token: check.token};
  await api('POST', 'switchyard/journal', {agent, epoch: 1, records: [['state', {state: {type: 'RUNNING'}}],
    ['artifact', {id: randomUUID(), artifact: {type: 'measurement', key: 'measurement', data: measurement}}],
    ['state', {state: {type: 'COMPLETED'}}], ['done', {claim_id: check.claim_id, message: ''}]].map(([kind, body], i) => ({seq: i + 1, kind, body: {...about, ...body}}))});
  const device = async () => (await api('GET', 'switchyard/devices')).find((d) => d.name === name);
  await until('the verdict', async () => (await api('GET', `switchyard/devices/${name}/history`)).checks[0].passed);
  const work = await deploy(`work-${mark}`, {bench: {target: 'stm32f746'}});
  const run = (await api('POST', `deployments/${work}/create_flow_run`, {name: `on-bench-${mark}`, state: {type: 'SCHEDULED'}})).id;
  await claim();
  await api('POST', `flow_runs/${run}/set_state`, {state: {type: 'RUNNING'}, force: true});
  return {name, run, device};
}

// Names carry a mark, so that one server can be seeded again.
export async function seed(api, mark) {
  const flow = (await api('POST', 'flows/', {name: 'energy-profile'})).id, now = Date.now();
  const run = async (name, tags, parameters, ...states) => {
    const {id} = await api('POST', 'flow_runs/', {flow_id: flow, name, tags, parameters, state: {type: 'PENDING'}});
    for (const state of states) await api('POST', `flow_runs/${id}/set_state`, {state, force: true});
    return id;
  };
  const tags = [`campaign:first-${mark}`, 'model:ad01_int8', 'target:stm32f405'];
  const ids = {
    done: await run(`done-run-${mark}`, tags, {model: 'ad01_int8', target: 'stm32f405'}, {type: 'RUNNING'}, {type: 'COMPLETED'}),
    failed: await run(`failed-run-${mark}`, [`campaign:first-${mark}`], {model: 'big', target: 'stm32f405'}, {type: 'RUNNING'}, {type: 'FAILED', message: 'does not fit by 41 232 bytes <b>'}),
    live: await run(`live-run-${mark}`, [], {}, {type: 'RUNNING'}),
    cancelled: await run(`cancel-run-${mark}`, [], {}, {type: 'RUNNING'}),
  };
  const at = (s) => new Date(now - 60000 + s * 1000);
  await api('POST', 'events', ['clone', 'build', 'measure'].flatMap((name, i) => taskEvents(ids.done, name, 'COMPLETED', at(i * 5), at(i * 5 + 5))));
  const logs = Array.from({length: 500}, (_, i) => ({name: 'flow', level: i === 490 ? 40 : 20, message: i === 490 ? 'a line that went wrong' : `line ${i}`, timestamp: at(i / 20).toISOString(), flow_run_id: ids.done}));
  for (let i = 0; i < logs.length; i += 100) await api('POST', 'logs/', logs.slice(i, i + 100));
  const raw = recording(), trace = createHash('sha256').update(raw).digest('hex');
  await api('PUT', `switchyard/files/${trace}`, null, raw);
  await api('POST', 'artifacts/', {type: 'measurement', data: {...measurement, trace: {sha256: trace}}, flow_run_id: ids.done});
  await api('POST', 'artifacts/', {type: 'markdown', key: 'note', flow_run_id: ids.done,
    data: '# A note\n\n**bold** <img src=x onerror="window.hacked=1"> [click](javascript:window.hacked=1)\n\n| a | b |\n|---|---|\n| 1 | 2 |\n'});
  const page = '<!doctype html><title>r</title><h1>The whole report</h1><script>top.hacked = 1</script>', sha256 = createHash('sha256').update(page).digest('hex');
  await api('PUT', `switchyard/files/${sha256}`, null, page);
  await api('POST', 'artifacts/', {type: 'report', key: 'energy-report-files', flow_run_id: ids.live, data: {campaign: 'first', results: 1, measurements: 1, failed_runs: 1, emulated: true,
    files: [{name: 'report.html', title: 'Energy report', type: 'text/html', bytes: page.length, sha256}]}});
  await api('POST', 'work_pools/', {name: 'bench', type: 'process'}).catch((e) => { if (!/: 409 /.test(e.message)) throw e; });
  await api('POST', 'work_pools/bench/workers/heartbeat', {name: 'lab-1'});
  return ids;
}
