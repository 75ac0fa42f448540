// The chart on the page: feeds Vega, finds the point under the pointer, draws the legend and makes pictures.

const chart = { view: null, key: null, points: [], byRow: new Map(), groups: [], considered: null, hover: null, queue: Promise.resolve(), wanted: 0 };

// Read once: asking for a style after a change makes the browser lay out the page at once.
const PAGE_FONT = getComputedStyle(document.body).fontFamily;
const cssColour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function readTheme() {
  const theme = Object.fromEntries(['surface', 'ink', 'muted', 'line', 'faint', 'accent'].map((name) => [name, cssColour(`--${name}`)]));
  theme.font = PAGE_FONT;
  theme.series = Array.from({ length: MOST_COLOURS }, (_, place) => cssColour(`--series-${place + 1}`));
  theme.other = cssColour('--series-other');
  return theme;
}

// The most frequent values of the colour column, each with a colour; the rest share one.
function colourGroups(rows, theme) {
  const key = colourKey();
  if (key === 'none') return { groups: [{ label: 'all', value: null, colour: theme.series[0], count: rows.length }], groupOf: () => 0 };
  const counts = new Map();
  for (const row of rows) counts.set(BOARD.text(key, row), (counts.get(BOARD.text(key, row)) ?? 0) + 1);
  const ranked = [...counts].sort((a, b) => b[1] - a[1]);
  const named = ranked.length > MOST_COLOURS ? ranked.slice(0, MOST_COLOURS) : ranked;
  const groups = named.map(([value, count], place) => ({ label: value ?? 'not stated', value: value ?? '', colour: theme.series[place], count }));
  const places = new Map(named.map(([value], place) => [value, place]));
  const rest = ranked.slice(named.length).reduce((sum, [, count]) => sum + count, 0);
  if (rest) groups.push({ label: plural(ranked.length - named.length, 'other'), value: null, colour: theme.other, count: rest });
  return { groups, groupOf: (row) => places.get(BOARD.text(key, row)) ?? named.length };
}

const figureIn = (key, row) => BOARD.figures(key)[row] / BOARD.column(key).scale;

function makePoints() {
  const rows = taskRows(state.task).filter((row) => isOnAxes(row) && BOARD.figures(state.cost)[row] > 0);
  const { groups, groupOf } = colourGroups(rows, readTheme());
  chart.groups = groups;
  chart.points = rows.map((row) => {
    const third = state.size ? figureIn(state.size, row) : NaN;
    return { row, x: figureIn(state.cost, row), y: figureIn(state.accuracy, row), z: Number.isNaN(third) ? null : third, c: groupOf(row), s: view.marks[row] };
  });
  chart.byRow = new Map(chart.points.map((point) => [point.row, point]));
}

const axisTitle = (key, extra) => `${headerOf(BOARD.column(key))}${extra}`;
const axisTitles = () => ({ x: axisTitle(state.cost, ', logarithmic'), y: axisTitle(state.accuracy, '') });

// Asks for the chart to follow the view; calls that come while one is drawn are answered together by the next.
function drawChart() {
  const ticket = (chart.wanted += 1);
  chart.queue = chart.queue.then(() => (ticket === chart.wanted ? followView() : null)).catch((error) => console.error(error));
  return chart.queue;
}

async function followView() {
  const hasChart = Boolean(state.accuracy && state.cost && window.vegaEmbed);
  byId('chart-area').hidden = !state.accuracy;
  byId('choosers').hidden = !state.accuracy;
  byId('no-accuracy').hidden = Boolean(state.accuracy);
  if (!hasChart) return;
  const key = JSON.stringify([state.task, state.accuracy, state.cost, colourKey(), state.size, document.documentElement.classList.contains('dark')]);
  const isNew = key !== chart.key;
  if (isNew) { makePoints(); chart.key = key; showLegend(); }
  if (!chart.view) await embedChart();
  const { view: vega } = chart;
  if (isNew) {
    vega.data('points', chart.points).signal('palette', chart.groups.map(({ colour }) => colour));
  } else {
    vega.change('points', vega.changeset().modify((point) => point.s !== view.marks[point.row], 's', (point) => view.marks[point.row]));
  }
  const considered = JSON.stringify([key, state.search, state.only]); // limits leave the window as it is
  if (considered !== chart.considered) {
    chart.considered = considered;
    setHome(homeWindow(), { keep: !isNew });
  }
  vega.signal('biggest', biggestShown());
  feedOverlays(vega);
  applyWindow(vega);
  await vega.runAsync();
  describeChart();
}

