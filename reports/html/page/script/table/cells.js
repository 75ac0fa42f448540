// What stands in a cell of the table, as escaped HTML (DataTables reads cells as HTML), and the bar behind a figure.

import { BOARD, risingFigures } from '../base/data.js';
import { latencyNote, originOf } from '../base/devices.js';
import { escapeHtml, h, isWebAddress } from '../base/dom.js';
import { NOT_AVAILABLE } from '../base/format.js';
import { state } from '../base/state.js';
import { view } from '../base/view.js';

// zoo/ and .tag are set back, so that the architecture stands out; a name of another form is shown as it is.
export function modelParts(row) {
  const [zoo, arch, tag] = ['zoo', 'arch', 'tag'].map((key) => BOARD.text(key, row) ?? '');
  const name = BOARD.text('model', row) ?? `${zoo}/${arch}`;
  if (name === `${zoo}/${arch}.${tag}`) return { name, before: `${zoo}/`, main: arch, after: `.${tag}` };
  if (name === `${zoo}/${arch}`) return { name, before: `${zoo}/`, main: arch, after: '' };
  return { name, before: '', main: name, after: '' };
}

function modelHtml(row) {
  const { name, before, main, after } = modelParts(row);
  const label = escapeHtml(`${name}, ${BOARD.text('input', row) ?? ''}`);
  const isPicked = state.compare.includes(row);
  return `<span class="model"><input type="checkbox" class="pick" data-row="${row}"${isPicked ? ' checked' : ''} aria-label="Compare ${label}">`
    + `<button type="button" class="open${view.isFrontier[row] ? ' on-frontier' : ''}" data-row="${row}" title="${escapeHtml(name)}">`
    + `<bdi><span class="set-back">${escapeHtml(before)}</span>${escapeHtml(main)}<span class="set-back">${escapeHtml(after)}</span></bdi></button></span>`;
}

const NA_HTML = `<span class="na" aria-hidden="true">–</span><span class="visually-hidden">${NOT_AVAILABLE}</span>`;

export function cellHtml(column, row) {
  if (column.key === 'model') return modelHtml(row);
  if (column.key === 'on_frontier') return frontierHtml(row);
  if (column.isFigure) {
    const text = BOARD.shown(column.key, row);
    if (text === '–') return NA_HTML;
    const origin = originOf(column.key, row);
    return origin ? `<span class="latency is-${origin}" title="${escapeHtml(latencyNote(column.key, row))}">${escapeHtml(text)}</span>` : escapeHtml(text);
  }
  const value = BOARD.exact(column.key, row);
  if (value === null || value === '') return NA_HTML;
  if (column.kind === 'flag') return value ? 'yes' : '<span class="na">no</span>';
  if (column.key === 'status') return `<span class="status ${STATUS_CLASS[value] ?? ''}">${escapeHtml(value)}</span>`;
  if (column.kind === 'link' && isWebAddress(value)) {
    return `<a href="${escapeHtml(value)}" target="_blank" rel="noopener noreferrer">${escapeHtml(new URL(value).hostname)}</a>`;
  }
  return `<bdi title="${escapeHtml(value)}">${escapeHtml(value)}</bdi>`;
}

export const STATUS_CLASS = { exact: 'is-exact', bound: 'is-bound', failed: 'is-failed' };

// The frontier of what is shown now, on the axes chosen now; without both figures a row is on no frontier.
function frontierHtml(row) {
  if (view.isFrontier[row]) return '<span class="frontier-mark">yes</span>';
  return isOnAxes(row) ? '<span class="na">no</span>' : NA_HTML;
}

export function isOnAxes(row) {
  if (!state.accuracy || !state.cost) return false;
  return !Number.isNaN(BOARD.figures(state.accuracy)[row]) && !Number.isNaN(BOARD.figures(state.cost)[row]);
}

// Where a bar ends, 0 to 1: costs on a logarithmic scale over the task's range, accuracy linear above its worst twentieth.
const ranges = new Map();
export function barOf(column, row) {
  if (!column.isFigure || !column.better) return null;
  const value = BOARD.figures(column.key)[row];
  if (Number.isNaN(value)) return null;
  const place = `${state.task} ${column.key}`;
  if (!ranges.has(place)) ranges.set(place, rangeOf(column));
  const { low, high } = ranges.get(place);
  if (!(high > low)) return null;
  const share = column.better === 'low' ? (Math.log(value) - Math.log(low)) / (Math.log(high) - Math.log(low)) : (value - low) / (high - low);
  return Math.min(1, Math.max(0.02, share));
}

function rangeOf(column) {
  const values = risingFigures(column.key, state.task);
  const isCost = column.better === 'low';
  const start = isCost ? values.findIndex((value) => value > 0) : Math.floor(values.length / 20);
  return { low: values[Math.max(0, start)], high: values.at(-1) };
}

export const modelName = (row) => h('bdi', { class: 'clip' }, BOARD.text('model', row) ?? '–');
