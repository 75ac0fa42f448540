// Common uses: a button sets a device, a precision and limits.

import { BOARD, limitsOf, REPORT } from '../base/data.js';
import { findDevice, latencyKey } from '../base/devices.js';
import { byId, h } from '../base/dom.js';
import { isSame, state } from '../base/state.js';
import { change } from '../base/view.js';
import { chooseDevice } from './device.js';

const USES = REPORT.uses;

const choiceOf = ({ device, run }) => findDevice(device)?.choices.find((choice) => choice.key === run) ?? null;

function limitsOfUse(use) {
  return use.device === '' ? use.limits : { [latencyKey(findDevice(use.device), choiceOf(use))]: use.latency };
}

async function takeUse(use) {
  await chooseDevice(use.device, use.run);
  change({ limits: limitsOfUse(use) });
}

const isPossible = (use) => Object.keys(use.limits).every((key) => limitsOf(state.task).includes(key)) && (use.device === '' || choiceOf(use) !== null);

const isTaken = (use) => state.device === use.device && Object.keys(use.limits).every((key) => BOARD.columns.has(key))
  && isSame(state.limits, limitsOfUse(use));

// Made once, so that the focus stays on the one that was pressed.
const buttons = USES.map((use) => h('button', { type: 'button', title: use.meaning, onclick: () => takeUse(use) }, use.title, h('small', {}, use.meaning)));
byId('uses').append(...buttons);

export function showUses() {
  const isOffered = USES.map(isPossible);
  byId('uses').hidden = isOffered.filter(Boolean).length < 2;
  buttons.forEach((button, place) => {
    button.hidden = !isOffered[place];
    button.setAttribute('aria-pressed', String(isOffered[place] && isTaken(USES[place])));
  });
}
