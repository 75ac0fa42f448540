// Choosing and ordering the table's columns, by mouse, touch or keyboard.

import { BOARD, taskRows } from '../base/data.js';
import { chosenLatency } from '../base/devices.js';
import { byId, fill, h } from '../base/dom.js';
import { headerOf } from '../base/format.js';
import { remember } from '../base/remember.js';
import { DEFAULT_COLUMNS, isSame, state } from '../base/state.js';
import { change } from '../base/view.js';

// Whether a column has any value for a task.
const hasContent = remember((task) => remember((key) => taskRows(task).some((row) => BOARD.exact(key, row) !== null)));

// Chosen columns are shown even if empty; the default columns only if they have values.
export function visibleColumns() {
  if (!isSame(state.columns, DEFAULT_COLUMNS)) return state.columns;
  const columns = DEFAULT_COLUMNS.filter((key) => key === 'model' || hasContent(state.task)(key));
  const latency = chosenLatency();
  return latency ? [columns[0], latency, ...columns.slice(1)] : columns;
}

function buildColumnChooser() {
  const panel = byId('column-list');
  const groups = new Map();
  for (const column of BOARD.columns.values()) groups.set(column.group, [...(groups.get(column.group) ?? []), column]);
  const now = visibleColumns();
  fill(panel, [...groups].map(([group, columns]) => h('fieldset', {},
    h('legend', {}, group), columns.map((column) => columnOption(column, now)))));
}

function columnOption(column, now) {
  const place = now.indexOf(column.key);
  const isFixed = column.key === 'model';
  const box = h('input', { type: 'checkbox', value: column.key, disabled: isFixed, onchange: () => toggleColumn(column.key, box.checked) });
  box.checked = place >= 0;
  const move = (step, label, sign) => h('button', {
    type: 'button', class: 'move', 'data-move': `${column.key}${step}`, 'aria-label': `Move ${column.title} ${label}`,
    disabled: isFixed || place < 0 || place + step < 1 || place + step >= now.length, onclick: () => moveColumn(column.key, step),
  }, sign);
  return h('div', { class: 'column-option' },
    h('label', { class: 'check' }, box, h('span', {}, headerOf(column), h('small', {}, column.meaning))),
    move(-1, 'left', '←'), move(1, 'right', '→'));
}

function toggleColumn(key, isOn) {
  const now = visibleColumns();
  setColumns(isOn ? insertInOrder(now, key) : now.filter((other) => other !== key));
}

// Inserts a column in the order of the declarations.
function insertInOrder(now, key) {
  const declared = [...BOARD.columns.keys()];
  const before = now.filter((other) => declared.indexOf(other) < declared.indexOf(key)).at(-1);
  const place = before ? now.indexOf(before) + 1 : now.length;
  return [...now.slice(0, place), key, ...now.slice(place)];
}

function moveColumn(key, step) {
  const now = [...visibleColumns()];
  const place = now.indexOf(key);
  [now[place], now[place + step]] = [now[place + step], now[place]];
  setColumns(now);
  const moved = byId('column-list').querySelector(`[data-move="${CSS.escape(`${key}${step}`)}"]`);
  moved?.focus();
}

function setColumns(columns) {
  change({ columns });
  buildColumnChooser();
}

export function startColumnChooser() {
  byId('column-menu').addEventListener('toggle', (event) => { if (event.target.open) buildColumnChooser(); });
  byId('columns-reset').addEventListener('click', () => setColumns(DEFAULT_COLUMNS));
  byId('columns-all').addEventListener('click', () => setColumns([...BOARD.columns.keys()]));
}
