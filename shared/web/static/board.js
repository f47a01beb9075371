// What has changed on the board since this device last showed it. Figures, and no
// names, are kept on the device: when the page goes out of view, or when somebody
// says that the changes were seen. <b data-figure="answered" data-n="12"> is a figure,
// and #changes the place where the changes are told.
(() => {
  const store = "todoku-board", most = 10;
  const id = document.getElementById("live")?.dataset.board;
  if (!id) return;
  const load = () => { try { return JSON.parse(localStorage.getItem(store)) || {}; } catch { return {}; } };
  const figures = () => Object.fromEntries([...document.querySelectorAll("[data-figure]")].map((e) => [e.dataset.figure, Number(e.dataset.n)]));
  const save = () => {
    const all = { ...load(), [id]: { at: Date.now(), n: figures() } };
    const newest = Object.entries(all).sort((a, b) => b[1].at - a[1].at).slice(0, most);
    try { localStorage.setItem(store, JSON.stringify(Object.fromEntries(newest))); } catch { /* it is only a help */ }
  };
  let last = load()[id];
  const show = () => {
    const box = document.getElementById("changes");
    if (!box) return;
    const changed = [];
    document.querySelectorAll("[data-figure]").forEach((e) => {
      const before = last?.n[e.dataset.figure] ?? (last ? 0 : Number(e.dataset.n)), by = Number(e.dataset.n) - before;
      if (!by) return;
      const text = (by > 0 ? "+" : "\u2212") + Math.abs(by);
      e.append(" ", Object.assign(document.createElement("span"), { className: "delta", textContent: text }));
      if (e.dataset.called) changed.push(e.dataset.called + " " + text);
    });
    box.hidden = changed.length === 0;
    if (box.hidden) return;
    const at = new Date(last.at), two = (n) => String(n).padStart(2, "0");
    const day = at.toDateString() === new Date().toDateString() ? "" : at.getMonth() + 1 + "/" + at.getDate() + " ";
    box.querySelector("[data-since]").textContent = day + two(at.getHours()) + ":" + two(at.getMinutes());
    box.querySelector("[data-what]").textContent = changed.join(box.dataset.and);
  };
  document.addEventListener("click", (event) => {
    if (!event.target.closest("#changes button")) return;
    save();
    last = load()[id];
    document.querySelectorAll(".delta").forEach((e) => e.remove());
    document.getElementById("changes").hidden = true;
  });
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) { save(); return; }
    last = load()[id];
    document.querySelectorAll(".delta").forEach((e) => e.remove());
    show();
  });
  addEventListener("pagehide", save);
  document.addEventListener("swapped", show);
  show();
})();
