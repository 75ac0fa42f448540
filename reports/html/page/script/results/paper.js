// The printed summary of two pages, filled in from the present choices when printing begins.

import { BOARD, taskRows } from '../base/data.js';
import { chosenLatency, countOrigins, findChoice, findDevice, latencyRange } from '../base/devices.js';
import { byId, fill, h } from '../base/dom.js';
import { boundText, figureAt } from '../base/filters.js';
import { formatCount, headerOf, plural, signed } from '../base/format.js';
import { encodeState, state } from '../base/state.js';
import { columnHead, figureCell, head, plainTable } from '../base/tables.js';
import { view } from '../base/view.js';
import { chart, figureIn } from '../chart/chart.js';
import { paperPicture } from '../chart/picture.js';
import { loadLine } from '../drawer/load.js';
import { modelParts } from '../table/cells.js';
import { choicesText, findAnswer, pickElements } from './answer.js';
import { bindingTable, explainLeftOut } from './misses.js';

const MOST = { ranked: 5, frontier: 12, misses: 6, columns: 6 };
const ALWAYS = ['params', 'macs', 'peak_activation_bytes', 'file_bytes'];

export function startPaper() {
  window.addEventListener('beforeprint', showPaper);
  matchMedia('print').addEventListener('change', ({ matches }) => { if (matches) showPaper(); });
}

function showPaper() {
  const answer = state.accuracy ? findAnswer() : { best: cheapest(), relaxations: [] };
  byId('paper-choices').textContent = `${state.task}: ${choicesText()}`;
  const [pick] = answer.best;
  const line = pick === undefined ? '' : loadLine(pick);
  fill(byId('paper-pick'), state.accuracy ? pickElements(pick) : [], line && h('p', {}, h('code', {}, line)));
  fill(byId('paper-table'), bestTable(answer));
  fill(byId('paper-chart'), state.accuracy && chart.key ? paperPicture() : h('p', {}, 'No accuracy is available for these models, so the cheapest are listed.'));
  fill(byId('paper-frontier'), frontierTable());
  fill(byId('paper-limits'), limitsLeaveOut());
  byId('paper-latency').textContent = latencyText();
  byId('paper-view').textContent = `${location.pathname.split('/').at(-1)}#${encodeState()}`;
}

function cheapest() {
  const costs = BOARD.figures(state.cost);
  const known = (row) => (Number.isFinite(costs[row]) ? costs[row] : Infinity);
  return [...view.rows].sort((a, b) => known(a) - known(b) || 0).slice(0, MOST.ranked);
}

// The columns of the accuracy, the axes and the limits, then the common ones, as far as they have values.
function columnsOf(rows) {
  const keys = [state.accuracy, chosenLatency(), state.cost, ...view.limits.map(({ key }) => key), ...ALWAYS].filter(Boolean);
  const isKnown = (key) => BOARD.columns.has(key) && rows.some((row) => BOARD.shown(key, row) !== '–');
  return [...new Set(keys)].filter(isKnown).slice(0, MOST.columns).map((key) => BOARD.column(key));
}

function bestTable({ best, relaxations }) {
  const places = state.accuracy ? ['Pick', 'Runner-up', '3rd', '4th', '5th'] : [];
  const lines = [
    ...Array.from(best.slice(0, MOST.ranked), (row, place) => ({ role: places[place], row })),
    ...relaxations.map((one) => ({ role: `If ${boundText({ ...one.limit, bound: one.limit.values[one.row] })}`, row: one.row })),
  ];
  const columns = columnsOf(lines.map(({ row }) => row));
  return plainTable({}, [head(''), head('Model'), ...columns.map(columnHead)], lines.map(({ role, row }, place) => h('tr',
    { class: place || !best.length || !state.accuracy ? null : 'is-pick' },
    h('td', { class: place < MOST.ranked ? 'paper-role' : null }, role), nameCell(row, BOARD.text('license', row)), columns.map((column) => cell(column, row)))));
}

// The architecture, and below it the input, the weights and more facts.
function nameCell(row, ...more) {
  const { before, main, after } = modelParts(row);
  return h('th', { scope: 'row' }, h('bdi', {}, before, main), h('br'), h('small', {}, h('bdi', {}, [BOARD.shown('input', row), after.slice(1), ...more].filter(Boolean).join(' · '))));
}

function cell(column, row) {
  const range = column.key === chosenLatency() ? latencyRange(column.key, row) : '';
  return h('td', { class: column.isFigure ? 'figure' : null }, h('bdi', {}, BOARD.shown(column.key, row)), range && [h('br'), h('small', {}, range)]);
}

// As many models of the frontier as fit on a page, evenly spread, with both ends.
function frontierTable() {
  const { frontier } = view;
  if (!frontier.length) return h('p', { class: 'empty' }, 'No model with an accuracy fits.');
  const count = Math.min(MOST.frontier, frontier.length);
  const rows = Array.from({ length: count }, (_, place) => frontier[Math.round((place * (frontier.length - 1)) / Math.max(1, count - 1))]);
  const [accuracy, cost] = [BOARD.column(state.accuracy), BOARD.column(state.cost)];
  const table = plainTable({}, ['Model', headerOf(accuracy), headerOf(cost)].map(head),
    rows.map((row) => h('tr', {}, nameCell(row), [accuracy, cost].map(({ key }) => figureCell(BOARD.shown(key, row))))));
  return [table, count < frontier.length && h('p', { class: 'note' }, `${count} of ${formatCount(frontier.length)} on the frontier; the page has all.`)];
}

function limitsLeaveOut() {
  if (!view.limits.length) return h('p', {}, `No limit is set: all ${plural(view.considered, 'row')} are shown.`);
  const { counts, misses } = explainLeftOut();
  const best = view.frontier.at(-1);
  const line = ({ row, limit }) => h('tr', {}, nameCell(row),
    figureCell(`${limit.column.title} ${figureAt(limit, row)}`),
    state.accuracy && figureCell(BOARD.shown(state.accuracy, row), best === undefined ? null : ` (${signed(figureIn(state.accuracy, row) - figureIn(state.accuracy, best), BOARD.column(state.accuracy).digits)})`));
  const heads = ['Nearest misses', 'Has', ...(state.accuracy ? [headerOf(BOARD.column(state.accuracy))] : [])];
  return [bindingTable(counts), misses.length > 0 && plainTable({}, heads.map(head), misses.slice(0, MOST.misses).map(line))];
}

function latencyText() {
  const device = findDevice(state.device);
  if (!device) return 'No device is chosen.';
  const counts = countOrigins(chosenLatency(), taskRows(state.task)).map(([origin, count]) => `${formatCount(count)} ${origin}`);
  return `One image on ${device.name}, ${findChoice(device, state.run).title}: ${counts.join(', ')}. Nine in ten measured times lie within the interval of an estimate.`;
}
