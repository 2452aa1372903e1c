/**
 * Programs that are kept for their next use, over all models: building one takes a good part of a second.
 *
 * Each holds a copy of the weights in native memory, of which the garbage collector knows nothing; it would let the
 * programs of dropped models pile up. So only the most recently used are kept, and the others are freed at once.
 */
import type { Program } from "../engine";

interface Kept {
  program: Promise<Program>;
  /** Runs that have been asked for and are not over. */
  users: number;
}

export class ProgramCache {
  /** By id, least recently used first. */
  private readonly kept = new Map<string, Kept>();

  /** @param most how many are kept; more only while more are in use at the same time */
  constructor(private readonly most: number) {}

  get size(): number {
    return this.kept.size;
  }

  /** Does `work` with the program of that id, which is built when it is not kept, and not freed before `work` is over. */
  async use<T>(
    id: string,
    build: () => Promise<Program>,
    work: (program: Program) => Promise<T>,
  ): Promise<T> {
    const entry = this.kept.get(id) ?? { program: build(), users: 0 };
    this.kept.delete(id);
    this.kept.set(id, entry);
    entry.users++;
    try {
      const program = await entry.program.catch((error) => {
        if (this.kept.get(id) === entry) this.kept.delete(id); // it may be built later, when what was wrong has changed
        throw error;
      });
      return await work(program);
    } finally {
      entry.users--;
      if (this.kept.get(id) !== entry) await free(entry);
      for (const [other, idle] of this.kept) {
        if (this.kept.size <= this.most) break;
        if (idle.users > 0) continue;
        this.kept.delete(other);
        await free(idle);
      }
    }
  }

  /** Frees the programs whose ids start with this, those in use as soon as they are not any more. */
  async drop(prefix: string): Promise<void> {
    const dropped = [...this.kept].filter(([id]) => id.startsWith(prefix));
    for (const [id] of dropped) this.kept.delete(id);
    for (const [, entry] of dropped) await free(entry);
  }
}

/** Frees a program that is kept no longer, unless it is in use: then the last use frees it. */
async function free({ program, users }: Kept): Promise<void> {
  if (users > 0) return;
  const built = await program.catch(() => undefined); // one that could not be built has said so to whoever asked
  await built?.dispose();
}
