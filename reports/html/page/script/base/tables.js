// Small tables: of heads, and of rows of cells.

import { h } from './dom.js';
import { headerOf } from './format.js';

export const head = (text, isFigure) => h('th', { scope: 'col', class: isFigure ? 'figure' : null }, text);
export const columnHead = (column) => h('th', {
  scope: 'col', class: column.isFigure && column.key !== 'classes' ? 'figure' : null, title: column.meaning,
}, headerOf(column));
export const figureCell = (...content) => h('td', { class: 'figure' }, ...content);

export const plainTable = ({ class: name = '', ...attributes }, heads, rows, foot) => h('table', { class: `plain ${name}`.trim(), ...attributes },
  h('thead', {}, h('tr', {}, heads)), h('tbody', {}, rows), foot);

// A part that scrolls sideways by itself, by keys as well.
export const scrollBox = (label, content) => h('div', { class: 'scroll-box', tabindex: '0', role: 'region', 'aria-label': label }, content);
