// SHA-256 in plain code: crypto.subtle answers later and not at all on http pages, and a click may leave the page now.

const roots: number[] = [];
const start: number[] = [];

/** The first 32 bits behind the point; what is before it overflows. */
const fraction = (x: number): number => (x * 4294967296) | 0;

// The constants are the fractions of the square and cube roots of the first primes (FIPS 180-4, 4.2.2 and 5.3.3).
for (let n = 2; roots.length < 64; n++) {
  let by = 2;
  while (n % by) by++;
  if (by === n) {
    if (roots.length < 8) start.push(fraction(n ** 0.5));
    roots.push(fraction(n ** (1 / 3)));
  }
}

/** A word turned right by each of three numbers of bits, together; by the last it is only moved where `moved` is 1. */
const mix = (x: number, a: number, b: number, c: number, moved?: number): number =>
  ((x >>> a) | (x << (32 - a))) ^ ((x >>> b) | (x << (32 - b))) ^ ((x >>> c) | (moved ? 0 : x << (32 - c)));

/** Lower-case hex of the SHA-256 of a text's UTF-8. */
export function sha256(text: string): string {
  const bytes = [...new TextEncoder().encode(text), 128];
  const words = new Int32Array(((bytes.length + 8 + 63) >> 6) * 16);
  bytes.forEach((byte, at) => (words[at >> 2] |= byte << (24 - (at % 4) * 8)));
  words[words.length - 1] = (bytes.length - 1) * 8;
  const hash = new Int32Array(start);
  for (let block = 0; block < words.length; block += 16) {
    const w = [...words.slice(block, block + 16)];
    let s = [...hash];
    for (let i = 0; i < 64; i++) {
      if (i > 15) w[i] = (mix(w[i - 2], 17, 19, 10, 1) + w[i - 7] + mix(w[i - 15], 7, 18, 3, 1) + w[i - 16]) | 0;
      const one = s[7] + mix(s[4], 6, 11, 25) + ((s[4] & s[5]) ^ (~s[4] & s[6])) + roots[i] + w[i];
      // The letters a to h of the standard move up by one place each round.
      s = [(one + mix(s[0], 2, 13, 22) + ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]))) | 0, ...s];
      s[4] = (s[4] + one) | 0;
    }
    hash.forEach((value, at) => (hash[at] = value + s[at]));
  }
  return [...hash].map((value) => (value >>> 0).toString(16).padStart(8, "0")).join("");
}
