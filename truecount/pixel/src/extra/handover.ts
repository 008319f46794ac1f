// Checkout on another domain: a link or form that leads to a declared one carries the two ids there, for five minutes.

import { mint, parts, read } from "../cookies";
import type { Pairs } from "../types";
import type { Hooks } from "./hooks";

const FRESH_MS = 3e5;

/** An address without what was handed over; all else stays as it was written, for it may be signed. */
const without = (address: string): string => address.replace(/([?&])_tc=[^&#]*(&?)/, (_, before, after) => (after ? before : ""));

function withIds(address: string, ids: string): string {
  const [rest, ...hash] = without(address).split("#");
  return rest + (rest.includes("?") ? "&" : "?") + "_tc=" + encodeURIComponent(ids) + (hash.length ? "#" + hash.join("#") : "");
}

/**
 * Take the ids that a declared domain handed over in `_tc`, and take them out of the address: a link that is passed on,
 * or kept, must not make two people one. Nobody but those domains may tell a visitor who he is. They wait in memory
 * until there is consent to send anything whole.
 */
function takeOver(hooks: Hooks, domains: string[]): () => Pairs {
  const [time, ...ids] = (new URL(location.href).searchParams.get("_tc") || "").split("~");
  if (time) {
    History.prototype.replaceState.call(history, history.state, "", without(location.href));
    hooks.shown.at = location.href;
    for (const { first } of hooks.held()) first.dl = without(first.dl);
  }
  const from = document.referrer && new URL(document.referrer).hostname;
  const isFresh = Math.abs(Date.now() - +time) < FRESH_MS;
  let due = isFresh && domains.some((domain) => from === domain || from.endsWith("." + domain)) ? ids : [];
  return () => {
    due.forEach((id, at) => {
      const name = ["_fbp", "_fbc"][at];
      if (name && id.length < 600 && parts(id).length && read(name) !== id) mint(name, () => id);
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
      if (hooks.isDenied() || !read("_fbp")) return;
      const target = event.composedPath()[0] as Element;
      const link = target.closest<HTMLAnchorElement>("a[href],area[href]");
      if (link && leads(link.href)) link.href = withIds(link.href, ids());
      else if (event.type === "submit") prepareForm(target as HTMLFormElement, (event as SubmitEvent).submitter);
    } catch (_) {
      // a link that is no address: the page's own matter
    }
  };
  // Attributes, and not properties: a field named "action" stands in the way of those.
  const prepareForm = (form: HTMLFormElement, button?: Element | null): void => {
    const says = (name: string): [Element, string] =>
      button && button.hasAttribute("form" + name) ? [button, "form" + name] : [form, name];
    const [element, name] = says("action");
    const [chooser, method] = says("method");
    const address = element.getAttribute(name) || "";
    if (!leads(address)) return;
    if (/^post$/i.test(chooser.getAttribute(method) || "")) return element.setAttribute(name, withIds(address, ids()));
    let field = form.querySelector<HTMLInputElement>("input[name=_tc]");
    if (!field) {
      field = document.createElement("input");
      field.type = "hidden";
      field.name = "_tc";
      form.append(field);
    }
    field.value = ids();
  };
  for (const kind of ["mousedown", "click", "auxclick", "keydown", "submit"]) addEventListener(kind, prepare, true);
  return takeOver(hooks, domains);
}
