// The staff panel for what is done with the next card: registration, check with the PIN, and the service's own number of somebody. It asks
// the box by /v1/next-card and draws what the box says. What is typed in stands in its field until it was sent, given up or left alone, and
// nowhere afterwards.
import { birthDate, birthSaid, erasOf, everyEra } from "/assets/birth.js";
import { drawConsent } from "/assets/consent.js";
import { $, book, call, el, fill, inBoth, joined, narrow, reasonOf, say } from "/assets/words.js";

const forgetAfter = 60_000; // ms without a key once something was typed in; then the form closes
const awayAfter = 20_000; // ms with the focus elsewhere, likewise
const askedAgain = 120_000; // ms after a card that failed for its era or birth date: the next enrolment is that person's

const nextPath = "/v1/next-card";

// procedures makes the panel. changed is called when the form opens or closes, and when the box begins or ends to wait.
export function procedures({ desk, changed }) {
  const form = $("next-form");
  const openers = [...$("next-openers").querySelectorAll("button")];
  const pins = [$("pin"), $("input-pin")];
  const typed = [...pins, $("birth"), $("number")];
  const holds = () => typed.some((field) => field.value);
  const chosen = (name) => new FormData(form).get(name);
  let kind = ""; // of the open form
  let next = null; // what the box waits for
  let ahead = 0; // ms that the box's clock is ahead of this one
  let readers = []; // names
  let lastReader = ""; // on which a card was laid last, or that was chosen last
  let asked = false; // this page asked for it
  let own = false; // the box waits for what this page asked, or may
  let abandoned = false; // the form was closed while the request was under way
  let answered = false; // a card came for it, be it before the status said so
  let cancelled = false;
  let sending = false;
  let inactive = 0;
  let away = 0;
  let ticking = 0;
  let eraUntil = 0; // a form that opens before then asks for the era, of whatever birth date the card has
  let eraOpen = false; // the open form does
  let eraSent = false; // a card is waited for with an era
  let sureUntil = 0; // a form that opens before then has the birth date confirmed
  let sureOpen = false; // the open form does
  let sureSent = false; // a card is waited for with a birth date that was confirmed
  let service = { id: "" };
  let able = []; // what goes now
  let unnamed = false; // somebody has to sign in for what the form asks
  let pinToo = false; // the service wants the PIN for a number as well, as a card has shown

  const links = () => kind === "link" || kind === "unlink";
  // A service that takes no tap without the PIN takes no number without it either.
  const pinAlways = () => pinToo || service.basis === "pin" || (able.length > 0 && !able.some((a) => a.what === "tap"));
  const wantsPIN = () => !links() || (pinAlways() && !cardless());
  const cardless = () => kind === "unlink" && Boolean($("number").value);
  // agreed is what was answered to the rule's consent; where the rule reads nothing of the card nobody is asked.
  const agreed = () => (kind !== "enrol" ? null : (service.attributes || []).length ? chosen("consent") : "no");
  const day = () => birthDate(Date.now() + ahead);

  // the form

  function wipe() {
    for (const field of typed) field.value = "";
    drawEcho();
  }

  // close empties everything, and gives the focus back to the button that opened the form if it was in the panel.
  function close(notice) {
    const opener = openers.find((b) => b.dataset.next === kind);
    const inside = $("next").contains(document.activeElement);
    clearTimeout(inactive);
    clearTimeout(away);
    wipe();
    form.reset();
    kind = "";
    eraOpen = sureOpen = false;
    draw();
    fault(null);
    say("next-notice", notice);
    if (inside && opener) opener.focus();
    changed();
  }

  // quit is close by a person: what is on its way to the box is taken back.
  function quit() {
    abandoned = sending;
    close(sending ? null : book.labels.next_cancelled);
  }

  function open(k) {
    if (kind) quit();
    const a = able.find((one) => one.what === k || (k === "unlink" && one.what === "link"));
    if (a && !a.ok) return say("next-notice", joined(book.labels.next_unable, a.why ? reasonOf({ reason: a.why }).say : null));
    kind = k;
    eraOpen = Date.now() < eraUntil;
    sureOpen = Date.now() < sureUntil;
    eraUntil = sureUntil = 0;
    drawReaders();
    for (const radio of readerRadios()) radio.checked = radio.value === lastReader;
    say("next-notice", null);
    say("next-form-title", book.labels["next_" + k]);
    draw();
    stir();
    if (kind === "link") $("number").focus(); // a reader of barcodes types into it
    else if (kind === "pin") pins[0].focus();
    else $("next-form-title").focus();
    changed();
  }

  function draw() {
    $("next").dataset.view = next ? "waiting" : kind ? "form" : "closed";
    $("next-openers").hidden = Boolean(next);
    $("next-waiting").hidden = !next;
    form.hidden = !kind || Boolean(next);
    for (const b of openers) b.setAttribute("aria-expanded", String(b.dataset.next === kind));
    const enrol = kind === "enrol";
    const consent = agreed();
    $("ask-consent").hidden = !enrol || !(service.attributes || []).length;
    $("ask-birth").hidden = consent !== "no";
    $("ask-same").hidden = consent !== "yes";
    $("ask-input").hidden = consent !== "yes" || chosen("same") !== "no";
    $("ask-sure").hidden = consent !== "no" || !sureOpen;
    $("ask-number").hidden = !links();
    if (links()) {
      say("number-label", book.labels[kind === "link" ? "number_link" : "number_unlink"]);
      say("number-say", book.labels[kind === "link" ? "number_link_say" : "number_unlink_say"]);
    }
    $("ask-pins").hidden = $("next-self").hidden = !wantsPIN();
    say("next-go", book.labels[cardless() ? "go_unlink" : "go"]);
    drawEra();
  }

  const readerRadios = () => [...$("reader-choices").querySelectorAll("input")];

  // drawReaders offers the readers, where there are several, and keeps what was chosen.
  function drawReaders() {
    const before = chosen("reader");
    $("ask-reader").hidden = readers.length < 2;
    $("reader-choices").replaceChildren(...(readers.length < 2 ? [] : readers).map((name) =>
      el("label", {}, el("input", { type: "radio", name: "reader", value: name }), el("span", {}, name))));
    for (const radio of readerRadios()) radio.checked = radio.value === before;
  }

  // erasToAsk are those that the birth date leaves open. Of a date that only the card says, every era.
  function erasToAsk() {
    const consent = agreed();
    if (consent === "yes" && eraOpen) return everyEra;
    return consent === "no" ? erasOf(day()) : [];
  }

  function drawEra() {
    const ask = erasToAsk();
    $("ask-era").hidden = ask.length === 0;
    for (const radio of form.elements.era) {
      const possible = ask.includes(radio.value);
      radio.closest("label").hidden = !possible;
      if (!possible) radio.checked = false;
    }
  }

  function fault(gap) {
    say("next-fault", gap && gap[0]);
    for (const field of typed) {
      if (gap && gap[1] === field) field.setAttribute("aria-invalid", "true");
      else field.removeAttribute("aria-invalid");
    }
  }

  function forget() {
    if (holds()) close(book.labels.next_idle);
  }

  function stir() {
    clearTimeout(inactive);
    inactive = setTimeout(forget, forgetAfter);
  }

  function drawEcho() {
    $("birth-echo").textContent = birthSaid(day());
    drawEra();
  }

  // missing returns the first thing that is, and the field to go to.
  function missing() {
    const enrol = kind === "enrol";
    const consent = agreed();
    const four = (field) => /^\d{4}$/.test(field.value);
    if (readers.length > 1 && !cardless() && !chosen("reader")) return [book.labels.need_reader, readerRadios()[0]];
    if (enrol && !consent) return [book.labels.need_consent, form.elements.consent[0]];
    if (enrol && consent === "no" && !day()) return [book.labels.need_birth, $("birth")];
    if (erasToAsk().length && !chosen("era")) return [book.labels.need_era, [...form.elements.era].find((radio) => !radio.closest("label").hidden)];
    if (enrol && consent === "yes" && !chosen("same")) return [book.labels.need_same, form.elements.same[0]];
    if (kind === "link" && !$("number").value.trim() || /["\\]/.test($("number").value)) return [book.labels.need_number, $("number")];
    if (wantsPIN() && !four(pins[0])) return [book.labels.need_pin, pins[0]];
    if (enrol && consent === "yes" && chosen("same") === "no" && !four(pins[1])) return [book.labels.need_input, pins[1]];
    return null;
  }

  function request() {
    const r = { kind };
    if (wantsPIN()) r.pin = pins[0].value;
    if (kind === "link") r.number = $("number").value.trim();
    if (readers.length > 1) r.reader = lastReader = chosen("reader");
    if (kind !== "enrol") return r;
    r.attributes = agreed() === "yes";
    if (chosen("era")) r.era = chosen("era");
    if (sureOpen && !r.attributes && $("birth-sure").checked) r.birth_sure = true;
    if (!r.attributes) return { ...r, birth: $("birth").value };
    r.same_pin = chosen("same") === "yes";
    return r.same_pin ? r : { ...r, input_pin: pins[1].value };
  }

  async function submit() {
    const gap = missing();
    fault(gap);
    if (gap) return gap[1].focus();
    if (sending) return;
    if (cardless()) return takeBack();
    const asking = request();
    const body = JSON.stringify(asking);
    eraSent = Boolean(asking.era);
    sureSent = Boolean(asking.birth_sure);
    wipe(); // before it leaves
    sending = asked = own = true;
    answered = abandoned = false;
    let refused = null;
    try {
      refused = ((await call("PUT", nextPath, body)).refused || {}).text || null;
    } catch {
      refused = await unheard();
    }
    sending = false;
    const gone = refused && refused !== book.labels.next_unsure;
    if (gone) asked = own = false;
    if (abandoned) return gone ? say("next-notice", book.labels.next_cancelled) : cancel();
    if (!kind) return; // the status was quicker
    if (!refused) return close(); // a quick card may be done with already
    fault([refused]);
    stir();
    (kind === "link" ? $("number") : wantsPIN() ? pins[0] : $("next-form-title")).focus();
  }

  // takeBack has a number name nobody any more, without the card, in the name of whoever is signed in.
  async function takeBack() {
    if (!desk.who()) { fault([book.labels.staff_first]); unnamed = true; return desk.wants(); }
    const body = JSON.stringify({ service: service.id, number: $("number").value.trim() });
    wipe(); // before it leaves
    draw();
    sending = true;
    let refused;
    try {
      ({ refused } = await call("DELETE", "/v1/links", body));
    } catch {
      refused = { text: book.labels.code_unsure };
    }
    sending = false;
    if (!kind) return;
    if (!refused) return close(book.labels.unlinked);
    fault([refused.code === "unknown" ? book.labels.link_none : refused.text, $("number")]);
    $("number").focus();
  }

  // unheard asks what became of a request that was not answered: the box may wait all the same.
  async function unheard() {
    try {
      const { value, refused } = await call("GET", nextPath);
      if (value && value.next) return null;
      return refused ? book.labels.next_unsure : book.labels.next_failed;
    } catch {
      return book.labels.next_unsure;
    }
  }

  // waiting

  async function cancel() {
    cancelled = true;
    let notice = null;
    try {
      const { value, refused } = await call("DELETE", nextPath);
      const goesOn = value && value.next;
      if (goesOn) cancelled = false; // the card is being read, to its end
      notice = refused ? refused.text : (goesOn ? book.labels.next_late : next || answered ? null : book.labels.next_cancelled);
    } catch {
      notice = book.labels.next_unsure;
    }
    if (notice) say("next-notice", notice);
  }

  // leave takes back what nobody at this page will lay a card for.
  function leave() {
    wipe();
    if (own) fetch(nextPath, { method: "DELETE", keepalive: true }).catch(() => {});
    own = false;
  }

  const left = () => Math.max(0, Math.ceil((Date.parse(next.until) - Date.now() - ahead) / 1000));
  const tick = () => { if (next) $("next-left").textContent = fill("next_left", { n: left() }); };

  // show moves the focus, if it was in the panel, and keeps both that and the result in sight.
  function show(button) {
    button.focus({ preventScroll: true });
    $("result").scrollIntoView({ block: "nearest" });
    button.scrollIntoView({ block: "nearest" });
  }

  function begin() {
    const inside = $("next").contains(document.activeElement);
    if (!asked) answered = false;
    asked = cancelled = false;
    close();
    const where = next.reader ? { ja: "（" + next.reader + "）", en: " (" + next.reader + ")" } : { ja: "", en: "" };
    const what = book.labels["next_" + next.kind];
    say("next-what", { ja: book.labels.next_wait.ja + "：" + what.ja + where.ja, en: book.labels.next_wait.en + ": " + what.en + where.en });
    ticking = setInterval(tick, 1000);
    // Not the button after a number: a reader of barcodes may press Enter twice.
    if (inside) show(next.kind === "link" ? $("next-what") : $("next-cancel"));
  }

  function end(was) {
    const inside = $("next").contains(document.activeElement);
    clearInterval(ticking);
    own = false;
    say("next-notice", answered ? null : cancelled ? book.labels.next_cancelled : book.labels.next_over);
    draw();
    if (inside) show(openers.find((b) => b.dataset.next === was.kind) || openers[0]);
  }

  // status takes what the box says of the next card, and by which clock.
  function status(s) {
    const was = next;
    next = s.next || null;
    const before = service;
    service = s.service;
    if (drawConsent(service, before)) { // what was answered to another text counts no more
      for (const radio of form.elements.consent) radio.checked = false;
      draw();
    }
    able = s.able || [];
    if (unnamed && desk.who()) { unnamed = false; fault(null); }
    for (const b of openers) if (["link", "unlink"].includes(b.dataset.next)) b.hidden = !able.some((a) => a.what === "link");
    ahead = Date.parse(s.clock.now) - Date.now();
    const names = (s.readers || []).map((r) => r.name);
    if (names.join("\n") !== readers.join("\n")) {
      readers = names;
      if (!names.includes(lastReader)) lastReader = names[0] || "";
      drawReaders();
    }
    if (next && !was) begin();
    tick();
    if (!next && was) end(was);
    if (Boolean(next) !== Boolean(was)) changed();
  }

  for (const b of openers) b.addEventListener("click", () => (kind === b.dataset.next ? quit() : open(b.dataset.next)));
  form.addEventListener("submit", (e) => { e.preventDefault(); submit(); });
  form.addEventListener("change", draw);
  form.addEventListener("input", (e) => {
    stir();
    fault(null);
    if (e.target.dataset.digits && !e.isComposing) {
      const digits = e.target.value.normalize("NFKC").replace(/\D/g, "").slice(0, e.target.dataset.digits);
      if (digits !== e.target.value) e.target.value = digits;
    }
    if (e.target === $("number") && !e.isComposing) narrow(e.target);
    if (e.target === $("birth")) $("birth-sure").checked = false; // it was said of another date
    if (kind === "unlink") draw();
    drawEcho();
  });
  form.addEventListener("keydown", (e) => { if (e.key === "Escape") quit(); else stir(); });
  form.addEventListener("focusin", () => clearTimeout(away));
  form.addEventListener("focusout", (e) => {
    if (!form.contains(e.relatedTarget)) away = setTimeout(forget, awayAfter);
  });
  $("next-close").addEventListener("click", quit);
  $("next-cancel").addEventListener("click", cancel);
  addEventListener("pagehide", leave);
  document.addEventListener("visibilitychange", () => { if (document.hidden) wipe(); });
  draw();
  return {
    status,
    waits: () => next,
    typing: () => Boolean(kind) && !next,
    laid: (reader) => {
      lastReader = reader;
      if (!next) say("next-notice", null); // that was the person before
    },
    // answered takes where a card was handled, and why it failed; nothing where it became a tap.
    answered: (reader, failure, e) => {
      if (next && next.reader && next.reader !== reader) return; // an ordinary tap beside the one that is waited for
      answered = true;
      if (e && e.linked && e.tap.first.reason === "evidence_too_weak") pinToo = true;
      if (!next) own = false;
      const until = (word, sent) => (failure === word || (failure && sent) ? Date.now() + askedAgain : 0);
      eraUntil = until("birth_era", eraSent);
      sureUntil = until("birth_doubt", sureSent);
      eraSent = sureSent = false;
    },
    lost: () => { if (kind) close(sending ? book.labels.next_unsure : book.labels.next_lost); },
  };
}
