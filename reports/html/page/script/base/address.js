// The state in the address after the `#`: written after changes, read at the start and when the address changes.

import { findChoice, findDevice, useChoice } from './devices.js';
import { decodeState, encodeState, state } from './state.js';

// Browsers limit how often the address may be written, and writing is slower than filtering: it waits for a pause in the typing.
let addressTimer = 0;
export function writeAddressSoon() {
  clearTimeout(addressTimer);
  addressTimer = setTimeout(writeAddress, 250);
}

export function writeAddress() {
  clearTimeout(addressTimer);
  const text = encodeState();
  if (text !== location.hash.slice(1)) history.replaceState(null, '', text ? `#${text}` : location.pathname + location.search);
}

export async function readAddress() {
  const given = new URLSearchParams(location.hash.slice(1));
  const device = findDevice(given.get('device'));
  await useChoice(device, findChoice(device, given.get('run')));
  Object.assign(state, decodeState(location.hash.slice(1)));
}
