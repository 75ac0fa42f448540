// Latencies on the device that the reader chose: unpacked when it is chosen, and from then on a column like the others.

import { BOARD, REPORT } from './data.js';
import { formatFigure } from './format.js';
import { state } from './state.js';

const PACKED = REPORT.devices;
// A browser that cannot unpack the columns (before 2023) gets the page without them.
export const DEVICES = 'DecompressionStream' in window ? PACKED.devices : [];

const BYTES_OF_A_CODE = 2;
const MANTISSAS = 900;
const opened = new Map(); // column key → {origins, low, high} by row

export const findDevice = (id) => DEVICES.find((device) => device.id === id) ?? null;
export const findChoice = (device, key) => device?.choices.find((choice) => choice.key === key) ?? device?.choices[0] ?? null;
export const latencyKey = (device, choice) => `latency:${device.id}:${choice.key}`;

// The column of the choice in the state; '' where no device is chosen.
export function chosenLatency() {
  const device = findDevice(state.device);
  return device ? latencyKey(device, findChoice(device, state.run)) : '';
}

// Makes the column of a choice known to the table, the limits and the axes, in place of that of another device.
export async function useChoice(device, choice) {
  for (const list of [REPORT.costs, REPORT.limits]) {
    const place = list.findIndex((key) => key.startsWith('latency:'));
    if (place >= 0) list.splice(place, 1);
  }
  if (!device) return;
  const key = latencyKey(device, choice);
  if (!opened.has(key)) openColumn(key, device, choice, await unpack(choice.column));
  REPORT.costs.unshift(key);
  REPORT.limits.unshift(key);
}

function openColumn(key, device, choice, bytes) {
  const models = bytes.length / (3 * BYTES_OF_A_CODE + 1);
  const plane = (place) => bytes.subarray(place * models, (place + 1) * models);
  const figures = [0, 1, 2].map((place) => byRow(decode(plane(2 * place), plane(2 * place + 1))));
  opened.set(key, { low: figures[1], high: figures[2], origins: PACKED.model.map((model) => plane(6)[model]) });
  BOARD.addFigures({
    key, title: 'Latency', longTitle: `Latency on ${device.name}, ${choice.title}`, unit: 'ms', scale: 1, digits: 2, kind: 'number', better: 'low', group: 'Speed', shown: true, width: 14,
    meaning: `Time of one step of one image on ${device.name} (${choice.title}).`, origin: 'measured, published or estimated; each cell says which',
    export_name: `latency_${device.id}_${choice.key}_ms`,
  }, figures[0]);
}

// The inverse of `encode_latencies` in reports/html/device_payload.py.
function decode(high, low) {
  return Float64Array.from(high, (byte, place) => {
    const code = (byte << 8) | low[place];
    if (!code) return NaN;
    const decade = Math.floor((code - 1) / MANTISSAS);
    return Number(`${100 + ((code - 1) % MANTISSAS)}e${decade + PACKED.leastPower - 2}`);
  });
}

const byRow = (values) => Float64Array.from(PACKED.model, (model) => values[model]);

async function unpack(text) {
  const packed = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream('deflate'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// How the latency of a row is known: 'measured', 'published' or 'estimated'; null where it is not.
export function originOf(key, row) {
  return PACKED.origins[opened.get(key)?.origins[row]] ?? null;
}

// 'estimated: 6.11 to 11.70 ms nine times in ten'.
export function latencyNote(key, row) {
  const origin = originOf(key, row);
  if (origin !== 'estimated') return origin ?? '';
  const { low, high } = opened.get(key);
  const column = BOARD.column(key);
  return `estimated: ${formatFigure(column, low[row])} to ${formatFigure(column, high[row])} ms nine times in ten`;
}

// How many of these rows have a latency of each origin, and how many none.
export function countOrigins(key, rows) {
  const counts = new Map(PACKED.origins.map((origin) => [origin, 0]));
  for (const row of rows) {
    const origin = originOf(key, row);
    if (origin) counts.set(origin, counts.get(origin) + 1);
  }
  return [...counts].filter(([, count]) => count > 0);
}
