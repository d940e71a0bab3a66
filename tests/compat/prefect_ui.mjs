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

// What the pages have to show, beyond the runs of seed().
async function fill() {
  const ids = await seed(api, mark), run = await api('GET', `flow_runs/${ids.done}`), pool = `lab-${mark}`;
  const known = {...ids, flow: run.flow_id, pool};
  await api('POST', 'work_pools/', {name: pool, type: 'process', base_job_template: {
    job_configuration: {command: '{{ command }}', env: '{{ env }}'},
    variables: {type: 'object', properties: {command: {type: 'string', title: 'Command'}, env: {type: 'object', title: 'Environment', additionalProperties: {type: 'string'}}}}}});
  await api('POST', `work_pools/${pool}/queues`, {name: 'urgent', priority: 1});
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
  known.artifact = (await api('POST', 'artifacts/', {type: 'table', key: `energy-${mark}`, data: '[{"model": "ad01", "energy_j": 0.5}]', flow_run_id: ids.done, description: 'per model'})).id;
  known.task = (await api('POST', 'task_runs/filter', {flow_runs: {id: {any_: [ids.done]}}, sort: 'NAME_ASC'})).find((t) => t.name === 'clone').id;
  known.automation = (await api('POST', 'automations/', {name: `retry-${mark}`, description: 'again', enabled: true,
    trigger: {type: 'event', posture: 'Reactive', match: {'prefect.resource.id': 'prefect.flow-run.*'}, expect: ['prefect.flow-run.Crashed'], threshold: 1, within: 0},
    actions: [{type: 'run-deployment', source: 'selected', deployment_id: known.deployment}]})).id;
  const [event] = (await api('POST', 'events/filter', {filter: {any_resource: {id: [`prefect.flow-run.${ids.failed}`]}}, limit: 1})).events;
  known.event = `${event.occurred.slice(0, 10)}/${event.id}`;
  return known;
}

// path, a text that the page has to show
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
  [`runs/task-run/${k.task}`, 'clone'],
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
  ['blocks', `token-${mark}`],
  ['blocks/catalog', 'Secret'],
  ['blocks/catalog/secret', 'Secret'],
  ['blocks/catalog/secret/create', 'Value'],
  [`blocks/block/${k.block}`, `token-${mark}`],
  [`blocks/block/${k.block}/edit`, 'Value'],
  ['variables', `board_${mark}`],
  ['automations', `retry-${mark}`],
  ['automations/create', 'Trigger'],
  [`automations/automation/${k.automation}`, `retry-${mark}`],
  [`automations/automation/${k.automation}/edit`, 'Trigger'],
  ['events', 'Flow run'],
  [`events/event/${k.event}`, `failed-run-${mark}`],
  ['concurrency-limits', `meters-${mark}`],
  [`concurrency-limits/concurrency-limit/${k.tag}`, `board-${mark}`],
  ['artifacts', `energy-${mark}`],
  [`artifacts/key/energy-${mark}`, `energy-${mark}`],
  [`artifacts/artifact/${k.artifact}`, 'ad01'],
  ['settings', 'Theme'],
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

async function visit(context, url, text) {
  const page = await context.newPage(), faults = [], ours = (u) => u.startsWith(base);
  page.on('pageerror', (e) => faults.push(`error: ${e}`));
  page.on('console', (m) => m.type() === 'error' && !/^https:/.test(m.location().url) && faults.push(`console: ${m.text()} (${m.location().url})`));
  page.on('response', async (r) => {
    if (!ours(r.url()) || r.status() < 400) return;
    const said = (await r.text().catch(() => '')).slice(0, 300);
    faults.push(`${r.status()} ${r.request().method()} ${r.url().slice(base.length)} ${r.request().postData() || ''} -> ${said}`);
  });
  page.on('requestfailed', (r) => ours(r.url()) && !/ABORTED/.test(r.failure().errorText) && faults.push(`${r.failure().errorText} ${r.url()}`));
  try {
    await page.goto(url, {timeout: show_ms});
    await page.getByText(text, {exact: false}).first().waitFor({timeout: show_ms, state: 'attached'});
    await page.waitForLoadState('networkidle', {timeout: quiet_ms}).catch(() => {});
    await picture(page, url);
  } catch (e) {
    faults.push(`does not show "${text}": ${String(e).split('\n')[0]}`);
    await picture(page, url, 'FAILED_');
  }
  await page.close();
  return faults;
}

for (const [ui, mount] of generations) {
  const server = serve(ui, mount);
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  const context = await browser.newContext({viewport: {width: 1440, height: 900}});
  await context.route(/^https:/, (route) => route.abort()); // nothing from elsewhere
  for (const [page, text] of pages(known)) {
    if (only && !only.test(`${ui}/${page}`)) continue;
    number++;
    const faults = await visit(context, `http://127.0.0.1:${server.address().port}${mount}/${page}`, text);
    const name = `${ui} /${page.replace(/[0-9a-f]{8}-[-0-9a-f]{27}/g, 'ID')}`;
    if (faults.length) failed++;
    console.log(`${faults.length ? 'not ok' : 'ok'} ${number} ${name}${faults.map((f) => `\n#   ${f}`).join('')}`);
  }
  await context.close();
  server.close();
}
await browser.close();
if (!number) console.log(`not ok there are no pages in ${folder}`);
console.log(`1..${number}`);
process.exit(failed || !number ? 1 : 0);
