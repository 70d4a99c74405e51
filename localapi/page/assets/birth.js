// The birth date of the form: what can be one, and which eras it leaves open.
import { $, fill, lang } from "/assets/words.js";

// eras and their first days, as reader/mynumber has them.
const eras = [["meiji", "18680125"], ["taisho", "19120730"], ["showa", "19261225"], ["heisei", "19890108"], ["reiwa", "20190501"]];
export const everyEra = eras.map(([era]) => era);

// birthDate is null unless the eight digits can be a birth date; month and day may be unknown. now is the box's time in ms.
export function birthDate(now) {
  const [, y, m, d] = /^(\d{4})(\d\d)(\d\d)$/.exec($("birth").value) || [];
  if (!y || y < "1868" || m > "12" || d > "31") return null;
  if (m === "00" || d === "00") return { year: y, month: m, whole: null };
  const date = new Date(Date.UTC(y, m - 1, d));
  return date.getUTCDate() === Number(d) && date.getTime() <= now ? { year: y, whole: date } : null;
}

// erasOf are those that a birth date leaves open, if it does.
export function erasOf(b) {
  if (!b || b.whole) return [];
  const [first, last] = (b.month === "00" ? ["0101", "1231"] : [b.month + "01", b.month + "31"]).map((day) => b.year + day);
  const possible = eras.filter(([, from], i) => from <= last && (i + 1 === eras.length || first < eras[i + 1][1]));
  return possible.length > 1 ? possible.map(([era]) => era) : [];
}

// birthSaid says a date back. The era year stands on the card: whoever sees it here knows that the western year is right.
export function birthSaid(b) {
  if (!b) return "";
  if (!b.whole) return fill("birth_part", { t: b.year });
  const long = new Intl.DateTimeFormat(lang, { dateStyle: "long", timeZone: "UTC" }).format(b.whole);
  const parts = new Intl.DateTimeFormat(lang + "-u-ca-japanese", { era: "long", year: "numeric", timeZone: "UTC" }).formatToParts(b.whole);
  const era = lang === "ja" ? parts.map((p) => p.value).join("") : ["era", "year"].map((type) => parts.find((p) => p.type === type).value).join(" ");
  return long + " (" + era + ")";
}
