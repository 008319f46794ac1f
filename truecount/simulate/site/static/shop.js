// The shop's own script: tells the pixel what forms do, and what the visitor says of consent. The same event id goes
// with the form to the shop's server, which reports the event too.
"use strict";

const forgets = document.body.dataset.ids === "page forgets";

function newId(name) {
  const random = crypto.randomUUID ? crypto.randomUUID() : String(Math.random()).slice(2);
  return name.toLowerCase() + "-" + random;
}

function about(element) {
  const chosen = element.querySelector("input[data-about]:checked");
  return JSON.parse((chosen || element).dataset.about || "{}");
}

// A form is sent once for each time that a person sends it, however often the button is pressed meanwhile.
const leaving = new WeakSet();
addEventListener("pageshow", () => document.querySelectorAll("form").forEach((form) => leaving.delete(form)));

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post") return;
  if (leaving.has(form)) {
    event.preventDefault();
    return;
  }
  leaving.add(form);
  const name = form.dataset.tells;
  if (!name) return;
  const id = newId(name);
  form.elements.event_id.value = id;
  fbq("track", name, about(form), forgets ? {} : { eventID: id });
});

document.addEventListener("change", (event) => {
  const custom = event.target.closest("[data-changes]");
  if (custom) fbq("track", custom.dataset.changes, { ...about(custom.form), variant: custom.value });
  const choice = event.target.closest("[data-chooses]");
  if (choice && !choice.dataset.told) {
    choice.dataset.told = "yes";
    fbq("track", choice.dataset.chooses, about(choice));
  }
});

// Consent: the pixel of this page hears it at once; the form tells the shop, which asks the next page's pixel.
document.addEventListener("click", (event) => {
  const button = event.target.closest("button[name=consent]");
  if (!button) return;
  if (button.value === "granted") {
    fbq("consent", "grant");
  } else {
    fbq("consent", "revoke", true);
    fbq("set", "limited", true);
  }
});