// Areas are relative to the largest model shown, or a budget would make all points tiny.
const biggestShown = () => (state.size ? chart.points.reduce((most, { row, z }) => (view.marks[row] === FITS ? Math.max(most, z ?? 0) : most), 0) : 0);

const frontierPoints = () => view.frontier.map((row) => chart.byRow.get(row)).filter(Boolean)
  .map((point) => ({ ...point, name: BOARD.text('arch', point.row) ?? '' }));

// Everything but the points: small enough to be replaced at each change.
function feedOverlays(vega) {
  const point = (row) => chart.byRow.get(row);
  vega.data('frontier', frontierPoints());
  vega.data('picked', [...state.compare, state.open].map(point).filter(Boolean).map((p) => ({ ...p })));
  vega.data('bounds', view.limits.filter(({ key }) => key === state.cost || key === state.accuracy)
    .map(({ key, column, bound }) => ({ axis: key === state.cost ? 'x' : 'y', value: bound / column.scale })));
  vega.data('hover', []).data('trace', []);
  chart.hover = null;
}

async function embedChart() {
  const box = byId('chart');
  const theme = readTheme();
  const spec = chartSpec({ theme, colours: chart.groups.map(({ colour }) => colour), titles: axisTitles(), ...chartSize() });
  const options = { ast: true, mode: 'vega', actions: false, defaultStyle: false, tooltip: false, hover: false, renderer: 'canvas' };
  chart.view = (await window.vegaEmbed(box, spec, options)).view;
}

function chartSize() {
  const { clientWidth, clientHeight } = byId('chart');
  return { width: Math.max(160, clientWidth - MARGIN.left - MARGIN.right), height: Math.max(160, clientHeight - MARGIN.top - MARGIN.bottom) };
}

// The window that holds every considered point, but for the least accurate hundredth where it lies far below.
function homeWindow() {
  const points = chart.points.filter(({ row }) => view.marks[row] !== EXCLUDED);
  if (!points.length) return { x0: 0.1, x1: 10, y0: 0, y1: 100 };
  const x = points.map((point) => point.x).sort((a, b) => a - b);
  const y = points.map((point) => point.y).sort((a, b) => a - b);
  const [low, high] = [y[Math.floor(y.length / 100)], y.at(-1)];
  const pad = Math.max((high - low) * 0.06, 0.3);
  return { x0: x[0] / 1.25, x1: x.at(-1) * 1.3, y0: low - pad, y1: high + pad };
}

function applyWindow(vega) {
  const { x0, x1, y0, y1 } = zoom.now;
  const titles = axisTitles();
  vega.data('labels', placeLabels(frontierPoints(), zoom.now, { width: vega.width(), height: vega.height(), font: PAGE_FONT }));
  vega.signal('x0', x0).signal('x1', x1).signal('y0', y0).signal('y1', y1).signal('xTicks', logTicks(x0, x1)).signal('xTitle', titles.x).signal('yTitle', titles.y);
}

async function drawWindow() {
  if (!chart.view) return;
  applyWindow(chart.view);
  await chart.view.runAsync();
  describeChart();
}

function describeChart() {
  const shown = chart.points.filter(({ row }) => view.marks[row] === FITS);
  const { x0, x1, y0, y1 } = zoom.now;
  const outside = shown.filter(({ x, y }) => x < x0 || x > x1 || y < y0 || y > y1).length;
  const them = outside === 1 ? 'it' : 'them';
  byId('chart-note').textContent = outside ? `${plural(outside, 'point lies', 'points lie')} outside this window; zoom out to see ${them}.` : '';
  byId('chart').setAttribute('aria-label', `Chart of ${BOARD.column(state.accuracy).title} against ${BOARD.column(state.cost).title}: `
    + `${plural(shown.length, 'model')} shown, ${formatCount(view.frontier.length)} on the frontier, which is listed beside it. Plus, minus, 0 and the arrow keys zoom and move.`);
}

