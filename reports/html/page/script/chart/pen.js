// Two implementations of the same few drawing operations: on a canvas, for the screen and for PNG, and as the text of an SVG.
//
// A style is {fill, stroke, width, dash, opacity}; places are pixels from the top left.

import { escapeHtml } from '../base/dom.js';

export function canvasPen(context) {
  let written = null; // the font set last
  function paint({ fill, stroke, width = 1, dash = [], opacity = 1 }) {
    context.globalAlpha = opacity;
    if (fill) {
      context.fillStyle = fill;
      context.fill();
    }
    if (stroke) {
      context.strokeStyle = stroke;
      context.lineWidth = width;
      context.setLineDash(dash);
      context.stroke();
    }
    context.globalAlpha = 1;
  }
  return {
    box(left, top, width, height, style) {
      context.beginPath();
      context.rect(left, top, width, height);
      paint(style);
    },
    dot(x, y, radius, style) {
      context.beginPath();
      context.arc(x, y, radius, 0, 2 * Math.PI);
      paint(style);
    },
    // Several lines in one stroke, each a list of [x, y].
    lines(paths, style) {
      context.beginPath();
      for (const path of paths) path.forEach(([x, y], place) => (place ? context.lineTo(x, y) : context.moveTo(x, y)));
      paint(style);
    },
    text(x, y, text, { size, fill, font, weight = 400, align = 'left', turned = false }) {
      const wanted = `${weight} ${size}px ${font}`;
      if (wanted !== written) context.font = wanted; // reading a font is the slow part of writing
      written = wanted;
      context.textAlign = align;
      if (turned) {
        context.save();
        context.translate(x, y);
        context.rotate(-Math.PI / 2);
        [x, y] = [0, 0];
      }
      context.fillStyle = fill;
      context.fillText(text, x, y);
      if (turned) context.restore();
    },
    inside({ left, top, width, height }, draw) {
      context.save();
      context.beginPath();
      context.rect(left, top, width, height);
      context.clip();
      draw();
      context.restore();
      written = null; // the font is restored as well
    },
  };
}

const ANCHORS = { left: 'start', center: 'middle', right: 'end' };
const NOT_IN_XML = /[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu;

export function svgPen(width, height) {
  const parts = [];
  let clips = 0;
  const short = (number) => Number(number.toFixed(2));
  const look = ({ fill = 'none', stroke, width: thickness = 1, dash = [], opacity = 1 }) => `fill="${fill}"`
    + (stroke ? ` stroke="${stroke}" stroke-width="${thickness}"` : '') + (dash.length ? ` stroke-dasharray="${dash.join(' ')}"` : '')
    + (opacity < 1 ? ` opacity="${opacity}"` : '');
  return {
    box: (left, top, across, down, style) => parts.push(`<rect x="${short(left)}" y="${short(top)}" width="${short(across)}" height="${short(down)}" ${look(style)}/>`),
    dot: (x, y, radius, style) => parts.push(`<circle cx="${short(x)}" cy="${short(y)}" r="${short(radius)}" ${look(style)}/>`),
    lines: (paths, style) => parts.push(`<path d="${paths.map((path) => `M${path.map((at) => at.map(short).join(' ')).join('L')}`).join('')}" ${look(style)}/>`),
    text(x, y, text, { size, fill, font, weight = 400, align = 'left', turned = false }) {
      parts.push(`<text x="${short(x)}" y="${short(y)}" font-size="${size}" font-weight="${weight}" font-family="${escapeHtml(font)}" fill="${fill}" text-anchor="${ANCHORS[align]}"`
        + (turned ? ` transform="rotate(-90 ${short(x)} ${short(y)})"` : '') + `>${escapeHtml(String(text).replace(NOT_IN_XML, ''))}</text>`);
    },
    inside({ left, top, width: across, height: down }, draw) {
      clips += 1;
      parts.push(`<clipPath id="clip${clips}"><rect x="${left}" y="${top}" width="${across}" height="${down}"/></clipPath><g clip-path="url(#clip${clips})">`);
      draw();
      parts.push('</g>');
    },
    toString: () => `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">${parts.join('')}</svg>`,
  };
}
