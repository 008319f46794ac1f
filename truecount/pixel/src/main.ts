// The whole of fbq(): takes over the stub's queue and answers each call, without ever throwing into the page.
//
// The script is the same for everybody and asks no server what to do: the page decides, by calls and by data-attributes
// on the script's element (docs/pixel.md).

import { watchClicks, watchPages } from "./automatic";
import { browserIds, clickId, erase } from "./cookies";
import { pairsOf } from "./data";
import { check, warn } from "./diagnostics";
import type { Hooks } from "./extra/hooks";
import { hashes } from "./matching";
import { safely } from "./safely";
import { send, sendBare } from "./transport";
import type { Fbq, Fields, Hit, Pairs, Pixel, Settings } from "./types";

declare const VERSION: string;
declare const EXTRA: string;

const started = Date.now();
const script = (document.currentScript || {}) as HTMLScriptElement;
const attributes = script.dataset || {};
const page = window as unknown as { fbq: Fbq; _fbq: Fbq };

/** Where hits go: the folder that this script came from, be it another host or a path of the shop's own. */
const base = (script.src || "").replace(/(\/[a-z]{2}_[A-Z]{2})?\/[^/]*$/, "");
const tr = base + "/tr/";

/** Settings of all pixels; each pixel inherits them. */
const all: Settings = { autoConfig: true, firstPartyCookies: true };
/** Of these, each may stand on the script's element too: data-first-party-cookies="false". */
const SETTINGS = /^(agent|autoConfig|consent|extra|firstPartyCookies|limited|transport)$/;
const pixels: Record<string, Pixel> = Object.create(null);
/** Those that are initialised, in their order. */
const order: Pixel[] = [];
/** What the second file finds and adds. */
let extra: Hooks | undefined;
let options: Pairs = {};
let held: Hit[] = [];
let click = "";
let revoked = false;
/** The second file is still on its way, and something that it brings comes before the first hit. */
let waiting = false;

/** Settings that come before `init` are kept under the id, too. */
const pixelOf = (id: unknown): Pixel =>
  (pixels[id as string] = pixels[id as string] || Object.assign(Object.create(all), { id: "" + id, user: {}, count: 0 }));
const agentOf = (pixel: Pixel): unknown => pixel.agent || fbq.agent;

/** A flag that pages set on fbq, before or after this script, or on a function that they have put in its place. */
const isSet = (flag: string): boolean => [fbq, page.fbq].some((one) => one[flag] === true);

// Hits

/** An event as it is now: address, time and click id are those of the call. */
function hitOf(to: Pixel[], ev: string, data: Pairs, eid?: unknown, url?: unknown): Hit {
  safely(() => {
    click = clickId(location.href) || click || clickId(document.referrer); // where an escape is broken it throws
  });
  const dl = (url as string) || location.href;
  return { to, eid, first: { ev, dl, rl: document.referrer, if: window.top !== window, ts: Date.now(), ...data } };
}

/** Send a hit to its pixels; hold it back, or send what names nobody, while consent is denied. */
function deliver(hit: Hit): void {
  if (waiting || (revoked && !all.limited)) held.push(hit);
  else hit.to.forEach((pixel) => (revoked ? sendLimited : sendWhole)(pixel, hit));
}

