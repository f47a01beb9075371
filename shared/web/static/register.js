// Says while an address is typed what the form would say of it. Without this script
// the form says it when it is sent.
(() => {
  const field = document.getElementById('address'), live = document.getElementById('address-live');
  if (!field || !live) return;
  const pause = 300; // ms: who presses the form's button needs no answer beside it
  let asked = '', soon = 0;
  const show = (said) => {
    live.replaceChildren(...[said.wrong, ...(said.doubts || [])].filter(Boolean).map((text) => {
      const line = document.createElement('span');
      line.textContent = text;
      return line;
    }));
    if (!said.suggested) return;
    const use = document.createElement('button');
    use.type = 'button';
    use.className = 'plain';
    use.textContent = live.dataset.use.replace('…', said.suggested);
    use.addEventListener('click', () => { field.value = said.suggested; live.replaceChildren(); field.focus(); });
    live.append(' ', use);
  };
  const ask = async () => {
    const typed = field.value.trim();
    if (typed === asked || typed === '') { return; }
    asked = typed;
    try {
      const answer = await fetch(live.dataset.check, { method: 'POST', body: new URLSearchParams({ address: typed }) });
      if (answer.ok && typed === field.value.trim()) show(await answer.json());
    } catch { /* the form says it when it is sent */ }
  };
  field.addEventListener('change', () => { clearTimeout(soon); soon = setTimeout(ask, pause); });
  field.form.addEventListener('submit', () => clearTimeout(soon));
})();
