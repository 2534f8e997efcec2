// Read a JSON list of diagrams from stdin; write a JSON list of what Mermaid says: its kind, or why it cannot be read.
import { readFileSync } from "node:fs";
import { JSDOM } from "jsdom";

const { window } = new JSDOM("<!DOCTYPE html><body></body>");
globalThis.window = window; // mermaid looks for a page when it is imported
globalThis.document = window.document;

const { default: mermaid } = await import("mermaid");
mermaid.initialize({ startOnLoad: false });

const told = [];
for (const text of JSON.parse(readFileSync(0, "utf-8"))) {
  try {
    const { diagramType } = await mermaid.parse(text);
    told.push({ kind: diagramType });
  } catch (error) {
    told.push({ error: String(error?.message ?? error) });
  }
}
process.stdout.write(JSON.stringify(told));
