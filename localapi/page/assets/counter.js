// The counter page: draws what the box says. Text goes in as text only, never as markup.
// A PPID, and a service's own number of somebody, live in this page's memory while their tap is in the panel, and are written nowhere.
import { courierWay } from "/assets/courier.js";
import { presence, signing } from "/assets/desk.js";
import { unlocking } from "/assets/keys.js";
import { procedures } from "/assets/next.js";
import { drawState, listNumber, listOf } from "/assets/state.js";
import { unseenTaps } from "/assets/unseen.js";
import {
  $, ask, because, book, clockFormat, clockIs, el, fill, inBoth, joined, label, lang, mark, minuteFormat, other, reasonOf, symbolOf, verdictOf, when,
} from "/assets/words.js";
import { corrections } from "/assets/work.js";

(() => {
  const shown = 20; // rows of the table
  const verdictStays = 60_000; // ms; then the panel asks for the next card
  const restartTakes = 600_000; // ms; a verdict from before a restart that is older is somebody's who has gone
  const refreshEvery = 15_000; // ms between looks at the status, which also finds a dead connection
  const retryAfter = 2_000; // ms before a refused stream is opened anew

  let status = null;
  let taps = []; // newest first
  let connected = false;
  let idleTimer = 0;
  let panelTap = ""; // id of the tap in the panel
  let panelLive = {}; // what its event said beside the tap: what it rests on, what an enrolment or a number came to, number and PPID
  let panelKind = "loading";
  const seen = new Set(); // tap ids whose verdict was on the panel

  // Refusals that say nothing against the card: what stands in for the verdict's words. No red cross for who has yet to register.
  const todo = { kind: "todo", symbol: "▷", name: book.labels.todo, say: book.labels.todo_say };
  const instead = {
    not_enrolled: todo, card_renewed: todo,
    roster_locked: { kind: "todo", symbol: "▷", name: book.labels.locked, say: book.labels.not_yet_say },
    roster_unreadable: { kind: "todo", symbol: "▷", name: book.labels.unreadable, say: book.labels.not_yet_say },
    nobody_signed_in: { kind: "sign", symbol: "①", name: book.labels.sign_first, say: book.labels.not_yet_say },
    used_already: { kind: "refused", symbol: "×", name: book.labels.used, say: book.labels.used_say },
  };
  const usedBefore = new Set(["again", "used_already"]);

  const again = () => {
    const ours = ["next", "typing", "sign"].includes(panelKind);
    if (ours || panelKind === "idle" || (!["reading", "lost"].includes(panelKind) && (staff.waits() || staff.typing()))) idle();
  };
  const keys = unlocking({ changed: () => check() });
  const desk = signing({ keys, changed: again });
  const people = presence({ keys });
  const work = corrections({ desk, keys, taps: () => taps });
  const staff = procedures({ desk, changed: again });
  const unseen = unseenTaps({ changed: () => refreshTaps() });
  const courier = courierWay({ done: () => { check(); work.refresh(); } });

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

  // forget lets go of the tap in the panel, and of whose it was.
  function forget() {
    panelTap = "";
    panelLive = {};
  }

  function idle() {
    forget();
    const problem = status && status.problem;
    if (problem) return failure(problem);
    const next = staff.waits();
    if (desk.missing()) { // a tap now would be refused
      const say = keys.open() ? book.labels.sign_first_say : book.labels.sign_locked_say;
      return panel("sign", "①", book.labels.sign_first, say);
    }
    if (staff.typing()) return panel("typing", "①", book.labels.typing, book.labels.typing_say); // a card now would be an ordinary tap
    if (next && lying(next.reader)) return panel("next", "②", book.labels.next_lift, book.labels.next_lift_say);
    if (next) return panel("next", "②", book.labels.idle, book.labels["next_" + next.kind + "_say"]);
    if (laid.size) return panel("left", "▣", book.labels.left, book.labels.left_say);
    if (pinOnly()) return panel("idle", "▷", book.labels.pin_only, book.labels.pin_only_say);
    panel("idle", "▢", book.labels.idle, lying() ? book.labels.idle_lying : book.labels.idle_say);
  }

  // pinOnly: nobody can be looked up, and the law wants the registered card or the PIN: a tap alone would be in vain.
  function pinOnly() {
    const goes = (what) => ((status && status.able) || []).some((a) => a.what === what && a.ok);
    return Boolean(status && status.able) && status.service.basis === "art38-4" && !goes("tap") && goes("pin");
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
    forget();
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
    const { number, ppid } = panelLive;
    if (number) parts.splice(2, 0, el("span", {}, label("number") + " ", el("span", { class: "number" }, number)));
    if (panelLive.rests) parts.push(el("span", { class: "rests" }, rests(panelLive.rests)));
    if (ppid) parts.push(el("span", {}, label("ppid") + " ", el("span", { class: "ppid" }, ppid)));
    return parts;
  }

  function rests(r) {
    const word = (name) => (book.labels[name] || book.unknown.name)[lang];
    const list = r.list ? listOf(r.list) + " (" + listNumber(r.list).join(", ") + ")" : label("list_none");
    return label("rests") + ": " + [...(r.basis ? [word("basis_" + r.basis)] : []), word("evidence_" + r.evidence), label("list") + " " + list,
      label("clock") + " " + word("clock_" + r.confidence)].join(" ｜ ");
  }

  // What an enrolment came to: the name it gets on the panel, and what the next visit needs.
  function enrolment(o, corrected, enrol) {
    if (o.verdict === "refused") return { name: verdictOf(o).name, why: corrected && book.labels.enrol_void };
    const attested = enrol.attributes && book.labels.attested;
    if (enrol.pin_each_time) {
      return { name: (attested ? book.labels.enrolled : verdictOf(o).name), why: joined(book.labels.each_time, attested || book.labels.no_birth) };
    }
    if (enrol.bound) {
      return { name: o.verdict === "provisional" ? book.labels.enrolled_now : book.labels.enrolled, why: joined(book.labels.bound, attested) };
    }
    const hindrance = enrol.hindrance && (book.reasons[enrol.hindrance] || book.unknown).say;
    return { name: verdictOf(o).name, why: joined(book.labels.unbound, hindrance, attested) };
  }

  // What became of a number: served is one thing, linked another.
  function linking(o, corrected, link) {
    if (o.verdict === "refused") return { name: verdictOf(o).name, why: book.labels[corrected ? "link_void" : "link_unchanged"] };
    if (link.done) return { name: link.unlink ? book.labels.unlinked : link.why === "already" ? book.labels.link_already : book.labels.linked, why: null };
    const why = link.why ? book.labels["link_" + link.why] || book.unknown.say : book.labels.link_unchanged;
    return { name: link.unlink ? book.labels.not_unlinked : book.labels.not_linked, why, kind: "todo", symbol: "▷", say: book.labels.not_linked_say };
  }

  function cameTo(o, corrected) {
    if (panelLive.enrolled) return enrolment(o, corrected, panelLive.enrolled);
    if (panelLive.linked) return linking(o, corrected, panelLive.linked);
    return { name: verdictOf(o).name, why: null };
  }

  function usedText(o) {
    const used = panelLive.rests && panelLive.rests.used;
    return used && usedBefore.has(o.reason) ? inBoth(book.labels.used_at, { t: when(used, minuteFormat) }) : null;
  }

  function showTap(tap, live) {
    panelLive = live || (panelTap === tap.tap ? panelLive : {});
    const o = tap.corrected && tap.final ? tap.final : tap.first;
    const { name, why, kind, symbol, say } = cameTo(o, tap.corrected);
    const reason = joined(o.reason !== "in_order" && because(o, tap.corrected), usedText(o));
    const soft = o.verdict === "refused" && !tap.corrected && instead[o.reason];
    if (soft) panel(soft.kind, soft.symbol, soft.name, soft.say, joined(reason, why), foot(tap));
    else panel(kind || o.verdict, symbol || symbolOf(o), name, say || verdictOf(o).say, kind ? joined(why, reason) : joined(reason, why), foot(tap));
    panelTap = tap.tap;
    seen.add(tap.tap);
    idleTimer = setTimeout(idle, verdictStays);
  }

  // table

  const outcome = (o) => [mark(o), el("small", {}, reasonOf(o).name[lang])];

  function cell(name, ...children) {
    return el("td", { "data-label": label(name) }, el("div", {}, ...children));
  }

  function row(tap) {
    const final = tap.final ? outcome(tap.final) : ["–"];
    if (tap.corrected) final.unshift(el("span", { class: "badge" }, label("corrected")), " ");
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
    work.draw();
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
    work.forget(listed);
    for (const id of seen) if (!listed.has(id)) seen.delete(id);
    drawSoon();
  }

  function keep(tap) {
    heard++;
    const rest = taps.filter((t) => t.tap !== tap.tap);
    list([tap, ...rest].sort((a, b) => Date.parse(b.time) - Date.parse(a.time)).slice(0, shown));
  }

  // state of the box

  function drawStatus(s) {
    if (status && status.software !== s.software) return location.reload(); // a newer program brings a newer page
    const hadProblem = status && status.problem;
    const before = pinOnly();
    status = s;
    clockIs(s.clock.now);
    keys.status(s.keys);
    drawState(s);
    const readers = s.readers || [];
    for (const name of laid) if (!readers.some((r) => r.name === name && r.card)) laid.delete(name);
    desk.status(s);
    people.status(s);
    work.status(s);
    unseen.status(s);
    courier.status(s);
    staff.status(s);
    if ((panelKind === "left" && !laid.size) || (panelKind === "idle" && before !== pinOnly())) idle();
    if (s.problem ? panelKind !== "reading" : hadProblem && panelKind === "failure") idle();
  }

  // the box's answers and events

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
    const age = newest ? Date.parse(status.clock.now) - Date.parse(newest.time) : Infinity;
    const theirs = newest && ((newest.restored && age < restartTakes) || ((wasOpen || lying()) && age < verdictStays));
    if (theirs && !staff.waits() && !seen.has(newest.tap)) return showTap(newest);
    if (["loading", "lost", "reading", "next", "sign"].includes(panelKind)) idle();
  }

  function lost() {
    if (!connected && panelKind === "lost") return;
    connected = false;
    $("lost").hidden = false;
    $("brief").textContent = "";
    forget();
    staff.lost();
    desk.lost();
    panel("lost", "⋯", book.labels.lost, book.labels.lost_say);
  }

  const handlers = {
    status: (e) => { told++; drawStatus(e.status); refreshTaps(); },
    card_present: (e) => { staff.laid(e.reader); moved(e.reader, true); panel("reading", "▣", book.labels.present, book.labels.reading_say); },
    reading: () => panel("reading", "▣", book.labels.reading, book.labels.reading_say),
    card_removed: (e) => { moved(e.reader, false); if (["reading", "left", "idle", "next", "typing", "sign"].includes(panelKind)) idle(); },
    read_failed: (e) => { staff.answered(e.reader, e.failure); failure(e.failure, e.tries, e.tries_of); },
    verdict: (e) => {
      staff.answered(e.reader, "", e);
      showTap(e.tap, { rests: e.rests, enrolled: e.enrolled, linked: e.linked, number: e.number });
      keep(e.tap);
      people.refresh();
    },
    settled: (e) => {
      if (e.tap.corrected) work.refresh();
      if (panelTap === e.tap.tap) showTap(e.tap, { ...panelLive, ppid: e.ppid || panelLive.ppid });
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
      work.refresh();
      people.refresh();
      unseen.refresh();
      courier.refresh();
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
