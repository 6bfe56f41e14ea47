// One operation of the API: what it takes, what it answers, and a line for a shell that calls it.
import { announce, element } from "./dom.js";
import { curlOf, exampleOf, fieldsOf, limitWords, resolved, typeWords } from "./reference_words.js";

const DEEPEST = 3;

// A path breaks behind its slashes where a line ends.
function broken(path) {
  return path.split(/(?<=\/)/).flatMap((part) => [part, element("wbr")]);
}

// Of what is sent it counts which fields must be there; what is answered has all of them.
function field({ name, part, isRequired, description, place }, depth) {
  const within = depth < DEEPEST ? fieldsOf(part) : [];
  return [
    element("dt", {}, element("code", {}, name), " ", element("span", { class: "type" }, typeWords(part)),
      isRequired ? element("strong", { class: "note" }, "required") : "",
      place ? element("span", { class: "note" }, `in the ${place}`) : "",
      limitWords(part) ? element("span", { class: "note" }, limitWords(part)) : ""),
    element("dd", {}, description, within.length ? element("dl", { class: "params" }, ...within.flatMap((each) => field({ ...each, isRequired: isRequired !== null && each.isRequired }, depth + 1))) : ""),
  ];
}

function fields(title, list) {
  return list.length ? [element("h3", {}, title), element("dl", { class: "params" }, ...list.flatMap((each) => field(each, 1)))] : [];
}

const parametersOf = (operation) => (operation.parameters ?? []).map((parameter) => ({
  name: parameter.name, part: parameter.schema ?? {}, isRequired: parameter.required, place: parameter.in,
  description: parameter.description ?? resolved(parameter.schema)?.description ?? "",
}));

const headersOf = (answer) => Object.entries(answer.headers ?? {}).map(([name, header]) => {
  const { schema, description, required } = resolved(header);
  return { name, part: schema, description: required ? description : `${description} Not always there.` };
});

function sample(text, label, className) {
  return element("pre", { tabindex: "0", "aria-label": label, class: className }, text);
}

async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
    announce(`${what} is copied`);
  } catch {
    announce("This browser does not let the page copy: select the text");
  }
}

function call(method, path, operation) {
  const line = curlOf(method, path, operation);
  return [
    element("div", { class: "section-head" }, element("h3", {}, "Call it"),
      element("button", { type: "button", class: "quiet", "aria-label": `Copy the line that calls ${method.toUpperCase()} ${path}`, onclick: () => copy(line, "The line") }, "Copy")),
    sample(line, `A line for a shell: ${method.toUpperCase()} ${path}`, "curl"),
  ];
}

const asAnswered = (list) => list.map((each) => ({ ...each, isRequired: null }));

// The codes that an answer may hold, with what they mean.
function codes(answer, meanings) {
  const names = Object.keys(answer.content?.["application/json"]?.examples ?? {}).filter((code) => meanings.has(code));
  return names.length ? element("ul", { class: "codes" }, ...names.map((code) =>
    element("li", {}, element("a", { href: `#error-${code}` }, element("code", {}, code)), ` ${meanings.get(code)}`))) : null;
}

function answered(status, answer, meanings, isFirst) {
  const told = codes(answer, meanings);
  const example = told ? null : exampleOf(answer.content);
  const schema = Object.values(answer.content ?? {})[0]?.schema;
  return element("details", { class: "answer", open: isFirst },
    element("summary", {}, element("code", {}, status), " ", told ? Object.keys(answer.content["application/json"].examples).join(", ") : answer.description),
    told ?? "",
    example?.text ? sample(example.text, `An example of the answer ${status}`) : "",
    ...(told ? [] : fields("Fields", asAnswered(fieldsOf(schema)))),
    ...fields("Headers", headersOf(answer)));
}

const RULES = { open: "Open to everyone." };

// The inside is made when it is opened first: thirty operations have a thousand fields.
export function drawOperation(method, path, operation, meanings) {
  const rule = operation["x-airboss-rule"];
  const box = element("details", { class: "operation", id: operation.operationId, "data-operation": `${method.toUpperCase()} ${path}`, "data-text": `${method} ${path} ${operation.summary ?? ""} ${operation.tags?.join(" ") ?? ""} ${rule}`.toLowerCase() },
    element("summary", {},
      element("span", { class: `method method-${method}` }, method.toUpperCase()),
      element("code", { class: "path" }, ...broken(path)),
      element("span", { class: "does" }, operation.summary ?? ""),
      element("span", { class: "role" }, rule)));
  box.addEventListener("toggle", () => {
    if (!box.open || box.childElementCount > 1) return;
    const body = operation.requestBody?.content;
    const example = exampleOf(body);
    const statuses = Object.entries(operation.responses ?? {}).sort(([a], [b]) => a - b);
    box.append(
      element("p", { class: "hint" }, RULES[rule] ?? `Needs the role ${rule}.`),
      ...fields("Parameters", parametersOf(operation)),
      ...fields("Body", fieldsOf(Object.values(body ?? {})[0]?.schema)),
      ...(example ? [sample(example.text, `An example of the body of ${method.toUpperCase()} ${path}`)] : []),
      ...call(method, path, operation),
      element("h3", {}, "Answers"),
      ...statuses.map(([status, answer], index) => answered(status, answer, meanings, index === 0)));
  });
  return box;
}
