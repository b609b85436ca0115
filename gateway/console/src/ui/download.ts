// A text made in the page, saved as a file.

export function download(name: string, type: string, text: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

/** Rows as CSV (RFC 4180). */
export function csv(rows: readonly (readonly unknown[])[]): string {
  const quoted = (value: unknown): string => `"${String(value ?? "").replaceAll('"', '""')}"`;
  return rows.map((row) => row.map(quoted).join(",")).join("\r\n");
}
