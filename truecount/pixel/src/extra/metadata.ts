// What the page says of itself: pmd[...] on each event, and Microdata half a second after the page is there.

import { pairsOf } from "../data";
import type { Pairs } from "../types";
import type { Hooks } from "./hooks";

const meta = (name: string): string => {
  const found = document.querySelector<HTMLMetaElement>(`meta[name="${name}"]`);
  return found ? found.content.slice(0, 300) : "";
};

export function metadata(): Pairs {
  return {
    "pmd[title]": ("" + document.title).slice(0, 300) || null,
    "pmd[locale]": document.documentElement.lang || null,
    "pmd[description]": meta("description") || null,
    "pmd[keywords]": meta("keywords") || null,
  };
}

export function microdata(hooks: Hooks): void {
  const collect = (): void => {
    const graph: Record<string, string> = {};
    document.querySelectorAll<HTMLMetaElement>('meta[property^="og:"],meta[property^="product:"]').forEach((one) => {
      graph[one.getAttribute("property") || ""] = one.content;
    });
    const linked: unknown[] = [];
    document.querySelectorAll('script[type="application/ld+json"]').forEach((one) => {
      try {
        linked.push(JSON.parse(one.textContent || ""));
      } catch (_) {
        console.warn("[Truecount] JSON-LD of this page can't be read.");
      }
    });
    const to = hooks.order.filter((pixel) => pixel.autoConfig);
    if (!to.length || hooks.isDenied() || !(linked.length || Object.keys(graph).length)) return;
    const data = {
      DataLayer: [],
      Meta: { title: document.title, "meta:description": meta("description"), "meta:keywords": meta("keywords") },
      OpenGraph: graph,
      "Schema.org": [],
      "JSON-LD": linked,
    };
    hooks.deliver({ ...hooks.hitOf(to, "Microdata", pairsOf(data)), es: "automatic" });
  };
  const later = (): void => void setTimeout(collect, 500);
  if (document.readyState === "complete") later();
  else addEventListener("load", later);
}
