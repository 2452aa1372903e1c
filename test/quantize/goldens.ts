/** Vectors that bitsandbytes itself made (commit 95f9af30, on the CPU), base64 of little-endian arrays. */
import { readFileSync } from "node:fs";
import path from "node:path";
import type { Quantized4bit, Settings4bit } from "../../src/quantize";

interface Stored {
  quantType: "nf4" | "fp4";
  blockSize: 32 | 64 | 128;
  doubleQuant: boolean;
  shape: number[];
  input: string;
  packed: string;
  dequantized: string;
  codes?: string;
  absmax?: string;
  absmaxQuantized?: string;
  offset?: number;
  nestedAbsmax?: string;
  nestedCode?: string;
}

export interface Golden {
  name: string;
  settings: Settings4bit;
  input: { data: Float32Array; shape: number[] };
  expected: Quantized4bit;
  dequantized: Float32Array;
  /** The codebooks, where the file has them. */
  codes?: Float32Array;
  nestedCodes?: Float32Array;
}

const bytes = (text: string) => Uint8Array.from(Buffer.from(text, "base64"));
const floats = (text: string) => new Float32Array(bytes(text).buffer);

function golden(name: string, stored: Stored): Golden {
  const { quantType: type, blockSize, doubleQuant: doubleQuantization, shape } = stored;
  const absmax = doubleQuantization
    ? {
        codes: bytes(stored.absmaxQuantized!),
        offset: stored.offset!,
        absmax: floats(stored.nestedAbsmax!),
      }
    : floats(stored.absmax!);
  return {
    name,
    settings: { type, blockSize, doubleQuantization },
    input: { data: floats(stored.input), shape },
    expected: { type, blockSize, shape, packed: bytes(stored.packed), absmax },
    dequantized: floats(stored.dequantized),
    codes: stored.codes === undefined ? undefined : floats(stored.codes),
    nestedCodes: stored.nestedCode === undefined ? undefined : floats(stored.nestedCode),
  };
}

/** @param file in test/fixtures, or a path */
export function readGoldens(file: string): Golden[] {
  const text = readFileSync(path.resolve(__dirname, "../fixtures", file), "utf8");
  return Object.entries<Stored>(JSON.parse(text)).map(([name, stored]) => golden(name, stored));
}
