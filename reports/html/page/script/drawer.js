// Everything known about one architecture: what it costs at each size, its weights, and the command that counts it again.

const drawer = { shown: null, view: null };

function showDrawer() {
  const dialog = byId('drawer');
  if (state.open === null) {
    if (dialog.open) dialog.close();
    return;
  }
  if (drawer.shown !== state.open || !dialog.open) {
    fillDrawer(state.open);
    drawer.shown = state.open;
  }
  if (byId('compare').open) byId('compare').close();
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
  drawSmallChart(state.open);
}

function fillDrawer(row) {
  const rows = rowsOfArchitecture(row);
  const [zoo, arch] = [BOARD.shown('zoo', row), BOARD.shown('arch', row)];
  const command = `zoometer count ${shellWord(`${zoo}/${arch}`)}`;
  byId('drawer-title').replaceChildren(h('bdi', {}, h('span', { class: 'set-back' }, `${zoo}/`), arch));
  fill(byId('drawer-body'),
    h('p', { class: 'drawer-facts' }, drawerFacts(row).join(' · ')),
    statusNotes(rows),
    h('h3', {}, 'Cost at each input'), sizeTable(rows),
    h('div', { id: 'small-chart', hidden: true }),
    h('h3', {}, 'Weights'), weightsTable(rows, row),
    h('h3', {}, 'Count it again'),
    h('div', { class: 'command' }, h('code', {}, command), h('button', {
      type: 'button', onclick: async () => notify(await copyText(command) ? 'Command copied.' : 'Copying was refused; select the text instead.'),
    }, 'Copy')));
}

// A word the shell takes as it is, quoted where it must be.
const shellWord = (word) => (/^[\w./@:+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

function drawerFacts(row) {
  return ['family', 'task'].filter((key) => BOARD.exact(key, row)).map((key) => `${BOARD.column(key).title}: ${BOARD.text(key, row)}`);
}

// Anything but an exact count is explained before its figures are read.
function statusNotes(rows) {
  const notes = new Map();
  for (const row of rows) {
    const status = BOARD.text('status', row);
    if (status !== 'exact') notes.set(`${status}: ${BOARD.text('reason', row) ?? 'no reason given'}`, STATUS_CLASS[status]);
  }
  return [...notes].map(([text, name]) => h('p', { class: `status-note ${name ?? ''}` }, text));
}

// The different costs of an architecture: its inputs, variants and numbers of classes.
function sizeTable(rows) {
  const costs = REPORT.costs.filter((key) => key !== 'file_bytes' && hasFigures(key, rows));
  const keys = ['input', 'variant', 'classes'].filter((key) => key === 'input' || new Set(rows.map((row) => BOARD.exact(key, row))).size > 1);
  const distinct = new Map();
  for (const row of rows) distinct.set(keys.map((key) => BOARD.exact(key, row)).join('\u0000'), row);
  const lines = [...distinct.values()].sort((a, b) => BOARD.figures(state.cost)[a] - BOARD.figures(state.cost)[b]);
  const most = Object.fromEntries(costs.map((key) => [key, lines.reduce((high, row) => Math.max(high, BOARD.figures(key)[row] || 0), 0)]));
  const costCell = (key, row) => {
    const cell = h('td', { class: 'figure has-bar' }, BOARD.shown(key, row));
    cell.style.setProperty('--bar-share', (BOARD.figures(key)[row] || 0) / (most[key] || 1));
    return cell;
  };
  return scrollBox('Cost at each input', h('table', { class: 'plain' },
    h('thead', {}, h('tr', {}, [...keys, ...costs].map(headerCell))),
    h('tbody', {}, lines.map((row) => h('tr', {},
      keys.map((key) => h('td', {}, BOARD.shown(key, row))), costs.map((key) => costCell(key, row)))))));
}

function headerCell(key) {
  const column = BOARD.column(key);
  return h('th', { scope: 'col', class: column.isFigure && key !== 'classes' ? 'figure' : null, title: column.meaning }, headerOf(column));
}

function weightsTable(rows, current) {
  const accuracies = REPORT.accuracy.map(({ key }) => key).filter((key) => hasFigures(key, rows));
  const others = ['file_bytes', 'dataset', 'license', 'source'].filter((key) => BOARD.columns.has(key) && rows.some((row) => BOARD.exact(key, row) !== null));
  const keys = ['input', ...accuracies, ...others];
  const by = BOARD.figures(accuracies[0] ?? state.cost);
  const lines = [...rows].sort((a, b) => (by[b] || 0) - (by[a] || 0));
  const cell = (key, row) => {
    const [column, value] = [BOARD.column(key), BOARD.exact(key, row)];
    if (column.kind === 'link' && value) return h('td', {}, externalLink(value, hostOf(value)));
    return h('td', { class: column.isFigure ? 'figure' : null }, h('bdi', {}, BOARD.shown(key, row)));
  };
  const name = (row) => h('th', { scope: 'row' }, h('label', { class: 'check' }, pickBox(row), h('bdi', {}, BOARD.text('tag', row) ?? 'no trained weights')));
  return scrollBox('Weights', h('table', { class: 'plain' },
    h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, 'Weights'), keys.map(headerCell))),
    h('tbody', {}, lines.map((row) => h('tr', { class: row === current ? 'is-current' : null },
      name(row), keys.map((key) => cell(key, row)))))));
}

