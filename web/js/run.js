// One run: its state and what can be done about it, its tasks over time, logs, artifacts, parameters.
// At most three requests per refresh: the run, its tasks, and what the open tab shows; while it waits, a fourth for what.
import {ApiError, get, learnFlowNames, flowName, post, setState} from './api.js';
import {artifactsTab} from './artifacts.js';
import {ask, h, redraw, setAttr, setText, toast} from './dom.js';
import {ago, campaignOf, duration, isTerminal, plural, when, workedFor} from './format.js';
import {logsTab} from './logs.js';
import {poll} from './poll.js';
import {pill} from './runs.js';
import {timeline} from './timeline.js';

const TASKS_MAX = 200;

function detailsTab(panel) {
  const json = (value) => JSON.stringify(value ?? {}, null, 2);
  return {
    async refresh() {},
    show(run) {
      redraw(panel, json(run), () => {
        const facts = [['Id', run.id], ['Flow version', run.flow_version], ['Deployment', run.deployment_id],
          ['Work pool', run.work_pool_name], ['Work queue', run.work_queue_name], ['Process', run.infrastructure_pid],
          ['Created', when(run.created)], ['Created by', run.created_by && (run.created_by.display_value || run.created_by.type)],
          ['Idempotency key', run.idempotency_key]];
        return [h('h2', {}, 'Parameters'), h('pre', {class: 'json'}, json(run.parameters)),
          run.job_variables && Object.keys(run.job_variables).length ? [h('h2', {}, 'Job variables'), h('pre', {class: 'json'}, json(run.job_variables))] : [],
          h('h2', {}, 'Details'), h('dl', {class: 'facts'}, facts.filter(([, v]) => v).map(([k, v]) =>
            h('div', {}, h('dt', {}, k), h('dd', {}, String(v)))))].flat();
      });
    },
    stop() {},
  };
}

// What can be done in this state: [label, question, detail, new state, class]
function actionsOf(run) {
  const type = run.state_type;
  if (type === 'SCHEDULED' || type === 'PENDING')
    return [['Cancel', 'Cancel this run?', 'It has not started and will not.', {type: 'CANCELLED', name: 'Cancelled', message: 'Cancelled in the dashboard'}, 'danger']];
  if (type === 'RUNNING' || type === 'PAUSED')
    return [['Cancel', 'Cancel this run?', 'Its process gets time to clean up, then it is stopped.', {type: 'CANCELLING', name: 'Cancelling', message: 'Cancelled in the dashboard'}, 'danger']];
  if (isTerminal(type) && run.deployment_id)
    return [['Retry', 'Run it again?', 'The same run starts once more with the same parameters.', {type: 'SCHEDULED', name: 'AwaitingRetry', message: 'Retried in the dashboard'}, '']];
  return [];
}

function factsOf(run, tasks) {
  const worked = workedFor(run), done = tasks.filter((t) => isTerminal(t.state_type)).length;
  return [
    ['Flow', flowName(run.flow_id) || '–'],
    [run.start_time ? 'Started' : 'Expected', run.start_time || run.expected_start_time ? `${ago(run.start_time || run.expected_start_time)}` : '–', when(run.start_time || run.expected_start_time)],
    ['Duration', isNaN(worked) ? '–' : duration(worked)],
    ['Tasks', tasks.length ? `${done} of ${tasks.length}${tasks.length === TASKS_MAX ? '+' : ''}` : '–'],
    ['Attempt', run.run_count > 1 ? String(run.run_count) : null],
    ['Worker', run.work_pool_name ? `${run.work_pool_name}${run.work_queue_name && run.work_queue_name !== 'default' ? ` / ${run.work_queue_name}` : ''}` : null],
  ].filter(([, v]) => v);
}

