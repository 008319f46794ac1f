// The second file: what few pages need, and only those that ask for it with data-extra (docs/pixel.md).

import { watchConsent } from "./extra/consent";
import { watchLayer } from "./extra/layer";
import { watchForms } from "./extra/forms";
import { metadata, microdata } from "./extra/metadata";
import { watchAttributes } from "./extra/attributes";
import { handOver } from "./extra/handover";
import type { Hooks } from "./extra/hooks";
import { safely } from "./safely";
import type { Pairs } from "./types";

// A page may have put a function of its own before ours; the first one is kept as _fbq.
const hooks: Hooks | undefined = [(window as any).fbq, (window as any)._fbq].map((fbq) => fbq && fbq.truecount).find(Boolean);

if (hooks && !hooks.start) {
  const pairs: (() => Pairs)[] = [];
  const begun = new Set<string>();
  hooks.pairs = () => {
    const found: Pairs = {};
    for (const of of pairs) safely(() => Object.assign(found, of()));
    return found;
  };
  hooks.start = () => {
    // Each once, however many snippets of a page ask for it: two mappings would count each sale twice.
    const asked = hooks.what.split(/[\s,]+/).filter((name) => !begun.has(name) && begun.add(name));
    const isAsked = (name: string): boolean => asked.includes(name);
    if (isAsked("handover")) pairs.push(handOver(hooks));
    if (isAsked("forms")) pairs.push(watchForms(hooks));
    if (isAsked("metadata")) {
      pairs.push(metadata);
      microdata(hooks);
    }
    if (isAsked("datalayer")) watchLayer(hooks);
    if (isAsked("attributes")) watchAttributes(hooks);
    const sources = ["gpc", "gcm", "tcf"].filter(isAsked);
    if (sources.length) watchConsent(hooks, sources); // last: what it lets go finds all of the above at work
    hooks.ready();
  };
  hooks.start();
}
