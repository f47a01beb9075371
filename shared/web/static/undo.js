// Counts the seconds in which a sent alert can be taken back, and takes the
// button away at the end. The server decides; this only shows.
(() => {
  const box = document.querySelector("[data-undo]");
  if (!box) return;
  const total = Number(box.dataset.undo);
  const end = performance.now() + total * 1000;
  const bar = box.querySelector("progress");
  const left = box.querySelector("[data-left]");
  const show = () => {
    const s = Math.max(0, (end - performance.now()) / 1000);
    if (left) left.textContent = String(Math.ceil(s));
    if (bar) bar.value = s;
    if (s > 0) return setTimeout(show, 200);
    box.hidden = true;
  };
  show();
})();
