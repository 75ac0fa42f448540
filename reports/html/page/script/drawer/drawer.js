// Everything known about one architecture: what it costs at each size and where, its weights, and the command that counts it
// again.

import { BOARD, limitsOf, rowsOfArchitecture } from '../base/data.js';
import { byId, copyText, externalLink, fill, h, isWebAddress, notify } from '../base/dom.js';
import { state } from '../base/state.js';
import { change } from '../base/view.js';
import { STATUS_CLASS, hostOf } from '../table/cells.js';
import { breakdownSection, drawAgainstFrontier, drawGrowth } from './charts.js';
import { loadLine } from './load.js';
import { publishedSection, sizeTable, speedSection, weightsTable } from './tables.js';

const drawer = { shown: null };

export function showDrawer() {
  const dialog = byId('drawer');
  if (state.open === null) {
    if (dialog.open) dialog.close();
    return;
  }
  if (byId('compare').open) byId('compare').close();
  const isNew = drawer.shown !== state.open || !dialog.open;
  if (!dialog.open) dialog.showModal();
  if (!isNew) return;
  drawer.shown = state.open;
  fillDrawer(state.open);
  dialog.scrollTop = 0;
}

function fillDrawer(row) {
  const rows = rowsOfArchitecture(row);
  const [zoo, arch] = [BOARD.shown('zoo', row), BOARD.shown('arch', row)];
  byId('drawer-title').replaceChildren(h('bdi', {}, h('span', { class: 'set-back' }, `${zoo}/`), arch));
  fill(byId('drawer-body'),
    drawerFacts(row),
    statusNotes(rows),
    keyFigures(row),
    loadLine(row) && copyLine(loadLine(row)),
    h('h3', {}, 'Cost at each input'), sizeTable(rows), h('div', { id: 'growth-charts', class: 'mini-charts' }),
    speedSection(row),
    publishedSection(zoo, arch),
    breakdownSection(zoo, arch),
    h('h3', { id: 'small-chart-title' }, 'Compared with the frontier'), h('div', { id: 'small-chart' }),
    h('h3', {}, 'Weights'), weightsTable(rows, row),
    h('h3', {}, 'Command that counts it'), copyLine(`zoometer count ${shellWord(`${zoo}/${arch}`)} --input ${shellWord(BOARD.shown('input', row))}`));
  drawGrowth(rows, row);
  drawAgainstFrontier(row, rows);
}

function drawerFacts(row) {
  const facts = ['input', 'family', 'task', 'dataset', 'license'].filter((key) => BOARD.exact(key, row))
    .map((key) => h('span', {}, `${BOARD.column(key).title} `, h('b', {}, h('bdi', {}, BOARD.text(key, row)))));
  const tag = BOARD.text('tag', row);
  if (tag) facts.unshift(h('span', {}, 'Weights ', h('b', {}, h('bdi', {}, tag))));
  const links = [...BOARD.columns.values()].filter(({ kind, key }) => kind === 'link' && isWebAddress(BOARD.exact(key, row)))
    .map(({ key, title }) => externalLink(BOARD.exact(key, row), `${title} at ${hostOf(BOARD.exact(key, row))}`));
  return h('p', { class: 'drawer-facts' }, facts, links);
}

// The reason of every status but exact, above the figures.
function statusNotes(rows) {
  const notes = new Map();
  for (const row of rows) {
    const status = BOARD.text('status', row);
    if (status !== 'exact') notes.set(`${BOARD.shown('input', row)}, ${status}: ${BOARD.text('reason', row) ?? 'no reason given'}`, STATUS_CLASS[status]);
  }
  return [...notes].map(([text, name]) => h('p', { class: `status-note ${name ?? ''}` }, text));
}

// Accuracy and costs of the weights at the input that were opened.
function keyFigures(row) {
  const keys = [state.accuracy, ...limitsOf(state.task)].filter((key) => key && BOARD.exact(key, row) !== null);
  return h('dl', { class: 'key-figures', 'aria-label': 'Of these weights at this input' }, keys.map((key) => h('div', {},
    h('dt', {}, BOARD.column(key).title), h('dd', {}, BOARD.shown(key, row), ' ', h('small', {}, BOARD.column(key).unit)))));
}

function copyLine(text) {
  return h('div', { class: 'command' }, h('code', {}, text), h('button', {
    type: 'button', 'aria-label': `Copy ${text}`, onclick: async () => notify(await copyText(text) ? 'Copied.' : 'Copying was refused; select the text instead.'),
  }, 'Copy'));
}

// A word of a shell command, quoted where needed.
const shellWord = (word) => (/^[\w./@:+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

export function startDialogs() {
  for (const dialog of document.querySelectorAll('dialog')) {
    dialog.addEventListener('click', (event) => { if (event.target === dialog) dialog.close(); }); // on the backdrop
    dialog.querySelector('.close').addEventListener('click', () => dialog.close());
  }
  byId('drawer').addEventListener('close', () => {
    if (byId('drawer').open) return; // the event comes late; another model may have been opened since
    drawer.shown = null;
    fill(byId('drawer-body'));
    if (state.open !== null) change({ open: null }, { keepPage: true });
  });
}
