// A message as it would read at one store. A small part of Liquid, enough to preview: the gateway renders the real one.

const OUTPUT = /\{\{-?\s*([^}]*?)\s*-?\}\}/g;

type Filter = (text: string, argument: string) => string;

const FILTERS: Record<string, Filter> = {
  upcase: (text) => text.toUpperCase(),
  downcase: (text) => text.toLowerCase(),
  capitalize: (text) => text.charAt(0).toUpperCase() + text.slice(1),
  strip: (text) => text.trim(),
  default: (text, argument) => text || argument,
  append: (text, argument) => text + argument,
  prepend: (text, argument) => argument + text,
  truncate: (text, argument) => {
    const most = Number(argument) || 50;
    return text.length > most ? `${text.slice(0, most - 3)}...` : text;
  },
};

/** What is not known here is shown as ‹its name›, so that the writer sees that something will stand there. */
export function preview(template: string, variables: object): string {
  return template.replace(OUTPUT, (_whole, expression: string) => {
    const [path = "", ...filters] = expression.split("|").map((part) => part.trim());
    const value = path
      .split(".")
      .reduce<unknown>((at, name) => (at as Record<string, unknown> | undefined)?.[name], variables);
    const known = typeof value === "string" || typeof value === "number";
    const text = filters.reduce(filtered, known ? String(value) : "");
    return text || `‹${path.split(".").pop()}›`;
  });
}

function filtered(text: string, filter: string): string {
  const [name = "", argument = ""] = filter.split(":").map((part) => part.trim());
  return FILTERS[name]?.(text, argument.replace(/^['"]|['"]$/g, "")) ?? text;
}
