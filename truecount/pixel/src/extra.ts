// The second file: what few pages need, and only those that ask for it with data-extra (docs/pixel.md).

import { watchConsent } from "./extra/consent";
import { watchLayer } from "./extra/layer";
import { watchForms } from "./extra/forms";
import { metadata, microdata } from "./extra/metadata";
import { watchAttributes } from "./extra/attributes";
import { handOver } from "./extra/handover";
import type { Hooks } from "./extra/hooks";
import type { Pairs } from "./types";

const hooks: Hooks | undefined = ((window as any).fbq || {}).truecount;

if (hooks && !hooks.pairs) {
  const asked = (name: string): boolean => hooks.what.split(/[\s,]+/).includes(name);
  const pairs: (() => Pairs)[] = [];
  if (asked("handover")) pairs.push(handOver(hooks));
  if (asked("forms")) pairs.push(watchForms(hooks));
  if (asked("metadata")) {
    pairs.push(metadata);
    microdata(hooks);
  }
  hooks.pairs = () => Object.assign({}, ...pairs.map((of) => of()));
  if (asked("datalayer")) watchLayer(hooks);
  if (asked("attributes")) watchAttributes(hooks);
  const sources = ["gpc", "gcm", "tcf"].filter(asked);
  if (sources.length) watchConsent(hooks, sources); // last: what it lets go finds all of the above at work
  hooks.ready();
}
