// What differs between two JSON values, member by member: where, what it was, what it is.

interface Change {
  at: string;
  before: unknown;
  after: unknown;
}

const MOST_SHOWN = 60;
const LONGEST = 240;

export function DifferenceTable({ before, after }: { before: unknown; after: unknown }) {
  const changes = changesBetween(before, after).filter(({ at }) => at !== "/version");
  if (changes.length === 0) return <p class="hint">Nothing in it differs.</p>;
  return (
    <div class="difference" tabIndex={0} role="region" aria-label="What differs">
      <table>
        <thead class="unseen">
          <tr>
            <th scope="col">Where</th>
            <th scope="col">Before</th>
            <th scope="col">After</th>
          </tr>
        </thead>
        <tbody>
          {changes.slice(0, MOST_SHOWN).map(({ at, before: was, after: is }) => (
            <tr key={at}>
              <th scope="row">
                <code>{at || "/"}</code>
              </th>
              <td>{was === undefined ? <span class="hint">–</span> : <del>{said(was)}</del>}</td>
              <td>{is === undefined ? <span class="hint">–</span> : <ins>{said(is)}</ins>}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {changes.length > MOST_SHOWN && <p class="hint">{changes.length - MOST_SHOWN} more members differ.</p>}
    </div>
  );
}

/** Members that differ, by JSON pointer. Lists are compared whole: what moved within them says little. */
export function changesBetween(before: unknown, after: unknown, at = ""): Change[] {
  if (before === null && at === "") return changesBetween(undefined, after);
  if (after === null && at === "") return changesBetween(before, undefined);
  if (JSON.stringify(before) === JSON.stringify(after)) return [];
  if (!isObject(before) && !isObject(after)) return [{ at, before, after }];
  const [was, is] = [membersOf(before), membersOf(after)];
  if (!was || !is) return [{ at, before, after }];
  const names = new Set([...Object.keys(was), ...Object.keys(is)]);
  return [...names].flatMap((name) => changesBetween(was[name], is[name], `${at}/${name}`));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Nothing has no members; a plain value cannot be compared with an object member by member. */
function membersOf(value: unknown): Record<string, unknown> | null {
  if (value === undefined) return {};
  return isObject(value) ? value : null;
}

function said(value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
}
