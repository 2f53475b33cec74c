// The keyboard: one table of keys serves both the page and its help.

const helpButton = (open) => h("button", { type: "button", class: "quiet", "aria-label": "Keyboard help", title: "Keyboard (?)", click: open }, "?");

/**
 * Listen to `own`, `[[keys], says, action]`, and to what every page has; give back the dialog that lists them. `arrows` says when those are ours.
 * The dialog switches letters and signs off and on, for who speaks to the computer (WCAG 2.1.4); arrows stay.
 */
function keyboard(own, arrows) {
  const keys = [...own, [["t"], "colours", () => document.getElementById("theme").click()], [["?"], "this help", () => dialog.showModal()]];
  const rows = keys.map(([names, says]) => h("div", {}, h("dt", {}, names.map((name) => h("kbd", {}, name))), h("dd", {}, says)));
  const close = h("button", { type: "button", autofocus: true, click: () => dialog.close() }, "Close");
  const letters = h("input", { type: "checkbox", name: "letters", change: () => memory.set("letters", letters.checked ? "on" : "off") });
  letters.checked = memory.get("letters") !== "off";
  const dialog = h("dialog", { id: "help", "aria-labelledby": "help-title" },
    h("h2", { id: "help-title" }, "Keyboard"), h("dl", { class: "keys" }, rows),
    h("p", {}, h("label", {}, letters, " Letters and signs are shortcuts")), close);
  const actions = new Map(keys.flatMap(([names, , action]) => names.map((name) => [name, action])));
  const codes = { "↓": "ArrowDown", "↑": "ArrowUp", "←": "ArrowLeft", "→": "ArrowRight" };
  for (const [name, key] of Object.entries(codes)) if (actions.has(name)) actions.set(key, actions.get(name));
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const field = event.target instanceof Element && event.target.closest("input, select, textarea, [contenteditable]");
    if (event.key === "Escape") {
      hideTip();
      if (field && !document.querySelector("dialog[open]")) field.blur();
      return;
    }
    if (field || document.querySelector("dialog[open]")) return;
    if (event.key.startsWith("Arrow") && (event.target.closest?.("[data-scrolls]") || !arrows(event))) return;
    if (!letters.checked && event.key.length === 1) return;
    const action = actions.get(event.key);
    if (!action) return;
    event.preventDefault();
    action(event);
  });
  document.body.append(dialog);
  return dialog;
}
