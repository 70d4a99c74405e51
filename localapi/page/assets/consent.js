// What a person agrees to before attributes are read.
import { book, say } from "/assets/words.js";

// drawConsent shows the rule's own text, word for word, and what is read; it reports whether either differs from before.
export function drawConsent(service, before) {
  const of = (s) => JSON.stringify([s.attributes, s.consent]);
  if (of(service) === of(before)) return false;
  const listed = (l) => (service.attributes || []).map((a) => (book.labels["attribute_" + a] || book.unknown.name)[l]).join(l === "ja" ? "・" : ", ");
  say("consent-list", { ja: listed("ja"), en: listed("en") });
  say("consent-text", service.consent);
  return true;
}
