// The budget bar: limits, filters, search, and the axes of the chart. Built again for each task and device.

import { BOARD, REPORT, accuraciesOf, costsOf, isLowBetter, limitsOf, risingFigures, taskRows } from '../base/data.js';
import { chosenLatency } from '../base/devices.js';
import { byId, fill, h } from '../base/dom.js';
import { formatCount, formatFigure, headerOf, parseAmount, plural, withUnit } from '../base/format.js';
import { DEFAULT_COLOUR, isSame, state } from '../base/state.js';
import { change, view } from '../base/view.js';
import { facetMenu, facetValues } from './menus.js';

const isLatency = (key) => key.startsWith('latency');
const FIRST_LIMITS = ['params', 'macs']; // the others stand folded below

let foldedLimits = [];
let budgetParts = { key: null, shows: [] };

function buildBudget() {
  const facets = REPORT.facets.filter((key) => facetValues(key).length > 1).map((key) => facetMenu(BOARD.column(key)));
  const fields = limitsOf(state.task).map((key) => [key, limitField(key)]);
  const limits = fields.map(([, field]) => field);
  const least = state.accuracy ? leastField() : null;
  const elementsOf = (isWanted) => fields.filter(([key]) => isWanted(key)).map(([, { element }]) => element);
  const isFolded = (key) => !isLatency(key) && !FIRST_LIMITS.includes(key);
  fill(byId('limits'), elementsOf(isLatency), least?.element, elementsOf((key) => FIRST_LIMITS.includes(key))); // speed and accuracy first
  fill(byId('more-limits'), elementsOf(isFolded));
  foldedLimits = fields.map(([key]) => key).filter(isFolded);
  byId('more').open = foldedLimits.some((key) => state.limits[key]) || Object.keys(state.only).length > 0;
  fill(byId('facets'), facets.map(({ element }) => element));
  const axes = [
    chooser('accuracy', byId('choose-accuracy'), accuraciesOf(state.task).map(({ key, label }) => [key, label])),
    chooser('cost', byId('choose-cost'), costsOf(state.task).map((key) => [key, headerOf(BOARD.column(key))])),
    chooser('colour', byId('choose-colour'), [['', `${BOARD.column(DEFAULT_COLOUR).title} (default)`], ...colourChoices(), ['none', 'one colour']]),
    chooser('size', byId('choose-size'), [['', 'all the same'], ...costsOf(state.task).map((key) => [key, BOARD.column(key).title])]),
  ];
  budgetParts = { key: budgetKey(), shows: [...facets, ...limits, least, ...axes].filter(Boolean).map(({ show }) => show) };
}

const colourChoices = () => REPORT.facets.filter((key) => key !== DEFAULT_COLOUR && facetValues(key).length > 1)
  .map((key) => [key, BOARD.column(key).title]);

// The fields depend on the task, the metric and the latency column.
const budgetKey = () => `${state.task} ${state.accuracy} ${chosenLatency()}`;

export function showBudget() {
  if (budgetParts.key !== budgetKey()) buildBudget();
  for (const show of budgetParts.shows) show();
  if (byId('search').value !== state.search) byId('search').value = state.search;
  const set = foldedLimits.filter((key) => state.limits[key]).length + Object.keys(state.only).length;
  byId('more-set').textContent = set ? ` (${set} set)` : '';
  byId('only-frontier').checked = state.onlyFrontier;
  byId('only-frontier').disabled = !state.accuracy;
}

// A field for an upper limit on a cost: in the column's unit, or with a suffix, such as 0.6 or 600M.
function limitField(key) {
  const column = BOARD.column(key);
  const known = risingFigures(key, state.task);
  const range = rangeText(column, known);
  const unknown = taskRows(state.task).length - known.length;
  const note = unknown ? `${range}; ${formatCount(unknown)} unknown` : range;
  return amountField({
    id: `max-${key}`, sign: '≤', column, note, title: column.title,
    read: () => state.limits[key] ?? '',
    write: (typed) => setLimit(key, typed),
  });
}

// '0.27 to 2,598.76 M'.
const rangeText = (column, known) => withUnit(column, `${formatFigure(column, known[0])} to ${formatFigure(column, known.at(-1))}`);

function setLimit(key, typed) {
  const limits = { ...state.limits, [key]: typed };
  if (!typed) delete limits[key];
  change({ limits });
}

function leastField() {
  return amountField({
    id: 'least', sign: isLowBetter(state.accuracy) ? '≤' : '≥', column: BOARD.column(state.accuracy), note: null,
    title: isLowBetter(state.accuracy) ? 'Error' : 'Accuracy',
    read: () => state.least,
    write: (typed) => change({ least: typed }),
    describe: () => {
      const column = BOARD.column(state.accuracy);
      const known = risingFigures(state.accuracy, state.task);
      return `${column.title}: ${rangeText(column, known)}`;
    },
  });
}

function amountField({ id, sign, column, note, title, read, write, describe }) {
  const input = h('input', {
    id, type: 'text', inputmode: 'decimal', autocomplete: 'off', placeholder: 'any', 'aria-describedby': `${id}-note`,
    oninput: () => write(input.value.trim()),
  });
  const noteBox = h('span', { id: `${id}-note`, class: 'limit-note' });
  const element = h('div', { class: 'limit' },
    h('label', { for: id }, `${title} ${sign}`),
    h('span', { class: 'limit-box' }, input, h('span', { class: 'unit', 'aria-hidden': 'true' }, column.unit)), noteBox);
  function show() {
    const typed = read();
    if (document.activeElement !== input || input.value.trim() !== typed) input.value = typed;
    const isWrong = typed !== '' && Number.isNaN(parseAmount(typed, column));
    input.setAttribute('aria-invalid', String(isWrong));
    element.classList.toggle('is-set', typed !== '' && !isWrong);
    noteBox.textContent = isWrong ? `Write an amount: ${column.unit === 'ms' ? '10 or 10ms' : '0.6 or 600M'}` : describe?.() ?? note;
  }
  return { element, show };
}

function chooser(key, select, choices) {
  fill(select, choices.map(([value, label]) => h('option', { value }, label)));
  select.disabled = choices.length === 0;
  select.onchange = () => change(key === 'accuracy' ? { accuracy: select.value, least: '', sort: null } : { [key]: select.value });
  return { element: select, show: () => { select.value = key === 'colour' && state.colour === DEFAULT_COLOUR ? '' : state[key]; } };
}

export function resetBudget() {
  change({ search: '', limits: {}, least: '', only: {}, onlyFrontier: false });
}

// The line that counts the rows that fit.
export function showCounts() {
  const total = taskRows(state.task).length;
  const hasLimits = view.limits.length > 0;
  const parts = [
    h('strong', { id: 'count-fitting' }, formatCount(view.fitting)),
    hasLimits ? ` of ${formatCount(view.considered)} fit the limits` : ` of ${plural(total, 'row')} shown`,
  ];
  if (hasLimits && view.considered < total) parts.push(` (${formatCount(total - view.considered)} not considered)`);
  if (state.accuracy) {
    parts.push(' · ', h('strong', { id: 'count-frontier' }, formatCount(view.frontier.length)), ' on the frontier');
    if (view.withoutAccuracy) parts.push(h('span', { class: 'wide-only' }, ` · ${formatCount(view.withoutAccuracy)} without ${BOARD.column(state.accuracy).title}`));
  }
  fill(byId('counts'), parts);
  byId('reset').hidden = isSame([state.search, state.limits, state.least, state.only, state.onlyFrontier], ['', {}, '', {}, false]);
}
