// Checkout on another domain: a link or form that leads to a declared one carries the two ids there, for five minutes.

import { mint } from "../cookies";
import type { Hooks } from "./hooks";

const cookie = (name: string): string => {
  const found = document.cookie.match(`(?:^|; )${name}=([^;]*)`);
  return found ? decodeURIComponent(found[1]) : "";
};

const FRESH_MS = 3e5;

/**
 * Take the ids that a declared domain handed over in `_tc`, and take them out of the address: a link that is passed on,
 * or kept, must not make two people one. Nobody but those domains may tell a visitor who he is.
 */
function takeOver(domains: string[]): void {
  const address = new URL(location.href);
  const [time, ...ids] = (address.searchParams.get("_tc") || "").split("~");
  if (!time) return;
  const from = document.referrer && new URL(document.referrer).hostname;
  if (domains.some((domain) => from === domain || from.endsWith("." + domain)) && Date.now() - +time < FRESH_MS)
    ["_fbp", "_fbc"].forEach((name, at) => {
      if (/^fb\.\d+\.\d+\.[\w.-]{1,600}$/.test(ids[at]) && cookie(name) !== ids[at]) mint(name, () => ids[at]);
    });
  address.searchParams.delete("_tc");
  History.prototype.replaceState.call(history, history.state, "", address.href);
}

export function handOver(hooks: Hooks): void {
  const domains = (hooks.attributes.handover || "").split(/[\s,]+/).filter(Boolean);
  if (!hooks.isRevoked()) takeOver(domains);
  const leads = (address: string): boolean => {
    const host = new URL(address, location.href).hostname;
    return host !== location.hostname && domains.some((domain) => host === domain || host.endsWith("." + domain));
  };
  const ids = (): string => [Date.now(), cookie("_fbp"), cookie("_fbc")].join("~");
  const prepare = (event: Event): void => {
    try {
      if (hooks.isRevoked() || !cookie("_fbp")) return;
      const target = event.composedPath()[0] as Element;
      const link = target.closest<HTMLAnchorElement>("a[href],area[href]");
      const form = event.type === "submit" ? (target.closest("form") as HTMLFormElement | null) : null;
      if (link && leads(link.href)) {
        const address = new URL(link.href);
        address.searchParams.set("_tc", ids());
        link.href = address.href;
      } else if (form && leads(form.action)) {
        let field = form.querySelector<HTMLInputElement>("input[name=_tc]");
        if (!field) {
          field = document.createElement("input");
          field.type = "hidden";
          field.name = "_tc";
          form.append(field);
        }
        field.value = ids();
        if (form.method === "post") {
          const address = new URL(form.action);
          address.searchParams.set("_tc", field.value);
          form.action = address.href;
        }
      }
    } catch (_) {
      // a link that is no address: the page's own matter
    }
  };
  for (const kind of ["mousedown", "click", "auxclick", "keydown", "submit"]) addEventListener(kind, prepare, true);
}
