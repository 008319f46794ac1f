// How a hit leaves: an image where it is short, else a beacon, else a fetch. None of them asks the server first (CORS).

import type { Pairs } from "./types";

const LONGEST_URL = 2048;

/** Half a surrogate pair, as texts have that were cut, would throw. */
const encode = (value: unknown): string => encodeURIComponent(("" + value).replace(/\p{Cs}/gu, "\ufffd"));
const query = (pairs: Pairs): string =>
  Object.entries(pairs)
    .filter(([, value]) => value != null)
    .map(([key, value]) => encode(key).replace(/%5B/g, "[").replace(/%5D/g, "]") + "=" + encode(value)).join("&");

/**
 * Whether this page may end before an image is sent: it is hidden or being left, or the person has just clicked,
 * submitted or pressed something, which often leads away.
 */
const mayLeave = (): boolean =>
  document.hidden ||
  /^(click|submit|key|mouse|pointer|touch|page|before|unload|visib)/.test(((window.event || {}) as Event).type);

const ask = (address: string, how: RequestInit): unknown =>
  fetch(address, { mode: "no-cors", ...how }).catch(() => 0);

/** Send one hit, now. */
export function send(address: string, pairs: Pairs, byBeacon: boolean): void {
  const url = address + "?" + query({ ...pairs, rqm: "GET" });
  const isShort = url.length < LONGEST_URL;
  const body = new URLSearchParams(query({ ...pairs, rqm: "SB" }));
  if (!(byBeacon || !isShort || mayLeave()) || !(navigator.sendBeacon && navigator.sendBeacon(address, body))) {
    if (isShort) new Image().src = url; // a browser keeps what it is fetching
    // Beacons and fetches that outlive the page share 64 kB: what is more than that goes while the page stays.
    else ask(address, { method: "POST", body, credentials: "include" });
  }
}

/** Send without cookies, referrer or anything else that tells who asks. */
export function sendBare(address: string, pairs: Pairs): void {
  ask(address + "?" + query(pairs), { keepalive: true, credentials: "omit", referrerPolicy: "no-referrer" });
}
