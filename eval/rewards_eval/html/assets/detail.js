// One argument: its text with the edits of each system, their scores, the dimensions before and after.

const VIEWS = [["tracked", "Changes"], ["after", "After accepted"], ["before", "Before"]];

function detailOf(argument, shownSystems, view, rewards) {
  const many = shownSystems.length > 1;
  return h("div", { class: `systems${many ? " many" : ""}` }, shownSystems.map((name) => systemOf(argument, name, view, rewards[name] ?? [], many)));
}

function systemOf(argument, name, view, rewards, many) {
  const record = argument.systems[name];
  const heading = h("h3", {}, shown(name));
  if (!record) return h("section", { class: "system", "aria-label": plain(name) }, h("header", {}, heading), h("p", { class: "empty" }, "This system has no record of the argument."));
  const text = textOf(argument, record);
  const atEdits = rewards.filter((reward) => reward.level === "edit");
  const fell = overall(record);
  const main = [
    record.error ? h("p", { class: "callout alarm" }, h("strong", {}, "Scoring failed: "), shown(record.error)) : null,
    record.problem ? h("p", { class: "callout" }, h("strong", {}, "Not read in full: "), shown(record.problem)) : null,
    textView(argument, record, text, view, atEdits),
    h("h4", {}, count(record.edits.length, "edit"), tallyOf(record)),
    record.edits.length ? h("ol", { class: "cards" }, record.edits.map((edit, index) => editCard(text, edit, index, KIND[edit.kind], atEdits))) : h("p", { class: "empty" }, "Nothing was suggested."),
  ];
  const side = [rewardsOf(record, rewards), sentencesOf(record, rewards), dimensionsOf(record)];
  return h("section", { class: "system", "aria-label": plain(name) },
    h("header", {}, heading, h("span", { class: "reward" }, h("span", { class: "muted" }, "reward "), h("strong", {}, fixed(record.reward, 3))),
      fell && fell.fell !== null ? h("span", { class: "fall" }, h("span", { class: "muted" }, "P(inappropriate) "), `${fixed(fell.before)} → `, h("strong", {}, fixed(fell.after))) : null),
    many ? [...main, ...side] : h("div", { class: "halves" }, h("div", {}, main), h("aside", { "aria-label": "Scores of the argument" }, side)));
}

function tallyOf(record) {
  const counts = [0, 0, 0];
  for (const edit of record.edits) counts[edit.kind] += 1;
  return h("span", { class: "muted small" }, counts.map((number, kind) => (number ? `  ${STATES[KIND[kind]].mark} ${number} ${KIND[kind]}` : "")).join(" "));
}

function textView(argument, record, text, view, rewards) {
  const accepted = record.edits.filter((edit) => edit.kind === ACCEPTED);
  if (view === "before") return h("div", { class: "text" }, shown(text));
  if (view === "after") return h("div", { class: "text" }, shown(applyEdits(text, record.spans, accepted)));
  return h("div", { class: "text" }, segments(text, record.edits).map((part) => {
    if (typeof part === "string") return shown(part);
    const state = KIND[part.edit.kind];
    return inlineEdit(text, part, state, part.edit.after, () => tipOf(part.edit, part.index, state, rewards));
  }));
}

function rewardsOf(record, rewards) {
  const lower = new Set(rewards.filter((reward) => reward.higher === false).map((reward) => reward.name));
  const names = Object.entries(record.rewards);
  if (!names.length) return null;
  return h("section", { class: "panel" }, h("h4", {}, "Rewards"),
    h("table", { class: "scores" }, h("tbody", {}, names.map(([name, value]) => h("tr", {}, h("th", { scope: "row" }, named(name), lower.has(name) ? h("span", { class: "muted", title: "lower is better" }, " ↓", hidden(" lower is better")) : null),
      h("td", { class: "number" }, fixed(value, 3)))))));
}

function sentencesOf(record, rewards) {
  const atSentences = rewards.filter((reward) => reward.level === "sentence");
  const rows = Object.entries(record.sentences).flatMap(([number, scores]) => scores.map((score, i) => [number, atSentences[i], score])).filter(([, , score]) => score !== null);
  if (!rows.length) return null;
  return h("section", { class: "panel" }, h("h4", {}, "Sentences"), h("table", { class: "scores" }, h("tbody", {}, rows.map(([number, reward, score]) => {
    const head = h("th", { scope: "row" }, `${number} `, h("span", { class: "muted" }, named(reward.name)));
    if (typeof score === "string") return h("tr", { class: "alarm" }, head, h("td", { colspan: 2 }, "failed: ", shown(score)));
    const [value, passed] = score;
    return h("tr", {}, head, h("td", { class: "number" }, value === null ? "n/a" : fixed(value, 2)),
      h("td", {}, gateMark(reward, passed)));
  }))));
}

// The overall dimension, and those that are followed by sub-dimensions of their own.
const MAIN = new Set(["Inappropriateness", "Toxic Emotions", "Missing Commitment", "Missing Intelligibility", "Other Reasons"]);

function dimensionsOf(record) {
  const entries = Object.entries(record.dimensions ?? {});
  if (!entries.length) return null;
  return h("section", { class: "panel" }, h("h4", {}, "Dimensions"),
    h("table", { class: "dimensions" }, h("caption", {}, "Probability of each flaw, ○ before and ● after the accepted edits. The line marks .5."),
      h("thead", { class: "hidden" }, h("tr", {}, ["Dimension", "Before", "After", "Plot"].map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", {}, entries.map(([name, [before, after]]) => h("tr", { class: MAIN.has(name) ? "main" : null },
        h("th", { scope: "row" }, shown(name)), h("td", { class: "number" }, fixed(before)), h("td", { class: "number after" }, fixed(after)),
        h("td", { class: "plot", "aria-hidden": "true" }, dumbbell(before, after)))))));
}

function dumbbell(before, after) {
  if (before === null || after === null) return null;
  const at = (value) => `${Math.max(0, Math.min(1, value)) * 100}%`;
  const bar = h("span", { class: `bar ${after > before ? "worse" : "better"}` });
  bar.style.left = at(Math.min(before, after));
  bar.style.width = at(Math.abs(after - before));
  const [from, to] = ["from", "to"].map((name) => h("span", { class: name }));
  from.style.left = at(before);
  to.style.left = at(after);
  return h("span", { class: "track" }, bar, from, to);
}
