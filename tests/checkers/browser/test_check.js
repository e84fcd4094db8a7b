// The checks of a page refuse every mutant of ours, for the right reason.
//
//   node test_check.js REPORT.html
//
// REPORT.html is the page of a report with exceptions; mutants are written beside it, so that its links still lead to files.

const fs = require('fs');
const path = require('path');

const { faults, launch } = require('./check.js');

// Puts something in place of what must be there.
function instead(of, by) {
  return (page) => {
    if (!(of instanceof RegExp ? of.test(page) : page.includes(of))) throw new Error(`the page has no ${of}`);
    return page.replace(of, () => by);
  };
}

// Puts something behind the first heading.
const more = (markup) => instead('</h1>', `</h1>${markup}`);
const style = (rules) => instead('</style>', `${rules}</style>`);
const unguarded = instead(/<meta http-equiv="Content-Security-Policy"[^>]*>/, '');
const both = (first, second) => (page) => second(first(page));

// Which check, what is changed, what has to be said.
const MUTANTS = [
  ['network', more('<img alt="seen" src="https://attacker.example/seen.png">'), 'asks for https://attacker.example/seen.png'],
  ['network', style('body { background: url("http://192.0.2.1/a.png"); }'), 'asks for http://192.0.2.1/a.png'],
  ['network', style('@font-face { font-family: a; src: url("other.woff2"); } h1 { font-family: a; }'), 'asks for file:///'],
  ['silent', more('<script>1</script>'), 'the console says error'],
  ['silent', both(unguarded, more('<script>console.log("seen")</script>')), 'the console says log: seen'],
  ['inert', more('<script>1</script>'), 'an element script'],
  ['inert', more('<p onclick="1">more</p>'), 'an attribute onclick'],
  ['inert', more('<a href="javascript:1">more</a>'), 'href begins with javascript:'],
  ['inert', more('<iframe title="more" srcdoc="more"></iframe>'), 'an element iframe'],
  ['inert', instead('<head>', '<head><meta http-equiv="refresh" content="3600;url=https://attacker.example/">'), 'an element meta'],
  ['inert', unguarded, 'no policy that keeps everything out'],
  ['text', both(unguarded, more('<script>document.write("more")</script>')), 'it reads otherwise'],
  ['text', more('<noscript>Switch scripts on.</noscript>'), 'it reads otherwise'],
  ['links', more('<p id="controls">more</p>'), '2 elements are called controls'],
  ['links', more('<a href="#nowhere">more</a>'), 'a link to #nowhere'],
  ['links', more('<p aria-describedby="nowhere">more</p>'), 'aria-describedby names nowhere'],
  ['links', more('<a href="tables/nothing.csv">more</a>'), 'a link to tables/nothing.csv'],
  ['links', more('<a href="https://attacker.example/">more</a>'), 'a link to https://attacker.example/'],
  ['figures', instead(/aria-label="Commands of each of[^"]*"/, ''), 'a drawing without a name'],
  ['figures', instead(/<figcaption>/, '</figure><figure><figcaption>'), 'a drawing without a table'],
  ['figures', instead(/<title>(\d+-\d+-\d+): \d+ allowed/, '<title>2023-11-14: 9999 allowed'), '2023-11-14 is drawn otherwise'],
  ['figures', instead('<rect class="none"', '<line class="none"'), 'nothing is drawn of 2023-11-15'],
  ['figures', more('<svg aria-hidden="true"><rect width="1" height="1"></rect></svg>'), 'a hidden drawing that stands beside no number'],
  ['accessible', style(':root { --ink: #999; }'), 'light: color-contrast'],
  ['accessible', style('@media (prefers-color-scheme: dark) { :root { --link: #35354a; } }'), 'dark: color-contrast'],
  ['accessible', instead('<html lang="en">', '<html>'), 'light: html-has-lang'],
  ['accessible', more('<svg role="img" width="9" height="9"></svg>'), 'light: svg-img-alt'],
  ['accessible', more('<table><tr><th scope="row"></th><td>1</td></tr></table>'), 'light: empty-table-header'],
  ['fits', instead('.scroll { overflow-x: auto;', '.scroll {'), 'at 360: it is'],
  ['fits', instead('.scroll { overflow-x: auto;', '.scroll { overflow-x: hidden;'), 'at 360: div is cut off'],
  ['fits', more(`<table><tr><td style="white-space: nowrap">${'wide '.repeat(60)}</td></tr></table>`), 'at 1280: it is'],
  ['fits', instead(/ tabindex="0"/g, ''), 'at 360: div scrolls and has no name, or no key reaches it'],
  ['fits', more('<p style="position: absolute">more</p>'), "at 360: p stands out of the page's flow"],
  ['zoom', instead('font: .9375rem/1.45', 'font: 15px/1.45'), 'text of p grows 1 times'],
  ['zoom', more('<svg aria-label="more" role="img"><text y="9" font-size="12">more</text></svg>'), 'text of text grows'],
  ['zoom', style('body * { font-size: .5rem; }'), 'text of 8 pixels'],
  ['zoom', style('li { width: 60rem; }'), 'it is'],
  ['keyboard', instead(' href="#exceptions"', ' href="#exceptions" tabindex="-1"'), 'light: Tab 4 comes to'],
  ['keyboard', instead(' href="#exceptions"', ' href="#exceptions" tabindex="5"'), 'light: Tab 1 comes to'],
  ['keyboard', style(':focus-visible { outline: none; }'), 'light: nothing shows that'],
  ['keyboard', style('@media (prefers-color-scheme: dark) { :focus-visible { outline-color: #222; } }'), 'dark: hardly anything shows that'],
  ['keyboard', more('<button>more</button>'), 'light: Tab 1 comes to'],
  ['print', instead('@media screen and (prefers-color-scheme: dark)', '@media (prefers-color-scheme: dark)'), 'on paper: its ground is'],
  ['print', style('@media print { :root { --ink: #aaa; } }'), 'on paper: color-contrast'],
  ['print', instead('.scroll { overflow: visible; }', ''), 'on paper: 980 wide: a div would have to be scrolled'],
  ['print', style('@media print { td { white-space: nowrap; } }'), 'on paper: 980 wide: it is'],
  ['print', instead('size: landscape;', 'size: portrait;'), 'on paper: its sheets stand'],
];

async function main(file) {
  const page = fs.readFileSync(file, 'utf8');
  const browser = await launch();
  let refused = 0;
  try {
    for (const [number, [name, change, wanted]] of MUTANTS.entries()) {
      const mutant = path.join(path.dirname(file), `mutant-${number}.html`);
      fs.writeFileSync(mutant, change(page));
      const found = await faults(browser, mutant, [name]);
      fs.unlinkSync(mutant);
      const right = found.some((fault) => fault.startsWith(`${name}: ${wanted}`));
      refused += right;
      if (!right) console.log(`${number}, not refused for ${name}: ${wanted}: ${found.slice(0, 5).join('\n  ')}`);
    }
  } finally {
    await browser.close();
  }
  console.log(`${refused} of ${MUTANTS.length} mutants refused for the right reason`);
  process.exitCode = refused === MUTANTS.length ? 0 : 1;
}

main(process.argv[2]).catch((error) => {
  console.error(error);
  process.exitCode = 3;
});
