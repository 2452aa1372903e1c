/** Every tfjs kernel that compiled code may use, by the name tfjs gives it. */

import { counts } from "./count";
import { elementwise } from "./elementwise";
import type { Emit } from "./emit";
import { fused } from "./fused";
import { gathers } from "./gather";
import { products } from "./matmul";
import { reductions } from "./reduce";
import { shapes } from "./shape";

export const kernels: Record<string, Emit> = {
  ...elementwise,
  ...reductions,
  ...products,
  ...shapes,
  ...gathers,
  ...counts,
  ...fused,
};
