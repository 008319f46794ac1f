// _fbp and _fbc in the page's own domain (pixel.md §5). Their text goes on the wire as it is.

const LIFE_MS = 7776e6; // 90 days

const labels = location.hostname.split(".");

export const read = (name: string): string => decodeURIComponent((document.cookie.match(`(?:^|; )${name}=([^;]*)`) || [])[1] || "");

/** The parts of a value that can be read: fb, index, time, payload and perhaps an appendix; else none. */
const parts = (value: string): string[] =>
  /^fb\.\d+\.\d+\.[^.]+(\.(A[Qgw]|B[AQg]|[\w-]{8}))?$/.test(value) ? value.split(".") : [];

/** Write at the domain of so many labels and one; at the host alone for -1. */
function write(name: string, value: string, index: number, life = LIFE_MS): void {
  const domain = labels.slice(-index - 1).join(".");
  document.cookie =
    `${name}=${encodeURIComponent(value)};expires=${new Date(Date.now() + life).toUTCString()};path=/;SameSite=Lax` +
    (index < 0 ? "" : ";domain=." + domain);
}

export const erase = (name: string): void => [-1, ...labels.keys()].forEach((index) => write(name, "", index, -1));

/** Write a new value at the widest domain that keeps it: public suffixes do not. "" where none does. */
export function mint(name: string, make: (index: number) => string): string {
  erase(name); // one of the host alone would be read before the new one
  for (const index of labels.keys()) {
    const value = make(index);
    write(name, value, index);
    if (read(name) === value) return value;
  }
  return "";
}

/** The click id of an address, in its own case; "" for none that a cookie can carry. */
export function clickId(address: string): string {
  const id = decodeURIComponent(((address.match(/[?#&]fbclid=([^&#]*)/) || [])[1] || "").replace(/\+/g, " "));
  return id.length > 500 || /[\s.]/.test(id) ? "" : id;
}

/** The value of a cookie, renewed; where it can't be read, or has another payload than wanted, a new one. */
function keep(name: string, wanted: string, payload: unknown): string {
  const value = read(name);
  const found = parts(value);
  if (found[3] && (!wanted || found[3] === wanted)) {
    write(name, value, +found[1]);
    return value;
  }
  const now = Date.now();
  return payload ? mint(name, (index) => `fb.${index}.${now}.${payload}`) : "";
}

const random = (): string => "" + ((Math.random() * 1e9) | 0);

/** Renew both cookies, make what is missing, and give their values: "" where the browser keeps none. */
export const browserIds = (click: string): string[] => [keep("_fbp", "", random() + random()), keep("_fbc", click, click)];
