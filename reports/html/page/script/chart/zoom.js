// Zooming and moving the chart by wheel, drag, buttons or keys. The wheel alone scrolls the page, as everywhere else; with
// Ctrl or ⌘ (a pinch on a touchpad), or once the chart has the focus, it zooms.

import { byId } from '../base/dom.js';
import { isSame } from '../base/state.js';

export const zoom = { home: null, now: null, pending: false, redraw: () => {} };

// Sets the window of the whole range. With `keep`, a zoomed view stays.
export function setHome(home, { keep }) {
  const isZoomed = zoom.now && zoom.home && !isSame(zoom.now, zoom.home);
  zoom.home = home;
  if (!(keep && isZoomed)) zoom.now = { ...home };
  showZoomed();
}

const isZoomed = () => Boolean(zoom.home) && !isSame(zoom.now, zoom.home);
const showZoomed = () => { byId('zoom-reset').disabled = !isZoomed(); };

// Scales the view by `factor` around a place given as shares of width and height (from the top left).
function zoomAt(factor, shareX, shareY) {
  const { x0, x1, y0, y1 } = zoom.now;
  const [a, b] = [Math.log(x0), Math.log(x1)];
  const [atX, atY] = [a + (b - a) * shareX, y1 - (y1 - y0) * shareY];
  setWindow(Math.exp(atX - (atX - a) * factor), Math.exp(atX + (b - atX) * factor), atY - (atY - y0) * factor, atY + (y1 - atY) * factor);
}

// Moves the view by shares of its width and height.
function moveBy(shareX, shareY) {
  const { x0, x1, y0, y1 } = zoom.now;
  const [stepX, stepY] = [(Math.log(x1) - Math.log(x0)) * shareX, (y1 - y0) * shareY];
  setWindow(x0 * Math.exp(stepX), x1 * Math.exp(stepX), y0 + stepY, y1 + stepY);
}

function setWindow(x0, x1, y0, y1) {
  if (x1 / x0 < 1.02 || x1 / x0 > 1e9 || y1 - y0 < 0.02 || y1 - y0 > 1e4) return;
  zoom.now = { x0, x1, y0, y1 };
  showZoomed();
  if (zoom.pending) return;
  zoom.pending = true;
  requestAnimationFrame(() => { zoom.pending = false; zoom.redraw(); });
}

function resetZoom() {
  if (!zoom.home) return;
  zoom.now = { ...zoom.home };
  showZoomed();
  zoom.redraw();
}

const ZOOM_KEYS = {
  '+': () => zoomAt(0.8, 0.5, 0.5), '=': () => zoomAt(0.8, 0.5, 0.5), '-': () => zoomAt(1.25, 0.5, 0.5), 0: resetZoom,
  ArrowLeft: () => moveBy(-0.1, 0), ArrowRight: () => moveBy(0.1, 0), ArrowUp: () => moveBy(0, 0.1), ArrowDown: () => moveBy(0, -0.1),
};

// `redraw()` draws the window again, `shareOf(event)` says where an event happened.
export function startZoom(box, { redraw, shareOf }) {
  zoom.redraw = redraw;
  let drag = null;
  box.addEventListener('wheel', (event) => {
    if (!zoom.now || !(event.ctrlKey || event.metaKey || document.activeElement === box)) return;
    event.preventDefault();
    const [x, y] = shareOf(event);
    zoomAt(Math.exp(Math.max(-60, Math.min(60, event.deltaY)) * 0.004), x, y);
  }, { passive: false });
  box.addEventListener('pointerdown', (event) => {
    if (event.button === 0 && event.pointerType !== 'touch' && zoom.now) drag = { at: shareOf(event), from: { ...zoom.now }, moved: false };
  });
  window.addEventListener('pointermove', (event) => {
    if (!drag) return;
    const [x, y] = shareOf(event);
    const [stepX, stepY] = [drag.at[0] - x, y - drag.at[1]];
    if (!drag.moved && Math.hypot(stepX, stepY) < 0.01) return;
    drag.moved = true;
    box.classList.add('is-dragged');
    zoom.now = { ...drag.from };
    moveBy(stepX, stepY);
  });
  window.addEventListener('pointerup', () => {
    // The click event that ends a drag comes right after this, and must still be recognised as one.
    setTimeout(() => box.classList.remove('is-dragged'));
    drag = null;
  });
  box.addEventListener('dblclick', resetZoom);
  box.addEventListener('keydown', (event) => {
    if (!zoom.now || event.ctrlKey || event.metaKey || event.altKey || !ZOOM_KEYS[event.key]) return;
    event.preventDefault();
    ZOOM_KEYS[event.key]();
  });
  byId('zoom-in').addEventListener('click', () => zoom.now && zoomAt(0.7, 0.5, 0.5));
  byId('zoom-out').addEventListener('click', () => zoom.now && zoomAt(1 / 0.7, 0.5, 0.5));
  byId('zoom-reset').addEventListener('click', resetZoom);
}
