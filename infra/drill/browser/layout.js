// Returns what is wrong with how the page is laid out: it is wider than the
// screen, cuts text off, or is hard to hit with a finger. Only a part with the
// class "scroll" or "fit" may be wider, and scrolls inside itself.
({width, target}) => {
  const found = [];
  const say = (what, e) => found.push(what + ": " + (e.outerHTML || "").replace(/\s+/g, " ").slice(0, 160));
  const shown = (e) => e.checkVisibility({ visibilityProperty: true, opacityProperty: true });
  const apart = (e) => e.closest(".scroll, .fit, .hidden, .skip, svg, option");
  const root = document.documentElement;
  if (root.scrollWidth > width) {
    const wide = [...document.body.querySelectorAll("*")].filter((e) => !apart(e) && e.getBoundingClientRect().right > width);
    say(`the page is ${root.scrollWidth} pixels wide, the screen ${width}`, wide.at(-1) || root);
  }

  // Text that sticks out of the screen or of the line that it is drawn in.
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const range = document.createRange();
  while (texts.nextNode()) {
    const e = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !shown(e) || apart(e) || e.closest("script, style, noscript, textarea")) continue;
    range.selectNodeContents(texts.currentNode);
    for (const r of range.getClientRects()) {
      if (r.left < -1 || r.right > width + 1) { say("text outside of the screen", e); break; }
    }
  }
  for (const e of document.body.querySelectorAll("*")) {
    if (!shown(e) || apart(e)) continue;
    const style = getComputedStyle(e);
    const cuts = style.overflowX !== "visible" || ["BUTTON", "SELECT"].includes(e.tagName);
    const tall = style.overflowY !== "visible" && e.tagName !== "TEXTAREA" && e.scrollHeight > e.clientHeight + 1;
    if (cuts && e.tagName !== "INPUT" && (e.scrollWidth > e.clientWidth + 1 || tall)) say("text is cut off", e);
  }

  // Targets (WCAG 2.5.5 and 2.5.8): a link in a sentence is as high as its line.
  const inSentence = (e) => {
    const block = e.closest("p, li, td, dd, figcaption");
    return getComputedStyle(e).display === "inline" && block && block.innerText.trim() !== e.innerText.trim();
  };
  const small = (r) => r.width < target - 0.5 || r.height < target - 0.5;
  for (const e of document.querySelectorAll("a[href], button, summary, select, textarea, input:not([type=hidden])")) {
    if (!shown(e) || e.closest(".skip") || inSentence(e)) continue;
    const box = (["radio", "checkbox"].includes(e.type) && e.closest("label")) || e;
    const r = box.getBoundingClientRect();
    if (small(r)) say(`a target of ${Math.round(r.width)} by ${Math.round(r.height)} pixels`, box);
  }
  return found;
}
