/** Spectra, principal angles and intruder dimensions against numpy's and scipy's. */
import assert from "node:assert/strict";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { loadAdapter } from "../../src/adapters";
import { svd } from "../../src/adapters/svd";
import { intruders, principalAngles, spectra } from "../../src/measure";
import { svdOfUpdate, updatesOf } from "../../src/measure/updates";
import { type LanguageModel, loadModel } from "../../src/model/language-model";
import { reference } from "./python";

interface Expected {
  values: number[];
  angles: number[];
  closest: number[];
}

describe("the inside of an adapter, against numpy and scipy", function () {
  this.timeout(120_000);
  let expected: Record<string, Expected>;
  let student: LanguageModel;

  before(async () => {
    const folder = reference("spectra_reference.py");
    expected = JSON.parse(readFileSync(join(folder, "reference.json"), "utf8"));
    student = await loadAdapter(await loadModel(join(folder, "model")), join(folder, "adapter"));
    rmSync(folder, { recursive: true });
  });

  const close = (got: readonly number[], want: readonly number[], what: string) => {
    assert.equal(got.length, want.length, what);
    got.forEach((x, i) => {
      assert.ok(Math.abs(x - want[i]!) < 1e-5, `${what}[${i}]: ${x}, expected ${want[i]}`);
    });
  };

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
    for (const { path, closest } of report.all) close(closest, expected[path]!.closest, path);
    const theirs = (epsilon: number) =>
      Object.values(expected).reduce(
        (sum, { closest }) => sum + closest.filter((c) => c < epsilon).length,
        0,
      );
    for (const epsilon of [0.3, 0.5, 0.7]) assert.equal(report.at(epsilon).count, theirs(epsilon));
    assert.ok(theirs(0.7) > 0);
  });
});
