// The report's data: tables held column by column, exact figures as numbers with NaN for unknown.

import { byId } from './dom.js';
import { formatFigure } from './format.js';
import { remember } from './remember.js';

export const REPORT = JSON.parse(byId('data').textContent);

const { rows: ROWS, columns: DECLARED, values: VALUES } = REPORT.leaderboard;
const columns = new Map(DECLARED.map((column) => [column.key, { ...column, isFigure: ['integer', 'number'].includes(column.kind) }]));

const figures = remember((key) => {
  const numbers = new Float64Array(ROWS).fill(NaN);
  (VALUES[key] ?? []).forEach((value, row) => { if (value !== null) numbers[row] = value; });
  return numbers;
});

const isText = (key) => Boolean(VALUES[key]?.words);
const words = (key) => VALUES[key]?.words ?? [];
const codes = (key) => VALUES[key]?.codes ?? [];
const text = (key, row) => words(key)[codes(key)[row]] ?? null;

// Text in the natural order of names (resnet9 before resnet50), figures by size; unknown is NaN.
const textRanks = remember((key) => {
  const collator = new Intl.Collator('en', { numeric: true });
  const order = words(key).map((word, code) => ({ word, code })).sort((a, b) => collator.compare(a.word, b.word));
  const rank = new Float64Array(order.length);
  order.forEach(({ code }, place) => { rank[code] = place; });
  return Float64Array.from(codes(key), (code) => (code < 0 ? NaN : rank[code]));
});

// The cell as it is stored: number, boolean, text or null.
function exact(key, row) {
  if (isText(key)) return text(key, row);
  const value = VALUES[key]?.[row] ?? null;
  return value !== null && columns.get(key).kind === 'flag' ? Boolean(value) : value;
}

function shown(key, row) {
  const column = columns.get(key);
  if (column.isFigure) return formatFigure(column, figures(key)[row]);
  const value = exact(key, row);
  return value === null ? '–' : value === true ? 'yes' : value === false ? 'no' : value;
}

// The leaderboard. `figures(key)` and `codes(key)` give whole columns for fast loops, `text`, `exact` and `shown` one cell.
export const BOARD = {
  rows: ROWS, columns, column: (key) => columns.get(key), figures, words, codes, text, exact, shown,
  ranks: (key) => (isText(key) ? textRanks(key) : figures(key)),
  // Adds a column of a declaration and its figures row by row.
  addFigures(column, values) {
    columns.set(column.key, { ...column, isFigure: true });
    VALUES[column.key] = Array.from(values, (value) => (Number.isNaN(value) ? null : value));
  },
};

// Whether less is better, as for errors measured in pixels.
export const isLowBetter = (key) => BOARD.column(key)?.better === 'low';

// The name of a row in addresses, the same in later reports: model@input, and the variant where it is not the base.
export function rowName(row) {
  const variant = BOARD.text('variant', row);
  return `${BOARD.text('model', row)}@${BOARD.text('input', row)}${variant && variant !== 'base' ? `~${variant}` : ''}`;
}

const rowsByName = remember(() => new Map(Array.from({ length: BOARD.rows }, (_, row) => [rowName(row), row]).reverse()));
export const findRow = (name) => rowsByName().get(name) ?? null;

// All rows of the architecture that a row belongs to.
export function rowsOfArchitecture(row) {
  const [zoos, archs] = [BOARD.codes('zoo'), BOARD.codes('arch')];
  return [...archs.keys()].filter((other) => archs[other] === archs[row] && zoos[other] === zoos[row]);
}

export const TASKS = BOARD.words('task').map((name, code) => ({ name, code, rows: BOARD.codes('task').filter((c) => c === code).length }))
  .sort((a, b) => (b.name === 'classification') - (a.name === 'classification')); // the others as the report orders them

export const taskRows = remember((task) => {
  const code = BOARD.words('task').indexOf(task);
  return [...BOARD.codes('task').keys()].filter((row) => BOARD.codes('task')[row] === code);
});

export const hasFigures = (key, rows) => { const values = BOARD.figures(key); return rows.some((row) => !Number.isNaN(values[row])); };

// The known figures of a column among a task's rows, rising.
const risingFiguresOf = remember((task) => remember((key) => (
  Float64Array.from(taskRows(task), (row) => BOARD.figures(key)[row]).filter((value) => !Number.isNaN(value)).sort())));
export const risingFigures = (key, task) => risingFiguresOf(task)(key);

// A flat list of the report as rows of this many values.
export const unflatten = (list, length) => Array.from({ length: list.length / length }, (_, row) => list.slice(row * length, (row + 1) * length));

export const accuraciesOf = (task) => REPORT.accuracy.filter(({ key }) => hasFigures(key, taskRows(task)));
export const costsOf = (task) => REPORT.costs.filter((key) => hasFigures(key, taskRows(task)));
export const limitsOf = (task) => REPORT.limits.filter((key) => hasFigures(key, taskRows(task)));

// Elements of an input such as 3x224x224.
export const areaOf = (input) => input.split('x').reduce((product, side) => product * Number(side), 1);
