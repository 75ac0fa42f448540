// The answer in words: the pick and its reason, the runner-up, and what relaxing a limit gains, by the rules of `zoometer select`.

import { BOARD, isLowBetter, taskRows } from '../base/data.js';
import { chosenLatency, findChoice, findDevice, latencyHigh, latencyNote } from '../base/devices.js';
import { byId, fill, h } from '../base/dom.js';
import { FITS, LEFT_OUT, boundText, excessOf, figureAt } from '../base/filters.js';
import { formatCount, formatExcess, formatFixed, plural, signed, withUnit } from '../base/format.js';
import { qualityOf } from '../base/frontier.js';
import { state } from '../base/state.js';
import { view } from '../base/view.js';
import { openButton } from '../table/cells.js';

const MOST_RELAXATIONS = 3;

export function showAnswer() {
  const box = byId('answer');
  box.hidden = !state.accuracy;
  if (box.hidden) return;
  const { best: [pick, next], relaxations } = findAnswer();
  byId('choices').textContent = choicesText();
  fill(byId('answer-pick'), pickElements(pick));
  const lines = [...(next === undefined ? [] : [runnerUpLine(next, pick)]), ...relaxations.map((one) => relaxationLine(one, pick))];
  fill(byId('answer-more'), lines.map((line) => h('li', {}, line)));
}

// {best, relaxations}: the best row of each architecture that fits, the pick first; and what moving one limit would give instead.
export function findAnswer() {
  const seen = new Set();
  const isFirst = (row) => seen.size < seen.add(architectureOf(row)).size;
  const best = rankRows(taskRows(state.task).filter((row) => view.marks[row] === FITS)).filter(isFirst);
  return { best, relaxations: relaxationsOf(best[0]) };
}

// The device and the limits: 'Jetson Orin Nano, float16 · Latency ≤ 10.00 ms · Top-1 ≥ 80.00 %'.
export function choicesText() {
  const device = findDevice(state.device);
  const choices = [...(device ? [`${device.name}, ${findChoice(device, state.run).title}`] : []), ...view.limits.map(boundText)];
  return choices.join(' · ') || 'No device and no limit: choose a use, or type a limit.';
}

export function pickElements(pick) {
  if (pick === undefined) return noPickElements();
  return [h('p', { class: 'pick' }, 'Take ', openButton(pick), ` at ${BOARD.shown('input', pick)}`), h('p', {}, whyText(pick))];
}

function noPickElements() {
  const [what, then] = view.fitting
    ? [`${plural(view.fitting, 'row')} fit, but none has a known ${BOARD.column(state.accuracy).title}.`, 'Choose another accuracy above the chart, or read the table.']
    : view.considered
      ? [`Nothing fits: each of ${plural(view.considered, 'row')} is outside a limit, or has no figure for it.`, 'Relax a limit, or press Reset. The nearest models are listed below.']
      : ['No model has these words and values.', 'Search for less, or press Reset.'];
  return [h('p', { class: 'pick' }, what), h('p', {}, then)];
}

// Rows with a known accuracy, the best first; the cheaper one where equal, then by name.
function rankRows(rows) {
  const [quality, cost] = [qualityOf(state.accuracy), BOARD.figures(state.cost)];
  const names = BOARD.ranks('model');
  return rows.filter((row) => !Number.isNaN(quality[row]))
    .sort((a, b) => quality[b] - quality[a] || ((cost[a] ?? Infinity) - (cost[b] ?? Infinity)) || names[a] - names[b]);
}

const architectureOf = (row) => `${BOARD.text('zoo', row)}/${BOARD.text('arch', row)}`;
const figure = (key, row) => withUnit(BOARD.column(key), BOARD.shown(key, row));

function whyText(row) {
  const accuracy = BOARD.column(state.accuracy);
  const others = view.limits.length ? `the ${formatCount(view.fitting)} that fit` : 'all that are shown';
  const best = `${isLowBetter(state.accuracy) ? 'Lowest' : 'Highest'} ${accuracy.title} (${figure(state.accuracy, row)}) of ${others}.`;
  const latency = chosenLatency();
  const speed = latency ? ` ${figure(latency, row)}, ${latencyNote(latency, row)}${upperEndNote(latency, row)}.` : '';
  return `${best}${speed}${closestLimitText(row)}`;
}

// A note where an estimate is within the limit, but the upper end of its interval is not.
function upperEndNote(latency, row) {
  const limit = view.limits.find(({ key }) => key === latency);
  return limit && latencyHigh(latency, row) > limit.bound ? ', over the limit at the upper end' : '';
}

// The limit of which the pick uses the largest share.
function closestLimitText(row) {
  const limits = view.limits.filter(({ bound, values }) => bound > 0 && values[row] > 0);
  const shares = limits.map(({ isLeast, bound, values }) => (isLeast ? bound / values[row] : values[row] / bound));
  if (!shares.length) return '';
  const most = Math.max(...shares);
  const limit = limits[shares.indexOf(most)];
  const used = limit.isLeast ? `${formatFixed(100 / most - 100, 0)} % above` : `${formatFixed(100 * most, 0)} % of`;
  return ` Closest to ${boundText(limit)}: ${used} it.`;
}

function runnerUpLine(row, pick) {
  const cost = state.cost ? `, ${BOARD.column(state.cost).title} ${figure(state.cost, row)} against ${figure(state.cost, pick)}` : '';
  return ['Runner-up: ', openButton(row), ` ${figure(state.accuracy, row)} (${gainText(row, pick)})${cost}`];
}

// For each limit, the row that beats the pick and needs the least relaxation of that limit alone: [{limit, row, excess}].
function relaxationsOf(pick) {
  const quality = qualityOf(state.accuracy);
  const nearest = new Map();
  for (const row of rankRows(taskRows(state.task).filter((one) => view.marks[one] === LEFT_OUT))) {
    if (pick !== undefined && quality[row] <= quality[pick]) break;
    const excesses = view.limits.map((limit) => excessOf(limit, row));
    const broken = excesses.flatMap((excess, place) => (excess === 0 ? [] : [place]));
    if (broken.length !== 1 || Number.isNaN(excesses[broken[0]])) continue;
    const [place] = broken;
    if (!(nearest.get(place)?.excess <= excesses[place])) nearest.set(place, { limit: view.limits[place], row, excess: excesses[place] });
  }
  return [...nearest.values()].slice(0, MOST_RELAXATIONS);
}

function relaxationLine(one, pick) {
  return [`${relaxedLimitText(one)}: `, openButton(one.row), ` ${figure(state.accuracy, one.row)}${pick === undefined ? '' : ` (${gainText(one.row, pick)})`}`];
}

// 'Latency ≤ 10.00 ms moved to 11.30 ms (+13.0 %)'.
function relaxedLimitText({ limit, row, excess }) {
  const step = limit.isLeast || excess === Infinity ? '' : ` (${excess < 1 ? '+' : ''}${formatExcess(excess)})`;
  return `${boundText(limit)} moved to ${figureAt(limit, row)}${step}`;
}

function gainText(row, pick) {
  const values = BOARD.figures(state.accuracy);
  const column = BOARD.column(state.accuracy);
  return withUnit(column, signed(values[row] - values[pick], column.digits));
}
