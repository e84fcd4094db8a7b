// Packages where tests/checkers/setup.sh puts them.

const { createRequire } = require('module');
const path = require('path');

module.exports = createRequire(path.resolve(__dirname, '../../../target/checkers/browser/package.json'));
