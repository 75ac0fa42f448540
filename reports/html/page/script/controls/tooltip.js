// One tooltip for column headers (on hover or focus) and points of the chart.

import { byId, fill, h } from '../base/dom.js';
import { headerOf } from '../base/format.js';

const hint = { box: byId('hint') };

// Shows nodes beside a position in window coordinates, always inside the window.
export function showHint(nodes, { left, top, gap = 14 }) {
  fill(hint.box, nodes);
  hint.box.hidden = false;
  const { width, height } = hint.box.getBoundingClientRect();
  const [roomX, roomY] = [document.documentElement.clientWidth, window.innerHeight];
  const x = left + gap + width > roomX - 8 ? left - gap - width : left + gap;
  const y = top + gap + height > roomY - 8 ? top - gap - height : top + gap;
  hint.box.style.setProperty('left', `${Math.max(8, Math.min(x, roomX - width - 8))}px`);
  hint.box.style.setProperty('top', `${Math.max(8, y)}px`);
}

export function hideHint() {
  hint.box.hidden = true;
  document.querySelector('[aria-describedby="hint"]')?.removeAttribute('aria-describedby');
  // A hidden tooltip beyond the edge would let a phone scroll sideways.
  hint.box.style.setProperty('left', '0');
  hint.box.style.setProperty('top', '0');
}

function columnHint(column) {
  const isLive = column.key === 'on_frontier';
  return [
    h('strong', {}, headerOf(column)),
    h('p', {}, column.meaning),
    isLive && h('p', {}, 'Here: among the models shown now, on the axes chosen for the chart.'),
    h('p', { class: 'origin' }, `Origin: ${column.origin}.`),
  ];
}

// Shows the meaning of a column while the pointer or the focus is on its header.
export function explainHeaders(root, columnOf) {
  const show = (event) => {
    const header = event.target.closest('th[data-key]');
    if (!header) return;
    if (event.type === 'focusin') event.target.setAttribute('aria-describedby', 'hint');
    const box = header.getBoundingClientRect();
    showHint(columnHint(columnOf(header.dataset.key)), { left: box.left - 8, top: box.bottom - 6 });
  };
  root.addEventListener('mouseover', show);
  root.addEventListener('focusin', show);
  for (const name of ['mouseout', 'focusout']) {
    root.addEventListener(name, (event) => { if (event.target.closest('th[data-key]')) hideHint(); });
  }
}

window.addEventListener('resize', hideHint);
window.addEventListener('scroll', hideHint, { passive: true });
