// The page to try models by hand: a client of the server's public REST API alone.

const byId = (id) => document.getElementById(id);
const state = { token: "", model: null, abort: null };

// Kinds of models by the outputs of their signatures: fields, and how answers look.
const KINDS = [
  { name: "writes texts", fits: (s) => "continue" in s, show: write,
    fields: [["text", "Prompt", ""]], action: "Write" },
  { name: "finds answers", fits: (s) => outputs(s).answer, show: showSpanAnswer,
    fields: [["text", "Passage", "long"], ["text_2", "Question", ""]], action: "Find" },
  { name: "tags spans", fits: (s) => outputs(s).span_label, show: showSpans,
    fields: [["text", "Text", "long"]], action: "Tag" },
  { name: "classifies", fits: (s) => outputs(s).probabilities, show: showLabel },
  { name: "assigns labels", fits: (s) => outputs(s).scores, show: showLabels },
  { name: "estimates a number", fits: (s) => outputs(s).number, show: showNumber },
  { name: "maps texts to vectors", fits: (s) => outputs(s).vector || outputs(s).embedding,
    show: showVectors, fields: [["text", "Texts, one a line", "long"]], action: "Compare",
    byLine: true },
  { name: "answers", fits: () => true, show: () => [] },
];

function outputs(signatures) {
  return signatures.serving_default?.outputs ?? {};
}

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children.filter((child) => child !== null));
  return element;
}

function percent(share) {
  return `${(100 * share).toFixed(share < 0.0995 ? 2 : 1)} %`;
}

// Requests ------------------------------------------------------------------------------

async function send(path, body, options = {}) {
  const headers = state.token ? { Authorization: `Bearer ${state.token}` } : {};
  const response = await fetch(path, body === undefined ? { headers } : {
    method: "POST", body: JSON.stringify(body), ...options,
    headers: { ...headers, "Content-Type": "application/json" },
  });
  if (response.status === 401) askForToken();
  if (!response.ok) {
    const text = await response.text();
    let message = text;
    try { message = JSON.parse(text).error; } catch { /* not JSON */ }
    throw new Error(`${response.status}: ${message}`);
  }
  return response;
}

async function predict(body) {
  const path = `v1/models/${state.model.name}:predict`;
  const start = performance.now();
  const response = await send(path, body);
  const answer = await response.json();
  const took = performance.now() - start;
  byId("state").textContent =
    `version ${state.model.version}, ${took.toFixed(0)} ms, ${response.headers.get("X-Request-Id").slice(0, 8)}`;
  return answer;
}

function showRequest(path, body, answer) {
  const url = new URL(path, location.href).href;
  const json = JSON.stringify(body).replaceAll("'", "'\\''");
  byId("sent").textContent = `curl -X POST ${url} \\\n  -d '${json}'`;
  byId("received").textContent = typeof answer === "string" ? answer : JSON.stringify(answer, null, 1);
  byId("request").hidden = false;
}

// Parts of answers ----------------------------------------------------------------------

function bar(share, className = "") {
  const fill = make("i", { className });
  fill.style.setProperty("--share", Math.min(1, Math.max(0, share)));
  return make("dd", { className: "bar" }, fill);
}

function bars(rows, { isBest = () => false, text = percent } = {}) {
  const list = make("dl", { className: "bars" });
  for (const [label, value] of rows) {
    list.append(
      make("dt", { className: isBest(label, value) ? "best" : "", textContent: label }),
      bar(value),
      make("dd", { className: "number", textContent: text(value) }),
    );
  }
  return list;
}

function headline(text, note = "", className = "") {
  return make("div", { className: `headline ${className}` }, text,
    note ? make("small", { textContent: note }) : null);
}

function tints(names) {
  return Object.fromEntries([...new Set(names)].sort().map((name, i) => [name, `tint-${i % 6}`]));
}

function marked(text, spans) {
  // Offsets count code points, those of strings here UTF-16 units.
  const points = Array.from(text);
  const tint = tints(spans.map((span) => span.label));
  const parts = [];
  let end = 0;
  for (const span of [...spans].sort((a, b) => a.start - b.start)) {
    if (span.start < end) continue;
    parts.push(points.slice(end, span.start).join(""));
    parts.push(make("mark", { className: tint[span.label], title: percent(span.score) },
      points.slice(span.start, span.end).join(""), make("small", { textContent: span.label })));
    end = span.end;
  }
  parts.push(points.slice(end).join(""));
  return make("p", { className: "text" }, ...parts);
}

// Answers by kind -----------------------------------------------------------------------

async function showLabel(answer, inputs) {
  const { labels, signatures } = state.model;
  const rows = answer.probabilities.map((value, i) => [labels[i] ?? String(i), value])
    .sort((a, b) => b[1] - a[1]);
  const unsure = answer.confident === false;
  const parts = [
    headline(answer.label, `${percent(rows[0][1])}${unsure ? "; below the threshold of confident answers" : ""}`,
      unsure ? "unsure" : ""),
    make("h2", { textContent: "Probability of each label" }),
    bars(rows.slice(0, 30), { isBest: (label) => label === answer.label }),
  ];
  if ("explain" in signatures) parts.push(...await explanation(answer.label, inputs));
  return parts;
}

