// On a phone the pick and the chart come before any field. The elements move in the document, so the Tab key follows what is seen.

import { byId } from '../base/dom.js';

const MOVED = ['fields', 'picks', 'choosers']; // each stands in the slot `…-above`, on a phone in the slot `…-below`

export function startPlacement() {
  const phone = matchMedia('(max-width: 640px)');
  const place = () => {
    for (const id of MOVED) byId(`${id}-${phone.matches ? 'below' : 'above'}`).append(byId(id));
    for (const id of ['fields', 'left-out']) byId(id).open = !phone.matches;
  };
  phone.addEventListener('change', place);
  place();
  byId('to-fields').addEventListener('click', () => {
    byId('fields').open = true;
    byId('fields').scrollIntoView();
    byId('fields').querySelector('summary').focus({ preventScroll: true });
  });
}