export function runPage(main, {args: [id], query, onLink}) {
  let run = null, tasks = [], open = null, tick = 0, why = []; // open: the tab, from the first answer on
  const crumbs = h('div', {class: 'crumbs'}, h('a', {href: '#/runs'}, 'Runs')), title = h('h1', {}, '…'), state = h('span'), actions = h('span', {class: 'actions'});
  const tags = h('div'), message = h('p', {class: 'message', hidden: true}), waits = h('section', {class: 'waits', hidden: true}), facts = h('dl', {class: 'facts'});
  const chart = timeline((task) => {
    openTab('logs');
    tabs.logs.part.only(task);
    refresher.now();
  });
  const tasksPanel = h('section', {class: 'panel', hidden: true}, h('div', {class: 'panel-head'}, h('h2', {}, 'Tasks'), chart.sums), chart.element);
  const tabs = {
    logs: {label: 'Logs', make: (panel) => logsTab(panel, id)},
    artifacts: {label: 'Artifacts', make: (panel) => artifactsTab(panel, id)},
    details: {label: 'Parameters', make: (panel) => detailsTab(panel)},
  };
  const bar = h('div', {class: 'tabs', role: 'tablist'}), body = h('div');
  for (const [name, tab] of Object.entries(tabs)) {
    tab.count = h('span', {class: 'count'});
    tab.button = h('button', {role: 'tab', onclick: () => { openTab(name); refresher.now(); }}, tab.label, tab.count);
    tab.panel = h('div', {role: 'tabpanel', hidden: true});
    tab.part = tab.make(tab.panel);
    bar.append(tab.button);
    body.append(tab.panel);
  }
  main.append(crumbs, h('div', {class: 'runhead'}, title, state, h('span', {class: 'spring'}), actions), tags, message, waits, facts, tasksPanel, bar, body);

  function openTab(name) {
    open = tabs[name] ? name : 'logs';
    for (const [key, tab] of Object.entries(tabs)) {
      tab.panel.hidden = key !== open;
      setAttr(tab.button, 'aria-selected', String(key === open));
    }
    history.replaceState(null, '', `#/runs/${id}${open === 'logs' ? '' : `?tab=${open}`}`);
    if (run) tabs[open].part.show(run, tasks);
  }

  async function act([label, question, detail, to]) {
    if (!(await ask(question, detail, label))) return;
    try {
      await setState(id, to);
      toast(label === 'Retry' ? 'The run starts again' : 'The run is being cancelled');
    } catch (e) {
      toast(e.message, 'bad');
    }
    refresher.now();
  }

  function showHead() {
    const campaign = campaignOf(run);
    document.title = `${run.name} · Switchyard`;
    setText(title, run.name);
    redraw(crumbs, `${campaign}`, () => [h('a', {href: '#/runs'}, 'Runs'), ...(campaign ? [' / ', h('a', {href: `#/campaigns/${encodeURIComponent(campaign)}`}, campaign)] : [])]);
    redraw(state, `${run.state_type} ${run.state_name}`, () => pill(run.state_type, run.state_name));
    redraw(actions, `${run.state_type} ${run.deployment_id}`, () => actionsOf(run).map((a) => h('button', {class: a[4], onclick: () => act(a)}, a[0])));
    redraw(tags, (run.tags || []).join('\n'), () => h('p', {style: {margin: '8px 0 0 -6px'}}, (run.tags || []).map((t) =>
      h('a', {class: campaignOf({tags: [t]}) ? 'tag campaign' : 'tag', href: `#/runs?tag=${encodeURIComponent(t)}&range=30d`}, t))));
    tags.hidden = !(run.tags || []).length;
    const text = run.state_type === 'COMPLETED' && /^All (tasks|states) completed/.test((run.state || {}).message) ? '' : run.state && run.state.message;
    message.hidden = !text;
    setText(message, text || '');
    waits.hidden = !why.length;
    redraw(waits, JSON.stringify(why), () => [h('b', {}, 'Waits'), h('ul', {}, why.map((r) => h('li', {}, r.text)))]);
    message.className = `message st-${(run.state_type || 'none').toLowerCase()}`;
  }

  function show() {
    const rows = factsOf(run, tasks);
    showHead();
    redraw(facts, JSON.stringify(rows), () => rows.map(([k, v, hint]) => h('div', {}, h('dt', {}, k), h('dd', {title: hint}, v))));
    tasksPanel.hidden = !tasks.length;
    chart.show(run, tasks, tasks.length === TASKS_MAX);
    tabs[open].part.show(run, tasks);
    for (const tab of Object.values(tabs)) setText(tab.count, tab.part.count ? tab.part.count() : '');
  }

  async function refresh(signal) {
    const first = !run;
    const [found, list] = await Promise.all([
      get(`flow_runs/${id}`, signal),
      post('task_runs/filter', {task_runs: {flow_run_id: {any_: [id]}}, sort: 'EXPECTED_START_TIME_ASC', limit: TASKS_MAX}, signal),
      first ? null : tabs[open].part.refresh(signal)]);
    why = found.state_type === 'SCHEDULED' || found.state_type === 'PAUSED' ? (await get(`switchyard/flow_runs/${id}/why`, signal)).reasons : [];
    run = found;
    tasks = list;
    if (first) {
      await learnFlowNames([run.flow_id], signal);
      // A run that has ended well is opened for what it made, any other for what it said.
      const wanted = query.get('tab') || (run.state_type === 'COMPLETED' && await tabs.artifacts.part.any(signal) ? 'artifacts' : 'logs');
      openTab(wanted);
      await tabs[open].part.refresh(signal);
    }
    show();
    if (!isTerminal(run.state_type)) return 1500;
    return ++tick < 4 ? 2000 : 15000;
  }

  const refresher = poll(refresh, (error) => {
    onLink(error);
    if (!error || run) return;
    const gone = error instanceof ApiError && (error.status === 404 || error.status === 422);
    setText(title, gone ? 'There is no such run' : error.message);
    redraw(facts, error.message, () => h('div', {}, h('dd', {class: 'dim'}, gone ? 'It was deleted, or the address is wrong.' : 'The page tries again by itself.')));
  });
  const ticking = setInterval(() => run && open && !isTerminal(run.state_type) && show(), 500);
  return {
    refresh: () => refresher.now(),
    back: () => { location.hash = '#/runs'; },
    route: (q) => { query = q; if (run && q.get('tab') && q.get('tab') !== open) openTab(q.get('tab')); },
    stop() {
      clearInterval(ticking);
      refresher.stop();
      for (const tab of Object.values(tabs)) tab.part.stop();
    },
  };
}
