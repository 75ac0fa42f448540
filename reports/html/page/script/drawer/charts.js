// The drawer's charts: costs by input size, costs by operation and stage, and the weights against the frontier.

import { BOARD, REPORT, areaOf, limitsOf, unflatten } from '../base/data.js';
import { byId, fill, h } from '../base/dom.js';
import { formatFixed, headerOf, plural } from '../base/format.js';
import { state } from '../base/state.js';
import { figureCell, head, plainTable, scrollBox } from '../base/tables.js';
import { view } from '../base/view.js';
import { axisTitles, chart, cleanPen, figureIn, linesOf, plotArea, readTheme } from '../chart/chart.js';
import { drawPlot } from '../chart/draw.js';
import { labelWidth } from '../chart/labels.js';
import { isOnAxes } from '../table/cells.js';

const MINI = { width: 250, height: 118, left: 8, right: 8, top: 26, bottom: 20 };

// One small chart for each cost that changes with the input's size.
export function drawGrowth(rows, current) {
  const isAlike = (row) => ['classes', 'variant'].every((key) => BOARD.exact(key, row) === BOARD.exact(key, current));
  const known = rows.filter((row) => isAlike(row) && !Number.isNaN(BOARD.figures(state.cost)[row]) && BOARD.text('input', row)?.includes('x'));
  const sides = new Map(known.map((row) => [sideOf(row), row]));
  const places = [...sides].sort(([a], [b]) => a - b);
  const keys = limitsOf(state.task).filter((key) => key !== 'file_bytes' && new Set(places.map(([, row]) => BOARD.exact(key, row))).size > 1);
  fill(byId('growth-charts'), places.length < 2 ? [] : keys.map((key) => growthChart(BOARD.column(key),
    places.map(([side, row]) => ({ side, value: BOARD.figures(key)[row], text: BOARD.shown(key, row) })))));
}

// The side of a square with as many pixels.
const sideOf = (row) => Math.round(Math.sqrt(areaOf(BOARD.text('input', row)) / Number(BOARD.text('input', row).split('x')[0])));

function growthChart(column, points) {
  const canvas = h('canvas', { role: 'img', 'aria-label': `${headerOf(column)} by side of the input: ${points.map(({ side, text }) => `${text} at ${side}`).join(', ')}.` });
  const pen = cleanPen(canvas, MINI);
  chart.theme ??= readTheme();
  const { theme } = chart;
  const most = points.at(-1).value > 0 ? Math.max(...points.map(({ value }) => value)) : 1;
  const [first, last] = [points[0].side, points.at(-1).side];
  const [width, height] = [MINI.width - MINI.left - MINI.right, MINI.height - MINI.top - MINI.bottom];
  const at = points.map(({ side, value }) => [MINI.left + 24 + ((width - 48) * (side - first)) / (last - first), MINI.top + 14 + (height - 14) * (1 - value / most)]);
  const base = MINI.top + height;
  const text = { font: theme.font, fill: theme.muted, size: 11 };
  pen.text(MINI.left, 14, headerOf(column), { ...text, fill: theme.ink, size: 12, weight: 600 });
  pen.lines([[[MINI.left, base], [MINI.left + width, base]]], { stroke: theme.line });
  pen.lines([at], { stroke: theme.accent, width: 2 });
  let free = -Infinity;
  points.forEach(({ side, text: figure }, place) => {
    const [x, y] = at[place];
    pen.dot(x, y, 3, { fill: theme.accent });
    const half = Math.max(labelWidth(figure, theme.font), labelWidth(String(side), theme.font)) / 2;
    const isLast = place === points.length - 1;
    if (x - half < free || (!isLast && x + half > at.at(-1)[0] - 24)) return; // the last one is always written
    pen.text(x, y - 7, figure, { ...text, fill: theme.ink, align: 'center' });
    pen.text(x, base + 14, String(side), { ...text, align: 'center' });
    free = x + half + 6;
  });
  return h('figure', { class: 'mini-chart' }, canvas);
}

const OPERATION_NAMES = {
  conv: 'convolution', linear: 'linear', matmul: 'matrix product', attention: 'attention', recurrent: 'recurrent', norm: 'normalisation',
  softmax: 'softmax', elementwise: 'element by element', pool: 'pooling', reduce: 'reduction', resample: 'resampling', fourier: 'Fourier transform',
  sort: 'sorting', copy: 'copying', compare: 'comparison', create: 'new tensors',
};

