// Checkout on another domain: a link or form that leads to a declared one carries the two ids there, for five minutes.

import { mint, read } from "../cookies";
import type { Pairs } from "../types";
import type { Hooks } from "./hooks";

const FRESH_MS = 3e5;

/**
 * Take the ids that a declared domain handed over in `_tc`, and take them out of the address: a link that is passed on,
 * or kept, must not make two people one. Nobody but those domains may tell a visitor who he is. They wait in memory
 * until there is consent to send anything whole.
 */
function takeOver(domains: string[]): () => Pairs {
  const address = new URL(location.href);
  const [time, ...ids] = (address.searchParams.get("_tc") || "").split("~");
  if (time) {
    address.searchParams.delete("_tc");
    History.prototype.replaceState.call(history, history.state, "", address.href);
  }
  const from = document.referrer && new URL(document.referrer).hostname;
  let due =
    domains.some((domain) => from === domain || from.endsWith("." + domain)) && Date.now() - +time < FRESH_MS ? ids : [];
  return () => {
    due.forEach((id, at) => {
      const name = ["_fbp", "_fbc"][at];
      if (name && /^fb\.\d+\.\d+\.[\w.-]{1,600}$/.test(id) && read(name) !== id) mint(name, () => id);
    });
    due = [];
    return {};
  };
}

export function handOver(hooks: Hooks): () => Pairs {
  const domains = (hooks.attributes.handover || "").split(/[\s,]+/).filter(Boolean);
  const leads = (address: string): boolean => {
    const host = new URL(address, location.href).hostname;
    return host !== location.hostname && domains.some((domain) => host === domain || host.endsWith("." + domain));
  };
  const ids = (): string => [Date.now(), read("_fbp"), read("_fbc")].join("~");
  const prepare = (event: Event): void => {
    try {
      if (hooks.isRevoked() || !read("_fbp")) return;
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
  return takeOver(domains);
}
