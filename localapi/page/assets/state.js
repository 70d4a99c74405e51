// The state of the box: line, list, clock, keys, and what works now.
import { keysFact } from "/assets/keys.js";
import { storageFact, storageNotices } from "/assets/storage.js";
import { $, age, book, clockFormat, el, fill, label, lang, minuteFormat, other, reasonOf, when } from "/assets/words.js";

const oldList = 86_400; // s; an older list is marked

// A revocation set is known to people by the time of its lists; its number is for whoever compares two.
export const listOf = (l) => fill("list_of", { t: when(l.this_update, minuteFormat) });
export const listNumber = (l) => [fill(l.age_at_least ? "list_age_least" : "list_age", { t: age(l.age_seconds) }), fill("list_number", { n: l.number })];

function fact(id, text, small, warn) {
  $(id).replaceChildren(text, ...[small].flat().filter(Boolean).map((s) => el("small", {}, s)));
  $("box-" + id).toggleAttribute("data-warn", Boolean(warn));
}

export function drawState(s) {
  document.body.dataset.mode = s.mode;
  $("practice").hidden = !s.service.practice;
  $("place").textContent = [s.site, label("desk") + " " + s.desk, label("service") + " " + s.service.id].join(" ｜ ");
  $("software").textContent = label("software") + " " + s.software;
  drawBrief(s);
  drawTrouble(s.line.trouble);
  fact("line", s.line.up ? "● " + label("online") : "○ " + label("offline"), [s.line.since ? fill("since", { t: when(s.line.since, minuteFormat) }) : "",
    s.line.heard ? fill("heard", { t: when(s.line.heard, clockFormat) }) : ""], !s.line.up);
  if (s.list) fact("list", listOf(s.list), listNumber(s.list), s.list.age_seconds > oldList || s.list.age_at_least);
  else fact("list", label("list_none"), "", true);
  const clock = s.clock.confidence;
  fact("clock", book.labels["clock_" + clock][lang], [minuteFormat.format(new Date(s.clock.now)), clock === "none" ? label("clock_compare") : ""], clock !== "checked");
  fact("waiting", fill("waiting_count", { n: s.waiting.records }),
    s.waiting.oldest ? fill("since", { t: when(s.waiting.oldest, minuteFormat) }) : "", s.waiting.records > 0 && s.mode !== "online");
  const readers = s.readers || [];
  fact("readers", readers.length ? fill("readers_count", { n: readers.length }) : label("readers_none"),
    readers.map((r) => r.name), readers.length === 0);
  const roster = s.roster || { number: 0, people: 0 };
  fact("roster", fill("roster_count", { n: roster.people }), roster.number ? fill("list_number", { n: roster.number }) : label("roster_none"));
  drawKeys(s.keys);
  drawJournal(s);
  drawAble(s);
}

function drawJournal(s) {
  storageNotices(s.journal, s.problem);
  $("box-journal").hidden = !s.journal;
  if (!s.journal) return;
  const f = storageFact(s.journal, s.waiting.unsafe || 0);
  fact("journal", f.word[lang], f.small, f.warn);
}

function drawKeys(k) {
  $("box-keys").hidden = !k;
  if (!k) return;
  const f = keysFact(k);
  fact("keys", f.word[lang], f.small.map((t) => t[lang]), f.warn);
}

// drawAble lists what works now: symbol, word, and why not.
function drawAble(s) {
  const able = s.able || [];
  $("able-box").hidden = able.length === 0;
  $("able").replaceChildren(...able.map((a) => {
    const word = (book.labels["can_" + a.what] || book.unknown.name)[lang];
    const why = a.ok ? "" : a.why ? reasonOf({ reason: a.why }).name[lang] : !s.line.up && a.what === "settle" ? label("offline") : "";
    return el("li", { "data-what": a.what, "data-ok": String(a.ok) }, el("span", { class: "sign", "aria-hidden": "true" }, a.ok ? "○" : "×"),
      el("span", {}, word, " ", el("b", {}, label(a.ok ? "can" : "cannot")), ...(why ? [" ", el("small", {}, why)] : [])));
  }));
}

// What a librarian must see whatever the panel says: the line, how much waits, and locked keys.
function drawBrief(s) {
  const mode = (s.mode === "online" ? "● " : s.mode === "offline" ? "○ " : "■ ") + label(s.mode);
  const waits = s.mode !== "online" && s.waiting.records > 0;
  const locked = Boolean(s.keys) && s.keys.state === "locked";
  $("brief").textContent = [mode, waits ? label("waiting") + " " + fill("waiting_count", { n: s.waiting.records }) : "",
    locked ? label("brief_locked") : ""].filter(Boolean).join(" ｜ ");
  $("brief").toggleAttribute("data-warn", s.mode !== "online" || locked);
}

function drawTrouble(code) {
  const s = code && (book.troubles[code] || book.unknown);
  $("trouble").hidden = !s;
  const told = (l) => [el("strong", {}, "⚠ " + s.name[l]), " " + s.say[l]];
  $("trouble").replaceChildren(...(s ? [el("span", {}, ...told(lang)), el("span", { lang: other }, ...told(other))] : []));
}
