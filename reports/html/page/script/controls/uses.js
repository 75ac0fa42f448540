// Uses to begin with: a device, a precision and limits in one click.

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

async function take(use) {
  await chooseDevice(use.device, use.run);
  change({ limits: limitsOfUse(use) });
}

const isPossible = (use) => Object.keys(use.limits).every((key) => limitsOf(state.task).includes(key)) && (use.device === '' || choiceOf(use) !== null);

const isTaken = (use) => state.device === use.device && Object.keys(use.limits).every((key) => BOARD.columns.has(key))
  && isSame(state.limits, limitsOfUse(use));

const buttons = new Map(); // made once, so that the focus stays on the one that was pressed

export function showUses() {
  const uses = USES.filter(isPossible);
  byId('uses').hidden = uses.length < 2;
  for (const use of USES) {
    if (!buttons.has(use)) {
      buttons.set(use, h('button', { type: 'button', title: use.meaning, onclick: () => take(use) }, use.title, h('small', {}, use.meaning)));
      byId('uses').append(buttons.get(use));
    }
    buttons.get(use).hidden = !uses.includes(use);
    buttons.get(use).setAttribute('aria-pressed', String(uses.includes(use) && isTaken(use)));
  }
}
