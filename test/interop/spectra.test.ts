/** Spectra, principal angles and intruder dimensions against numpy's and scipy's. */
import assert from "node:assert/strict";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { loadAdapter } from "../../src/adapters";
import { dot } from "../../src/adapters/dense";
import { qr } from "../../src/adapters/qr";
import { coordinates as coordinatesIn, leftBasis, singularValues, svd } from "../../src/adapters/svd";
import { intruders, principalAngles, spectra } from "../../src/measure";
import { svdOfUpdate, updatesOf } from "../../src/measure/updates";
import { type LanguageModel, loadModel } from "../../src/model/language-model";
import { resolveModelFolder } from "../../src/model/places";
import { reference } from "./python";

interface Expected {
  values: number[];
  angles: number[];
  closest: number[];
  /** Counts by ε. */
  intruders: Record<string, number>;
}

/** Of a trained weight of "small". */
interface Weight {
  values: number[];
  left: number[][];
  coordinates: number[];
  q: number[][];
  r: number[];
}

describe("the inside of an adapter, against numpy and scipy", function () {
  this.timeout(120_000);
  let expected: Record<string, Expected>;
  let weights: Record<string, Weight>;
  let student: LanguageModel;

  before(async () => {
    const folder = reference("spectra_reference.py", resolveModelFolder("small"));
    ({ updates: expected, weights } = JSON.parse(readFileSync(join(folder, "reference.json"), "utf8")));
    student = await loadAdapter(await loadModel(join(folder, "model")), join(folder, "adapter"));
    rmSync(folder, { recursive: true });
  });

  const close = (got: readonly number[], want: readonly number[], what: string) => {
    assert.equal(got.length, want.length, what);
    got.forEach((x, i) => {
      assert.ok(Math.abs(x - want[i]!) < 1e-5, `${what}[${i}]: ${x}, expected ${want[i]}`);
    });
  };

  it("decomposes trained weights of every shape of a model alike, all of them and the strongest part", async () => {
    const small = await loadModel("small");
    for (const [name, { values, left, coordinates, q, r }] of Object.entries(weights)) {
      const weight = small.weights.get(name)!;
      const whole = svd(weight);
      const part = svd(weight, 10);
      close(whole.values, values, `${name} values`);
      close(singularValues(weight), values, `${name} values alone`);
      close(part.values, values.slice(0, 10), `${name} largest values`);
      for (const [k, vector] of left.entries()) {
        for (const [what, ours] of [
          ["whole", whole],
          ["part", part],
        ] as const) {
          const sign = Math.sign(dot(ours.left[k]!, Float64Array.from(vector)));
          close(
            [...ours.left[k]!].map((x) => sign * x),
            vector,
            `${name} ${what} vector ${k}`,
          );
        }
      }
      const ramp = Float64Array.from({ length: weight.shape[0]! }, (_, i) => Math.cos(i));
      close([...coordinatesIn(leftBasis(weight), ramp)].map(Math.abs), coordinates, `${name} coordinates`);
      const ours = qr(weight, 5);
      for (const [k, column] of q.entries()) close([...ours.q[k]!], column, `${name} Q ${k}`);
      close(
        ours.r.map((row, i) => row[i]!),
        r,
        `${name} R`,
      );
    }
  });

  it("has the same singular values, of the same matrices", () => {
    const { all } = spectra(student);
    assert.deepEqual(all.map(({ path }) => path).sort(), Object.keys(expected).sort());
    for (const { path, values } of all) close(values, expected[path]!.values, path);
  });

  it("has the same principal angles with the weight", () => {
    for (const update of updatesOf(student)) {
      const ofUpdate = svdOfUpdate(update).left.slice(0, 3);
      const ofWeight = svd(update.before, 3).left;
      close(principalAngles(ofUpdate, ofWeight), expected[update.path]!.angles, update.path);
    }
  });

  it("has the same cosines that tell intruders, so the same intruders for every ε", () => {
    const report = intruders(student, { k: 6, epsilon: 0.5 });
    for (const { path, closest } of report.all) close(closest.slice(0, 6), expected[path]!.closest, path);
    const theirs = (epsilon: string) =>
      Object.values(expected).reduce((sum, { intruders }) => sum + intruders[epsilon]!, 0);
    for (const epsilon of ["0.3", "0.5", "0.7"])
      assert.equal(report.at(Number(epsilon)).count, theirs(epsilon));
    assert.ok(theirs("0.7") > 0);
  });
});
