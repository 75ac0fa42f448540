// What the chart draws, from back to front. Points carry no tooltip or description of their own: Vega would compute both for
// every point at once; the page finds the nearest point itself.

const AT = { x: { scale: 'x', field: 'x' }, y: { scale: 'y', field: 'y' } };
const AREA = { signal: "biggest > 0 ? (datum.z === null ? 14 : scale('area', datum.z)) : width < 480 ? 16 : 32" };

function chartMarks(theme) {
  return [
    boundMarks(theme),
    { // considered, but beyond the budget
      type: 'symbol', from: { data: 'leftOut' }, aria: false, interactive: false, clip: true,
      encode: { update: { ...AT, size: { value: 16 }, fill: { value: theme.faint }, fillOpacity: { value: 0.55 } } },
    },
    {
      type: 'symbol', from: { data: 'fitting' }, aria: false, interactive: false, clip: true,
      encode: { update: { ...AT, size: AREA, fill: { scale: 'colour', field: 'c' }, fillOpacity: { value: 0.6 } } }, // no outline: it would double the time to draw
    },
    { // the same weights at other input sizes
      type: 'line', from: { data: 'trace' }, aria: false, interactive: false, clip: true,
      encode: { update: { ...AT, stroke: { value: theme.accent }, strokeWidth: { value: 1.5 }, strokeDash: { value: [4, 3] } } },
    },
    {
      type: 'symbol', from: { data: 'trace' }, aria: false, interactive: false, clip: true,
      encode: { update: { ...AT, size: { value: 44 }, fill: { value: theme.accent } } },
    },
    ...labelMarks(theme),
    {
      type: 'line', from: { data: 'frontier' }, aria: false, interactive: false, clip: true,
      encode: { update: { ...AT, interpolate: { value: 'step-after' }, stroke: { value: theme.ink }, strokeWidth: { value: 1.6 }, strokeOpacity: { value: 0.85 } } },
    },
    {
      type: 'symbol', from: { data: 'frontier' }, aria: false, interactive: false, clip: true,
      encode: { update: { ...AT, size: { value: 52 }, fill: { scale: 'colour', field: 'c' }, stroke: { value: theme.ink }, strokeWidth: { value: 1.5 } } },
    },
    {
      type: 'symbol', from: { data: 'picked' }, aria: false, interactive: false, clip: true,
      encode: { update: { ...AT, size: { value: 130 }, fill: { value: 'transparent' }, stroke: { value: theme.accent }, strokeWidth: { value: 2.5 } } },
    },
    {
      type: 'symbol', from: { data: 'hover' }, aria: false, interactive: false, clip: true,
      encode: { update: { ...AT, size: { value: 120 }, fill: { value: 'transparent' }, stroke: { value: theme.ink }, strokeWidth: { value: 2 } } },
    },
  ];
}

// The limits that lie on the chart's own axes.
function boundMarks(theme) {
  const line = { stroke: { value: theme.accent }, strokeWidth: { value: 1.5 }, strokeDash: { value: [6, 4] } };
  return {
    type: 'rule', from: { data: 'bounds' }, aria: false, interactive: false, clip: true,
    encode: { update: {
      ...line,
      x: [{ test: "datum.axis === 'x'", scale: 'x', field: 'value' }, { value: 0 }],
      x2: [{ test: "datum.axis === 'x'", scale: 'x', field: 'value' }, { signal: 'width' }],
      y: [{ test: "datum.axis === 'y'", scale: 'y', field: 'value' }, { value: 0 }],
      y2: [{ test: "datum.axis === 'y'", scale: 'y', field: 'value' }, { signal: 'height' }],
    } },
  };
}

// The names of the frontier, first as a halo that keeps them readable over points, then as text.
function labelMarks(theme) {
  const text = {
    x: { field: 'right' }, y: { field: 'base' }, text: { field: 'name' }, align: { value: 'right' },
    font: { value: theme.font }, fontSize: { value: LABEL_FONT.size }, fontWeight: { value: LABEL_FONT.weight },
  };
  const halo = { ...text, fill: { value: theme.surface }, stroke: { value: theme.surface }, strokeWidth: { value: 3 }, strokeJoin: { value: 'round' } };
  return [halo, { ...text, fill: { value: theme.ink } }].map((update) => ({
    type: 'text', from: { data: 'labels' }, aria: false, interactive: false, clip: true, encode: { update },
  }));
}
