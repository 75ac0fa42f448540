// Up to six rows side by side.

import { BOARD } from '../base/data.js';
import { byId, externalLink, fill, h } from '../base/dom.js';
import { formatFixed, headerOf, signed } from '../base/format.js';
import { state } from '../base/state.js';
import { head, plainTable } from '../base/tables.js';
import { change } from '../base/view.js';
import { hostOf, modelParts, openButton, setCompared } from '../table/cells.js';

// Updates the tray at the foot of the window, and the boxes in the tables.
export function showPicked() {
  for (const box of document.querySelectorAll('input.pick')) box.checked = state.compare.includes(Number(box.dataset.row));
  byId('tray').hidden = state.compare.length === 0;
  document.body.classList.toggle('has-tray', state.compare.length > 0);
  fill(byId('picked'), state.compare.map((row) => h('span', { class: 'chip' },
    h('bdi', { class: 'clip' }, modelParts(row).main, ' ', h('span', { class: 'set-back' }, BOARD.shown('input', row))),
    h('button', { type: 'button', 'aria-label': `Remove ${BOARD.shown('model', row)}`, onclick: () => setCompared(row, false) }, '×'))));
  const open = byId('compare-open');
  open.disabled = state.compare.length < 2;
  open.textContent = state.compare.length < 2 ? 'Pick another to compare' : `Compare ${state.compare.length}`;
  if (byId('compare').open) {
    if (state.compare.length) showComparison();
    else byId('compare').close();
  }
}

function openComparison() {
  showComparison();
  byId('compare').showModal();
}

function showComparison() {
  const rows = state.compare;
  const onlyDifferent = rows.length > 1 && byId('compare-different').checked;
  const columns = [...BOARD.columns.values()].filter((column) => column.key !== 'model' && column.key !== 'on_frontier')
    .map((column) => ({ column, values: rows.map((row) => BOARD.exact(column.key, row)) }))
    .filter(({ values }) => values.some((value) => value !== null))
    .map((line) => ({ ...line, isDifferent: new Set(line.values).size > 1 }))
    .filter(({ isDifferent }) => isDifferent || !onlyDifferent);
  const heads = rows.map((row) => h('th', { scope: 'col' },
    openButton(row), h('span', { class: 'compare-tools' }, h('span', { class: 'set-back' }, BOARD.shown('input', row)),
      h('button', { type: 'button', class: 'quiet', 'aria-label': `Remove ${BOARD.shown('model', row)}`, onclick: () => setCompared(row, false) }, 'Remove'))));
  fill(byId('compare-table'), plainTable({ class: 'compare', 'aria-label': 'Comparison' }, [head('Column'), ...heads], columns.map(comparisonLine)));
}

// A row of the comparison: one column of each model, the best marked, and the difference from the first.
function comparisonLine({ column, values, isDifferent }) {
  const known = values.filter((value) => typeof value === 'number');
  const best = column.better === 'low' ? Math.min(...known) : column.better === 'high' ? Math.max(...known) : null;
  const cells = values.map((value, place) => {
    const row = state.compare[place];
    const isBest = isDifferent && column.isFigure && value !== null && value === best;
    const text = column.kind === 'link' && value ? externalLink(value, hostOf(value)) : h('bdi', {}, BOARD.shown(column.key, row));
    const isOther = place > 0 && value !== values[0];
    return h('td', { class: [column.isFigure ? 'figure' : '', isBest ? 'is-best' : '', isOther ? 'is-other' : ''].join(' ').trim() || null },
      text, isBest && h('span', { class: 'visually-hidden' }, ' best'), againstFirst(column, values, place));
  });
  return h('tr', { class: isDifferent ? 'is-different' : null }, h('th', { scope: 'row', title: column.meaning }, headerOf(column)), cells);
}

function againstFirst(column, values, place) {
  const [first, value] = [values[0], values[place]];
  if (place === 0 || !column.isFigure || !column.better || first === null || value === null || first === value) return null;
  const text = column.better === 'high' ? signed((value - first) / column.scale, column.digits) : first ? `×${formatFixed(value / first, 2)}` : '';
  return h('small', { class: 'set-back' }, text);
}

export function startCompare() {
  byId('compare-open').addEventListener('click', openComparison);
  byId('compare-clear').addEventListener('click', () => change({ compare: [] }));
  byId('compare-different').addEventListener('change', showComparison);
}
