// Match keys: normalised as the server door does (one table of vectors tests both), hashed here, never kept raw.

import { warn } from "./diagnostics";
import { sha256 } from "./sha256";
import type { Fields } from "./types";

/** Letters, marks and numbers alone. */
const letters = (text: string): string => text.replace(/[^\p{L}\p{M}\p{N}]/gu, "");
const name = (text: string): string => text.replace(/[\p{P}\p{S}]/gu, "").trim();

function birthday(text: string): string {
  const [year, month, day] = text
    .replace(/^(\d\d?)\D(\d\d?)\D(\d{4})$/, (_, one, two, last) => last + (+one > 12 ? `-${two}-${one}` : `-${one}-${two}`))
    .replace(/^(\d{4})(\d\d)(\d\d)$/, "$1-$2-$3")
    .split(/\D/);
  const two = (part?: string): string => (part || "").padStart(2, "0");
  return +year > 1899 && +month < 13 && +day > 0 && +day < 32 ? year + two(month) + two(day) : "";
}

/** How a key's value, in lower case, is read before it is hashed; "" is none. The door maps names of places to codes. */
const readers: Record<string, (text: string) => string> = {
  em: (text) => (/^[^\s@]+@[^\s@]+\.[^\s@.]+$/.test(text) ? text : ""),
  ph: (text) => text.replace(/\D/g, "").replace(/^0+/, ""),
  fn: name,
  ln: name,
  ge: (text) => (/^(f|female|m|male)$/.test(text) ? text[0] : ""),
  db: birthday,
  ct: letters,
  st: letters,
  zp: (text) => letters(text.replace(/^(\d{5})-\d{4}$/, "$1")),
  country: letters,
};

/** What of user data goes on the wire: hashes, by key. */
export function hashes(user: unknown): Fields {
  const found: Fields = {};
  for (const [key, value] of Object.entries(Object(user))) {
    const whole = value == null ? "" : String(value);
    const text = whole.trim().toLowerCase();
    if (/^(null|undefined|none|)$/.test(text)) continue;
    if (/^(fb_login_id|fb[pc])$/.test(key)) found[key] = whole; // sent as they are
    else if (/^([a-f\d]{32}|[a-f\d]{64}(\.([\w-]{2}|[\w-]{8}))?)$/.test(text)) found[key] = text.slice(0, 64) + whole.trim().slice(64);
    else if (key === "external_id") found[key] = sha256(whole);
    else if (readers[key]) {
      const read = readers[key](text);
      if (read) found[key] = sha256(read);
      else if (key === "em")
        warn("An invalid email address was specified for 'em'.");
    }
  }
  return found;
}
