// The site's keys: how they stand, and the operator's code that opens them.
import { codeForm } from "/assets/code.js";
import { $, book, call, inBoth, joined, say } from "/assets/words.js";

const unlockPatience = 30_000; // ms; a code is made slow to try on purpose

// unlocking drives the form that is there while the keys are locked. changed is called when a code has opened them.
export function unlocking({ changed }) {
  const offered = document.body.dataset.keys === "true";
  let keys = null;
  const form = codeForm({ id: "unlock", send: (body) => call("POST", "/v1/keys/unlock", body, unlockPatience), told: () => say("unlock-left", null),
    done: (k) => { status(k); changed(); } });

  // status takes what the box says of the keys.
  function status(k) {
    const was = keys;
    keys = k || null;
    const locked = Boolean(keys) && keys.state === "locked";
    const inside = $("keys-locked").contains(document.activeElement);
    if (!locked) form.wipe();
    $("keys-locked").hidden = !locked;
    $("unlock").hidden = !offered || !keys || !keys.code_set;
    $("unlock-none").hidden = Boolean(keys && keys.code_set);
    if (locked) form.hold(keys.wait);
    if (locked) say("unlock-left", keys.tries && !keys.wait ? inBoth(book.labels.code_left, { n: keys.tries }) : null);
    if (was && was.state === "locked" && !locked) { form.fault(null); if (inside) $("result").focus(); }
  }

  return { status, locked: () => Boolean(keys) && keys.state === "locked", open: () => !keys || keys.state === "open" };
}

// keysFact is what the state of the box says of them: the word, what is beside it, and whether somebody should act.
export function keysFact(k) {
  const by = k.state === "open" && k.by && book.labels["keys_by_" + k.by];
  const code = !k.code_set ? book.labels.keys_no_code : k.code_wanted ? book.labels.keys_code_wanted : null;
  return { word: joined(book.labels["keys_" + k.state] || book.unknown.name), small: [by, code].filter(Boolean),
    warn: k.state === "locked" || Boolean(k.code_wanted) || (k.state === "open" && !k.code_set) };
}
