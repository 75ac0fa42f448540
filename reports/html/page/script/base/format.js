// Figures as they are shown, and amounts as they are typed. Exact values stay in the data.

import { remember } from './remember.js';

export const NOT_AVAILABLE = 'not available';
const formatterOf = remember((digits) => new Intl.NumberFormat('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits }));

export const formatFixed = (number, digits) => formatterOf(digits).format(number);

export const formatCount = (number) => formatFixed(number, 0);
export const plural = (count, one, many) => `${formatCount(count)} ${count === 1 ? one : many ?? `${one}s`}`;

// The figure of a column in the column's unit. What is too small for its digits is never written as zero.
export function formatFigure(column, exact) {
  if (exact === null || Number.isNaN(exact)) return '–';
  const shown = exact / column.scale;
  if (shown !== 0 && (column.unit === 'ms' || column.unit === '/s')) return formatSpeed(shown);
  const least = 10 ** -column.digits;
  if (shown !== 0 && Math.abs(shown) < least / 2) return `< ${formatFixed(least, column.digits)}`;
  return formatFixed(shown, column.digits);
}

// A speed other than 0 with three significant digits, as reports/columns/format.py has them; whole numbers keep all of theirs.
export function formatSpeed(shown) {
  const power = Math.floor(Math.log10(Number(Math.abs(shown).toPrecision(3))));
  return formatFixed(shown, Math.max(0, Math.min(6, 2 - power)));
}

export const withUnit = (column, text) => (column.unit && text !== '–' ? `${text} ${column.unit}` : text);
export const headerOf = (column) => (column.unit ? `${column.title} (${column.unit})` : column.title);

const SUFFIXES = { k: 1e3, K: 1e3, m: 1e6, M: 1e6, g: 1e9, G: 1e9, t: 1e12, T: 1e12 };

// '600M', '0.6', '0,6 G', '1,283' → the exact amount, where a bare number is in the column's unit. NaN if it cannot be read.
export function parseAmount(text, column) {
  if (column.unit === 'ms') return parseTime(text);
  const match = /^\s*(\d[\d.,]*|\.\d+)\s*([kKmMgGtT]?)[A-Za-z%]*\s*$/.exec(text);
  return match ? parseNumber(match[1]) * (SUFFIXES[match[2]] ?? column.scale) : NaN;
}

function parseNumber(digits) {
  const isGrouped = /^\d{1,3}(,\d{3})+(\.\d*)?$/.test(digits);
  return Number(isGrouped ? digits.replaceAll(',', '') : digits.replace(',', '.'));
}

const MS_OF = { us: 0.001, µs: 0.001, ms: 1, s: 1000 };

// '10', '10ms', '0.5 s' → milliseconds.
function parseTime(text) {
  const match = /^\s*(\d[\d.,]*|\.\d+)\s*(us|µs|ms|s)?\s*$/i.exec(text);
  return match ? parseNumber(match[1]) * MS_OF[match[2]?.toLowerCase() ?? 'ms'] : NaN;
}

// How far a value is beyond its limit: '3.2 %', '×4.1'.
export function formatExcess(ratio) {
  if (ratio === Infinity) return '–'; // a limit of 0
  if (ratio >= 1) return `×${formatFixed(1 + ratio, ratio >= 9 ? 0 : 1)}`;
  return ratio < 0.001 ? '< 0.1 %' : `${formatFixed(ratio * 100, 1)} %`;
}

export const signed = (number, digits) => `${number >= 0 ? '+' : '−'}${formatFixed(Math.abs(number), digits)}`;
