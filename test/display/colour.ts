/** Colours as they are seen: contrast after WCAG 2.2, and differences under each kind of colour vision. */

type Triple = readonly number[];

/** Red, green and blue as amounts of light, 0 … 1 (the sRGB curve of IEC 61966-2-1). */
function light(colour: string): Triple {
  return [1, 3, 5].map((at) => {
    const channel = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
    return channel <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4;
  });
}

const times = (matrix: readonly Triple[], vector: Triple): number[] =>
  matrix.map((row) => row.reduce((sum, x, i) => sum + x * vector[i]!, 0));

/** (L₁ + 0.05) / (L₂ + 0.05) of the relative luminances, 1 … 21. */
export function contrast(a: string, b: string): number {
  const [bright, dim] = [a, b]
    .map((one) => times([[0.2126, 0.7152, 0.0722]], light(one))[0]! + 0.05)
    .sort((p, q) => q - p);
  return bright! / dim!;
}

/** What people without one kind of cone see, by Machado, Oliveira & Fernandes (2009), severity 1. */
const SEEN = {
  "normal vision": [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  protanopia: [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  deuteranopia: [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
  tritanopia: [
    [1.255528, -0.076749, -0.178779],
    [-0.078411, 0.930809, 0.147602],
    [0.004733, 0.691367, 0.3039],
  ],
};

export type Vision = keyof typeof SEEN;
export const VISIONS = Object.keys(SEEN) as Vision[];

/** Distance in OKLab (Ottosson, 2020), where black and white are 1 apart and 0.02 can just be told apart. */
export function differenceSeen(a: string, b: string, vision: Vision): number {
  const [p, q] = [a, b].map((one) => {
    const seen = times(SEEN[vision], light(one)).map((x) => Math.min(1, Math.max(0, x)));
    return oklab(seen);
  });
  return Math.hypot(...p!.map((x, i) => x - q![i]!));
}

function oklab(rgb: Triple): number[] {
  const cones = times(
    [
      [0.4122214708, 0.5363325363, 0.0514459929],
      [0.2119034982, 0.6806995451, 0.1073969566],
      [0.0883024619, 0.2817188376, 0.6299787005],
    ],
    rgb,
  ).map(Math.cbrt);
  return times(
    [
      [0.2104542553, 0.793617785, -0.0040720468],
      [1.9779984951, -2.428592205, 0.4505937099],
      [0.0259040371, 0.7827717662, -0.808675766],
    ],
    cones,
  );
}
