// Names beside the frontier's points, as many as fit.

import { remember } from '../base/remember.js';

export const LABEL_FONT = { size: 11, weight: 500 };
export const LABEL_HEIGHT = 13;
const ruler = document.createElement('canvas').getContext('2d');
const widthsIn = remember((font) => remember((text) => {
  ruler.font = `${LABEL_FONT.weight} ${LABEL_FONT.size}px ${font}`;
  return ruler.measureText(text).width;
}));
export const labelWidth = (text, font) => widthsIn(font)(text);

const touches = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;

// Labels the most accurate first: above and left of its point, else left of it; a label that would overlap is left out.
export function placeLabels(points, area, font) {
  const places = [...points].reverse();
  const boxes = places.map(({ x, y }) => ({ left: x - 4, right: x + 4, top: y - 4, bottom: y + 4 }));
  const labels = [];
  for (const { name, x, y } of places) {
    const length = labelWidth(name, font);
    for (const [right, bottom] of [[x - 5, y - 4], [x - 9, y + 6]]) {
      const box = { left: right - length, right, top: bottom - LABEL_HEIGHT, bottom };
      const isInside = box.left >= area.left && box.top >= area.top && box.right <= area.left + area.width && box.bottom <= area.top + area.height;
      if (!isInside || boxes.some((other) => touches(box, other))) continue;
      boxes.push(box);
      labels.push({ left: box.left, right, base: bottom - 3, name });
      break;
    }
  }
  return labels;
}
