// What a schema or an operation of the OpenAPI document says, in words.
import { token } from "./session.js";

let openapi = { paths: {}, components: {} };

export function use(document) {
  openapi = document;
}

export function resolved(part) {
  const path = part?.$ref?.split("/").slice(1);
  if (!path) return part;
  const { $ref: _, ...beside } = part;
  return { ...path.reduce((at, key) => at[key], openapi), ...beside };
}

// The choices of a schema without null, which is a word behind the others.
function choices(schema) {
  const all = (schema.anyOf ?? schema.oneOf ?? [schema]).map(resolved);
  return { some: all.filter((each) => each.type !== "null"), isNullable: all.some((each) => each.type === "null") };
}

export function typeWords(given) {
  const schema = resolved(given) ?? {};
  const { some, isNullable } = choices(schema);
  const words = some.map(oneType);
  return [...new Set(words), ...(isNullable ? ["null"] : [])].join(" or ");
}

function oneType(schema) {
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (schema.type === "array") return `array of ${typeWords(schema.items)}`;
  if (schema.format === "date-time") return "moment (RFC 3339)";
  if (Array.isArray(schema.type)) return schema.type.join(" or ");
  return schema.type ?? "any JSON";
}

export function limitWords(given) {
  const schema = resolved(given) ?? {};
  const words = choices(schema).some.flatMap(bounds);
  if (schema.default !== undefined && schema.default !== null) words.push(`default ${JSON.stringify(schema.default)}`);
  return words.join(", ");
}

function bounds({ minimum, maximum, exclusiveMinimum, minLength, maxLength, pattern }) {
  const words = [];
  if (minimum !== undefined && maximum !== undefined) words.push(`${minimum} to ${maximum}`);
  else if (minimum !== undefined) words.push(`${minimum} or more`);
  else if (maximum !== undefined) words.push(exclusiveMinimum === undefined ? `at most ${maximum}` : `more than ${exclusiveMinimum}, at most ${maximum}`);
  if (maxLength !== undefined) words.push(minLength ? `${minLength} to ${maxLength} characters` : `at most ${maxLength} characters`);
  if (pattern) words.push(`like ${pattern}`);
  return words;
}

// The fields of what a schema describes: of an object, or of the objects in an array.
export function fieldsOf(given) {
  const schema = resolved(given) ?? {};
  const found = choices(schema).some.map((each) => (each.type === "array" ? resolved(each.items) : each)).find((each) => each?.properties);
  if (!found) return [];
  return Object.entries(found.properties).map(([name, part]) => ({
    name, part, isRequired: (found.required ?? []).includes(name),
    description: resolved(part).description ?? "",
  }));
}

// The first example of a body, as text, and its media type.
export function exampleOf(content) {
  const [type, media] = Object.entries(content ?? {})[0] ?? [];
  if (!media) return null;
  const example = media.example ?? Object.values(media.examples ?? {})[0]?.value ?? resolved(media.schema)?.examples?.[0];
  return { type, text: typeof example === "string" ? example : JSON.stringify(example, null, 2) ?? "" };
}

const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

// A line for a shell that makes the request, with the example for a body.
export function curlOf(method, path, operation) {
  const answers = Object.values(operation.responses).flatMap((answer) => Object.keys(answer.content ?? {}));
  const streams = answers[0] === "text/event-stream";
  const parts = [`curl -s${streams ? "N" : ""}${method === "get" ? "" : ` -X ${method.toUpperCase()}`} ${quoted(location.origin + path)}`];
  if (operation["x-airboss-rule"] !== "open" && token()) parts.push('-H "Authorization: Bearer $AIRBOSS_TOKEN"');
  const body = exampleOf(operation.requestBody?.content);
  if (body) parts.push(`-H ${quoted(`Content-Type: ${body.type}`)}`, `-d ${quoted(body.text)}`);
  return parts.join(" \\\n  ");
}
