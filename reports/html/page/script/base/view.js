// The rows that fit in the present state, their order, and the frontier among them.

import { writeAddressSoon } from './address.js';
import { BOARD, taskRows } from './data.js';
import { FITS, markRows, sortedRows } from './filters.js';
import { findFrontier } from './frontier.js';
import { defaultSort, state } from './state.js';

export const view = {
  marks: new Uint8Array(BOARD.rows), limits: [], considered: 0, fitting: 0, withoutAccuracy: 0,
  frontier: [], isFrontier: new Uint8Array(BOARD.rows), rows: new Uint32Array(), sort: [],
};

export function computeView() {
  Object.assign(view, markRows());
  const fitting = taskRows(state.task).filter((row) => view.marks[row] === FITS);
  const accuracy = BOARD.figures(state.accuracy);
  view.frontier = state.accuracy && state.cost ? findFrontier(fitting, state.cost, state.accuracy) : [];
  view.withoutAccuracy = state.accuracy ? fitting.filter((row) => Number.isNaN(accuracy[row])).length : 0;
  view.isFrontier = new Uint8Array(BOARD.rows);
  for (const row of view.frontier) view.isFrontier[row] = 1;
  orderView();
}

function orderView() {
  view.sort = state.sort ?? defaultSort();
  const isShown = (row) => view.marks[row] === FITS && (!state.onlyFrontier || view.isFrontier[row]);
  view.rows = sortedRows(view.sort).filter(isShown);
}

// Called by the table's headers, which then show the rows themselves.
export function sortBy(sort) {
  state.sort = sort;
  orderView();
  writeAddressSoon();
}

// `keepPage`: rows and order stay, so the table stays on its page, such as when a model is opened.
export function change(patch, { keepPage = Object.keys(patch).every((key) => key === 'open' || key === 'compare') } = {}) {
  Object.assign(state, patch);
  showChange({ keepPage });
}

// `show({ keepPage })` is called after every change of the state.
let showChange = null;
export const onChange = (show) => { showChange = show; };
