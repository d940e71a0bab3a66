// Prefect's own pages, both generations, as shipped in its PyPI package, in front of our API.  Prints TAP.
//
// UI_FOLDER: the package's prefect/server; BROWSER_URL: our server; UI_SHOTS: a folder for pictures, UI_ONLY: a pattern
// of pages (both optional).
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import {chromium} from 'playwright-core';
import {client, seed} from './seed.mjs';

const base = process.env.BROWSER_URL, api = client(base), mark = Date.now().toString(36);
const folder = process.env.UI_FOLDER, shots = process.env.UI_SHOTS, show_ms = 60000, quiet_ms = 15000;
const kinds = {'.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.json': 'application/json',
  '.png': 'image/png', '.woff2': 'font/woff2', '.webmanifest': 'application/manifest+json', '.ico': 'image/x-icon'};

// Serves one generation under a path, as Prefect's server does; /ui-settings comes from ours.
function serve(ui, mount) {
  return http.createServer(async (q, r) => {
    const name = new URL(q.url, base).pathname;
    if (name === '/ui-settings' || name === `${mount}/ui-settings`) {
      const reply = await fetch(new URL('/ui-settings', base));
      r.writeHead(reply.status, {'content-type': 'application/json'});
      return r.end(await reply.text());
    }
    let file = path.join(folder, ui, name.slice(mount.length));
    if (!path.extname(file) || !fs.existsSync(file)) file = path.join(folder, ui, 'index.html');
    let bytes = fs.readFileSync(file);
    if (/\.(html|js|css)$/.test(file)) bytes = bytes.toString().replaceAll('/PREFECT_UI_SERVE_BASE_REPLACE_PLACEHOLDER', mount);
    r.writeHead(200, {'content-type': kinds[path.extname(file)] || 'application/octet-stream'});
    r.end(bytes);
  });
}

// Of every type.
const artifacts = {table: '[{"model": "ad01", "energy_j": 0.5}]', markdown: '# one\n\n* two', progress: 42.5, image: '/ico/favicon.svg', result: {type: 'unpersisted'}};
const states = [['Scheduled', 'SCHEDULED'], ['Late', 'SCHEDULED'], ['AwaitingRetry', 'SCHEDULED'], ['Pending', 'PENDING'], ['Paused', 'PAUSED'], ['Suspended', 'PAUSED'],
  ['Cancelling', 'CANCELLING'], ['Cancelled', 'CANCELLED'], ['Crashed', 'CRASHED'], ['TimedOut', 'FAILED'], ['Cached', 'COMPLETED']];
const event = {type: 'event', posture: 'Reactive', match: {'prefect.resource.id': 'prefect.flow-run.*'}, expect: ['prefect.flow-run.Crashed'], threshold: 1, within: 0};
const triggers = {reactive: event, proactive: {...event, posture: 'Proactive', after: ['prefect.flow-run.Running'], within: 3600},
  custom: {...event, match: {'prefect.resource.id': 'bench.*'}, expect: ['bench.*'], for_each: ['board'], threshold: 3, within: 60},
  compound: {type: 'compound', require: 'all', within: 600, triggers: [event, event]}, sequence: {type: 'sequence', within: 600, triggers: [event, event]}};

