// The way of the page: the address gives the state, the state gives the view, the view is shown. Every change takes this way.

const view = {
  marks: new Uint8Array(BOARD.rows), limits: [], considered: 0, fitting: 0, withoutAccuracy: 0,
  frontier: [], isFrontier: new Uint8Array(BOARD.rows), rows: new Uint32Array(), sort: [],
};

function computeView() {
  Object.assign(view, markRows());
  const fitting = taskRows(state.task).filter((row) => view.marks[row] === FITS);
  const accuracy = BOARD.figures(state.accuracy);
  view.frontier = state.accuracy && state.cost ? findFrontier(fitting, state.cost, state.accuracy) : [];
  view.withoutAccuracy = state.accuracy ? fitting.filter((row) => Number.isNaN(accuracy[row])).length : 0;
  view.isFrontier = new Uint8Array(BOARD.rows);
  for (const row of view.frontier) view.isFrontier[row] = 1;
  orderView();
}

function orderView() {
  view.sort = state.sort ?? defaultSort();
  const isShown = (row) => view.marks[row] === FITS && (!state.onlyFrontier || view.isFrontier[row]);
  view.rows = sortedRows(view.sort).filter(isShown);
}

// Called by the table's headers: only the order changes, so only the rows are shown anew.
function sortBy(sort) {
  state.sort = sort;
  orderView();
  writeAddressSoon();
}

// What a change does not touch is not shown anew: opening a model must not turn the table back to its first page.
function change(patch, { keepPage = Object.keys(patch).every((key) => key === 'open' || key === 'compare') } = {}) {
  Object.assign(state, patch);
  refresh({ keepPage });
}

function refresh({ keepPage = false } = {}) {
  const started = performance.now();
  hideHint();
  showTasks();
  if (!keepPage) {
    computeView();
    showBudget();
    showCounts();
    showTable();
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

// Writing the address costs more than filtering, and browsers ration it: it waits for a pause in the typing.
let addressTimer = 0;
function writeAddressSoon() {
  clearTimeout(addressTimer);
  addressTimer = setTimeout(writeAddress, 250);
}

function writeAddress() {
  clearTimeout(addressTimer);
  const text = encodeState();
  if (text !== location.hash.slice(1)) history.replaceState(null, '', text ? `#${text}` : location.pathname + location.search);
}

function readAddress() {
  Object.assign(state, decodeState(location.hash.slice(1)));
}

function showTasks() {
  const list = byId('tasks');
  list.hidden = TASKS.length < 2;
  if (!list.childElementCount) {
    list.append(...TASKS.map(({ name, rows }) => h('button', {
      type: 'button', role: 'tab', id: `task-${TASKS.findIndex((task) => task.name === name)}`, 'aria-controls': 'task-panel', 'data-task': name,
      onclick: () => change({ ...initialState(name), compare: state.compare }),
    }, name, ' ', h('span', { class: 'count' }, formatCount(rows)))));
  }
  for (const tab of list.children) {
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

function start() {
  document.querySelector('[data-skip]').addEventListener('click', (event) => { event.preventDefault(); byId('table-title').focus(); });
  byId('search').addEventListener('input', (event) => change({ search: event.target.value }));
  byId('only-frontier').addEventListener('change', (event) => change({ onlyFrontier: event.target.checked }));
  byId('reset').addEventListener('click', resetBudget);
  byId('theme').addEventListener('click', () => document.documentElement.dispatchEvent(new Event('themetoggle')));
  byId('print').addEventListener('click', () => window.print());
  window.addEventListener('hashchange', () => { readAddress(); refresh(); });
  startTable();
  startColumnChooser();
  startChart();
  startPictures();
  startCompare();
  startDialogs();
  startExport();
  startKeys();
  readAddress();
  refresh();
  // Ready is what has been painted, so the mark is set in the frame after the one that shows it.
  requestAnimationFrame(() => setTimeout(() => {
    performance.mark('zoometer:ready');
    document.documentElement.dataset.ready = 'yes';
    showCoverage();
  }));
}

start();
