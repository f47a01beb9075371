// A form that is being sent is not sent twice by an impatient finger. The server
// recognises a repeated sending anyway; this spares the person the doubt.
document.addEventListener("submit", (e) => {
  if (e.target.dataset.sent) return e.preventDefault();
  e.target.dataset.sent = "1";
  setTimeout(() => { delete e.target.dataset.sent; }, 5000);
});
addEventListener("pageshow", () => document.querySelectorAll("form[data-sent]").forEach((f) => { delete f.dataset.sent; }));
// After a form came back with problems, the summary of them is read first.
document.getElementById("summary")?.focus();
