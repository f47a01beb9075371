// The call desk, and class lists at the gate; news.js and live.js keep them up to date.
//
// Bad connections: what is entered in a form with data-keep is first kept on this
// device, by ids and without the children's names, and then sent. What could not be sent
// is sent later, with the same id, which the server records once. What the server refuses
// is kept until somebody decides. On a computer that several people share it is sent for
// who entered it, and for nobody else.
//
// A form with data-stay leaves the page where it is: its row waits until the list is
// loaded anew.
(() => {
  const again = 5000, store = "todoku-desk";
  let works = true;
  const load = () => { try { return JSON.parse(localStorage.getItem(store)) || {}; } catch { works = false; return {}; } };
  const save = (all) => { try { localStorage.setItem(store, JSON.stringify(all)); } catch { works = false; } };
  const set = (id, entry) => { const all = load(); if (entry) all[id] = entry; else delete all[id]; save(all); show(); };

  const pageOf = (form) => form.dataset.page || location.pathname + location.search + "#" + form.closest("li").id;
  const forms = () => [...document.querySelectorAll("form[data-keep]")];
  const me = document.querySelector("[data-me]")?.dataset.me;
  const own = (e) => { // what a page of an older version kept does not say whose it is
    const as = new URLSearchParams(e.body).get("as");
    return !as || as === me;
  };
  const wait = (e, yes) => document.getElementById(e.page.split("#")[1])?.classList.toggle("waiting", yes);

  // named is what an entry's family is called, if this page says it.
  const named = (e) => {
    const form = forms().find((f) => pageOf(f) === e.page);
    if (form) return form.dataset.keep;
    const row = document.getElementById("f-" + e.page.split("/").pop());
    const here = row?.querySelector("[data-names]")?.textContent.trim();
    if (!here && own(e) && e.refused && !(e.page in names)) ask(e.page);
    return here || names[e.page] || "";
  };
  // What is not on this page is asked for once, and not kept on the device.
  const names = {};
  const ask = async (page) => {
    names[page] = "";
    try {
      const answer = await fetch(page, { credentials: "same-origin", redirect: "error" });
      const form = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("form[data-keep]");
      if (form?.dataset.page === page) { names[page] = form.dataset.keep; show(); }
    } catch { /* the rest of the line says what there is to decide */ }
  };
  const clock = (t) => (t ? new Date(t).toTimeString().slice(0, 5) : "");

  // undecided is the form whose entry is to be recorded or given up.
  const undecided = () => document.querySelector("[data-forget]:not([hidden])")?.closest("form");
  const element = (name, text, more) => Object.assign(document.createElement(name), { textContent: text }, more);
  const show = () => {
    const box = document.getElementById("kept"), deciding = document.getElementById("summary") && undecided()?.dataset.page;
    if (!box) return;
    const all = Object.entries(load()).filter(([, e]) => !(own(e) && e.refused && e.page === deciding)); // the page says it
    for (const [, e] of all) if (own(e)) wait(e, !e.refused);
    box.hidden = all.length === 0;
    box.replaceChildren(...all.map(([id, e]) => {
      const what = !own(e) ? (e.who || "") + box.dataset.other : e.refused ? box.dataset.refused : box.dataset.waiting;
      const line = element("p", what + " " + named(e) + " " + clock(e.at) + (e.said ? " - " + e.said : "") + " ");
      // to look anew means to load anew: the form then knows the newest answer
      line.append(element("a", box.dataset.look, { href: e.page }), " ");
      const drop = element("button", box.dataset.drop, { type: "button", className: "plain" });
      drop.addEventListener("click", () => { if (confirm(box.dataset.sure)) { wait(e, false); set(id); } });
      line.append(drop);
      return line;
    }));
  };

  // send returns the page that refuses an entry, "" when it is recorded, and null when
  // nobody knows.
  const sending = new Set();
  const send = async (id) => {
    const e = load()[id];
    if (!e || sending.has(id)) return null;
    sending.add(id);
    try {
      const answer = await fetch(e.action, { method: "POST", body: e.body, credentials: "same-origin", redirect: "manual", headers: { "Content-Type": "application/x-www-form-urlencoded" } });
      if (answer.type === "opaqueredirect") { set(id); return ""; }
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const said = (page.querySelector("#summary ul") || page.querySelector("main"))?.textContent.trim().slice(0, 300) || String(answer.status);
      const refused = answer.status < 500 && answer.status !== 401 && answer.status !== 429;
      set(id, { ...e, refused, said });
      return refused ? page : null;
    } catch {
      show();
      return null;
    } finally {
      sending.delete(id);
    }
  };
  const sendAll = async () => {
    for (const [id, e] of Object.entries(load())) if (!e.refused && own(e)) await send(id);
  };

  const fill = (form, e) => {
    for (const [name, value] of new URLSearchParams(e.body)) {
      if (name.startsWith("newest") || name === "as") continue; // what has been seen is what this page shows
      const field = form.elements.namedItem(name);
      if (field) field.value = value;
    }
  };
  const row = (page) => page.replace(/\?[^#]*/, "");
  const forget = (which) => { for (const [id, e] of Object.entries(load())) if (which(e)) set(id); };
  document.addEventListener("swapped", show);
  document.addEventListener("click", (event) => {
    const page = event.target.closest("[data-forget]")?.closest("form").dataset.page;
    if (page) forget((e) => own(e) && e.refused && e.page === page);
  });
  let more = 0;
  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!form.matches("form[data-keep]")) return;
    const data = new FormData(form), id = data.get("id");
    set(id, { action: form.action, body: new URLSearchParams(data).toString(), at: Date.now(), page: pageOf(form), who: form.dataset.who });
    if (!works) return; // nothing can be kept here: the browser sends it as it does without this script
    event.preventDefault();
    const stay = "stay" in form.dataset;
    if (stay) forget((e) => own(e) && e.refused && row(e.page) === row(pageOf(form))); // this is the decision
    const page = await send(id);
    if (stay) return document.dispatchEvent(new Event("news"));
    if (page === "") return location.assign(form.dataset.next);
    if (page) {
      document.querySelector("main").replaceWith(document.adoptNode(page.querySelector("main")));
      const now = forms()[0]?.elements.namedItem("id")?.value; // another if the old one is used up
      if (now && now !== id) { const e = load()[id]; set(id); set(now, e); }
      document.getElementById("summary")?.focus();
    } else {
      form.reset();
      form.elements.namedItem("id").value = id.slice(0, 50) + "-" + ++more;
      document.getElementById("kept")?.scrollIntoView({ block: "center" });
    }
    show();
  });

  const form = document.querySelector("form[data-keep]:not([data-stay])");
  const mine = form && Object.entries(load()).find(([, e]) => own(e) && e.refused && e.page === form.dataset.page);
  if (mine) {
    fill(form, mine[1]);
    const not = form.querySelector("[data-forget]");
    if (not) { not.hidden = false; not.previousElementSibling.textContent = not.previousElementSibling.dataset.again; }
  }
  addEventListener("online", sendAll);
  const repeat = async () => { await sendAll(); setTimeout(repeat, again); };
  show();
  repeat();
})();
