// The Pareto frontier: rows that no other shown row matches or beats on both axes, better on at least one.

import { BOARD, isLowBetter } from './data.js';

// A metric with its sign such that higher is better.
export function qualityOf(key) {
  const values = BOARD.figures(key);
  return isLowBetter(key) ? values.map((value) => -value) : values;
}

// Rows of the frontier by rising cost. Rows equal on both axes stand together: neither beats the other.
export function findFrontier(rows, costKey, accuracyKey) {
  const [cost, accuracy] = [BOARD.figures(costKey), qualityOf(accuracyKey)];
  const known = rows.filter((row) => !Number.isNaN(cost[row]) && !Number.isNaN(accuracy[row]));
  known.sort((a, b) => cost[a] - cost[b] || accuracy[b] - accuracy[a] || a - b);
  const frontier = [];
  let best = -Infinity;
  let bestCost = NaN;
  for (const row of known) {
    const isTwin = accuracy[row] === best && cost[row] === bestCost;
    if (accuracy[row] <= best && !isTwin) continue;
    best = accuracy[row];
    bestCost = cost[row];
    frontier.push(row);
  }
  return frontier;
}

// The best quality on a frontier at no more than this cost; -Infinity below its cheapest row.
export function qualityAt(frontier, cost, quality, limit) {
  let best = -Infinity;
  for (const row of frontier) {
    if (cost[row] > limit) break;
    best = quality[row];
  }
  return best;
}
