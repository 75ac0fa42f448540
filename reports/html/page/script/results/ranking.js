// The frontier as a list beside the chart, which is also the chart's text alternative.

import { BOARD, isLowBetter } from '../base/data.js';
import { byId, fill, h } from '../base/dom.js';
import { formatCount, headerOf, signed, withUnit } from '../base/format.js';
import { state } from '../base/state.js';
import { figureCell, head, plainTable } from '../base/tables.js';
import { change, view } from '../base/view.js';
import { figureIn } from '../chart/chart.js';
import { formatTick, roundSteps } from '../chart/draw.js';
import { modelParts } from '../table/cells.js';

export function showRanking() {
  byId('frontier-count').textContent = formatCount(view.frontier.length);
  const [cost, accuracy] = [BOARD.column(state.cost), BOARD.column(state.accuracy)];
  if (!state.accuracy || !state.cost) return;
  const heads = ['Model', headerOf(accuracy), 'Gain', headerOf(cost)].map(head);
  const sign = isLowBetter(state.accuracy) ? -1 : 1;
  let previous = null;
  const rows = view.frontier.map((row) => {
    const gain = previous === null ? '' : signed(sign * (figureIn(state.accuracy, row) - figureIn(state.accuracy, previous)), accuracy.digits);
    previous = row;
    return h('tr', {}, h('th', { scope: 'row' }, stackedButton(row)),
      figureCell(BOARD.shown(state.accuracy, row)), h('td', { class: 'figure set-back' }, gain), figureCell(BOARD.shown(state.cost, row)));
  });
  fill(byId('frontier-list'), rows.length ? plainTable({ 'aria-label': 'Frontier by rising cost' }, heads, rows)
    : h('p', { class: 'empty' }, 'No model with an accuracy fits.'));
}

// The name in two lines, for narrow columns: the architecture, and below it its input and weights.
function stackedButton(row) {
  const { name, before, main, after } = modelParts(row);
  return h('button', { type: 'button', class: 'open stacked', title: name, onclick: () => change({ open: row }) },
    h('bdi', {}, h('span', { class: 'set-back' }, before), main),
    h('small', { class: 'set-back' }, h('bdi', {}, [BOARD.shown('input', row), after.slice(1)].filter(Boolean).join(' · '))));
}

// The best models of the frontier up to a few round costs.
export function showPicks() {
  const best = picksOf(view.frontier);
  byId('picks').hidden = best.length < 2;
  if (best.length < 2) return;
  const [cost, accuracy] = [BOARD.column(state.cost), BOARD.column(state.accuracy)];
  fill(byId('picks-list'), best.map(({ row, most }) => h('button', { type: 'button', class: 'best', title: BOARD.shown('model', row), onclick: () => change({ open: row }) },
    h('small', {}, most === null ? lastPick(cost) : `≤ ${formatTick(most)} ${cost.unit} ${cost.title}`),
    h('bdi', { class: 'clip' }, modelParts(row).main),
    h('span', {}, h('b', {}, withUnit(accuracy, BOARD.shown(state.accuracy, row))), ` · ${withUnit(cost, BOARD.shown(state.cost, row))}`))));
}

const lastPick = (cost) => (view.limits.length ? 'within the limits' : `any ${cost.title}`);

const MOST_PICKS = 6;

// [{row, most}]: rows of the frontier that are best up to a round cost, evenly spread, and the best of all (most: null).
function picksOf(frontier) {
  if (frontier.length < 2) return [];
  const [low, high] = [figureIn(state.cost, frontier[0]), figureIn(state.cost, frontier.at(-1))];
  const rounds = roundSteps(low, high, [1, 2, 5]).filter((tick) => tick > low && tick < high);
  const step = Math.max(1, rounds.length / (MOST_PICKS - 1));
  const chosen = Array.from({ length: Math.min(MOST_PICKS - 1, rounds.length) }, (_, place) => rounds[Math.floor((place + 0.5) * step)]);
  const picks = chosen.map((most) => ({ most, row: frontier.findLast((row) => figureIn(state.cost, row) <= most) }));
  return [...picks.filter(({ row }, place) => row !== undefined && row !== picks[place - 1]?.row), { most: null, row: frontier.at(-1) }];
}
