// A template is sent by holding one button for a second: a pocket and a stray
// finger do not. A keyboard's press, and a device that cannot hold, lead to the
// page that asks again, as the form does without this script. It also spells out
// who is told as boxes are ticked.
(() => {
  const form = document.querySelector("form[data-send]");
  if (!form) return;
  const button = form.querySelector("[data-hold]"), hint = form.querySelector("[data-hint]"), to = form.querySelector("[data-to]"), how = form.querySelector("[data-how]");
  const ask = form.getAttribute("action"), held = 1000; // ms
  const said = to.querySelector("b"), words = to.dataset;
  const chosen = () => [...form.querySelectorAll("[name=groups]:checked")];
  const whole = () => Boolean(form.elements.all && form.elements.all.checked);
  const spell = () => {
    const all = whole(), some = chosen();
    const n = some.reduce((sum, b) => sum + Number(b.dataset.children), 0);
    const list = some.map((b) => words.each.replace("{name}", b.dataset.name).replace("{n}", b.dataset.children)).join(words.sep);
    if (all) said.textContent = words.whole;
    else if (some.length === 0) said.textContent = words.nobody;
    else said.textContent = list + (some.length > 1 ? words.sum.replace("{n}", n) : "");
    button.disabled = !all && some.length === 0;
  };
  let timer = 0;
  const stop = () => {
    clearTimeout(timer);
    timer = 0;
    button.classList.remove("holding");
  };
  const send = () => {
    stop();
    if (navigator.vibrate) navigator.vibrate(50);
    form.action = form.dataset.send;
    form.requestSubmit();
  };
  button.addEventListener("pointerdown", (e) => {
    if (e.button !== 0 || timer) return;
    button.setPointerCapture(e.pointerId);
    button.classList.add("holding");
    timer = setTimeout(send, held);
  });
  for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) {
    button.addEventListener(end, () => {
      if (timer) hint.textContent = hint.dataset.early;
      stop();
    });
  }
  button.addEventListener("contextmenu", (e) => e.preventDefault());
  button.addEventListener("click", (e) => { if (e.detail === 0) form.requestSubmit(); });
  form.addEventListener("change", spell);
  addEventListener("pageshow", () => { form.action = ask; stop(); spell(); });
  for (const e of [button, hint, to, how]) e.hidden = false;
})();
