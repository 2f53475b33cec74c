// The first view: what was compared, the tables, the plots.

function overview(report) {
  const sections = [summaryOf(report), ...report.tables.map((table) => tableOf(table, new Set(report.systems.map((system) => system.name)))), plotsOf(report), provenanceOf(report)].filter(Boolean);
  const links = sections.map((section) => {
    const heading = section.querySelector("h2");
    heading.tabIndex = -1;
    return h("li", {}, h("button", { type: "button", class: "quiet", click: () => { heading.scrollIntoView(); heading.focus({ preventScroll: true }); } }, heading.textContent));
  });
  return h("main", { id: "overview", class: "overview" }, h("nav", { class: "contents", "aria-label": "On this page" }, h("ul", {}, links)), notesOf(report), sections);
}

function plotsOf(report) {
  if (!report.figures.length) return null;
  return h("section", { "aria-labelledby": "plots" }, h("h2", { id: "plots" }, "Plots"), h("div", { class: "figures" }, report.figures.map(figureOf)));
}

function notesOf(report) {
  if (!report.notes.length) return null;
  return h("section", { class: "notes", "aria-label": "Notes" }, h("ul", {}, report.notes.map((note) => h("li", {}, shown(note)))));
}

function summaryOf(report) {
  const left = Object.entries(report.common.left_out).filter(([, number]) => number);
  const head = ["System", "Records", "Scored", "Failed", "Rejected", "Missing", "File", "Digest"];
  const rows = report.systems.map((system) => h("tr", {},
    h("th", { scope: "row" }, named(system.name)),
    ["records", "scored", "failed", "rejected", "missing"].map((key, i) =>
      h("td", { class: `number${system[key] && i > 1 ? " alarm" : ""}` }, system[key].toLocaleString("en"))),
    h("td", {}, named(system.file), h("span", { class: "muted" }, ` ${plain(system.dialect)}`)),
    h("td", { class: "muted" }, h("code", {}, plain(system.digest).replace(/^sha256:/, "").slice(0, 12)))));
  return h("section", { "aria-labelledby": "summary" },
    h("h2", { id: "summary" }, "Summary"),
    h("p", { class: "lead" }, `${count(report.systems.length, "system")}, compared on `, h("strong", {}, count(report.common.arguments, "argument")),
      report.common.arguments === report.common.ids ? "" : ` in ${count(report.common.ids, "completion")}`,
      left.length ? ` that all of them have; left out: ${left.map(([name, number]) => `${number} of ${plain(name)}`).join(", ")}.` : "."),
    h("div", { class: "scrolls", tabindex: "0", role: "group", "aria-label": "Systems", "data-scrolls": true },
      h("table", {}, h("thead", {}, h("tr", {}, head.map((name, i) => h("th", { scope: "col", class: i > 0 && i < 6 ? "number" : null }, name)))),
        h("tbody", {}, rows))),
    suitesOf(report.suite.scored_with));
}

/** The suites that scored, each with the systems that it scored where there are several. */
function suitesOf(scoredWith) {
  const groups = new Map();
  for (const [system, stated] of Object.entries(scoredWith)) {
    const key = JSON.stringify(stated.rewards);
    groups.set(key, [stated, [...(groups.get(key)?.[1] ?? []), system]]);
  }
  return [...groups.values()].map(([stated, systems]) => suiteOf(stated, groups.size > 1 ? systems : []));
}

function suiteOf(suite, systems) {
  const rewards = Object.entries(suite.rewards ?? {});
  if (!rewards.length) return null;
  const items = rewards.map(([name, reward]) => {
    const role = reward.gate ? "gate" : reward.weight ? `weight ${reward.weight}` : "measured";
    const limit = typeof reward.threshold === "number" ? limitOf(reward.threshold, reward.higher_is_better) : null;
    return h("li", { title: reward.threshold_source ? plain(reward.threshold_source) : null },
      h("span", {}, named(name)), h("span", { class: "muted" }, [role, limit].filter(Boolean).join(", ")));
  });
  return [h("h3", {}, `Suite ${plain(suite.suite ?? "")}`, systems.length ? `: ${systems.map(plain).join(", ")}` : null), h("ul", { class: "tags" }, items)];
}

function provenanceOf(report) {
  const versions = Object.entries(report.versions).map(([name, version]) => `${plain(name)} ${plain(version)}`);
  return h("section", { class: "provenance", "aria-labelledby": "made" }, h("h2", { id: "made" }, "How this was made"),
    h("pre", { class: "command", tabindex: "0", "data-scrolls": true }, plain(report.command.join(" "))),
    judgesOf(report.suite.measured_with?.models ?? {}),
    h("p", { class: "muted" }, [plain(report.created), ...versions].join(" · ")));
}

/** The models that measured the texts. */
function judgesOf(models) {
  const named = Object.entries(models).map(([name, one]) => `${plain(name)} (${[one.digest?.replace(/^sha256:/, "").slice(0, 12), one.dtype].filter(Boolean).map(plain).join(", ")})`);
  return named.length ? h("p", { class: "muted" }, `Measured with ${named.join(" · ")}`) : null;
}

