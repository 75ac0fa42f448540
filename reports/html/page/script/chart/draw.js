// The chart as a drawing: points on a logarithmic cost axis, the frontier as a staircase with names.
//
// A plot is {area, window, theme, titles, points, faded, joins, frontier, bounds, rings, colours, biggest}: `area` in pixels,
// `window` the figures at its edges; points are {x, y, z, c} with `c` a place in `colours` and `z` a third quantity or null.

import { LABEL_FONT, LABEL_HEIGHT, labelWidth, placeLabels } from './labels.js';

export const MOST_COLOURS = 8;
export const MARGIN = { left: 54, right: 18, top: 14, bottom: 46 };
const AXIS_TEXT = 11.5;
const POINT_RADIUS = { plain: 3.2, narrow: 2.3, faded: 2.2, least: 2.1, most: 11 };

export function drawPlot(pen, plot) {
  const at = placesOf(plot);
  drawAxes(pen, plot, at);
  pen.inside(plot.area, () => {
    drawBounds(pen, plot, at);
    if (plot.joins.length) pen.lines(plot.joins.map((points) => points.map((p) => [at.x(p.x), at.y(p.y)])), { stroke: plot.theme.muted, opacity: 0.4 });
    for (const { x, y } of plot.faded) pen.dot(at.x(x), at.y(y), POINT_RADIUS.faded, { fill: plot.theme.faint, opacity: 0.5 });
    const radiusOf = radii(plot);
    for (const point of plot.points) pen.dot(at.x(point.x), at.y(point.y), radiusOf(point), { fill: plot.colours[point.c], opacity: 0.6 });
    drawFrontier(pen, plot, at);
    for (const { x, y } of plot.rings) pen.dot(at.x(x), at.y(y), 6.5, { stroke: plot.theme.accent, width: 2.5 });
  });
}

// From figures to pixels.
export function placesOf({ area, window: { x0, x1, y0, y1 } }) {
  const perX = area.width / Math.log(x1 / x0);
  const perY = area.height / (y1 - y0);
  return { x: (x) => area.left + perX * Math.log(x / x0), y: (y) => area.top + perY * (y1 - y) };
}

// The area of a point is proportional to the third quantity.
function radii({ area, biggest }) {
  const { plain, narrow, least, most } = POINT_RADIUS;
  if (!(biggest > 0)) return () => (area.width < 480 ? narrow : plain);
  return ({ z }) => Math.sqrt(least ** 2 + (most ** 2 - least ** 2) * Math.min(1, (z ?? 0) / biggest));
}

function drawAxes(pen, { area, window: { x0, x1, y0, y1 }, theme, titles }, at) {
  const [bottom, right] = [area.top + area.height, area.left + area.width];
  const xTicks = logTicks(x0, x1);
  const yTicks = linearTicks(y0, y1);
  const grid = [...xTicks.map((tick) => [[at.x(tick), area.top], [at.x(tick), bottom + 4]]), ...yTicks.map((tick) => [[area.left - 4, at.y(tick)], [right, at.y(tick)]])];
  pen.lines(grid, { stroke: theme.line, opacity: 0.7 });
  pen.box(area.left, area.top, area.width, area.height, { stroke: theme.line });
  const text = { font: theme.font, fill: theme.muted, size: AXIS_TEXT };
  let free = -Infinity;
  for (const tick of xTicks) {
    const half = labelWidth(formatTick(tick), theme.font) / 2;
    if (at.x(tick) - half < free) continue;
    pen.text(at.x(tick), bottom + 17, formatTick(tick), { ...text, align: 'center' });
    free = at.x(tick) + half + 5;
  }
  for (const tick of yTicks) pen.text(area.left - 8, at.y(tick) + 4, formatTick(tick), { ...text, align: 'right' });
  const title = { font: theme.font, fill: theme.ink, size: 12.5, weight: 600, align: 'center' };
  pen.text(area.left + area.width / 2, bottom + 37, titles.x, title);
  pen.text(area.left - 41, area.top + area.height / 2, titles.y, { ...title, turned: true });
}

// The limits that lie on the chart's own axes.
function drawBounds(pen, { area, bounds, theme }, at) {
  const paths = bounds.map(({ axis, value }) => (axis === 'x'
    ? [[at.x(value), area.top], [at.x(value), area.top + area.height]] : [[area.left, at.y(value)], [area.left + area.width, at.y(value)]]));
  pen.lines(paths, { stroke: theme.accent, width: 1.5, dash: [6, 4] });
}

function drawFrontier(pen, { area, window, frontier, bounds, colours, theme }, at) {
  const labels = placeLabels(frontier.map(({ x, y, name }) => ({ x: at.x(x), y: at.y(y), name })), area, theme.font);
  for (const { left, right, base, name } of labels) {
    pen.box(left - 2, base - 10, right - left + 4, LABEL_HEIGHT, { fill: theme.surface, opacity: 0.75 }); // readable over points
    pen.text(right, base, name, { ...LABEL_FONT, font: theme.font, fill: theme.ink, align: 'right' });
  }
  const steps = frontier.flatMap(({ x, y }, place) => (place ? [[at.x(x), at.y(frontier[place - 1].y)], [at.x(x), at.y(y)]] : [[at.x(x), at.y(y)]]));
  const end = bounds.reduce((least, { axis, value }) => (axis === 'x' ? Math.min(least, value) : least), window.x1);
  if (!steps.length) return;
  steps.push([at.x(end), steps.at(-1)[1]]); // what a larger budget still gets
  pen.lines([steps], { stroke: theme.ink, width: 1.6, opacity: 0.85 });
  for (const { x, y, c } of frontier) pen.dot(at.x(x), at.y(y), 4, { fill: colours[c], stroke: theme.ink, width: 1.5 });
}

// 1, 2, 5, 10, … within the domain; powers of ten alone over more than three decades.
function logTicks(low, high) {
  const ticks = roundSteps(low, high, Math.log10(high / low) > 3.2 ? [1] : [1, 2, 5]);
  return ticks.length >= 2 ? ticks : [low, Math.sqrt(low * high), high].map((tick) => Number(tick.toPrecision(3)));
}

// `steps` times every power of ten, within the domain.
export function roundSteps(low, high, steps) {
  const ticks = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += 1) {
    for (const step of steps) {
      const tick = Number(`${step}e${power}`);
      if (tick >= low && tick <= high) ticks.push(tick);
    }
  }
  return ticks;
}

// About eight round figures within the domain.
function linearTicks(low, high) {
  const rough = (high - low) / 8;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((times) => times * power >= rough);
  const ticks = [];
  for (let place = Math.ceil(low / step); place * step <= high; place += 1) ticks.push(Number((place * step).toPrecision(12)));
  return ticks;
}

const tickFormat = new Intl.NumberFormat('en-US', { maximumSignificantDigits: 6 });
export const formatTick = (tick) => tickFormat.format(tick);
