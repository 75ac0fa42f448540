// The chart with its legend at a fixed size: as a file for slides and papers, with its title, and on paper.

import { byId, download, h } from '../base/dom.js';
import { fileStem } from '../table/export.js';
import { chart, cleanPen, livingTheme, plotArea, shownPlot } from './chart.js';
import { drawPlot } from './draw.js';
import { labelWidth } from './labels.js';
import { svgPen } from './pen.js';

const PICTURE = { width: 1120, height: 700, pad: 16, title: 44, legendRow: 22 };
const ON_PAPER = { width: 760, height: 470, pad: 0, title: 8, legendRow: 18 };

function drawPicture(pen, { width, height, pad, title, legendRow }, theme) {
  const items = legendItems(width - 2 * pad, theme);
  const legendHeight = items.length ? (items.at(-1).line + 1) * legendRow + 8 : 0;
  pen.box(0, 0, width, height, { fill: theme.surface });
  const size = { width: width - 2 * pad, height: height - title - legendHeight };
  const area = plotArea(size);
  drawPlot(pen, shownPlot({ ...area, left: area.left + pad, top: title }, theme));
  for (const { x, line, label, place } of items) {
    const y = height - legendHeight + 4 + line * legendRow;
    pen.dot(pad + x + 5, y, 5, { fill: theme.series[place] });
    pen.text(pad + x + 15, y + 4, label, { font: theme.font, fill: theme.ink, size: 12 });
  }
}

// The positions of the legend's names, line by line.
function legendItems(width, theme) {
  let [x, line] = [0, 0];
  if (chart.groups.length < 2) return [];
  return chart.groups.map(({ label, place }) => {
    const length = 15 + labelWidth(label, theme.font) * 1.1 + 18;
    if (x && x + length > width) [x, line] = [0, line + 1];
    const item = { x, line, label, place };
    x += length;
    return item;
  });
}

function drawTitled(pen) {
  const { pad } = PICTURE;
  drawPicture(pen, PICTURE, chart.theme);
  pen.text(pad, pad + 16, byId('page-title').textContent, { font: chart.theme.font, fill: chart.theme.ink, size: 17, weight: 600 });
}

// The chart as a node for paper.
export function paperPicture() {
  const pen = svgPen(ON_PAPER.width, ON_PAPER.height);
  drawPicture(pen, ON_PAPER, livingTheme());
  return document.importNode(new DOMParser().parseFromString(pen.toString(), 'image/svg+xml').documentElement, true);
}

export function startPictures() {
  byId('save-svg').addEventListener('click', () => {
    const pen = svgPen(PICTURE.width, PICTURE.height);
    drawTitled(pen);
    download(`${fileStem()}.svg`, 'image/svg+xml', pen.toString());
  });
  byId('save-png').addEventListener('click', () => {
    const canvas = h('canvas', {});
    drawTitled(cleanPen(canvas, PICTURE, 2));
    canvas.toBlob((blob) => download(`${fileStem()}.png`, 'image/png', blob), 'image/png');
  });
}
