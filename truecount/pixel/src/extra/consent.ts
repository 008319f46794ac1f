// Consent that others ask for: Google Consent Mode v2, IAB TCF v2.2, Global Privacy Control.
//
// Granted means that every source that was asked for grants, and the page itself. One that has not spoken yet denies.

import { onEntry } from "./layer";
import type { Hooks } from "./hooks";

type Told = (granted: boolean) => void;

/** What each source that was asked for has said; undefined until it has. */
const granted = new Map<string, boolean | undefined>();

export function watchConsent(hooks: Hooks, sources: string[]): void {
  for (const source of sources) granted.set(source, undefined);
  const told = (source: string): Told => (yes) => {
    granted.set(source, yes);
    hooks.allow([...granted.values()].every(Boolean));
  };
  const ask: Record<string, (told: Told) => void> = { gpc, gcm, tcf: (told) => tcf(told, hooks.attributes.tcfPurposes || "1,7") };
  for (const source of sources) ask[source](told(source));
}

function gpc(told: Told): void {
  told(!(navigator as { globalPrivacyControl?: boolean }).globalPrivacyControl);
}

/**
 * `gtag('consent', 'default' | 'update', {ad_storage, ad_user_data, region})` as it stands in the data layer. Nothing here
 * knows which region the visitor is in: what is granted to some regions counts for none, what is denied to some for all.
 */
function gcm(told: Told): void {
  const [byDefault, regional, updated]: Record<string, string>[] = [{}, {}, {}];
  let isLive = false;
  const tell = (): void => {
    const state = { ...byDefault, ...regional, ...updated };
    told(state.ad_storage === "granted" && state.ad_user_data !== "denied");
  };
  onEntry((entry) => {
    const [command, kind, said] = Array.from(entry as ArrayLike<unknown>) as [unknown, unknown, Record<string, string>];
    if (command !== "consent" || !said) return;
    if (said.region && said.region.length) {
      for (const key of Object.keys(said)) if (said[key] === "denied") regional[key] = "denied";
    } else Object.assign(kind === "update" ? updated : byDefault, said);
    if (isLive) tell();
  });
  isLive = true; // what lay there already is one statement
  tell();
}

interface Tcf {
  eventStatus: string;
  gdprApplies?: boolean;
  purpose?: { consents: Record<string, boolean> };
}
type Api = (command: string, version: number, answer: (data: Tcf, ok: boolean) => void) => void;

/** Purposes 1 (to store) and 7 (to measure advertising), unless data-tcf-purposes names others. */
function tcf(told: Told, purposes: string): void {
  const api = (window as unknown as { __tcfapi?: Api }).__tcfapi;
  if (!api) {
    setTimeout(() => tcf(told, purposes), 100); // the consent tool is still on its way
    return;
  }
  api("addEventListener", 2, (data, ok) => {
    if (!ok || !/^(tcloaded|useractioncomplete)$/.test(data.eventStatus)) return;
    const consents = (data.purpose || { consents: {} }).consents;
    told(data.gdprApplies === false || purposes.split(",").every((purpose) => consents[purpose.trim()]));
  });
}
