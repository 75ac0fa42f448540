// The device whose latencies are shown, and how models run on it.

import { taskRows } from '../base/data.js';
import { DEVICES, chosenLatency, countOrigins, findChoice, findDevice, latencyKey, useChoice } from '../base/devices.js';
import { byId, fill, h, notify } from '../base/dom.js';
import { formatCount } from '../base/format.js';
import { state } from '../base/state.js';
import { change } from '../base/view.js';

export function startDevices() {
  byId('device-choice').hidden = DEVICES.length === 0;
  const groups = [...new Set(DEVICES.map((device) => device.group))];
  fill(byId('choose-device'), h('option', { value: '' }, 'none'), groups.map((group) => h('optgroup', { label: group },
    DEVICES.filter((device) => device.group === group).map(({ id, name }) => h('option', { value: id }, name)))));
  byId('choose-device').addEventListener('change', (event) => chooseDevice(event.target.value, ''));
  fill(byId('device-names'), DEVICES.map(({ name }) => h('option', { value: name })));
  byId('find-device').addEventListener('input', (event) => event.inputType?.startsWith('insertRep') && takeFound(event.target));
  byId('find-device').addEventListener('change', (event) => takeFound(event.target));
  byId('choose-run').addEventListener('change', (event) => chooseDevice(state.device, event.target.value));
}

// The device of the typed name, else the first whose name has all of the typed words.
function takeFound(field) {
  const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  const device = DEVICES.find(({ name }) => name === field.value) ?? DEVICES.find(({ id, name }) => words.every((word) => `${id} ${name}`.toLowerCase().includes(word)));
  if (!words.length) return;
  if (!device) return notify(`No device has '${field.value}' in its name.`);
  field.value = '';
  chooseDevice(device.id, '');
}

// A new device keeps the limit on latency that was typed, and puts latency on the axis of costs.
export async function chooseDevice(id, run) {
  const before = chosenLatency();
  const device = findDevice(id);
  const choice = findChoice(device, run || state.run);
  await useChoice(device, choice);
  const limits = { ...state.limits };
  const typed = limits[before] ?? '';
  delete limits[before];
  if (device && typed) limits[latencyKey(device, choice)] = typed;
  const usual = state.cost.startsWith('latency:') ? 'macs' : state.cost;
  const columns = state.columns.filter((key) => !key.startsWith('latency:'));
  change({
    device: device?.id ?? '', run: choice?.key ?? '', limits, cost: device ? latencyKey(device, choice) : usual, columns, sort: null,
    size: state.size.startsWith('latency:') ? '' : state.size,
  });
}

export function showDevice() {
  const device = findDevice(state.device);
  byId('choose-device').value = device?.id ?? '';
  const choices = device?.choices ?? [];
  fill(byId('choose-run'), choices.map(({ key, title }) => h('option', { value: key }, title)));
  byId('run-label').hidden = !device;
  byId('choose-run').disabled = choices.length < 2;
  byId('choose-run').value = device ? findChoice(device, state.run).key : '';
  byId('device-note').textContent = device ? noteOn(taskRows(state.task)) : '';
}

function noteOn(rows) {
  const counts = countOrigins(chosenLatency(), rows);
  const unknown = rows.length - counts.reduce((sum, [, count]) => sum + count, 0);
  const words = counts.map(([origin, count]) => `${formatCount(count)} ${origin}`);
  return `Latencies: ${[...words, ...(unknown ? [`${formatCount(unknown)} unknown`] : [])].join(', ')}`;
}
