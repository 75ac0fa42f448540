// The chart on the page: its points, colours and legend, and the two canvases it is drawn on. The upper one holds what follows
// the pointer, so that thousands of points need not be drawn again for it.

import { BOARD, isLowBetter, taskRows } from '../base/data.js';
import { byId, fill, h } from '../base/dom.js';
import { EXCLUDED, FITS, LEFT_OUT } from '../base/filters.js';
import { formatCount, headerOf, plural } from '../base/format.js';
import { colourKey, isSame, state } from '../base/state.js';
import { view } from '../base/view.js';
import { setOnly } from '../controls/menus.js';
import { isOnAxes } from '../table/cells.js';
import { MARGIN, MOST_COLOURS, drawPlot } from './draw.js';
import { canvasPen } from './pen.js';
import { setHome, startZoom, zoom } from './zoom.js';

export const chart = {
  base: h('canvas', {}), over: h('canvas', {}), size: { width: 0, height: 0 },
  key: null, theme: null, points: [], byRow: new Map(), lines: [], groups: [], considered: null, hover: null,
};

// Read once: reading a style after a change forces a layout of the page.
const PAGE_FONT = getComputedStyle(document.body).fontFamily;

export function readTheme() {
  const probe = document.body.appendChild(h('i', {}));
  const theme = themeOf((name) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  });
  probe.remove();
  return theme;
}

// The colours by name, for drawings that follow the style of the screen or of paper.
export const livingTheme = () => themeOf((name) => `var(--${name})`);

function themeOf(colour) {
  const theme = Object.fromEntries(['surface', 'ink', 'muted', 'line', 'faint', 'accent'].map((name) => [name, colour(name)]));
  const series = Array.from({ length: MOST_COLOURS }, (_, place) => colour(`series-${place + 1}`));
  return { ...theme, font: PAGE_FONT, series: [...series, colour('series-other')] };
}

// The most frequent values of the colour column, each with a colour of its own; the rest share the last one.
function colourGroups(rows) {
  const key = colourKey();
  if (key === 'none') return { groups: [{ label: 'all', value: null, count: rows.length, place: 0 }], groupOf: () => 0 };
  const counts = new Map();
  for (const row of rows) counts.set(BOARD.text(key, row), (counts.get(BOARD.text(key, row)) ?? 0) + 1);
  const ranked = [...counts].sort((a, b) => b[1] - a[1]);
  const named = ranked.slice(0, MOST_COLOURS);
  const groups = named.map(([value, count], place) => ({ label: value ?? 'not stated', value: value ?? '', count, place }));
  const places = new Map(named.map(([value], place) => [value, place]));
  const rest = ranked.slice(MOST_COLOURS).reduce((sum, [, count]) => sum + count, 0);
  if (rest) groups.push({ label: plural(ranked.length - MOST_COLOURS, 'other'), value: null, count: rest, place: MOST_COLOURS });
  return { groups, groupOf: (row) => places.get(BOARD.text(key, row)) ?? MOST_COLOURS };
}

export const figureIn = (key, row) => BOARD.figures(key)[row] / BOARD.column(key).scale;

function makePoints() {
  const rows = taskRows(state.task).filter((row) => isOnAxes(row) && BOARD.figures(state.cost)[row] > 0);
  const { groups, groupOf } = colourGroups(rows);
  chart.groups = groups;
  chart.points = rows.map((row) => {
    const third = state.size ? figureIn(state.size, row) : NaN;
    return { row, x: figureIn(state.cost, row), y: figureIn(state.accuracy, row), z: Number.isNaN(third) ? null : third, c: groupOf(row) };
  });
  chart.byRow = new Map(chart.points.map((point) => [point.row, point]));
  chart.lines = linesOf(chart.points);
}

// The points of the same weights at several input sizes, by rising cost.
export function linesOf(points) {
  const models = BOARD.codes('model');
  const lines = Map.groupBy(points, ({ row }) => models[row]);
  return [...lines.values()].filter((line) => line.length > 1).map((line) => line.sort((a, b) => a.x - b.x));
}

export function axisTitles() {
  const cost = BOARD.column(state.cost);
  return { x: `${headerOf({ ...cost, title: cost.longTitle ?? cost.title })}, logarithmic`, y: headerOf(BOARD.column(state.accuracy)) };
}

// Draws the chart of the present view.
export function drawChart() {
  byId('chart-area').hidden = !state.accuracy;
  byId('choosers').hidden = !state.accuracy;
  byId('no-accuracy').hidden = Boolean(state.accuracy);
  if (!state.accuracy || !state.cost) return;
  const key = JSON.stringify([state.task, state.accuracy, state.cost, colourKey(), state.size]);
  const isNew = key !== chart.key;
  if (isNew) {
    makePoints();
    chart.key = key;
  }
  const considered = JSON.stringify([key, state.search, state.only]); // limits leave the window as it is
  if (considered !== chart.considered) {
    chart.considered = considered;
    setHome(homeWindow(), { keep: !isNew });
  }
  if (isNew) showLegend();
  drawWindow();
}

// Draws the window that the chart is zoomed to.
function drawWindow() {
  if (!chart.key || !state.accuracy) return;
  chart.theme ??= readTheme();
  if (!chart.size.width) measureChart();
  const plot = shownPlot(plotArea(chart.size));
  drawPlot(cleanPen(chart.base, chart.size), plot);
  cleanPen(chart.over, chart.size);
  chart.hover = null;
  describeChart();
}

