/** How far weights are from what they should be, matrix by matrix. Importing the display shows it as a table. */

export interface WeightError {
  path: string;
  /** The largest difference of an element. */
  maximum: number;
  /** ‖got − exact‖ / ‖exact‖, root mean squares over the elements. */
  relative: number;
}

export class WeightErrors {
  readonly rows: readonly WeightError[];
  /** Over all rows. */
  readonly maximum: number;
  readonly relative: number;

  /** @param of what the errors are errors, such as "W + ΔW" */
  constructor(
    readonly of: string,
    matrices: Iterable<{ path: string; exact: ArrayLike<number>; got: ArrayLike<number> }>,
  ) {
    const rows: WeightError[] = [];
    let [error, size] = [0, 0];
    for (const { path, exact, got } of matrices) {
      let [maximum, square, whole] = [0, 0, 0];
      for (let i = 0; i < exact.length; i++) {
        const difference = got[i]! - exact[i]!;
        maximum = Math.max(maximum, Math.abs(difference));
        square += difference ** 2;
        whole += exact[i]! ** 2;
      }
      rows.push({ path, maximum, relative: quotient(square, whole) });
      error += square;
      size += whole;
    }
    this.rows = rows;
    this.maximum = Math.max(0, ...rows.map((row) => row.maximum));
    this.relative = quotient(error, size);
  }
}

const quotient = (error: number, size: number): number => (error === 0 ? 0 : Math.sqrt(error / size));
