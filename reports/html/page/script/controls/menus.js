// Drop-down menus made of <details>: one open at a time, closed by Escape or a click elsewhere.

import { BOARD, areaOf, taskRows } from '../base/data.js';
import { h } from '../base/dom.js';
import { formatCount } from '../base/format.js';
import { remember } from '../base/remember.js';
import { state } from '../base/state.js';
import { change } from '../base/view.js';

// composedPath() is that at the time of the click: a menu's own button may have been replaced since.
document.addEventListener('click', (event) => {
  for (const menu of document.querySelectorAll('details.menu[open]')) if (!event.composedPath().includes(menu)) menu.open = false;
});
document.addEventListener('keydown', (event) => {
  const menu = event.key === 'Escape' && document.activeElement?.closest('details.menu[open]');
  if (!menu) return;
  menu.open = false;
  menu.querySelector('summary').focus();
});

// Values of a text column among the task's rows: [{value, count}], '' for "not stated"; sizes in order, others by name.
const valuesIn = remember((task) => remember((key) => {
  const [words, codes] = [BOARD.words(key), BOARD.codes(key)];
  const counts = new Uint32Array(words.length + 1); // the last place counts rows that state nothing
  for (const row of taskRows(task)) counts[codes[row] < 0 ? words.length : codes[row]] += 1;
  const values = [...words, ''].map((value, code) => ({ value, count: counts[code] })).filter(({ count }) => count);
  return values.sort(key === 'input' ? (a, b) => areaOf(a.value) - areaOf(b.value) || byName(a.value, b.value) : (a, b) => byName(a.value, b.value));
}));
const byName = new Intl.Collator('en', { numeric: true }).compare;
export const facetValues = (key) => valuesIn(state.task)(key);

const MANY_VALUES = 12;

// A menu to choose values of one column. Its boxes are made when it is first opened.
export function facetMenu(column) {
  const values = facetValues(column.key);
  const label = h('span', { class: 'menu-value' });
  const list = h('div', { class: 'menu-list', role: 'group', 'aria-label': column.title });
  const panel = h('div', { class: 'menu-panel' }, list);
  const summary = h('summary', {}, h('span', { class: 'menu-name' }, column.title), label);
  const menu = h('details', { class: 'menu facet', 'data-key': column.key }, summary, panel);
  const clear = h('button', { type: 'button', class: 'quiet', onclick: () => setOnly(column.key, []) }, 'Any');

  const chosen = () => state.only[column.key] ?? [];
  const option = ({ value, count }) => h('label', { class: 'check' },
    h('input', { type: 'checkbox', value, onchange: (event) => toggle(value, event.target.checked) }),
    h('bdi', { class: 'clip' }, value || 'not stated'), h('span', { class: 'count' }, formatCount(count)));
  const toggle = (value, isOn) => setOnly(column.key, isOn ? [...chosen(), value] : chosen().filter((other) => other !== value));

  function build() {
    if (list.childElementCount) return;
    list.append(...values.map(option));
    if (values.length > MANY_VALUES) {
      const find = h('input', { type: 'search', class: 'menu-find', placeholder: 'Find', 'aria-label': `Find in ${column.title}` });
      find.addEventListener('input', () => {
        for (const row of list.children) row.hidden = !row.textContent.toLowerCase().includes(find.value.toLowerCase());
      });
      panel.prepend(find);
    }
    panel.append(clear);
  }

  function show() {
    const now = chosen();
    label.textContent = now.length === 0 ? 'any' : now.length === 1 ? now[0] || 'not stated' : `${now.length} chosen`;
    menu.classList.toggle('is-set', now.length > 0);
    for (const box of list.querySelectorAll('input')) box.checked = now.includes(box.value);
  }

  menu.addEventListener('toggle', () => { if (menu.open) { build(); show(); } });
  return { element: menu, show };
}

export function setOnly(key, values) {
  const only = { ...state.only, [key]: values };
  if (!values.length) delete only[key];
  change({ only });
}
