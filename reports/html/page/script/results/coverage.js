// What is not exact, and which published results found no model. Lists are made when they are first opened.

import { BOARD, REPORT, openTable } from '../base/data.js';
import { byId, fill, h } from '../base/dom.js';
import { formatCount } from '../base/format.js';
import { STATUS_CLASS } from '../table/cells.js';

const MOST_NAMED = 300;

// Rows with the same status and reason stand together, the largest group first.
function groupsOf(source, groupKeys, nameOf) {
  const groups = new Map();
  for (let row = 0; row < source.rows; row += 1) {
    const values = groupKeys.map((key) => source.text(key, row) ?? '');
    const id = values.join('\u0000');
    if (!groups.has(id)) groups.set(id, { values, names: [] });
    groups.get(id).names.push(nameOf(row));
  }
  return [...groups.values()].sort((a, b) => b.names.length - a.names.length);
}

function coverageGroups() {
  const source = openTable(REPORT.coverage);
  const name = (row) => [`${source.shown('zoo', row)}/${source.shown('arch', row)}`, source.text('input', row)].filter(Boolean).join(' at ');
  const groups = groupsOf(source, ['status', 'reason'], name);
  return groups.sort((a, b) => (b.values[0] === 'failed') - (a.values[0] === 'failed'));
}

function unmatchedGroups() {
  const source = openTable(REPORT.unmatched);
  const name = (row) => [source.shown('name', row), source.text('input', row)].filter(Boolean).join(' at ');
  return groupsOf(source, ['source', 'reason'], name);
}

function groupElement({ values: [first, reason], names }, className) {
  const body = h('div', { class: 'group-names', tabindex: '0', role: 'region', 'aria-label': `Models: ${reason || first}` });
  const details = h('details', { class: 'group' }, h('summary', {},
    h('span', { class: `status ${className ?? ''}` }, first), h('span', { class: 'group-reason' }, h('bdi', {}, reason || 'no reason given')),
    h('span', { class: 'count' }, formatCount(names.length))), body);
  details.addEventListener('toggle', () => {
    if (body.childElementCount) return;
    fill(body, h('ul', {}, names.slice(0, MOST_NAMED).map((name) => h('li', {}, h('bdi', {}, name)))),
      names.length > MOST_NAMED && h('p', {}, `and ${formatCount(names.length - MOST_NAMED)} more`));
  });
  return details;
}

// A size that an architecture cannot take is a fact about it, not a fault.
const UNFIT = 'input: ';
const coverageElement = ({ values: [status, reason], names }) => (status === 'failed' && reason.startsWith(UNFIT)
  ? groupElement({ values: ['input does not fit', reason.slice(UNFIT.length)], names }) : groupElement({ values: [status, reason], names }, STATUS_CLASS[status]));

export function showCoverage() {
  const failed = coverageGroups();
  fill(byId('coverage-list'), failed.length ? failed.map(coverageElement)
    : h('p', { class: 'empty' }, BOARD.rows ? 'Every architecture was counted exactly.' : 'Nothing was counted.'));
  const unmatched = unmatchedGroups();
  fill(byId('unmatched-list'), unmatched.length ? unmatched.map((group) => groupElement(group))
    : h('p', { class: 'empty' }, 'None.'));
}
