// What every part of the page shares: the catalog's words, elements, times, and how the box is asked. Text goes in as text only.

export const $ = (id) => document.getElementById(id);
export const book = JSON.parse($("book").textContent);
export const lang = document.documentElement.lang;
export const other = document.documentElement.dataset.other;

const filled = (text, values) => text.replace(/\{(\w)\}/g, (_, k) => values[k]);
export const label = (name) => book.labels[name][lang];
export const fill = (name, values) => filled(label(name), values);

// inBoth fills a text in each language; joined joins what there is of several.
export const inBoth = (text, values) => ({ ja: filled(text.ja, values), en: filled(text.en, values) });
export const joined = (...texts) => Object.fromEntries(["ja", "en"].map((l) =>
  [l, texts.filter(Boolean).map((t) => t[l]).join(l === "ja" ? "" : " ")]));

export function el(tag, attrs, ...children) {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(attrs || {})) e.setAttribute(k, v);
  e.append(...children);
  return e;
}

// both is a text in the page's language and in the other; say writes it, or nothing, where an id stands.
export const both = (t) => [el("span", {}, t[lang]), " ", el("small", { lang: other }, t[other])];
export const say = (id, t) => $(id).replaceChildren(...(t ? both(t) : []));

// narrow undoes what an input method makes of a reader of barcodes: wide letters.
export function narrow(field) {
  const text = field.value.replace(/[\uff01-\uff5e]/g, (c) => String.fromCharCode(c.charCodeAt(0) - 0xfee0));
  if (text !== field.value) field.value = text;
}

const format = (options) => new Intl.DateTimeFormat(lang, { timeZone: "Asia/Tokyo", ...options });
export const clockFormat = format({ hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
export const minuteFormat = format({ hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const dateFormat = format({ month: "2-digit", day: "2-digit" });

let boxNow = ""; // time of the box, as it said last
export const clockIs = (now) => { boxNow = now; };
const today = (d) => dateFormat.format(d) === dateFormat.format(boxNow ? new Date(boxNow) : new Date());

// when is a time of day, with the date unless that is today.
export function when(text, formatter) {
  const d = new Date(text);
  return (today(d) ? "" : dateFormat.format(d) + " ") + formatter.format(d);
}

export function age(seconds) {
  if (seconds < 3600) return fill("unit_minute", { n: Math.max(0, Math.floor(seconds / 60)) });
  if (seconds < 48 * 3600) return fill("unit_hour", { n: Math.floor(seconds / 3600) });
  return fill("unit_day", { n: Math.floor(seconds / 86400) });
}

// What is said of an outcome.
const symbols = { accepted: "○", provisional: "△", refused: "×", recorded: "●" };
export const symbolOf = (o) => symbols[o.verdict] || "？";
export const verdictOf = (o) => (o.verdict === "refused" && book.refusals[o.reason]) || book.verdicts[o.verdict] || book.unknown;
export const reasonOf = (o) => book.reasons[o.reason] || book.unknown;
// because is what a reason means. What central found out later is not what this box knew then.
export const because = (o, corrected) => (corrected && book.labels["correct_" + o.reason]) || reasonOf(o).say;
export const mark = (o) => el("span", { class: "mark", "data-kind": o.verdict, "data-symbol": symbolOf(o) }, verdictOf(o).name[lang]);

// call asks the box: { value }, or { refused } with its code and its words. A box that does not answer in time throws.
export async function call(method, path, body, patience = 5000) {
  const headers = body ? { "Content-Type": "application/json" } : {};
  const answer = await fetch(path, { method, headers, body, cache: "no-store", signal: AbortSignal.timeout(patience) });
  const a = await answer.json();
  return answer.ok ? { value: a } : { refused: { code: a.code, left: a.left || 0, wait: a.wait || 0, text: { ja: a.message_ja, en: a.message_en } } };
}

// ask returns what a path answers and throws for everything else.
export async function ask(path) {
  const { value, refused } = await call("GET", path);
  if (refused) throw new Error(refused.code);
  return value;
}

// inTurn makes a function that runs work once at a time, and once more if it was called meanwhile.
export function inTurn(work) {
  let running = null;
  let again = false;
  return function run() {
    if (running) { again = true; return running; }
    running = work().finally(() => { running = null; if (again) { again = false; run(); } });
    return running;
  };
}
