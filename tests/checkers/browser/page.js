// What a page is held to, each a function of a browser and the page's file that gives what is wrong, in words.
//
// The page is opened as a person opens it, from the disk, and every request but the one for it is refused and told. What is looked for
// is looked for in the page as it is drawn: code is put into it by the debugger, which neither the page's own policy nor switched off
// scripts keep out.
//
// Not here: what the page says (the tests of the verifier), and mutants (test_check.js).

const fs = require('fs');
const path = require('path');
const { pathToFileURL } = require('url');

const installed = require('./installed.js');

const AXE = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
// CSS pixels across: a telephone, a tablet, a desk.
const WIDTHS = [360, 768, 1280];
const THEMES = ['light', 'dark'];
// The sheets of the world that are least wide, across, less 10 mm at each side, in CSS pixels: Letter, and A4 that somebody turned.
const PAPERS = [980, 718];
// WCAG 1.4.11: what shows where the focus is.
const FOCUS_CONTRAST = 3;
const TOLD_MAX = 5;

// Opens the file and does something with the page; what it asked the network or other files for is told in `asked`, what the console said in `said`.
async function opened(browser, file, options, act) {
  const page = await browser.newPage();
  const url = pathToFileURL(file).href;
  const asked = [];
  const said = [];
  try {
    await page.setRequestInterception(true);
    page.on('request', (request) => {
      // A link within the page asks for nothing.
      if (request.url().split('#')[0] === url) return request.continue();
      asked.push(request.url().slice(0, 80));
      return request.abort();
    });
    page.on('console', (message) => said.push(`${message.type()}: ${message.text().slice(0, 200)}`));
    page.on('pageerror', (error) => said.push(`error: ${error.message}`));
    page.on('dialog', (dialog) => (said.push(`dialog: ${dialog.message()}`), dialog.dismiss()));
    await page.setBypassCSP(options.bypass ?? false);
    await page.setJavaScriptEnabled(options.scripts ?? true);
    await page.setViewport({ width: options.width ?? 1280, height: 900 });
    // Both at once: each call of its own takes back what the other one set.
    const features = [{ name: 'prefers-color-scheme', value: options.theme ?? 'light' }];
    const debug = await page.createCDPSession();
    await debug.send('Emulation.setEmulatedMedia', { media: options.media ?? 'screen', features });
    await page.goto(url, { waitUntil: 'load' });
    return await act(page, asked, said);
  } finally {
    await page.close();
  }
}

// It asks for nothing but itself, also where its own policy would not keep it from asking.
async function network(browser, file) {
  const ask = (bypass) => opened(browser, file, { bypass }, async (page, asked) => {
    await page.evaluate(() => document.fonts.ready.then(() => undefined));
    await page.waitForNetworkIdle({ idleTime: 100 });
    return asked;
  });
  const asked = [...(await ask(true)), ...(await ask(false))];
  return [...new Set(asked)].map((url) => `asks for ${url}`);
}

async function silent(browser, file) {
  return opened(browser, file, {}, (page, asked, said) => said.map((line) => `the console says ${line}`));
}

// Nothing in it could run, and a policy of its own says so.
async function inert(browser, file) {
  return opened(browser, file, { scripts: false }, (page) => page.evaluate(() => {
    const faults = [];
    const forbidden = 'script, iframe, frame, object, embed, base, form, img, video, audio, link, template, foreignObject, [srcset], meta[http-equiv]:not([http-equiv="Content-Security-Policy"])';
    for (const element of document.querySelectorAll(forbidden)) faults.push(`an element ${element.localName}`);
    for (const element of document.querySelectorAll('*')) {
      for (const { name, value } of element.attributes) {
        if (name.startsWith('on')) faults.push(`an attribute ${name}`);
        if (/^\s*(javascript|data|vbscript):/i.test(value)) faults.push(`${name} begins with ${value.slice(0, 11)}`);
      }
    }
    const policy = document.querySelector('head > meta[http-equiv="Content-Security-Policy"]');
    if (policy?.content !== "default-src 'none'; style-src 'unsafe-inline'") faults.push('no policy that keeps everything out');
    return faults;
  }));
}