// MACs and memory traffic by class of operation and by stage of the network, where the report holds them.
export function breakdownSection(zoo, arch) {
  const { words, models } = REPORT.breakdown;
  if (!models[`${zoo}/${arch}`]) return null;
  const [input, operations, stages] = models[`${zoo}/${arch}`];
  const partsOf = (flat) => unflatten(flat, 3).map(([place, macs, bytes]) => ({ name: words[place], macs: macs * 1e6, bytes: bytes * 1e6 }));
  return [
    h('h3', {}, 'Cost by operation and stage, at ', h('bdi', {}, input)),
    h('div', { class: 'two-columns breakdown' },
      partsTable('Class of operation', partsOf(operations), (name) => (Object.hasOwn(OPERATION_NAMES, name) ? OPERATION_NAMES[name] : name)),
      partsTable('Stage', partsOf(stages), (name) => name)),
    h('p', { class: 'note' }, 'Traffic: bytes that each operation reads and writes, in float32.'),
  ];
}

function partsTable(title, parts, nameOf) {
  const [allMacs, allBytes] = ['macs', 'bytes'].map((key) => parts.reduce((sum, part) => sum + part[key], 0));
  const cell = (value, all) => {
    const share = all ? value / all : 0;
    return h('td', { class: 'figure has-bar', title: formatSize(value), style: { '--bar-share': share } }, value ? formatShare(share) : '–');
  };
  const rows = parts.map(({ name, macs, bytes }) => h('tr', {}, h('th', { scope: 'row' }, h('bdi', {}, nameOf(name))), cell(macs, allMacs), cell(bytes, allBytes)));
  const foot = h('tfoot', {}, h('tr', {}, h('th', { scope: 'row' }, 'all'), figureCell(formatSize(allMacs)), figureCell(`${formatSize(allBytes)}B`)));
  return scrollBox(title, plainTable({ class: 'parts', 'aria-label': `Cost by ${title.toLowerCase()}` }, [title, 'MACs', 'Traffic'].map(head), rows, foot));
}

const formatShare = (share) => (share < 0.001 ? '< 0.1 %' : `${formatFixed(share * 100, 1)} %`);

// 4.09 G, 118 M: three digits and a power of a thousand.
function formatSize(value) {
  const [scale, prefix] = [[1e12, 'T'], [1e9, 'G'], [1e6, 'M'], [1e3, 'k'], [1, '']].find(([size]) => value >= size) ?? [1, ''];
  return `${Number((value / scale).toPrecision(3))} ${prefix}`;
}

// The architecture's own rows against the frontier of the rows that fit.
export function drawAgainstFrontier(row, rows) {
  const box = byId('small-chart');
  const own = state.accuracy ? rows.filter((other) => BOARD.text('task', other) === state.task && isOnAxes(other)) : [];
  byId('small-chart-title').hidden = !own.length;
  if (!own.length) return;
  chart.theme ??= readTheme();
  const point = (at, c) => ({ row: at, x: figureIn(state.cost, at), y: figureIn(state.accuracy, at), z: null, c });
  const points = own.map((at) => point(at, 0));
  const frontier = view.frontier.map((at) => ({ ...point(at, own.includes(at) ? 0 : 1), name: '' }));
  const [x, y] = ['x', 'y'].map((axis) => [...points, ...frontier].map((at) => at[axis]).sort((a, b) => a - b));
  const pad = Math.max((y.at(-1) - y[0]) * 0.08, 1e-3);
  const canvas = h('canvas', { role: 'img', 'aria-label': `${plural(points.length, 'row')} of this architecture beside the frontier; the figures are in the tables.` });
  fill(box, canvas);
  const size = { width: Math.max(240, box.clientWidth), height: 250 };
  drawPlot(cleanPen(canvas, size), {
    area: plotArea(size), window: { x0: x[0] / 1.4, x1: x.at(-1) * 1.4, y0: y[0] - pad, y1: y.at(-1) + pad }, theme: chart.theme, titles: axisTitles(),
    colours: [chart.theme.accent, chart.theme.surface], points, faded: [], joins: linesOf(points), frontier, bounds: [], biggest: 0,
    rings: isOnAxes(row) ? [point(row, 0)] : [],
  });
}
