// The way by USB stick: which sticks are there, writing records to one, taking in what central wrote. A stick's name is whatever somebody gave
// it: it goes in as text, and back to the box as the name that the box said.
import { $, book, call, clockFormat, el, fill, inBoth, inTurn, joined, label, lang, other, say, when } from "/assets/words.js";

const watchEvery = 1_000; // ms between looks while something is written or taken in
const beginPatience = 15_000; // ms; a stick may need seconds to answer
const listSeparator = { ja: "、", en: ", " };

// courierWay drives the card. done is called when a job has ended, whoever began it.
export function courierWay({ done }) {
  const offered = document.body.dataset.courier === "true";
  let view = null; // what the box said last
  let opened = false;
  let began = ""; // start of the job that was seen under way
  let timer = 0;
  let waiting = 0;
  let spoken = ""; // what stands in the job's text; the same again would be spoken again

  const job = () => view && view.job;
  const busy = () => Boolean(job()) && !job().ended;

  const refresh = inTurn(async () => {
    if (!offered) return;
    try {
      const { value } = await call("GET", "/v1/courier", undefined, beginPatience);
      if (value) took(value);
    } catch { /* a dead connection is found by the stream */ }
  });

  function took(v) {
    view = v;
    if (busy()) began = job().began;
    else if (job() && began === job().began) { began = ""; opened = true; done(); } // its end is shown
    clearTimeout(timer);
    if (busy()) timer = setTimeout(refresh, watchEvery);
    draw();
  }

  function draw() {
    $("courier").hidden = !view || !view.folder;
    if ($("courier").hidden) return;
    const shown = opened || busy();
    $("courier-count").textContent = fill("courier_waiting", { n: waiting });
    $("courier-open").setAttribute("aria-expanded", String(shown));
    $("courier-open").disabled = busy();
    say("courier-open", shown ? book.labels.courier_close : book.labels.courier_open);
    $("courier-body").hidden = !shown;
    if (!shown) return;
    $("courier-none").hidden = view.sticks.length > 0;
    drawSticks();
    drawJob();
  }

  function drawSticks() {
    const known = new Map([...$("courier-sticks").children].map((li) => [li.dataset.key, li]));
    const rows = view.sticks.map((s, i) => {
      const key = JSON.stringify([i, s, busy(), view.waiting]);
      return known.get(key) || row(s, key);
    });
    const held = $("courier-sticks").contains(document.activeElement) ? document.activeElement : null;
    for (const [, li] of known) if (!rows.includes(li)) li.remove();
    rows.forEach((li, i) => { if ($("courier-sticks").children[i] !== li) $("courier-sticks").insertBefore(li, $("courier-sticks").children[i] || null); });
    if (!held || held.isConnected) return;
    const same = (b) => b.dataset.what === held.dataset.what && b.dataset.stick === held.dataset.stick && !b.disabled;
    const again = [...$("courier-sticks").querySelectorAll("button")].find(same);
    if (again) again.focus(); // the room on the stick changed, not what was about to be pressed
  }

  const message = (e) => ({ ja: e.message_ja, en: e.message_en });
  const bilingual = (t) => [el("span", {}, t[lang]), " ", el("small", { lang: other }, t[other])];

  function row(s, key) {
    const facts = [fill("courier_free", { t: octets(s.free) }), s.up ? fill("courier_up", { n: s.up }) : "", s.down ? fill("courier_down", { n: s.down }) : ""];
    const text = el("div", {}, el("p", { class: "stick" }, el("bdi", {}, s.name)), ...(s.problem
      ? [el("p", { class: "note" }, ...bilingual(message(s.problem)))]
      : [el("p", {}, facts.filter(Boolean).join(" ｜ ")), ...(s.writable ? [] : [el("p", { class: "note" }, ...bilingual(book.labels.courier_read_only))])]));
    const li = el("li", { "data-key": key, "data-stick": s.name }, text);
    if (s.problem) return li;
    const out = view.waiting ? inBoth(book.labels.courier_export, { n: view.waiting }) : book.labels.courier_export_state;
    li.append(el("div", { class: "openers" }, button("export", out, s, busy() || !s.writable), button("import", book.labels.courier_import, s, busy() || !s.down)));
    return li;
  }

  function button(what, text, s, off) {
    const b = el("button", { type: "button", class: what === "export" ? "" : "plain", "data-what": what, "data-stick": s.name, "aria-label": text[lang] + " " + s.name }, ...bilingual(text));
    b.disabled = off;
    b.addEventListener("click", () => begin(what, s.name));
    return b;
  }

  async function begin(what, stick) {
    let answer;
    try {
      answer = await call("POST", "/v1/courier/" + what, JSON.stringify({ stick }), beginPatience);
    } catch {
      answer = { refused: { text: book.labels.code_unsure } };
    }
    say("courier-fault", answer.refused ? answer.refused.text : null);
    if (answer.refused) return refresh();
    if (answer.value.job) began = answer.value.job.began; // it may have ended before the first look
    took(answer.value);
    $("courier-did").focus(); // the button that was pressed is off now
  }

  // the job

  function drawJob() {
    const j = job();
    $("courier-job").hidden = !j;
    $("courier-progress").hidden = !busy();
    if (busy()) {
      if (j.total) { $("courier-bar").max = j.total; $("courier-bar").value = j.done; } else $("courier-bar").removeAttribute("value");
    }
    $("courier-far").textContent = busy() && j.total ? fill("courier_far", { n: Math.min(j.done, j.total), m: j.total }) : "";
    const told = !j ? [] : busy() ? [book.labels["courier_" + j.what + "_on"]] : ended(j);
    const files = j && j.summary ? j.summary.refused || [] : [];
    const now = JSON.stringify([told, files, j && j.stick]);
    if (now === spoken) return;
    spoken = now;
    $("courier-did").dataset.kind = !j || busy() ? "" : j.failed || files.length ? "partly" : "done";
    $("courier-did").replaceChildren(...(j ? [el("p", { class: "stick" }, el("bdi", {}, j.stick), j.ended ? " " + when(j.ended, clockFormat) : "")] : []),
      ...told.map((t, i) => el("p", i === 0 ? { class: "first" } : {}, ...bilingual(t))),
      ...(files.length ? [el("ul", {}, ...files.map((f) => el("li", {}, el("bdi", { class: "file" }, f.file), " ", ...bilingual(message(f.why)))))] : []));
  }

  // ended says what was done, that the stick may go, and where to.
  function ended(j) {
    const s = j.summary || {};
    const count = (name, n, values = {}) => (n ? inBoth(book.labels[name], { n, ...values }) : null);
    const all = [j.failed ? joined(book.labels["courier_" + j.what + "_failed"], message(j.failed)) : book.labels["courier_" + j.what + "_done"]];
    if (j.what === "export") {
      all.push(count("courier_wrote", s.records, { m: s.files }) || (s.files && book.labels.courier_wrote_state), count("courier_known", s.known));
      if (s.files || s.known) all.push(book.labels.courier_holds, book.labels.courier_stays);
      if ((s.files || s.known) && (!j.failed || j.failed.code === "stick_full")) all.push(book.labels.courier_take); // the rest goes on another
    } else {
      all.push(count("courier_received", s.records), count("courier_verdicts", s.verdicts, { m: s.work || 0 }), s.work ? book.labels.courier_work : null,
        updated(s.updated || []), count("courier_old", s.known), count("courier_removed", s.removed));
      if (!j.failed && !s.files && !(s.refused || []).length) all.push(book.labels.courier_nothing);
    }
    all.push(count(j.what === "export" ? "courier_left" : "courier_refused", (s.refused || []).length));
    return all.filter(Boolean);
  }

  function updated(what) {
    if (what.length === 0) return null;
    const list = (l) => what.map((u) => (book.labels["update_" + u] || book.unknown.name)[l]).join(listSeparator[l]);
    return { ja: book.labels.courier_updated.ja.replace("{t}", list("ja")), en: book.labels.courier_updated.en.replace("{t}", list("en")) };
  }

  $("courier-open").addEventListener("click", () => { opened = !opened; draw(); if (opened) refresh(); });
  return {
    refresh,
    status: (s) => {
      waiting = s.waiting.records;
      if (opened || busy()) refresh();
      else draw();
    },
  };
}

// octets is a size as people say it.
function octets(n) {
  const unit = n >= 1e9 ? ["gigabyte", 1e9] : ["megabyte", 1e6];
  return new Intl.NumberFormat(lang, { style: "unit", unit: unit[0], maximumFractionDigits: n >= 1e10 ? 0 : 1 }).format(n / unit[1]);
}
