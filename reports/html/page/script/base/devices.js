// Latencies on the chosen device: computed when it is chosen, and from then on a column like the others.

import { BOARD, REPORT } from './data.js';
import { formatFigure } from './format.js';
import { unpack } from './packed.js';
import { estimateOnPlatform } from './platforms.js';
import { state } from './state.js';

const PACKED = REPORT.devices;
export const DEVICES = PACKED.devices;

const MANTISSAS = 900;
const DIGITS = 3; // of an estimate
const STEPS_PER_E = 64; // of an interval
const ESTIMATED = PACKED.origins.indexOf('estimated');
const UNKNOWN = 255;
const opened = new Map(); // column key → {origins, low, high} by row

export const findDevice = (id) => DEVICES.find((device) => device.id === id) ?? null;
const USUAL = 'float16'; // what models run in where a device allows it: half the time and memory of float32 at the same accuracy
const choiceWith = (device, key) => device?.choices.find((choice) => choice.key === key);
export const findChoice = (device, key) => choiceWith(device, key) ?? choiceWith(device, USUAL) ?? device?.choices[0] ?? null;
export const latencyKey = (device, choice) => `latency:${device.id}:${choice.key}`;

// The column of the choice in the state; '' where no device is chosen.
export function chosenLatency() {
  const device = findDevice(state.device);
  return device ? latencyKey(device, findChoice(device, state.run)) : '';
}

const MEMORY = { title: 'Memory of the device', unit: 'GB', scale: 1e9, digits: 2, better: 'low' };

// What weights, input and activations take at most, as `zoometer select` limits it; null where no device is chosen or its memory is not known.
export function memoryLimit() {
  const device = findDevice(state.device);
  if (!device?.memory) return null;
  const [element, weight] = PACKED.bytes[findChoice(device, state.run).key.split('-')[0]];
  const [weights, params, peaks] = ['weight_bytes', 'params', 'peak_activation_bytes'].map(BOARD.figures);
  const weightsOf = (row) => Math.max(weights[row] * weight / 4, Math.min(weights[row], params[row] * weight)); // int8 ones stay as they are
  const values = weights.map((_, row) => weightsOf(row) + peaks[row] * element / 4 + elementsOf(BOARD.text('input', row)) * element);
  return { key: 'memory', column: MEMORY, values, bound: device.memory, isLeast: false };
}

// Of a single tensor, '3x224x224'; those of several have dtypes of their own.
const elementsOf = (input) => (/^\d+(x\d+)*$/.test(input) ? input.split('x').reduce((product, side) => product * side, 1) : NaN);

// Adds the latency column of a choice to the table, the limits and the axes, in place of that of another device.
export async function useChoice(device, choice) {
  for (const list of [REPORT.costs, REPORT.limits]) {
    const place = list.findIndex((key) => key.startsWith('latency:'));
    if (place >= 0) list.splice(place, 1);
  }
  if (!device) return;
  const key = latencyKey(device, choice);
  if (!opened.has(key)) addLatencyColumn(key, device, choice, await latenciesOf(choice));
  REPORT.costs.unshift(key);
  REPORT.limits.unshift(key);
}

// Latency, ends of its interval and origin of each model of the columns. The origin is a place in PACKED.origins.
async function latenciesOf(choice) {
  const models = 1 + PACKED.model.reduce((most, model) => Math.max(most, model), -1);
  const { latency, steps } = choice.column ? decodeEstimates(await unpack(choice.column), models)
    : choice.platform === undefined ? { latency: new Float64Array(models).fill(NaN), steps: new Float64Array(models) }
      : await roundedPlatformEstimates(choice.platform);
  const factor = steps.map((step) => Math.exp(step / STEPS_PER_E));
  const low = latency.map((value, model) => roundEstimate(value / factor[model]));
  const high = latency.map((value, model) => roundEstimate(value * factor[model]));
  const origins = Uint8Array.from(latency, (value) => (Number.isNaN(value) ? UNKNOWN : ESTIMATED));
  for (const [origin, [places, milliseconds]] of Object.entries(choice.known)) {
    places.forEach((model, place) => {
      [latency[model], low[model], high[model], origins[model]] = [milliseconds[place], NaN, NaN, Number(origin)];
    });
  }
  return { latency, low, high, origins };
}

// The inverse of `_pack_estimates` in reports/html/device_payload.py.
function decodeEstimates(bytes, models) {
  const [high, low, steps] = [0, 1, 2].map((plane) => bytes.subarray(plane * models, (plane + 1) * models));
  const latency = Float64Array.from(high, (byte, model) => {
    const code = (byte << 8) | low[model];
    if (!code) return NaN;
    const decade = Math.floor((code - 1) / MANTISSAS);
    return Number(`${100 + ((code - 1) % MANTISSAS)}e${decade + PACKED.leastPower - 2}`);
  });
  return { latency, steps: Float64Array.from(steps) };
}

// Rounded as in reports/selection/estimate_rounding.py.
async function roundedPlatformEstimates(place) {
  const { latency, width } = await estimateOnPlatform(PACKED.platforms, place);
  return { latency: latency.map(roundEstimate), steps: width.map((half) => Math.ceil(STEPS_PER_E * half - 1e-9)) };
}

const roundEstimate = (value) => Number(value.toPrecision(DIGITS));

function addLatencyColumn(key, device, choice, { latency, low, high, origins }) {
  opened.set(key, { low: byRow(low), high: byRow(high), origins: PACKED.model.map((model) => origins[model]) });
  BOARD.addFigures({
    key, title: 'Latency', longTitle: `Latency on ${device.name}, ${choice.title}`, unit: 'ms', scale: 1, digits: 2, kind: 'number', better: 'low', group: 'Speed', shown: true, width: 14,
    meaning: `Time of one step of one image on ${device.name} (${choice.title}).`, origin: 'measured, published or estimated; each cell says which',
    export_name: `latency_${device.id}_${choice.key}_ms`,
  }, byRow(latency));
}

const byRow = (values) => Float64Array.from(PACKED.model, (model) => values[model]);

// The origin of the latency of a row: 'measured', 'published' or 'estimated'; null where the latency is unknown.
export const originOf = (key, row) => PACKED.origins[opened.get(key)?.origins[row]] ?? null;

// 'estimated: 6.11 to 11.70 ms nine times in ten'.
export const latencyNote = (key, row) => (originOf(key, row) === 'estimated' ? `estimated: ${latencyRange(key, row)} ms nine times in ten` : originOf(key, row) ?? '');

// The upper end of the interval of an estimate, in ms; NaN where there is none.
export const latencyHigh = (key, row) => opened.get(key).high[row];

// The interval of an estimate: '6.11 to 11.70'; '' where there is none.
export function latencyRange(key, row) {
  const { low, high } = opened.get(key);
  const column = BOARD.column(key);
  return Number.isNaN(low[row]) ? '' : `${formatFigure(column, low[row])} to ${formatFigure(column, high[row])}`;
}

// The origins of the latencies of these rows, each with its count; rows of unknown latency are not counted.
export function countOrigins(key, rows) {
  const counts = new Map(PACKED.origins.map((origin) => [origin, 0]));
  for (const row of rows) {
    const origin = originOf(key, row);
    if (origin) counts.set(origin, counts.get(origin) + 1);
  }
  return [...counts].filter(([, count]) => count > 0);
}
