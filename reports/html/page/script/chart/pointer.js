// The point under the pointer: hovering shows its facts, a click opens its model.

import { BOARD, limitsOf } from '../base/data.js';
import { latencyNote } from '../base/devices.js';
import { byId, h } from '../base/dom.js';
import { FITS } from '../base/filters.js';
import { withUnit } from '../base/format.js';
import { state } from '../base/state.js';
import { change, view } from '../base/view.js';
import { hideHint, showHint } from '../controls/tooltip.js';
import { chart, cleanPen, plotArea } from './chart.js';
import { placesOf } from './draw.js';
import { zoom } from './zoom.js';

const REACH = 18; // pixels

function pointAt(event) {
  if (!chart.key || !state.accuracy) return null;
  const box = byId('chart').getBoundingClientRect();
  const at = placesOf({ area: plotArea(chart.size), window: zoom.now });
  const [px, py] = [event.clientX - box.left, event.clientY - box.top];
  let [best, reach] = [null, REACH ** 2];
  for (const point of chart.points) {
    if (view.marks[point.row] !== FITS) continue;
    let distance = (at.x(point.x) - px) ** 2 + (at.y(point.y) - py) ** 2;
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
  if (point === chart.hover) return;
  chart.hover = point;
  const pen = cleanPen(chart.over, chart.size);
  if (point) drawHover(pen, point);
}

// A ring, and the same weights at other input sizes.
function drawHover(pen, point) {
  const area = plotArea(chart.size);
  const at = placesOf({ area, window: zoom.now });
  const line = chart.lines.find((points) => points.includes(point)) ?? [];
  pen.inside(area, () => {
    pen.lines([line.map(({ x, y }) => [at.x(x), at.y(y)])], { stroke: chart.theme.accent, width: 2 });
    for (const { x, y } of line) pen.dot(at.x(x), at.y(y), 3.8, { fill: chart.theme.accent });
    pen.dot(at.x(point.x), at.y(point.y), 6.2, { stroke: chart.theme.ink, width: 2 });
  });
}

function pointCard(row) {
  const keys = [...new Set([state.accuracy, state.cost, ...limitsOf(state.task).slice(0, 4), state.size, 'input', 'family', 'status'])].filter(Boolean);
  const facts = keys.map((key) => [h('dt', {}, BOARD.column(key).title), h('dd', {}, withUnit(BOARD.column(key), BOARD.shown(key, row)))]);
  return [h('strong', {}, h('bdi', { class: 'clip' }, BOARD.text('model', row) ?? '–')), view.isFrontier[row] && h('p', { class: 'origin' }, 'On the frontier'),
    latencyNote(state.cost, row) && h('p', { class: 'origin' }, `Latency ${latencyNote(state.cost, row)}`), h('dl', { class: 'facts' }, facts.flat())];
}

export function startPointer() {
  const box = byId('chart');
  box.addEventListener('pointermove', (event) => { if (!box.classList.contains('is-dragged')) hoverPoint(event); });
  box.addEventListener('pointerleave', hoverPoint);
  box.addEventListener('click', (event) => {
    const point = box.classList.contains('is-dragged') ? null : pointAt(event);
    if (point) change({ open: point.row });
  });
}