// The same text with scripts and without.
async function text(browser, file) {
  const read = (scripts) => opened(browser, file, { scripts }, (page) => page.evaluate(() => document.body.innerText));
  const [on, off] = [await read(true), await read(false)];
  if (off.length < 1000) return [`without scripts it has ${off.length} characters`];
  return on === off ? [] : ['it reads otherwise without scripts'];
}

// Names are told apart, what refers to them finds them, and every other link is to a file of the report.
async function links(browser, file) {
  const [faults, files] = await opened(browser, file, {}, (page) => page.evaluate(() => {
    const faults = [];
    const ids = new Map();
    for (const { id } of document.querySelectorAll('[id]')) ids.set(id, (ids.get(id) ?? 0) + 1);
    for (const [id, count] of ids) if (count > 1) faults.push(`${count} elements are called ${id}`);
    const files = [];
    const targets = new Set();
    for (const link of document.querySelectorAll('a')) {
      const to = link.getAttribute('href') ?? '';
      if (!to.startsWith('#')) files.push(to);
      else if (ids.has(to.slice(1))) targets.add(to.slice(1));
      else faults.push(`a link to ${to}, which is not there`);
    }
    for (const name of ['aria-labelledby', 'aria-describedby', 'aria-controls', 'headers', 'for']) {
      for (const element of document.querySelectorAll(`[${name}]`)) {
        for (const id of element.getAttribute(name).split(/\s+/)) {
          if (ids.has(id)) targets.add(id);
          else faults.push(`${name} names ${id}, which is not there`);
        }
      }
    }
    return [faults, files];
  }));
  for (const to of new Set(files)) {
    const plain = /^[a-z][a-z0-9/.-]*$/.test(to) && !to.includes('..');
    if (!plain || !fs.existsSync(path.join(path.dirname(file), to))) faults.push(`a link to ${to}, which is no file of the report`);
  }
  return faults;
}

// What is drawn has a name, or stands in a table that says the same; a figure has a table of its own.
async function figures(browser, file) {
  return opened(browser, file, {}, (page) => page.evaluate(() => {
    const faults = [];
    for (const drawing of document.querySelectorAll('svg')) {
      const row = drawing.closest('tr');
      if (drawing.getAttribute('aria-hidden') === 'true') {
        const number = [...(row?.cells ?? [])].some((cell) => /^\d+$/.test(cell.textContent));
        if (!number) faults.push('a hidden drawing that stands beside no number');
        continue;
      }
      if (!(drawing.getAttribute('aria-label') ?? '').trim()) faults.push('a drawing without a name');
      const figure = drawing.closest('figure');
      const table = figure?.querySelector('table');
      if (!figure?.querySelector('figcaption')) faults.push('a drawing without a caption');
      if (!table) {
        faults.push('a drawing without a table beside it');
        continue;
      }
      const days = new Map([...table.tBodies[0].rows].map(({ cells: [day, ...counts] }) => [day.textContent, counts.map((cell) => cell.textContent).join()]));
      for (const { textContent, parentElement } of drawing.querySelectorAll('title')) {
        const [day, said] = textContent.split(': ');
        const numbers = (said.match(/\d+/g) ?? []).join();
        // A day that is not in the table has none, or the table says that it is cut.
        const wanted = days.get(day) ?? (/ are shown;/.test(figure.textContent) ? numbers : '0,0,0');
        if (numbers !== wanted) faults.push(`${day} is drawn otherwise than in its table`);
        if (!parentElement.querySelector('rect')) faults.push(`nothing is drawn of ${day}`);
      }
    }
    return faults;
  }));
}

const axe = fs.readFileSync(installed.resolve('axe-core/axe.min.js'), 'utf8');

async function violations(page, runOnly = { type: 'tag', values: AXE }) {
  await page.evaluate(axe);
  const results = await page.evaluate((runOnly) => window.axe.run(document, { runOnly, resultTypes: ['violations'] }), runOnly);
  return results.violations.flatMap(({ id, help, nodes }) => nodes.slice(0, TOLD_MAX).map((node) => {
    const why = [...node.any, ...node.all, ...node.none][0]?.message ?? '';
    return `${id}: ${help}: ${node.target.join(' ')}: ${why}`.slice(0, 400);
  }));
}

