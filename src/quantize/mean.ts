/**
 * The float32 mean of a vector with the additions in PyTorch's order, since the order decides the last bit, and the
 * offset of double quantization should be the one that bitsandbytes stores.
 *
 * PyTorch's CPU kernel takes the vector in rows of 4 × 8 numbers (four registers of eight) and adds them column by column.
 * To keep rounding errors small it adds in a cascade: sums of 16 rows are added up on a second level, sums of 16 of those
 * on a third, and so on. Then the four registers are added, then the eight numbers of the last. Vectors of more than
 * 32,768 numbers it may share out among threads, and then the last bit depends on the machine.
 */
const REGISTER = 8;
const ROW = 4 * REGISTER;
const LEVELS = 4;

export function mean(x: Float32Array): number {
  const { fround } = Math;
  const columns = cascade(x);
  const registers = Math.floor(x.length / REGISTER);
  for (let i = Math.floor(registers / 4) * ROW; i < registers * REGISTER; i++)
    columns[i % REGISTER]! += x[i]!;
  for (let i = REGISTER; i < ROW; i++) columns[i % REGISTER]! += columns[i]!;
  let sum = 0;
  for (const value of x.subarray(registers * REGISTER)) sum = fround(sum + value);
  for (const value of columns.subarray(0, REGISTER)) sum = fround(sum + value);
  return fround(sum / x.length);
}

/** Sums of the columns of x as rows of `ROW`, without an incomplete last row. */
function cascade(x: Float32Array): Float32Array {
  const rows = Math.floor(x.length / ROW);
  // Rows that a level adds up before it hands its sum on: enough that the levels are.
  const power = Math.max(4, Math.floor(Math.ceil(Math.log2(Math.max(2, rows))) / LEVELS));
  const levels = Array.from({ length: LEVELS }, () => new Float32Array(ROW));
  const handOn = (level: number) => {
    for (let k = 0; k < ROW; k++) levels[level + 1]![k]! += levels[level]![k]!;
    levels[level]!.fill(0);
  };
  for (let row = 0; row < rows; ) {
    for (let k = 0; k < ROW; k++) levels[0]![k]! += x[row * ROW + k]!;
    row++;
    for (let level = 0; level < LEVELS - 1 && row % 2 ** (power * (level + 1)) === 0; level++) handOn(level);
  }
  for (const level of levels.slice(1)) for (let k = 0; k < ROW; k++) levels[0]![k]! += level[k]!;
  return levels[0]!;
}
