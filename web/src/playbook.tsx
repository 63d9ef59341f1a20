// The playbooks of docs/howto/incidents.md, which are built into the page: what an alert asks of you, by its code.
import text from "../../docs/howto/incidents.md?raw";

type Entry = { alert: string; itself: string; you: string };
const ROWS: Entry[] = text
  .split("\n")
  .filter((line) => line.startsWith("| ") && !line.startsWith("| Alert "))
  .map((line) => line.slice(2, -2).split(" | "))
  .map(([alert = "", itself = "", you = ""]) => ({ alert, itself, you }));

/** The commands that come before all causes. */
export const FIRST_OF_ALL: string = (/(?:^ {4}.*\n)+/m.exec(text)?.[0] ?? "").replace(/^ {4}/gm, "");
export const playbook = (code: string): Entry[] =>
  ROWS.filter(({ alert }) => alert.toLowerCase().includes(`\`${code.toLowerCase()}\``));

/** A line of Markdown: code stays code, links are their words, nothing is slanted. */
export const Marked = ({ text }: { text: string }) => (
  <>
    {text
      .replace(/\[([^\]]*)\]\([^)]*\)|\*/g, "$1")
      .split("`")
      .map((part, i) => (i % 2 ? <code key={i}>{part}</code> : part))}
  </>
);