async function explanation(label, inputs) {
  const body = { signature_name: "explain",
    inputs: Object.fromEntries(Object.entries(inputs).map(([name, text]) => [name, [text]])) };
  const { ngram, weights, rest } = (await predict(body)).outputs;
  const column = state.model.labels.indexOf(label);
  const terms = {};
  ngram.forEach((name, i) => {
    const term = name || "(between texts)";
    terms[term] = (terms[term] ?? 0) + weights[i][column];
  });
  terms["(rest)"] = rest[0][column];
  const rows = Object.entries(terms).sort((a, b) => Math.abs(b[1]) - Math.abs(a[1])).slice(0, 16);
  const largest = Math.max(...rows.map(([, value]) => Math.abs(value)), 1e-9);
  const list = make("dl", { className: "bars signed" });
  for (const [name, value] of rows) {
    list.append(make("dt", { textContent: name }),
      bar(Math.abs(value) / largest, value < 0 ? "against" : ""),
      make("dd", { className: "number", textContent: (value < 0 ? "−" : "+") + Math.abs(value).toFixed(2) }));
  }
  return [make("h2", { textContent: `What speaks for and against ${label}` }), list,
    make("p", { className: "caption", textContent: "Terms of the label's logit by n-gram; (rest) is the encoder and the bias." })];
}

function showLabels(answer) {
  const { labels } = state.model;
  const rows = answer.scores.map((value, i) => [labels[i] ?? String(i), value]).sort((a, b) => b[1] - a[1]);
  const chosen = answer.labels.filter(Boolean);
  return [
    headline(chosen.join(", ") || "no label"),
    make("h2", { textContent: "Score of each label" }),
    bars(rows.slice(0, 40), { isBest: (label) => chosen.includes(label) }),
  ];
}

function showNumber(answer) {
  const number = typeof answer === "number" ? answer : answer.number;
  return [headline(number.toPrecision(5))];
}

function showSpans(answer, inputs) {
  const spans = answer.span_label.flatMap((label, i) => label ? [{ label,
    start: answer.span_start[i], end: answer.span_end[i], score: answer.span_score[i],
    text: answer.span_text[i] }] : []);
  const parts = [marked(inputs.text, spans)];
  if (!spans.length) return [headline("no span"), ...parts];
  const rows = spans.map((span) => [`${span.text} (${span.label})`, span.score]);
  return [...parts, make("h2", { textContent: "Lowest probability of a token of the span" }), bars(rows)];
}

function showSpanAnswer(answer, inputs) {
  if (answer.no_answer) {
    return [headline("no answer in this passage", `score ${answer.score.toFixed(2)}`, "unsure")];
  }
  const span = { label: "answer", start: answer.answer_start, end: answer.answer_end, score: 1 };
  return [headline(answer.answer, `score ${answer.score.toFixed(2)}`),
    make("h2", { textContent: "In the passage" }), marked(inputs.text, [span])];
}

function showVectors(answers, texts) {
  const vectors = answers.map((a) => Array.isArray(a) ? a : a.vector ?? a.embedding);
  const size = (v) => Math.hypot(...v);
  const cosine = (a, b) => a.reduce((sum, x, i) => sum + x * b[i], 0) / (size(a) * size(b) || 1);
  const parts = [];
  if (texts.length > 1) {
    const rows = texts.slice(1).map((text, i) => [text, cosine(vectors[0], vectors[i + 1])]);
    rows.sort((a, b) => b[1] - a[1]);
    parts.push(make("h2", { textContent: `Cosine similarity to “${texts[0]}”` }),
      bars(rows, { isBest: (_, value) => value === rows[0][1], text: (v) => v.toFixed(3) }));
  }
  parts.push(make("h2", { textContent: `Vectors of ${vectors[0].length} numbers` }));
  vectors.forEach((vector, i) => parts.push(strip(vector), make("p", { className: "caption", textContent: texts[i] })));
  return parts;
}

function strip(vector) {
  const largest = Math.max(...vector.map(Math.abs), 1e-9);
  const cells = vector.slice(0, 512).map((value) => {
    const cell = make("i", { className: value < 0 ? "tint-1" : "tint-0" });
    cell.style.setProperty("--share", Math.abs(value) / largest);
    return cell;
  });
  return make("div", { className: "strip" }, ...cells);
}

// Generation ----------------------------------------------------------------------------

