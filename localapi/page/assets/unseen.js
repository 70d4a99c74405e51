// Verdicts from before a restart that perhaps nobody saw. They come from the box, and stay, over reloads and restarts, until somebody says here
// that they were seen.
import { $, book, call, clockFormat, el, fill, inTurn, label, mark, reasonOf, lang, say, when } from "/assets/words.js";

const atOnce = 8; // rows; the next ones come when these were seen

// unseenTaps drives the block. changed is called when a mark has gone.
export function unseenTaps({ changed }) {
  const offered = document.body.dataset.unseen === "true";
  let list = [];
  let count = -1; // how many the box says there are

  const refresh = inTurn(async () => {
    if (!offered) return;
    try {
      list = (await call("GET", "/v1/unseen")).value?.taps || [];
    } catch { /* a dead connection is found by the stream */ }
    draw();
  });

  const shown = () => list.slice(0, atOnce);

  function draw() {
    const inside = $("unseen").contains(document.activeElement);
    $("unseen").hidden = list.length === 0;
    $("unseen-count").textContent = list.length > atOnce ? fill("unseen_of", { n: list.length, m: atOnce }) : fill("unseen_count", { n: list.length });
    $("unseen-list").replaceChildren(...shown().map(row));
    if (list.length === 0) { say("unseen-fault", null); if (inside) $("result").focus(); }
  }

  function row(t) {
    return el("li", { "data-tap": t.tap },
      el("span", { class: "time" }, when(t.time, clockFormat)),
      el("span", { class: "spoken" }, t.spoken),
      el("span", {}, mark(t.first), " ", el("small", {}, reasonOf(t.first).name[lang])),
      el("small", {}, label("desk") + " " + t.desk));
  }

  // seen tells the box of those that stand here now, and of no other.
  async function seen() {
    $("unseen-seen").disabled = true;
    let fault = null;
    for (const t of shown()) {
      try {
        const { refused } = await call("PUT", "/v1/unseen/" + t.tap);
        if (refused && refused.code !== "unknown") { fault = refused.text; break; }
      } catch {
        fault = book.labels.code_unsure;
        break;
      }
    }
    $("unseen-seen").disabled = false;
    $("unseen-seen").focus(); // disabling took the focus away; where the block goes, draw moves it on
    say("unseen-fault", fault);
    await refresh();
    changed();
  }

  $("unseen-seen").addEventListener("click", seen);
  return {
    refresh,
    status: (s) => { if ((s.unseen || 0) !== count) { count = s.unseen || 0; refresh(); } },
  };
}
