import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import fc from "fast-check";
import type { HostArray } from "../../src/engine";
import { readSafetensors, readSafetensorsHeader, writeSafetensors } from "../../src/model/safetensors";

let folder: string;
let file: string;
before(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "loralab-safetensors-"));
  file = path.join(folder, "x.safetensors");
});
after(() => fs.rmSync(folder, { recursive: true }));

/** A file as the format's specification has it: length, header, data. */
function write(header: unknown, data: Uint8Array = new Uint8Array(0)): void {
  const json = Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  fs.writeFileSync(file, Buffer.concat([length, json, data]));
}

const tensor = (values: number[], shape = [values.length]): HostArray => ({
  data: Float32Array.from(values),
  shape,
  dtype: "float32",
});

describe("reading safetensors", () => {
  it("reads every supported dtype", async () => {
    const data = Buffer.alloc(36);
    data.writeFloatLE(1.5, 0);
    data.writeBigInt64LE(-7n, 4);
    data.writeInt32LE(-70000, 12);
    data.writeUInt16LE(0x3e00, 16); // 1.5 in float16
    data.writeUInt16LE(0xc000, 18); // −2
    data.writeUInt16LE(0x3fc0, 20); // 1.5 in bfloat16
    data.set([200, 1, 0], 22);
    write(
      {
        f32: { dtype: "F32", shape: [], data_offsets: [0, 4] },
        i64: { dtype: "I64", shape: [1], data_offsets: [4, 12] },
        i32: { dtype: "I32", shape: [1], data_offsets: [12, 16] },
        f16: { dtype: "F16", shape: [2, 1], data_offsets: [16, 20] },
        bf16: { dtype: "BF16", shape: [1], data_offsets: [20, 22] },
        u8: { dtype: "U8", shape: [1], data_offsets: [22, 23] },
        bool: { dtype: "BOOL", shape: [2], data_offsets: [23, 25] },
        none: { dtype: "F32", shape: [0, 3], data_offsets: [25, 25] },
      },
      data.subarray(0, 25),
    );
    const { tensors } = await readSafetensors(file);
    assert.deepEqual(Object.fromEntries(tensors), {
      f32: tensor([1.5], []),
      i64: { data: Int32Array.of(-7), shape: [1], dtype: "int32" },
      i32: { data: Int32Array.of(-70000), shape: [1], dtype: "int32" },
      f16: tensor([1.5, -2], [2, 1]),
      bf16: tensor([1.5]),
      u8: { data: Int32Array.of(200), shape: [1], dtype: "int32" },
      bool: { data: Uint8Array.of(1, 0), shape: [2], dtype: "bool" },
      none: tensor([], [0, 3]),
    });
  });

  it("reads only the tensors asked for, and names those that are not there", async () => {
    await writeSafetensors(
      file,
      new Map([
        ["a", tensor([1])],
        ["b", tensor([2])],
      ]),
    );
    assert.deepEqual([...(await readSafetensors(file, ["b"])).tensors.keys()], ["b"]);
    await assert.rejects(readSafetensors(file, ["c"]), /no tensor named c; the file has a, b/);
  });

  const entry = (dtype: string, shape: unknown, data_offsets: unknown) => ({ dtype, shape, data_offsets });
  const bytes = (n: number) => new Uint8Array(n);
  const malformed: [string, () => void, RegExp][] = [
    ["an empty file", () => fs.writeFileSync(file, ""), /at byte 0: .* this one has 0 bytes/],
    [
      "a file that is no safetensors file",
      () => fs.writeFileSync(file, "<!DOCTYPE html>"),
      /at byte 0: header length \d+ is above/,
    ],
    [
      "a truncated header",
      () => fs.writeFileSync(file, Uint8Array.of(2, 0, 0, 0, 0, 0, 0, 0, 123)),
      /at byte 8: truncated header: 2 bytes .* 1 pre/,
    ],
    ["a header that is not JSON", () => write("{,}"), /at byte 8: the header is not JSON/],
    [
      "a header that is not UTF-8",
      () => fs.writeFileSync(file, Uint8Array.of(2, 0, 0, 0, 0, 0, 0, 0, 123, 255)),
      /not JSON in UTF-8/,
    ],
    ["a header that is a list", () => write("[]"), /at byte 8: the header must be a JSON object/],
    ["a header that starts with a space", () => write(" {}"), /at byte 8: the header must be a JSON object/],
    [
      "a name given twice",
      () =>
        write(
          '{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"\\u0061":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}',
        ),
      /at byte 61: duplicate name "a"/,
    ],
    [
      "metadata other than strings",
      () => write({ __metadata__: { a: 1 } }),
      /__metadata__ must map strings to strings/,
    ],
    [
      "an unknown dtype",
      () => write({ a: entry("F12", [1], [0, 1]) }),
      /tensor "a": dtype must be one of .* got "F12"/,
    ],
    [
      "a dtype named like an object's method",
      () => write({ a: entry("toString", [1], [0, 1]) }),
      /dtype must be one of/,
    ],
    [
      "a negative size",
      () => write({ a: entry("U8", [-1], [0, 1]) }),
      /shape must be a list of sizes, got \[-1\]/,
    ],
    [
      "a size beyond all numbers",
      () => write({ a: entry("U8", [1e9, 1e9], [0, 1]) }),
      /shape must be a list of sizes/,
    ],
    [
      "offsets out of order",
      () => write({ a: entry("U8", [1], [1, 0]) }),
      /data_offsets must be \[begin, end\]/,
    ],
    ["one offset", () => write({ a: entry("U8", [1], [1]) }), /data_offsets must be \[begin, end\]/],
    [
      "fewer bytes than the shape wants",
      () => write({ a: entry("F32", [2], [0, 4]) }, bytes(4)),
      /at byte \d+: tensor a: F32 of shape \[2\] is 8 bytes, got 4 \(offsets \[0,4\]\)/,
    ],
    [
      "a tensor beyond the file",
      () => write({ a: entry("U8", [9], [0, 9]) }, bytes(4)),
      /tensor a ends at byte 70, the file at 65/,
    ],
    [
      "a hole between tensors",
      () => write({ a: entry("U8", [1], [0, 1]), b: entry("U8", [1], [3, 4]) }, bytes(4)),
      /tensor b leaves a hole of 2 bytes after tensor a/,
    ],
    [
      "a hole after the header",
      () => write({ a: entry("U8", [1], [1, 2]) }, bytes(2)),
      /tensor a leaves a hole of 1 bytes after the header/,
    ],
    [
      "overlapping tensors",
      () => write({ a: entry("U8", [3], [0, 3]), b: entry("U8", [2], [2, 4]) }, bytes(4)),
      /tensor b overlaps tensor a/,
    ],
    [
      "bytes that belong to no tensor",
      () => write({ a: entry("U8", [1], [0, 1]) }, bytes(4)),
      /3 bytes after the last tensor/,
    ],
  ];
  for (const [what, make, reason] of malformed) {
    it(`rejects ${what}`, async () => {
      make();
      await assert.rejects(readSafetensorsHeader(file), (error: Error) => {
        assert.match(error.message, reason);
        assert.ok(error.message.startsWith(`${file}: at byte `), error.message);
        return true;
      });
    });
  }

  it("rejects an integer beyond int32 and a dtype it cannot represent, with the place", async () => {
    write({ a: entry("I64", [1], [0, 8]) }, new Uint8Array(BigInt64Array.of(2n ** 31n).buffer));
    await assert.rejects(readSafetensors(file), /at byte \d+: tensor a holds 2147483648, beyond int32/);
    write({ a: entry("F8_E4M3", [1], [0, 1]) }, bytes(1));
    await assert.rejects(readSafetensors(file), /tensor a is F8_E4M3; can read F32/);
  });
});

