// Custom data as pairs of the wire (pixel.md §4.2).

import { safely } from "./safely";
import type { Pairs } from "./types";

/** cd[...] of each property that says something; one whose getter throws, or that is a circle, says nothing. */
export function pairsOf(data: unknown): Pairs {
  const pairs: Pairs = {};
  for (const key of Object.keys(Object(data))) {
    safely(() => {
      const value = (data as Record<string, unknown>)[key];
      if (value != null && typeof value !== "function")
        pairs[`cd[${key}]`] = typeof value === "object" ? JSON.stringify(value) : "" + value;
    });
  }
  return pairs;
}
