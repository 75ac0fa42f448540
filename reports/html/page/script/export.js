// Taking away what is shown: rows as CSV, JSON or for the clipboard, the chart as a picture, the view as an address.

// What is shown: every row that fits, in the order and with the columns of the table. Values are exact, under the names that
// every export uses.
function shownTable() {
  const keys = visibleColumns();
  const rows = Array.from(view.rows, (row) => keys.map((key) => (key === 'on_frontier' && isOnAxes(row) ? Boolean(view.isFrontier[row]) : BOARD.exact(key, row))));
  return { keys, rows };
}

// A text that starts like a formula gets an apostrophe, or a spreadsheet would run it.
const guardFormula = (text) => (/^[=+\-@\t\r]/.test(text) ? `'${text}` : text);

function cellText(value) {
  if (value === null) return '';
  return typeof value === 'string' ? guardFormula(value) : String(value);
}

const quoteCsv = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

function toCsv({ keys, rows }) {
  return [exportNames(keys), ...rows.map((row) => row.map(cellText))].map((row) => row.map(quoteCsv).join(',')).join('\r\n') + '\r\n';
}

function toJson({ keys, rows }) {
  const names = exportNames(keys);
  return JSON.stringify(rows.map((row) => Object.fromEntries(names.map((name, place) => [name, row[place]]))), null, 1);
}

const exportNames = (keys) => keys.map((key) => BOARD.column(key).export_name);

const toClipboard = ({ keys, rows }) => [exportNames(keys), ...rows.map((row) => row.map(cellText))]
  .map((row) => row.map((text) => text.replace(/[\t\r\n]+/g, ' ')).join('\t')).join('\n');

const fileStem = () => `zoometer-${state.task || 'leaderboard'}`;

// The chart with its title and legend, drawn anew at a fixed size for slides and papers.
async function savePicture(type) {
  if (!chart.view) return;
  const holder = h('div', { hidden: true });
  document.body.append(holder);
  const theme = readTheme();
  const spec = chartSpec({
    theme, width: 1040, height: 560, titles: axisTitles(), colours: chart.groups.map(({ colour }) => colour),
    legend: chart.groups.map(({ label }) => label), title: byId('page-title').textContent,
  });
  const { view: picture } = await window.vegaEmbed(holder, spec, { ast: true, mode: 'vega', actions: false, defaultStyle: false, tooltip: false, hover: false });
  picture.data('points', chart.points.map((point) => ({ ...point, s: view.marks[point.row] })))
    .signal('biggest', chart.view.signal('biggest'));
  feedOverlays(picture);
  applyWindow(picture);
  await picture.runAsync();
  if (type === 'svg') download(`${fileStem()}.svg`, 'image/svg+xml', await picture.toSVG());
  else {
    const canvas = await picture.toCanvas(2);
    download(`${fileStem()}.png`, 'image/png', await new Promise((resolve) => { canvas.toBlob(resolve, 'image/png'); }));
  }
  picture.finalize();
  holder.remove();
}

function startExport() {
  byId('save-csv').addEventListener('click', () => download(`${fileStem()}.csv`, 'text/csv', `\ufeff${toCsv(shownTable())}`));
  byId('save-json').addEventListener('click', () => download(`${fileStem()}.json`, 'application/json', toJson(shownTable())));
  byId('copy-rows').addEventListener('click', async () => {
    const done = await copyText(toClipboard(shownTable()));
    notify(done ? `${plural(view.rows.length, 'row')} copied.` : 'Copying was refused; use CSV instead.');
  });
  byId('copy-link').addEventListener('click', async () => {
    writeAddress();
    notify(await copyText(location.href) ? 'Address of this view copied.' : 'Copying was refused; take it from the address bar.');
  });
}