describe("writing safetensors", () => {
  const arrays = fc.array(fc.nat(3), { maxLength: 3 }).chain((shape) => {
    const size = shape.reduce((a, b) => a * b, 1);
    const values = (element: fc.Arbitrary<number>) => fc.array(element, { minLength: size, maxLength: size });
    return fc.oneof(
      values(fc.float()).map((v): HostArray => ({ data: Float32Array.from(v), shape, dtype: "float32" })),
      values(fc.integer()).map((v): HostArray => ({ data: Int32Array.from(v), shape, dtype: "int32" })),
      values(fc.nat(1)).map((v): HostArray => ({ data: Uint8Array.from(v), shape, dtype: "bool" })),
    );
  });

  it("reads back what it wrote, whatever the names and shapes", async () => {
    const names = fc.string().filter((name) => name !== "__metadata__");
    const metadata = fc.dictionary(fc.string(), fc.string(), { noNullPrototype: true });
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.tuple(names, arrays), { selector: ([n]) => n }),
        metadata,
        async (list, meta) => {
          await writeSafetensors(file, new Map(list), { metadata: meta });
          const back = await readSafetensors(file);
          assert.deepEqual(new Map([...back.tensors].sort()), new Map([...new Map(list)].sort()));
          assert.deepEqual(back.metadata, meta);
        },
      ),
      { numRuns: 60 },
    );
  });

  it("aligns every tensor to its elements", async () => {
    await writeSafetensors(
      file,
      new Map<string, HostArray>([
        ["a", { data: Uint8Array.of(1), shape: [1], dtype: "bool" }],
        ["b", tensor([1])],
        ["c", { data: Int32Array.of(1), shape: [1], dtype: "int32" }],
      ]),
      { format: "F16" },
    );
    const { entries } = await readSafetensorsHeader(file);
    assert.equal(entries.get("c")!.start % 4, 0);
    assert.equal(entries.get("b")!.start % 2, 0);
  });

  it("rounds to the 16-bit format asked for", async () => {
    const values = new Map([["a", tensor([1 / 3, 65504, -1e-8])]]);
    await writeSafetensors(file, values, { format: "F16" });
    assert.deepEqual((await readSafetensors(file)).tensors.get("a"), tensor([1365 / 4096, 65504, -0]));
    await writeSafetensors(file, values, { format: "BF16" });
    const { data } = (await readSafetensors(file)).tensors.get("a")!;
    assert.equal(data[0], 171 / 512);
  });

  it("refuses values that float16 cannot hold, and leaves the old file alone", async () => {
    await writeSafetensors(file, new Map([["old", tensor([1])]]));
    const tooLarge = writeSafetensors(file, new Map([["w", tensor([1, 1e5])]]), { format: "F16" });
    await assert.rejects(tooLarge, /w \[2\]: 100000 at index 1 is beyond F16; store the model as F32/);
    assert.deepEqual([...(await readSafetensors(file)).tensors.keys()], ["old"]);
    assert.deepEqual(fs.readdirSync(folder), ["x.safetensors"]);
  });

  it("refuses an array that is not as long as its shape says", async () => {
    await assert.rejects(
      writeSafetensors(file, new Map([["w", tensor([1], [2, 2])]])),
      /w: shape \[2,2\] wants 4 .* got 1/,
    );
  });
});
