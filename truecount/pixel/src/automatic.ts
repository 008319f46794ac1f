// Events that no call of the page makes: button clicks, and views of a page that changes without loading.

import { pairsOf } from "./data";
import { safely } from "./safely";
import type { Pairs } from "./types";

const BUTTONS = "button,[type=submit],[type=button],[role=button],a[class*=btn],a[class*=button]";

/** Tell `seen` of each click on what looks like a button. Values of fields are never read. */
export function watchClicks(seen: (data: Pairs) => void): void {
  addEventListener(
    "click",
    (event) => {
      const target = event.composedPath()[0] as Element;
      const button = target.closest && target.closest<HTMLInputElement & HTMLAnchorElement>(BUTTONS);
      if (button) safely(() => seen(features(button)));
    },
    true,
  );
}

const about = ({ id, name, tagName }: HTMLInputElement): object => ({ id, name, tag: tagName.toLowerCase() });

function features(button: HTMLInputElement & HTMLAnchorElement): Pairs {
  // A value is what an input that is a button shows; of any other it is what a person typed.
  const isLabel = /^INPUT(submit|button|reset)$/.test(button.tagName + button.type);
  const text = (button.innerText || (isLabel && button.value) || "").trim().slice(0, 120);
  return pairsOf({
    buttonFeatures: {
      ...about(button),
      classList: button.className,
      destination: ("" + (button.href || "")).split(/[?#]/)[0],
      innerText: text,
      type: button.type,
    },
    buttonText: text,
    formFeatures: Array.from((button.form || []) as HTMLInputElement[])
      .slice(0, 20)
      .map((field) => ({ ...about(field), inputType: field.type })),
    pageFeatures: { title: document.title },
    parameters: [],
  });
}

/** The address that was told last, or that we ourselves have given the page. */
export const shown = { at: location.href };

/** Tell `seen` when the address has changed without a load, and `restored` when the page comes back as it was left. */
export function watchPages(seen: () => void, restored: () => void): void {
  const look = (): void => {
    if (location.href !== shown.at) {
      shown.at = location.href;
      safely(seen); // within the page's own call
    }
  };
  for (const method of ["pushState", "replaceState"] as const) {
    const own = history[method];
    history[method] = function (...given) {
      own.apply(history, given);
      look();
    };
  }
  addEventListener("popstate", look);
  addEventListener("pageshow", (event) => event.persisted && restored());
}
