// dataLayer: names of GA4's e-commerce, as GTM or gtag write them, become standard events by a table.

import type { Hooks } from "./hooks";

type Fields = Record<string, unknown>;

/** GA4's event -> the standard event that says the same. Others are not sent. */
const NAMES: Record<string, string> = {
  view_item: "ViewContent",
  add_to_cart: "AddToCart",
  add_to_wishlist: "AddToWishlist",
  begin_checkout: "InitiateCheckout",
  add_payment_info: "AddPaymentInfo",
  purchase: "Purchase",
  generate_lead: "Lead",
  sign_up: "CompleteRegistration",
  search: "Search",
  view_search_results: "Search",
};

export const layer = (): unknown[] => {
  const page = window as unknown as { dataLayer?: unknown[] };
  return (page.dataLayer = page.dataLayer || []);
};

/** Tell `seen` of each entry of the data layer, of those that lie in it already first. */
export function onEntry(seen: (entry: unknown) => void): void {
  const entries = layer();
  const safely = (entry: unknown): void => {
    try {
      if (entry) seen(entry);
    } catch (_) {
      // an entry that can't be read is none of ours
    }
  };
  entries.forEach(safely);
  const push = entries.push;
  entries.push = function (this: unknown[], ...more: unknown[]) {
    const n = push.apply(entries, more);
    more.forEach(safely);
    return n;
  };
}

export function watchLayer(hooks: Hooks): void {
  onEntry((entry) => {
    // gtag pushes ["event", name, parameters], GTM's pages {event: name, ecommerce: {...}}.
    const call = entry as ArrayLike<unknown> & Fields;
    const isCall = call[0] === "event";
    const name = NAMES[String(isCall ? call[1] : call.event)];
    const told = ((isCall ? call[2] : call.ecommerce || call) || {}) as Fields;
    if (!name || !Object.prototype.hasOwnProperty.call(NAMES, String(isCall ? call[1] : call.event))) return;
    const id = told.event_id || call.event_id || call.eventID || (name === "Purchase" && told.transaction_id);
    hooks.run(["track", name, custom(told), id ? { eventID: String(id) } : {}]);
  });
}

function custom(told: Fields): Fields {
  const items = Array.isArray(told.items) ? (told.items as Fields[]).filter(Boolean) : [];
  const data: Fields = { value: told.value, currency: told.currency, order_id: told.transaction_id };
  if (told.search_term) data.search_string = told.search_term;
  if (!items.length) return data;
  const idOf = (item: Fields): string => String(item.item_id || item.item_name);
  const numberOf = (item: Fields): number => Number(item.quantity || 1);
  data.content_type = "product";
  data.content_ids = items.map(idOf);
  data.contents = items.map((item) => ({ id: idOf(item), quantity: numberOf(item), item_price: item.price }));
  data.num_items = items.reduce((sum, item) => sum + numberOf(item), 0);
  if (items.length === 1) data.content_name = items[0].item_name;
  return data;
}
