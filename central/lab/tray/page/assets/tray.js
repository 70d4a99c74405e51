// Follows the tray: forms are sent without leaving the page, and the page is fetched anew whenever the tray has changed.
// Without this script the forms work as plain forms.
"use strict";

(() => {
  const tray = () => document.getElementById("tray");
  let newest = 0;
  let done = false; // a deed of this page went through since it was drawn: whatever is drawn next, the complaint of before is over

  // Takes over the tray part of another rendering of this page, keeping the focus where it was. A deed's complaint stays until
  // the next deed: news from elsewhere must not wipe it away unread.
  function show(html, news) {
    const next = new DOMParser().parseFromString(html, "text/html").getElementById("tray");
    if (!next) return;
    const complaint = news && !done && tray().querySelector("[role=alert]");
    if (complaint && !next.querySelector("[role=alert]")) next.prepend(complaint);
    const focused = document.activeElement && document.activeElement.id;
    tray().replaceWith(next);
    done = false;
    const again = focused && document.getElementById(focused);
    if (again) again.focus({ preventScroll: true });
  }

  async function refresh(news) {
    const mine = ++newest;
    const answer = await fetch("/?lang=" + tray().dataset.lang);
    const html = await answer.text();
    if (answer.ok && mine === newest) show(html, news);
  }

  document.addEventListener("submit", async (event) => {
    event.preventDefault();
    const form = event.target;
    const body = new URLSearchParams(new FormData(form, event.submitter));
    tray().setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(form.getAttribute("action"), { method: "POST", body, redirect: "manual" });
      done = answer.type === "opaqueredirect";
      if (done) await refresh(false);
      else { newest++; show(await answer.text()); }
    } finally {
      tray().removeAttribute("aria-busy");
    }
  });

  // The first event only says how things stand, and the page has just been made so.
  let first = true;
  new EventSource("/v1/events").addEventListener("change", () => {
    if (first) first = false;
    else refresh(true);
  });
})();
