// Address → state → view → page: every change goes through these steps.

import { readAddress, writeAddressSoon } from './base/address.js';
import { TASKS } from './base/data.js';
import { byId, fill, h } from './base/dom.js';
import { formatCount } from './base/format.js';
import { initialState, state } from './base/state.js';
import { change, computeView, onChange } from './base/view.js';
import { drawChart, startChart } from './chart/chart.js';
import { startPictures } from './chart/picture.js';
import { startPointer } from './chart/pointer.js';
import { showDevice, startDevices } from './controls/device.js';
import { startPlacement } from './controls/placement.js';
import { showUses } from './controls/uses.js';
import { resetBudget, showBudget, showCounts } from './controls/budget.js';
import { hideHint } from './controls/tooltip.js';
import { showPicked, startCompare } from './drawer/compare.js';
import { showDrawer, startDialogs } from './drawer/drawer.js';
import { showAnswer } from './results/answer.js';
import { showLeftOut } from './results/misses.js';
import { startPaper } from './results/paper.js';
import { showPicks, showRanking } from './results/ranking.js';
import { startColumnChooser } from './table/columns.js';
import { startExport } from './table/export.js';
import { showTable, startTable } from './table/table.js';

function refresh({ keepPage = false } = {}) {
  const started = performance.now();
  hideHint();
  showTasks();
  if (!keepPage) {
    computeView();
    showUses();
    showDevice();
    showBudget();
    showCounts();
    showTable();
    showAnswer();
    showPicks();
    showRanking();
    showLeftOut();
  }
  drawChart();
  showPicked();
  showDrawer();
  writeAddressSoon();
  performance.measure('zoometer:refresh', { start: started });
}

function startTasks() {
  byId('tasks').hidden = TASKS.length < 2;
  fill(byId('tasks'), TASKS.map(({ name, rows }, place) => h('button', {
    type: 'button', role: 'tab', id: `task-${place}`, 'aria-controls': 'task-panel', 'data-task': name,
    onclick: () => change({ ...initialState(name), compare: state.compare }),
  }, name, ' ', h('span', { class: 'count' }, formatCount(rows)))));
}

function showTasks() {
  for (const tab of byId('tasks').children) {
    const isOn = tab.dataset.task === state.task;
    tab.setAttribute('aria-selected', String(isOn));
    tab.tabIndex = isOn ? 0 : -1;
  }
}

function startKeys() {
  byId('tasks').addEventListener('keydown', (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const tabs = [...byId('tasks').children];
    if (!step) return;
    const next = tabs[(tabs.indexOf(document.activeElement) + step + tabs.length) % tabs.length];
    next.focus();
    next.click();
  });
  document.addEventListener('keydown', (event) => {
    if (event.key !== '/' || event.target.closest('input, select, textarea, dialog')) return;
    event.preventDefault();
    byId('search').focus();
  });
}

async function start() {
  document.querySelector('[data-skip]').addEventListener('click', (event) => { event.preventDefault(); byId('table-title').focus(); });
  byId('search').addEventListener('input', (event) => change({ search: event.target.value }));
  byId('only-frontier').addEventListener('change', (event) => change({ onlyFrontier: event.target.checked }));
  byId('reset').addEventListener('click', resetBudget);
  byId('print').addEventListener('click', () => window.print());
  window.addEventListener('hashchange', async () => { await readAddress(); refresh(); });
  startTasks();
  startPlacement();
  startDevices();
  startTable();
  startColumnChooser();
  startChart();
  startPointer();
  startPictures();
  startCompare();
  startDialogs();
  startExport();
  startPaper();
  startKeys();
  onChange(refresh);
  await readAddress();
  refresh();
  // The page is ready when it has been painted: in the frame after the one that shows it.
  requestAnimationFrame(() => setTimeout(() => {
    performance.mark('zoometer:ready');
    document.documentElement.dataset.ready = 'yes';
  }));
}

start();
