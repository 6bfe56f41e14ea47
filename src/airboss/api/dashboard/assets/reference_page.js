// Draws the OpenAPI document as a page to read: no library, no request to anyone else.
import { get, showProblem } from "./api.js";
import { startShell } from "./shell.js";

startShell();
document.getElementById("connection").hidden = true;

function element(name, text, className) {
  const made = document.createElement(name);
  made.textContent = text ?? "";
  if (className) made.className = className;
  return made;
}

let openapi = { paths: {}, info: { version: "", description: "" } };
try {
  openapi = await get("/openapi.json");
} catch (error) {
  showProblem("The description of the API cannot be read", error);
}

function resolved(schema) {
  const path = schema?.$ref?.split("/").slice(1);
  return path ? path.reduce((at, key) => at[key], openapi) : schema;
}

function exampleOf(content) {
  const [type, media] = Object.entries(content ?? {})[0] ?? [];
  if (!media) return null;
  const schema = resolved(media.schema);
  const example = media.example ?? Object.values(media.examples ?? {})[0]?.value ?? schema?.examples?.[0];
  return example === undefined ? type : `${typeof example === "string" ? example : JSON.stringify(example, null, 2)}`;
}

function part(title, text) {
  const box = document.createElement("div");
  box.append(element("h3", title));
  if (text) box.append(element("pre", text));
  return box;
}

function parameters(operation) {
  const list = document.createElement("ul");
  for (const parameter of operation.parameters ?? []) {
    const item = document.createElement("li");
    item.append(element("code", parameter.name), ` (${parameter.in}) ${parameter.description ?? ""}`);
    list.append(item);
  }
  return list;
}

function drawn(method, path, operation) {
  const box = document.createElement("details");
  const summary = document.createElement("summary");
  summary.append(element("span", method.toUpperCase(), "method"), element("code", path), ` ${operation.summary ?? ""} `,
    element("span", operation["x-airboss-rule"], "role"));
  box.append(summary, parameters(operation));
  if (operation.requestBody) box.append(part("Body", exampleOf(operation.requestBody.content)));
  for (const [status, answer] of Object.entries(operation.responses ?? {})) {
    box.append(part(`${status} ${answer.description ?? ""}`, exampleOf(answer.content)));
  }
  return box;
}

const sections = new Map();
for (const [path, methods] of Object.entries(openapi.paths)) {
  for (const [method, operation] of Object.entries(methods)) {
    const tag = operation.tags?.[0] ?? "other";
    if (!sections.has(tag)) {
      const section = document.createElement("section");
      section.append(element("h2", tag));
      sections.set(tag, section);
    }
    sections.get(tag).append(drawn(method, path, operation));
  }
}
document.getElementById("about").textContent = `${openapi.info.version}: ${openapi.info.description}`;
document.getElementById("operations").replaceChildren(...sections.values());
