// Holds a report's page to what browsers and the people before them need, in Debian's Chromium.
//
//   node check.js REPORT.html...
//
// Prints what is wrong, with the name of the check (page.js), and exits with 1; or says how many checks each page held to.

const path = require('path');

const installed = require('./installed.js');
const checks = require('./page.js');

const puppeteer = installed('puppeteer-core');

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';

function launch() {
  // Containers of CI run as root and have no user namespaces for the sandbox; what is opened are files that were just made.
  const args = ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu', '--disable-background-networking', '--host-resolver-rules=MAP * ~NOTFOUND'];
  return puppeteer.launch({ executablePath: CHROMIUM, headless: true, args });
}

// What is wrong with a page, by the checks of these names.
async function faults(browser, file, names = Object.keys(checks)) {
  const found = [];
  for (const name of names) {
    for (const fault of await checks[name](browser, path.resolve(file))) found.push(`${name}: ${fault}`);
  }
  return found;
}

async function main(files) {
  const browser = await launch();
  let wrong = 0;
  try {
    for (const file of files) {
      const found = await faults(browser, file);
      wrong += found.length;
      for (const fault of found) console.log(`${file}: ${fault}`);
      if (found.length === 0) console.log(`${file}: ${Object.keys(checks).length} checks hold`);
    }
  } finally {
    await browser.close();
  }
  process.exitCode = files.length === 0 || wrong > 0 ? 1 : 0;
}

module.exports = { faults, launch };

if (require.main === module) {
  main(process.argv.slice(2)).catch((error) => {
    console.error(error);
    process.exitCode = 3;
  });
}
