// The table: one page of the rows that fit. A click on a header sorts by its column, and dragging a header moves it.

import { BOARD } from '../base/data.js';
import { byId, fill, h } from '../base/dom.js';
import { formatCount, headerOf } from '../base/format.js';
import { isSame } from '../base/state.js';
import { change, sortBy, view } from '../base/view.js';
import { explainHeaders } from '../controls/tooltip.js';
import { barOf, cellContent } from './cells.js';
import { visibleColumns } from './columns.js';

const table = { columns: [], start: 0, pageSize: 25 };
const CHARACTER_PX = 6.6;
const HEADER_CHARACTER_PX = 8.6; // bold, and followed by the sort mark

export function showTable() {
  if (!isSame(visibleColumns(), table.columns)) showHeaders();
  showPage(0);
}

// Widths are in pixels and summed: with `max-content` columns would jump from page to page.
function showHeaders() {
  table.columns = visibleColumns();
  const columns = table.columns.map(BOARD.column);
  fill(byId('board').tHead, h('tr', {}, columns.map((column) => h('th', {
    scope: 'col', class: classOf(column), 'data-key': column.key, style: { width: `${widthOf(column)}px` },
    onclick: (event) => sortByHeader(column, event.shiftKey),
  }, h('button', { type: 'button', class: 'sort' }, h('span', { class: 'clip' }, headerOf(column)))))));
  byId('board').style.setProperty('width', `${columns.reduce((total, column) => total + widthOf(column), 0)}px`);
}

const classOf = (column) => `${column.isFigure ? 'figure' : 'text'}${column.key === 'model' ? ' frozen' : ''}`;

function widthOf(column) {
  if (column.key === 'model') return window.innerWidth < 640 ? 190 : Math.round(column.width * CHARACTER_PX) + 40;
  return Math.round(Math.max(column.width * CHARACTER_PX, headerOf(column).length * HEADER_CHARACTER_PX + 14)) + 20;
}

// Sorts in the next direction of the column; with Shift, the column is added to those sorted by, or removed after its last direction.
function sortByHeader(column, isAdded) {
  const directions = column.better === 'high' || column.kind === 'flag' ? ['desc', 'asc'] : ['asc', 'desc'];
  const shown = view.sort.filter(([key]) => table.columns.includes(key));
  const others = shown.filter(([key]) => key !== column.key);
  const place = shown.findIndex(([key]) => key === column.key);
  const next = place < 0 || (!isAdded && place > 0) ? directions[0] : directions[directions.indexOf(shown[place][1]) + 1];
  if (!isAdded) sortBy([[column.key, next ?? directions[0]]]);
  else if (place < 0) sortBy([...shown, [column.key, next]]);
  else sortBy(next || !others.length ? shown.with(place, [column.key, next ?? directions[0]]) : others);
  showPage(0);
}

function showPage(start) {
  table.start = start;
  const rows = Array.from(view.rows.slice(start, start + table.pageSize));
  const columns = table.columns.map(BOARD.column);
  const cell = (column, row) => h('td', { class: classOf(column), style: { '--bar-share': barOf(column, row)?.toFixed(3) ?? '' } }, cellContent(column, row));
  fill(byId('board').tBodies[0], rows.length ? rows.map((row) => h('tr', {}, columns.map((column) => cell(column, row))))
    : h('tr', {}, h('td', { class: 'no-rows', colspan: columns.length }, 'No model fits. Loosen a limit, or reset the choices.')));
  markSorted();
  showPager(start, rows.length);
}

function markSorted() {
  for (const header of byId('board').tHead.rows[0].cells) {
    const place = view.sort.findIndex(([key]) => key === header.dataset.key);
    header.dataset.direction = view.sort[place]?.[1] ?? '';
    header.ariaSort = place === 0 ? { asc: 'ascending', desc: 'descending' }[view.sort[0][1]] : null;
  }
}

function showPager(start, count) {
  const total = view.rows.length;
  byId('page-info').textContent = total ? `${formatCount(start + 1)}–${formatCount(start + count)} of ${formatCount(total)}` : 'no rows';
  for (const id of ['page-first', 'page-previous']) byId(id).disabled = start === 0;
  for (const id of ['page-next', 'page-last']) byId(id).disabled = start + count >= total;
}

// A press on one header that is released on another moves the column there; browsers send no click event for it.
// Where it is released is asked of the page: events of a touch keep the element that was pressed as their target.
function startDragging() {
  const headerKey = (element) => element?.closest?.('#board th')?.dataset.key;
  let from = null;
  window.addEventListener('pointerdown', ({ target, button }) => { from = button === 0 ? headerKey(target) : null; });
  window.addEventListener('pointercancel', () => { from = null; });
  window.addEventListener('pointerup', ({ clientX, clientY }) => {
    const [moved, to] = [from, headerKey(document.elementFromPoint(clientX, clientY))];
    from = null;
    if (!moved || !to || moved === to || [moved, to].includes('model')) return;
    const columns = table.columns.filter((key) => key !== moved);
    columns.splice(table.columns.indexOf(to), 0, moved);
    change({ columns }, { keepPage: true });
    showHeaders();
    showPage(table.start);
  });
}

export function startTable() {
  const turn = (id, startOf) => byId(id).addEventListener('click', () => {
    showPage(startOf(table.start, table.pageSize));
    byId('board').parentElement.scrollTop = 0;
  });
  turn('page-first', () => 0);
  turn('page-previous', (start, size) => Math.max(0, start - size));
  turn('page-next', (start, size) => start + size);
  turn('page-last', (_, size) => Math.floor((view.rows.length - 1) / size) * size);
  byId('page-size').addEventListener('change', ({ target }) => {
    table.pageSize = Number(target.value);
    showPage(Math.floor(table.start / table.pageSize) * table.pageSize);
  });
  startDragging();
  explainHeaders(byId('board'), BOARD.column);
}
