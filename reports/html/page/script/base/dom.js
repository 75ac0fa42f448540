// Building and reading the page. Text from the report is inserted only as text nodes and attributes, never as markup.

export const byId = (id) => document.getElementById(id);

const ESCAPES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
export const escapeHtml = (text) => String(text).replace(/[&<>"']/g, (c) => ESCAPES[c]);

// h('button', {class: 'quiet', onclick: open}, 'Open') makes an element. Functions become listeners, `style` is an object of CSS
// properties, `true` an empty attribute; false, null and undefined are left out. Children are nodes or text.
export function h(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === 'function') element.addEventListener(name.slice(2), value);
    else if (name === 'style') Object.entries(value).forEach((property) => element.style.setProperty(...property));
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export const fill = (element, ...children) => element.replaceChildren(...children.flat().filter(Boolean));

// A link that leaves the page. Anything but http and https is shown as text.
export function externalLink(address, label) {
  if (!isWebAddress(address)) return document.createTextNode(address);
  return h('a', { href: address, target: '_blank', rel: 'noopener noreferrer' }, label ?? address);
}

export function isWebAddress(text) {
  try { return ['http:', 'https:'].includes(new URL(text).protocol); } catch { return false; }
}

export function download(name, type, content) {
  const blob = content instanceof Blob ? content : new Blob([content], { type });
  const address = URL.createObjectURL(blob);
  const link = h('a', { href: address, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

// Copies text. Some pages opened from disk may not use the clipboard API, so execCommand is the second try.
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = h('textarea', { class: 'visually-hidden', 'aria-hidden': 'true' });
    (document.querySelector('dialog[open]') ?? document.body).append(area);
    area.value = text;
    area.select();
    const done = document.execCommand('copy');
    area.remove();
    return done;
  }
}

// Shows a short message in the corner of the page, which screen readers read out.
let noticeTimer = 0;
export function notify(text) {
  const box = byId('notice');
  box.textContent = text;
  box.classList.add('is-shown');
  clearTimeout(noticeTimer);
  noticeTimer = setTimeout(() => box.classList.remove('is-shown'), 2600);
}
