// The corrections: taps at which somebody was served who should not have been, or the reverse. Where the box keeps a work list they come
// from there, and whoever is signed in ticks them off; otherwise from the latest taps.
import { $, ask, because, book, call, clockFormat, el, fill, inTurn, label, lang, mark, other, say, when } from "/assets/words.js";

const first = 1; // how many are shown until somebody asks for all: one is worked through after the other, and the queue goes on
const counted = 500; // taps among which is counted how many are settled; the most that the box lists

// corrections draws them. taps returns the latest taps.
export function corrections({ desk, keys, taps }) {
  const offered = document.body.dataset.desk === "true";
  const noted = new Set(); // tap ids that were dismissed here, where there is no work list
  let list = null; // of the box; null while it gives none
  let open = -1; // how many the box says are open
  let settled = null; // { n, taps }: how many of the latest taps are settled
  let all = false;

  // items are those of the list, and those of the latest taps that it does not know.
  function items() {
    const listed = new Set((list || []).map((w) => w.tap));
    const fromTaps = taps().filter((t) => t.corrected && t.final && !noted.has(t.tap) && !listed.has(t.tap));
    return [...(list || []).filter((w) => !w.done), ...fromTaps].sort((a, b) => Date.parse(b.time) - Date.parse(a.time));
  }

  const refresh = inTurn(async () => {
    if (!offered) return;
    try {
      const { value } = await call("GET", "/v1/corrections?all=1");
      list = value ? value.work : null;
      if (list && list.some((w) => !w.done)) {
        const latest = (await ask("/v1/taps?limit=" + counted)).taps;
        settled = { n: latest.filter((t) => t.state === "settled").length, taps: new Set(latest.map((t) => t.tap)) };
      }
    } catch { /* a dead connection is found by the stream */ }
    draw();
  });

  function summary(now) {
    const whole = settled && settled.n >= now.length && now.every((t) => settled.taps.has(t.tap));
    return whole ? fill("work_of", { n: settled.n, m: now.length }) : fill("work_count", { n: now.length });
  }

  function draw() {
    const now = items();
    const known = new Map([...$("correction-list").children].map((li) => [li.dataset.tap, li]));
    const shown = all ? now : now.slice(0, first);
    for (const [id, li] of known) if (!shown.some((t) => t.tap === id)) li.remove();
    shown.forEach((t, i) => {
      const li = known.get(t.tap) || row(t);
      if ($("correction-list").children[i] !== li) $("correction-list").insertBefore(li, $("correction-list").children[i] || null);
    });
    $("corrections").hidden = now.length === 0;
    $("correction-count").textContent = now.length ? summary(now) : "";
    $("correction-all").hidden = now.length <= first;
    $("correction-all").setAttribute("aria-expanded", String(all));
    if (now.length > first) $("correction-all").textContent = all ? label("work_few") : fill("work_all", { n: now.length });
    if (now.length === 0) say("correction-fault", null);
  }

  function row(tap) {
    const todo = tap.final.verdict !== "refused" ? "correct_serve" : tap.final.reason !== "hold_lifted" ? "correct_stop"
      : tap.first.verdict === "refused" ? "correct_again" : "correct_stop_once"; // whoever was served may have been taken back when the refusal came
    const button = el("button", { type: "button", "aria-label": label("dismiss") + " " + tap.spoken }, label("dismiss"));
    button.addEventListener("click", () => tick(tap.tap, button));
    return el("li", { "data-tap": tap.tap },
      el("div", {},
        el("p", {}, el("span", { class: "spoken" }, tap.spoken), " ", el("span", { class: "time" }, when(tap.time, clockFormat)), "  ",
          mark(tap.first), " → ", mark(tap.final)),
        el("p", {}, el("strong", {}, label(todo)), " ", because(tap.final, true)[lang]),
        el("p", { lang: other }, el("strong", {}, book.labels[todo][other]), " ", because(tap.final, true)[other])),
      button);
  }

  async function tick(id, button) {
    if (!list || !list.some((w) => w.tap === id)) {
      noted.add(id);
      draw();
      return $("result").focus();
    }
    if (!keys.open()) return say("correction-fault", book.labels.staff_locked);
    if (!desk.who()) return desk.wants();
    button.disabled = true;
    let refused;
    try {
      ({ refused } = await call("PUT", "/v1/corrections/" + id));
    } catch {
      refused = { text: book.labels.code_unsure };
    }
    button.disabled = false;
    if (refused && refused.code === "nobody_signed_in") return desk.wants();
    if (refused && refused.code !== "unknown") return say("correction-fault", refused.text);
    say("correction-fault", null);
    list = list.map((w) => (w.tap === id ? { ...w, done: {} } : w));
    draw();
    $("result").focus();
    refresh();
  }

  $("correction-all").addEventListener("click", () => { all = !all; draw(); });
  return {
    draw,
    refresh,
    status: (s) => { if ((s.work || 0) !== open) { open = s.work || 0; refresh(); } },
    // forget drops what was dismissed of taps that are listed no more.
    forget: (listed) => { for (const id of noted) if (!listed.has(id)) noted.delete(id); },
  };
}
