// Helps while an alert is written: counts the children of the chosen groups, ticks
// the classes of a grade, and follows the kind with the usual end of usefulness
// and time of the reminder until somebody sets them. Without it the preview says all of that.
(() => {
  const form = document.getElementById("compose");
  if (!form) return;
  const until = form.elements.useful_until;
  const usual = [...form.querySelectorAll("[data-until]")].map((k) => k.dataset.until);
  let own = until.value !== "" && !usual.includes(until.value);
  until.addEventListener("input", () => { own = true; });
  const remind = form.elements.remind_after;
  const usualRemind = [...form.querySelectorAll("[data-remind]")].map((k) => k.dataset.remind);
  let ownRemind = !usualRemind.includes(remind.value);
  remind.addEventListener("input", () => { ownRemind = true; });
  const boxes = form.querySelector("[data-audience]");
  const count = form.querySelector("[data-count]");
  const tally = () => {
    let n = 0;
    const all = form.elements.all;
    if (all && all.checked) n = Number(all.dataset.children);
    else {
      for (const b of boxes.querySelectorAll("[name=groups][data-children]")) {
        const grade = b.closest(".grade")?.querySelector("[data-grade]");
        if (b.checked || (grade && grade.checked)) n += Number(b.dataset.children);
      }
    }
    count.hidden = n === 0;
    count.querySelector("b").textContent = n.toLocaleString();
  };
  form.addEventListener("change", (e) => {
    if (e.target.name === "kind" && !own) until.value = e.target.dataset.until;
    if (e.target.name === "kind" && !ownRemind) remind.value = e.target.dataset.remind;
    tally();
  });
  tally();
})();