function showLegend() {
  const key = colourKey();
  const items = chart.groups.map(({ label, value, colour, count }) => {
    const swatch = h('span', { class: 'swatch', 'aria-hidden': 'true' });
    swatch.style.setProperty('background', colour);
    const content = [swatch, h('bdi', { class: 'clip' }, label), h('span', { class: 'count' }, formatCount(count))];
    if (value === null) return h('span', { class: 'legend-item' }, content);
    const isOn = isSame(state.only[key], [value]);
    return h('button', {
      type: 'button', class: 'legend-item', 'aria-pressed': String(isOn), title: isOn ? 'Show all again' : `Show only ${label}`,
      onclick: () => setOnly(key, isSame(state.only[key], [value]) ? [] : [value]),
    }, content);
  });
  fill(byId('legend'), items.length > 1 ? items : []);
}

function shareOf(event) {
  const box = byId('chart').getBoundingClientRect();
  const { width, height } = chartSize();
  return [(event.clientX - box.left - MARGIN.left) / width, (event.clientY - box.top - MARGIN.top) / height];
}

// The nearest fitting point within reach of the pointer.
function pointAt(event) {
  if (!chart.view) return null;
  const box = byId('chart').getBoundingClientRect();
  const [scaleX, scaleY] = [chart.view.scale('x'), chart.view.scale('y')];
  const [px, py] = [event.clientX - box.left - MARGIN.left, event.clientY - box.top - MARGIN.top];
  let [best, reach] = [null, 18 ** 2];
  for (const point of chart.points) {
    if (view.marks[point.row] !== FITS) continue;
    let distance = (scaleX(point.x) - px) ** 2 + (scaleY(point.y) - py) ** 2;
    if (view.isFrontier[point.row]) distance *= 0.6; // drawn on top and larger
    if (distance < reach) [best, reach] = [point, distance];
  }
  return best;
}

function hoverPoint(event) {
  const point = pointAt(event);
  byId('chart').classList.toggle('is-on-point', Boolean(point));
  if (point) showHint(pointCard(point.row), { left: event.clientX, top: event.clientY });
  else hideHint();
  if (point === chart.hover || !chart.view) return;
  chart.hover = point;
  const models = BOARD.codes('model');
  const trace = point ? chart.points.filter(({ row }) => models[row] === models[point.row]).sort((a, b) => a.x - b.x) : [];
  chart.view.data('hover', point ? [{ ...point }] : []).data('trace', trace.length > 1 ? trace.map((p) => ({ ...p })) : []);
  chart.view.runAsync();
}

function pointCard(row) {
  const keys = [...new Set([state.accuracy, state.cost, ...limitsOf(state.task).slice(0, 4), state.size, 'input', 'family', 'status'])].filter(Boolean);
  const facts = keys.map((key) => [h('dt', {}, BOARD.column(key).title), h('dd', {}, withUnit(BOARD.column(key), BOARD.shown(key, row)))]);
  return [h('strong', {}, modelName(row)), view.isFrontier[row] && h('p', { class: 'origin' }, 'On the frontier'), h('dl', { class: 'facts' }, facts.flat())];
}

function startChart() {
  const box = byId('chart');
  startZoom(box, shareOf);
  box.addEventListener('pointermove', (event) => { if (!box.classList.contains('is-dragged')) hoverPoint(event); });
  box.addEventListener('pointerleave', hoverPoint);
  box.addEventListener('click', (event) => {
    const point = box.classList.contains('is-dragged') ? null : pointAt(event);
    if (point) change({ open: point.row });
  });
  new ResizeObserver(() => {
    if (!chart.view || !box.clientWidth) return;
    const { width, height } = chartSize();
    chart.view.width(width).height(height);
    drawWindow();
  }).observe(box);
  document.documentElement.addEventListener('themechange', () => { dropChart(); drawChart(); });
  window.addEventListener('vega-ready', drawChart);
  byId('save-png').addEventListener('click', () => savePicture('png'));
  byId('save-svg').addEventListener('click', () => savePicture('svg'));
}

// Colours are part of the specification, so another theme needs another chart.
function dropChart() {
  chart.view?.finalize();
  chart.view = null;
  chart.key = null;
  chart.considered = null;
}
