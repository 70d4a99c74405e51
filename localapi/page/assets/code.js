// A form for a code that opens something. The code stands in its field while it is typed in, and nowhere once it was sent, given up or
// left alone.
import { $, book, fill, inBoth, joined, say } from "/assets/words.js";

const forgetAfter = 60_000; // ms without a key
const awayAfter = 20_000; // ms with the focus elsewhere

// span is a number of seconds in words, in both languages.
const span = (n) => (n < 120 ? inBoth(book.labels.unit_second, { n }) : inBoth(book.labels.unit_minute, { n: Math.ceil(n / 60) }));

// waitText says how long no code is looked at.
function waitText(seconds) {
  const t = span(seconds);
  return { ja: book.labels.code_wait.ja.replace("{t}", t.ja), en: book.labels.code_wait.en.replace("{t}", t.en) };
}

// codeForm drives the form of that id, with its field, its fault and its countdown beside it. send hands the body over and returns what
// call does; done takes the value; told is called after a refusal.
export function codeForm({ id, send, done, told }) {
  const form = $(id);
  const field = $(id + "-code");
  const button = form.querySelector('[type="submit"]');
  let sending = false;
  let until = 0; // no code is looked at before
  let ticking = 0;
  let idle = 0;
  let away = 0;

  const wipe = () => { field.value = ""; };
  const left = () => Math.max(0, Math.ceil((until - Date.now()) / 1000));

  function fault(text) {
    say(id + "-fault", text);
    if (text) field.setAttribute("aria-invalid", "true");
    else field.removeAttribute("aria-invalid");
  }

  // tick counts down beside the field; it is not spoken each second.
  function tick() {
    const n = left();
    $(id + "-wait").textContent = n ? fill("code_again", { n }) : "";
    button.disabled = n > 0;
    if (n || !ticking) return;
    clearInterval(ticking);
    ticking = 0;
    fault(null);
  }

  // hold begins a wait, and keeps a longer one.
  function hold(seconds) {
    if (!seconds || Date.now() + seconds * 1000 <= until + 1500) return;
    until = Date.now() + seconds * 1000;
    if (!ticking) ticking = setInterval(tick, 1000);
    tick();
  }

  async function submit() {
    if (sending) return;
    if (left()) return fault(waitText(left()));
    if (!field.value) { fault(book.labels.need_code); return field.focus(); }
    const body = JSON.stringify({ code: field.value });
    wipe(); // before it leaves
    sending = true;
    let answer;
    try {
      answer = await send(body);
    } catch {
      answer = { refused: { text: book.labels.code_unsure, left: 0, wait: 0 } };
    }
    sending = false;
    const { value, refused } = answer;
    if (!refused) { until = 0; tick(); fault(null); return done(value); }
    fault(joined(refused.text, refused.wait ? waitText(refused.wait) : refused.left ? inBoth(book.labels.code_left, { n: refused.left }) : null));
    hold(refused.wait);
    if (told) told();
    if (!form.hidden && form.contains(document.activeElement) || document.activeElement === document.body) field.focus();
  }

  function stir() {
    clearTimeout(idle);
    idle = setTimeout(wipe, forgetAfter);
  }

  form.addEventListener("submit", (e) => { e.preventDefault(); submit(); });
  form.addEventListener("input", () => { stir(); if (!left()) fault(null); });
  form.addEventListener("keydown", (e) => { if (e.key === "Escape") wipe(); });
  form.addEventListener("focusin", () => clearTimeout(away));
  form.addEventListener("focusout", (e) => { if (!form.contains(e.relatedTarget)) away = setTimeout(wipe, awayAfter); });
  addEventListener("pagehide", wipe);
  document.addEventListener("visibilitychange", () => { if (document.hidden) wipe(); });
  return { wipe, hold, fault, focus: () => field.focus() };
}
