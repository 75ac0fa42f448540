// Estimates on phones, accelerators, boards and CPUs, computed in the page: zoo/estimation/platforms/portable.py describes the numbers.

import { unpack } from './packed.js';

let opening = null;

// The numbers, with the amount of each term of a platform for every model.
async function openNumbers(packed) {
  const numbers = JSON.parse(new TextDecoder().decode(await unpack(packed.numbers)));
  const bytes = await unpack(packed.features);
  const values = new Float32Array(bytes.buffer, 0, bytes.length / Float32Array.BYTES_PER_ELEMENT);
  const models = values.length / numbers.features.length;
  const feature = (place) => (place < 0 ? new Float32Array(models).fill(1) : values.subarray(place * models, (place + 1) * models));
  const amounts = numbers.platforms.map(({ terms }) => terms.map((term) => {
    const amount = new Float64Array(models);
    for (const [place, cost] of term) feature(place).forEach((value, model) => { amount[model] += cost * value; });
    return amount;
  }));
  return { ...numbers, models, amounts, related: numbers.platforms.map(({ related }) => new Set(related)) };
}

// Latencies in ms of the models of the page's columns, and half the width of the interval of their logarithms; NaN without an estimate.
export async function estimateOnPlatform(packed, place) {
  opening ??= openNumbers(packed);
  const numbers = await opening;
  const choice = numbers.choices[place];
  const best = { log: new Float64Array(numbers.models).fill(Infinity), width: new Float64Array(numbers.models) };
  for (const way of choice.ways) keepFaster(best, numbers, way);
  for (const model of numbers.unknown) best.log[model] = NaN;
  const byColumn = (figures) => Float64Array.from(numbers.places, (model) => (model < numbers.models ? figures[model] : NaN));
  const scale = 1000 * choice.batch;
  return { latency: byColumn(best.log).map((log) => Math.exp(log) * scale), width: byColumn(best.width) };
}

function keepFaster(best, numbers, way) {
  const group = numbers.groups[way.group];
  const related = numbers.related[group.platform];
  const amounts = numbers.amounts[group.platform];
  const seconds = way.constants.map(Math.exp);
  const known = new Map(group.known);
  const parts = new Float64Array(amounts.length);
  for (let model = 0; model < numbers.models; model += 1) {
    let sum = 0;
    for (let term = 0; term < parts.length; term += 1) { parts[term] = seconds[term] * amounts[term][model]; sum += parts[term]; }
    const log = Math.log(sum) + (known.get(model) ?? 0);
    if (!(log < best.log[model])) continue;
    best.log[model] = log;
    const shares = parts.map((part) => part / sum);
    best.width[model] = known.has(model) ? widthOfKnown(group, way, shares) : widthOf(group, way, shares, related.has(model));
  }
}

// Half the width of the interval of a model that was measured on other devices of the platform.
function widthOfKnown({ transfer: [noise, quantile], device }, { deviation, covariance }, shares) {
  if (deviation !== null) return device[1] * Math.hypot(deviation, noise);
  return quantile * Math.sqrt(varianceOf(covariance, shares) + noise * noise);
}

function widthOf({ model, family, device, covariance }, way, shares, isRelated) {
  const [noise, quantile] = isRelated ? model : family;
  const width = quantile * Math.sqrt(varianceOf(covariance, shares) + varianceOf(way.covariance, shares) + noise * noise);
  return way.deviation === null ? width : Math.hypot(width, device[1] * way.deviation);
}

// The variance of the logarithm of a sum, from the covariance of the logarithms of its terms' constants; 0 without a covariance.
function varianceOf(covariance, shares) {
  let variance = 0;
  covariance?.forEach((row, first) => row.forEach((value, second) => { variance += shares[first] * value * shares[second]; }));
  return variance;
}