// What the pages have to show, beyond the runs of seed().
async function fill() {
  const ids = await seed(api, mark), run = await api('GET', `flow_runs/${ids.done}`), pool = `lab-${mark}`;
  const known = {...ids, flow: run.flow_id, pool};
  await api('POST', 'work_pools/', {name: pool, type: 'process', base_job_template: {
    job_configuration: {command: '{{ command }}', env: '{{ env }}'},
    variables: {type: 'object', properties: {command: {type: 'string', title: 'Command'}, env: {type: 'object', title: 'Environment', additionalProperties: {type: 'string'}}}}}});
  known.queue = (await api('POST', `work_pools/${pool}/queues`, {name: 'urgent', priority: 1})).id;
  await api('POST', `work_pools/${pool}/workers/heartbeat`, {name: 'lab-1'});
  const schema = {type: 'object', title: 'Parameters', properties: {model: {type: 'string', title: 'model', position: 0, default: 'ad01'}, tries: {type: 'integer', title: 'tries', position: 1}}};
  known.deployment = (await api('POST', 'deployments/', {name: `nightly-${mark}`, flow_id: run.flow_id, work_pool_name: pool, parameters: {model: 'kws'},
    parameter_openapi_schema: schema, description: '# nightly\n\nmeasures', tags: ['power'], entrypoint: 'flow.py:profile', path: '/tmp',
    schedules: [{schedule: {cron: '0 3 * * *', timezone: 'Europe/Rome'}, active: true}, {schedule: {interval: 3600}, active: false}]})).id;
  known.scheduled = (await api('POST', `deployments/${known.deployment}/create_flow_run`, {parameters: {model: 'vww'}})).id;
  const type = await api('GET', 'block_types/slug/secret');
  const [block] = await api('POST', 'block_schemas/filter', {block_schemas: {block_type_id: {any_: [type.id]}}});
  known.block = (await api('POST', 'block_documents/', {name: `token-${mark}`, data: {value: 'hunter2'}, block_type_id: type.id, block_schema_id: block.id})).id;
  await api('POST', 'variables/', {name: `board_${mark}`, value: {a: [1]}, tags: ['lab']});
  await api('POST', 'v2/concurrency_limits/', {name: `meters-${mark}`, limit: 2});
  known.tag = (await api('POST', 'concurrency_limits/', {tag: `board-${mark}`, concurrency_limit: 1})).id;
  known.task = (await api('POST', 'task_runs/filter', {flow_runs: {id: {any_: [ids.done]}}, sort: 'NAME_ASC'})).find((t) => t.name === 'clone').id;
  known.artifacts = {};
  for (const [type, data] of Object.entries(artifacts)) {
    const given = {type, data, key: `${type}-${mark}`, flow_run_id: ids.done, task_run_id: known.task, description: `a *${type}*`};
    known.artifacts[type] = (await api('POST', 'artifacts/', given)).id;
  }
  known.flow_artifact = (await api('POST', 'artifacts/', {type: 'table', key: `energy-${mark}`, data: artifacts.table, flow_run_id: ids.done})).id;
  known.states = {};
  for (const [name, type] of states) {
    const at = new Date(Date.now() + (name === 'Late' ? -3600000 : 3600000)).toISOString();
    const details = type === 'SCHEDULED' ? {scheduled_time: at} : type === 'PAUSED' ? {pause_timeout: at, pause_key: 'a', pause_reschedule: name === 'Suspended'} : {};
    const {id} = await api('POST', 'flow_runs/', {flow_id: run.flow_id, name: `${name}-${mark}`, state: {type: 'PENDING'}});
    if (type !== 'SCHEDULED') await api('POST', `flow_runs/${id}/set_state`, {state: {type: 'RUNNING'}, force: true});
    await api('POST', `flow_runs/${id}/set_state`, {state: {type, name, message: `it is ${name}`, state_details: details}, force: true});
    known.states[name] = id;
  }
  known.automations = {};
  for (const [name, trigger] of Object.entries(triggers)) {
    const actions = name === 'sequence' ? [{type: 'do-nothing'}, {type: 'cancel-flow-run'}] : [{type: 'run-deployment', source: 'selected', deployment_id: known.deployment}, {type: 'change-flow-run-state', state: 'FAILED'}];
    known.automations[name] = (await api('POST', 'automations/', {name: `${name}-${mark}`, description: 'again', enabled: name !== 'proactive', trigger, actions})).id;
  }
  const [event] = (await api('POST', 'events/filter', {filter: {any_resource: {id: [`prefect.flow-run.${ids.failed}`]}}, limit: 1})).events;
  known.event = `${event.occurred.slice(0, 10)}/${event.id}`;
  return known;
}