// WCAG 2.2 A and AA as far as axe-core can tell, in both themes.
async function accessible(browser, file) {
  const faults = [];
  for (const theme of THEMES) {
    const found = await opened(browser, file, { theme }, (page) => violations(page));
    faults.push(...found.map((fault) => `${theme}: ${fault}`));
  }
  return faults;
}

// What is cut off at the side, or reaches past the page, and stands in nothing that scrolls.
function beyond(toldMax) {
  const root = document.documentElement;
  const wide = root.clientWidth;
  const faults = root.scrollWidth > wide ? [`it is ${root.scrollWidth} wide`] : [];
  const told = (element, what) => faults.push(`${element.localName} ${what}: ${element.textContent.slice(0, 40)}`);
  const look = (element, scrolled) => {
    if (faults.length >= toldMax) return;
    const { overflowX, position } = getComputedStyle(element);
    const place = element.getBoundingClientRect();
    const full = element.scrollWidth > element.clientWidth;
    const scrolls = overflowX === 'auto' || overflowX === 'scroll';
    if (position === 'fixed' || position === 'absolute') told(element, "stands out of the page's flow");
    if (!scrolled && place.width > 0 && (place.right > wide + 1 || place.left < -1)) told(element, `reaches to ${Math.round(place.right)}`);
    // What is drawn is stretched to its place.
    if (element.localName === 'svg') return;
    if (full && (overflowX === 'hidden' || overflowX === 'clip')) told(element, 'is cut off');
    const named = element.hasAttribute('aria-label') || element.hasAttribute('aria-labelledby');
    if (full && scrolls && (element.tabIndex !== 0 || !named)) told(element, 'scrolls and has no name, or no key reaches it');
    for (const child of element.children) look(child, scrolled || scrolls);
  };
  look(document.body, false);
  return faults;
}

async function fits(browser, file) {
  const faults = [];
  for (const width of WIDTHS) {
    const found = await opened(browser, file, { width }, (page) => page.evaluate(beyond, TOLD_MAX));
    faults.push(...found.map((fault) => `at ${width}: ${fault}`));
  }
  return faults;
}

// Text of twice the size: all of it grows, and nothing is lost by that.
async function zoom(browser, file) {
  return opened(browser, file, {}, async (page) => {
    const sizes = () => page.evaluate(() => [...document.querySelectorAll('body *')]
      .filter((element) => [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim()))
      .map((element) => [element.localName, parseFloat(getComputedStyle(element).fontSize)]));
    const before = await sizes();
    await page.addStyleTag({ content: 'html { font-size: 200% !important; }' });
    const after = await sizes();
    const faults = before.flatMap(([name, size], at) => {
      const grown = after[at][1] / size;
      return Math.abs(grown - 2) < 0.05 ? [] : [`text of ${name} grows ${grown} times`];
    });
    const least = Math.min(...before.map(([, size]) => size));
    if (least < 11) faults.push(`text of ${least} pixels`);
    return [...new Set(faults), ...(await page.evaluate(beyond, TOLD_MAX))];
  });
}

