// Who is at the desk: signing in by a code, signing out, and who is present where people are counted.
import { codeForm } from "/assets/code.js";
import { $, book, call, el, fill, inTurn, label, minuteFormat, say, when } from "/assets/words.js";

// signing drives the line that says who is at the desk. changed is called when that, or who must be, changes.
export function signing({ keys, changed }) {
  const offered = document.body.dataset.desk === "true";
  let who = null;
  let wanted = false; // the rule wants somebody
  let opened = false; // somebody asked for the form
  let drawn = ""; // what was drawn last; the same again would be spoken again

  const form = codeForm({ id: "sign-in", send: (body) => call("PUT", "/v1/desk", body), done: (desk) => {
    opened = false;
    $("who").focus(); // not a button: a reader of badges may press Enter twice
    is(desk.staff);
  } });

  function is(staff) {
    const before = JSON.stringify(who);
    who = staff || null;
    draw();
    if (JSON.stringify(who) !== before) changed();
  }

  function draw() {
    const open = keys.open();
    const now = JSON.stringify([who, wanted, opened, open]);
    if (now === drawn) return;
    drawn = now;
    $("at-desk").hidden = !offered;
    $("at-desk").toggleAttribute("data-warn", wanted && !who);
    if (who) $("who").replaceChildren(fill("staff_is", { t: who.name }));
    else say("who", open ? (wanted ? book.labels.staff_wanted : book.labels.staff_none) : book.labels.staff_locked);
    const since = who && who.since ? el("small", { class: "time" }, " " + fill("since", { t: when(who.since, minuteFormat) })) : "";
    $("who").append(since);
    const shown = open && (opened || (wanted && !who));
    if (!shown) form.wipe();
    $("sign-in").hidden = !shown;
    $("sign-in-open").hidden = !open || (wanted && !who);
    $("sign-in-open").setAttribute("aria-expanded", String(shown));
    say("sign-in-open", who ? book.labels.staff_change : book.labels.staff_in);
    $("sign-out").hidden = !who;
  }

  function open() {
    opened = true;
    form.fault(null);
    draw();
    form.focus();
  }

  async function out() {
    try {
      const { refused } = await call("DELETE", "/v1/desk");
      if (refused) return form.fault(refused.text);
    } catch {
      return form.fault(book.labels.code_unsure);
    }
    is(null);
    if (document.activeElement === document.body || document.activeElement === $("sign-out")) $("who").focus();
  }

  function close() {
    opened = false;
    form.wipe();
    form.fault(null);
    draw();
    $("sign-in-open").focus();
  }

  $("sign-in-open").addEventListener("click", () => (opened ? close() : open()));
  $("sign-in").addEventListener("keydown", (e) => { if (e.key === "Escape" && opened) close(); });
  $("sign-out").addEventListener("click", out);
  return {
    status: (s) => { wanted = Boolean(s.service.sign_in); is(s.staff); },
    who: () => who,
    missing: () => offered && wanted && !who,
    // wants has somebody sign in for what they are about to do, and says so where nobody can.
    wants: async () => {
      open();
      const { value } = await call("GET", "/v1/staff").catch(() => ({}));
      form.fault(value && value.staff.length === 0 ? book.labels.staff_nobody : book.labels.staff_first);
    },
    lost: () => form.wipe(),
  };
}

// presence says how many people are here, and lists them on demand.
export function presence({ keys }) {
  const offered = document.body.dataset.desk === "true";
  let counted = false; // the service counts people, and the book can be read
  let service = "";
  let here = [];
  let shown = false;
  let asked = ""; // tap of the row whose button was pressed once

  const refresh = inTurn(async () => {
    if (!counted) return;
    try {
      const { value, refused } = await call("GET", "/v1/present");
      if (refused) return say("present-fault", refused.text);
      here = value.present.filter((p) => p.service === service);
      say("present-fault", null);
      draw();
    } catch { /* a dead connection is found by the stream */ }
  });

  function draw() {
    $("presence").hidden = !counted;
    $("present-count").textContent = fill("present_count", { n: here.length });
    $("present-open").hidden = here.length === 0;
    $("present-open").setAttribute("aria-expanded", String(shown));
    say("present-open", shown ? book.labels.present_hide : book.labels.present_show);
    $("present-list").hidden = !shown || here.length === 0;
    if (!shown) return $("present-list").replaceChildren();
    const known = new Map([...$("present-list").children].map((li) => [li.dataset.tap, li]));
    for (const [tap, li] of known) if (!here.some((p) => p.tap === tap)) li.remove();
    here.forEach((p, i) => {
      const li = known.get(p.tap) || row(p);
      if ($("present-list").children[i] !== li) $("present-list").insertBefore(li, $("present-list").children[i] || null);
    });
  }

  function row(p) {
    const name = (text) => text + " " + p.spoken; // so that the buttons can be told apart by ear
    const button = el("button", { type: "button", class: "plain", "aria-label": name(label("leave")) }, label("leave"));
    const reset = () => { if (asked === p.tap) asked = ""; button.textContent = label("leave"); button.setAttribute("aria-label", name(label("leave"))); };
    button.addEventListener("click", () => {
      if (asked === p.tap) return leave(p);
      asked = p.tap; // once more: nobody is to be let go by a slip
      button.textContent = label("leave_sure");
      button.setAttribute("aria-label", name(label("leave_sure")));
    });
    button.addEventListener("blur", reset);
    button.addEventListener("keydown", (e) => { if (e.key === "Escape") reset(); });
    return el("li", { "data-tap": p.tap }, el("span", { class: "time" }, when(p.since, minuteFormat)), " ", el("span", { class: "spoken" }, p.spoken), button);
  }

  async function leave(p) {
    asked = "";
    try {
      const { refused } = await call("DELETE", "/v1/present/" + p.tap);
      if (refused && refused.code !== "unknown") return say("present-fault", refused.text);
    } catch {
      return say("present-fault", book.labels.code_unsure);
    }
    here = here.filter((other) => other.tap !== p.tap);
    draw();
    (here.length ? $("present-open") : $("present-count")).focus();
    refresh();
  }

  $("present-open").addEventListener("click", () => { shown = !shown; draw(); if (shown) refresh(); });
  return {
    status: (s) => {
      const before = counted;
      counted = offered && Boolean(s.service.counts) && keys.open();
      service = s.service.id;
      if (counted !== before) { here = []; draw(); refresh(); }
    },
    refresh,
  };
}