// path, a text that the page has to show, what is special about it, the generation that has it if not both
const pages = (k) => [
  ['dashboard', 'Flow Runs'],
  ['runs', `done-run-${mark}`],
  [`runs/flow-run/${k.done}`, `done-run-${mark}`],
  [`runs/flow-run/${k.failed}`, 'Failed'],
  [`runs/flow-run/${k.done}?tab=Logs`, 'line 1'],
  [`runs/flow-run/${k.done}?tab=Artifacts`, 'energy'],
  [`runs/flow-run/${k.done}?tab=Parameters`, 'ad01_int8'],
  [`runs/flow-run/${k.done}?tab=Details`, 'stm32f405'],
  [`runs/flow-run/${k.scheduled}`, `nightly-${mark}`],
  ...Object.entries(k.states).map(([name, id]) => [`runs/flow-run/${id}`, `${name}-${mark}`, name]),
  [`runs/task-run/${k.task}`, 'clone'],
  [`runs/task-run/${k.task}?tab=Artifacts`, 'clone'],
  [`flow-runs/flow-run/${k.done}`, `done-run-${mark}`],
  [`flow-runs/task-run/${k.task}`, 'clone'],
  ['flow-runs', `done-run-${mark}`, '', 'ui'],
  ['flows', 'energy-profile'],
  [`flows/flow/${k.flow}`, 'energy-profile'],
  ['deployments', `nightly-${mark}`],
  [`deployments/deployment/${k.deployment}`, `nightly-${mark}`],
  [`deployments/deployment/${k.deployment}/run`, 'model'],
  [`deployments/deployment/${k.deployment}/edit`, 'nightly'],
  [`deployments/deployment/${k.deployment}/duplicate`, 'nightly'],
  ['work-pools', k.pool],
  ['work-pools/create', 'Process'],
  [`work-pools/work-pool/${k.pool}`, k.pool],
  [`work-pools/work-pool/${k.pool}/edit`, k.pool],
  [`work-pools/work-pool/${k.pool}/queue/urgent`, 'urgent'],
  [`work-pools/work-pool/${k.pool}/queue/create`, k.pool],
  [`work-pools/work-pool/${k.pool}/queue/urgent/edit`, 'urgent'],
  [`work-queues/work-queue/${k.queue}`, 'urgent', '', 'ui'],
  ['blocks', `token-${mark}`],
  ['blocks/catalog', 'Secret'],
  ['blocks/catalog/secret', 'Secret'],
  ['blocks/catalog/secret/create', 'Value'],
  [`blocks/block/${k.block}`, `token-${mark}`],
  [`blocks/block/${k.block}/edit`, 'Value'],
  ['variables', `board_${mark}`],
  ['automations', `compound-${mark}`],
  ['automations/create', 'Trigger'],
  ...Object.entries(k.automations).flatMap(([name, id]) => [[`automations/automation/${id}`, `${name}-${mark}`, name], [`automations/automation/${id}/edit`, 'Trigger', name]]),
  ['events', 'Flow run'],
  [`events/event/${k.event}`, `failed-run-${mark}`],
  ['concurrency-limits', `meters-${mark}`],
  [`concurrency-limits/concurrency-limit/${k.tag}`, `board-${mark}`],
  ['artifacts', `energy-${mark}`],
  [`artifacts/key/energy-${mark}`, `energy-${mark}`],
  ...Object.entries(k.artifacts).filter(([type]) => type !== 'result').map(([type, id]) => [`artifacts/artifact/${id}`, type, type]),
  [`artifacts/artifact/${k.flow_artifact}`, 'ad01', 'of no task run'],
  ['settings', 'Theme'],
  ['login', ''],
  ['', 'Flow Runs'],
];

