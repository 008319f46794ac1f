// data-tc-event="AddToCart" data-tc-value="9.50" on a button, a link or a form: events for pages without a developer.

import type { Hooks } from "./hooks";

export function watchAttributes(hooks: Hooks): void {
  const tell = (element: Element): void => {
    const form = element instanceof HTMLButtonElement && element.type === "submit" ? element.form : null;
    if (form && !form.hasAttribute("novalidate") && form.matches(":invalid")) return; // the browser asks for more first
    const data: Record<string, unknown> = {};
    let id = "";
    for (const { name, value } of Array.from(element.attributes)) {
      if (!name.startsWith("data-tc-") || name === "data-tc-event" || name === "data-tc-on") continue;
      const key = name.slice(8).replace(/-/g, "_");
      if (key === "event_id") id = value;
      else if (key === "content_ids") data[key] = value.split(/\s*,\s*/);
      else data[key] = value;
    }
    if (data.content_ids && !data.content_type) data.content_type = "product";
    hooks.run(["track", element.getAttribute("data-tc-event"), data, id ? { eventID: id } : {}]);
  };
  const listen = (kind: string, fits: (element: Element) => boolean): void =>
    addEventListener(
      kind,
      (event) => {
        const target = event.composedPath()[0];
        const element = target instanceof Element ? target.closest("[data-tc-event]") : null;
        if (element && !element.hasAttribute("data-tc-on") && fits(element)) tell(element);
      },
      true,
    );
  listen("click", (element) => element.tagName !== "FORM");
  listen("submit", (element) => element.tagName === "FORM");
  const views = (): void => document.querySelectorAll('[data-tc-event][data-tc-on="view"]').forEach(tell);
  if (document.readyState === "loading") addEventListener("DOMContentLoaded", views);
  else views();
}
