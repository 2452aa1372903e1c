/** Every tutorial keeps to the rules, and the rules find what is wrong. */
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { packageRoot } from "../../kernel/entry";
import { type Notebook, readNotebook, sourceText } from "../../kernel/nbformat";
import { claimsOf, OUTCOMES, rowsUnder } from "./claims";
import { brokenLinks, linksOf, RULES, type Tutorial } from "./rules";

const FOLDER = path.join(packageRoot(), "notebooks");
const NAMES = fs.readdirSync(FOLDER).filter((name) => name.endsWith(".ipynb"));

function tutorial(file: string): Tutorial {
  const full = path.join(FOLDER, file);
  return {
    name: file.replace(/\.ipynb$/, ""),
    folder: FOLDER,
    bytes: fs.statSync(full).size,
    notebook: readNotebook(full),
  };
}

for (const name of NAMES)
  describe(`notebooks: ${name}`, () => {
    const one = tutorial(name);
    for (const [what, rule] of Object.entries(RULES)) it(what, () => assert.deepEqual(rule(one), []));

    it("needs nothing that is not there", () => {
      const { prerequisites = [] } = one.notebook.metadata.loralab as { prerequisites?: string[] };
      for (const needed of prerequisites) {
        assert.ok(NAMES.includes(`${needed}.ipynb`), needed);
        assert.ok(needed < one.name, `${needed} should come before ${one.name}`);
      }
    });
  });

