import { strict as assert } from "node:assert";
import {
  EXPOSURES,
  factDocuments,
  heldOutFactDocuments,
  isHeldOut,
  state,
} from "../../models/recipe/tinyworld-facts";
import { storyDocuments } from "../../models/recipe/tinyworld-stories";
import { FOLLOW_UPS, KINDS, STATEMENTS } from "../../models/recipe/tinyworld-templates";
import { glossDocuments, kindDocuments, kindFacts } from "../../models/recipe/wordnet";
import { COUNTRIES } from "../../src/train/tasks/countries";
import { inventedCountries } from "../../src/train/tasks/invented";

const PRINTABLE = /^[\x20-\x7e]+$/;

describe("TinyWorld", function () {
  this.timeout(120_000);
  const small = { capital: 30, continent: 10, currency: 10, language: 10 };
  let documents: string[];
  before(() => {
    documents = factDocuments(1, small);
  });

  it("has at least forty different statements for each kind of fact, in both directions", () => {
    for (const kind of KINDS) {
      assert.ok(new Set(STATEMENTS[kind]).size >= 40, kind);
      const countryFirst = STATEMENTS[kind].filter(
        (t) => Math.max(t.indexOf("{c}"), t.indexOf("{p}")) < t.indexOf("{v}"),
      );
      assert.ok(countryFirst.length >= 7 && STATEMENTS[kind].length - countryFirst.length >= 7, kind);
    }
  });

  it("fills every slot", () => {
    for (const country of COUNTRIES)
      for (const kind of KINDS)
        for (const template of [...STATEMENTS[kind], ...FOLLOW_UPS[kind]]) {
          const text = state(template, country, kind);
          assert.match(text, /^[A-Z][^{}?]*\.$/);
          assert.match(text, PRINTABLE);
        }
  });

  it("never asks and never answers", () => {
    for (const text of documents) assert.doesNotMatch(text, /\?|Question|Answer|[{}]/);
    for (const text of storyDocuments(1, 500)) assert.doesNotMatch(text, /\?|undefined|[{}]/);
    for (const text of kindDocuments(1, 10)) assert.doesNotMatch(text, /\?|[{}]/);
  });

  it("states each fact as often as it is told to", () => {
    const count = (text: string) => documents.reduce((n, d) => n + d.split(text).length - 1, 0);
    // Follow-ups ("Its capital is Oslo.") name the capital too; no other sentence does.
    assert.equal(count("Oslo"), small.capital);
    assert.equal(count("Mogadishu"), small.capital);
    assert.equal(count("Thai baht"), small.currency);
    assert.ok(EXPOSURES.capital >= 200 && EXPOSURES.capital <= 500);
  });

  it("keeps some wordings of each country for validation only", () => {
    const training = `. ${documents.join(". ")}`;
    const held = heldOutFactDocuments(1).join(" ");
    let kept = 0;
    COUNTRIES.forEach((country, c) => {
      for (const kind of KINDS)
        STATEMENTS[kind].forEach((template, t) => {
          if (!isHeldOut(c, t)) return;
          kept++;
          const text = state(template, country, kind);
          assert.ok(held.includes(text), text);
          assert.ok(!training.includes(`. ${text}`), text);
        });
    });
    assert.ok(kept > COUNTRIES.length);
  });

  it("is the same for the same seed", () => {
    assert.deepEqual(factDocuments(1, small), documents);
    assert.notDeepEqual(factDocuments(2, small), documents);
    assert.deepEqual(storyDocuments(4, 50), storyDocuments(4, 50));
  });

  it("knows nothing of the invented countries", () => {
    const training = documents.join("\n");
    for (const { name, capital } of inventedCountries())
      assert.ok(!training.includes(name) && !training.includes(capital));
  });

  it("tells different stories", () => {
    const stories = storyDocuments(1, 1000);
    assert.equal(new Set(stories).size, 1000);
    for (const text of stories) assert.match(text, PRINTABLE);
  });
});

describe("WordNet", function () {
  this.timeout(60_000);

  it("says what kind of thing a thing is", () => {
    const kinds = new Map(kindFacts().map(({ word, kind }) => [word, kind]));
    assert.equal(kinds.get("windmill"), "mill");
    assert.equal(kinds.get("cockatoo"), "parrot");
    assert.ok(kinds.size > 1000);
    assert.ok(kindDocuments(1, 10).some((d) => d.includes("A windmill is a kind of mill.")));
  });

  it("gives glosses as plain lines", () => {
    const glosses = glossDocuments(1);
    assert.ok(glosses.length > 100_000);
    assert.ok(glosses.includes("windmill: a mill that is powered by the wind."));
    for (const gloss of glosses) assert.match(gloss, PRINTABLE);
  });
});
