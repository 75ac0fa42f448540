// Which rows are considered (search, filters), and which of those are within the limits.

import { BOARD, REPORT, isLowBetter, taskRows } from './data.js';
import { memoryLimit } from './devices.js';
import { formatFigure, parseAmount, withUnit } from './format.js';
import { remember } from './remember.js';
import { isSame, state } from './state.js';

export const EXCLUDED = 0; // another task, another value chosen, or words not found
export const LEFT_OUT = 1; // considered, but beyond a limit, or unknown where a limit is set
export const FITS = 2;

const searchText = remember((row) => REPORT.search.map((key) => BOARD.text(key, row) ?? '').join('\u0000').toLowerCase());

// 'resnet a1 -distilled' → a test for rows with every word, and without the words after a minus.
function searchTest(search) {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  const required = words.filter((word) => !word.startsWith('-') || word === '-');
  const excluded = words.filter((word) => word.startsWith('-') && word !== '-').map((word) => word.slice(1));
  if (!words.length) return null;
  return (row) => {
    const text = searchText(row);
    return required.every((word) => text.includes(word)) && !excluded.some((word) => text.includes(word));
  };
}

// A test for each filtered column; the last place stands for "not stated" (code -1).
function facetTests() {
  return Object.entries(state.only).filter(([, values]) => values.length).map(([key, values]) => {
    const words = BOARD.words(key);
    const isChosen = Uint8Array.from([...words, ''], (word) => (values.includes(word) ? 1 : 0));
    const codes = BOARD.codes(key);
    return (row) => isChosen[codes[row] < 0 ? words.length : codes[row]] === 1;
  });
}

// The limits that are set: {key, column, values, bound, isLeast}. Text that is no amount is no limit.
function activeLimits() {
  const limits = [];
  for (const [key, typed] of Object.entries(state.limits)) {
    const bound = parseAmount(typed, BOARD.column(key));
    if (!Number.isNaN(bound)) limits.push({ key, column: BOARD.column(key), values: BOARD.figures(key), bound, isLeast: false });
  }
  if (state.accuracy && state.least) {
    const column = BOARD.column(state.accuracy);
    const bound = parseAmount(state.least, column);
    if (!Number.isNaN(bound)) limits.push({ key: state.accuracy, column, values: BOARD.figures(state.accuracy), bound, isLeast: !isLowBetter(state.accuracy) });
  }
  const memory = memoryLimit();
  return memory ? [...limits, memory] : limits;
}

// Unknown values never satisfy a limit.
export const keeps = (limit, row) => (limit.isLeast ? limit.values[row] >= limit.bound : limit.values[row] <= limit.bound);

// How far a row is beyond a limit, as a share of the limit; NaN if its value is unknown, 0 within the limit.
export function excessOf(limit, row) {
  const value = limit.values[row];
  if (Number.isNaN(value)) return NaN;
  if (keeps(limit, row)) return 0;
  return limit.isLeast ? (limit.bound - value) / limit.bound : value / limit.bound - 1; // infinite of a limit of 0
}

export const figureAt = ({ column, values }, row) => withUnit(column, formatFigure(column, values[row]));

export const boundText = ({ column, bound, isLeast }) => `${column.title} ${isLeast ? '≥' : '≤'} ${withUnit(column, formatFigure(column, bound))}`;

// Models that were not counted satisfy no limit, even if their latency was published.
function failedTest() {
  const [codes, failed] = [BOARD.codes('status'), BOARD.words('status').indexOf('failed')];
  return (row) => failed >= 0 && codes[row] === failed;
}

// EXCLUDED, LEFT_OUT or FITS for every row of the report, and how many there are.
export function markRows() {
  const marks = new Uint8Array(BOARD.rows);
  const tests = facetTests();
  const search = searchTest(state.search);
  if (search) tests.push(search);
  const limits = activeLimits();
  const isFailed = failedTest();
  let considered = 0;
  let fitting = 0;
  for (const row of taskRows(state.task)) {
    if (!tests.every((test) => test(row))) continue;
    considered += 1;
    const fits = !limits.length || (!isFailed(row) && limits.every((limit) => keeps(limit, row)));
    marks[row] = fits ? FITS : LEFT_OUT;
    if (fits) fitting += 1;
  }
  return { marks, limits, considered, fitting };
}

// All rows sorted, unknown values last in both directions; the result is kept until the order changes.
const sorted = { by: null, rows: null };
export function sortedRows(sort) {
  if (isSame(sorted.by, sort)) return sorted.rows;
  const keys = sort.map(([key, direction]) => ({ ranks: BOARD.ranks(key), sign: direction === 'desc' ? -1 : 1 }));
  const compare = (a, b) => {
    for (const { ranks, sign } of keys) {
      const [x, y] = [ranks[a], ranks[b]];
      if (x === y) continue;
      if (Number.isNaN(x)) { if (Number.isNaN(y)) continue; return 1; }
      if (Number.isNaN(y)) return -1;
      return (x - y) * sign;
    }
    return a - b;
  };
  sorted.by = sort;
  sorted.rows = Uint32Array.from({ length: BOARD.rows }, (_, row) => row).sort(compare);
  return sorted.rows;
}
