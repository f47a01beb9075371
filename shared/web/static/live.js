// Keeps a part of the page up to date. <div data-live="/path" data-every="3"> is
// replaced by the element with the same id in the page at that path, every so
// many seconds while the page is in view; when the answer is not the page it
// waits longer each time. Focus and open <details> inside the part are kept, and nothing
// is replaced under a finger. What was said of the last thing done goes once it was there to
// be read.
(() => {
  const longest = 60, toRead = 10_000, press = 2000; // s, ms, ms
  let pressed = -press; // when a finger went down that is still there
  addEventListener("pointerdown", () => { pressed = performance.now(); }, true);
  for (const end of ["pointerup", "pointercancel"]) addEventListener(end, () => setTimeout(() => { pressed = -press; }, 100), true); // the click comes first
  const lifted = async () => { while (performance.now() - pressed < press) await new Promise((on) => setTimeout(on, 50)); };
  const start = (id) => {
    const every = () => Number(document.getElementById(id).dataset.every) || 5;
    let wait = every();
    const stale = (yes) => document.querySelectorAll("[data-stale]").forEach((e) => { e.hidden = !yes; });
    const swap = (html) => {
      const next = new DOMParser().parseFromString(html, "text/html").getElementById(id);
      const now = document.getElementById(id);
      if (!next) return false;
      now.querySelectorAll("details[id][open]").forEach((d) => next.querySelector("#" + CSS.escape(d.id))?.setAttribute("open", ""));
      const focused = now.contains(document.activeElement) ? document.activeElement.id : "";
      now.replaceWith(next);
      if (performance.now() > toRead) document.querySelector("[data-said]")?.remove();
      if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
      document.dispatchEvent(new Event("swapped")); // for scripts that add to the part
      return true;
    };
    let looking = false, again = false;
    const look = async () => {
      const part = document.getElementById(id);
      if (document.hidden || !part?.dataset.live) return;
      if (looking) { again = true; return; } // what is on its way may be older than the news
      looking = true;
      try {
        const answer = await fetch(part.dataset.live, { credentials: "same-origin", redirect: "error" });
        const html = await answer.text();
        await lifted();
        if (!answer.ok || !swap(html)) throw new Error("status " + answer.status);
        wait = every();
        stale(false);
      } catch {
        wait = Math.min(wait * 2, longest);
        stale(true);
      }
      looking = false;
      if (again) { again = false; await look(); }
    };
    const tick = async () => {
      await look();
      if (document.getElementById(id)?.dataset.live) setTimeout(tick, wait * 1000);
    };
    setTimeout(tick, wait * 1000);
    document.addEventListener("news", look); // another script knows that something has changed
  };
  document.querySelectorAll("[data-live][id]").forEach((e) => start(e.id));
})();
