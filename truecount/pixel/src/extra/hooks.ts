// What the first file lends to the second.

import type { Fields, Hit, Pairs, Pixel } from "../types";

export interface Hooks {
  /** The names that the page asked for, so far. */
  what: string;
  /** Begin what was asked for since the last call; there once the second file is. */
  start?(): void;
  /** data-attributes of the script's element. */
  attributes: DOMStringMap;
  order: Pixel[];
  /** The address that needs no PageView of its own any more. */
  shown: { at: string };
  /** What waits. */
  held(): Hit[];
  /** Let hits go that waited for this file. */
  ready(): void;
  /** Pairs that go with each hit that names a person's page. */
  pairs?: () => Pairs;
  run(call: unknown[]): void;
  hitOf(to: Pixel[], ev: string, data: Pairs): Hit;
  deliver(hit: Hit): void;
  hashes(user: Fields): Fields;
  /** What those say together that were asked for consent. */
  allow(yes: boolean): void;
  isDenied(): boolean;
}
