import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { loralab } from "./command";

describe("loralab command line", () => {
  it("prints help that names every command, and the version of the package", () => {
    const help = loralab(["--help"]);
    assert.equal(help.status, 0);
    assert.match(help.stdout, /^Usage: loralab \[options\] \[command\]/);
    assert.match(help.stdout, /\n {2}setup +install optional parts/);
    const manifest = JSON.parse(readFileSync(path.join(__dirname, "../../package.json"), "utf8"));
    assert.equal(loralab(["--version"]).stdout.trim(), manifest.version);
  });

  it("ends with status 2 and a suggestion for an unknown command or option", () => {
    const command = loralab(["setpu"]);
    assert.equal(command.status, 2);
    assert.match(command.stderr, /error: unknown command 'setpu'\n\(Did you mean setup\?\)/);
    const nested = loralab(["setup", "tensorflw"]);
    assert.equal(nested.status, 2);
    assert.match(nested.stderr, /unknown command 'tensorflw'\n\(Did you mean tensorflow\?\)/);
    const option = loralab(["setup", "tensorflow", "--gpuu"]);
    assert.equal(option.status, 2);
    assert.match(option.stderr, /unknown option '--gpuu'\n\(Did you mean --gpu\?\)/);
  });

  it("ends with status 1 and one message for a failure, with its stack when DEBUG=loralab", () => {
    const args = ["setup", "tensorflow", "--tensorflow", "/no/such/folder"];
    const plain = loralab(args);
    assert.equal(plain.status, 1);
    assert.match(plain.stderr, /^error: --tensorflow names \/no\/such\/folder.*no such folder/);
    assert.doesNotMatch(plain.stderr, /\n\s+at /);
    assert.match(loralab(args, { DEBUG: "loralab" }).stderr, /\n\s+at findTensorFlowLibrary/);
  });
});
