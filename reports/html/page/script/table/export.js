// Exports: the rows shown as CSV, as JSON or to the clipboard, and the address of the view.

import { writeAddress } from '../base/address.js';
import { BOARD } from '../base/data.js';
import { byId, copyText, download, notify } from '../base/dom.js';
import { plural } from '../base/format.js';
import { state } from '../base/state.js';
import { view } from '../base/view.js';
import { isOnAxes } from './cells.js';
import { visibleColumns } from './columns.js';

// Every row that fits, in the order and with the columns of the table: export names, and rows of exact values.
function shownTable() {
  const keys = visibleColumns();
  const rows = Array.from(view.rows, (row) => keys.map((key) => (key === 'on_frontier' && isOnAxes(row) ? Boolean(view.isFrontier[row]) : BOARD.exact(key, row))));
  return { names: keys.map((key) => BOARD.column(key).export_name), rows };
}

// A text that starts like a formula gets an apostrophe, or a spreadsheet would run it.
const guardFormula = (text) => (/^[=+\-@\t\r]/.test(text) ? `'${text}` : text);
const cellText = (value) => (value === null ? '' : typeof value === 'string' ? guardFormula(value) : String(value));
const quoteCsv = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
const unbrokenText = (text) => text.replace(/[\t\r\n]+/g, ' ');

// The names and the rows as lines of text.
const toLines = ({ names, rows }, encode, separator) => [names, ...rows.map((row) => row.map(cellText))].map((row) => row.map(encode).join(separator));

const toCsv = (table) => `\ufeff${toLines(table, quoteCsv, ',').join('\r\n')}\r\n`;
const toClipboard = (table) => toLines(table, unbrokenText, '\t').join('\n');
const toJson = ({ names, rows }) => JSON.stringify(rows.map((row) => Object.fromEntries(names.map((name, place) => [name, row[place]]))), null, 1);

export const fileStem = () => `zoometer-${state.task || 'leaderboard'}`;

export function startExport() {
  byId('save-csv').addEventListener('click', () => download(`${fileStem()}.csv`, 'text/csv', toCsv(shownTable())));
  byId('save-json').addEventListener('click', () => download(`${fileStem()}.json`, 'application/json', toJson(shownTable())));
  byId('copy-rows').addEventListener('click', async () => {
    const done = await copyText(toClipboard(shownTable()));
    notify(done ? `${plural(view.rows.length, 'row')} copied.` : 'Copying was refused; use CSV instead.');
  });
  byId('copy-link').addEventListener('click', async () => {
    writeAddress();
    notify(await copyText(location.href) ? 'Address of this view copied.' : 'Copying was refused; take it from the address bar.');
  });
}