function figureOf(figure) {
  return h("figure", { id: `figure-${plain(figure.id)}` },
    h("img", { src: figure.svg, alt: `Plot: ${plain(figure.title)}. Its numbers are in ${figure.id === "calibration" ? "report.json" : "the tables above"}.`, loading: "lazy" }),
    h("figcaption", {}, h("strong", {}, shown(figure.title)), figure.caption ? [" ", shown(figure.caption)] : null));
}

/** A table that sorts by any column, within its groups; the best of the systems in each group is marked. */
function tableOf(table, systems) {
  const groups = [...new Set(table.rows.map((row) => row.group))];
  let by = null, down = true;
  const body = h("div", { class: "scrolls", tabindex: "0", role: "group", "aria-label": plain(table.title), "data-scrolls": true });
  const valueOf = (row) => (by === "" ? row.label : row.cells[by]?.value ?? null);
  const press = (key, column) => {
    if (by === key) down = !down;
    else [by, down] = [key, key !== "" && column.better !== "lower"];
    draw();
    body.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus();
  };
  const heading = (key, column) => h("th", {
    scope: "col", class: key === "" ? null : "number", "aria-sort": by === key ? (down ? "descending" : "ascending") : null,
  }, h("button", { type: "button", class: "sort", "data-key": key, title: column.help ? plain(column.help) : null, click: () => press(key, column) },
    key === "" ? hidden("Name") : named(column.label), column.better ? h("span", { class: "better" }, column.better === "higher" ? "\u00a0↑" : "\u00a0↓", hidden(` ${column.better} is better`)) : null,
    h("span", { class: "arrow", "aria-hidden": "true" }, by === key ? (down ? "▾" : "▴") : "")));
  function draw() {
    const head = h("tr", {}, heading("", { label: "" }), table.columns.map((column) => heading(column.key, column)));
    const parts = groups.map((group) => {
      const rows = table.rows.filter((row) => row.group === group);
      const best = bestOf(rows.filter((row) => systems.has(row.label)), table.columns);
      if (by !== null) rows.sort((a, b) => compareValues(valueOf(a), valueOf(b), down));
      return h("tbody", {},
        group === null ? null : h("tr", { class: "group" }, h("th", { colspan: table.columns.length + 1, scope: "rowgroup" }, shown(group))),
        rows.map((row) => h("tr", {}, h("th", { scope: "row" }, named(row.label)),
          table.columns.map((column) => cellOf(row.cells[column.key], column, systems.has(row.label) ? best : new Map())))));
    });
    fill(body, h("table", { class: "figures-table" }, h("thead", {}, head), parts));
  }
  draw();
  const helps = table.columns.filter((column) => column.help);
  return h("section", { "aria-labelledby": `table-${plain(table.id)}` },
    h("h2", { id: `table-${plain(table.id)}` }, shown(table.title)), table.caption ? h("p", { class: "caption" }, shown(table.caption)) : null, body,
    body.querySelector(".best") ? h("p", { class: "muted star" }, "★ the best mean of each group, not a test: see the differences between systems") : null,
    helps.length ? h("details", { class: "legend" }, h("summary", {}, "What the columns mean"),
      h("dl", {}, helps.map((column) => h("div", {}, h("dt", {}, shown(column.label)), h("dd", {}, shown(column.help)))))) : null);
}

function bestOf(rows, columns) {
  const best = new Map();
  for (const { key, better, digits } of columns) {
    const values = rows.map((row) => row.cells[key]?.value).filter((value) => typeof value === "number");
    const shownValues = new Set(values.map((value) => value.toFixed(digits)));
    if (better && shownValues.size > 1) best.set(key, (better === "higher" ? Math.max(...values) : Math.min(...values)).toFixed(digits));
  }
  return best;
}

function cellOf(cell, column, best) {
  if (!cell || cell.value === null) {
    return h("td", { class: "number", title: cell?.note ? plain(cell.note) : null }, h("span", { class: "muted" }, "–"), cell?.note ? h("small", {}, shown(cell.note)) : null);
  }
  const { digits } = column;
  const number = typeof cell.value === "number";
  const text = number ? fixed(cell.value, digits) : null;
  const wins = number && best.get(column.key) === cell.value.toFixed(digits);
  const interval = typeof cell.low === "number" && typeof cell.high === "number" ? `[${fixed(cell.low, digits)}, ${fixed(cell.high, digits)}]` : null;
  const n = typeof cell.n === "number" ? `n ${cell.n.toLocaleString("en")}` : null;
  return h("td", { class: `number${wins ? " best" : ""}` }, h("span", { class: "value" }, wins ? [h("span", { "aria-hidden": "true" }, "★ "), hidden("best: ")] : null, number ? text : shown(cell.value)),
    interval ? h("small", { class: "interval" }, interval) : null, n ? h("small", {}, n) : null, cell.note ? h("small", { class: "note" }, shown(cell.note)) : null);
}
