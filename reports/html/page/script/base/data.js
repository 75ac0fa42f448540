// The report's data: tables held column by column, exact figures as numbers with NaN for unknown.

import { byId } from './dom.js';
import { formatFigure } from './format.js';

export const REPORT = JSON.parse(byId('data').textContent);

// A table of the payload. `figures(key)` and `codes(key)` give whole columns for fast loops, `text` and `exact` one cell.
export function openTable(source) {
  const columns = new Map(source.columns.map((column) => [column.key, { ...column, isFigure: isFigure(column) }]));
  const figureCache = new Map();
  const rankCache = new Map();

  function figures(key) {
    if (!figureCache.has(key)) {
      const numbers = new Float64Array(source.rows).fill(NaN);
      (source.values[key] ?? []).forEach((value, row) => { if (value !== null) numbers[row] = value; });
      figureCache.set(key, numbers);
    }
    return figureCache.get(key);
  }

  const isText = (key) => Boolean(source.values[key]?.words);
  const words = (key) => source.values[key]?.words ?? [];
  const codes = (key) => source.values[key]?.codes ?? [];
  const text = (key, row) => words(key)[codes(key)[row]] ?? null;

  // Text ordered as people order names (resnet9 before resnet50), figures by size; unknown is NaN.
  function ranks(key) {
    if (!isText(key)) return figures(key);
    if (!rankCache.has(key)) {
      const collator = new Intl.Collator('en', { numeric: true });
      const order = words(key).map((word, code) => ({ word, code })).sort((a, b) => collator.compare(a.word, b.word));
      const rank = new Float64Array(order.length);
      order.forEach(({ code }, place) => { rank[code] = place; });
      rankCache.set(key, Float64Array.from(codes(key), (code) => (code < 0 ? NaN : rank[code])));
    }
    return rankCache.get(key);
  }

  // The cell as it is stored: number, boolean, text or null.
  function exact(key, row) {
    if (isText(key)) return text(key, row);
    const value = source.values[key]?.[row] ?? null;
    return value !== null && columns.get(key).kind === 'flag' ? Boolean(value) : value;
  }

  const shown = (key, row) => {
    const column = columns.get(key);
    if (column.isFigure) return formatFigure(column, figures(key)[row]);
    const value = exact(key, row);
    return value === null ? '–' : value === true ? 'yes' : value === false ? 'no' : value;
  };

  // A column that came later: its declaration, and its figures row by row.
  function addFigures(column, values) {
    columns.set(column.key, { ...column, isFigure: true });
    figureCache.set(column.key, values);
    source.values[column.key] = Array.from(values, (value) => (Number.isNaN(value) ? null : value));
  }

  return { rows: source.rows, columns, addFigures, column: (key) => columns.get(key), figures, isText, words, codes, text, ranks, exact, shown };
}

// Whether less is better, as for errors measured in pixels.
export const isLowBetter = (key) => BOARD.column(key)?.better === 'low';

const isFigure = (column) => column.kind === 'integer' || column.kind === 'number';

export const BOARD = openTable(REPORT.leaderboard);

// A row's lasting name, for addresses: model@input, and the variant where it is not the plain one.
export function rowName(row) {
  const variant = BOARD.text('variant', row);
  return `${BOARD.text('model', row)}@${BOARD.text('input', row)}${variant && variant !== 'base' ? `~${variant}` : ''}`;
}

let rowsByName = null;
export function findRow(name) {
  if (!rowsByName) {
    rowsByName = new Map();
    for (let row = BOARD.rows - 1; row >= 0; row -= 1) rowsByName.set(rowName(row), row);
  }
  return rowsByName.get(name) ?? null;
}

// All rows of the architecture that a row belongs to.
export function rowsOfArchitecture(row) {
  const [zoos, archs] = [BOARD.codes('zoo'), BOARD.codes('arch')];
  const rows = [];
  for (let other = 0; other < BOARD.rows; other += 1) {
    if (archs[other] === archs[row] && zoos[other] === zoos[row]) rows.push(other);
  }
  return rows;
}

export const TASKS = BOARD.words('task').map((name, code) => ({ name, code, rows: BOARD.codes('task').filter((c) => c === code).length }))
  .sort((a, b) => (b.name === 'classification') - (a.name === 'classification')); // the others as the report orders them

const rowsOfTask = new Map();
export function taskRows(task) {
  if (!rowsOfTask.has(task)) {
    const code = BOARD.words('task').indexOf(task);
    const rows = [];
    BOARD.codes('task').forEach((c, row) => { if (c === code) rows.push(row); });
    rowsOfTask.set(task, rows);
  }
  return rowsOfTask.get(task);
}

export const hasFigures = (key, rows) => { const values = BOARD.figures(key); return rows.some((row) => !Number.isNaN(values[row])); };
// The known figures of a column among a task's rows, rising.
const sortedFigures = new Map();
export function risingFigures(key, task) {
  const place = `${task} ${key}`;
  if (!sortedFigures.has(place)) {
    const values = BOARD.figures(key);
    sortedFigures.set(place, Float64Array.from(taskRows(task), (row) => values[row]).filter((value) => !Number.isNaN(value)).sort());
  }
  return sortedFigures.get(place);
}

export const accuraciesOf = (task) => REPORT.accuracy.filter(({ key }) => hasFigures(key, taskRows(task)));
export const costsOf = (task) => REPORT.costs.filter((key) => hasFigures(key, taskRows(task)));
export const limitsOf = (task) => REPORT.limits.filter((key) => hasFigures(key, taskRows(task)));

// Elements of an input such as 3x224x224.
export const areaOf = (input) => input.split('x').reduce((product, side) => product * Number(side), 1);
