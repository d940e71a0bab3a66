// Every page of the dashboard, as a user sees it.  Prints TAP.
import assert from 'node:assert/strict';
import {execFileSync, spawn} from 'node:child_process';
import {mkdtempSync, readFileSync, rmSync} from 'node:fs';
import http from 'node:http';
import {tmpdir} from 'node:os';
import {chromium} from 'playwright-core';
import {client, seed, seedBench, seedRetries} from './seed.mjs';

const base = process.env.BROWSER_URL, api = client(base), build = process.env.BUILD;
const mark = Date.now().toString(36), done = `done-run-${mark}`, failedRun = `failed-run-${mark}`;
const ids = await seed(api, mark);
const browser = await chromium.launch({executablePath: process.env.CHROMIUM, args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update', '--disable-sync']});

// A page that fails its test when anything is written to the console as an error or fetched from elsewhere.
async function open(path, {width = 1440, height = 900, scheme = 'light', quiet = false, at = base} = {}) {
  const context = await browser.newContext({viewport: {width, height}, colorScheme: scheme}), page = await context.newPage();
  page.faults = [];
  page.requests = [];
  page.on('console', (m) => m.type() === 'error' && !quiet && page.faults.push(m.text()));
  page.on('pageerror', (e) => page.faults.push(String(e)));
  page.on('request', (r) => {
    page.requests.push(r.url());
    if (!r.url().startsWith(at) && !/^(data|blob):/.test(r.url())) page.faults.push(`fetched ${r.url()}`);
  });
  page.setDefaultTimeout(15000);
  await page.goto(at + path);
  return page;
}

// An agent of ours, and two runs that failed at their first attempt.
async function agent(mark) {
  const folder = mkdtempSync(`${tmpdir()}/switchyard-retry-`), pool = `retry-${mark}`;
  const worker = spawn(`${build}/switchyard-worker`, ['--server', base, '--pool', pool, '--data', `${folder}/data`], {stdio: 'ignore'});
  const stop = () => {
    worker.once('exit', () => rmSync(folder, {recursive: true, force: true}));
    worker.kill();
  };
  try {
    return {folder, stop, runs: await seedRetries(api, pool, folder)};
  } catch (e) {
    stop();
    throw e;
  }
}

const see = (page, text) => page.getByText(text, {exact: false}).first().waitFor();
const shown = (page, selector) => page.locator(selector).allTextContents();

const tests = {
  async 'the runs are listed with state, flow and counts'() {
    const page = await open('#/runs');
    await page.locator('.row', {hasText: done}).waitFor();
    const row = await page.locator('.row', {hasText: failedRun}).innerText();
    assert.match(row, /Failed/);
    assert.match(row, /energy-profile/);
    assert.match(await page.locator('.chip', {hasText: 'All'}).innerText(), /\d/);
    return page;
  },
  async 'a state, a name and a tag narrow the list, and the address keeps them'() {
    const page = await open('#/runs');
    await page.locator('.row', {hasText: done}).waitFor();
    await page.locator('.chip', {hasText: 'Failed'}).click();
    await page.locator('.row', {hasText: done}).waitFor({state: 'detached'});
    assert.ok((await shown(page, '.row b')).includes(failedRun));
    assert.match(page.url(), /state=FAILED/);
    await page.locator('.chip', {hasText: 'Failed'}).click();
    await page.locator('input[type=search]').fill(done);
    await page.locator('.row', {hasText: failedRun}).waitFor({state: 'detached'});
    await page.reload();
    await page.locator('.row', {hasText: done}).waitFor();
    assert.equal(await page.locator('input[type=search]').inputValue(), done);
    await page.locator('input[type=search]').fill('no such name');
    await see(page, 'No run matches');
    return page;
  },
  async 'a refresh costs at most three requests'() {
    const page = await open('#/runs');
    await page.locator('.row', {hasText: done}).waitFor();
    await page.waitForTimeout(700);
    page.requests.length = 0;
    await page.keyboard.press('r');
    await page.waitForTimeout(900);
    const calls = page.requests.filter((url) => url.includes('/api/'));
    assert.ok(calls.length >= 1 && calls.length <= 3, `${calls.length} requests: ${calls}`);
    return page;
  },
  async 'a change shows without a reload'() {
    const page = await open(`#/runs/${ids.live}`);
    await page.locator('.runhead .st-running').waitFor();
    await api('POST', `flow_runs/${ids.live}/set_state`, {state: {type: 'COMPLETED', message: 'all is well'}, force: true});
    await page.locator('.runhead .st-completed').waitFor();
    await see(page, 'all is well');
    return page;
  },
  async 'a run shows its tasks over time'() {
    const page = await open(`#/runs/${ids.done}`);
    await page.locator('.gantt-row').nth(2).waitFor();
    assert.deepEqual((await shown(page, '.gantt-row .label')).map((t) => t.trim()), ['clone', 'build', 'measure']);
    const lefts = await page.locator('.lane i').evaluateAll((bars) => bars.map((b) => b.getBoundingClientRect().left));
    assert.ok(lefts[0] < lefts[1] && lefts[1] < lefts[2], `bars at ${lefts}`);
    return page;
  },
  async 'a long log keeps few lines in the page and can be narrowed'() {
    const page = await open(`#/runs/${ids.done}?tab=logs`);
    await see(page, 'line 499');
    assert.ok(await page.locator('.log .line').count() < 120);
    for (let i = 0; i < 12 && !(await page.locator('.log .line', {hasText: /line 0$/}).count()); i++) {
      await page.locator('.log').evaluate((box) => { box.scrollTop = 0; });
      await page.waitForTimeout(300);
    }
    await page.locator('.log .line', {hasText: /line 0$/}).waitFor();
    await page.getByLabel('Level').selectOption('40');
    await see(page, 'a line that went wrong');
    assert.equal(await page.locator('.log .line').count(), 1);
    return page;
  },
  async 'the recording is drawn from its samples and can be zoomed into'() {
    const page = await open(`#/runs/${ids.done}?tab=artifacts`), trace = page.locator('svg.trace');
    await see(page, '100 samples are missing or damaged');
    assert.equal(await trace.locator('.suspect').count(), 1);
    assert.deepEqual(await trace.locator('.mark title').allTextContents(), ['SY-START n=100', 'SY-END n=100 us=1000000']);
    assert.match((await trace.locator('.window title').allTextContents())[0], /^Window 1: 100 inferences in 1\.000.s, 721\.0.µJ each$/);
    const drag = async (from, to) => {
      const box = await trace.boundingBox(), x = (part) => box.x + 62 + part * (box.width - 72);
      await page.mouse.move(x(from), box.y + 80);
      await page.mouse.down();
      await page.mouse.move(x(to), box.y + 90, {steps: 3});
      await page.mouse.up();
    };
    const answer = page.waitForResponse((r) => r.url().includes('/switchyard/traces/') && /from=1\.[5-9]/.test(r.url()));
    await drag(0.18, 0.32);
    const seen = await (await answer).json();
    assert.equal(Math.max(...seen.max_a), 0x21 / 4096);
    assert.equal(Math.min(...seen.min_a), 0x04 / 4096);
    await page.locator('.trace-tools', {hasText: / to /}).waitFor();
    await page.getByRole('button', {name: 'The whole recording'}).click();
    await see(page, '100 samples are missing or damaged');
    return page;
  },
  async 'a measurement is a card that says where it comes from; markdown runs nothing'() {
    const page = await open(`#/runs/${ids.done}?tab=artifacts`);
    await see(page, '721.0');
    await see(page, 'EMULATED');
    await page.locator('svg.trace').waitFor();
    await page.getByText('bold', {exact: true}).waitFor();
    await see(page, '<img src=x');
    assert.equal(await page.evaluate(() => window.hacked), undefined);
    assert.equal(await page.locator('.md a').count(), 0);
    return page;
  },
  async 'a report is shown in the page, without its scripts'() {
    const page = await open(`#/runs/${ids.live}?tab=artifacts`, {quiet: true}); // the refused script is an error on the console
    await page.frameLocator('iframe.report').getByText('The whole report').waitFor();
    assert.equal(await page.evaluate(() => window.hacked), undefined);
    const [tab] = await Promise.all([page.context().waitForEvent('page'), page.getByText('report.html').click()]);
    await tab.getByText('The whole report').waitFor();
    return page;
  },
  async 'a failed run says why'() {
    const page = await open(`#/runs/${ids.failed}`);
    await see(page, 'does not fit by 41 232 bytes <b>');
    return page;
  },
  async 'a run can be cancelled, after a question'() {
    const page = await open(`#/runs/${ids.cancelled}`);
    await page.getByRole('button', {name: 'Cancel'}).click();
    await page.locator('dialog').getByRole('button', {name: 'Keep it'}).click();
    assert.equal((await api('GET', `flow_runs/${ids.cancelled}`)).state_type, 'RUNNING');
    await page.getByRole('button', {name: 'Cancel'}).click();
    await page.locator('dialog').getByRole('button', {name: 'Cancel'}).click();
    await page.locator('.runhead .pill', {hasText: /Cancel/}).waitFor();
    assert.match((await api('GET', `flow_runs/${ids.cancelled}`)).state_type, /^CANCELL/);
    return page;
  },
  async 'a retry, by button or by command, runs the run again'() {
    if (!build) return open('#/runs'); // the dashboard of somebody else: there is no agent of ours
    const lab = await agent(mark);
    try {
      const page = await open(`#/runs/${lab.runs[0]}`);
      await page.locator('.runhead .st-failed').waitFor();
      await page.getByRole('button', {name: 'Retry'}).click();
      await page.locator('dialog').getByRole('button', {name: 'Retry'}).click();
      await page.locator('.runhead .st-completed').waitFor();
      await page.goto(`${base}#/runs/${lab.runs[1]}`);
      await page.locator('.runhead .st-failed').waitFor();
      execFileSync(`${build}/switchyard`, ['flow-run', 'retry', lab.runs[1]], {env: {...process.env, SWITCHYARD_API_URL: `${base}api`}});
      await page.locator('.runhead .st-completed').waitFor();
      for (const run of lab.runs) {
        const states = await api('GET', `flow_run_states/?flow_run_id=${run}`);
        assert.deepEqual(states.map((s) => s.name), ['Scheduled', 'Pending', 'Running', 'Failed', 'AwaitingRetry', 'Pending', 'Running', 'Completed']);
        assert.equal(readFileSync(`${lab.folder}/${run}`, 'utf8'), 'attempt\nattempt\n');
      }
      return page;
    } finally {
      lab.stop();
    }
  },
  async 'a campaign is a matrix of model and target'() {
    const page = await open('#/campaigns');
    await page.locator('a.tile', {hasText: `first-${mark}`}).click();
    await page.locator('.cellbox', {hasText: '721'}).waitFor();
    await page.locator('.cellbox', {hasText: 'Failed'}).waitFor();
    await page.getByLabel('Shown in the matrix').selectOption('state');
    await page.locator('.cellbox', {hasText: 'Completed'}).waitFor();
    return page;
  },
  async 'the bench lists pools and workers'() {
    const page = await open('#/bench');
    await page.locator('.tile', {hasText: 'bench'}).first().waitFor();
    await see(page, 'lab-1');
    return page;
  },
  async 'a bench with its parts is held, released and kicked; its history tells it'() {
    const bench = await seedBench(api, mark);
    const page = await open('#/bench', {width: 1280}), tile = page.locator('#main .tile', {has: page.getByRole('heading', {name: bench.name, exact: true})});
    const press = async (what, answer = what) => {
      await tile.getByRole('button', {name: what, exact: true}).click();
      await page.locator('dialog').getByRole('button', {name: answer, exact: true}).click();
    };
    for (const text of ['busy', 'EMULATED', '066CFF504955857567123456', 'ST-LINK V2J43M28', 'V3PWR 1.2.3', `on-bench-${mark}`]) await tile.getByText(text).first().waitFor();
    assert.equal(await page.getByRole('heading', {name: new RegExp(`${bench.name}[.]`)}).count(), 0); // parts stand in the bench's tile
    await press('Hold', 'Keep it');
    assert.equal((await bench.device()).held_by, null);
    await press('Hold');
    await tile.getByText('dashboard until').waitFor();
    assert.equal((await bench.device()).held_by, 'dashboard');
    await press('Release');
    await tile.getByRole('button', {name: 'Hold'}).waitFor();
    assert.equal((await bench.device()).held_by, null);
    await tile.getByText('History').click();
    await tile.getByText('of 700.0\u00a0µJ to 740.0\u00a0µJ').waitFor();
    await press('Kick');
    await tile.locator('.history', {hasText: 'kick by dashboard'}).waitFor(); // it stays open, and is asked anew
    assert.equal((await api('GET', `flow_runs/${bench.run}`)).state_type, 'CANCELLING');
    assert.match(await tile.innerText(), /Golden model: 721.0\sµJ per inference, ad01_int8/);
    assert.match(await tile.innerText(), /Recoveries: 2 retries, 1 power cycle/);
    assert.doesNotMatch(await tile.innerText(), /usb 1[.]00/);
    assert.doesNotMatch(await tile.innerText(), /\b(null|undefined|NaN)\b/);
    for (const width of [1280, 400]) {
      await page.setViewportSize({width, height: 900});
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth), 0, `${width}`);
      assert.deepEqual(await tile.locator('*').evaluateAll((all) => all.filter((e) => e.getBoundingClientRect().right > e.closest('.tile').getBoundingClientRect().right + 1).map((e) => e.outerHTML)), []);
      if (process.env.SCREENSHOTS) await page.screenshot({path: `${process.env.SCREENSHOTS}/bench-${width}.png`, fullPage: true});
    }
    return page;
  },
  async 'the keyboard is enough'() {
    const page = await open('#/runs');
    await page.locator('.row', {hasText: done}).waitFor();
    await page.keyboard.press('/');
    assert.equal(await page.evaluate(() => document.activeElement.type), 'search');
    await page.keyboard.type(done);
    await page.locator('.row', {hasText: failedRun}).waitFor({state: 'detached'});
    await page.keyboard.press('Escape');
    await page.keyboard.press('j');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', {name: done}).waitFor();
    await page.keyboard.press('g');
    await page.keyboard.press('b');
    await page.getByRole('heading', {name: 'Bench', exact: true}).waitFor();
    return page;
  },
  async 'what is not there is said'() {
    const page = await open('#/runs/00000000-0000-4000-8000-000000000000', {quiet: true});
    await see(page, 'There is no such run');
    await page.goto(`${base}#/nowhere`);
    await see(page, 'There is no such page');
    return page;
  },
  async 'a server that is away is said, and its return is noticed'() {
    const page = await open('#/runs', {quiet: true});
    await page.locator('.row', {hasText: done}).waitFor();
    await page.route('**/api/**', (r) => r.abort());
    await page.keyboard.press('r');
    await page.locator('#link.bad').waitFor();
    assert.ok(await page.locator('.row', {hasText: done}).count()); // what is known stays
    await page.unroute('**/api/**');
    await page.locator('#link.good').waitFor();
    return page;
  },
  async 'a small dark screen shows everything without scrolling sideways'() {
    let page;
    for (const path of ['#/runs', `#/runs/${ids.done}`, '#/campaigns', `#/campaigns/first-${mark}`, '#/bench']) {
      if (page) await page.context().close();
      page = await open(path, {width: 390, height: 844, scheme: 'dark'});
      await page.locator('#link.good').waitFor();
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth), 0, `${path} is too wide`);
      assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'dark');
      assert.deepEqual(page.faults, []);
    }
    return page;
  },
  async 'it works below any path of a proxy'() {
    const proxy = http.createServer((q, r) => {
      if (!q.url.startsWith('/lab/')) return r.writeHead(404).end();
      q.pipe(http.request(new URL(q.url.slice(5), base), {method: q.method, headers: q.headers}, (a) => {
        r.writeHead(a.statusCode, a.headers);
        a.pipe(r);
      }));
    });
    await new Promise((done) => proxy.listen(0, '127.0.0.1', done));
    const page = await open('#/runs', {at: `http://127.0.0.1:${proxy.address().port}/lab/`});
    await page.locator('.row', {hasText: done}).click();
    await page.locator('.gantt-row').nth(2).waitFor();
    proxy.close();
    return page;
  },
  async 'nothing foreign may be loaded'() {
    const policy = (await fetch(base)).headers.get('content-security-policy') || '';
    assert.match(policy, /default-src 'self'/);
    assert.doesNotMatch(policy, /https?:|\*/);
    return open('#/runs');
  },
  /* the last: its runs push the others off the first page */
  async 'a large campaign shows each run that moves, however many wait'() {
    const name = `large-${mark}`, flow = await api('POST', 'flows/', {name}), tags = [`campaign:${name}`];
    const deployment = await api('POST', 'deployments/', {name: 'default', flow_id: flow.id});
    const runs = Array.from({length: 450}, (_, k) => ({state: {type: 'SCHEDULED'}, parameters: {model: `m${k}`, target: 't'}, tags, idempotency_key: `${name}/${k}`}));
    const made = await api('POST', `switchyard/deployments/${deployment.id}/runs`, runs);
    const page = await open(`#/campaigns/${name}`), move = (k, type) => api('POST', `flow_runs/${made[k].id}/set_state`, {state: {type}, force: true});
    await see(page, '0 of 450 runs finished');
    for (const k of [0, 225, 449]) await move(k, 'RUNNING');
    await page.locator('.sums', {hasText: '3 running'}).waitFor();
    for (const k of [0, 225]) await move(k, 'COMPLETED');
    await move(449, 'SCHEDULED');
    await see(page, '2 of 450 runs finished');
    await page.locator('.sums', {hasText: '448 scheduled'}).waitFor();
    return page;
  },
};

const chosen = Object.entries(tests).filter(([name]) => name.includes(process.env.BROWSER_ONLY || ''));
let number = 0, failed = 0;
console.log(`1..${chosen.length}`);
for (const [name, test] of chosen) {
  number++;
  try {
    const page = await test();
    assert.deepEqual(page.faults, [], 'errors on the console');
    await page.context().close();
    console.log(`ok ${number} ${name}`);
  } catch (e) {
    failed++;
    console.log(`not ok ${number} ${name}\n${String(e.stack || e).replace(/^/gm, '# ')}`);
  }
}
await browser.close();
process.exit(failed ? 1 : 0);