function measureChart() {
  const { clientWidth, clientHeight } = byId('chart');
  chart.size = { width: Math.max(240, clientWidth), height: Math.max(240, clientHeight) };
}

export const plotArea = ({ width, height }) => ({
  left: MARGIN.left, top: MARGIN.top, width: width - MARGIN.left - MARGIN.right, height: height - MARGIN.top - MARGIN.bottom,
});

// Where an event happened, as shares of the plot's width and height from its top left.
function shareOf(event) {
  const box = byId('chart').getBoundingClientRect();
  const { left, top, width, height } = plotArea(chart.size);
  return [(event.clientX - box.left - left) / width, (event.clientY - box.top - top) / height];
}

// A pen on an empty canvas of this size, as sharp as the screen.
export function cleanPen(canvas, { width, height }, scale = window.devicePixelRatio || 1) {
  const [across, down] = [Math.round(width * scale), Math.round(height * scale)];
  const context = canvas.getContext('2d');
  if (canvas.width !== across || canvas.height !== down) [canvas.width, canvas.height] = [across, down];
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, height);
  return canvasPen(context);
}

// The plot of the points that fit, in the colours of the screen unless another theme is given.
export function shownPlot(area, theme = chart.theme) {
  const point = (row) => chart.byRow.get(row);
  const isFitting = ({ row }) => view.marks[row] === FITS;
  const points = chart.points.filter(isFitting);
  return {
    area, window: zoom.now, theme, titles: axisTitles(), colours: theme.series, points,
    faded: view.limits.length ? chart.points.filter(({ row }) => view.marks[row] === LEFT_OUT) : [],
    joins: chart.lines.map((line) => line.filter(isFitting)).filter((line) => line.length > 1),
    frontier: view.frontier.map(point).filter(Boolean).map((p) => ({ ...p, name: BOARD.text('arch', p.row) ?? '' })),
    bounds: view.limits.filter(({ key }) => key === state.cost || key === state.accuracy)
      .map(({ key, column, bound }) => ({ axis: key === state.cost ? 'x' : 'y', value: bound / column.scale })),
    rings: [...state.compare, state.open].map(point).filter(Boolean),
    // Areas are relative to the largest model shown, or a budget would make all points tiny.
    biggest: state.size ? points.reduce((most, { z }) => Math.max(most, z ?? 0), 0) : 0,
  };
}

// The window with all considered points, except the worst hundredth.
function homeWindow() {
  const points = chart.points.filter(({ row }) => view.marks[row] !== EXCLUDED);
  if (!points.length) return { x0: 0.1, x1: 10, y0: 0, y1: 100 };
  const x = Float64Array.from(points, (point) => point.x).sort();
  const y = Float64Array.from(points, (point) => point.y).sort();
  const cut = Math.floor(y.length / 100);
  const [low, high] = isLowBetter(state.accuracy) ? [y[0], y[y.length - 1 - cut]] : [y[cut], y.at(-1)];
  const pad = Math.max((high - low) * 0.06, Math.abs(high) * 0.003, 1e-6);
  return { x0: x[0] / 1.25, x1: x.at(-1) * 1.3, y0: low - pad, y1: high + pad };
}

function describeChart() {
  const shown = chart.points.filter(({ row }) => view.marks[row] === FITS);
  const { x0, x1, y0, y1 } = zoom.now;
  const outside = shown.filter(({ x, y }) => x < x0 || x > x1 || y < y0 || y > y1).length;
  const them = outside === 1 ? 'it' : 'them';
  byId('chart-note').textContent = outside ? `${plural(outside, 'point lies', 'points lie')} outside this window; zoom out to see ${them}.` : '';
  byId('chart').setAttribute('aria-label', `Chart of ${BOARD.column(state.accuracy).title} against ${BOARD.column(state.cost).title}: `
    + `${plural(shown.length, 'point')} shown, ${formatCount(view.frontier.length)} on the frontier, which is listed beside it. Plus, minus, 0 and the arrow keys zoom and move.`);
}

function showLegend() {
  const key = colourKey();
  const items = chart.groups.map(({ label, value, place, count }) => {
    const content = [h('span', { class: 'swatch', style: { background: livingTheme().series[place] }, 'aria-hidden': 'true' }), h('bdi', { class: 'clip' }, label), h('span', { class: 'count' }, formatCount(count))];
    if (value === null) return h('span', { class: 'legend-item' }, content);
    const isOn = isSame(state.only[key], [value]);
    return h('button', {
      type: 'button', class: 'legend-item', 'aria-pressed': String(isOn), title: isOn ? 'Show all again' : `Show only ${label}`,
      onclick: () => setOnly(key, isSame(state.only[key], [value]) ? [] : [value]),
    }, content);
  });
  fill(byId('legend'), items.length > 1 ? items : []);
}

export function startChart() {
  const box = byId('chart');
  box.append(chart.base, chart.over);
  startZoom(box, { redraw: drawWindow, shareOf });
  new ResizeObserver(() => {
    if (!box.clientWidth || (box.clientWidth === chart.size.width && box.clientHeight === chart.size.height)) return;
    measureChart();
    drawWindow();
  }).observe(box);
  document.documentElement.addEventListener('themechange', () => {
    chart.theme = null;
    measureChart();
    drawWindow();
  });
}
