// Uses to begin with: a device, a precision and limits in one click.

import { BOARD, limitsOf } from '../base/data.js';
import { findChoice, findDevice, latencyKey } from '../base/devices.js';
import { byId, fill, h } from '../base/dom.js';
import { isSame, state } from '../base/state.js';
import { change } from '../base/view.js';
import { chooseDevice } from './device.js';

const USES = [
  { title: 'Phone', device: 'galaxy-s24', run: 'int8', latency: '10' },
  { title: 'Jetson', device: 'jetson-orin-nano', run: 'float16', latency: '10' },
  { title: 'Cloud GPU', device: 't4', run: 'float16', latency: '5' },
  // A quarter of the peak memory in float32 is that in int8: 512 KB of RAM, and a byte of flash for each parameter.
  { title: 'Microcontroller', meaning: 'int8 in 2 MB of flash and 512 KB of RAM', limits: { params: '2', peak_activation_bytes: '2.048' } },
];

const choiceOf = ({ device, run }) => findDevice(device)?.choices.find((choice) => choice.key === run) ?? null;

function limitsOfUse(use) {
  return use.limits ?? { [latencyKey(findDevice(use.device), choiceOf(use))]: use.latency };
}

function describe(use) {
  const device = findDevice(use.device);
  return use.meaning ?? `${device.name}, ${findChoice(device, use.run).title}: at most ${use.latency} ms`;
}

async function take(use) {
  await chooseDevice(use.device ?? '', use.run ?? '');
  change({ limits: limitsOfUse(use) });
}

const isPossible = (use) => (use.limits ? Object.keys(use.limits).every((key) => limitsOf(state.task).includes(key)) : choiceOf(use) !== null);

export function showUses() {
  const uses = USES.filter(isPossible);
  byId('uses').hidden = uses.length === 0;
  fill(byId('uses-list'), uses.map((use) => h('button', {
    type: 'button', title: describe(use), onclick: () => take(use),
    'aria-pressed': String(state.device === (use.device ?? '') && Object.keys(use.limits ?? {}).every((key) => BOARD.columns.has(key)) && isSame(state.limits, limitsOfUse(use))),
  }, use.title)));
}
