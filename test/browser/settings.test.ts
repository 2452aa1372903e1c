/** What the front end takes for the settings of a user who set nothing. */
import assert from "node:assert/strict";
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { packageRoot } from "../../kernel/entry";
import { bundleFolder, ensureBundle } from "../../lab/bundle";
import { defaultsOf } from "../../lab/ui/src/defaults";

/** The validator that JupyterLab itself uses. */
const Ajv = createRequire(path.join(packageRoot(), "lab/ui/package.json"))("ajv").default;

describe("settings that nobody set", () => {
  before(() => ensureBundle(() => {}));

  it("are what JupyterLab's validator fills in, for every schema of the bundle", () => {
    const file = path.join(bundleFolder(), "schemas.json");
    const schemas: Record<string, { schema: object }> = JSON.parse(fs.readFileSync(file, "utf8"));
    assert.ok(Object.keys(schemas).length > 50);
    for (const [id, { schema }] of Object.entries(schemas)) {
      const expected = {};
      const validate = new Ajv({ useDefaults: true, strict: false }).compile(schema);
      assert.ok(validate(expected), `${id}: ${JSON.stringify(validate.errors)}`);
      assert.deepEqual(defaultsOf(schema), expected, id);
    }
  });
});