function pickBox(row) {
  const label = `Compare ${BOARD.shown('model', row)}, ${BOARD.shown('input', row)}`;
  const box = h('input', { type: 'checkbox', class: 'pick', 'data-row': row, 'aria-label': label, onchange: () => pick(row, box.checked) });
  box.checked = state.compare.includes(row);
  return box;
}

const scrollBox = (label, content) => h('div', { class: 'scroll-box', tabindex: '0', role: 'region', 'aria-label': label }, content);

// The architecture's own rows before the frontier of what is shown.
async function drawSmallChart(row) {
  const box = byId('small-chart');
  drawer.view?.finalize();
  drawer.view = null;
  const own = rowsOfArchitecture(row).filter((other) => BOARD.text('task', other) === state.task && isOnAxes(other));
  if (!own.length || !window.vegaEmbed) return;
  box.hidden = false;
  const point = (at, s) => ({ row: at, x: figureIn(state.cost, at), y: figureIn(state.accuracy, at), z: null, c: 0, s });
  const [points, frontier] = [own.map((at) => point(at, FITS)), view.frontier.map((at) => point(at, FITS))];
  const theme = readTheme();
  const spec = chartSpec({ theme, colours: [theme.accent], titles: axisTitles(), width: Math.max(200, box.clientWidth - MARGIN.left - MARGIN.right), height: 170 });
  const [x, y] = ['x', 'y'].map((axis) => [...points, ...frontier].map((at) => at[axis]));
  const [low, high] = spread(y);
  const [x0, x1] = [spread(x)[0] / 1.4, spread(x)[1] * 1.4];
  const { view: small } = await window.vegaEmbed(box, spec, { ast: true, mode: 'vega', actions: false, defaultStyle: false, tooltip: false, hover: false });
  small.data('points', points).data('frontier', frontier.map((at) => ({ ...at, name: '', c: own.includes(at.row) ? 0 : MOST_COLOURS })))
    .data('picked', points.filter((at) => at.row === row).map((at) => ({ ...at })))
    .signal('palette', [theme.accent, ...Array(MOST_COLOURS).fill(theme.surface)])
    .signal('x0', x0).signal('x1', x1).signal('y0', low - 1).signal('y1', high + 1).signal('xTicks', logTicks(x0, x1));
  await small.runAsync();
  box.setAttribute('role', 'img');
  box.setAttribute('aria-label', `${plural(points.length, 'row')} of this architecture beside the frontier; the figures are in the tables.`);
  drawer.view = small;
}

function startDialogs() {
  for (const dialog of document.querySelectorAll('dialog')) {
    dialog.addEventListener('click', (event) => { if (event.target === dialog) dialog.close(); }); // on the backdrop
    dialog.querySelector('.close').addEventListener('click', () => dialog.close());
  }
  byId('drawer').addEventListener('close', () => { if (state.open !== null) change({ open: null }, { keepPage: true }); });
}
