// Automatic advanced matching: what a person types into visible fields, hashed at once, goes with later events.

import type { Fields, Pairs } from "../types";
import type { Hooks } from "./hooks";

/** What autocomplete, type, name, id or placeholder say -> the match key; the first that fits counts. */
const KEYS: [RegExp, string][] = [
  [/e-?mail/, "em"],
  [/phone|mobile|\btel/, "ph"],
  [/given-name|first.?name|fname/, "fn"],
  [/family-name|last.?name|surname|lname/, "ln"],
  [/address-level2|\bcity|\btown/, "ct"],
  [/address-level1|\bstate|province/, "st"],
  [/postal|post.?code|\bzip/, "zp"],
  [/country/, "country"],
  [/\bbday|birth/, "db"],
  [/gender|\bsex\b/, "ge"],
];
const NEVER = /cc-|card|cvc|cvv|iban|pass|secret|\bpin\b|one-time/;
const TYPES = /^(text|email|tel|search|date|select-one)$/;

export function watchForms(hooks: Hooks): () => Pairs {
  const typed: Fields = {};
  const learn = (event: Event): void => {
    const field = event.target as HTMLInputElement;
    if (hooks.isDenied() || !field || !TYPES.test(field.type) || !field.getClientRects().length) return;
    const said = [field.autocomplete, field.type, field.name, field.id, field.placeholder].join(" ").toLowerCase().replace(/_/g, " ");
    const key = NEVER.test(said) ? undefined : KEYS.find(([words]) => words.test(said));
    if (!key) return;
    delete typed[key[1]];
    Object.assign(typed, hooks.hashes({ [key[1]]: field.value }));
  };
  addEventListener("change", learn, true);
  return () => {
    const pairs: Pairs = {};
    for (const key of Object.keys(typed)) pairs[`udff[${key}]`] = typed[key];
    return pairs;
  };
}
