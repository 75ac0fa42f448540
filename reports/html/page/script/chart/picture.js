// The chart as a file for slides and papers: with its title and legend, at a fixed size.

import { byId, download, h } from '../base/dom.js';
import { fileStem } from '../table/export.js';
import { chart, cleanPen, plotArea, shownPlot } from './chart.js';
import { drawPlot } from './draw.js';
import { labelWidth } from './labels.js';
import { svgPen } from './pen.js';

const PICTURE = { width: 1120, height: 700, pad: 16, title: 44, legendRow: 22 };

function drawPicture(pen) {
  const { width, height, pad, title, legendRow } = PICTURE;
  const { theme } = chart;
  const items = legendItems(width - 2 * pad);
  const legendHeight = items.length ? (items.at(-1).line + 1) * legendRow + 8 : 0;
  pen.box(0, 0, width, height, { fill: theme.surface });
  pen.text(pad, pad + 16, byId('page-title').textContent, { font: theme.font, fill: theme.ink, size: 17, weight: 600 });
  const size = { width: width - 2 * pad, height: height - title - legendHeight };
  const area = plotArea(size);
  drawPlot(pen, shownPlot({ ...area, left: area.left + pad, top: title }));
  for (const { x, line, label, place } of items) {
    const y = height - legendHeight + 4 + line * legendRow;
    pen.dot(pad + x + 5, y, 5, { fill: theme.series[place] });
    pen.text(pad + x + 15, y + 4, label, { font: theme.font, fill: theme.ink, size: 12 });
  }
}

// Where each name of the legend stands, line by line.
function legendItems(width) {
  let [x, line] = [0, 0];
  if (chart.groups.length < 2) return [];
  return chart.groups.map(({ label, place }) => {
    const length = 15 + labelWidth(label, chart.theme.font) * 1.1 + 18;
    if (x && x + length > width) [x, line] = [0, line + 1];
    const item = { x, line, label, place };
    x += length;
    return item;
  });
}

function saveSvg() {
  const pen = svgPen(PICTURE.width, PICTURE.height);
  drawPicture(pen);
  download(`${fileStem()}.svg`, 'image/svg+xml', pen.toString());
}

function savePng() {
  const canvas = h('canvas', {});
  drawPicture(cleanPen(canvas, PICTURE, 2));
  canvas.toBlob((blob) => download(`${fileStem()}.png`, 'image/png', blob), 'image/png');
}

export function startPictures() {
  byId('save-svg').addEventListener('click', saveSvg);
  byId('save-png').addEventListener('click', savePng);
}