const generations = [['ui', ''], ['ui-v2', '/v2']].filter(([ui]) => fs.existsSync(path.join(folder, ui)));
const only = process.env.UI_ONLY && new RegExp(process.env.UI_ONLY);
const known = await fill();
const browser = await chromium.launch({executablePath: process.env.CHROMIUM, args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update', '--disable-sync']});
let number = 0, failed = 0;

async function picture(page, url, prefix = '') {
  const name = new URL(url).pathname.replace(/[^\w-]+/g, '_') + new URL(url).search.replace(/\W/g, '_');
  if (shots) await page.screenshot({path: path.join(shots, `${prefix}${name}.png`)});
}

// What these pages ask wrongly and a real Prefect refuses in the same way: the page of an artifact of no task run asks for the task run "".
const theirs = [{status: 422, path: 'api/task_runs/filter', body: /"any_":\[""\]/}];

async function visit(context, url, text) {
  const page = await context.newPage(), faults = [], excused = [], ours = (u) => u.startsWith(base);
  let asked = 0, last = Date.now(); // requests under way, and when one began or ended
  const count = (step) => () => [asked, last] = [asked + step, Date.now()];
  page.on('request', count(1)).on('requestfinished', count(-1)).on('requestfailed', count(-1));
  page.on('pageerror', (e) => faults.push(`error: ${e}`));
  page.on('console', (m) => m.type() === 'error' && !/^https:/.test(m.location().url) && faults.push(`console: ${m.text()} (${m.location().url})`));
  page.on('response', async (r) => {
    if (!ours(r.url()) || r.status() < 400) return;
    if (theirs.some((fault) => fault.status === r.status() && r.url() === `${base}${fault.path}` && fault.body.test(r.request().postData()))) return excused.push(r.url());
    const said = (await r.text().catch(() => '')).slice(0, 300);
    faults.push(`${r.status()} ${r.request().method()} ${r.url().slice(base.length)} ${r.request().postData() || ''} -> ${said}`);
  });
  page.on('requestfailed', (r) => ours(r.url()) && !/ABORTED/.test(r.failure().errorText) && faults.push(`${r.failure().errorText} ${r.url()}`));
  try {
    await page.goto(url, {timeout: show_ms});
    await page.getByText(text, {exact: false}).first().waitFor({timeout: show_ms, state: 'attached'});
    // "networkidle" comes once, also when the page asks for more afterwards
    for (const end = Date.now() + quiet_ms; Date.now() < end && (asked || Date.now() - last < 500);) await page.waitForTimeout(100);
    await picture(page, url);
  } catch (e) {
    faults.push(`does not show "${text}": ${String(e).split('\n')[0]}`);
    await picture(page, url, 'FAILED_');
  }
  await page.close();
  return faults.filter((line) => !excused.some((address) => line.includes(`(${address})`)));
}

function tell(name, faults) {
  number++;
  if (faults.length) failed++;
  console.log(`${faults.length ? 'not ok' : 'ok'} ${number} ${name}${faults.map((f) => `\n#   ${f}`).join('')}`);
}

// The paths that the pages' own router knows; those that only lead to another are left out.
async function routes(context, url) {
  const page = await context.newPage();
  await page.goto(url, {timeout: show_ms});
  await page.waitForLoadState('networkidle', {timeout: quiet_ms}).catch(() => {});
  const found = await page.evaluate(() => {
    const vue = document.querySelector('#app')?.__vue_app__?.config.globalProperties.$router;
    if (vue) return vue.getRoutes().filter((r) => !r.redirect && r.components && !r.children.length).map((r) => r.path);
    return Object.keys(window.__TSR_ROUTER__?.routesByPath || {});
  });
  await page.close();
  return [...new Set(found)].filter((path) => !path.includes('pathMatch'));
}

function fits(route, path) {
  const parts = route.split('/').filter(Boolean), given = path.split('/').filter(Boolean);
  return parts.length === given.length && parts.every((part, i) => /^[:$]/.test(part) || part === given[i]);
}

for (const [ui, mount] of generations) {
  const server = serve(ui, mount);
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  const context = await browser.newContext({viewport: {width: 1440, height: 900}});
  await context.route(/^https:/, (route) => route.abort()); // nothing from elsewhere
  const mine = pages(known).filter(([, , , generation]) => !generation || generation === ui);
  for (const [page, text, special] of mine) {
    if (only && !only.test(`${ui}/${page}`)) continue;
    const faults = await visit(context, `http://127.0.0.1:${server.address().port}${mount}/${page}`, text);
    tell(`${ui} /${page.replace(/[0-9a-f]{8}-[-0-9a-f]{27}/g, 'ID')}${special ? `, ${special}` : ''}`, faults);
  }
  if (!only) {
    const found = await routes(context, `http://127.0.0.1:${server.address().port}${mount}/dashboard`);
    const unseen = found.filter((route) => !mine.some(([page]) => fits(route, `/${page.split('?')[0]}`)));
    tell(`${ui} has no page but these, ${found.length} routes`, [...unseen.map((route) => `${route} is not visited`), ...(found.length > 30 ? [] : ['its router was not found'])]);
  }
  await context.close();
  server.close();
}
await browser.close();
if (!number) console.log(`not ok there are no pages in ${folder}`);
console.log(`1..${number}`);
process.exit(failed || !number ? 1 : 0);
