// The drawer's tables: costs at each size, speed on each device, and every set of weights with its accuracy.

import { BOARD, REPORT, hasFigures, unflatten } from '../base/data.js';
import { externalLink, h } from '../base/dom.js';
import { formatFigure, formatSpeed } from '../base/format.js';
import { qualityOf } from '../base/frontier.js';
import { state } from '../base/state.js';
import { columnHead, figureCell, head, plainTable, scrollBox } from '../base/tables.js';
import { hostOf, pickBox } from '../table/cells.js';

// The different costs of an architecture: its inputs, variants and numbers of classes.
export function sizeTable(rows) {
  const costs = REPORT.costs.filter((key) => key !== 'file_bytes' && hasFigures(key, rows));
  const keys = ['input', 'variant', 'classes'].filter((key) => key === 'input' || new Set(rows.map((row) => BOARD.exact(key, row))).size > 1);
  const distinct = new Map();
  for (const row of rows) distinct.set(keys.map((key) => BOARD.exact(key, row)).join('\u0000'), row);
  const by = BOARD.figures(state.cost || costs[0]);
  const lines = [...distinct.values()].sort((a, b) => (by[a] || Infinity) - (by[b] || Infinity));
  const most = Object.fromEntries(costs.map((key) => [key, lines.reduce((high, row) => Math.max(high, BOARD.figures(key)[row] || 0), 0)]));
  const costCell = (key, row) => h('td', { class: 'figure has-bar', style: { '--bar-share': (BOARD.figures(key)[row] || 0) / (most[key] || 1) } },
    BOARD.shown(key, row));
  return scrollBox('Cost at each input', plainTable({}, [...keys, ...costs].map(BOARD.column).map(columnHead), lines.map((row) => h('tr', {},
    keys.map((key) => h('td', {}, BOARD.shown(key, row))), costs.map((key) => costCell(key, row))))));
}

// Speeds of the model at this input on each configured device, and their origins.
export function speedSection(row) {
  if (!REPORT.speeds.length) return null;
  const lines = REPORT.speeds.map(({ key, device, conditions, values }) => {
    const [low, high, rate] = ['latency_low_ms', 'latency_high_ms', 'samples_per_s'].map((name) => values[name][row]);
    const { words, codes } = values.latency_from;
    const interval = low === null ? '' : `${formatFigure(BOARD.column(key), low)} – ${formatFigure(BOARD.column(key), high)}`;
    return h('tr', {},
      h('th', { scope: 'row' }, h('bdi', {}, device), h('small', { class: 'set-back' }, conditions)), figureCell(BOARD.shown(key, row)),
      figureCell(interval), figureCell(rate === null ? '–' : formatSpeed(rate)),
      h('td', { class: 'wraps' }, codes[row] < 0 ? '–' : words[codes[row]]));
  });
  const heads = [head('Device'), ...['Latency (ms)', '9 in 10 within', 'Images/s'].map((text) => head(text, true)), head('How known')];
  return [h('h3', {}, 'Speed at ', h('bdi', {}, BOARD.shown('input', row))), scrollBox('Speed on each device', plainTable({}, heads, lines))];
}

// Published speeds of the architecture at all of its inputs: the fastest on each device in each dtype. The tooltip of a row has
// all conditions and the publisher.
export function publishedSection(zoo, arch) {
  const { words, models } = REPORT.published;
  const flat = models[`${zoo}/${arch}`];
  if (!flat) return null;
  const lines = unflatten(flat, 6).map(([input, device, dtype, conditions, latency, rate]) => h('tr', { title: words[conditions] },
    h('th', { scope: 'row' }, h('bdi', {}, words[device])), h('td', {}, words[input]), h('td', {}, words[dtype]),
    figureCell(formatSpeed(latency)), figureCell(formatSpeed(rate)), h('td', {}, words[conditions].split('; ')[0])));
  const heads = [head('Device'), head('Input'), head('Dtype'), head('Latency (ms)', true), head('Images/s', true), head('How it ran')];
  return [h('h3', {}, 'Published speeds'), scrollBox('Published speeds', plainTable({}, heads, lines))];
}

export function weightsTable(rows, current) {
  const accuracies = REPORT.accuracy.map(({ key }) => key).filter((key) => hasFigures(key, rows));
  const others = ['file_bytes', 'dataset', 'license', 'source'].filter((key) => BOARD.columns.has(key) && rows.some((row) => BOARD.exact(key, row) !== null));
  const keys = ['input', ...accuracies, ...others];
  const ranks = accuracies.length ? qualityOf(accuracies[0]) : BOARD.figures(state.cost).map((value) => -value);
  const lines = [...rows].sort((a, b) => (ranks[b] || -Infinity) - (ranks[a] || -Infinity) || a - b);
  const cell = (key, row) => {
    const [column, value] = [BOARD.column(key), BOARD.exact(key, row)];
    if (column.kind === 'link' && value) return h('td', {}, externalLink(value, hostOf(value)));
    return h('td', { class: column.isFigure ? 'figure' : null }, h('bdi', {}, BOARD.shown(key, row)));
  };
  const name = (row) => h('th', { scope: 'row' }, h('label', { class: 'check' }, pickBox(row), h('bdi', {}, BOARD.text('tag', row) ?? 'no trained weights')));
  return scrollBox('Weights', plainTable({ class: 'first-frozen' }, [head('Weights'), ...keys.map(BOARD.column).map(columnHead)],
    lines.map((row) => h('tr', { class: row === current ? 'is-current' : null }, name(row), keys.map((key) => cell(key, row))))));
}
