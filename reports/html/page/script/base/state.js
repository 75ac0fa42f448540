// The choices of the reader. All of them are in the address after the `#`, so any view can be saved or sent.

import { BOARD, REPORT, TASKS, accuraciesOf, costsOf, findRow, isLowBetter, limitsOf, rowName } from './data.js';

export const DEFAULT_COLUMNS = [...BOARD.columns.values()].filter((column) => column.shown).map((column) => column.key);
export const MOST_COMPARED = 6;

export function initialState(task = TASKS[0]?.name ?? '') {
  const costs = costsOf(task);
  return {
    task,
    search: '',
    accuracy: accuraciesOf(task)[0]?.key ?? '',
    device: '', // id of the device whose latencies are shown
    run: '', // how models run on it: key of one of its choices
    cost: costs.includes(REPORT.cost) ? REPORT.cost : costs[0] ?? '',
    limits: {}, // column → what was typed, in the column's unit or with a suffix
    least: '', // least accuracy, as typed
    only: {}, // column → chosen values; '' stands for "not stated"
    colour: '',
    size: '',
    onlyFrontier: false,
    sort: null, // [[column, 'asc' | 'desc'], …]; null: by accuracy, or by cost where there is none
    columns: DEFAULT_COLUMNS,
    compare: [], // row numbers
    open: null, // row number
  };
}

export const state = initialState();

export function defaultSort() {
  if (state.accuracy) return [[state.accuracy, isLowBetter(state.accuracy) ? 'asc' : 'desc']];
  return [[state.cost || 'model', 'asc']];
}

export const isSame = (a, b) => JSON.stringify(a) === JSON.stringify(b);

// The state as the text after `#`; only what differs from the start is written.
export function encodeState() {
  const start = initialState(state.task);
  const out = new URLSearchParams();
  if (state.task !== TASKS[0]?.name) out.set('task', state.task);
  for (const key of ['search', 'device', 'run', 'accuracy', 'cost', 'least', 'colour', 'size']) {
    if (state[key] !== start[key]) out.set(key, state[key]);
  }
  if (state.onlyFrontier) out.set('frontier', 'only');
  for (const [key, typed] of Object.entries(state.limits)) if (typed) out.set(`max.${key}`, typed);
  for (const [key, values] of Object.entries(state.only)) for (const value of values) out.append(`is.${key}`, value);
  if (state.sort && !isSame(state.sort, defaultSort())) {
    out.set('sort', state.sort.map(([key, direction]) => (direction === 'desc' ? `-${key}` : key)).join(','));
  }
  if (!isSame(state.columns, DEFAULT_COLUMNS)) out.set('columns', state.columns.join(','));
  for (const row of state.compare) out.append('compare', rowName(row));
  if (state.open !== null) out.set('open', rowName(state.open));
  return out.toString();
}

// Reads such a text. Unknown keys and values are ignored: an old or hostile address never gives an error.
export function decodeState(text) {
  const given = new URLSearchParams(text);
  const task = TASKS.some(({ name }) => name === given.get('task')) ? given.get('task') : TASKS[0]?.name ?? '';
  const read = initialState(task);
  const choose = (key, allowed) => { if (allowed.includes(given.get(key))) read[key] = given.get(key); };
  read.search = given.get('search') ?? '';
  if (REPORT.devices.devices.some(({ id }) => id === given.get('device'))) {
    read.device = given.get('device');
    read.run = given.get('run') ?? '';
  }
  read.least = given.get('least') ?? '';
  choose('accuracy', accuraciesOf(task).map(({ key }) => key));
  choose('cost', costsOf(task));
  choose('size', costsOf(task));
  choose('colour', [...REPORT.facets, 'none']);
  read.onlyFrontier = given.get('frontier') === 'only';
  for (const key of limitsOf(task)) if (given.get(`max.${key}`)) read.limits[key] = given.get(`max.${key}`);
  for (const key of REPORT.facets) if (given.has(`is.${key}`)) read.only[key] = given.getAll(`is.${key}`);
  const sort = (given.get('sort') ?? '').split(',').map((part) => (part.startsWith('-') ? [part.slice(1), 'desc'] : [part, 'asc']))
    .filter(([key]) => BOARD.columns.has(key));
  if (sort.length) read.sort = sort;
  const columns = [...new Set((given.get('columns') ?? '').split(','))].filter((key) => BOARD.columns.has(key));
  if (columns.length) read.columns = ['model', ...columns.filter((key) => key !== 'model')];
  read.compare = [...new Set(given.getAll('compare').map(findRow))].filter((row) => row !== null).slice(0, MOST_COMPARED);
  read.open = given.has('open') ? findRow(given.get('open')) : null;
  return read;
}

// The column that points are coloured by if none is chosen.
export const DEFAULT_COLOUR = 'family';
export const colourKey = () => state.colour || DEFAULT_COLOUR;
