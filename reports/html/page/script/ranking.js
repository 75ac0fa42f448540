// The frontier as a list beside the chart: the answer to "which model should I use", and the chart's text alternative.

function showRanking() {
  byId('frontier-count').textContent = formatCount(view.frontier.length);
  const [cost, accuracy] = [BOARD.column(state.cost), BOARD.column(state.accuracy)];
  if (!state.accuracy || !state.cost) return;
  const headers = ['Model', headerOf(accuracy), 'Gain', headerOf(cost)];
  const head = h('thead', {}, h('tr', {}, headers.map((text, place) => h('th', { scope: 'col', class: place ? 'figure' : null }, text))));
  let previous = null;
  const rows = view.frontier.map((row) => {
    const gain = previous === null ? '' : signed(figureIn(state.accuracy, row) - figureIn(state.accuracy, previous), accuracy.digits);
    previous = row;
    return h('tr', {},
      h('th', { scope: 'row' }, stackedButton(row)),
      h('td', { class: 'figure' }, BOARD.shown(state.accuracy, row)), h('td', { class: 'figure set-back' }, gain),
      h('td', { class: 'figure' }, BOARD.shown(state.cost, row)));
  });
  fill(byId('frontier-list'), rows.length ? h('table', { class: 'plain', 'aria-label': 'Frontier by rising cost' }, head, h('tbody', {}, rows))
    : h('p', { class: 'empty' }, 'No model with an accuracy fits.'));
}

// The same in two lines, for narrow places: the architecture, and under it its input and weights.
function stackedButton(row) {
  const { name, before, main, after } = modelParts(row);
  return h('button', { type: 'button', class: 'open stacked', title: name, onclick: () => change({ open: row }) },
    h('bdi', {}, h('span', { class: 'set-back' }, before), main),
    h('small', { class: 'set-back' }, h('bdi', {}, [BOARD.shown('input', row), after.slice(1)].filter(Boolean).join(' · '))));
}

// A model's name that opens it.
function openButton(row) {
  const { name, before, main, after } = modelParts(row);
  return h('button', { type: 'button', class: 'open', title: name, onclick: () => change({ open: row }) },
    h('bdi', {}, h('span', { class: 'set-back' }, before), main, h('span', { class: 'set-back' }, after)));
}
