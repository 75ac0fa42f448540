// Uses to begin with: a device, a precision and limits in one click.

import { BOARD, limitsOf } from '../base/data.js';
import { findDevice, latencyKey } from '../base/devices.js';
import { byId, h } from '../base/dom.js';
import { isSame, state } from '../base/state.js';
import { change } from '../base/view.js';
import { chooseDevice } from './device.js';

const USES = [
  { title: 'Any device', meaning: 'no limit on cost', limits: {} },
  { title: 'Phone', meaning: 'Galaxy S24, int8, ≤ 10 ms', device: 'galaxy-s24', run: 'int8', latency: '10' },
  { title: 'Jetson', meaning: 'Orin Nano, float16, ≤ 10 ms', device: 'jetson-orin-nano', run: 'float16', latency: '10' },
  { title: 'Cloud GPU', meaning: 'T4, float16, ≤ 5 ms', device: 't4', run: 'float16', latency: '5' },
  // A quarter of the peak memory in float32 is that in int8: 512 KB of RAM, and a byte of flash for each parameter.
  { title: 'Microcontroller', meaning: '2 MB flash, 512 KB RAM in int8', limits: { params: '2', peak_activation_bytes: '2.048' } },
];

const choiceOf = ({ device, run }) => findDevice(device)?.choices.find((choice) => choice.key === run) ?? null;

function limitsOfUse(use) {
  return use.limits ?? { [latencyKey(findDevice(use.device), choiceOf(use))]: use.latency };
}

async function take(use) {
  await chooseDevice(use.device ?? '', use.run ?? '');
  change({ limits: limitsOfUse(use) });
}

const isPossible = (use) => (use.limits ? Object.keys(use.limits).every((key) => limitsOf(state.task).includes(key)) : choiceOf(use) !== null);

const isTaken = (use) => state.device === (use.device ?? '') && Object.keys(use.limits ?? {}).every((key) => BOARD.columns.has(key))
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
