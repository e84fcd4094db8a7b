// Holds resources against FHIR R4 with the npm package `fhir`: properties, types, and codes against the value sets that it carries.
//
//   node fhir.js DIRECTORY < LINES
//
// DIRECTORY is where the package is installed. For each line a JSON list of what is wrong with the resource on it is printed.

const path = require('path');
const readline = require('readline');

const { Fhir } = require(path.resolve(process.argv[2], 'node_modules', 'fhir'));

const fhir = new Fhir();
const lines = readline.createInterface({ input: process.stdin });
lines.on('line', (line) => {
  const { messages } = fhir.validate(JSON.parse(line), { errorOnUnexpected: true });
  // What a binding that may be extended does not list is a warning; whether it may be is for the caller to say.
  const told = messages.filter(({ severity }) => severity !== 'info');
  console.log(JSON.stringify(told.map(({ location, message }) => `${location}: ${message}`)));
});
