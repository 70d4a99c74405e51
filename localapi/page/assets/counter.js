// The counter page: draws what the box says. Text goes in as text only, never as markup.
// A PPID lives in this page's memory while it is open, and is written nowhere.
import { procedures } from "/assets/next.js";

(() => {
  const book = JSON.parse(document.getElementById("book").textContent);
  const lang = document.documentElement.lang;
  const other = document.documentElement.dataset.other;
  const symbols = { accepted: "○", provisional: "△", refused: "×", recorded: "●" };
  const shown = 20; // rows of the table
  const verdictStays = 60_000; // ms; then the panel asks for the next card
  const refreshEvery = 15_000; // ms between looks at the status, which also finds a dead connection
  const retryAfter = 2_000; // ms before a refused stream is opened anew

  let status = null;
  let taps = []; // newest first
  let connected = false;
  let idleTimer = 0;
  let panelTap = ""; // id of the tap in the panel
  let panelRests = null; // what its verdict rests on, live only
  let panelEnrol = null; // what an enrolment has left, live only
  let panelKind = "loading";
  const ppids = new Map(); // tap id → PPID, live only
  const seen = new Set(); // tap ids whose verdict was on the panel
  const noted = new Set(); // tap ids whose correction was dismissed

  const $ = (id) => document.getElementById(id);
  const label = (name) => book.labels[name][lang];
  const fill = (name, values) => label(name).replace(/\{(\w)\}/g, (_, k) => values[k]);
  const unregistered = new Set(["not_enrolled", "card_renewed"]);
  const verdictOf = (o) => book.verdicts[o.verdict] || book.unknown;
  // because is what a reason means. What central found out later is not what this box knew then.
  const because = (o, corrected) => (corrected && book.labels["correct_" + o.reason]) || reasonOf(o).say;
  const reasonOf = (o) => book.reasons[o.reason] || book.unknown;

  function el(tag, attrs, ...children) {
    const e = document.createElement(tag);
    for (const [k, v] of Object.entries(attrs || {})) e.setAttribute(k, v);
    e.append(...children);
    return e;
  }

  const format = (options) => new Intl.DateTimeFormat(lang, { timeZone: "Asia/Tokyo", ...options });
  const clockFormat = format({ hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
  const minuteFormat = format({ hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  const dateFormat = format({ month: "2-digit", day: "2-digit" });
  const today = (d) => dateFormat.format(d) === dateFormat.format(status ? new Date(status.clock.now) : new Date());
  function when(text, formatter) {
    const d = new Date(text);
    return (today(d) ? "" : dateFormat.format(d) + " ") + formatter.format(d);
  }

  function age(seconds) {
    if (seconds < 3600) return fill("unit_minute", { n: Math.max(0, Math.floor(seconds / 60)) });
    if (seconds < 48 * 3600) return fill("unit_hour", { n: Math.floor(seconds / 3600) });
    return fill("unit_day", { n: Math.floor(seconds / 86400) });
  }

  // said joins what there is of several texts, in each language.
  const said = (...texts) => Object.fromEntries([lang, other].map((l) => [l, texts.filter(Boolean).map((t) => t[l]).join(l === "ja" ? "" : " ")]));

  const staff = procedures({ book, lang, other, $, el, label, fill, changed: () => {
    const ours = ["next", "typing"].includes(panelKind);
    if (ours || (!["reading", "lost"].includes(panelKind) && (staff.waits() || staff.typing()))) idle();
  } });

  // panel

  const results = new Set(["accepted", "provisional", "refused", "recorded", "todo", "failure"]);

  function panel(kind, symbol, name, say, why, foot) {
    clearTimeout(idleTimer);
    panelKind = kind;
    $("result").dataset.kind = kind;
    $("symbol").textContent = symbol;
    $("name").textContent = name[lang];
    $("say").textContent = say ? say[lang] : "";
    $("why").textContent = why ? why[lang] : "";
    const second = [el("strong", {}, name[other])];
    if (say) second.push(say[other] + " ");
    if (why) second.push(why[other]);
    $("second").replaceChildren(...second);
    $("foot").replaceChildren(...(foot || []));
    if (results.has(kind)) window.scrollTo({ top: 0 }); // a form before it may have moved the page down
  }

  function idle() {
    panelTap = "";
    const problem = status && status.problem;
    if (problem) return failure(problem);
    const next = staff.waits();
    if (staff.typing()) return panel("typing", "①", book.labels.typing, book.labels.typing_say); // a card now would be an ordinary tap
    if (next && lying(next.reader)) return panel("next", "②", book.labels.next_lift, book.labels.next_lift_say);
    if (next) return panel("next", "②", book.labels.idle, book.labels["next_" + next.kind + "_say"]);
    if (laid.size) return panel("left", "▣", book.labels.left, book.labels.left_say);
    panel("idle", "▢", book.labels.idle, lying() ? book.labels.idle_lying : book.labels.idle_say);
  }

  // A card of whose arrival this page knows is somebody's, and was left. One that lay there before may belong to the reader.
  const laid = new Set();
  const lying = (reader) => Boolean(status) && (status.readers || []).some((r) => r.card && (!reader || r.name === reader));
  function moved(reader, card) {
    if (card) laid.add(reader);
    else laid.delete(reader);
    for (const r of (status && status.readers) || []) if (r.name === reader) r.card = card;
  }

  function failure(code, tries, of) {
    panelTap = "";
    const s = book.failures[code] || book.unknown;
    const left = book.labels.tries_left;
    const which = book.labels["pin_" + of];
    panel("failure", "！", s.name, s.say, tries ? {
      ja: (which ? which.ja + "：" : "") + left.ja.replace("{n}", tries), en: (which ? which.en + ". " : "") + left.en.replace("{n}", tries),
    } : which);
    if (!(status && status.problem)) idleTimer = setTimeout(idle, verdictStays);
  }

  function foot(tap) {
    const parts = [el("span", {}, label("code") + " ", el("b", { class: "spoken" }, tap.spoken)),
      el("span", { class: "time" }, when(tap.time, clockFormat))];
    if (tap.restored) parts.push(el("span", { class: "note" }, "↻ " + label("restored_say")));
    if (tap.final) {
      parts.push(el("span", { class: "note" }, label("col_final") + ": ", mark(tap.final), " " + reasonOf(tap.final).name[lang]));
    }
    if (panelRests) parts.push(el("span", { class: "rests" }, rests(panelRests)));
    const ppid = ppids.get(tap.tap);
    if (ppid) parts.push(el("span", {}, label("ppid") + " ", el("span", { class: "ppid" }, ppid)));
    return parts;
  }

  // A revocation set is known to people by the time of its lists; its number is for whoever compares two.
  const listOf = (l) => fill("list_of", { t: when(l.this_update, minuteFormat) });
  const listNumber = (l) => [fill("list_age", { t: age(l.age_seconds) }), fill("list_number", { n: l.number })];

  function rests(r) {
    const word = (name) => (book.labels[name] || book.unknown.name)[lang];
    const list = r.list ? listOf(r.list) + " (" + listNumber(r.list).join(", ") + ")" : label("list_none");
    return label("rests") + ": " + [...(r.basis ? [word("basis_" + r.basis)] : []), word("evidence_" + r.evidence), label("list") + " " + list,
      label("clock") + " " + word("clock_" + r.confidence)].join(" ｜ ");
  }

  // What an enrolment came to: the name it gets on the panel, and what the next visit needs.
  function enrolment(o, corrected) {
    if (!panelEnrol) return { name: verdictOf(o).name, why: null };
    if (o.verdict === "refused") return { name: verdictOf(o).name, why: corrected && book.labels.enrol_void };
    const attested = panelEnrol.attributes && book.labels.attested;
    if (panelEnrol.pin_each_time) {
      return { name: (attested ? book.labels.enrolled : verdictOf(o).name), why: said(book.labels.each_time, attested || book.labels.no_birth) };
    }
    if (panelEnrol.bound) {
      return { name: o.verdict === "provisional" ? book.labels.enrolled_now : book.labels.enrolled, why: said(book.labels.bound, attested) };
    }
    const hindrance = panelEnrol.hindrance && (book.reasons[panelEnrol.hindrance] || book.unknown).say;
    return { name: verdictOf(o).name, why: said(book.labels.unbound, hindrance, attested) };
  }

  function showTap(tap, rests, enrol) {
    panelRests = rests || (panelTap === tap.tap ? panelRests : null);
    panelEnrol = enrol || (panelTap === tap.tap ? panelEnrol : null);
    const o = tap.corrected && tap.final ? tap.final : tap.first;
    const s = verdictOf(o);
    const { name, why } = enrolment(o, tap.corrected);
    const reason = o.reason !== "in_order" && because(o, tap.corrected);
    // Nothing is wrong with somebody who has yet to register: no red cross for them.
    if (unregistered.has(o.reason) && !tap.corrected) panel("todo", "▷", book.labels.todo, book.labels.todo_say, said(reason, why), foot(tap));
    else panel(o.verdict, symbols[o.verdict] || "？", name, s.say, said(reason, why), foot(tap));
    panelTap = tap.tap;
    seen.add(tap.tap);
    idleTimer = setTimeout(idle, verdictStays);
  }

  // corrections

  function drawCorrections() {
    const open = taps.filter((t) => t.corrected && t.final && !noted.has(t.tap));
    const known = new Map([...$("correction-list").children].map((li) => [li.dataset.tap, li]));
    for (const [id, li] of known) if (!open.some((t) => t.tap === id)) li.remove();
    for (const t of open) if (!known.has(t.tap)) $("correction-list").append(correction(t));
    $("corrections").hidden = open.length === 0;
  }

  function correction(tap) {
    const todo = tap.final.verdict === "refused" ? "correct_stop" : "correct_serve";
    const button = el("button", { type: "button" }, label("dismiss"));
    button.addEventListener("click", () => { noted.add(tap.tap); drawCorrections(); $("result").focus(); });
    return el("li", { "data-tap": tap.tap },
      el("div", {},
        el("p", {}, el("span", { class: "spoken" }, tap.spoken), " ", el("span", { class: "time" }, when(tap.time, clockFormat)), "  ",
          mark(tap.first), " → ", mark(tap.final)),
        el("p", {}, el("strong", {}, label(todo)), " ", because(tap.final, true)[lang]),
        el("p", { lang: other }, el("strong", {}, book.labels[todo][other]), " ", because(tap.final, true)[other])),
      button);
  }

  // table

  const mark = (o) => el("span", { class: "mark", "data-kind": o.verdict, "data-symbol": symbols[o.verdict] || "？" }, verdictOf(o).name[lang]);
  const outcome = (o) => [mark(o), el("small", {}, reasonOf(o).name[lang])];

  function cell(name, ...children) {
    return el("td", { "data-label": label(name) }, el("div", {}, ...children));
  }

  function row(tap) {
    const final = tap.final ? outcome(tap.final) : ["–"];
    if (tap.corrected) final.unshift(el("span", { class: "badge" }, label("corrected")), " ");
    const ppid = ppids.get(tap.tap);
    if (ppid) final.push(el("small", {}, label("ppid") + " ", el("span", { class: "ppid" }, ppid)));
    const first = outcome(tap.first);
    if (tap.restored) first.push(el("small", {}, "↻ " + label("restored")));
    const tr = el("tr", { "data-tap": tap.tap },
      cell("col_time", el("span", { class: "time" }, when(tap.time, clockFormat))),
      cell("code", el("span", { class: "spoken" }, tap.spoken)),
      cell("col_first", ...first), cell("col_final", ...final),
      cell("col_state", (tap.state === "settled" ? "✓ " : "") + (book.labels["state_" + tap.state] || book.unknown.name)[lang]));
    if (tap.corrected) tr.className = "corrected";
    return tr;
  }

  function drawTaps() {
    $("taps").replaceChildren(...taps.map(row));
    $("taps-none").hidden = taps.length > 0;
    drawCorrections();
  }

  let drawing = false;
  function drawSoon() { // once for all records that settle at once; by the clock, since a covered window gets no frames
    if (drawing) return;
    drawing = true;
    setTimeout(() => { drawing = false; drawTaps(); }, 16);
  }

  function list(newest) {
    taps = newest;
    const listed = new Set(taps.map((t) => t.tap));
    for (const kept of [ppids, seen, noted]) for (const id of kept.keys()) if (!listed.has(id)) kept.delete(id);
    drawSoon();
  }

  function keep(tap) {
    heard++;
    const rest = taps.filter((t) => t.tap !== tap.tap);
    list([tap, ...rest].sort((a, b) => Date.parse(b.time) - Date.parse(a.time)).slice(0, shown));
  }

  // state of the box

  function fact(id, text, small, warn) {
    $(id).replaceChildren(text, ...[small].flat().filter(Boolean).map((s) => el("small", {}, s)));
    $("box-" + id).toggleAttribute("data-warn", Boolean(warn));
  }

  function drawStatus(s) {
    if (status && status.software !== s.software) return location.reload(); // a newer program brings a newer page
    const hadProblem = status && status.problem;
    status = s;
    document.body.dataset.mode = s.mode;
    $("practice").hidden = !s.service.practice;
    $("place").textContent = [s.site, label("desk") + " " + s.desk, label("service") + " " + s.service.id].join(" ｜ ");
    $("software").textContent = label("software") + " " + s.software;
    const mode = (s.mode === "online" ? "● " : s.mode === "offline" ? "○ " : "■ ") + label(s.mode);
    fact("line", s.line.up ? "● " + label("online") : "○ " + label("offline"), [s.line.since ? fill("since", { t: when(s.line.since, minuteFormat) }) : "",
      s.line.heard ? fill("heard", { t: when(s.line.heard, clockFormat) }) : ""], !s.line.up);
    drawBrief(s, mode);
    drawTrouble(s.line.trouble);
    if (s.list) fact("list", listOf(s.list), listNumber(s.list), s.list.age_seconds > 86400);
    else fact("list", label("list_none"), "", true);
    fact("clock", book.labels["clock_" + s.clock.confidence][lang], minuteFormat.format(new Date(s.clock.now)), s.clock.confidence !== "checked");
    fact("waiting", fill("waiting_count", { n: s.waiting.records }),
      s.waiting.oldest ? fill("since", { t: when(s.waiting.oldest, minuteFormat) }) : "", s.waiting.records > 0 && s.mode !== "online");
    const readers = s.readers || [];
    fact("readers", readers.length ? fill("readers_count", { n: readers.length }) : label("readers_none"),
      readers.map((r) => r.name), readers.length === 0);
    const roster = s.roster || { number: 0, people: 0 };
    fact("roster", fill("roster_count", { n: roster.people }), roster.number ? fill("list_number", { n: roster.number }) : label("roster_none"));
    for (const name of laid) if (!readers.some((r) => r.name === name && r.card)) laid.delete(name);
    staff.status(s);
    if (panelKind === "left" && !laid.size) idle();
    if (s.problem ? panelKind !== "reading" : hadProblem && panelKind === "failure") idle();
  }

  // What a librarian must see whatever the panel says: the line, and how much waits.
  function drawBrief(s, mode) {
    const waits = s.mode !== "online" && s.waiting.records > 0;
    $("brief").textContent = mode + (waits ? " ｜ " + label("waiting") + " " + fill("waiting_count", { n: s.waiting.records }) : "");
    $("brief").toggleAttribute("data-warn", s.mode !== "online");
  }

  function drawTrouble(code) {
    const s = code && (book.troubles[code] || book.unknown);
    $("trouble").hidden = !s;
    const said = (l) => [el("strong", {}, "⚠ " + s.name[l]), " " + s.say[l]];
    $("trouble").replaceChildren(...(s ? [el("span", {}, ...said(lang)), el("span", { lang: other }, ...said(other))] : []));
  }

  // the box's answers and events

  async function ask(path) {
    const answer = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(5000) });
    if (!answer.ok) throw new Error(String(answer.status));
    return answer.json();
  }

  let asking = null;
  let askAgain = false;
  let told = 0; // statuses that the box sent by itself
  let heard = 0; // events that changed a tap; a list that was asked for before one may be older than it
  function refreshTaps() {
    if (asking) { askAgain = true; return asking; }
    const before = heard;
    asking = ask("/v1/taps?limit=" + shown)
      .then((answer) => { if (heard === before) list(answer.taps); else askAgain = true; })
      .catch(() => {}) // a dead connection is found by the stream and by the look at the status
      .finally(() => { asking = null; if (askAgain) { askAgain = false; refreshTaps(); } });
    return asking;
  }

  // afterGap shows the newest tap when nobody can have seen it: the box restarted, or events were missed; and when its card seems
  // to lie there still: the page was loaded anew in front of its owner.
  function afterGap(wasOpen) {
    const newest = taps[0];
    const recent = newest && Date.parse(status.clock.now) - Date.parse(newest.time) < verdictStays;
    if (newest && !staff.waits() && !seen.has(newest.tap) && (newest.restored || ((wasOpen || lying()) && recent))) return showTap(newest);
    if (["loading", "lost", "reading", "next"].includes(panelKind)) idle();
  }

  function lost() {
    if (!connected && panelKind === "lost") return;
    connected = false;
    $("lost").hidden = false;
    $("brief").textContent = "";
    panelTap = "";
    staff.lost();
    panel("lost", "⋯", book.labels.lost, book.labels.lost_say);
  }

  const handlers = {
    status: (e) => { told++; drawStatus(e.status); refreshTaps(); },
    card_present: (e) => { staff.laid(e.reader); moved(e.reader, true); panel("reading", "▣", book.labels.present, book.labels.reading_say); },
    reading: () => panel("reading", "▣", book.labels.reading, book.labels.reading_say),
    card_removed: (e) => { moved(e.reader, false); if (["reading", "left", "idle", "next", "typing"].includes(panelKind)) idle(); },
    read_failed: (e) => { staff.answered(e.reader, e.failure); failure(e.failure, e.tries, e.tries_of); },
    verdict: (e) => { staff.answered(e.reader); showTap(e.tap, e.rests, e.enrolled); keep(e.tap); },
    settled: (e) => {
      if (e.ppid) ppids.set(e.tap.tap, e.ppid);
      if (panelTap === e.tap.tap) showTap(e.tap);
      keep(e.tap);
    },
  };

  let opened = false;
  let stream = null;
  function listen() {
    stream = new EventSource("/v1/events");
    for (const [type, handle] of Object.entries(handlers)) {
      stream.addEventListener(type, (m) => handle(JSON.parse(m.data)));
    }
    stream.addEventListener("status", async () => {
      if (connected) return;
      connected = true; // the first event of a stream is the status: the box is back
      $("lost").hidden = true;
      await refreshTaps();
      afterGap(opened);
      opened = true;
    });
    stream.addEventListener("error", () => {
      lost();
      if (stream.readyState === EventSource.CLOSED) setTimeout(listen, retryAfter); // refused: the browser gives up, we do not
    });
  }

  function check() {
    if (!connected) return;
    const before = told;
    ask("/v1/status").then((s) => { if (connected && told === before) drawStatus(s); }).catch(() => {
      if (!connected) return;
      stream.close(); // it may be dead without knowing it
      lost();
      setTimeout(listen, retryAfter);
    });
  }

  listen();
  setInterval(check, refreshEvery);
})();
