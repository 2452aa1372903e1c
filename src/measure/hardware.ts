/** Where a plan fits: memory of computers that people have or rent. */
import type { MemoryTerm } from "./memory";

export interface Computer {
  name: string;
  /** Memory for everything, in bytes. Makers of GPUs count in units of 1024³. */
  memory: number;
  /** What the driver, the framework, or the rest of the computer takes of it. */
  reserved: number;
}

const GIB = 1024 ** 3;

/** A GPU loses about a gigabyte to CUDA's context, kernels and the allocator's gaps. */
const gpu = (name: string, gib: number): Computer => ({ name, memory: gib * GIB, reserved: GIB });
/** A laptop shares its memory with the operating system and the browser. */
const laptop = (name: string, gib: number): Computer => ({ name, memory: gib * GIB, reserved: 6 * GIB });

/** From little to much that is left for a plan. */
export const COMPUTERS: readonly Computer[] = [
  laptop("laptop, 8 GB", 8),
  gpu("RTX 4060", 8),
  laptop("laptop, 16 GB", 16),
  gpu("RTX 3060", 12),
  gpu("T4 (Colab, Kaggle)", 16),
  gpu("RTX 4080", 16),
  gpu("RTX 3090, 4090, L4, A10G", 24),
  laptop("laptop, 32 GB", 32),
  gpu("RTX 5090", 32),
  gpu("A100 40 GB", 40),
  gpu("L40S, RTX 6000 Ada", 48),
  laptop("laptop, 64 GB", 64),
  gpu("A100, H100 80 GB", 80),
  gpu("H200", 141),
  gpu("B200", 180),
];

export interface Fit {
  computer: Computer;
  fits: boolean;
  /** Bytes left over; negative where they are missing. */
  left: number;
}

export function fitsOn(terms: readonly MemoryTerm[]): Fit[] {
  const needed = terms.reduce((sum, { bytes }) => sum + bytes, 0);
  return COMPUTERS.map((computer) => {
    const left = computer.memory - computer.reserved - needed;
    return { computer, fits: left >= 0, left };
  });
}