// Tab comes to every link and to everything that scrolls, in the order of the page, and where it is shows.
async function keyboard(browser, file) {
  const faults = [];
  for (const theme of THEMES) {
    const found = await opened(browser, file, { width: 768, theme }, async (page) => {
      const wanted = await page.evaluate(() => {
        const scrolls = (element) => ['auto', 'scroll'].includes(getComputedStyle(element).overflowX);
        const all = [...document.querySelectorAll('body *')];
        window.stops = all.filter((element) => element.localName === 'a' || (scrolls(element) && element.scrollWidth > element.clientWidth) || element.hasAttribute('tabindex'));
        return window.stops.length;
      });
      // All of them in the first theme; the same rules make the others look as these do.
      const steps = theme === 'light' ? wanted : Math.min(wanted, 20);
      const faults = [];
      for (let at = 0; at < steps; at += 1) {
        await page.keyboard.press('Tab');
        const fault = await page.evaluate(focused, at, FOCUS_CONTRAST);
        if (fault) faults.push(fault);
        if (faults.length >= TOLD_MAX) return faults;
      }
      if (theme !== 'light') return faults;
      await page.keyboard.press('Tab');
      const past = await page.evaluate(() => document.activeElement !== document.body && document.activeElement !== window.stops[0]);
      return past ? [...faults, 'Tab comes to more than links and what scrolls'] : faults;
    });
    faults.push(...found.map((fault) => `${theme}: ${fault}`));
  }
  return faults;
}

// What is wrong with where Tab has come to, the number of stops before it given.
function focused(at, contrast) {
  const element = document.activeElement;
  const wanted = window.stops[at];
  const name = (one) => `${one.localName} ${(one.getAttribute('aria-label') ?? one.textContent).slice(0, 30)}`;
  if (element !== wanted) return `Tab ${at + 1} comes to ${name(element)}, not to ${name(wanted)}`;
  const luminance = (colour) => {
    const parts = colour.match(/[\d.]+/g).slice(0, 3).map((part) => part / 255);
    const [red, green, blue] = parts.map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const style = getComputedStyle(element);
  if (!element.matches(':focus-visible') || style.outlineStyle === 'none' || parseFloat(style.outlineWidth) < 2) {
    return `nothing shows that ${name(element)} has the focus`;
  }
  const pair = [style.outlineColor, getComputedStyle(document.documentElement).backgroundColor].map(luminance).sort((one, other) => other - one);
  if ((pair[0] + 0.05) / (pair[1] + 0.05) < contrast) return `hardly anything shows that ${name(element)} has the focus`;
  const place = element.getBoundingClientRect();
  return place.bottom <= 0 || place.top >= window.innerHeight ? `${name(element)} has the focus and is out of sight` : null;
}

// On paper: dark on light also where the screen is dark, nothing wider than the sheet, and it becomes a PDF of some pages.
async function print(browser, file) {
  const faults = [];
  for (const width of PAPERS) {
    const found = await opened(browser, file, { media: 'print', theme: 'dark', width }, async (page) => [
      ...(await page.evaluate(beyond, TOLD_MAX)),
      ...(await page.evaluate(cut, TOLD_MAX)),
    ]);
    faults.push(...found.map((fault) => `${width} wide: ${fault}`));
  }
  faults.push(...(await opened(browser, file, { media: 'print', theme: 'dark', width: PAPERS[0] }, async (page) => {
    const wrong = await violations(page, { type: 'rule', values: ['color-contrast'] });
    const paper = await page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
    return paper === 'rgb(255, 255, 255)' ? wrong : [`its ground is ${paper}`, ...wrong];
  })));
  faults.push(...(await opened(browser, file, { theme: 'dark' }, pages)));
  return faults.map((fault) => `on paper: ${fault}`);
}

// What paper cannot scroll to.
function cut(toldMax) {
  const boxes = [...document.querySelectorAll('body *')].filter((element) => element.localName !== 'svg' && getComputedStyle(element).overflowX !== 'visible');
  return boxes.slice(0, toldMax).map((element) => `a ${element.localName} would have to be scrolled: ${element.textContent.slice(0, 40)}`);
}

// It becomes a PDF whose sheets lie.
async function pages(page) {
  const paper = Buffer.from(await page.pdf({ preferCSSPageSize: true })).toString('latin1');
  const boxes = [...paper.matchAll(/\/MediaBox\s*\[\s*0\s+0\s+([\d.]+)\s+([\d.]+)/g)];
  if (!paper.startsWith('%PDF-') || boxes.length === 0) return ['it becomes no PDF'];
  return boxes.every(([, wide, high]) => Number(wide) > Number(high)) ? [] : ['its sheets stand'];
}

module.exports = { network, silent, inert, text, links, figures, accessible, fits, zoom, keyboard, print };
