// The staff panel for what needs the PIN: registration and check. It asks the box by /v1/next-card and draws what the box says.
// A PIN stands in its field while it is typed in, and nowhere once it was sent, given up or left alone.

const forgetAfter = 60_000; // ms without a key once something was typed in; then the form closes
const awayAfter = 20_000; // ms with the focus elsewhere, likewise
const askedAgain = 120_000; // ms after a card that failed for its era or birth date: the next enrolment is that person's

// eras and their first days, as reader/mynumber has them.
const eras = [["meiji", "18680125"], ["taisho", "19120730"], ["showa", "19261225"], ["heisei", "19890108"], ["reiwa", "20190501"]];

// procedures makes the panel. changed is called when the form opens or closes, and when the box begins or ends to wait.
export function procedures({ book, lang, other, $, el, label, fill, changed }) {
  const form = $("next-form");
  const openers = [...$("next-openers").querySelectorAll("button")];
  const pins = [$("pin"), $("input-pin")];
  const typed = [...pins, $("birth")];
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

  const both = (t) => [el("span", {}, t[lang]), " ", el("small", { lang: other }, t[other])];
  const said = (id, t) => $(id).replaceChildren(...(t ? both(t) : []));

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
    said("next-notice", notice);
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
    kind = k;
    eraOpen = Date.now() < eraUntil;
    sureOpen = Date.now() < sureUntil;
    eraUntil = sureUntil = 0;
    drawReaders();
    for (const radio of readerRadios()) radio.checked = radio.value === lastReader;
    said("next-notice", null);
    said("next-form-title", book.labels["next_" + k]);
    draw();
    stir();
    if (kind === "enrol") $("next-form-title").focus();
    else pins[0].focus();
    changed();
  }

  function draw() {
    $("next").dataset.view = next ? "waiting" : kind ? "form" : "closed";
    $("next-openers").hidden = Boolean(next);
    $("next-waiting").hidden = !next;
    form.hidden = !kind || Boolean(next);
    for (const b of openers) b.setAttribute("aria-expanded", String(b.dataset.next === kind));
    const enrol = kind === "enrol";
    const consent = enrol && chosen("consent");
    $("ask-consent").hidden = !enrol;
    $("ask-birth").hidden = consent !== "no";
    $("ask-same").hidden = consent !== "yes";
    $("ask-input").hidden = consent !== "yes" || chosen("same") !== "no";
    $("ask-sure").hidden = consent !== "no" || !sureOpen;
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
    const consent = kind === "enrol" && chosen("consent");
    if (consent === "yes" && eraOpen) return eras.map(([era]) => era);
    const b = consent === "no" && birthDate();
    if (!b || b.whole) return [];
    const [first, last] = (b.month === "00" ? ["0101", "1231"] : [b.month + "01", b.month + "31"]).map((day) => b.year + day);
    const possible = eras.filter(([, from], i) => from <= last && (i + 1 === eras.length || first < eras[i + 1][1]));
    return possible.length > 1 ? possible.map(([era]) => era) : [];
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
    said("next-fault", gap && gap[0]);
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

  // birthDate is null unless the eight digits can be a birth date; month and day may be unknown.
  function birthDate() {
    const [, y, m, d] = /^(\d{4})(\d\d)(\d\d)$/.exec($("birth").value) || [];
    if (!y || y < "1868" || m > "12" || d > "31") return null;
    if (m === "00" || d === "00") return { year: y, month: m, whole: null };
    const date = new Date(Date.UTC(y, m - 1, d));
    return date.getUTCDate() === Number(d) && date.getTime() <= Date.now() + ahead ? { year: y, whole: date } : null;
  }

  // The era year stands on the card: whoever sees it here knows that the western year is right.
  function drawEcho() {
    const b = birthDate();
    const long = (locale) => new Intl.DateTimeFormat(locale, { dateStyle: "long", timeZone: "UTC" }).format(b.whole);
    const era = () => {
      const parts = new Intl.DateTimeFormat(lang + "-u-ca-japanese", { era: "long", year: "numeric", timeZone: "UTC" }).formatToParts(b.whole);
      if (lang === "ja") return parts.map((p) => p.value).join("");
      return ["era", "year"].map((type) => parts.find((p) => p.type === type).value).join(" ");
    };
    $("birth-echo").textContent = !b ? "" : b.whole ? long(lang) + " (" + era() + ")" : fill("birth_part", { t: b.year });
    drawEra();
  }

  // missing returns the first thing that is, and the field to go to.
  function missing() {
    const enrol = kind === "enrol";
    const consent = chosen("consent");
    const four = (field) => /^\d{4}$/.test(field.value);
    if (readers.length > 1 && !chosen("reader")) return [book.labels.need_reader, readerRadios()[0]];
    if (enrol && !consent) return [book.labels.need_consent, form.elements.consent[0]];
    if (enrol && consent === "no" && !birthDate()) return [book.labels.need_birth, $("birth")];
    if (erasToAsk().length && !chosen("era")) return [book.labels.need_era, [...form.elements.era].find((radio) => !radio.closest("label").hidden)];
    if (enrol && consent === "yes" && !chosen("same")) return [book.labels.need_same, form.elements.same[0]];
    if (!four(pins[0])) return [book.labels.need_pin, pins[0]];
    if (enrol && consent === "yes" && chosen("same") === "no" && !four(pins[1])) return [book.labels.need_input, pins[1]];
    return null;
  }

  function request() {
    const r = { kind, pin: pins[0].value };
    if (readers.length > 1) r.reader = lastReader = chosen("reader");
    if (kind !== "enrol") return r;
    r.attributes = chosen("consent") === "yes";
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
    const asking = request();
    const body = JSON.stringify(asking);
    eraSent = Boolean(asking.era);
    sureSent = Boolean(asking.birth_sure);
    wipe(); // before it leaves
    sending = asked = own = true;
    answered = abandoned = false;
    let refused = null;
    try {
      ({ refused } = await call("PUT", body));
    } catch {
      refused = await unheard();
    }
    sending = false;
    const gone = refused && refused !== book.labels.next_unsure;
    if (gone) asked = own = false;
    if (abandoned) return gone ? said("next-notice", book.labels.next_cancelled) : cancel();
    if (!kind) return; // the status was quicker
    if (!refused) return close(); // a quick card may be done with already
    fault([refused]);
    stir();
    pins[0].focus();
  }

  // unheard asks what became of a request that was not answered: the box may wait all the same.
  async function unheard() {
    try {
      const state = await call("GET");
      if (state.next) return null;
      return state.refused ? book.labels.next_unsure : book.labels.next_failed;
    } catch {
      return book.labels.next_unsure;
    }
  }

  // call returns what the box waits for, or the reason for which it refuses.
  async function call(method, body) {
    const headers = body ? { "Content-Type": "application/json" } : {};
    const answer = await fetch("/v1/next-card", { method, headers, body, cache: "no-store", signal: AbortSignal.timeout(5000) });
    const a = await answer.json();
    return answer.ok ? { next: a.next } : { refused: { ja: a.message_ja, en: a.message_en } };
  }

  // waiting

  async function cancel() {
    cancelled = true;
    let notice = null;
    try {
      const state = await call("DELETE");
      if (state.next) cancelled = false; // the card is being read, to its end
      notice = state.refused || (state.next ? book.labels.next_late : next || answered ? null : book.labels.next_cancelled);
    } catch {
      notice = book.labels.next_unsure;
    }
    if (notice) said("next-notice", notice);
  }

  // leave takes back what nobody at this page will lay a card for.
  function leave() {
    wipe();
    if (own) fetch("/v1/next-card", { method: "DELETE", keepalive: true }).catch(() => {});
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
    said("next-what", { ja: book.labels.next_wait.ja + "：" + book.labels["next_" + next.kind].ja + where.ja,
      en: book.labels.next_wait.en + ": " + book.labels["next_" + next.kind].en + where.en });
    ticking = setInterval(tick, 1000);
    if (inside) show($("next-cancel"));
  }

  function end(was) {
    const inside = $("next").contains(document.activeElement);
    clearInterval(ticking);
    own = false;
    said("next-notice", answered ? null : cancelled ? book.labels.next_cancelled : book.labels.next_over);
    draw();
    if (inside) show(openers.find((b) => b.dataset.next === was.kind) || openers[0]);
  }

  // status takes what the box says of the next card, and by which clock.
  function status(s) {
    const was = next;
    next = s.next || null;
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
    if (typed.includes(e.target) && !e.isComposing) {
      const digits = e.target.value.normalize("NFKC").replace(/\D/g, "").slice(0, e.target.dataset.digits);
      if (digits !== e.target.value) e.target.value = digits;
    }
    if (e.target === $("birth")) $("birth-sure").checked = false; // it was said of another date
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
      if (!next) said("next-notice", null); // that was the person before
    },
    // answered takes where a card was handled, and why it failed; nothing where it became a tap.
    answered: (reader, failure) => {
      if (next && next.reader && next.reader !== reader) return; // an ordinary tap beside the one that is waited for
      answered = true;
      if (!next) own = false;
      const until = (word, sent) => (failure === word || (failure && sent) ? Date.now() + askedAgain : 0);
      eraUntil = until("birth_era", eraSent);
      sureUntil = until("birth_doubt", sureSent);
      eraSent = sureSent = false;
    },
    lost: () => { if (kind) close(sending ? book.labels.next_unsure : book.labels.next_lost); },
  };
}
