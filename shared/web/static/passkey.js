// Passkeys: asks the server for a challenge, the device for a touch, and sends the
// answer with the form. Without it, sign-in links work.
(() => {
  const bytes = (s) => Uint8Array.from(atob(s.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const text = (b) => btoa(String.fromCharCode(...new Uint8Array(b))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const ids = (list) => (list || []).map((c) => ({ ...c, id: bytes(c.id) }));
  const touch = async (how, o) => {
    o.challenge = bytes(o.challenge);
    if (how === "get") return navigator.credentials.get({ publicKey: { ...o, allowCredentials: ids(o.allowCredentials) } });
    return navigator.credentials.create({ publicKey: { ...o, user: { ...o.user, id: bytes(o.user.id) }, excludeCredentials: ids(o.excludeCredentials) } });
  };
  const answer = (c) => {
    const r = c.response, out = { clientDataJSON: text(r.clientDataJSON) };
    for (const part of ["attestationObject", "authenticatorData", "signature", "userHandle"]) if (r[part]) out[part] = text(r[part]);
    if (r.getTransports) out.transports = r.getTransports();
    return JSON.stringify({ id: c.id, rawId: text(c.rawId), type: c.type, clientExtensionResults: c.getClientExtensionResults(), response: out });
  };
  for (const form of document.querySelectorAll("[data-passkey]")) {
    if (!window.PublicKeyCredential) continue;
    form.hidden = false;
    const failed = form.querySelector("[data-failed]");
    form.addEventListener("submit", async (e) => {
      if (form.elements.answer.value) return;
      e.preventDefault();
      failed.hidden = true;
      try {
        const res = await fetch(form.dataset.begin, { method: "POST", credentials: "same-origin" });
        if (!res.ok) throw new Error(res.status);
        const c = await touch(form.dataset.passkey, (await res.json()).publicKey);
        form.elements.answer.value = answer(c);
        form.submit();
      } catch { // dismissed, or no passkey here: the person may try again
        failed.hidden = false;
      }
    });
  }
  addEventListener("pageshow", () => document.querySelectorAll("[data-passkey] [name=answer]").forEach((f) => { f.value = ""; }));
})();