function sendLimited({ id }: Pixel, { first, eid }: Hit): void {
  sendBare(tr, {
    id,
    ev: first.ev,
    dl: first.dl.split(/[?#]/)[0],
    ts: first.ts,
    "cd[value]": first["cd[value]"],
    "cd[currency]": first["cd[currency]"],
    v: VERSION,
    consent: "denied",
    eid,
  });
}

function sendWhole(pixel: Pixel, hit: Hit): void {
  const more = extra && extra.pairs && extra.pairs(); // which may bring cookies, too
  let ids: string[] = [];
  safely(() => {
    if (pixel.firstPartyCookies) ids = browserIds(click); // a frame without cookies throws
  });
  const { fbp, fbc, ...user } = pixel.user;
  const ud: Pairs = {};
  for (const key of Object.keys(user)) ud[`ud[${key}]`] = user[key];
  send(
    tr,
    {
      id: pixel.id,
      ...hit.first,
      sw: screen.width,
      sh: screen.height,
      ...ud,
      ...more,
      v: VERSION,
      r: "stable",
      a: agentOf(pixel),
      ec: pixel.count++,
      o: 30,
      fbc: fbc || ids[1] || null,
      fbp: fbp || ids[0] || null,
      it: started,
      coo: false,
      ...options,
      eid: hit.eid,
      es: hit.es,
      tm: hit.es && 3,
    },
    all.transport === "beacon",
  );
}

/** A view that no call of the page made. None is held twice for one address. */
function view(): void {
  if (order.length && !(revoked && held.some((hit) => hit.first.ev === "PageView" && hit.first.dl === location.href)))
    deliver(hitOf([...order], "PageView", {}));
}

// Calls

function track(to: Pixel[], custom: boolean, name: string, data: unknown, more: unknown): void {
  if (!to.length) return warn(`PIXEL_NOT_INITIALIZED: ${name}`);
  if (!name || name.length > 50) warn(`Event name '${name}': 1-50 characters`);
  if (!name) return;
  if (name === "PageView") {
    to = to.filter((pixel) => !pixel.viewed || isSet("allowDuplicatePageViews"));
    to.forEach((pixel) => (pixel.viewed = true));
  }
  const { eventID, eventSourceUrl } = (more || {}) as Fields;
  const hit = hitOf(to, "" + name, pairsOf(data), eventID, eventSourceUrl);
  if (!custom) check(hit.first);
  deliver(hit);
}

function init(id: unknown, user?: unknown, more?: unknown): void {
  if (!/^\d+$/.test(id as string)) return warn(`Invalid PixelID: ${id}`);
  const pixel = pixelOf(id);
  if (pixel.on) warn(`Duplicate Pixel ID: ${id}`);
  else order.push(pixel);
  pixel.on = true;
  addUser(pixel, user);
  const { agent } = (more || {}) as Fields;
  if (agent && !pixel.agent) pixel.agent = agent;
}

function addUser(pixel: Pixel, user: unknown): void {
  if (Array.isArray(user))
    warn(`Call to "fbq('init', '${pixel.id}', []);" with parameter "user_data" has an invalid value of "[]".`);
  else Object.assign(pixel.user, hashes(user));
}

/** Let go of what was held, in its order. */
function release(): void {
  const hits = held;
  held = [];
  for (const hit of hits) safely(() => deliver(hit)); // one that can't be sent costs no other
}

function set(key: string, value: unknown, id: unknown): void {
  if (key === "consent") revoked = value === "required" || revoked;
  else if (key === "extra") load("" + value);
  else if (SETTINGS.test(key)) (id == null ? all : pixelOf(id))[key as keyof Settings] = value !== "false" && value;
  else if (/^user_?data$/i.test(key)) (id == null ? order : [pixelOf(id)]).forEach((pixel) => addUser(pixel, value));
  else if (key !== "shopifySandboxContext") warn(`Unknown setting ${key}`);
  release(); // what waited for consent leaves as it may now
}

const commands: Record<string, (...given: any[]) => void> = {
  __proto__: null as any, // so that no name is known that every object has
  init,
  addPixelId: init,
  set,
  consent: (said, forgetting) => {
    if (!/^(grant|revoke)$/.test(said)) return warn(`INVALID_CONSENT_ACTION: ${said}`);
    revoked = said === "revoke";
    if (revoked && forgetting) ["_fbp", "_fbc", "_fbleid"].forEach(erase);
    release();
  },
  dataProcessingOptions: (given, country, state) => {
    const dpo = [].concat(given).join();
    options = dpo ? { dpo, dpoco: +country || 0, dpost: +state || 0 } : { dpo };
  },
  gateCheck: (gate, _pass, fail, id) => fail(gate, id),
};

function run(given: ArrayLike<unknown>): void {
  safely(() => {
    const [command, ...more] = Array.from(given) as any[];
    const tracks = /^track(Single|Shopify)?(Custom)?$/.exec(command);
    if (tracks) {
      const id = tracks[1] && more.shift();
      const to = order.filter((pixel) => !tracks[1] || pixel.id == id);
      track(to, !!tracks[2] || tracks[1] === "Shopify", more[0], more[1], more[2]);
    } else if (commands[command]) commands[command](...more);
    else warn(`Unknown command '${command}'`);
  });
}

// The second file

/**
 * Load what few pages need. Where it is to ask for consent, nothing is sent or kept before it has said so, and nothing
 * ever if it does not come; where it is to take over ids of another domain, hits wait until it is there, or is not.
 */
function load(what: string): void {
  revoked = revoked || /gcm|tcf|gpc/.test(what);
  if (extra) {
    extra.what += " " + what;
    if (extra.start) extra.start();
    return;
  }
  waiting = /handover/.test(what);
  const ready = (): void => {
    waiting = false;
    release();
  };
  const element = document.createElement("script");
  fbq.truecount = extra = { what, attributes, order, run, hitOf, deliver, hashes, ready, isRevoked: () => revoked };
  element.src = base + "/" + EXTRA;
  element.onerror = ready;
  addEventListener("pagehide", ready); // what waits for it is not lost with the page
  document.head.append(element);
}

// Taking over

function stub(): Fbq {
  const made: Fbq = (...given: unknown[]) => (made.callMethod ? made.callMethod(...given) : made.queue.push(given));
  return Object.assign(made, { push: made, loaded: true, version: "2.0" });
}

const fbq: Fbq = page.fbq || (page.fbq = stub()); // a trap on it would take an assignment for another library
const earlier: Fbq = [fbq, page._fbq].find((one) => one && one.callMethod);
const queue: ArrayLike<unknown>[] = (fbq.queue = fbq.queue || []);
page._fbq = page._fbq || fbq;

/** Answer what waits, in its order; what is called meanwhile comes behind it. */
function drain(answer: (given: ArrayLike<unknown>) => void): void {
  for (let at = 0; at < queue.length; at++) answer(queue[at]);
  queue.length = 0;
  queue.push = (...more) => {
    more.forEach(answer);
    return 0;
  };
}

function start(): void {
  let draining = true;
  // GTM takes `apply` off this function, and calls it without `this`.
  fbq.callMethod = function (...given: unknown[]) {
    if (draining) queue.push(given);
    else run(given);
  };
  fbq.getState = () => ({
    pixels: order.map((pixel) => ({
      id: pixel.id,
      userData: { ...pixel.user },
      eventCount: pixel.count,
      agent: agentOf(pixel),
    })),
  });
  fbq.instance = {
    get pixelsByID() {
      return Object.fromEntries(fbq.getState().pixels.map((pixel: Pixel) => [pixel.id, pixel]));
    },
  };
  for (const key of Object.keys(attributes)) if (SETTINGS.test(key)) run(["set", key, attributes[key] || true]);
  hitOf(order, "", {}); // the landing's click id is known from now on, whatever becomes of the address
  drain(run);
  draining = false;
  watchClicks((data) => {
    const to = order.filter((pixel) => pixel.autoConfig);
    if (to.length && !revoked) deliver({ ...hitOf(to, "SubscribedButtonClick", data), es: "automatic" });
  });
  watchPages(() => isSet("disablePushState") || view(), view);
}

if (earlier) {
  warn("Multiple pixels with conflicting versions were detected on this page.");
  fbq.callMethod = earlier.callMethod;
  drain((given) => earlier.callMethod.apply(null, given));
} else if ((document as { prerendering?: boolean }).prerendering)
  document.addEventListener("prerenderingchange", start, { once: true }); // nobody looks at the page yet
else start();
