// The records on this box's own disk: whether there is room for more, and what became of a journal that was found damaged.
import { $, book, el, fill, inBoth, joined, label, lang, other } from "/assets/words.js";

let drawn = ""; // what was drawn last; the same again would be spoken again

// storageNotices draws what somebody should act on, or wait for. problem is what the panel says already.
export function storageNotices(journal, problem) {
  const all = notices(journal || { disk: "ok", set_aside: [] }, problem);
  const now = JSON.stringify(all);
  if (now === drawn) return;
  drawn = now;
  $("storage").hidden = all.length === 0;
  $("storage-list").replaceChildren(...all.map((t) => el("li", {},
    el("p", {}, el("strong", {}, t.name[lang]), " ", t.say[lang]),
    el("p", { lang: other }, el("strong", {}, t.name[other]), " ", t.say[other]))));
}

function notices(j, problem) {
  const all = [];
  const told = (name, values = {}) => ({ name: book.labels[name], say: inBoth(book.labels[name + "_say"], values) });
  if (j.disk === "low" || (j.disk === "full" && problem !== "disk_full")) all.push(told("disk_" + j.disk));
  for (const a of j.set_aside || []) {
    if (a.reading) all.push(told("aside_reading"));
    else if (a.unreadable > 0) all.push(told("aside_unreadable", { n: a.records }));
    else if (a.damaged > 0) all.push(told("aside_damaged", { n: a.records, m: a.damaged }));
  }
  return all;
}

// storageFact is what the state of the box says of them: the word, what is beside it, and whether somebody should act.
export function storageFact(j, unsafe) {
  const aside = j.set_aside || [];
  const whole = aside.filter((a) => !a.reading && !a.damaged && !a.unreadable);
  const small = [
    unsafe ? fill("unsafe_count", { n: unsafe }) : label("unsafe_none"),
    j.checked < j.to_check ? fill("checked_of", { n: j.checked, m: j.to_check }) : "",
    whole.length ? fill("aside_whole", { n: whole.reduce((sum, a) => sum + a.records, 0) }) : "",
  ];
  return { word: joined(book.labels["disk_is_" + j.disk] || book.unknown.name), small, warn: j.disk !== "ok" || aside.length > whole.length };
}
