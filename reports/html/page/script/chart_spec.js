// The chart as a Vega specification: points on a logarithmic cost axis, the frontier as a staircase with names.
//
// Written in Vega itself, because domains are signals: filtering and zooming then change numbers, not the chart.

const MOST_COLOURS = 8;
const MARGIN = { left: 54, right: 18, top: 14, bottom: 46 };

// `theme` gives colours, `colours` one for each value of a point's `c`. For a picture, `legend` and `title` are drawn in as well.
function chartSpec({ theme, colours, width, height, legend = null, title = null, titles }) {
  return {
    $schema: 'https://vega.github.io/schema/vega/v6.json', // a name, never fetched
    width, height, autosize: legend ? 'pad' : 'none', padding: legend ? 16 : MARGIN, background: legend ? theme.surface : 'transparent',
    title: title ? { text: title, anchor: 'start', color: theme.ink, font: theme.font, fontSize: 16, offset: 14 } : undefined,
    signals: [
      ...['x0', 'x1', 'y0', 'y1'].map((name, place) => ({ name, value: [0.1, 10, 0, 100][place] })),
      { name: 'xTicks', value: [] }, { name: 'xTitle', value: titles.x }, { name: 'yTitle', value: titles.y },
      { name: 'palette', value: colours },
      { name: 'biggest', value: 0 }, // largest third quantity; 0: all points the same
    ],
    data: [
      { name: 'points', values: [] },
      { name: 'fitting', source: 'points', transform: [{ type: 'filter', expr: `datum.s === ${FITS}` }] },
      { name: 'leftOut', source: 'points', transform: [{ type: 'filter', expr: `datum.s === ${LEFT_OUT}` }] },
      { name: 'frontier', values: [] }, { name: 'bounds', values: [] }, { name: 'trace', values: [] }, { name: 'hover', values: [] },
      { name: 'picked', values: [] }, { name: 'labels', values: [] },
    ],
    scales: [
      { name: 'x', type: 'log', domain: [{ signal: 'x0' }, { signal: 'x1' }], range: 'width', nice: false, zero: false },
      { name: 'y', type: 'linear', domain: [{ signal: 'y0' }, { signal: 'y1' }], range: 'height', nice: false, zero: false },
      { name: 'area', type: 'linear', domain: [0, { signal: 'max(biggest, 1e-9)' }], range: [14, 400] },
      { name: 'colour', type: 'ordinal', domain: Array.from({ length: MOST_COLOURS + 1 }, (_, place) => place), range: { signal: 'palette' } },
      ...(legend ? [{ name: 'legend', type: 'ordinal', domain: legend, range: colours }] : []),
    ],
    axes: chartAxes(theme),
    legends: legend ? [{
      fill: 'legend', orient: 'bottom', columns: 6, symbolType: 'circle', labelColor: theme.ink, labelFont: theme.font, labelFontSize: 12,
    }] : [],
    marks: chartMarks(theme),
  };
}

function chartAxes(theme) {
  const common = {
    domainColor: theme.line, tickColor: theme.line, gridColor: theme.line, gridOpacity: 0.6, labelColor: theme.muted, titleColor: theme.ink,
    labelFont: theme.font, titleFont: theme.font, labelFontSize: 11.5, titleFontSize: 12.5, titleFontWeight: 600, grid: true, aria: false,
  };
  return [
    { ...common, scale: 'x', orient: 'bottom', values: { signal: 'xTicks' }, title: { signal: 'xTitle' }, titlePadding: 8, tickSize: 4, labelOverlap: true,
      encode: { labels: { update: { text: { signal: "datum.value >= 1 ? format(datum.value, ',') : format(datum.value, '~r')" } } } } },
    { ...common, scale: 'y', orient: 'left', title: { signal: 'yTitle' }, tickCount: 8, titlePadding: 8, tickSize: 4 },
  ];
}

// 1, 2, 5, 10, … within the domain; the twos and fives only while there is room for them.
function logTicks(low, high) {
  const steps = Math.log10(high / low) > 3.2 ? [1] : [1, 2, 5];
  const ticks = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += 1) {
    for (const step of steps) {
      const tick = Number(`${step}e${power}`);
      if (tick >= low && tick <= high) ticks.push(tick);
    }
  }
  return ticks.length >= 2 ? ticks : [low, Math.sqrt(low * high), high].map((tick) => Number(tick.toPrecision(3)));
}