describe("notebooks: their README", () => {
  const readme = fs.readFileSync(path.join(FOLDER, "README.md"), "utf8");
  const claims = claimsOf(readme);

  it("lists every notebook in the course", () => {
    const linked = rowsUnder("The course", readme).flatMap((row) => linksOf(row.join(" ")));
    assert.deepEqual([...linked].sort(), NAMES);
  });

  it("tells of each claim where it is tested, what was measured, and whether it held", () => {
    assert.ok(claims.length > 0);
    for (const { claim, where, measured, held } of claims) {
      assert.ok(claim, "a claim");
      assert.ok(OUTCOMES.includes(held), `"${claim}": expected one of ${OUTCOMES.join(", ")}, got "${held}"`);
      if (held === "–")
        assert.ok(measured === "–", `"${claim}": something was measured, so it held or it did not`);
      else assert.match(measured, /\d/, `"${claim}": what was measured has a number`);
      const files = linksOf(where);
      if (held !== "–")
        assert.ok(files.length > 0, `"${claim}": expected a link to the notebook that tests it`);
      for (const file of files) {
        assert.ok(NAMES.includes(file), `"${claim}": ${file} is no notebook`);
        const code = tutorial(file).notebook.cells.map(sourceText).join("\n");
        assert.match(code, /\bpaperBox\(/, `${file} tests a claim, so it should have a paperBox`);
      }
    }
  });

  it("links to what is there", () => {
    assert.deepEqual(brokenLinks(readme, FOLDER), []);
  });
});

describe("notebooks: the rules", () => {
  const cell = (source: string, more: object = {}) => ({
    id: "c",
    cell_type: "code" as const,
    metadata: {},
    source,
    execution_count: 1,
    outputs: [],
    ...more,
  });
  const text = (source: string) => ({ id: "t", cell_type: "markdown" as const, metadata: {}, source });
  const problems = (rule: string, cells: Notebook["cells"], metadata: object = {}, bytes = 100) =>
    RULES[rule]!({
      name: "04-where",
      folder: FOLDER,
      bytes,
      notebook: { nbformat: 4, nbformat_minor: 5, metadata: { loralab: metadata }, cells },
    });

  it("want goal, minutes and prerequisites on top, twice", () => {
    const rule = "says its title, goal, minutes and prerequisites";
    const about = { title: "Where", summary: "Why.", minutes: 3, prerequisites: ["01-two-phases"] };
    const top = text("# 4 · Where\n\n**Goal.** See.\n**Minutes.** 3 on two cores.\n**Prerequisites.** 1.");
    assert.deepEqual(problems(rule, [top], about), []);
    assert.equal(problems(rule, [top], {}).length, 6);
    assert.deepEqual(problems(rule, [top], { ...about, minutes: 4 }), [
      'the first cell should say "**Minutes.** 4 …"',
    ]);
    assert.deepEqual(problems(rule, [text("# 4 · Where\n")], about).length, 3);
  });

  it("want a guess with its outcome, checks, exercises with hint and solution, further reading, a switch", () => {
    const rule = "asks, checks, sets exercises and points further";
    assert.equal(problems(rule, [cell("1 + 1")]).length, 6);
    const code = cell(
      'const fast = process.env.LORALAB_FAST === "1";\npredict(); a.reveal(); check(); train();',
    );
    const end = text(
      "## Exercises\n\n<details><summary>Hint 1</summary>a</details>\n<details><summary>Solution</summary>b</details>\n\n## Further reading\n",
    );
    assert.deepEqual(problems(rule, [code, end]), []);
    const hidden = [cell("predict(); a.reveal(); check(); train();"), end];
    assert.match(problems(rule, hidden).join(), /first code cell should have the switch/);
  });

  it("want short cells", () => {
    assert.deepEqual(problems("has short cells", [cell("x;\n".repeat(25))]), []);
    assert.match(problems("has short cells", [cell("x;\n".repeat(26))]).join(), /has 26 lines/);
  });

  it("want the outputs of a whole run, without errors and paths", () => {
    const rule = "holds the outputs of a whole run";
    const said = (line: string) => [{ output_type: "stream" as const, name: "stdout", text: [line] }];
    assert.deepEqual(problems(rule, [cell("x", { outputs: said("a/b and 1/tmp/c") })]), []);
    for (const found of ["/home/ann/x", "in /tmp/loralab", "C:\\Users\\Ann", '"file:///root/x"'])
      assert.match(problems(rule, [cell("x", { outputs: said(found) })]).join(), /path of a machine/, found);
    const failed = [{ output_type: "error" as const, ename: "TypeError" }];
    assert.match(problems(rule, [cell("x", { outputs: failed })]).join(), /failed: TypeError/);
    assert.equal(problems(rule, [cell("x", { execution_count: null })]).length, 2);
    assert.match(problems(rule, [cell("x", { outputs: said("y") })], {}, 3e6).join(), /has 3\.0 MB/);
  });

  it("want words for pictures and figures", () => {
    const rule = "says in words what it shows";
    assert.equal(
      problems(rule, [text('![](a.png) ![ ](b.png) <img src="c.png"> ![A cat](d.png)')]).length,
      3,
    );
    const shows = (data: object) => [
      cell("x", { outputs: [{ output_type: "display_data" as const, data }] }),
    ];
    assert.deepEqual(problems(rule, shows({ "text/plain": "a", "text/html": "<b>a</b>" })), []);
    assert.match(
      problems(rule, shows({ "text/plain": "", "text/html": "<b>a</b>" })).join(),
      /without a text/,
    );
    assert.match(problems(rule, shows({ "text/plain": "a", "image/png": "" })).join(), /shows an image/);
  });

  it("want links that lead somewhere", () => {
    const found = brokenLinks(
      "[a](https://arxiv.org/abs/2106.09685) [b](http://arxiv.org/abs/2106.09685) [c](README.md#x) [d](none.md) " +
        "`[e](no-link)` [f](#here) [g](https://example.com/)",
      FOLDER,
    );
    assert.deepEqual(
      found.map((one) => /links to (\S+?)[:,]? /.exec(one)?.[1]),
      ["http://arxiv.org/abs/2106.09685", "none.md", "https://example.com/"],
    );
    const beside = problems("links to what is there", [text("[a](README.md) [b](#here)")]);
    assert.deepEqual(beside, ["links to README.md, which is not in the reader's folder: name it instead"]);
  });
});
