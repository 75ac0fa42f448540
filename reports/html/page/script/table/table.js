// The table: DataTables draws one page of rows out of our own sorted and filtered index.
//
// It runs in its "server" mode, where the server is the function below: nothing is requested from anywhere. Sorting and
// filtering 20,000 rows is then ours and fast, and DataTables does headers, keyboard, ARIA and dragging columns.

import { BOARD } from '../base/data.js';
import { byId, escapeHtml, fill, h } from '../base/dom.js';
import { formatCount, headerOf } from '../base/format.js';
import { isSame } from '../base/state.js';
import { change, sortBy, view } from '../base/view.js';
import { explainHeaders } from '../controls/tooltip.js';
import { pick } from '../drawer/compare.js';
import { barOf, cellHtml } from './cells.js';
import { visibleColumns } from './columns.js';

const table = { dt: null, columns: [], pageSize: 25 };
const CHARACTER_PX = 6.6;
const HEADER_CHARACTER_PX = 8.6; // bold, and followed by the sort mark

// Extensions that the page does not use would otherwise work whenever a table is made or drawn.
for (const name of ['dtSelect', 'dtscroller', 'dtk', 'dtrg', 'dtsp', 'dtfh']) jQuery(document).off(`.${name}`);

export function showTable() {
  const columns = visibleColumns();
  if (!table.dt || !isSame(columns, table.columns)) buildTable(columns);
  else {
    // The order may come from the address; DataTables only marks the headers, the rows are in order already.
    if (!isSame(shownOrder(), orderInTable())) table.dt.order(orderInTable().map(([name, dir]) => ({ name, dir })));
    table.dt.page(0).draw('page');
  }
}

const orderInTable = () => view.sort.filter(([key]) => table.columns.includes(key));
const shownOrder = () => table.dt.order().map((entry) => (Array.isArray(entry) ? [table.columns[entry[0]], entry[1]] : [entry.name, entry.dir]));

function buildTable(columns) {
  table.dt?.destroy();
  table.columns = columns;
  const element = h('table', { class: 'board', 'aria-label': 'Leaderboard' });
  fill(byId('board'), element);
  table.dt = new DataTable(element, {
    serverSide: true, searching: false, autoWidth: false, pageLength: table.pageSize, orderClasses: false, orderMulti: true,
    order: orderInTable().map(([name, dir]) => ({ name, dir })),
    layout: { topStart: null, topEnd: null, bottomStart: null, bottomEnd: null },
    language: { emptyTable: 'No model fits. Loosen a limit, or reset the choices.', zeroRecords: 'No model fits.' },
    colReorder: { columns: ':gt(0)' },
    ajax: serveRows,
    columns: columns.map((key) => tableColumn(BOARD.column(key))),
  });
  table.dt.on('columns-reordered', keepDraggedOrder);
  frameTable(element, columns);
}

function tableColumn(column) {
  return {
    name: column.key,
    title: escapeHtml(headerOf(column)),
    className: [column.isFigure ? 'figure' : 'text', column.key === 'model' ? 'frozen' : ''].join(' '),
    orderSequence: column.better === 'high' || column.kind === 'flag' ? ['desc', 'asc'] : ['asc', 'desc'],
    data: (row, type) => (type === 'display' ? cellHtml(column, row) : ''),
    createdCell: (cell, _, row) => {
      const bar = barOf(column, row);
      if (bar !== null) cell.style.setProperty('--bar-share', bar.toFixed(3));
    },
  };
}

// Answers DataTables' request for a page of rows from the index.
function serveRows(request, answer) {
  const asked = request.order.filter(({ name }) => name).map(({ name, dir }) => [name, dir]);
  if (asked.length && !isSame(asked, orderInTable())) sortBy(asked);
  const rows = Array.from(view.rows.slice(request.start, request.start + request.length));
  answer({ draw: request.draw, recordsTotal: view.rows.length, recordsFiltered: view.rows.length, data: rows });
  showPager(request.start, rows.length);
}

// Widths are in pixels and summed: with `max-content` columns would jump from page to page.
function frameTable(element, columns) {
  let total = 0;
  for (const [place, header] of [...element.tHead.rows[0].cells].entries()) {
    const column = BOARD.column(columns[place]);
    header.dataset.key = column.key;
    const width = column.key === 'model' ? modelWidth() : Math.round(Math.max(column.width * CHARACTER_PX, headerOf(column).length * HEADER_CHARACTER_PX + 14)) + 20;
    header.style.setProperty('width', `${width}px`);
    total += width;
  }
  element.style.setProperty('width', `${total}px`);
  const scroller = element.parentElement;
  scroller.tabIndex = 0;
  scroller.setAttribute('role', 'region');
  scroller.setAttribute('aria-label', 'Leaderboard, scrollable');
  scroller.classList.add('board-scroller');
}

const modelWidth = () => (window.innerWidth < 640 ? 190 : Math.round(BOARD.column('model').width * CHARACTER_PX) + 40);

function keepDraggedOrder() {
  const columns = [...table.dt.table().header().rows[0].cells].map((header) => header.dataset.key);
  table.columns = columns;
  change({ columns }, { keepPage: true });
}

function showPager(start, count) {
  const total = view.rows.length;
  byId('page-info').textContent = total ? `${formatCount(start + 1)}–${formatCount(start + count)} of ${formatCount(total)}` : 'no rows';
  for (const id of ['page-first', 'page-previous']) byId(id).disabled = start === 0;
  for (const id of ['page-next', 'page-last']) byId(id).disabled = start + count >= total;
}

export function startTable() {
  const turn = (id, way) => byId(id).addEventListener('click', () => {
    table.dt.page(way).draw('page');
    byId('board').querySelector('.board-scroller').scrollTop = 0;
  });
  turn('page-first', 'first');
  turn('page-previous', 'previous');
  turn('page-next', 'next');
  turn('page-last', 'last');
  byId('page-size').addEventListener('change', (event) => {
    table.pageSize = Number(event.target.value);
    table.dt.page.len(table.pageSize).draw();
  });
  const board = byId('board');
  board.addEventListener('click', (event) => {
    const opener = event.target.closest('button.open');
    if (opener) change({ open: Number(opener.dataset.row) });
  });
  board.addEventListener('change', (event) => {
    if (event.target.matches('input.pick')) pick(Number(event.target.dataset.row), event.target.checked);
  });
  explainHeaders(board, BOARD.column);
}
