// Reads the lcov report that forge wrote and fails when the tests leave out a line or a branch of src/ that is not listed
// in coverage-unmapped.txt, or when something listed there is reached after all.
//
//   node coverage.mjs lcov.info
import {readFileSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {fileURLToPath} from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));

// The lines of the sources that were not run, as "file: text", and how many lines and branches there are.
function missed(report) {
  const out = new Set();
  const count = {lines: 0, branches: 0, missedLines: 0, missedBranches: 0};
  let file = '';
  let text = [];
  for (const record of report.split('\n')) {
    const [kind, rest] = [record.slice(0, record.indexOf(':')), record.slice(record.indexOf(':') + 1)];
    if (kind === 'SF') {
      file = rest;
      text = readFileSync(join(here, file), 'utf8').split('\n');
    }
    if (kind !== 'DA' && kind !== 'BRDA') continue;
    const fields = rest.split(',');
    const hits = fields.at(-1);
    const what = kind === 'DA' ? 'Lines' : 'Branches';
    count[what.toLowerCase()]++;
    if (hits !== '0' && hits !== '-') continue;
    count['missed' + what]++;
    out.add(`${file}: ${text[fields[0] - 1].trim()}`);
  }
  return {out, count};
}

const {out, count} = missed(readFileSync(process.argv[2], 'utf8'));
const listed = new Set(
  readFileSync(join(here, 'coverage-unmapped.txt'), 'utf8')
    .split('\n')
    .filter((line) => line && !line.startsWith('#')),
);
const share = (missing, all) => `${all - missing} of ${all}`;
console.log(`lines reached and seen by forge: ${share(count.missedLines, count.lines)}`);
console.log(`branches: ${share(count.missedBranches, count.branches)}`);
const unreached = [...out].filter((line) => !listed.has(line));
const stale = [...listed].filter((line) => !out.has(line));
for (const line of unreached) console.error(`not reached by any test: ${line}`);
for (const line of stale) console.error(`reached, so coverage-unmapped.txt need not list it: ${line}`);
if (unreached.length + stale.length > 0 || count.lines === 0) process.exit(1);
console.log('everything else is in coverage-unmapped.txt: run by the tests, but not mapped by forge');
