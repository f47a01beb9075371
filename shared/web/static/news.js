// Asks for the version of what a page shows, a few bytes, and has its live part loaded
// anew (live.js) when that is another: <div id="live" data-live="..." data-version="x"
// data-news="/path" data-look="1">, every so many seconds while the page is in view.
(() => {
  const look = async () => {
    const part = document.querySelector("[data-news]");
    if (part && !document.hidden) {
      try {
        const answer = await fetch(part.dataset.news, { credentials: "same-origin", redirect: "error" });
        if (answer.ok && (await answer.json()).version !== part.dataset.version) document.dispatchEvent(new Event("news"));
      } catch { /* live.js says that there is no connection */ }
    }
    later();
  };
  const later = () => setTimeout(look, (Number(document.querySelector("[data-news]")?.dataset.look) || 1) * 1000);
  later();
})();
