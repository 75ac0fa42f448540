// Why other models do not fit: how many rows each limit leaves out, and the nearest misses.

import { BOARD, taskRows } from '../base/data.js';
import { byId, fill, h } from '../base/dom.js';
import { LEFT_OUT, boundText, excessOf, figureAt } from '../base/filters.js';
import { formatCount, formatExcess, formatFigure, headerOf, plural, signed, withUnit } from '../base/format.js';
import { qualityAt, qualityOf } from '../base/frontier.js';
import { state } from '../base/state.js';
import { figureCell, head, plainTable } from '../base/tables.js';
import { view } from '../base/view.js';
import { figureIn } from '../chart/chart.js';
import { openButton } from '../table/cells.js';

const MOST_MISSES = 8;

// For every limit: the number of rows beyond it, of rows beyond it alone, and of rows with an unknown value.
export function explainLeftOut() {
  const counts = view.limits.map((limit) => ({ limit, beyond: 0, alone: 0, unknown: 0 }));
  const misses = [];
  for (const row of taskRows(state.task)) {
    if (view.marks[row] !== LEFT_OUT) continue;
    const excesses = view.limits.map((limit) => excessOf(limit, row));
    const broken = counts.filter((_, place) => excesses[place] !== 0);
    counts.forEach((count, place) => {
      if (Number.isNaN(excesses[place])) count.unknown += 1;
      else if (excesses[place] > 0) {
        count.beyond += 1;
        if (broken.length === 1) count.alone += 1;
      }
    });
    if (excesses.some(Number.isNaN)) continue;
    const worst = Math.max(...excesses);
    if (worst <= 0) continue; // it was not counted
    misses.push({ row, excess: worst, limit: view.limits[excesses.indexOf(worst)], broken: broken.length });
  }
  return { counts, misses: nearestMisses(misses) };
}

// The nearest misses that would be on the frontier without the limits. Weights of one architecture at one input cost the same,
// so only the most accurate is listed.
function nearestMisses(misses) {
  const cost = BOARD.figures(state.cost);
  const quality = state.accuracy ? qualityOf(state.accuracy) : null;
  const isWorthIt = (row) => !quality || quality[row] > qualityAt(view.frontier, cost, quality, cost[row]);
  const better = (a, b) => a.excess - b.excess || (quality ? (quality[b.row] || 0) - (quality[a.row] || 0) : 0) || a.row - b.row;
  const seen = new Set();
  const nearest = [];
  for (const miss of misses.filter(({ row }) => isWorthIt(row)).sort(better)) {
    const twin = `${BOARD.text('zoo', miss.row)}/${BOARD.text('arch', miss.row)}@${BOARD.text('input', miss.row)}`;
    if (seen.has(twin)) continue;
    seen.add(twin);
    nearest.push(miss);
    if (nearest.length === MOST_MISSES) break;
  }
  return nearest;
}

export function showLeftOut() {
  const box = byId('left-out');
  const count = view.considered - view.fitting;
  box.hidden = !view.limits.length || !count;
  if (box.hidden) return;
  const { counts, misses } = explainLeftOut();
  byId('left-out-count').textContent = plural(count, 'row is outside the limits', 'rows are outside the limits');
  fill(byId('binding'), bindingTable(counts));
  fill(byId('misses'), misses.length ? missTable(misses) : h('p', { class: 'empty' }, 'None of them would join the frontier.'));
}

export function bindingTable(counts) {
  const heads = ['Limit', 'Outside it', 'Outside it alone', 'Unknown'].map(head);
  return plainTable({ 'aria-label': 'Which limit binds' }, heads, counts.map(({ limit, beyond, alone, unknown }) => h('tr', {},
    h('th', { scope: 'row' }, boundText(limit)), [beyond, alone, unknown].map((count) => figureCell(formatCount(count))))));
}

function missTable(misses) {
  const best = view.frontier.at(-1);
  const accuracy = state.accuracy ? BOARD.column(state.accuracy) : null;
  const heads = ['Model', 'Input', 'Most outside', 'Has', 'Outside by', ...(accuracy ? [headerOf(accuracy), 'Against the best'] : [])];
  const row = ({ row: at, limit, excess }) => h('tr', {},
    h('th', { scope: 'row' }, openButton(at)), h('td', { class: 'set-back' }, BOARD.shown('input', at)), h('td', {}, boundText(limit)),
    figureCell(figureAt(limit, at)),
    figureCell(limit.isLeast ? withUnit(limit.column, formatFigure(limit.column, limit.bound - limit.values[at])) : formatExcess(excess)),
    accuracy && figureCell(BOARD.shown(state.accuracy, at)),
    accuracy && figureCell(best === undefined || Number.isNaN(BOARD.figures(state.accuracy)[at]) ? '–'
      : signed(figureIn(state.accuracy, at) - figureIn(state.accuracy, best), accuracy.digits)));
  return plainTable({ 'aria-label': 'Nearest misses' }, heads.map((text, place) => head(text, place > 2)), misses.map(row));
}
