/** How far long work is. */

type Progress = <T>(items: AsyncIterable<T>, options: { label: string; total: number }) => AsyncIterable<T>;

/** With the kernel's bar in a notebook, and a line that rewrites itself in a terminal. */
export function shown<T>(items: AsyncIterable<T>, total: number, label: string): AsyncIterable<T> {
  const { progress } = globalThis as { progress?: unknown };
  if (total === 0) return items;
  if (typeof progress === "function") return (progress as Progress)(items, { label, total });
  return process.stderr.isTTY ? inLine(items, total, label, process.stderr) : items;
}

async function* inLine<T>(
  items: AsyncIterable<T>,
  total: number,
  label: string,
  terminal: { write(text: string): unknown },
): AsyncGenerator<T> {
  let count = 0;
  const write = () => terminal.write(`\r\x1b[2K${label}: ${count}/${total}`);
  write();
  try {
    for await (const item of items) {
      count++;
      write();
      yield item;
    }
  } finally {
    terminal.write("\n");
  }
}
