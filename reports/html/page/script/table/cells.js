// The content of the table's cells, and the bar under a figure.

import { BOARD, risingFigures } from '../base/data.js';
import { latencyNote, originOf } from '../base/devices.js';
import { externalLink, h, isWebAddress, notify } from '../base/dom.js';
import { NOT_AVAILABLE } from '../base/format.js';
import { remember } from '../base/remember.js';
import { MOST_COMPARED, state } from '../base/state.js';
import { change, view } from '../base/view.js';

// zoo/ and .tag are set back, so that the architecture stands out; a name of another form is shown as it is.
export function modelParts(row) {
  const [zoo, arch, tag] = ['zoo', 'arch', 'tag'].map((key) => BOARD.text(key, row) ?? '');
  const name = BOARD.text('model', row) ?? `${zoo}/${arch}`;
  if (name === `${zoo}/${arch}.${tag}`) return { name, before: `${zoo}/`, main: arch, after: `.${tag}` };
  if (name === `${zoo}/${arch}`) return { name, before: `${zoo}/`, main: arch, after: '' };
  return { name, before: '', main: name, after: '' };
}

// A model's name that opens it.
export function openButton(row, className = '') {
  const { name, before, main, after } = modelParts(row);
  return h('button', { type: 'button', class: `open ${className}`.trim(), title: name, onclick: () => change({ open: row }) },
    h('bdi', {}, h('span', { class: 'set-back' }, before), main, h('span', { class: 'set-back' }, after)));
}

// A box that adds a row to the comparison.
export function pickBox(row) {
  const label = `Compare ${modelParts(row).name}, ${BOARD.shown('input', row)}`;
  return h('input', {
    type: 'checkbox', class: 'pick', 'data-row': row, checked: state.compare.includes(row), 'aria-label': label,
    onchange: ({ target }) => setCompared(row, target.checked),
  });
}

export function setCompared(row, isOn) {
  const compare = state.compare.filter((other) => other !== row);
  const isFull = isOn && compare.length >= MOST_COMPARED;
  if (isFull) notify(`At most ${MOST_COMPARED} models can be compared. Remove one first.`);
  change({ compare: isOn && !isFull ? [...compare, row] : compare });
}

const notAvailable = () => [h('span', { class: 'na', 'aria-hidden': 'true' }, '–'), h('span', { class: 'visually-hidden' }, NOT_AVAILABLE)];
const noElement = () => h('span', { class: 'na' }, 'no');

// A node, a text, or a list of nodes.
export function cellContent(column, row) {
  if (column.key === 'model') return h('span', { class: 'model' }, pickBox(row), openButton(row, view.isFrontier[row] ? 'on-frontier' : ''));
  if (column.key === 'on_frontier') return frontierContent(row);
  const shown = BOARD.shown(column.key, row);
  if (shown === '–' || shown === '') return notAvailable();
  if (column.isFigure) {
    const origin = originOf(column.key, row);
    return origin ? h('span', { class: `latency is-${origin}`, title: latencyNote(column.key, row) }, shown) : shown;
  }
  if (column.kind === 'flag') return shown === 'yes' ? shown : noElement();
  if (column.key === 'status') return h('span', { class: `status ${STATUS_CLASS[shown] ?? ''}` }, shown);
  if (column.kind === 'link' && isWebAddress(shown)) return externalLink(shown, hostOf(shown));
  return h('bdi', { title: shown }, shown);
}

export const hostOf = (address) => (isWebAddress(address) ? new URL(address).hostname : address);

export const STATUS_CLASS = { exact: 'is-exact', bound: 'is-bound', failed: 'is-failed' };

// Whether the row is on the frontier of the rows shown, on the axes of the chart; not available without both figures.
function frontierContent(row) {
  if (view.isFrontier[row]) return h('span', { class: 'frontier-mark' }, 'yes');
  return isOnAxes(row) ? noElement() : notAvailable();
}

export function isOnAxes(row) {
  if (!state.accuracy || !state.cost) return false;
  return !Number.isNaN(BOARD.figures(state.accuracy)[row]) && !Number.isNaN(BOARD.figures(state.cost)[row]);
}

// Where a bar ends, 0 to 1: costs on a logarithmic scale over the task's range, accuracy linear above its worst twentieth.
export function barOf(column, row) {
  if (!column.isFigure || !column.better) return null;
  const value = BOARD.figures(column.key)[row];
  if (Number.isNaN(value)) return null;
  const { low, high } = rangesIn(state.task)(column);
  if (!(high > low)) return null;
  const share = column.better === 'low' ? (Math.log(value) - Math.log(low)) / (Math.log(high) - Math.log(low)) : (value - low) / (high - low);
  return Math.min(1, Math.max(0.02, share));
}

const rangesIn = remember((task) => remember((column) => {
  const values = risingFigures(column.key, task);
  const start = column.better === 'low' ? values.findIndex((value) => value > 0) : Math.floor(values.length / 20);
  return { low: values[Math.max(0, start)], high: values.at(-1) };
}));