async function write(inputs) {
  const knobs = Object.fromEntries([...byId("knobs").querySelectorAll("input")]
    .filter((input) => input.value !== "").map((input) => [input.name, Number(input.value)]));
  const isContinued = "continuation" in outputs(state.model.signatures);
  const written = make("span", { className: "caret" });
  byId("answer").replaceChildren(make("p", { className: "text written" },
    isContinued ? make("span", { className: "prompt", textContent: inputs.text }) : null, written));
  const path = `v1/models/${state.model.name}:generate`;
  const body = { text: inputs.text, ...knobs };
  state.abort = new AbortController();
  byId("stop").hidden = false;
  const events = [], start = performance.now();
  try {
    const response = await send(path, body, { signal: state.abort.signal });
    for await (const part of serverEvents(response)) {
      events.push(part);
      if (part.error) throw new Error(part.error);
      written.textContent = part.text ?? written.textContent + part.delta;
      if (part.done) {
        const seconds = (performance.now() - start) / 1000;
        byId("state").textContent = `version ${state.model.version}, ${part.tokens} tokens, ${(part.tokens / seconds).toFixed(0)} a second`;
      }
    }
  } catch (error) {
    if (error.name !== "AbortError") throw error;
  } finally {
    written.className = "";
    byId("stop").hidden = true;
    showRequest(path, body, events.map((e) => `data: ${JSON.stringify(e)}`).join("\n"));
  }
}

async function* serverEvents(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) yield JSON.parse(block.replace(/^data: /, ""));
  }
}

// The page ------------------------------------------------------------------------------

function field([name, label, size]) {
  const area = make("textarea", { id: `field-${name}`, name, className: size, required: true, rows: 2 });
  return [make("label", { htmlFor: area.id, textContent: label }), area];
}

function showKnobs(model) {
  const inputs = model.signatures.continue?.inputs ?? {};
  const names = ["max_tokens", "temperature", "top_k", "top_p", "seed"].filter((n) => n in inputs);
  const row = make("div", { className: "knobs" }, ...names.map((name) => make("label", {},
    name.replace("_", " "), make("input", { name, type: "number", step: "any", min: "0", placeholder: "default" }))));
  byId("knobs").replaceChildren(make("legend", { textContent: "Writing" }), row);
  byId("knobs").hidden = !names.length;
}

async function choose(entry) {
  const version = entry.labels.current ?? Math.max(...entry.versions);
  const path = `v1/models/${entry.name}`;
  const metadata = await (await send(`${path}/metadata`)).json();
  const signatures = metadata.metadata.signature_def.signature_def;
  let labels = [];
  if ("labels" in signatures) {
    const answer = await (await send(`${path}:predict`, { signature_name: "labels", inputs: {} })).json();
    labels = answer.outputs;
  }
  const kind = KINDS.find((k) => k.fits(signatures));
  state.model = { name: entry.name, version, signatures, labels, kind };
  for (const button of byId("models").children) {
    if (button.textContent === entry.name) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  }
  byId("title").textContent = entry.name;
  byId("about").textContent = `${kind.name}; version ${version}` + (labels.length ? `; ${labels.length} labels` : "");
  byId("state").textContent = `version ${version}`;
  const names = Object.keys(signatures.serving_default?.inputs ?? {}).sort();
  const fields = kind.fields ?? names.map((name, i) => [name, i ? `Text ${i + 1}` : "Text", ""]);
  byId("fields").replaceChildren(...fields.flatMap(field));
  byId("run").textContent = kind.action ?? "Answer";
  showKnobs(state.model);
  byId("answer").replaceChildren();
  byId("request").hidden = true;
  byId("ask").hidden = false;
  byId("fields").querySelector("textarea").focus();
}

async function answer() {
  const inputs = Object.fromEntries([...byId("fields").querySelectorAll("textarea")].map((a) => [a.name, a.value]));
  const { kind, name } = state.model;
  if (kind.show === write) return write(inputs);
  const texts = kind.byLine ? inputs.text.split("\n").filter((line) => line.trim()) : null;
  const body = { instances: texts ?? [inputs] };
  const response = await predict(body);
  const parts = texts
    ? kind.show(response.predictions, texts)
    : await kind.show(response.predictions[0], inputs);
  byId("answer").replaceChildren(...parts);
  showRequest(`v1/models/${name}:predict`, body, response);
}

async function submit() {
  if (byId("run").disabled || !byId("ask").reportValidity()) return;
  byId("run").disabled = true;
  try {
    await answer();
  } catch (error) {
    byId("answer").replaceChildren(headline(error.message, "", "error"));
  } finally {
    byId("run").disabled = false;
  }
}

function askForToken() {
  byId("login").hidden = false;
  byId("state").textContent = "token needed";
  byId("token").focus();
}

async function connect() {
  const { models } = await (await send("v1/models")).json();
  byId("models").replaceChildren(...models.map((entry) => make("button", {
    type: "button", textContent: entry.name,
    onclick: () => choose(entry).catch(showError) })));
  byId("login").hidden = true;
  await choose(models[0]);
}

function showError(error) {
  byId("answer").replaceChildren(headline(error.message, "", "error"));
}

byId("ask").addEventListener("submit", (event) => { event.preventDefault(); submit(); });
byId("ask").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); submit(); }
});
byId("stop").addEventListener("click", () => state.abort?.abort());
byId("login").addEventListener("submit", (event) => {
  event.preventDefault();
  state.token = byId("token").value.trim();
  connect().catch(showError);
});
connect().catch(showError);
