// Answers points with h3-js: reads latitudes and longitudes as pairs of float64
// (little-endian), writes per point the index of the cell of resolution 6 as
// uint64 and its centre as two float64.
//
//   node compare.mjs <folder of h3-js> <points> <answers>
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";

const [folder, from, to] = process.argv.slice(2);
const { latLngToCell, cellToLatLng } = createRequire(folder + "/")("h3-js");
const points = readFileSync(from);
const n = points.length / 16;
const answers = Buffer.alloc(n * 24);
for (let i = 0; i < n; i++) {
  const cell = latLngToCell(points.readDoubleLE(i * 16), points.readDoubleLE(i * 16 + 8), 6);
  const [lat, lng] = cellToLatLng(cell);
  answers.writeBigUInt64LE(BigInt("0x" + cell), i * 24);
  answers.writeDoubleLE(lat, i * 24 + 8);
  answers.writeDoubleLE(lng, i * 24 + 16);
}
writeFileSync(to, answers);
