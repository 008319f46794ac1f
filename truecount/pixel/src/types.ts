// What the parts share: one registry of pixels, one state of consent, whatever the number of snippets on the page.

/** Names and values as they go on the wire, in their order; what is null or undefined is left out. */
export type Pairs = Record<string, unknown>;
export type Fields = Record<string, string>;

/** The page's `fbq`: the stub's function, which keeps its identity, with what we and pages hang on it. */
export type Fbq = any;

/** What may be set for one id, or for all: a pixel inherits what it has not of its own. */
export interface Settings {
  agent?: unknown;
  autoConfig: unknown;
  firstPartyCookies: unknown;
  limited?: unknown;
  transport?: unknown;
}

/** One initialised id, or one that settings came for before its `init`. */
export interface Pixel extends Settings {
  id: string;
  /** Whether `init` came. */
  on?: boolean;
  /** Hashes of what `init` and `set userData` told, by key. */
  user: Fields;
  /** Events so far, automatic ones too (`ec`). */
  count: number;
  /** Whether the page has sent its PageView. */
  viewed?: boolean;
}

/** An event as it was when the page called: what is held back keeps its page, its time and its id. */
export interface Hit {
  to: Pixel[];
  /** The pairs that were known then: ev, dl, rl, if, ts and custom data. */
  first: Pairs & { ev: string; dl: string };
  eid?: unknown;
  /** Set where we send it, and not a call of the page. */
  es?: "automatic";
}
