// What a developer reads in the console. The words of pixel.md §8 in quotation marks are those that tools look for.

import type { Pairs } from "./types";

export function warn(text: string): void {
  console.warn("[Truecount] " + text);
}

const STANDARD =
  /^(PageView|Add(PaymentInfo|To(Cart|Wishlist))|CompleteRegistration|Contact|CustomizeProduct|Donate|FindLocation|InitiateCheckout|Lead|Purchase|Schedule|Search|StartTrial|SubmitApplication|Subscribe|ViewContent)$/;

/** Say what of an event looks wrong. It is sent all the same. */
export function check(data: Pairs): void {
  const name = data.ev as string;
  if (!STANDARD.test(name)) warn(`You are sending a non-standard event '${name}'. Use trackCustom.`);
  const value = data["cd[value]"] as string;
  const currency = data["cd[currency]"] as string;
  const bad = (parameter: string, why: string): void =>
    warn(`Parameter '${parameter}' is invalid for event '${name}': ${why}.`);
  if (name === "Purchase" || value || currency) {
    if (!(+value >= 0)) bad("value", !value ? "missing" : +value < 0 ? "negative" : "no number");
    if (!/^[A-Z]{3}$/.test(currency)) bad("currency", currency ? "no ISO 4217 code in upper case" : "missing");
  }
}
